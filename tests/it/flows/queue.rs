//! Several jobs, and requests that come more than once.

use scomo::sim::Operation;
use serde_json::{Value, json};

use super::{HELLO, SETTINGS, device, plain};
use crate::support::{
    api::{download, request, with},
    database::{Database, on_each_database},
    world::World,
};

const D1: &str = "dev-1";

/// The requests in the order in which their jobs ended.
async fn order(world: &World, requests: &[&str]) -> Vec<String> {
    for request in requests {
        world.api.ended(request).await;
    }
    let page = world.api.get("events?limit=1000&after=0").await;
    let ends = page["events"].as_array().unwrap().iter().filter(|e| e["type"] == "scomo.job.succeeded");
    ends.map(|e| e["data"]["request_id"].as_str().unwrap().to_owned()).collect()
}

on_each_database! {
    async fn two_jobs_of_a_device_run_by_priority_in_one_session(db: Database) {
        let world = World::with(db, &plain()).await;
        let quiet = |priority: u8| json!({ "notify": "never", "priority": priority });
        world.api.submit("low", &[D1], with(download(HELLO, "deliver", "auto"), quiet(1))).await;
        world.api.submit("high", &[D1], with(download(SETTINGS, "deliver", "auto"), quiet(9))).await;
        world.fleet.device(D1).unwrap().start_session();
        assert_eq!(order(&world, &["low", "high"]).await, ["high", "low"]);
        world.fleet.idle().await;
        assert_eq!(world.watch.sessions(D1), 1);
        world.end().await;
    }

    async fn the_next_job_is_taken_up_when_the_device_is_free(db: Database) {
        let world = World::with(db, &device(1, "[device.delays]\noperation = \"200ms\"")).await;
        world.api.submit("first", &[D1], download(HELLO, "install", "auto")).await;
        world.api.until_state("first", "awaiting_report").await;
        world.api.submit("second", &[D1], download(SETTINGS, "install", "auto")).await;
        assert_eq!(world.api.job("second").await["state"], "waiting");
        assert_eq!(order(&world, &["first", "second"]).await, ["first", "second"]);
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200), (Operation::Install, 1200)]);
        world.end().await;
    }

    async fn the_next_job_is_woken_when_the_session_is_over(db: Database) {
        let world = World::with(db, &plain()).await;
        // The first is cancelled while its device keeps silent; then the device can be asked for the second.
        let secret = world.api.patch("devices/dev-1", &json!({ "server_secret": "another" })).await;
        assert_eq!(secret.status, 200);
        world.api.submit("first", &[D1], download(HELLO, "install", "auto")).await;
        world.api.until_state("first", "notified").await;
        world.api.submit("second", &[D1], download(SETTINGS, "install", "auto")).await;
        world.register().await;
        world.api.cancel("first").await;
        let ended = world.api.ended("second").await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        world.end().await;
    }

    async fn the_same_request_at_the_same_moment_has_one_effect(db: Database) {
        let world = World::with(db, &plain()).await;
        let ask = request("r", &[D1], download(HELLO, "install", "auto"));
        let (one, two, three) = tokio::join!(
            world.api.post("requests", &ask),
            world.api.post("requests", &ask),
            world.api.post("requests", &ask)
        );
        let mut statuses = [one.status, two.status, three.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 202], "{one:?} {two:?} {three:?}");
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)));
        assert_eq!(world.api.post("requests", &ask).await.status, 200, "also after the end");
        world.fleet.idle().await;
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
        let other = world.api.post("requests", &request("r", &[D1], download(SETTINGS, "install", "auto"))).await;
        assert_eq!(other.status, 409, "{}", other.body);
        assert!(!other.body.to_string().contains(HELLO), "nothing of the first is told");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_devices_are_served_at_once_and_counted() {
    let devices = "[[device]]\nid = \"dev-{n}\"\ncount = 30\n".to_owned();
    let refusing = "[[device]]\nid = \"no-{n}\"\ncount = 3\nuser = \"decline\"\nauth = { user = \"no-{n}\" }\n";
    let world = World::with(Database::sqlite(), &(devices + refusing)).await;
    let ended = world.run("r", download("org.example.adder", "install", "auto")).await;
    let counts: Vec<(&str, u64)> = ended.counts.iter().map(|(outcome, count)| (outcome.as_str(), *count)).collect();
    assert_eq!(counts, [("declined", 3), ("succeeded", 30)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_request_may_not_say_is_refused_with_its_place_and_nothing_is_stored() {
    let world = World::with(Database::sqlite(), &plain()).await;
    let good = || request("r", &[D1], download(HELLO, "install", "auto"));
    let cases: [(Value, &str); 6] = [
        (json!({ "colour": "red" }), "/colour"),
        (json!({ "priority": "high" }), "/priority"),
        (json!({ "action": "explode" }), "/action"),
        (json!({ "targets": { "devices": [] } }), "/targets/devices"),
        (json!({ "schedule": { "deadline": "2001-01-01T00:00:00Z" } }), "/schedule/deadline"),
        (json!({ "collect": ["devinfo"] }), "/collect/0"),
    ];
    for (wrong, pointer) in cases {
        let reply = world.api.post("requests", &with(good(), wrong)).await;
        assert_eq!(reply.status, 422, "{}", reply.body);
        let pointers: Vec<_> = reply.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
        assert_eq!(pointers, [pointer], "{}", reply.body);
    }
    assert_eq!(world.api.get("jobs").await["jobs"], json!([]));
    assert_eq!(world.api.get("events?after=0").await["events"], json!([]), "HTTP refusals emit no event");
    world.end().await;
}
