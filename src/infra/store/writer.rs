//! Commits, coalesced: a writer takes whatever units wait, writes them in one transaction, and answers all of them.
//!
//! SQLite has one writer, PostgreSQL several, each with the units of its share of the devices; so the units of one device are
//! written in their order. A batch is first written as it is, on PostgreSQL set-based ([`batch`](super::batch)). Only if a unit fails
//! is it written again with a savepoint before each, so that the failed ones are left out and told so, and the others are not harmed.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CommitError, Committed, Core, Error, Store, Unit,
    batch::Batch,
    conn::{Conn, Tx},
    due::Earliest,
    error::is_transient,
    notify,
    unit::Lost,
};

/// Units that may wait for one writer; who comes then waits to be let in.
const WAITING: usize = 4096;

/// How often a unit is tried that fell to a deadlock or the like.
const TRIES: u32 = 3;

/// The writers' ends that hand units in.
pub(super) struct Lanes {
    doors: Vec<mpsc::Sender<Waiting>>,
    batch: usize,
    stop: CancellationToken,
    writers: TaskTracker,
}

/// The writers' ends that take units out.
pub(super) type Mailboxes = Vec<mpsc::Receiver<Waiting>>;

/// A unit, and who waits for it.
pub(super) struct Waiting {
    unit: Unit,
    answer: oneshot::Sender<Result<Committed, CommitError>>,
}

/// How the transaction of a batch went.
enum Ran {
    /// It is over, and each unit is written or left nothing.
    Settled(Vec<Result<(), Lost>>),
    /// Nothing was written.
    Failed(Error),
    /// The answer to COMMIT was lost.
    Unknown(sqlx::Error),
}

impl Lanes {
    pub(super) fn new(lanes: u32, batch: usize) -> (Self, Mailboxes) {
        let (doors, mailboxes) = (0..lanes).map(|_| mpsc::channel(WAITING)).unzip();
        let lanes = Self { doors, batch: batch.max(1), stop: CancellationToken::new(), writers: TaskTracker::new() };
        (lanes, mailboxes)
    }

    pub(super) async fn drain(&self) {
        self.stop.cancel();
        self.writers.close();
        self.writers.wait().await;
    }

    fn door(&self, affinity: u64) -> Option<&mpsc::Sender<Waiting>> {
        let lanes = u64::try_from(self.doors.len()).ok()?;
        self.doors.get(usize::try_from(affinity.checked_rem(lanes)?).ok()?)
    }
}

impl Store {
    /// Makes the writes of a unit durable, together with other units that wait. Once handed in it is written even if the caller
    /// does not wait for the answer.
    ///
    /// # Errors
    /// [`CommitError`] says whether something may have been written.
    pub async fn commit(&self, unit: Unit) -> Result<Committed, CommitError> {
        let (answer, answered) = oneshot::channel();
        let door = self.lanes.door(unit.affinity).ok_or(CommitError::Closed)?;
        door.send(Waiting { unit, answer }).await.map_err(|_| CommitError::Closed)?;
        answered.await.unwrap_or(Err(CommitError::Closed))
    }

    /// Makes many units durable with one commit, over this store's own connections, and says for each how it went. For batches that
    /// come as one, such as intake.
    pub async fn commit_many(&self, units: Vec<Unit>) -> Vec<Result<Committed, CommitError>> {
        if units.is_empty() || self.lanes.stop.is_cancelled() {
            return units.iter().map(|_| Err(CommitError::Closed)).collect();
        }
        self.core.settle(&units.iter().collect::<Vec<_>>()).await
    }

    pub(super) fn start(&self, mailboxes: Mailboxes) {
        for mailbox in mailboxes {
            let writer = Writer {
                core: Arc::clone(&self.doors.writers),
                stop: self.lanes.stop.clone(),
                batch: self.lanes.batch,
            };
            self.lanes.writers.spawn(async move { writer.run(mailbox).await });
        }
    }
}

/// One of the writers.
struct Writer {
    core: Arc<Core>,
    stop: CancellationToken,
    batch: usize,
}

impl Writer {
    /// A writer's life: until the store closes and everything that was let in is written.
    async fn run(&self, mut mailbox: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::new();
        loop {
            let taken = tokio::select! {
                biased;
                () = self.stop.cancelled(), if !mailbox.is_closed() => {
                    mailbox.close();
                    continue;
                }
                taken = mailbox.recv_many(&mut batch, self.batch) => taken,
            };
            if taken == 0 {
                return;
            }
            let units: Vec<&Unit> = batch.iter().map(|waiting: &Waiting| &waiting.unit).collect();
            let results = self.core.settle(&units).await;
            for (waiting, result) in batch.drain(..).zip(results) {
                let _ = waiting.answer.send(result); // who does not wait any more reads again
            }
        }
    }
}

impl Core {
    /// Writes a batch, and says for each unit how it went.
    async fn settle(&self, units: &[&Unit]) -> Vec<Result<Committed, CommitError>> {
        let ran = match self.plainly(units).await {
            Some(ran) => ran,
            None => self.guarded(units).await,
        };
        let mut results = verdicts(units, ran);
        if units.iter().any(|unit| notify::is_news(unit)) {
            self.news.notify_one();
        }
        for (unit, result) in units.iter().zip(&mut results) {
            let mut tries = 1;
            while tries < TRIES && worth_a_try(result) {
                tries += 1;
                if let Some(again) = verdicts(&[unit], self.guarded(&[unit]).await).pop() {
                    *result = again;
                }
            }
        }
        results
    }

    /// Runs the units in one transaction as they are; `None` if one of several failed, and so none is written.
    async fn plainly(&self, units: &[&Unit]) -> Option<Ran> {
        let mut tx = self.inner.begin().await.ok()?;
        if let (Tx::Pg(pg), [_, _, ..]) = (&mut tx, units) {
            return match self.apply_set(pg, &Batch::of(units)).await {
                Ok(()) => Some(settled(tx, units.iter().map(|_| Ok(())).collect()).await),
                Err(_) => tx.rollback().await.ok().and(None),
            };
        }
        let mut due = Earliest::default();
        for unit in units {
            if let Err(lost) = self.apply(&mut tx.conn(), unit, Some(&mut due)).await {
                let undone = tx.rollback().await.is_ok();
                let alone = units.len() == 1 && undone;
                return alone.then(|| Ran::Settled(vec![Err(lost)]));
            }
        }
        due.put(&mut tx.conn()).await.ok()?;
        Some(settled(tx, units.iter().map(|_| Ok(())).collect()).await)
    }

    /// Runs the units in one transaction, each behind a savepoint; the ones that fail leave nothing.
    async fn guarded(&self, units: &[&Unit]) -> Ran {
        let mut tx = match self.inner.begin().await {
            Ok(tx) => tx,
            Err(error) => return Ran::Failed(error),
        };
        let mut results = Vec::with_capacity(units.len());
        for unit in units {
            match self.behind_savepoint(&mut tx.conn(), unit).await {
                Ok(result) => results.push(result),
                Err(error) => return Ran::Failed(error),
            }
        }
        settled(tx, results).await
    }

    async fn behind_savepoint(&self, conn: &mut Conn<'_>, unit: &Unit) -> Result<Result<(), Lost>, Error> {
        conn.plain("SAVEPOINT unit").await?;
        let result = self.apply(conn, unit, None).await;
        if result.is_err() {
            conn.plain("ROLLBACK TO SAVEPOINT unit").await?;
        }
        conn.plain("RELEASE SAVEPOINT unit").await?;
        Ok(result)
    }
}

async fn settled(tx: Tx, results: Vec<Result<(), Lost>>) -> Ran {
    match tx.commit().await {
        Ok(()) => Ran::Settled(results),
        Err(error) => Ran::Unknown(error),
    }
}

fn worth_a_try(result: &Result<Committed, CommitError>) -> bool {
    matches!(result, Err(CommitError::Failed { source, .. }) if is_transient(source))
}

/// What the run of a batch means for each of its units.
fn verdicts(units: &[&Unit], ran: Ran) -> Vec<Result<Committed, CommitError>> {
    let batch = units.len();
    let names = units.iter().map(|unit| unit.name);
    match ran {
        Ran::Settled(results) => names
            .zip(results)
            .map(|(unit, result)| match result {
                Ok(()) => Ok(Committed { batch }),
                Err(Lost::Race(conflict)) => Err(CommitError::Conflict { unit, conflict }),
                Err(Lost::Failed(source)) => Err(CommitError::Failed { unit, source: Arc::new(source) }),
            })
            .collect(),
        Ran::Failed(source) => {
            let source = Arc::new(source);
            names.map(|unit| Err(CommitError::Failed { unit, source: Arc::clone(&source) })).collect()
        }
        Ran::Unknown(source) => {
            let source = Arc::new(source);
            names.map(|unit| Err(CommitError::Unknown { unit, source: Arc::clone(&source) })).collect()
        }
    }
}
