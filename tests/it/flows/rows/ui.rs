//! T-UI: the device's user is asked before anything is done.

use std::time::Duration;

use scomo::{
    sim::{Event, Operation},
    wire::syncml::Command,
};
use serde_json::{Value, json};

use super::{D1, alerts, codes, heard, history, named, said, sent_to, targets, watched, watched_by};
use crate::{
    flows::{HELLO, HELLO_SCRIPT, device},
    support::{
        api::{download, on_component, with},
        database::Database,
        gate::Mode,
        watch::until,
        world::{Plan, World},
    },
};

/// An installation that its user has to agree to.
fn ask(if_no_ui: &str) -> Value {
    let confirm = json!({ "text": { "en": "Install it?", "de": "Soll es sein?" }, "if_no_ui": if_no_ui });
    with(download(HELLO, "install", "direct"), json!({ "confirm": confirm, "retry": { "limit": 3, "backoff": "1s" } }))
}

/// The Execs that stand with a question before them in a Sequence of its own, and all others.
fn execs(world: &World) -> (usize, usize) {
    let mut guarded = 0;
    for group in named(&said(world), "Sequence") {
        let Command::Sequence(group) = group else { continue };
        let names: Vec<_> = group.commands.iter().map(Command::name).collect();
        let asks = matches!(group.commands.first(), Some(Command::Alert(alert)) if alert.data == "1101");
        guarded += usize::from(asks && names == ["Alert", "Exec"]);
    }
    (guarded, named(&said(world), "Exec").len() - guarded)
}

fn questions(world: &World) -> usize {
    alerts(&said(world)).iter().filter(|code| *code == "1101").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ui_1_a_yes_lets_the_exec_run() {
    let world = watched("user = \"accept\"").await;
    let ended = world.run("r", ask("proceed")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert!(ended.told().contains(&"awaiting_user"), "{:?}", ended.told());
    assert_eq!((questions(&world), execs(&world)), (1, (1, 0)));
    assert_eq!((codes(&heard(&world), "Alert"), codes(&heard(&world), "Exec")), (vec![200], vec![202]));
    let prompts = world.tree(D1).prompts;
    assert_eq!((prompts[0].alert, prompts[0].text.as_str(), prompts[0].status), (1101, "Install it?", 200));
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ui_1_a_device_that_has_not_shown_that_it_can_ask_is_asked_alone_first() {
    let world = watched("user = \"accept\"").await;
    let ended = world.run("first", ask("stop")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((questions(&world), execs(&world)), (1, (0, 1)), "the question, and after the yes the Exec");
    let confirm = json!({ "confirm": { "text": { "en": "Stop it?" }, "if_no_ui": "stop" } });
    let ended = world.run("second", with(on_component("deactivate", HELLO_SCRIPT), confirm)).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((questions(&world), execs(&world)), (2, (1, 1)), "by now it is known to ask");
    let done = [(Operation::Install, 1200), (Operation::Deactivate, 1200)];
    assert_eq!(world.watch.executed(D1), done);
    world.end().await;
}

/// The request is declined and nothing is done, whether the question stands alone or in a Sequence; `status` is the user's answer.
async fn declined(answers: &str, status: u16) {
    for (if_no_ui, exec) in [("proceed", vec![215]), ("stop", vec![])] {
        let world = watched(&format!("user = {{ answers = \"{answers}\" }}")).await;
        let ended = world.run("r", ask(if_no_ui)).await;
        assert_eq!(ended.outcome(), ("declined", None), "{:#}", ended.job());
        assert_eq!(ended.job()["attempt"], 1, "a no is not asked twice");
        assert_eq!((questions(&world), execs(&world)), (1, (exec.len(), 0)));
        assert_eq!((codes(&heard(&world), "Alert"), codes(&heard(&world), "Exec")), (vec![status], exec));
        assert_eq!((world.watch.executed(D1), world.component(D1, HELLO_SCRIPT)), (vec![], None));
        assert_eq!(world.api.get("requests/it/r").await["counts"]["declined"], 1);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ui_2_a_no_skips_the_exec_and_the_job_is_declined() {
    declined("no", 304).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ui_3_a_cancel_skips_the_exec_and_the_job_is_declined() {
    declined("cancel", 214).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ui_4_a_device_that_cannot_ask_does_nothing_if_the_request_says_stop() {
    for goes_on in [true, false] {
        let world = watched(&format!("user = {{ ui = false, goes_on_without_ui = {goes_on} }}")).await;
        let ended = world.run("r", ask("stop")).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        let result = &ended.job()["result"];
        assert_eq!((&result["class"], &result["device_code"]), (&json!("incapable"), &json!(406)));
        assert_eq!((&ended.job()["attempt"], codes(&heard(&world), "Alert")), (&json!(1), vec![406]));
        assert_eq!(targets(&said(&world), "Exec"), Vec::<String>::new());
        let ended = world.run("again", ask("stop")).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        assert_eq!(questions(&world), 1, "it is known that it cannot");
        assert_eq!(world.component(D1, HELLO_SCRIPT), None);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ui_4_a_device_that_cannot_ask_does_it_unasked_if_the_request_says_proceed() {
    for goes_on in [true, false] {
        let world = watched(&format!("user = {{ ui = false, goes_on_without_ui = {goes_on} }}")).await;
        let ended = world.run("r", ask("proceed")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#} {}", ended.job(), history(&world, "r").await);
        assert!(codes(&heard(&world), "Alert").contains(&406));
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)], "once");
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_to_a_package_that_is_only_delivered_keeps_its_bytes_away() {
    for (answers, state, sent) in [("no", "declined", 0), ("yes", "succeeded", 1)] {
        let world = watched(&format!("user = {{ answers = \"{answers}\" }}")).await;
        let confirm = json!({ "confirm": { "text": { "en": "Take it?" }, "if_no_ui": "stop" } });
        let ended = world.run("r", with(download(HELLO, "deliver", "direct"), confirm)).await;
        assert_eq!(ended.job()["state"], state, "{:#}", ended.job());
        assert_eq!((questions(&world), sent_to(&said(&world), "Data").len()), (1, sent));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_nobody_answers_is_put_again_with_the_next_attempt() {
    let world = watched("user = { answers = [\"timeout\", \"yes\"] }").await;
    let ended = world.run("r", ask("proceed")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((&ended.job()["attempt"], questions(&world)), (&json!(2), 2));
    assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_is_done_at_once_after_the_question_needs_no_report() {
    let world = watched("user = \"accept\"\n[device.scomo]\nsync = [\"Install\"]").await;
    let ended = world.run("r", ask("proceed")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((execs(&world), codes(&heard(&world), "Exec"), world.watch.sessions(D1)), ((1, 0), vec![1200], 1));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_after_a_yes_is_tried_again_without_another_question() {
    let world = watched("user = \"accept\"\n[[device.result]]\noperation = \"Install\"\ncode = 1405\ntimes = 1").await;
    let ended = world.run("r", ask("proceed")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((&ended.job()["attempt"], questions(&world)), (&json!(2), 1));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_outlives_the_server_that_put_it() {
    for (if_no_ui, guarded) in [("proceed", 1), ("stop", 0)] {
        let plan = Plan::of(Database::sqlite()).devices(&device(1, "user = \"accept\"")).gate(Mode::Restart);
        let world = plan.start().await;
        let ended = world.run("r", ask(if_no_ui)).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!((questions(&world), execs(&world)), (1, (guarded, 1 - guarded)));
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_while_the_user_is_asked_and_what_the_device_does_all_the_same_is_told_late() {
    for (if_no_ui, done) in [("stop", None), ("proceed", Some(("1.1.0".to_owned(), true)))] {
        let world = watched("user = \"accept\"\n[device.delays]\nuser = \"1500ms\"").await;
        world.api.submit("r", &[D1], ask(if_no_ui)).await;
        world.api.until_state("r", "awaiting_user").await;
        world.api.cancel("r").await;
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("cancelled", None), "{:#}", ended.job());
        world.watch.until(D1, |event| matches!(event, Event::Prompted { .. })).await;
        if done.is_some() {
            world.watch.until(D1, |event| matches!(event, Event::Reported { .. })).await;
        }
        world.fleet.idle().await;
        assert_eq!(
            (world.component(D1, HELLO_SCRIPT), targets(&said(&world), "Exec").len()),
            (done.clone(), done.iter().len())
        );
        let late = async || {
            let events = world.api.events("r").await;
            events.into_iter().find(|event| event["type"] == "scomo.job.late_result")
        };
        if done.is_some() {
            let late = until("the late result", late).await;
            let told = (&late["data"]["outcome"], &late["data"]["result"]["code"]);
            assert_eq!(told, (&json!("succeeded"), &json!(1200)), "{late:#}");
        } else {
            assert_eq!(late().await, None);
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_takes_longer_than_the_server_waits_is_still_heard() {
    for if_no_ui in ["stop", "proceed"] {
        let slow = device(1, "user = \"accept\"\n[device.delays]\nuser = \"900ms\"");
        let plan = Plan::of(Database::sqlite()).devices(&slow).gate(Mode::Pass);
        let world = plan.tune(|settings| settings.job.patience.user = Duration::from_millis(300)).start().await;
        let ended = world.run("r", ask(if_no_ui)).await;
        let history = history(&world, "r").await;
        assert_eq!(ended.job()["state"], "succeeded", "{:#} {history}", ended.job());
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)], "once: {history}");
        assert_eq!(questions(&world), 1, "{history}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_asked_in_their_own_language() {
    let speaks = |lang: &str| format!("user = \"accept\"\n[device.devinfo]\nlang = \"{lang}\"");
    let devices = ["de-AT", "en-US", "ja"].map(speaks);
    let world = watched_by("", &devices.each_ref().map(String::as_str)).await;
    let ended = world.run("r", ask("proceed")).await;
    assert_eq!(ended.counts["succeeded"], 3, "{:#?}", ended.jobs);
    let shown = |number: u32| world.tree(&format!("dev-{number}")).prompts[0].text.clone();
    assert_eq!([shown(1), shown(2), shown(3)], ["Soll es sein?", "Install it?", "Install it?"]);
    world.end().await;
    // Without a text in the request, the package's own is shown.
    let world = watched_by("", &devices.each_ref().map(String::as_str)).await;
    let own = with(download(HELLO, "install", "direct"), json!({ "confirm": { "if_no_ui": "proceed" } }));
    assert_eq!(world.run("r", own).await.counts["succeeded"], 3);
    let shown = |number: u32| world.tree(&format!("dev-{number}")).prompts[0].text.clone();
    assert_eq!([shown(1), shown(2)], ["Hello 1.1 installieren?", "Install Hello 1.1?"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_users_type_and_choose_comes_back_with_the_list() {
    let answers = "user = { answers = [{ text = \"Joe\" }, { choice = 2 }, { choice = [1, 3] }] }";
    let world = watched(answers).await;
    let text = json!({ "en": "Well?" });
    let list = json!([
        { "do": "prompt", "prompt": "display", "text": text },
        { "do": "prompt", "prompt": "input", "text": text },
        { "do": "prompt", "prompt": "choice", "text": text, "choices": ["a", "b", "c"] },
        { "do": "prompt", "prompt": "choices", "text": text, "choices": ["a", "b", "c"] },
        { "do": "add", "uri": "./Box" },
    ]);
    let ended = world.run("r", json!({ "kind": "command", "commands": list })).await;
    assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
    let codes: Vec<_> = alerts(&said(&world)).into_iter().filter(|code| code.starts_with("110")).collect();
    assert_eq!(codes, ["1100", "1102", "1103", "1104"]);
    let items = ended.job()["result"]["items"].as_array().unwrap();
    let values: Vec<&Value> = items.iter().map(|item| &item["value"]).collect();
    assert_eq!(
        values[1..4],
        [&json!({ "given": ["Joe"] }), &json!({ "given": ["2"] }), &json!({ "given": ["1", "3"] })]
    );
    world.end().await;
}
