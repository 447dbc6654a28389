//! Leases of a replica that stops, or that is in doubt about the time.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use scomo::{
    infra::{
        driver::{Driver, Errand, Failure, Poke, Settings},
        store::{
            Store, Unit, Write,
            due::{Again, Due, Leased},
        },
        system::SystemMint,
    },
    model::clock::{Clock, Mint as _, Timestamp},
};
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tokio::{
    sync::{Mutex, Notify},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    clock::SetClock,
    database::{Database, on_each_database},
};

const NAMES: &[&str] = &["wake"];
const HOLD: Duration = Duration::from_hours(1);

/// An errand that never comes to its end.
#[derive(Default)]
struct Endless(Notify);

impl Errand for Endless {
    fn names(&self) -> &'static [&'static str] {
        NAMES
    }

    async fn run(&self, _due: Leased) -> Result<(), Failure> {
        self.0.notify_one();
        pending().await
    }
}

/// An errand that is done at once.
struct Done(Store);

impl Errand for Done {
    fn names(&self) -> &'static [&'static str] {
        NAMES
    }

    async fn run(&self, due: Leased) -> Result<(), Failure> {
        let _ = self.0.done(&due.lease).await?;
        Ok(())
    }
}

/// A clock that may be in doubt.
struct Doubtful {
    clock: Arc<SetClock>,
    sound: AtomicBool,
    asked: Notify,
}

impl Clock for Doubtful {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn is_sound(&self) -> bool {
        self.asked.notify_one();
        self.sound.load(Ordering::SeqCst)
    }
}

/// Plans one piece of work for now.
async fn plan(store: &Store, now: Timestamp) {
    let due = Due { errand: NAMES[0], subject: SystemMint::new().uuid(now), at: now };
    store.commit(Unit::new("test", "x").with(Write::DuePut { due, again: Again::Replace })).await.unwrap();
}

fn drive(store: &Store, clock: Arc<dyn Clock>, errand: Arc<impl Errand>) -> (CancellationToken, JoinHandle<()>) {
    let stop = CancellationToken::new();
    let settings =
        Settings { hold: HOLD, poll: Duration::from_millis(5), grace: Duration::ZERO, ..Settings::default() };
    let driver = Driver { store: store.clone(), clock, settings, poke: Poke::default(), stop: stop.clone() };
    (stop, tokio::spawn(driver.drive(errand)))
}

on_each_database! {
    async fn a_driver_that_stops_gives_back_what_does_not_end(db: Database) {
        let store = db.open().await;
        plan(&store, db.clock.now()).await;
        let errand = Arc::new(Endless::default());
        let (stop, driving) = drive(&store, Arc::<SetClock>::clone(&db.clock), Arc::clone(&errand));
        errand.0.notified().await;
        assert_eq!(store.lease_due(NAMES, 9, HOLD).await.unwrap().len(), 0, "it is leased");
        stop.cancel();
        driving.await.unwrap();
        let taken = store.lease_due(NAMES, 9, HOLD).await.unwrap();
        assert_eq!(taken.len(), 1, "another has it although the time stood still");
    }

    async fn a_driver_takes_nothing_while_its_clock_is_in_doubt(db: Database) {
        let store = db.open().await;
        plan(&store, db.clock.now()).await;
        let clock = Doubtful { clock: Arc::clone(&db.clock), sound: AtomicBool::new(false), asked: Notify::new() };
        let clock = Arc::new(clock);
        let (stop, driving) = drive(&store, Arc::<Doubtful>::clone(&clock), Arc::new(Done(store.clone())));
        for _ in 0..3 {
            clock.asked.notified().await;
        }
        let left: Vec<(i64,)> = db.rows("SELECT COUNT(*) FROM due WHERE lease_token IS NULL").await;
        assert_eq!(left, [(1,)], "it looks, and takes nothing");
        clock.sound.store(true, Ordering::SeqCst);
        crate::support::watch::until("the work to be done", async || {
            let left: Vec<(i64,)> = db.rows("SELECT COUNT(*) FROM due").await;
            (left == [(0,)]).then_some(())
        })
        .await;
        stop.cancel();
        driving.await.unwrap();
    }

    async fn the_database_tells_the_time(db: Database) {
        let store = db.open().await;
        let before = scomo::infra::system::SystemClock.now();
        let told = store.time().await.unwrap();
        let after = scomo::infra::system::SystemClock.now();
        let millisecond = Duration::from_millis(1);
        assert!(told.after(millisecond) >= before && told <= after.after(millisecond), "{before} {told} {after}");
    }
}

/// An errand whose first run finds the database taken away.
struct Unlucky {
    store: Store,
    file: String,
    away: Mutex<Option<SqliteConnection>>,
    failed: Notify,
}

impl Errand for Unlucky {
    fn names(&self) -> &'static [&'static str] {
        NAMES
    }

    async fn run(&self, due: Leased) -> Result<(), Failure> {
        if due.attempts == 1 {
            let mut other = SqliteConnection::connect(&self.file).await.unwrap();
            other.execute("BEGIN IMMEDIATE").await.unwrap();
            *self.away.lock().await = Some(other);
            self.failed.notify_one();
        }
        let _ = self.store.done(&due.lease).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_given_back_as_soon_as_the_database_is_there_again() {
    let mut db = Database::sqlite();
    db.settings.acquire_timeout = Duration::from_secs(1);
    let store = db.open().await;
    plan(&store, db.clock.now()).await;
    let (file, away) = (db.settings.url.clone(), Mutex::default());
    let errand = Arc::new(Unlucky { store: store.clone(), file, away, failed: Notify::new() });
    let (stop, driving) = drive(&store, Arc::<SetClock>::clone(&db.clock), Arc::clone(&errand));
    errand.failed.notified().await;
    // The one connection that writes is given to who asks first: by then the lease was to be given back, and could not be.
    for _ in 0..3 {
        assert!(store.can_write().await.is_err());
    }
    errand.away.lock().await.take().unwrap().execute("ROLLBACK").await.unwrap();
    crate::support::watch::until("the work to be done", async || {
        db.clock.forward(Duration::from_millis(100));
        let left: Vec<(i64,)> = db.rows("SELECT COUNT(*) FROM due").await;
        (left == [(0,)]).then_some(())
    })
    .await;
    assert!(db.clock.now() < Timestamp::parse("2026-11-20T12:50:00Z").unwrap(), "long before the lease runs out");
    stop.cancel();
    driving.await.unwrap();
}
