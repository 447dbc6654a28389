//! Jobs that may only begin at certain hours.

use std::time::Duration;

use scomo::{infra::system::SystemClock, model::clock::Clock as _, sim::Operation};
use serde_json::{Value, json};

use super::{HELLO, SETTINGS, device, plain};
use crate::support::{
    api::{download, request, with},
    database::{Database, on_each_database},
    watch::until,
    world::{Plan, World},
};

const D1: &str = "dev-1";

/// A window that opens in half a day for a minute: it is closed however long a test takes.
fn closed() -> Value {
    let noon = SystemClock.now().after(Duration::from_hours(12)).to_string();
    let (hour, minute) = (&noon[11..13], &noon[14..16]);
    json!({ "cron": format!("{minute} {hour} * * *"), "minutes": 1, "time_zone": "UTC" })
}

on_each_database! {
    async fn a_job_outside_of_its_window_waits_for_it_and_a_session_that_the_device_opens_works_on_others(db: Database) {
        let world = World::with(db, &plain()).await;
        let ask = with(download(HELLO, "install", "auto"), json!({ "schedule": { "window": closed() }, "priority": 9 }));
        world.api.submit("night", &[D1], ask).await;
        let job = world.api.until_state("night", "waiting").await;
        let why = world.api.get(&format!("jobs/{}/why", job["job_id"].as_str().unwrap())).await;
        let told = why["why"].as_str().unwrap();
        assert!(told.contains("waits for its window") && told.contains("which opens at"), "{why:#}");
        assert!(why["next"]["at"].is_string(), "{why:#}");
        world.api.submit("now", &[D1], with(download(SETTINGS, "deliver", "auto"), json!({ "notify": "never" }))).await;
        world.fleet.device(D1).unwrap().start_session();
        let ended = world.api.ended("now").await;
        world.fleet.idle().await;
        assert_eq!(ended.outcome().0, "succeeded", "{:#}", ended.job());
        assert_eq!(world.api.job("night").await["state"], "waiting");
        assert_eq!(world.watch.executed(D1), [], "nothing of the job in the window was begun");
        assert_eq!(world.watch.sessions(D1), 1, "the device was not notified");
        world.end().await;
    }

    async fn a_job_begins_when_its_time_has_come(db: Database) {
        let world = World::with(db, &plain()).await;
        let at = SystemClock.now().after(Duration::from_millis(700));
        let ask = with(download(HELLO, "install", "auto"), json!({ "schedule": { "not_before": at.to_string() } }));
        let ended = world.run("r", ask).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        // A device may be faster than its courier: then it is in session before anyone tells that it was notified.
        let begins = |event: &Value| event["type"] == "scomo.job.notified" || event["type"] == "scomo.job.in_session";
        let first = world.api.events("r").await.into_iter().find(begins).unwrap();
        assert!(first["time"].as_str().unwrap() >= at.to_string().as_str(), "{first:#} at {at}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_while_its_window_is_open() {
    let world = World::with(Database::sqlite(), &plain()).await;
    let window = json!({ "cron": "* * * * *", "minutes": 2, "time_zone": "Asia/Kolkata" });
    let ended =
        world.run("r", with(download(HELLO, "install", "auto"), json!({ "schedule": { "window": window } }))).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_registered_for_later_waits_for_its_window_too() {
    let world = Plan::of(Database::sqlite()).devices(&device(1, "")).unregistered().start().await;
    let schedule = json!({ "schedule": { "window": closed() }, "if_unknown_device": "wait" });
    world.api.submit("r", &[D1], with(download(HELLO, "install", "auto"), schedule)).await;
    world.api.until_state("r", "accepted").await;
    world.register().await;
    let job = world.api.until_state("r", "waiting").await;
    let id = job["job_id"].as_str().unwrap();
    until("the window to be waited for", async || {
        let why = world.api.get(&format!("jobs/{id}/why")).await;
        why["why"].as_str().unwrap().contains("waits for its window").then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_leaves_no_moment_is_refused_with_its_place() {
    let world = World::with(Database::sqlite(), &plain()).await;
    let window = |cron: &str| json!({ "window": { "cron": cron, "minutes": 60, "time_zone": "UTC" } });
    for (schedule, pointer) in [
        (window("0 2 30 2 *"), "/schedule/window"),
        (window("0 2 * *"), "/schedule/window/cron"),
        (json!({ "deadline": "2999-01-01T00:00:00Z" }), "/schedule/deadline"),
        (json!({ "not_before": "2999-01-01T00:00:00Z" }), "/schedule/not_before"),
    ] {
        let ask = with(download(HELLO, "install", "auto"), json!({ "schedule": schedule }));
        let reply = world.api.post("requests", &request("r", &[D1], ask)).await;
        assert_eq!((reply.status, &reply.body["errors"][0]["pointer"]), (422, &json!(pointer)), "{}", reply.body);
    }
    world.end().await;
}
