//! The driver works off due rows: it leases what is due, runs it with a cap, and sleeps for a moment or until a poke.
//!
//! A row is a promise to look, never a message: the errand reads what is true now and decides. The errand ends its lease itself,
//! by the unit that did the work; one that fails is tried again later, and one whose replica died is leased by another when its
//! lease runs out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore},
    task::{Id, JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    store::{
        CommitError, Conflict, Error as StoreError, Store,
        due::{Held, Lease, Leased},
    },
    telemetry::chain,
};
use crate::model::clock::{Clock, Timestamp};

/// The longest pause between attempts to give a lease back.
const SLOWEST: Duration = Duration::from_secs(2);

/// How a driver works.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Errands at work at the same time.
    pub cap: usize,
    /// How long a lease counts: longer than any errand takes.
    pub hold: Duration,
    /// How often the rows are looked at; a poke is faster.
    pub poll: Duration,
    /// How long errands that are at work may go on when the driver is stopped.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cap: 64, hold: Duration::from_mins(1), poll: Duration::from_millis(250), grace: Duration::from_secs(10) }
    }
}

/// Why an errand was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database is out of reach.
    #[error("the database is out of reach")]
    Store(#[from] StoreError),
    /// What it decided was not written.
    #[error("what was decided could not be written")]
    Commit(#[from] CommitError),
}

/// Work that due rows ask for.
pub trait Errand: Send + Sync + 'static {
    /// Which rows.
    fn names(&self) -> &'static [&'static str];

    /// Does the work of one row and ends its lease by [`Write::DueDone`](super::store::Write::DueDone), or leaves it to be tried
    /// again.
    fn run(&self, due: Leased) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Wakes drivers before their time.
#[derive(Debug, Clone, Default)]
pub struct Poke(Arc<Notify>);

impl Poke {
    /// Something may be due now.
    pub fn poke(&self) {
        self.0.notify_one();
    }

    /// Waits until something may be due.
    pub async fn poked(&self) {
        self.0.notified().await;
    }
}

/// What drives an errand.
pub struct Driver {
    /// Where due rows are.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How to work.
    pub settings: Settings,
    /// Wakes it before its time.
    pub poke: Poke,
    /// Ends it.
    pub stop: CancellationToken,
}

impl Driver {
    /// Drives `errand` until it is stopped, then waits for what is at work, and gives back what does not end.
    pub async fn drive<E: Errand>(self, errand: Arc<E>) {
        let room = Arc::new(Semaphore::new(self.settings.cap));
        let (mut running, mut taken) = (JoinSet::new(), BTreeMap::new());
        while !self.stop.is_cancelled() {
            while let Some(ended) = running.try_join_next_with_id() {
                forget(&mut taken, ended);
            }
            let free = u32::try_from(room.available_permits()).unwrap_or(u32::MAX);
            let leased = self.look(errand.names(), free).await;
            let full = leased.len() >= self.settings.cap.min(usize::try_from(free).unwrap_or(usize::MAX));
            for due in leased {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
                let (errand, store, clock) = (Arc::clone(&errand), self.store.clone(), Arc::clone(&self.clock));
                let kept = due.clone();
                let task = running.spawn(async move {
                    run(errand.as_ref(), &store, clock.as_ref(), due).await;
                    drop(permit);
                });
                taken.insert(task.id(), kept);
            }
            if full {
                let _ = room.acquire().await; // one place at least, then look again
                continue;
            }
            tokio::select! {
                () = sleep(self.settings.poll) => {}
                () = self.poke.poked() => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.finish(running, taken).await;
    }

    /// Leases what is due. Not while the time is in doubt: what is due then is another's to say.
    async fn look(&self, errands: &'static [&'static str], free: u32) -> Vec<Leased> {
        if !self.clock.is_sound() {
            return Vec::new();
        }
        self.store.lease_due(errands, free, self.settings.hold).await.unwrap_or_else(|error| {
            tracing::warn!(?errands, error = chain(&error), "Could not look for due work");
            Vec::new()
        })
    }

    /// Lets what is at work end, up to a time; another replica takes the rest, and need not wait for its leases to run out.
    async fn finish(&self, mut running: JoinSet<()>, mut taken: BTreeMap<Id, Leased>) {
        let ending = async {
            while let Some(ended) = running.join_next_with_id().await {
                forget(&mut taken, ended);
            }
        };
        if timeout(self.settings.grace, ending).await.is_ok() {
            return;
        }
        running.shutdown().await;
        for leased in taken.values() {
            if let Err(error) = self.store.release(leased).await {
                not_given_back(&leased.lease, &error);
            }
        }
    }
}

/// An errand ended, in whatever way.
fn forget(taken: &mut BTreeMap<Id, Leased>, ended: Result<(Id, ()), JoinError>) {
    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
    taken.remove(&id);
}

async fn run<E: Errand>(errand: &E, store: &Store, clock: &dyn Clock, due: Leased) {
    let (lease, attempts, until) = (due.lease.clone(), due.attempts, due.until);
    let Err(failure) = errand.run(due).await else { return };
    let conflict = match &failure {
        Failure::Commit(error) => error.conflict(),
        Failure::Store(_) => None,
    };
    let at = match conflict {
        // The work went to somebody else, and with it the row.
        Some(Conflict::LeaseLost { .. }) => return,
        // Somebody was faster; what is true now is read at once.
        Some(_) => clock.now(),
        None => {
            failed(&lease, &failure);
            clock.now().after(pause(attempts))
        }
    };
    give_back(store, clock, &lease, at, until).await;
}

/// Gives a lease back for the work to be tried again at `at`. What kept the work from being done may keep this from being written:
/// it is tried as long as the lease counts, so that the work waits for the end of an outage and not for that of the lease.
async fn give_back(store: &Store, clock: &dyn Clock, lease: &Lease, at: Timestamp, until: Timestamp) {
    let mut tries = 0;
    loop {
        match store.retry_at(lease, at).await {
            Ok(Held::Yes | Held::Lost) => return,
            Err(_) if clock.now() < until => tries += 1,
            Err(error) => return not_given_back(lease, &error),
        }
        sleep(pause(tries).min(SLOWEST)).await;
    }
}

fn failed(lease: &Lease, failure: &Failure) {
    tracing::warn!(errand = lease.errand, subject = %lease.subject, error = chain(failure), "An errand failed and is tried again");
}

fn not_given_back(lease: &Lease, error: &StoreError) {
    tracing::warn!(errand = lease.errand, subject = %lease.subject, error = chain(error), "A lease could not be given back and will run out");
}

/// The pause before an errand is tried again: grows with its attempts, up to a minute.
fn pause(attempts: u32) -> Duration {
    Duration::from_millis(250).saturating_mul(1 << attempts.min(8)).min(Duration::from_mins(1))
}
