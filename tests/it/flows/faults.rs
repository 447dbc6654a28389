//! What gets lost, comes twice, or breaks off: the end is the same, and nothing happens twice on the device.

use std::fmt::Write as _;

use scomo::sim::{End, Event, Operation};
use serde_json::Value;

use super::{HELLO, NETWORK, SETTINGS, SETTINGS_SHA256, device};
use crate::support::{
    api::download,
    database::{Database, on_each_database},
    gate::Mode,
    watch::until,
    world::{Plan, World},
};

/// Small messages, so that the package comes in several.
const SMALL: &str = "[device.limits]\nmax_msg_size = 3072\n";
/// The most messages that a flow of these tests takes.
const MOST: u32 = 16;

/// Plays a flow on devices of which each loses another message; the last loses none.
async fn each_lost(db: Database, fault: &str, tables: &str, ask: Value, operation: Operation) {
    let mut devices = String::new();
    for number in 1..=MOST {
        writeln!(devices, "{}", device(number, &format!("{tables}[device.faults]\n{fault} = [{number}]"))).unwrap();
    }
    writeln!(devices, "{}", device(MOST + 1, tables)).unwrap();
    let world = World::with(db, &devices).await;
    let ended = world.run("r", ask).await;
    let whole = world.watch.messages(&format!("dev-{}", MOST + 1));
    assert!((5..=MOST).contains(&whole), "{whole} messages: some are never lost");
    for number in 1..=MOST + 1 {
        let id = format!("dev-{number}");
        let job = &ended.jobs[&id];
        assert_eq!((&job["state"], &job["result"]["code"]), (&"succeeded".into(), &1200.into()), "{id}: {job:#}");
        assert_eq!(world.watch.executed(&id), [(operation, 1200)], "{id}: once");
        assert_eq!(world.held(&id, "org.example.settings@2.0.0").unwrap(), SETTINGS_SHA256, "{id}");
        assert!(world.component(&id, NETWORK).unwrap().1, "{id}");
        assert_eq!(world.watch.messages(&id), whole, "{id}: what is lost is said again, not anew");
        let lost =
            world.watch.count(&id, |event| matches!(event, Event::Trouble { what } if what.contains("on demand")));
        assert_eq!(lost, usize::from(number <= whole), "{id}");
    }
    world.end().await;
}

on_each_database! {
    async fn an_answer_lost_anywhere_in_a_direct_delivery_changes_nothing(db: Database) {
        each_lost(db, "lose_response", SMALL, download(SETTINGS, "install", "direct"), Operation::Install).await;
    }

    async fn an_answer_lost_anywhere_in_an_alternate_download_changes_nothing(db: Database) {
        each_lost(db, "lose_response", "", download(SETTINGS, "install", "alternate"), Operation::DownloadInstall).await;
    }

    async fn two_posts_of_a_message_at_the_same_moment_get_the_same_bytes(db: Database) {
        let plan = Plan::of(db).devices(&device(1, SMALL)).gate(Mode::Twice);
        let world = plan.start().await;
        let ended = world.run("r", download(SETTINGS, "install", "direct")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(world.watch.executed("dev-1"), [(Operation::Install, 1200)]);
        let passed = world.gate.as_ref().unwrap().passed();
        assert!(passed.len() > 8);
        for (number, message) in passed.iter().enumerate() {
            let [one, other] = &message.answers[..] else { panic!("{number}: {} answers", message.answers.len()) };
            assert_eq!(one.0, 200, "{number}: {}", String::from_utf8_lossy(&message.request));
            assert!(one == other, "{number}:\n{}\n{}", String::from_utf8_lossy(&one.1), String::from_utf8_lossy(&other.1));
        }
        world.end().await;
    }
}

// A request that is lost never reaches the server, nor its database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_lost_anywhere_in_a_direct_delivery_changes_nothing() {
    let ask = download(SETTINGS, "install", "direct");
    each_lost(Database::sqlite(), "lose_request", SMALL, ask, Operation::Install).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_lost_anywhere_in_an_alternate_download_changes_nothing() {
    let ask = download(SETTINGS, "install", "alternate");
    each_lost(Database::sqlite(), "lose_request", "", ask, Operation::DownloadInstall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_aborts_anywhere_comes_back_and_is_served() {
    let most = 10;
    let devices: String =
        (2..=most).map(|number| device(number, &format!("{SMALL}[device.faults]\nabort = [{number}]\n"))).collect();
    let world = World::with(Database::sqlite(), &devices).await;
    let ended = world.run("r", download(SETTINGS, "install", "direct")).await;
    for (id, job) in &ended.jobs {
        assert_eq!(job["state"], "succeeded", "{id}: {job:#}");
        assert_eq!(world.watch.executed(id), [(Operation::Install, 1200)], "{id}: once");
        let broken = |event: &Event| matches!(event, Event::SessionClosed { end: End::Broken, .. });
        assert_eq!(world.watch.count(id, broken), 1, "{id}");
        assert_eq!(world.held(id, "org.example.settings@2.0.0").unwrap(), SETTINGS_SHA256, "{id}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_loses_a_quarter_of_everything_is_enough() {
    let tables = "[device.faults]\nloss = 0.25\n[device.network]\nbackoff = \"5ms\"\ntries = 30";
    let devices = format!("[[device]]\nid = \"dev-{{n}}\"\ncount = 10\n{tables}\n{}", super::INSTALLERS);
    let world = World::with(Database::sqlite(), &devices).await;
    let ended = world.run("r", download(SETTINGS, "install", "auto")).await;
    for (id, job) in &ended.jobs {
        assert_eq!(job["state"], "succeeded", "{id}: {job:#}");
        assert_eq!(world.watch.executed(id).len(), 1, "{id}: once");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_comes_twice_has_one_effect() {
    // The answer to the message with the report is lost, and the device gives up its session over it.
    let plain = device(1, "");
    let world = World::with(Database::sqlite(), &plain).await;
    world.run("count", download(HELLO, "install", "direct")).await;
    let report = world.watch.messages("dev-1");
    let first = world.watch.of("dev-1").iter().filter(|e| matches!(e, Event::SessionClosed { .. })).count();
    assert!(first >= 2, "the report comes in a session of its own");
    world.end().await;

    let gone = "[device.faults]\nloss = 0.0\nlose_response = [LAST]\n".replace("LAST", &report.to_string());
    let profile = format!(
        "[[device]]\nid = \"dev-{{n}}\"\n[device.network]\nbackoff = \"10ms\"\ntries = 1\n{gone}\n{}",
        super::INSTALLERS
    );
    let world = World::with(Database::sqlite(), &profile).await;
    let ended = world.run("r", download(HELLO, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    let again = until("the session to be lost", async || Some(world.watch.sessions("dev-1")).filter(|n| *n > 1)).await;
    assert!(again >= 2);
    let ends = world.api.events("r").await;
    let late: Vec<_> = ends.iter().filter(|e| e["type"] == "scomo.job.late_result").collect();
    assert!(late.is_empty(), "{late:#?}");
    world.end().await;
}
