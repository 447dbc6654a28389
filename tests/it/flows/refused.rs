//! Who is not let in, and whom devices do not believe.

use scomo::sim::{End, Event};
use serde_json::json;

use super::{HELLO, device, plain};
use crate::support::{
    api::download,
    database::{Database, on_each_database},
    gate::{Mode, Passed},
    watch::until,
    world::{Plan, World},
};

const D1: &str = "dev-1";

fn refused(event: &Event) -> bool {
    matches!(event, Event::SessionClosed { end: End::Refused { .. }, .. })
}

/// What a device was told, without what differs from session to session.
fn shape(passed: &[Passed]) -> Vec<String> {
    let masked = |text: &str, from: &str, to: &str| {
        let mut rest = text;
        let mut out = String::new();
        while let Some((before, after)) = rest.split_once(from) {
            let end = after.find(to).unwrap();
            out.push_str(before);
            out.push_str(from);
            out.push('*');
            rest = &after[end..];
        }
        out + rest
    };
    passed
        .iter()
        .map(|message| {
            let text = String::from_utf8(message.answers[0].1.clone()).unwrap();
            let text = masked(&text, "<NextNonce xmlns=\"syncml:metinf\">", "</NextNonce>");
            let text = masked(&text, "?sid=", "<");
            let text = masked(&text, "<SessionID>", "</SessionID>");
            let text = text.replace("dev-1", "dev").replace("dev-2", "dev");
            format!("{} {text}", message.answers[0].0)
        })
        .collect()
}

on_each_database! {
    async fn a_wrong_password_ends_the_session_and_leaves_the_job_alone(db: Database) {
        let world = World::with(db, &plain()).await;
        assert_eq!(world.api.patch("devices/dev-1", &json!({ "secret": "another" })).await.status, 200);
        world.api.submit("r", &[D1], download(HELLO, "install", "auto")).await;
        world.watch.until(D1, refused).await;
        let job = world.api.job("r").await;
        assert!(["waiting", "notified"].contains(&job["state"].as_str().unwrap()), "{job:#}");
        assert_eq!(job["attempt"], 1, "{job:#}");
        world.register().await;
        world.fleet.device(D1).unwrap().start_session();
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(ended.job()["attempt"], 1);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_tell_an_unknown_device_from_a_wrong_password() {
    for first_cred in [true, false] {
        let tables = format!("[device.auth]\nfirst_cred = {first_cred}");
        let mut told = Vec::new();
        for known in [true, false] {
            let plan = Plan::of(Database::sqlite()).devices(&device(1, &tables)).gate(Mode::Pass);
            let world = if known { plan.start().await } else { plan.unregistered().start().await };
            if known {
                assert_eq!(world.api.patch("devices/dev-1", &json!({ "secret": "another" })).await.status, 200);
            }
            world.fleet.device(D1).unwrap().start_session();
            world.watch.until(D1, refused).await;
            let passed = world.gate.as_ref().unwrap().passed();
            let address = world.gate.as_ref().unwrap().address.to_string();
            told.push(shape(&passed).iter().map(|text| text.replace(&address, "gate")).collect::<Vec<_>>());
            world.end().await;
        }
        assert_eq!(told[0].len(), told[1].len());
        for (known, unknown) in told[0].iter().zip(&told[1]) {
            assert_eq!(known, unknown, "first_cred {first_cred}");
        }
        assert!(
            told[0].len() > 1
                && told[0].iter().all(|text| text.contains("<Data>401</Data>") || text.contains("<Data>407</Data>"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_a_device_does_not_believe_puts_the_job_back_with_the_reason() {
    let world = World::with(Database::sqlite(), &plain()).await;
    assert_eq!(world.api.patch("devices/dev-1", &json!({ "server_secret": "another" })).await.status, 200);
    world.api.submit("r", &[D1], download(HELLO, "install", "auto")).await;
    world.fleet.device(D1).unwrap().start_session();
    let closed = |event: &Event| matches!(event, Event::SessionClosed { .. });
    world.watch.until(D1, closed).await;
    let job = until("the reason", async || {
        let job = world.api.job("r").await;
        job["history"].to_string().contains("does not accept our credentials").then_some(job)
    })
    .await;
    assert!(["waiting", "notified"].contains(&job["state"].as_str().unwrap()), "{job:#}");
    assert_eq!(world.watch.executed(D1), []);
    world.register().await;
    world.fleet.device(D1).unwrap().start_session();
    assert_eq!(world.api.ended("r").await.outcome(), ("succeeded", Some(1200)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_changed_counts_with_the_next_session() {
    let world = World::with(Database::sqlite(), &plain()).await;
    assert_eq!(world.run("first", download(HELLO, "deliver", "auto")).await.outcome(), ("succeeded", None));
    assert_eq!(world.api.patch("devices/dev-1", &json!({ "secret": "another" })).await.status, 200);
    world.fleet.device(D1).unwrap().start_session();
    world.watch.until(D1, refused).await;
    world.end().await;
}
