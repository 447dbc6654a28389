//! Jobs that are moved from outside of sessions and errands: by hand, over the API or the bus.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};

use super::{CANCEL, Moving, begin};
use crate::{
    infra::{
        driver::Poke,
        store::{
            self, CommitError, Conflict, Page, Store, Unit, Write,
            due::{Again, Due},
            job::JobRow,
        },
    },
    job::life::{Event, Policy, StateName},
    model::{
        clock::{Clock, Mint},
        id::{JobId, RequestKey},
    },
};

/// How often a change is tried that others keep overtaking.
const ATTEMPTS: usize = 10;
/// Jobs that are moved at the same time; their commits meet in few transactions.
const TOGETHER: usize = 64;

/// After so long it is looked whether the cancel of a large request came to its end.
const BROKEN_OFF: Duration = Duration::from_mins(2);

/// Moves jobs by hand.
#[derive(Clone)]
pub struct Hand {
    /// State.
    pub store: Store,
    /// The installation's patience.
    pub policy: Arc<Policy>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, one for each change.
    pub mint: fn() -> Box<dyn Mint>,
    /// Wakes those who work off due rows.
    pub due: Poke,
    /// Wakes the relay.
    pub told: Poke,
}

/// Why a job was not moved.
#[derive(Debug, thiserror::Error)]
pub enum Unmoved {
    /// It could not be read.
    #[error("the database is out of reach")]
    Store(#[from] store::Error),
    /// The change could not be written.
    #[error("the change of a job could not be written")]
    Commit(#[from] CommitError),
    /// Others moved it each time.
    #[error("the job {0} is busy; try again")]
    Busy(JobId),
}

impl Unmoved {
    /// Whether it fails however often it is tried.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Store(error) => error.is_permanent(),
            Self::Commit(error) => error.is_permanent(),
            Self::Busy(_) => false,
        }
    }
}

impl Hand {
    /// Moves a job on that has not ended, on top of whatever else moves it; its id, unless it had ended.
    ///
    /// # Errors
    /// [`Unmoved`]
    pub async fn advance(&self, row: JobRow, note: &str, event: Event) -> Result<Option<JobId>, Unmoved> {
        let (id, mut row) = (row.id, Some(row));
        for _ in 0..ATTEMPTS {
            let read = match row.take() {
                Some(row) => Some(row),
                None => self.store.job(id).await?,
            };
            let Some(read) = read else { return Ok(None) };
            let mut job = Moving::of(read)?;
            if job.is_over() {
                return Ok(None);
            }
            let now = self.clock.now();
            let mut unit = Unit::new("job.advance", &job.row().device_id.normalised());
            job.note(now, note);
            job.step(event.clone(), now, &self.policy, false, (self.mint)().as_mut());
            unit.writes = job.writes(now, None)?;
            match self.store.commit(unit).await {
                Ok(_) => {
                    self.due.poke();
                    self.told.poke();
                    return Ok(Some(id));
                }
                // A session or an errand was quicker: decide again on what it left.
                Err(lost) if matches!(lost.conflict(), Some(Conflict::Stale { .. })) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(Unmoved::Busy(id))
    }

    /// Cancels a job that was read, at the wish of `by`; says whether it was still alive.
    ///
    /// # Errors
    /// [`Unmoved`]
    pub async fn cancel(&self, row: JobRow, by: &str, why: &str) -> Result<bool, Unmoved> {
        let moved = self.advance(row, &format!("{by} {why}"), Event::Cancel).await?;
        if let Some(id) = moved {
            tracing::info!(job.id = %id, by, "Cancelled job {id}");
        }
        Ok(moved.is_some())
    }

    /// Cancels what of a request has not ended, and says how many jobs that were. What has not become jobs yet never does.
    ///
    /// # Errors
    /// [`Unmoved`]; some may be cancelled then.
    pub async fn cancel_request(&self, request: RequestKey, by: &str) -> Result<u64, Unmoved> {
        let large = self.store.fan_out(request).await?.is_some();
        let cancel = Due { errand: CANCEL, subject: request.uuid(), at: self.clock.now().after(BROKEN_OFF) };
        if large {
            let (now, stop) = (self.clock.now(), Unit::new("request.cancel", &request.to_string()));
            let stop = stop.with(Write::FanOutStop { request, at: now });
            let stop = stop.with(Write::DuePut { due: cancel.clone(), again: Again::Replace });
            self.store.commit(stop.with(begin::look(request, now))).await?;
        }
        let cancelled = self.cancel_jobs(request, by).await?;
        if large {
            let done = Unit::new("request.cancelled", &request.to_string());
            self.store.commit(done.with(Write::DueClear { errand: CANCEL, subject: cancel.subject })).await?;
        }
        Ok(cancelled)
    }

    /// Cancels the jobs of a request that have not ended, and says how many that were.
    ///
    /// # Errors
    /// [`Unmoved`]; some may be cancelled then.
    pub async fn cancel_jobs(&self, request: RequestKey, by: &str) -> Result<u64, Unmoved> {
        let mut cancelled = 0;
        loop {
            let mut states = self.store.job_states(request).await?;
            states.retain(|state| state.parse().is_ok_and(|state: StateName| !state.is_terminal()));
            let Some(state) = states.first() else { return Ok(cancelled) };
            // Those that are cancelled are not found again.
            let jobs = self.store.jobs_in(request, state, Page::MOST).await?;
            let stopped = stream::iter(jobs).map(|job| self.cancel(job, by, "asked to cancel it"));
            let (mut moved, mut failed) = (false, None);
            let stopped: Vec<_> = stopped.buffer_unordered(TOGETHER).collect().await;
            for alive in stopped {
                match alive {
                    Ok(alive) => (moved, cancelled) = (true, cancelled + u64::from(alive)),
                    Err(unmoved) => failed = Some(unmoved),
                }
            }
            // One that cannot be cancelled keeps no other from it.
            if let Some(unmoved) = failed.filter(|_| !moved) {
                return Err(unmoved);
            }
        }
    }
}
