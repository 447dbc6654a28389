//! What one replica commits is news to the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use scomo::{
    infra::{
        driver::{Driver, Errand, Failure, Poke, Settings},
        store::{
            Store, Write,
            due::{Again, Due, Leased},
        },
    },
    model::clock::Clock as _,
};
use tokio_util::sync::CancellationToken;

use super::rows::{put, uuid};
use crate::support::{
    database::{Database, skipped},
    watch::until,
};

/// Ends its work at once.
struct Count(Store, AtomicUsize);

impl Errand for Count {
    fn names(&self) -> &'static [&'static str] {
        &["job"]
    }

    async fn run(&self, due: Leased) -> Result<(), Failure> {
        let _ = self.0.done(&due.lease).await?;
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn due_work_of_another_replica_is_taken_up_without_waiting_for_the_next_look() {
    let Some(mut db) = Database::postgres().await else {
        return skipped("due_work_of_another_replica_is_taken_up_without_waiting_for_the_next_look");
    };
    db.settings.notify = true;
    let (here, there) = (db.open().await, db.open().await);
    let (stop, poke, looks) = (CancellationToken::new(), Poke::default(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::new(Count(there.clone(), AtomicUsize::new(0)));
    let driver = Driver {
        store: there.clone(),
        clock: Arc::<crate::support::clock::SetClock>::clone(&db.clock),
        settings: Settings { poll: Duration::from_hours(1), ..Settings::default() },
        poke: poke.clone(),
        stop: stop.clone(),
    };
    let driving = tokio::spawn(driver.drive(Arc::clone(&count)));
    let share = |store: &Store, looks: Arc<AtomicUsize>| {
        let (store, settings, poke, stop) = (store.clone(), db.settings.clone(), poke.clone(), stop.clone());
        let look = move || {
            looks.fetch_add(1, Ordering::SeqCst);
            poke.poke();
        };
        tokio::spawn(async move { store.share_news(&settings, look, stop).await })
    };
    let sharing = [share(&here, Arc::default()), share(&there, Arc::clone(&looks))];
    let work = || {
        let due = Due { errand: "job", subject: uuid(), at: db.clock.now() };
        put(&here, [Write::DuePut { due, again: Again::Replace }])
    };
    // Until it listens, nothing is heard; from then on each piece of work is found at once.
    until("the other to listen", async || {
        work().await;
        (looks.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    until("all to be done", async || {
        let left = db.rows::<(i64,)>("SELECT count(*) FROM due").await[0].0;
        (left == 0).then_some(())
    })
    .await;
    let mut before = count.1.load(Ordering::SeqCst);
    for _ in 0..3 {
        work().await;
        until("the work to be done", async || (count.1.load(Ordering::SeqCst) > before).then_some(())).await;
        before = count.1.load(Ordering::SeqCst);
    }
    stop.cancel();
    driving.await.unwrap();
    for task in sharing {
        task.await.unwrap();
    }
}
