//! The outbox as a broker's relay works it off.

use std::time::Duration;

use scomo::{
    infra::store::{
        Store, Write,
        relay::{Outgoing, Settled, Shards},
    },
    model::clock::Clock as _,
};

use super::rows::{event, put};
use crate::support::database::{Database, on_each_database};

const HOLD: Duration = Duration::from_mins(1);

async fn lease(store: &Store) -> Shards {
    store.lease_shards(64, HOLD).await.unwrap()
}

async fn waiting(store: &Store, shards: &Shards) -> Vec<Outgoing> {
    store.outgoing(shards, 100).await.unwrap()
}

fn told(events: &[Outgoing]) -> Settled {
    Settled { over: events.iter().map(|event| event.place).collect(), held: Vec::new() }
}

on_each_database! {
    async fn a_shard_is_one_relays_until_it_is_given_back(db: Database) {
        let store = db.open().await;
        assert!(!store.outbox_waits().await.unwrap());
        assert!(lease(&store).await.is_empty(), "there is nothing to tell");
        put(&store, (1..=3).map(|seq| Write::EventInsert(event("job 1", seq)))).await;
        assert!(store.outbox_waits().await.unwrap());
        let mine = lease(&store).await;
        assert!(lease(&store).await.is_empty(), "it is taken");
        let events = waiting(&store, &mine).await;
        assert_eq!(events.iter().map(|e| (e.subject.as_str(), e.tries)).collect::<Vec<_>>(), [("job 1", 0); 3]);
        assert!(events.windows(2).all(|two| two[0].place < two[1].place));
        assert!(store.settle_events(&mine, &told(&events[..1]), HOLD).await.unwrap());
        store.release_shards(mine).await.unwrap();
        let next = lease(&store).await;
        assert_eq!(waiting(&store, &next).await, events[1..]);
    }

    async fn a_lease_runs_out_and_its_holder_learns_of_it(db: Database) {
        let store = db.open().await;
        put(&store, [Write::EventInsert(event("job 1", 1))]).await;
        let slow = lease(&store).await;
        db.clock.forward(Duration::from_secs(59));
        assert!(store.settle_events(&slow, &Settled::default(), HOLD).await.unwrap(), "it was renewed in time");
        db.clock.forward(Duration::from_secs(61));
        let quick = lease(&store).await;
        assert!(!quick.is_empty());
        let events = waiting(&store, &quick).await;
        assert!(!store.settle_events(&slow, &told(&events), HOLD).await.unwrap());
        assert!(store.settle_events(&quick, &told(&events), HOLD).await.unwrap(), "what is gone is no trouble");
        assert_eq!(store.outbox_size().await.unwrap(), 0);
    }

    async fn a_held_event_holds_back_its_subject_alone(db: Database) {
        let store = db.open().await;
        let told = [event("job 1", 1), event("job 2", 1), event("job 1", 2)];
        put(&store, told.map(Write::EventInsert)).await;
        let shards = lease(&store).await;
        let events = waiting(&store, &shards).await;
        let first = events.iter().find(|e| e.subject == "job 1").unwrap();
        let again = db.clock.now().after(Duration::from_secs(30));
        let held = Settled { over: Vec::new(), held: vec![(first.place, again)] };
        assert!(store.settle_events(&shards, &held, HOLD).await.unwrap());
        let subjects = |events: &[Outgoing]| events.iter().map(|e| e.subject.clone()).collect::<Vec<_>>();
        assert_eq!(subjects(&waiting(&store, &shards).await), ["job 2"]);
        db.clock.forward(Duration::from_secs(31));
        let mut after = waiting(&store, &shards).await;
        after.sort_by_key(|e| e.place);
        assert_eq!(subjects(&after), ["job 1", "job 2", "job 1"]);
        assert_eq!(after.iter().map(|e| e.tries).collect::<Vec<_>>(), [1, 0, 0]);
    }

    async fn copies_are_made_by_one_at_a_time(db: Database) {
        let store = db.open().await;
        let mine = store.lease_copies(HOLD).await.unwrap().unwrap();
        assert_eq!(store.lease_copies(HOLD).await.unwrap(), None);
        store.release_shards(mine).await.unwrap();
        assert!(store.lease_copies(HOLD).await.unwrap().is_some());
    }
}
