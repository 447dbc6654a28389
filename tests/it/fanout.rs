//! Requests for many devices, stretch by stretch, under a clock that a test moves: what is made, what is told, and when a request
//! is complete.

mod stage;

use std::{collections::BTreeMap, time::Duration};

use scomo::{
    infra::store::{
        Write,
        device::{DeviceRow, InventoryRow},
    },
    model::clock::Clock as _,
};
use serde_json::json;

use crate::{
    store::rows::{self, at},
    support::database::{Database, on_each_database, skipped},
};
use stage::{Stage, named};

/// A registered device with these facts.
fn device(name: &str, facts: &serde_json::Value, registered: i64) -> DeviceRow {
    DeviceRow { facts: rows::json(facts), created_at: at(registered), ..rows::device(name) }
}

on_each_database! {
    async fn a_fan_out_that_is_cut_off_is_taken_up_where_it_was(db: Database) {
        let mut stage = Stage::set(db).await;
        stage.list("fleet", 3000).await;
        let asked = stage.ask("r", json!({ "list": "fleet" }), json!({ "if_unknown_device": "wait" })).await;
        assert_eq!(asked.jobs, Some(3000));
        assert_eq!(stage.work_off(1).await, 1);
        assert_eq!((stage.jobs("r").await.len(), stage.spread("r").await.made), (1000, 1000));
        stage.restart().await;
        // One that dies between its reading and its commit has left nothing, and holds the lease.
        let lost = stage.lease().await;
        assert_eq!(stage.work_off(9).await, 0, "the lease is another's");
        stage.db.clock.forward(Duration::from_mins(2));
        assert_eq!(stage.work_off(1).await, 1);
        stage.run_with(lost).await.unwrap_err();
        stage.restart().await;
        while stage.work_off(1).await > 0 {}
        let jobs = stage.jobs("r").await;
        assert_eq!((jobs.len(), stage.spread("r").await.made), (3000, 3000), "each device has one job");
        assert!(jobs.values().all(|states| states == &["accepted"]));
        assert!(stage.completed().await.is_empty(), "none of them has ended");
        let cancelled = stage.cancel("r").await;
        assert_eq!(cancelled, 3000);
        let completed = stage.completed().await;
        assert_eq!((completed.len(), &completed[0]["outcomes"]["cancelled"]), (1, &json!(3000)));
        assert!(completed[0].get("not_started").is_none() && completed[0].get("undecided").is_none());
    }

    async fn what_was_not_made_when_a_request_is_cancelled_is_counted(db: Database) {
        let stage = Stage::set(db).await;
        let devices: Vec<String> = (0..2500).map(named).collect();
        let asked = stage.ask("r", json!({ "devices": devices }), json!({ "if_unknown_device": "wait" })).await;
        assert_eq!(asked.jobs, Some(2500));
        assert_eq!(stage.work_off(1).await, 1);
        let lease = stage.lease().await; // one is at work on the next
        assert_eq!(stage.cancel("r").await, 1000);
        stage.run_with(lease).await.unwrap();
        stage.db.clock.forward(Duration::from_mins(9));
        stage.work_off(99).await;
        let spread = stage.spread("r").await;
        assert_eq!((spread.made, spread.not_started), (1000, Some(1500)));
        assert_eq!(stage.jobs("r").await.len(), 1000);
        let completed = stage.completed().await;
        assert_eq!(completed.len(), 1, "{completed:?}");
        assert_eq!((&completed[0]["outcomes"]["cancelled"], &completed[0]["not_started"]), (&json!(1000), &json!(1500)));
        assert_eq!(stage.cancel("r").await, 0);
        assert_eq!(stage.completed().await.len(), 1, "told once");
        let again = stage.ask("r", json!({ "devices": devices }), json!({ "if_unknown_device": "wait" })).await;
        assert_eq!((again.repeated, again.jobs), (true, Some(1000)));
    }

    async fn a_filter_reaches_those_of_which_it_holds_and_counts_those_it_cannot_decide(db: Database) {
        let stage = Stage::set(db).await;
        let now = (stage.db.clock.now().micros() - at(0).micros()) / 1_000_000;
        let man = |man: &str| json!({ "info": { "man": man } });
        let old = json!({ "info": { "man": "Acme" }, "detail": { "fwv": "3.0" }, "detail_at": at(-90 * 86_400) });
        let mut writes: Vec<Write> = Vec::new();
        for n in 0..1200 {
            let facts = if n % 2 == 0 { man("Acme") } else { man("Other") };
            writes.push(Write::DeviceInsert(device(&named(n), &facts, now - 2000 + i64::from(n))));
        }
        for (name, facts, registered) in [
            ("silent", json!({}), now - 5), ("damaged", json!({ "info": 7 }), now - 5), ("old", old, now - 5),
            ("later", man("Acme"), now + 5),
        ] {
            writes.push(Write::DeviceInsert(device(name, &facts, registered)));
        }
        let mut foreign = device("foreign", &man("Acme"), now - 5);
        foreign.tenant = scomo::model::id::Tenant::parse("other").unwrap();
        writes.push(Write::DeviceInsert(foreign));
        rows::put(&stage.store, writes).await;
        let asked = stage.ask("r", json!({ "filter": "dev.man == 'Acme'" }), json!({})).await;
        assert_eq!(asked.jobs, None, "nobody knows yet");
        assert_eq!(stage.told("accepted").await[0].get("jobs"), None);
        stage.work_off(1).await;
        assert_eq!((stage.spread("r").await.made, stage.spread("r").await.ended), (250, None));
        stage.work_off(99).await;
        let (spread, jobs) = (stage.spread("r").await, stage.jobs("r").await);
        assert_eq!((spread.made, spread.undecided, spread.targets), (601, 2, None));
        assert!(jobs.contains_key("old") && jobs.contains_key(&named(0)) && !jobs.contains_key(&named(1)));
        assert!(!jobs.contains_key("later") && !jobs.contains_key("silent") && !jobs.contains_key("foreign"));
        assert_eq!(stage.request("r").await.jobs_total, Some(601));
        // What is known counts, however old it is.
        stage.ask("fw", json!({ "filter": "detail.fwv == '3.0'" }), json!({})).await;
        stage.work_off(99).await;
        assert_eq!(stage.jobs("fw").await.into_keys().collect::<Vec<_>>(), ["old"]);
        stage.cancel("r").await;
        let completed = stage.completed().await;
        assert_eq!((completed.len(), &completed[0]["undecided"]), (1, &json!(2)));
        assert_eq!(completed[0]["outcomes"]["cancelled"], 601);
    }

    async fn a_filter_reads_what_is_installed(db: Database) {
        let stage = Stage::set(db).await;
        for n in 0..250 {
            let row = device(&named(n), &json!({}), -60);
            rows::put(&stage.store, [Write::DeviceInsert(row.clone())]).await;
            let held = match n {
                3 | 130 => json!([{ "node": "n", "id": "org.example.a" }]),
                5 => json!([{ "node": "n", "id": "org.example.b" }]),
                7 => json!([]),
                _ => continue,
            };
            let body = rows::json(&json!({ "packages": [], "components": held }));
            rows::put(&stage.store, [Write::InventoryPut(InventoryRow { body, ..rows::inventory(&row) })]).await;
        }
        stage.ask("r", json!({ "filter": "installed.exists(c, c.id == 'org.example.a')" }), json!({})).await;
        stage.work_off(99).await;
        let spread = stage.spread("r").await;
        assert_eq!((spread.made, spread.undecided), (2, 246));
        assert_eq!(stage.jobs("r").await.into_keys().collect::<Vec<_>>(), [named(3), named(130)]);
    }

    async fn a_filter_that_holds_of_nobody_is_complete_without_jobs(db: Database) {
        let stage = Stage::set(db).await;
        rows::put(&stage.store, [Write::DeviceInsert(device("d", &json!({ "info": { "man": "Acme" } }), -60))]).await;
        stage.ask("r", json!({ "filter": "dev.man == 'Other'" }), json!({})).await;
        stage.work_off(99).await;
        let completed = stage.completed().await;
        assert_eq!(completed.len(), 1, "{completed:?}");
        assert_eq!((&completed[0]["undecided"], &completed[0]["outcomes"]["succeeded"]), (&json!(0), &json!(0)));
        assert_eq!(stage.request("r").await.jobs_total, Some(0));
    }

    async fn a_large_request_lets_others_pass(db: Database) {
        let stage = Stage::set(db).await;
        stage.list("large", 5000).await;
        stage.list("small", 500).await;
        stage.ask("large", json!({ "list": "large" }), json!({ "if_unknown_device": "wait" })).await;
        assert_eq!(stage.work_off(1).await, 1);
        stage.db.clock.forward(Duration::from_secs(1));
        stage.ask("small", json!({ "list": "small" }), json!({ "if_unknown_device": "wait" })).await;
        stage.db.clock.forward(Duration::from_secs(1));
        assert_eq!(stage.work_off(1).await, 1);
        assert_eq!(stage.work_off(1).await, 1);
        let made = [stage.spread("large").await.made, stage.spread("small").await.made];
        assert_eq!(made, [2000, 500], "the small one waited for one stretch");
    }

    async fn nothing_is_made_while_too_many_events_wait(db: Database) {
        let stage = Stage::set(db).await;
        stage.list("fleet", 200).await;
        stage.ask("r", json!({ "list": "fleet" }), json!({})).await;
        assert!(stage.pressure.measure(10, 10));
        assert_eq!(stage.work_off(1).await, 1);
        assert_eq!((stage.spread("r").await.made, stage.work_off(1).await), (0, 0), "it rests");
        assert!(stage.pressure.measure(0, 10));
        stage.db.clock.forward(Duration::from_secs(2));
        assert_eq!(stage.work_off(1).await, 1);
        assert_eq!(stage.spread("r").await.made, 200);
        let completed = stage.completed().await;
        assert_eq!(completed[0]["outcomes"]["failed"], 200, "of none there is a record");
    }

    async fn a_cancel_that_broke_off_is_ended_by_another(db: Database) {
        let stage = Stage::set(db).await;
        stage.list("fleet", 300).await;
        stage.ask("r", json!({ "list": "fleet" }), json!({ "if_unknown_device": "wait" })).await;
        stage.work_off(99).await;
        stage.begin_cancel("r").await;
        assert_eq!(stage.jobs("r").await.values().filter(|states| *states == &["cancelled"]).count(), 0);
        stage.db.clock.forward(Duration::from_mins(3));
        assert_eq!(stage.work_off(99).await, 1);
        assert!(stage.jobs("r").await.values().all(|states| states == &["cancelled"]));
        assert_eq!(stage.completed().await.len(), 1);
    }

    async fn a_request_is_complete_when_its_last_job_has_ended_and_once(db: Database) {
        let stage = Stage::set(db).await;
        stage.ask("r", json!({ "devices": ["a", "b", "c"] }), json!({ "if_unknown_device": "wait" })).await;
        for (name, left) in [("a", 2), ("b", 1), ("c", 0)] {
            stage.cancel_job("r", name).await;
            let completed = stage.completed().await.len();
            assert_eq!(completed, usize::from(left == 0), "{name}");
        }
        for _ in 0..3 {
            stage.db.clock.forward(Duration::from_mins(2));
            assert_eq!(stage.completed().await.len(), 1);
        }
    }
}

/// A session whose commit takes long keeps no other from ending another job of the request; and who looks at the request in between
/// does not take it for complete, nor forget it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_request_that_end_at_the_same_time_do_not_wait_for_each_other() {
    let Some(db) = Database::postgres().await else {
        return skipped("jobs_of_a_request_that_end_at_the_same_time_do_not_wait_for_each_other");
    };
    let stage = Stage::set(db).await;
    stage.ask("r", json!({ "devices": ["slow", "quick"] }), json!({ "if_unknown_device": "wait" })).await;
    let held = stage.hold_commits_of("r", "slow").await;
    let slow = tokio::spawn(stage.canceller("r", "slow").await);
    held.until_waiting().await;
    // Of another replica, so that the two do not share a transaction.
    let quick = stage.of_another_replica("r", "quick").await;
    tokio::time::timeout(Duration::from_mins(1), quick).await.expect("it waits for the other");
    assert!(stage.completed().await.is_empty(), "one has not ended yet");
    held.let_go().await;
    slow.await.unwrap();
    let completed = stage.completed().await;
    assert_eq!((completed.len(), &completed[0]["outcomes"]["cancelled"]), (1, &json!(2)));
    let states: BTreeMap<String, Vec<String>> = stage.jobs("r").await;
    assert!(states.values().all(|states| states == &["cancelled"]), "{states:?}");
}
