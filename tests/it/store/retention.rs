//! What has ended goes: a fleet that stays as it is fills no table, however long it runs.

use std::{collections::BTreeMap, time::Duration};

use scomo::{
    flow::janitor::{self, Retention},
    infra::store::{
        Conflict, Store, Write,
        dead::DeadLetterRow,
        device::{DeviceRow, ToldInventory},
        due::{Again, Due},
        job::JobRow,
        request::{Completion, RequestRow},
    },
    model::{clock::Clock as _, id::DeviceKey},
};
use serde_json::json;

use super::{
    dead::letter,
    rows::{device, event, grant, inventory, job, json, put, request, session, unit},
};
use crate::support::database::{Database, on_each_database};

const DAY: Duration = Duration::from_hours(24);

const KEEP: Retention = Retention {
    sessions: Duration::from_hours(2),
    grants: DAY,
    events: Duration::from_hours(30 * 24),
    dead_letters: Duration::from_hours(30 * 24),
    jobs: Duration::from_hours(30 * 24),
    requests: Duration::from_hours(90 * 24),
    target_lists: Duration::from_hours(90 * 24),
};

/// A day in the life of a device: a request with its job, what happens on the way, and the end.
async fn day(db: &Database, store: &Store, home: DeviceKey, number: u32) -> (RequestRow, JobRow) {
    let now = db.clock.now();
    let asked = RequestRow { created_at: now, ..request(&format!("r {number}")) };
    let open = JobRow { device: Some(home), created_at: now, updated_at: now, ..job(&asked, "phone") };
    let mut talk = session(&DeviceRow { key: home, ..device("phone") }, "1");
    (talk.created_at, talk.updated_at) = (now, now);
    let mut given = grant(&open, &format!("token {number}"));
    (given.created_at, given.expires_at) = (now, now.after(Duration::from_hours(1)));
    let mut told = event(&open.id.to_string(), 1);
    told.at = now;
    let due = Due { errand: "job", subject: open.id.uuid(), at: now };
    let first = [
        Write::SessionInsert(talk),
        Write::RequestInsert(asked.clone()),
        Write::JobInsert(open.clone()),
        Write::GrantInsert(given),
        Write::EventInsert(told),
        Write::DuePut { due, again: Again::Replace },
        Write::DeadInsert(DeadLetterRow { at: now, ..letter(&format!("letter {number}"), 0) }),
    ];
    put(store, first).await;
    let leased = store.lease_due(&["job"], 10, DAY).await.unwrap().pop().unwrap();
    let over = JobRow { state: "succeeded".to_owned(), finished_at: Some(now), ..open.clone() };
    let end = Completion { counts: json(&json!({ "succeeded": 1 })), at: now };
    let last = [
        Write::DueDone(leased.lease),
        Write::JobPut(over),
        Write::RequestComplete { key: asked.key, end: end.clone() },
    ];
    put(store, last).await;
    while store.publish_embedded(100).await.unwrap() > 0 {}
    (RequestRow { completed: Some(end), ..asked }, open)
}

/// Clears away until nothing is left to do.
async fn clear(db: &Database, store: &Store) {
    while janitor::round(store, db.clock.now(), KEEP).await {}
}

/// The rows of each table that grows with what happens.
async fn sizes(db: &Database) -> BTreeMap<&'static str, i64> {
    let mut sizes = BTreeMap::new();
    for table in [
        "session",
        "request",
        "job",
        "download_grant",
        "due",
        "outbox",
        "event",
        "dead_letter",
        "inventory",
        "inventory_history",
    ] {
        let rows = db.rows::<(i64,)>(&format!("SELECT count(*) FROM {table}")).await;
        sizes.insert(table, rows[0].0);
    }
    sizes
}

on_each_database! {
    async fn a_fleet_that_runs_for_a_year_fills_no_table(db: Database) {
        let store = db.open().await;
        let home = device("phone");
        put(&store, [Write::DeviceInsert(home.clone())]).await;
        let (mut half, mut number) = (BTreeMap::new(), 0);
        for today in 0..365 {
            day(&db, &store, home.key, number).await;
            number += 1;
            let told = ToldInventory { told_at: db.clock.now(), row: inventory(&home) };
            put(&store, [Write::InventoryPut(inventory(&home)), Write::InventoryKeep { told, keep: 20 }]).await;
            db.clock.forward(DAY);
            clear(&db, &store).await;
            if today == 180 {
                half = sizes(&db).await;
            }
        }
        let whole = sizes(&db).await;
        assert_eq!(half, whole, "the second half of the year added nothing");
        if db.settings.is_postgres() {
            let days = db.rows::<(String,)>("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event'::regclass").await;
            assert!((30..=36).contains(&days.len()), "{days:?}");
            assert_eq!(db.rows::<(i64,)>("SELECT count(*) FROM event_default").await, [(0,)]);
        }
        let wanted = [("download_grant", 1), ("event", 31), ("job", 30), ("dead_letter", 30), ("request", 120), ("inventory_history", 20)];
        for (table, most) in wanted {
            assert!(whole[table] > 0 && whole[table] <= most + 1, "{table}: {whole:?}");
        }
    }

    async fn a_request_is_known_for_ninety_days_after_its_jobs_are_gone(db: Database) {
        let store = db.open().await;
        let home = device("phone");
        put(&store, [Write::DeviceInsert(home.clone())]).await;
        let (asked, open) = day(&db, &store, home.key, 1).await;
        db.clock.forward(29 * DAY);
        clear(&db, &store).await;
        assert!(store.job(open.id).await.unwrap().is_some());
        db.clock.forward(2 * DAY);
        clear(&db, &store).await;
        assert_eq!(store.job(open.id).await.unwrap(), None);
        db.clock.forward(89 * DAY);
        clear(&db, &store).await;
        let again = RequestRow { key: request("x").key, completed: None, ..asked.clone() };
        let lost = store.commit(unit([Write::RequestInsert(again.clone())])).await.unwrap_err();
        let exists = Conflict::RequestExists { key: asked.key, digest: asked.digest };
        assert_eq!(lost.conflict(), Some(&exists), "the same request has no second effect");
        let found = store.request_by_id(&asked.tenant, &asked.source, &asked.request_id).await.unwrap();
        assert_eq!(found, Some(asked), "and gets the same answer");
        db.clock.forward(2 * DAY);
        clear(&db, &store).await;
        put(&store, [Write::RequestInsert(again)]).await;
    }

    async fn jobs_of_a_request_that_is_not_complete_stay(db: Database) {
        let store = db.open().await;
        let asked = request("r");
        let over = JobRow { state: "failed".to_owned(), finished_at: Some(asked.created_at), ..job(&asked, "a") };
        let open = job(&asked, "b");
        let first = [Write::RequestInsert(asked.clone()), Write::JobInsert(over.clone()), Write::JobInsert(open.clone())];
        put(&store, first).await;
        db.clock.forward(400 * DAY);
        clear(&db, &store).await;
        assert!(store.job(over.id).await.unwrap().is_some() && store.job(open.id).await.unwrap().is_some());
        assert!(store.request(asked.key).await.unwrap().is_some());
    }
}
