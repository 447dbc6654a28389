//! Devices that vanish, restart, are full, refuse, or never tell how it ended: each job comes to a truthful end.

use std::time::Duration;

use scomo::sim::Operation;
use serde_json::json;

use super::{HELLO, HELLO_SCRIPT, SINE, device};
use crate::support::{
    api::{deadline, download, on_component, with},
    database::Database,
    world::{Plan, World},
};

const D1: &str = "dev-1";

/// A service that does not wait long for reports and silent sessions.
async fn hasty(tables: &str) -> World {
    let plan = Plan::of(Database::sqlite()).devices(&device(1, tables));
    plan.tune(|settings| {
        settings.job.patience.report = Duration::from_millis(300);
        settings.job.patience.session = Duration::from_millis(500);
    })
    .start()
    .await
}

fn again(limit: u32) -> serde_json::Value {
    json!({ "retry": { "limit": limit, "backoff": "1s" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_vanishes_in_its_session_is_asked_back_and_served() {
    for message in [2, 3, 4, 5, 6] {
        let world = hasty(&format!("[[device.outage]]\nmessage = {message}\nlasts = \"100ms\"")).await;
        let ended = world.run("r", download(HELLO, "install", "auto")).await;
        assert_eq!(ended.job()["state"], "succeeded", "message {message}: {:#}", ended.job());
        assert_eq!(ended.job()["attempt"], 1, "a broken line costs no attempt");
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)], "message {message}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_vanishes_for_good_in_its_session_lets_the_job_expire() {
    let world = hasty("[[device.outage]]\nmessage = 4\nlasts = \"1h\"").await;
    world.api.submit("r", &[D1], with(download(HELLO, "install", "auto"), deadline(1500))).await;
    let ended = world.api.ended("r").await;
    assert_eq!(ended.outcome(), ("expired", None), "{:#}", ended.job());
    assert_eq!(ended.job()["reason"], "deadline");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_starts_anew_in_the_midst_of_an_operation_is_asked_what_came_of_it() {
    for (moment, then, executed) in [
        ("exec", "resume", 1),
        ("start", "resume", 1),
        ("install", "resume", 1),
        ("install", "silent", 1),
        ("start", "silent", 1),
    ] {
        let tables = format!(
            "[[device.outage]]\noperation = \"DownloadInstall\"\nmoment = \"{moment}\"\nlasts = \"100ms\"\nthen = \"{then}\""
        );
        let world = hasty(&tables).await;
        let ended = world.run("r", download(HELLO, "install", "alternate")).await;
        assert_eq!(ended.job()["state"], "succeeded", "{moment} {then}: {:#}", ended.job());
        assert_eq!(world.watch.executed(D1).len(), executed, "{moment} {then}: the Exec had its effect once");
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_a_restart_made_forgotten_fails_and_is_tried_again() {
    let tables =
        "[[device.outage]]\noperation = \"DownloadInstall\"\nmoment = \"start\"\nlasts = \"50ms\"\nthen = \"lost\"";
    let world = hasty(tables).await;
    let ended = world.run("r", with(download(HELLO, "install", "alternate"), again(1))).await;
    assert_eq!(ended.job()["state"], "succeeded", "{:#}", ended.job());
    assert_eq!(ended.job()["attempt"], 2);
    let once = hasty(tables).await;
    let failed = once.run("r", download(HELLO, "install", "alternate")).await;
    assert_eq!(failed.outcome(), ("failed", None), "{:#}", failed.job());
    assert_eq!(failed.job()["result"]["class"], "silent");
    once.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_never_comes_is_decided_by_the_tree() {
    for (silent, state, class) in [("done", "succeeded", None), ("nothing", "failed", Some("silent"))] {
        let world = hasty(&format!("[[device.result]]\noperation = \"Install\"\nsilent = \"{silent}\"")).await;
        let ended = world.run("r", download(HELLO, "install", "direct")).await;
        assert_eq!(ended.job()["state"], state, "{silent}: {:#}", ended.job());
        assert_eq!(ended.job()["result"]["class"].as_str(), class, "{silent}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_never_ends_is_in_doubt_at_the_deadline_with_the_last_status() {
    for (operation, ask, status) in [
        ("Install", download(HELLO, "install", "direct"), "installing"),
        ("Deactivate", on_component("deactivate", HELLO_SCRIPT), "deactivating"),
    ] {
        let tables = format!(
            "[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.0\"\n\
             [[device.result]]\noperation = \"{operation}\"\nsilent = \"stuck\""
        );
        let world = hasty(&tables).await;
        let ended = world.run("r", with(ask, deadline(2500))).await;
        assert_eq!(ended.outcome(), ("in_doubt", None), "{:#}", ended.job());
        assert_eq!(ended.job()["reason"], "deadline");
        let text = ended.job()["result"]["text"].as_str().unwrap();
        assert!(text.ends_with(&format!("when its tree was last read, the device was {status}")), "{text}");
        assert!(world.watch.sessions(D1) > 1, "the device was woken and asked");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_full_says_so_whatever_the_way() {
    for (delivery, code, device_code) in [("direct", None, Some(420)), ("alternate", Some(1404), None)] {
        let world = hasty("[device.limits]\nstorage = 1000").await;
        let ended = world.run("r", download(SINE, "install", delivery)).await;
        assert_eq!(ended.outcome(), ("failed", code), "{delivery}: {:#}", ended.job());
        let result = &ended.job()["result"];
        assert_eq!((result["device_code"].as_u64(), &result["retryable"]), (device_code, &json!(true)), "{result:#}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_refuses_to_be_looked_at_is_not_taken_for_one_without_the_object() {
    for status in [403, 405] {
        let refuses = format!("[[device.refuse]]\ncommand = \"Get\"\nnode = \".\"\nbelow = true\nstatus = {status}");
        let world = hasty(&refuses).await;
        let ended = world.run("r", download(HELLO, "install", "direct")).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        let result = &ended.job()["result"];
        assert_eq!((&result["class"], &result["device_code"]), (&json!("refused"), &json!(status)), "{result:#}");
        let record = world.api.get("devices/dev-1").await;
        assert!(record.get("no_scomo_at").is_none_or(serde_json::Value::is_null), "{record:#}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_may_take_longer_than_the_patience_if_the_question_gives_the_time() {
    let tables = "user = \"accept\"\n[device.delays]\nuser = \"900ms\"";
    let plan = Plan::of(Database::sqlite()).devices(&device(1, tables));
    let world = plan.tune(|settings| settings.job.patience.user = Duration::from_millis(300)).start().await;
    let ask = json!({ "kind": "command", "commands": [
        { "do": "prompt", "prompt": "confirm", "text": { "en": "Go on?" }, "max_seconds": 20 } ] });
    let ended = world.run("r", ask).await;
    assert_eq!(
        ended.told(),
        ["notified", "in_session", "awaiting_user", "in_session", "succeeded"],
        "{:#}",
        ended.job()
    );
    assert_eq!(world.watch.sessions(D1), 1);
    world.end().await;
}
