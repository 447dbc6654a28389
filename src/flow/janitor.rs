//! What time brings about: requests whose jobs have all ended are told so, and what nobody needs any more is removed.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    contract::event::{Data, Event, Outcomes, RequestCompleted},
    infra::{
        driver::{Errand, Failure, Poke},
        jobs,
        store::{
            self, Conflict, Json, Store, Unit, Write,
            due::{Lease, Leased},
            fanout::FanOutRow,
            job::JobCount,
            request::{Completion, RequestRow},
        },
        telemetry::chain,
    },
    job::life::StateName,
    model::{
        clock::{Clock, Mint, Timestamp, span},
        id::{EventId, JobId, RequestKey},
    },
};

/// Finds requests that are complete.
pub struct Completer {
    /// State.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, one for each errand.
    pub mint: fn() -> Box<dyn Mint>,
    /// Wakes the relay.
    pub told: Poke,
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Sessions after their last message; the answer of an ended one is repeated until then.
    #[serde(with = "span")]
    pub sessions: Duration,
    /// Download grants after they expired.
    #[serde(with = "span")]
    pub grants: Duration,
    /// Events after they were published.
    #[serde(with = "span")]
    pub events: Duration,
    /// Messages of the bus after they were refused.
    #[serde(with = "span")]
    pub dead_letters: Duration,
    /// Jobs after their request was completed.
    #[serde(with = "span")]
    pub jobs: Duration,
    /// Requests after their jobs were deleted: so long their identities are known.
    #[serde(with = "span")]
    pub requests: Duration,
    /// Target lists after a request used them last.
    #[serde(with = "span")]
    pub target_lists: Duration,
}

/// How often things are cleared away, and how many at a time.
const ROUND: Duration = Duration::from_mins(1);
const BATCH: u32 = 1000;
/// The upload of a target list on which nothing came for so long is given up.
const IDLE_UPLOAD: Duration = Duration::from_hours(1);

/// How often jobs that have ended are looked for, how many at a time, and how long whoever found them may take.
const GATHER: Duration = Duration::from_millis(250);
const GATHERED: u32 = 500;
const HOLD: Duration = Duration::from_secs(30);

impl Errand for Completer {
    fn names(&self) -> &'static [&'static str] {
        &[jobs::COMPLETE]
    }

    async fn run(&self, due: Leased) -> Result<(), Failure> {
        let key = RequestKey::new(due.lease.subject);
        if !self.complete(key, Some(&due.lease)).await? {
            let _ = self.store.done(&due.lease).await?;
        }
        Ok(())
    }
}

impl Completer {
    /// Looks at the requests of jobs that have ended, many at a time, until `stop`.
    pub async fn gather(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let found = self.gather_some().await.unwrap_or_else(|failure| not_looked_at(&failure));
            let full = found == usize::try_from(GATHERED).unwrap_or(usize::MAX);
            tokio::select! {
                () = sleep(if full { Duration::ZERO } else { GATHER }) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Looks at the requests of some jobs that have ended, and says how many jobs that were. Should it fail in between, the rest is
    /// looked at again when the leases run out.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn gather_some(&self) -> Result<usize, Failure> {
        if !self.clock.is_sound() {
            return Ok(0);
        }
        let ended = self.store.lease_due(&[jobs::ENDED], GATHERED, HOLD).await?;
        let jobs: Vec<JobId> = ended.iter().map(|due| JobId::new(due.lease.subject)).collect();
        if jobs.is_empty() {
            return Ok(0);
        }
        let mut failed = None;
        for request in self.store.requests_of(&jobs).await? {
            match self.complete(request, None).await {
                // Another was faster, and has told it.
                Err(Failure::Commit(lost)) if matches!(lost.conflict(), Some(Conflict::Stale { .. })) => {}
                // A request that cannot be completed keeps no other from it.
                Err(failure) => failed = Some(failure),
                Ok(_) => {}
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        self.store.done_all(&ended).await?;
        Ok(jobs.len())
    }

    /// Ends a request whose jobs are all made and have all ended, and says whether that was so.
    async fn complete(&self, key: RequestKey, lease: Option<&Lease>) -> Result<bool, Failure> {
        let ended = |state: &String| state.parse().is_ok_and(|state: StateName| state.is_terminal());
        if !self.store.job_states(key).await?.iter().all(ended) {
            return Ok(false);
        }
        let Some(row) = self.store.request(key).await?.filter(|row| row.completed.is_none()) else { return Ok(false) };
        let fan_out = self.store.fan_out(key).await?;
        let counts = self.store.job_counts(key).await?;
        if fan_out.as_ref().is_some_and(|fan_out| fan_out.ended.is_none()) || !is_complete(&row, &counts) {
            return Ok(false);
        }
        let now = self.clock.now();
        let data = completed(&row, &counts, fan_out.as_ref());
        let end = Completion { counts: Json::of("outcomes", &data.outcomes)?, at: now };
        let event = Event {
            id: EventId::new((self.mint)().uuid(now)),
            tenant: row.tenant.clone(),
            time: now,
            sequence: None,
            data: Data::RequestCompleted(data),
        };
        let mut unit = Unit::new("request.complete", &key.to_string());
        unit.writes.extend(lease.cloned().map(Write::DueDone));
        unit.push(Write::RequestComplete { key, end });
        unit.push(Write::PauseEnd { request: key });
        unit.push(Write::EventInsert(jobs::event_row(&event, 2)?));
        self.store.commit(unit).await?;
        tracing::info!(request.id = %row.request_id, "Request completed");
        self.told.poke();
        Ok(true)
    }
}

fn not_looked_at(failure: &Failure) -> usize {
    tracing::warn!(error = chain(failure), "Requests of jobs that have ended are looked at again later");
    0
}

fn completed(row: &RequestRow, counts: &[JobCount], fan_out: Option<&FanOutRow>) -> RequestCompleted {
    let mut outcomes = Outcomes::default();
    for group in counts {
        if let Ok(StateName::Over(outcome)) = group.state.parse() {
            outcomes.add(outcome, group.count);
        }
    }
    RequestCompleted {
        request_id: row.request_id.clone(),
        source: row.source.clone(),
        outcomes,
        not_started: fan_out.and_then(|fan_out| fan_out.not_started),
        undecided: fan_out.filter(|fan_out| fan_out.targets.is_none()).map(|fan_out| fan_out.undecided),
    }
}

/// Whether every job is there and has ended.
fn is_complete(row: &RequestRow, counts: &[JobCount]) -> bool {
    let ended: u64 = counts.iter().filter(|group| group.finished).map(|group| group.count).sum();
    row.jobs_total.is_some_and(|total| ended == u64::from(total))
}

/// Clears away what nobody needs any more, until `stop`.
pub async fn clear(store: Store, clock: Arc<dyn Clock>, keep: Retention, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let more = round(&store, clock.now(), keep).await;
        tokio::select! {
            () = sleep(if more { Duration::ZERO } else { ROUND }) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Clears a batch of each kind, and says whether there may be more.
pub async fn round(store: &Store, now: Timestamp, keep: Retention) -> bool {
    if let Err(error) = store.make_days().await {
        not_made(&error);
    }
    let before = |span: Duration| now.before(span);
    let cleared = [
        ("sessions", store.prune_sessions(before(keep.sessions), BATCH).await),
        ("grants", store.prune_grants(before(keep.grants), BATCH).await),
        ("events", store.prune_events(before(keep.events), BATCH).await),
        ("dead letters", store.prune_dead_letters(before(keep.dead_letters), BATCH).await),
        ("jobs", store.prune_jobs(before(keep.jobs), BATCH).await.map(|cleared| cleared.jobs.max(cleared.requests))),
        ("requests", store.prune_requests(before(keep.requests), BATCH).await),
        ("target lists", store.prune_lists(before(IDLE_UPLOAD), before(keep.target_lists), BATCH).await),
    ];
    let full = |(what, result)| match result {
        Ok(count) => count == u64::from(BATCH),
        Err(error) => {
            not_cleared(what, &error);
            false
        }
    };
    cleared.map(full).contains(&true)
}

fn not_made(error: &store::Error) {
    tracing::warn!(
        error = chain(error),
        "No partitions could be made for the events of the next days; they are kept together"
    );
}

fn not_cleared(what: &str, error: &store::Error) {
    tracing::warn!(error = chain(error), "Old {what} could not be cleared away");
}
