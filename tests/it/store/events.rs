//! The outbox and the embedded bus.

use std::collections::BTreeMap;

use scomo::{infra::store::Write, model::id::Tenant};

use super::rows::{at, device, event, put, unit};
use crate::support::database::{Database, on_each_database};

on_each_database! {
    async fn an_event_is_told_once_and_whole(db: Database) {
        let store = db.open().await;
        let tenant = Tenant::default();
        let told = event("job 1", 1);
        put(&store, [Write::EventInsert(told.clone())]).await;
        assert_eq!(store.events_after(&tenant, 0, 10).await.unwrap(), [], "nothing is told before the relay");
        assert_eq!(store.outbox_size().await.unwrap(), 1);
        assert_eq!(store.publish_embedded(10).await.unwrap(), 1);
        assert_eq!(store.publish_embedded(10).await.unwrap(), 0);
        assert_eq!(store.outbox_size().await.unwrap(), 0);
        let found = store.events_after(&tenant, 0, 10).await.unwrap();
        assert_eq!(found.iter().map(|p| &p.event).collect::<Vec<_>>(), [&told]);
        assert_eq!(store.newest_event().await.unwrap(), found[0].position);
        assert_eq!(store.events_after(&tenant, found[0].position, 10).await.unwrap(), []);
        let other = Tenant::parse("other").unwrap();
        assert_eq!(store.events_after(&other, 0, 10).await.unwrap(), []);
    }

    async fn the_event_of_a_failed_unit_is_not_told(db: Database) {
        let store = db.open().await;
        put(&store, [Write::DeviceInsert(device("d"))]).await;
        let failing = unit([Write::EventInsert(event("d", 1)), Write::DeviceInsert(device("d"))]);
        store.commit(failing).await.unwrap_err();
        assert_eq!(store.outbox_size().await.unwrap(), 0);
    }

    async fn a_page_ends_where_the_next_begins(db: Database) {
        let store = db.open().await;
        put(&store, (1..=25).map(|seq| Write::EventInsert(event("job 1", seq)))).await;
        while store.publish_embedded(4).await.unwrap() > 0 {}
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            let page = store.events_after(&Tenant::default(), cursor, 10).await.unwrap();
            let Some(last) = page.last() else { break };
            cursor = last.position;
            seen.extend(page.iter().map(|p| p.event.seq));
        }
        assert_eq!(seen, (1..=25).collect::<Vec<_>>());
    }

    async fn a_reader_misses_nothing_while_many_write_and_relay(db: Database) {
        const SUBJECTS: i64 = 12;
        const EACH: i64 = 25;
        let store = db.open().await;
        let writers = (0..SUBJECTS).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                for seq in 1..=EACH {
                    let name = format!("job {n}");
                    let unit = scomo::infra::store::Unit::new("tell", &name).with(Write::EventInsert(event(&name, seq)));
                    store.commit(unit).await.unwrap();
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let relays: Vec<_> = (0..3)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    loop {
                        store.publish_embedded(7).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let (mut cursor, mut seen): (i64, BTreeMap<String, Vec<i64>>) = (0, BTreeMap::new());
        let mut count = 0;
        while count < SUBJECTS * EACH {
            for published in store.events_after(&Tenant::default(), cursor, 5).await.unwrap() {
                assert!(published.position > cursor);
                cursor = published.position;
                seen.entry(published.event.subject).or_default().push(published.event.seq);
                count += 1;
            }
        }
        for task in &relays {
            task.abort();
        }
        for writer in writers {
            writer.await.unwrap();
        }
        let whole: Vec<_> = (1..=EACH).collect();
        for (subject, seqs) in &seen {
            assert_eq!(seqs, &whole, "{subject}");
        }
        assert_eq!(seen.len(), 12);
    }

    async fn old_events_are_pruned_and_their_places_stay_empty(db: Database) {
        let store = db.open().await;
        put(&store, (1..=4).map(|seq| Write::EventInsert(event("job 1", seq)))).await;
        store.publish_embedded(10).await.unwrap();
        let newest = store.newest_event().await.unwrap();
        assert_eq!(store.prune_events(at(9), 3).await.unwrap(), 3);
        assert_eq!(store.prune_events(at(9), 3).await.unwrap(), 1);
        put(&store, [Write::EventInsert(event("job 1", 5))]).await;
        store.publish_embedded(10).await.unwrap();
        assert!(store.newest_event().await.unwrap() > newest, "a cursor from before still means the same place");
    }
}
