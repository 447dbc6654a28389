//! The graph of a job's life, found by trying every event in every state.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use super::{Cx, Ending, Event, Hold, Life, Next, NotNotified, Notify, Outcome, Policy, State, StateName, step};
use crate::{
    job::{
        retry::{Failure, FailureClass, RetryRule},
        window::{Schedule, Window},
    },
    model::{clock::Timestamp, id::PauseId},
};

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const DEADLINE: Duration = Duration::from_hours(720);

/// Which events lead from one state to another; an event that changes only facts, or nothing, is left out.
pub(super) type Graph = BTreeMap<(StateName, StateName), BTreeSet<&'static str>>;

/// One tried step.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    /// The job before.
    pub(super) before: Life,
    /// When.
    pub(super) now: Timestamp,
    /// What happened.
    pub(super) event: Event,
    /// What followed.
    pub(super) next: Next,
}

/// Every event in every situation that can be reached: each state, with and without an Exec outstanding, before and after its time
/// and its deadline, with and without attempts left, for each kind of notifying, with the device free and held by another job, with
/// and without a window.
#[must_use]
pub(super) fn every_step() -> Vec<Tried> {
    let policy = Policy::default();
    let deadline = START.after(DEADLINE);
    let night = Window { cron: "0 2 * * *".parse().unwrap(), minutes: 60, time_zone: "UTC".parse().unwrap() };
    let night = Schedule { not_before: None, window: Some(night) };
    let mut open: Vec<Life> = [
        (Notify::Auto, Schedule::default()),
        (Notify::Always, Schedule::default()),
        (Notify::Never, Schedule::default()),
        (Notify::Auto, night.clone()),
        (Notify::Never, night),
    ]
    .into_iter()
    .map(|(notify, schedule)| {
        Life::new(deadline, notify, RetryRule { limit: 1, ..RetryRule::default() }).scheduled(schedule)
    })
    .collect();
    let mut seen: BTreeSet<String> = open.iter().map(situation).collect();
    let mut tried = Vec::new();
    while let Some(before) = open.pop() {
        for now in moments(&before) {
            for (event, busy) in events().into_iter().flat_map(|e| [(e.clone(), false), (e, true)]) {
                let next = step(&before, event.clone(), &Cx { now, busy, policy: &policy });
                if seen.insert(situation(&next.life)) {
                    open.push(next.life.clone());
                }
                tried.push(Tried { before: before.clone(), now, event, next });
            }
        }
    }
    tried
}

/// The graph of [`every_step`].
#[must_use]
pub(super) fn graph() -> Graph {
    let mut graph = Graph::new();
    for tried in every_step() {
        let (from, to) = (tried.before.state().name(), tried.next.life.state().name());
        if from != to {
            graph.entry((from, to)).or_default().insert(label(&tried));
        }
    }
    graph
}

/// The graph as Mermaid text.
#[must_use]
pub(super) fn mermaid() -> String {
    let mut text = "stateDiagram-v2\n    [*] --> accepted\n".to_owned();
    for ((from, to), events) in graph() {
        let events = events.into_iter().collect::<Vec<_>>().join(", ");
        // Writing to a String never fails.
        let _ = writeln!(text, "    {from} --> {to}: {events}");
    }
    for outcome in Outcome::ALL {
        let _ = writeln!(text, "    {outcome} --> [*]");
    }
    text
}

fn label(tried: &Tried) -> &'static str {
    match &tried.event {
        Event::Queued => "queued",
        Event::DeviceUnknown => "device unknown",
        Event::Due if tried.now >= tried.before.deadline() => "deadline",
        Event::Due => "time out",
        Event::Notified => "notified",
        Event::NotNotified(NotNotified::NoAddress) => "no address",
        Event::NotNotified(NotNotified::Trouble) => "not notified",
        Event::SessionOpened => "session opened",
        Event::Exchanged { .. } => "message exchanged",
        Event::ReportAwaited => "report awaited",
        Event::UserAsked { .. } => "user asked",
        Event::UserAnswered => "user answered",
        Event::SessionEnded { .. } => "session ended early",
        Event::Finished(_) if tried.next.life.state().name().is_terminal() => "finished",
        Event::Finished(_) => "attempt failed",
        Event::Held(_) => "held back",
        Event::Cancel => "cancel",
        Event::Hurry => "hurry",
    }
}

/// Every event, with each of its facts that decides something.
fn events() -> Vec<Event> {
    let failure = |retryable| Failure {
        code: Some(1400),
        device_code: None,
        class: FailureClass::Client,
        retryable,
        text: "it failed".to_owned(),
    };
    vec![
        Event::Queued,
        Event::DeviceUnknown,
        Event::Due,
        Event::Notified,
        Event::NotNotified(NotNotified::NoAddress),
        Event::NotNotified(NotNotified::Trouble),
        Event::SessionOpened,
        Event::Exchanged { exec: true },
        Event::Exchanged { exec: false },
        Event::ReportAwaited,
        Event::UserAsked { within: Duration::ZERO },
        Event::UserAnswered,
        Event::SessionEnded { ours: true },
        Event::SessionEnded { ours: false },
        Event::Finished(Ending::Succeeded { code: Some(1200) }),
        Event::Finished(Ending::AlreadyDone),
        Event::Finished(Ending::Failed(failure(true))),
        Event::Finished(Ending::Failed(failure(false))),
        Event::Finished(Ending::Declined { code: Some(1401) }),
        Event::Finished(Ending::NotApplicable { reasons: vec!["nothing fits".to_owned()] }),
        Event::Finished(Ending::InDoubt { text: "Status 30".to_owned() }),
        Event::Held(Hold::Schedule),
        Event::Held(Hold::Pause(PauseId::new(uuid::Uuid::from_u128(1)))),
        Event::Cancel,
        Event::Hurry,
    ]
}

/// Long before anything is due, when it is due, and when the deadline has passed.
fn moments(life: &Life) -> [Timestamp; 3] {
    let due = life.until.min(life.deadline);
    [START, due, life.deadline.after(Duration::from_secs(1))]
}

/// What tells two jobs apart as far as decisions go; leaves out the exact times, so that trying comes to an end.
fn situation(life: &Life) -> String {
    let held = matches!(life.state, State::Waiting { not_before: Some(_) });
    let (exec, last) = (life.report_by.is_some(), life.attempt > life.retry.limit);
    let (asleep, at_start) = (life.until >= life.deadline, life.until <= START);
    let (free, paused) = (life.schedule.is_free(), life.held.is_some());
    let (name, ran) = (life.state.name(), life.ran);
    format!("{name} {held} {exec} {ran} {last} {asleep} {at_start} {free} {paused} {:?}", life.notify)
}
