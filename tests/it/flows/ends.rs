//! The ends of a job, and the ways to them.

use std::time::Duration;

use scomo::sim::Operation;
use serde_json::json;

use super::{HELLO, HELLO_SCRIPT, SINE, device, plain};
use crate::support::{
    api::{deadline, download, with},
    database::{Database, on_each_database},
    watch::until,
    world::{Plan, World},
};

const D1: &str = "dev-1";

/// A device whose operation `times` times ends like this.
fn forced(operation: &str, rest: &str) -> String {
    device(1, &format!("[[device.result]]\noperation = \"{operation}\"\n{rest}"))
}

fn again(limit: u32) -> serde_json::Value {
    json!({ "retry": { "limit": limit, "backoff": "1s" } })
}

on_each_database! {
    async fn declined_by_the_devices_user(db: Database) {
        let world = World::with(db, &device(1, "user = \"decline\"")).await;
        let ended = world.run("r", with(download(HELLO, "install", "alternate"), again(3))).await;
        assert_eq!(ended.outcome(), ("declined", Some(1401)), "{:#}", ended.job());
        assert_eq!(world.watch.executed(D1), [(Operation::DownloadInstall, 1401)], "a no is not asked twice");
        assert_eq!(world.component(D1, HELLO_SCRIPT), None);
        world.end().await;
    }

    async fn already_done_if_asked_twice(db: Database) {
        let world = World::with(db, &plain()).await;
        assert_eq!(world.run("first", download(HELLO, "install", "auto")).await.outcome(), ("succeeded", Some(1200)));
        let ended = world.run("second", download(HELLO, "install", "auto")).await;
        assert_eq!(ended.outcome(), ("already_done", None), "{:#}", ended.job());
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)], "one effect");
        world.end().await;
    }

    async fn failed_without_another_attempt(db: Database) {
        let world = World::with(db, &forced("DownloadInstall", "code = 1406")).await;
        let ended = world.run("r", download(HELLO, "install", "alternate")).await;
        assert_eq!(ended.outcome(), ("failed", Some(1406)), "{:#}", ended.job());
        assert_eq!(ended.job()["attempt"], 1);
        assert_eq!(ended.job()["result"]["class"], "client");
        assert_eq!(world.component(D1, HELLO_SCRIPT), None);
        world.end().await;
    }

    async fn a_failure_that_passes_is_tried_again(db: Database) {
        let world = World::with(db, &forced("DownloadInstall", "code = 1405\ntimes = 1\nkeep_data = false")).await;
        let ended = world.run("r", with(download(HELLO, "install", "alternate"), again(1))).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(ended.job()["attempt"], 2);
        assert_eq!(world.watch.executed(D1), [(Operation::DownloadInstall, 1405), (Operation::DownloadInstall, 1200)]);
        world.end().await;
    }

    async fn failed_where_the_package_in_the_depot_is_not_the_one_that_was_loaded(db: Database) {
        let depot = tempfile::tempdir().unwrap();
        let at = depot.path().join("org.example.hello/1.1.0");
        std::fs::create_dir_all(&at).unwrap();
        for file in ["manifest.toml", "hello.sh"] {
            std::fs::copy(format!("packages/org.example.hello/1.1.0/{file}"), at.join(file)).unwrap();
        }
        let world = Plan::of(db).devices(&plain()).packages(depot.path()).start().await;
        std::fs::write(at.join("hello.sh"), "echo something else").unwrap();
        let ended = world.run("r", with(download(HELLO, "install", "direct"), again(1))).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        assert_eq!((&ended.job()["attempt"], &ended.job()["reason"]), (&2.into(), &"retries_exhausted".into()));
        assert_eq!(ended.job()["result"]["class"], "server");
        let text = ended.job()["result"]["text"].as_str().unwrap();
        assert!(text.contains("hello.sh") && text.contains("was changed after it was loaded"), "{text}");
        assert_eq!(world.watch.executed(D1), []);
        world.end().await;
    }

    async fn not_applicable_with_the_reason_of_each_refusal(db: Database) {
        let world = World::with(db, &plain()).await;
        let ended = world.run("r", download("org.example.gateway.rules", "install", "auto")).await;
        assert_eq!(ended.outcome(), ("not_applicable", None), "{:#}", ended.job());
        let job = world.api.job("r").await;
        let refused = job["refused"].as_array().unwrap();
        assert_eq!(refused.len(), 1, "{job:#}");
        assert!(refused[0]["text"].as_str().unwrap().contains("org.example.gateway.rules"), "{job:#}");
        assert!(ended.job()["result"]["text"].as_str().unwrap().contains("org.example.gateway.rules"), "{job:#}");
        world.end().await;
    }

    async fn expired_if_the_device_never_comes(db: Database) {
        let world = World::with(db, "").await;
        world.api.add_device(json!({ "id": "mute", "user": "mute", "secret": "s", "scheme": "basic" })).await;
        let ended = world.run_on("r", &["mute"], with(download(HELLO, "install", "auto"), deadline(400))).await;
        assert_eq!(ended.outcome(), ("expired", None), "{:#}", ended.job());
        assert_eq!(ended.told(), ["expired"]);
        world.end().await;
    }

    async fn cancelled_while_it_waits(db: Database) {
        let world = World::with(db, "").await;
        world.api.add_device(json!({ "id": "mute", "user": "mute", "secret": "s", "scheme": "basic" })).await;
        world.api.submit("r", &["mute"], download(HELLO, "install", "auto")).await;
        world.api.cancel("r").await;
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("cancelled", None), "{:#}", ended.job());
        assert_eq!(ended.told(), ["cancelled"]);
        assert_eq!(world.api.cancel("r").await["cancelled"], 0, "an end does not change");
        world.end().await;
    }

    async fn cancelled_while_the_device_is_asked(db: Database) {
        let world = World::with(db, &plain()).await;
        // The device finds the notification's digest wrong and stays silent.
        assert_eq!(world.api.patch("devices/dev-1", &json!({ "server_secret": "another" })).await.status, 200);
        world.api.submit("r", &[D1], download(HELLO, "install", "auto")).await;
        world.api.until_state("r", "notified").await;
        world.api.cancel("r").await;
        let ended = world.api.ended("r").await;
        assert_eq!(ended.told(), ["notified", "cancelled"]);
        assert!(ended.job()["result"]["text"].as_str().unwrap().contains("may still open a session"), "{:#}", ended.job());
        world.end().await;
    }

    async fn cancelled_while_the_report_is_awaited_and_told_late(db: Database) {
        let world = World::with(db, &device(1, "[device.delays]\noperation = \"1s\"")).await;
        world.api.submit("r", &[D1], download(HELLO, "install", "auto")).await;
        world.api.until_state("r", "awaiting_report").await;
        world.api.cancel("r").await;
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("cancelled", None));
        assert!(ended.job()["result"]["text"].as_str().unwrap().contains("may still finish"), "{:#}", ended.job());
        let late = until("the late result", async || {
            world.api.events("r").await.into_iter().find(|event| event["type"] == "scomo.job.late_result")
        })
        .await;
        assert_eq!((&late["data"]["outcome"], &late["data"]["result"]["code"]), (&json!("succeeded"), &json!(1200)), "{late:#}");
        assert_eq!(late["data"]["state"], "cancelled");
        world.end().await;
    }

    async fn in_doubt_if_the_report_never_comes(db: Database) {
        let world = World::with(db, &device(1, "[device.delays]\noperation = \"1h\"")).await;
        world.api.submit("r", &[D1], with(download(HELLO, "install", "auto"), deadline(2000))).await;
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("in_doubt", None), "{:#}", ended.job());
        assert!(world.watch.sessions(D1) > 1, "the device was asked once more before the deadline");
        assert!(!ended.job()["result"]["text"].as_str().unwrap().is_empty());
        world.end().await;
    }

    async fn an_unknown_device_fails_at_once(db: Database) {
        let world = World::with(db, "").await;
        let ended = world.run_on("r", &["nobody"], download(HELLO, "install", "auto")).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        assert_eq!(ended.job()["reason"], "unknown_device");
        world.end().await;
    }

    async fn an_unknown_device_is_waited_for(db: Database) {
        let world = Plan::of(db).devices(&plain()).unregistered().start().await;
        let ask = with(download(HELLO, "install", "auto"), json!({ "if_unknown_device": "wait" }));
        world.api.submit("r", &[D1], ask).await;
        assert_eq!(world.api.job("r").await["state"], "accepted");
        world.register().await;
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_after_the_last_attempt() {
    let world = World::with(Database::sqlite(), &forced("DownloadInstall", "code = 1405\nkeep_data = false")).await;
    let ended = world.run("r", with(download(HELLO, "install", "alternate"), again(1))).await;
    assert_eq!(ended.outcome(), ("failed", Some(1405)), "{:#}", ended.job());
    assert_eq!((&ended.job()["attempt"], &ended.job()["reason"]), (&json!(2), &json!("retries_exhausted")));
    assert_eq!(world.watch.executed(D1).len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_if_the_exec_is_refused() {
    let world = World::with(Database::sqlite(), &forced("Install", "refuse = 403")).await;
    let ended = world.run("r", download(HELLO, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
    assert_eq!(
        (&ended.job()["result"]["class"], &ended.job()["result"]["device_code"]),
        (&json!("refused"), &json!(403))
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_with_the_result_in_the_status_of_the_exec() {
    let tables = "[device.scomo]\nsync = [\"Install\"]\n[[device.result]]\noperation = \"Install\"\ncode = 1408";
    let world = World::with(Database::sqlite(), &device(1, tables)).await;
    let ended = world.run("r", download(HELLO, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("failed", Some(1408)), "{:#}", ended.job());
    assert_eq!(world.watch.sessions(D1), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_the_device_kept_is_installed_without_being_sent_again() {
    let world = World::with(Database::sqlite(), &forced("Install", "code = 1405\nkeep_data = true\ntimes = 1")).await;
    let ended = world.run("r", with(download(SINE, "install", "direct"), again(1))).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(Operation::Install, 1405), (Operation::Install, 1200)]);
    let held = |event: &scomo::sim::Event| matches!(event, scomo::sim::Event::TransferFinished { held, .. } if held.size == 262_144);
    assert_eq!(world.watch.count(D1, held), 1, "sent once");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_applicable_if_direct_delivery_is_asked_for_and_impossible() {
    let world = World::with(Database::sqlite(), &device(1, "[device.devdetail]\nlrgobj = false")).await;
    let ended = world.run("r", download(SINE, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("not_applicable", None), "{:#}", ended.job());
    let text = ended.job()["result"]["text"].as_str().unwrap();
    assert!(text.contains("direct delivery is asked for, but the device takes no large objects"), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_without_a_scomo_object_is_told_from_others() {
    let tables = "[device.scomo]\nroot = \"./Elsewhere\"\ntype = \"urn:example:other\"";
    let world = World::with(Database::sqlite(), &device(1, tables)).await;
    let ended = world.run("r", download(HELLO, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("not_applicable", None), "{:#}", ended.job());
    assert_eq!(ended.job()["result"]["text"], "the device has no SCOMO management object");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_if_notifications_do_not_get_through() {
    let world = World::with(Database::sqlite(), "").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{nobody}/wake");
    let record = json!({ "id": "mute", "user": "mute", "secret": "s", "server_secret": "t", "scheme": "basic", "addresses": { "webhook": address } });
    world.api.add_device(record).await;
    let ended = world.run_on("r", &["mute"], with(download(HELLO, "install", "auto"), deadline(600))).await;
    assert_eq!(ended.told(), ["expired"], "{:#}", ended.job());
    let history = world.api.job("r").await["history"].to_string();
    assert!(history.contains("did not get through"), "{history}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_if_the_device_must_be_notified_and_cannot_be() {
    let world = World::with(Database::sqlite(), "").await;
    world.api.add_device(json!({ "id": "mute", "user": "mute", "secret": "s", "scheme": "basic" })).await;
    let ended =
        world.run_on("r", &["mute"], with(download(HELLO, "install", "auto"), json!({ "notify": "always" }))).await;
    assert_eq!((&ended.job()["state"], &ended.job()["reason"]), (&json!("failed"), &json!("unreachable")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_report_is_read_from_the_tree() {
    // The report would come in an hour, the operation is done at once.
    let plan = Plan::of(Database::sqlite()).devices(&device(1, "[device.delays]\nreport = \"1h\""));
    let world = plan.tune(|settings| settings.job.patience.report = Duration::from_millis(300)).start().await;
    world.api.submit("r", &[D1], download(HELLO, "install", "auto")).await;
    let ended = world.api.ended("r").await;
    assert_eq!(ended.job()["state"], "succeeded", "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1411_a_primitive_that_the_device_lacks_gives_way_to_another_in_the_same_job_and_is_avoided_by_the_next() {
    let world = World::with(Database::sqlite(), &forced("Install", "code = 1411")).await;
    let ended = world.run("first", download(HELLO, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(ended.job()["attempt"], 1);
    assert_eq!(world.watch.executed(D1), [(Operation::Install, 1411), (Operation::DownloadInstall, 1200)]);
    let ended = world.run("second", download(super::SETTINGS, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1).len(), 3, "not tried again");
    let reason = world.api.job("second").await["delivery_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("does not implement Install (1411)"), "{reason}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1411_ends_the_job_where_the_request_leaves_no_other_way() {
    let world = World::with(Database::sqlite(), &forced("Install", "code = 1411")).await;
    let ended = world.run("r", with(download(HELLO, "install", "direct"), again(3))).await;
    assert_eq!(ended.outcome(), ("failed", Some(1411)), "{:#}", ended.job());
    assert_eq!((&ended.job()["attempt"], &ended.job()["reason"]), (&json!(1), &json!("not_retryable")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_device_offers_no_combined_operation_the_package_is_fetched_and_then_installed() {
    let tables = "[device.scomo]\nchildren = \"device\"\noperations = [\"Download\", \"Install\", \"RemovePackage\"]";
    let world = World::with(Database::sqlite(), &device(1, tables)).await;
    let ended = world.run("r", download(HELLO, "install", "alternate")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(Operation::Download, 1200), (Operation::Install, 1200)]);
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_combined_operation_that_is_not_implemented_is_done_in_two_steps() {
    let world = World::with(Database::sqlite(), &forced("DownloadInstall", "code = 1411")).await;
    let ended = world.run("r", download(HELLO, "install", "alternate")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    let operations: Vec<_> = world.watch.executed(D1).into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(operations, [Operation::DownloadInstall, Operation::Download, Operation::Install]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1413_a_target_environment_that_the_device_rejects_is_not_chosen_again() {
    let world = World::with(Database::sqlite(), &forced("Install", "code = 1413")).await;
    let ended = world.run("first", with(download("org.example.adder", "install", "direct"), again(3))).await;
    assert_eq!(ended.outcome(), ("failed", Some(1413)), "{:#}", ended.job());
    let ended = world.run("second", download("org.example.adder", "install", "direct")).await;
    assert_eq!(ended.outcome(), ("not_applicable", None), "{:#}", ended.job());
    assert!(ended.job()["result"]["text"].as_str().unwrap().contains("1413"), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(Operation::Install, 1413)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1407_a_package_that_the_device_does_not_trust_is_not_tried_again_and_counted() {
    let world = World::with(Database::sqlite(), &forced("Install", "code = 1407")).await;
    let ended = world.run("r", with(download(HELLO, "install", "direct"), again(3))).await;
    assert_eq!(ended.outcome(), ("failed", Some(1407)), "{:#}", ended.job());
    assert_eq!((&ended.job()["attempt"], &ended.job()["reason"]), (&json!(1), &json!("not_retryable")));
    let metrics = reqwest::get(format!("http://{}/metrics", world.server.ops())).await.unwrap().text().await.unwrap();
    let counted = "scomo_packages_rejected_total{package=\"org.example.hello@1.1.0\"} 1";
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    world.end().await;
}
