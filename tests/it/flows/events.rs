//! What is told of a request and its jobs. Every flow that is played holds its events against the contract
//! ([`judge`](crate::support::api::judge)); here are whole sequences.

use serde_json::json;

use super::{HELLO, plain};
use crate::support::{
    api::download,
    database::{Database, on_each_database},
    world::World,
};

on_each_database! {
    async fn a_request_is_told_from_accepted_to_completed(db: Database) {
        let world = World::with(db, &plain()).await;
        world.run("r", download(HELLO, "install", "auto")).await;
        let events = world.api.events("r").await;
        let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
        assert_eq!(kinds.first(), Some(&"scomo.request.accepted"));
        assert_eq!(kinds.last(), Some(&"scomo.request.completed"));
        // The device may be faster than the courier: then it was never `notified`.
        let jobs: Vec<&str> = kinds.iter().copied().filter(|k| k.starts_with("scomo.job.") && *k != "scomo.job.notified").collect();
        let expected = ["in_session", "awaiting_report", "in_session", "succeeded"].map(|state| format!("scomo.job.{state}"));
        assert_eq!(jobs, expected);
        let ids: std::collections::BTreeSet<&str> = events.iter().map(|e| e["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), events.len(), "no id twice");
        for event in &events {
            assert_eq!((&event["specversion"], &event["tenant"]), (&json!("1.0"), &json!("default")), "{event:#}");
            assert!(event["dataschema"].is_string() && event["time"].is_string() && event["source"].is_string(), "{event:#}");
        }
        let last = &events[events.len() - 1]["data"];
        assert_eq!((&last["outcomes"]["succeeded"], &last["outcomes"]["failed"]), (&json!(1), &json!(0)), "{last:#}");
        world.end().await;
    }

    async fn a_job_tells_which_package_it_chose_and_how(db: Database) {
        let world = World::with(db, &plain()).await;
        world.run("r", download(HELLO, "install", "auto")).await;
        for event in world.api.events("r").await.iter().filter(|e| e["type"] == "scomo.job.succeeded") {
            let data = &event["data"];
            assert_eq!(data["package"], json!({ "id": HELLO, "version": "1.1.0" }));
            assert_eq!((&data["delivery"], &data["attempt"], &data["device"]), (&json!("direct"), &json!(1), &json!("dev-1")));
            assert_eq!((&data["result"]["code"], &data["request_id"]), (&json!(1200), &json!("r")));
        }
        world.end().await;
    }
}
