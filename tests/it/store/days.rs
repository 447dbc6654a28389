//! The partitions of the embedded bus on PostgreSQL.

use std::time::Duration;

use scomo::{
    infra::store::{Store, Write, event::EventRow},
    model::{
        clock::{Clock as _, Timestamp},
        id::Tenant,
    },
};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::rows::{event, put};
use crate::support::database::{Database, skipped};

async fn tell(store: &Store, seq: i64, at: Timestamp) -> EventRow {
    let told = EventRow { at, ..event("job 1", seq) };
    put(store, [Write::EventInsert(told.clone())]).await;
    store.publish_embedded(10).await.unwrap();
    told
}

/// Which partition holds the event of that number.
async fn place(db: &Database, seq: i64) -> String {
    db.rows::<(String,)>(&format!("SELECT tableoid::regclass::text FROM event WHERE seq = {seq}")).await[0].0.clone()
}

#[tokio::test]
async fn events_lie_with_their_day_and_keep_their_place_and_their_id() {
    let Some(db) = Database::postgres().await else {
        return skipped("events_lie_with_their_day_and_keep_their_place_and_their_id");
    };
    let store = db.open().await;
    let noon = db.clock.now(); // of 2026-11-20
    let first = tell(&store, 1, noon).await;
    assert_eq!(place(&db, 1).await, "event_default", "its day is not there yet");
    tokio::join!(async { store.make_days().await.unwrap() }, async { store.make_days().await.unwrap() });
    assert_eq!(place(&db, 1).await, "event_20261120");
    tell(&store, 2, noon.after(Duration::from_hours(12) - Duration::from_micros(1))).await;
    tell(&store, 3, noon.after(Duration::from_hours(12))).await;
    tell(&store, 4, noon.after(Duration::from_hours(12 + 5 * 24))).await;
    let places = [place(&db, 2).await, place(&db, 3).await, place(&db, 4).await];
    assert_eq!(places, ["event_20261120", "event_20261121", "event_default"]);
    let told = store.events_after(&Tenant::default(), 0, 10).await.unwrap();
    assert_eq!(
        told.iter().map(|told| told.event.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4],
        "in the order of their telling"
    );
    assert_eq!(told[0].event, first);

    // The same id is refused, whatever day it is now.
    let mut relay = PgConnection::connect(&db.settings.url).await.unwrap();
    let again = "INSERT INTO event (id, tenant, subject, seq, kind, body, at) SELECT id, tenant, subject, seq, kind, body, at FROM event WHERE seq = 2";
    let refused = relay.execute(again).await.unwrap_err();
    assert!(refused.as_database_error().unwrap().is_unique_violation(), "{refused}");

    // A day goes as a whole, what lies beside the days row by row.
    assert_eq!(store.prune_events(noon, 10).await.unwrap(), 0);
    assert_eq!(store.events_after(&Tenant::default(), 0, 10).await.unwrap().len(), 4);
    assert_eq!(store.prune_events(noon.after(Duration::from_hours(24)), 10).await.unwrap(), 0);
    let told = store.events_after(&Tenant::default(), 0, 10).await.unwrap();
    assert_eq!(told.iter().map(|told| told.event.seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(store.prune_events(noon.after(Duration::from_hours(9 * 24)), 10).await.unwrap(), 1);
    assert_eq!(store.events_after(&Tenant::default(), 0, 10).await.unwrap(), []);
    let newest = told[1].position;
    tell(&store, 5, noon).await;
    assert!(store.newest_event().await.unwrap() > newest, "a cursor from before still means the same place");
}
