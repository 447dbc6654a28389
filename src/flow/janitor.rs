//! What time brings about: requests whose jobs have all ended are told so, and what nobody needs any more is removed.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    contract::{
        event::{Data, Event, Outcomes, RequestCompleted},
        request::Request,
    },
    infra::{
        driver::{Errand, Failure, Poke},
        jobs,
        store::{
            self, Json, Store, Unit, Write,
            due::Leased,
            job::JobCount,
            request::{Completion, RequestRow},
        },
        telemetry::chain,
    },
    job::life::StateName,
    model::{
        clock::{Clock, Mint, Timestamp, span},
        id::{EventId, RequestKey},
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
}

/// How often things are cleared away, and how many at a time.
const ROUND: Duration = Duration::from_mins(1);
const BATCH: u32 = 1000;

impl Errand for Completer {
    fn names(&self) -> &'static [&'static str] {
        &[jobs::COMPLETE]
    }

    async fn run(&self, due: Leased) -> Result<(), Failure> {
        let key = RequestKey::new(due.lease.subject);
        let (row, counts) = (self.store.request(key).await?, self.store.job_counts(key).await?);
        let Some(row) = row.filter(|row| row.completed.is_none() && is_complete(row, &counts)) else {
            let _ = self.store.done(&due.lease).await?;
            return Ok(());
        };
        let now = self.clock.now();
        let event = self.completed(&row, &counts, now)?;
        let Data::RequestCompleted(data) = &event.data else { return Ok(()) };
        let end = Completion { counts: Json::of("outcomes", &data.outcomes)?, at: now };
        let unit = Unit::new("request.complete", &key.to_string())
            .with(Write::DueDone(due.lease))
            .with(Write::RequestComplete { key, end })
            .with(Write::PauseEnd { request: key })
            .with(Write::EventInsert(jobs::event_row(&event, 2)?));
        self.store.commit(unit).await?;
        tracing::info!(request.id = %row.request_id, "Request completed");
        self.told.poke();
        Ok(())
    }
}

impl Completer {
    fn completed(&self, row: &RequestRow, counts: &[JobCount], now: Timestamp) -> Result<Event, store::Error> {
        let mut outcomes = Outcomes::default();
        for group in counts {
            if let Ok(StateName::Over(outcome)) = group.state.parse() {
                outcomes.add(outcome, group.count);
            }
        }
        let request: Request = row.body.read().map_err(store::Error::bad_row("request", "body", row.key))?;
        let data = RequestCompleted { request_id: request.request_id, source: request.source, outcomes };
        Ok(Event {
            id: EventId::new((self.mint)().uuid(now)),
            tenant: row.tenant.clone(),
            time: now,
            sequence: None,
            data: Data::RequestCompleted(data),
        })
    }
}

/// Whether every job is there and has ended.
fn is_complete(row: &RequestRow, counts: &[JobCount]) -> bool {
    let ended: u64 = counts.iter().filter(|group| group.finished).map(|group| group.count).sum();
    ended == u64::from(row.jobs_total)
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
async fn round(store: &Store, now: Timestamp, keep: Retention) -> bool {
    let before = |span: Duration| now.before(span);
    let cleared = [
        ("sessions", store.prune_sessions(before(keep.sessions), BATCH).await),
        ("grants", store.prune_grants(before(keep.grants), BATCH).await),
        ("events", store.prune_events(before(keep.events), BATCH).await),
        ("dead letters", store.prune_dead_letters(before(keep.dead_letters), BATCH).await),
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

fn not_cleared(what: &str, error: &store::Error) {
    tracing::warn!(error = chain(error), "Old {what} could not be cleared away");
}
