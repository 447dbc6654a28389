//! A job that is cancelled, in each of its live states, tells what its device may still do.

use scomo::sim::Operation;
use serde_json::json;

use super::{HELLO, HELLO_SCRIPT, device, plain};
use crate::support::{
    api::{Ended, download, on_component, with},
    database::Database,
    watch::until,
    world::{Plan, World},
};

const D1: &str = "dev-1";

/// What a cancelled job says of its device.
fn text(ended: &Ended) -> &str {
    assert_eq!(ended.outcome(), ("cancelled", None), "{:#}", ended.job());
    ended.job()["result"]["text"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_and_its_device_unknown() {
    let world = World::with(Database::sqlite(), "").await;
    let ask = with(download(HELLO, "install", "auto"), json!({ "if_unknown_device": "wait" }));
    world.api.submit("r", &["nobody"], ask).await;
    world.api.until_state("r", "accepted").await;
    world.api.cancel("r").await;
    assert_eq!(text(&world.api.ended("r").await), "the device had nothing to do yet");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_after_a_session_that_broke_off() {
    let vanishes = device(1, "[[device.outage]]\nmessage = 5\nlasts = \"1h\"");
    let plan = Plan::of(Database::sqlite()).devices(&vanishes);
    let world =
        plan.tune(|settings| settings.job.patience.session = std::time::Duration::from_millis(200)).start().await;
    world.api.submit("r", &[D1], with(download(HELLO, "install", "direct"), json!({ "notify": "never" }))).await;
    world.fleet.device(D1).unwrap().start_session();
    world.api.until_state("r", "in_session").await;
    world.api.until_state("r", "waiting").await;
    world.api.cancel("r").await;
    assert_eq!(text(&world.api.ended("r").await), "what was written to the device may stay there; nothing was started");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_after_a_failed_attempt() {
    let fails = device(1, "[[device.result]]\noperation = \"Install\"\ncode = 1405");
    let world = World::with(Database::sqlite(), &fails).await;
    let ask = with(download(HELLO, "install", "direct"), json!({ "retry": { "limit": 3, "backoff": "1h" } }));
    world.api.submit("r", &[D1], ask).await;
    let second = async || Some(world.api.job("r").await).filter(|job| job["attempt"] == 2);
    until("the second attempt to be planned", second).await;
    world.api.cancel("r").await;
    let ended = world.api.ended("r").await;
    assert!(text(&ended).contains("an earlier attempt failed; what it wrote to the device may stay there"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_session_while_the_device_is_silent() {
    let world = World::with(Database::sqlite(), &device(1, "[[device.outage]]\nmessage = 5\nlasts = \"1h\"")).await;
    world.api.submit("r", &[D1], download(HELLO, "install", "direct")).await;
    world.api.until_state("r", "in_session").await;
    world.api.cancel("r").await;
    assert_eq!(text(&world.api.ended("r").await), "what was written to the device may stay there; nothing was started");
    assert_eq!(world.watch.executed(D1), []);
    world.end().await;
}

/// A device whose user takes the time, with the component that a job removes.
fn slow_user(think: &str) -> String {
    device(
        1,
        &format!(
            "user = \"accept\"\n[device.delays]\nuser = \"{think}\"\n[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.0\""
        ),
    )
}

fn removal(if_no_ui: &str) -> serde_json::Value {
    let confirm = json!({ "confirm": { "text": { "en": "Remove it?" }, "if_no_ui": if_no_ui } });
    with(on_component("remove", HELLO_SCRIPT), confirm)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awaiting_its_user_whose_yes_comes_too_late() {
    let world = World::with(Database::sqlite(), &slow_user("700ms")).await;
    world.api.submit("r", &[D1], removal("stop")).await;
    world.api.until_state("r", "awaiting_user").await;
    world.api.cancel("r").await;
    let ended = world.api.ended("r").await;
    assert!(text(&ended).contains("whose answer no longer counts; nothing was started"), "{}", text(&ended));
    world.fleet.idle().await;
    assert_eq!(world.watch.executed(D1), [], "the yes has no effect");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awaiting_its_user_whose_yes_still_runs_the_operation_that_it_guards() {
    let world = World::with(Database::sqlite(), &slow_user("700ms")).await;
    world.api.submit("r", &[D1], removal("proceed")).await;
    world.api.until_state("r", "awaiting_user").await;
    world.api.cancel("r").await;
    let ended = world.api.ended("r").await;
    assert!(text(&ended).contains("does it after a yes; that would be told as a late result"), "{}", text(&ended));
    let late = until("the late result", async || {
        world.api.events("r").await.into_iter().find(|event| event["type"] == "scomo.job.late_result")
    })
    .await;
    assert_eq!((&late["data"]["outcome"], &late["data"]["result"]["code"]), (&json!("succeeded"), &json!(1200)));
    assert_eq!(world.watch.executed(D1), [(Operation::RemoveComponent, 1200)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awaiting_a_report_that_comes_without_a_correlator() {
    for report in ["correlator = \"omit\"", "correlator = \"omit\"\nsource = \"none\""] {
        let tables = format!("[device.delays]\noperation = \"700ms\"\n[device.report]\n{report}");
        let world = World::with(Database::sqlite(), &device(1, &tables)).await;
        world.api.submit("r", &[D1], download(HELLO, "install", "auto")).await;
        world.api.until_state("r", "awaiting_report").await;
        world.api.cancel("r").await;
        assert!(text(&world.api.ended("r").await).contains("may still finish"));
        let late = until("the late result", async || {
            world.api.events("r").await.into_iter().find(|event| event["type"] == "scomo.job.late_result")
        })
        .await;
        assert_eq!(late["data"]["outcome"], "succeeded", "{report}: {late:#}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_without_a_correlator_that_may_mean_two_ended_jobs_is_nobodys() {
    let tables = format!(
        "[device.delays]\noperation = \"700ms\"\n[device.report]\ncorrelator = \"omit\"\n\
         [[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.0\"\n\
         [[device.result]]\noperation = \"Deactivate\"\nsilent = \"nothing\"\ntimes = 1"
    );
    let world = World::with(Database::sqlite(), &device(1, &tables)).await;
    for request in ["one", "two"] {
        world.api.submit(request, &[D1], on_component("deactivate", HELLO_SCRIPT)).await;
        world.api.until_state(request, "awaiting_report").await;
        world.api.cancel(request).await;
        world.api.ended(request).await;
        world.fleet.idle().await;
    }
    let reported = |event: &scomo::sim::Event| matches!(event, scomo::sim::Event::Executed { .. });
    world.watch.until(D1, reported).await;
    world.fleet.idle().await;
    for request in ["one", "two"] {
        let events = world.api.events(request).await;
        assert!(!events.iter().any(|event| event["type"] == "scomo.job.late_result"), "{events:#?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_leaves_its_device_to_the_next() {
    let world = World::with(Database::sqlite(), &plain()).await;
    world.api.submit("r", &[D1], with(download(HELLO, "install", "auto"), json!({ "notify": "never" }))).await;
    world.api.until_state("r", "waiting").await;
    world.api.cancel("r").await;
    assert_eq!(text(&world.api.ended("r").await), "the device had nothing to do yet");
    let ended = world.run("next", download(HELLO, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    world.end().await;
}
