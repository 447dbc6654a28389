//! Events on their way to a broker: shards of the outbox are leased, their events published with many confirms in flight, and
//! deleted when the broker has them.
//!
//! Events of one subject keep their order: there is one of each in flight, and one that the broker returns or refuses holds back
//! those behind it, and nobody else's. A connection that breaks leaves in the outbox what was not confirmed; it is told again,
//! under the same id.

use std::{collections::BTreeSet, mem, time::Duration};

use futures_util::future::join_all;
use serde::Deserialize;
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{PAUSE, POLL, Relay};
use crate::{
    contract::event::Event,
    infra::{
        broker::{
            Amqp,
            amqp::{self, ERROR_HEADER, Fate, Link, Message, Outlet},
            backoff::Backoff,
        },
        store::{
            self,
            dead::DeadLetterRow,
            relay::{Outgoing, Settled, Shards},
        },
        telemetry::chain,
    },
    job::life::StateName,
    model::clock::Timestamp,
};

/// Workers that publish at the same time, each with shards of its own.
const WORKERS: usize = 4;
/// Shards of one worker at most.
const SHARES: u32 = 16;
/// Events of one shard that are read at once.
const EACH: u32 = 100;
/// How long what is being told may go on when the service stops.
const GRACE: Duration = Duration::from_secs(5);
/// The same when the link is given up.
const LAST: Duration = Duration::from_secs(1);
/// Dead letters that are copied at once: their bodies are in memory.
const COPIES: u32 = 20;
/// The first pause of an event that the broker does not take, and the longest.
const HELD: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(10);

/// Shards that could not be given back: the database did not answer.
type Owed = Mutex<Vec<Shards>>;

/// What the workers of a link share.
#[derive(Clone, Copy)]
struct Desk<'l> {
    link: &'l Link<'l>,
    /// One of them has failed: the link is given up.
    broken: &'l CancellationToken,
    owed: &'l Owed,
}

/// Why a link is given up.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("events cannot be told")]
    Broker(#[from] amqp::Error),
    #[error("the database is out of reach")]
    Store(#[from] store::Error),
}

impl Relay {
    pub(super) async fn tell_broker(&self, amqp: &Amqp) {
        let (mut backoff, owed) = (Backoff::default(), Owed::default());
        while !self.stop.is_cancelled() {
            let told = self.with_link(amqp, &mut backoff, &owed).await;
            let Err(error) = told else { return };
            let pause = backoff.pause((self.mint)().as_mut());
            self.metrics.events_relayed("failed", 1);
            tracing::error!(error = chain(&error), again_in_ms = pause.as_millis(), "Events wait in the outbox");
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Works until the service stops or the connection is lost. One that fails ends all, and each gives back what it has leased.
    async fn with_link(&self, amqp: &Amqp, backoff: &mut Backoff, owed: &Owed) -> Result<(), amqp::Error> {
        let link = amqp.connect("events").await?;
        tracing::info!("Connected to the broker: events are told");
        backoff.reset();
        let broken = CancellationToken::new();
        let desk = Desk { link: &link, broken: &broken, owed };
        let ending = async |worked: Result<(), amqp::Error>| worked.inspect_err(|_| broken.cancel());
        let workers = join_all((0..WORKERS).map(|_| async { ending(self.work(desk).await).await }));
        let copying = async { ending(self.copy(amqp, desk).await).await };
        let (worked, copied) = tokio::join!(workers, copying);
        worked.into_iter().chain([copied]).collect::<Result<(), _>>()?;
        link.close().await;
        Ok(())
    }

    /// One worker: leases shards, works them off, gives them back.
    async fn work(&self, desk: Desk<'_>) -> Result<(), amqp::Error> {
        let mut outlet = desk.link.outlet().await?;
        while !self.is_over(desk) {
            if !self.may_publish(desk).await? {
                return Ok(());
            }
            match self.lease_and_tell(&mut outlet, desk).await {
                Ok(true) => {}
                Ok(false) => self.rest(POLL).await,
                Err(Trouble::Broker(error)) => return Err(error),
                Err(Trouble::Store(error)) => {
                    tracing::error!(error = chain(&error), "Events wait in the outbox");
                    self.rest(PAUSE).await;
                }
            }
        }
        Ok(())
    }

    fn is_over(&self, desk: Desk<'_>) -> bool {
        self.stop.is_cancelled() || desk.broken.is_cancelled()
    }

    /// Waits while the broker takes nothing. `false`: the service stops, or the link is given up.
    async fn may_publish(&self, desk: Desk<'_>) -> Result<bool, amqp::Error> {
        self.metrics.bus_blocked(desk.link.state() == amqp::State::Blocked);
        tokio::select! {
            writable = desk.link.writable() => {
                self.metrics.bus_blocked(false);
                if writable { Ok(true) } else { Err(desk.link.gone()) }
            }
            () = self.stop.cancelled() => Ok(false),
            () = desk.broken.cancelled() => Ok(false),
        }
    }

    /// Says whether there was anything to tell.
    async fn lease_and_tell(&self, outlet: &mut Outlet<'_>, desk: Desk<'_>) -> Result<bool, Trouble> {
        self.give_back(None, desk.owed).await?;
        if !self.clock.is_sound() || !self.store.outbox_waits().await? {
            return Ok(false);
        }
        let shards = self.store.lease_shards(SHARES, self.hold).await?;
        if shards.is_empty() {
            return Ok(false);
        }
        let told = tokio::select! {
            told = self.work_off(outlet, &shards) => told,
            // The broker is silent. What it has of the events is told again by another, under the same ids.
            () = self.overdue(desk) => Ok(true),
        };
        let given = self.give_back(Some(shards), desk.owed).await;
        told.and_then(|any| given.map(|()| any))
    }

    /// Gives shards back, and before them what could not be given back earlier: nobody is to wait for their lease to run out.
    async fn give_back(&self, shards: Option<Shards>, owed: &Owed) -> Result<(), Trouble> {
        let mut all = mem::take(&mut *owed.lock().await);
        all.extend(shards);
        while let Some(next) = all.pop() {
            if let Err(error) = self.store.release_shards(next.clone()).await {
                all.push(next);
                owed.lock().await.append(&mut all);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Waits until the service stops, or the link is given up, and the broker had time to confirm what is on its way.
    async fn overdue(&self, desk: Desk<'_>) {
        tokio::select! {
            () = async {
                self.stop.cancelled().await;
                sleep(GRACE).await;
            } => {}
            () = async {
                desk.broken.cancelled().await;
                sleep(LAST).await;
            } => {}
        }
    }

    async fn work_off(&self, outlet: &mut Outlet<'_>, shards: &Shards) -> Result<bool, Trouble> {
        let mut any = false;
        loop {
            let events = self.store.outgoing(shards, EACH).await?;
            if events.is_empty() {
                return Ok(any);
            }
            any = true;
            let (settled, lost) = self.tell(outlet, &events).await;
            let held = self.store.settle_events(shards, &settled, self.hold).await?;
            if let Some(error) = lost {
                return Err(error.into());
            }
            if !held || self.stop.is_cancelled() {
                return Ok(any);
            }
        }
    }

    /// Publishes events in waves with one of each subject, and says what became of them, up to where the connection was lost.
    async fn tell(&self, outlet: &mut Outlet<'_>, events: &[Outgoing]) -> (Settled, Option<amqp::Error>) {
        let mut settled = Settled::default();
        let mut stuck = BTreeSet::new();
        let mut waiting: Vec<&Outgoing> = events.iter().collect();
        while !waiting.is_empty() {
            let mut subjects = BTreeSet::new();
            let (wave, later): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|event| subjects.insert(event.subject.as_str()));
            let messages: Vec<Message<'_>> =
                wave.iter().map(|event| message(event, outlet.events_exchange())).collect();
            let fates = match outlet.publish(&messages).await {
                Ok(fates) => fates,
                Err(error) => return (settled, Some(error)),
            };
            for (event, fate) in wave.iter().zip(fates) {
                if !self.settle(event, fate, &mut settled) {
                    stuck.insert(event.subject.as_str());
                }
            }
            waiting = later.into_iter().filter(|event| !stuck.contains(event.subject.as_str())).collect();
        }
        (settled, None)
    }

    /// Notes what became of an event; `false` if it holds back its subject.
    #[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
    fn settle(&self, event: &Outgoing, fate: Fate, settled: &mut Settled) -> bool {
        let outcome = match fate {
            Fate::Confirmed => {
                self.metrics.events_relayed("confirmed", 1);
                settled.over.push(event.place);
                return true;
            }
            Fate::Returned => "returned",
            Fate::Refused => "refused",
        };
        self.metrics.events_relayed(outcome, 1);
        let now = self.clock.now();
        if now.since(event.at) > self.keep {
            self.metrics.events_relayed("expired", 1);
            tracing::error!(event.id = %event.id, event.kind, outcome, "An event was given up: no queue took it until the end of retention.events");
            settled.over.push(event.place);
            return true;
        }
        tracing::warn!(event.id = %event.id, event.kind, outcome, "An event is not taken by the broker and tried again; events of its subject wait behind it");
        settled.held.push((event.place, again(event, now)));
        false
    }

    /// Copies dead letters to the dead queue.
    #[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
    async fn copy(&self, amqp: &Amqp, desk: Desk<'_>) -> Result<(), amqp::Error> {
        let mut outlet = desk.link.outlet().await?;
        while !self.is_over(desk) {
            if !self.may_publish(desk).await? {
                return Ok(());
            }
            let pause = match self.copy_some(amqp, &mut outlet, desk.owed).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => POLL,
                Err(Trouble::Broker(error)) => return Err(error),
                Err(Trouble::Store(error)) => {
                    tracing::error!(error = chain(&error), "Dead letters wait to be copied");
                    PAUSE
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled() => {}
                () = desk.broken.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Says whether there may be more.
    async fn copy_some(&self, amqp: &Amqp, outlet: &mut Outlet<'_>, owed: &Owed) -> Result<bool, Trouble> {
        if self.store.uncopied_dead_letters(1).await?.is_empty() {
            return Ok(false);
        }
        let Some(lease) = self.store.lease_copies(self.hold).await? else { return Ok(false) };
        let copied = self.copy_leased(&amqp.settings().dead_queue, outlet).await;
        let given = self.give_back(Some(lease), owed).await;
        copied.and_then(|more| given.map(|()| more))
    }

    async fn copy_leased(&self, queue: &str, outlet: &mut Outlet<'_>) -> Result<bool, Trouble> {
        let rows = self.store.uncopied_dead_letters(COPIES).await?;
        let messages: Vec<Message<'_>> = rows.iter().map(|row| copy_of(row, queue)).collect();
        let fates = outlet.publish(&messages).await?;
        let there = rows.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Confirmed);
        let ids: Vec<_> = there.map(|(row, _)| row.id).collect();
        self.store.dead_letters_copied(&ids).await?;
        if ids.len() < rows.len() {
            tracing::warn!(queue, "The dead queue does not take copies of dead letters; they are tried again");
            self.rest(PAUSE).await;
        }
        Ok(rows.len() == usize::try_from(COPIES).unwrap_or(usize::MAX))
    }
}

/// An event as it goes out.
fn message<'e>(event: &'e Outgoing, exchange: &'e str) -> Message<'e> {
    let key = event.kind.strip_prefix("scomo.").unwrap_or(&event.kind);
    Message {
        exchange,
        key,
        id: event.id.to_string(),
        correlation: request_of(event.body.as_str()),
        content_type: Event::CONTENT_TYPE,
        headers: Vec::new(),
        mandatory: is_mandatory(key),
        body: event.body.as_str().as_bytes(),
    }
}

/// A dead letter as it goes to the dead queue.
fn copy_of<'r>(row: &'r DeadLetterRow, queue: &'r str) -> Message<'r> {
    Message {
        exchange: "",
        key: queue,
        id: row.id.to_string(),
        correlation: row.message_id.clone(),
        content_type: row.content_type.as_deref().unwrap_or("application/json"),
        headers: vec![(ERROR_HEADER, row.problem.as_str().to_owned())],
        mandatory: true,
        body: &row.body,
    }
}

/// When an event is tried again: the pause doubles with each try.
fn again(event: &Outgoing, now: Timestamp) -> Timestamp {
    now.after(HELD.saturating_mul(1 << event.tries.min(10)).min(LONGEST))
}

/// Whether somebody must take it (contract "Bus"): the answer to a request, and the end of a job.
fn is_mandatory(key: &str) -> bool {
    let state = key.strip_prefix("job.").and_then(|state| state.parse::<StateName>().ok());
    key.starts_with("request.") || state.is_some_and(StateName::is_terminal)
}

/// The request that an event belongs to.
fn request_of(event: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        data: About,
    }
    #[derive(Deserialize)]
    struct About {
        request_id: Option<String>,
    }
    serde_json::from_str::<Told>(event).ok()?.data.request_id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_ends_must_be_taken() {
        for key in ["request.accepted", "request.rejected", "request.conflict", "request.completed", "job.succeeded"] {
            assert!(is_mandatory(key), "{key}");
        }
        for key in ["job.in_session", "job.progress", "job.late_result", "device.alert", "device.inventory"] {
            assert!(!is_mandatory(key), "{key}");
        }
    }

    #[test]
    fn an_event_names_its_request() {
        assert_eq!(request_of(r#"{"data":{"request_id":"r","x":1},"id":"e"}"#).as_deref(), Some("r"));
        assert_eq!(request_of(r#"{"data":{"device":"d"}}"#), None);
    }
}
