//! Every legal transition of a job and no other (architecture section 6).
//!
//! [`step()`] is total: it takes any event in any state, says what follows, and leaves alone what an event does not concern. A terminal
//! state never changes; a result that comes later is told as late. `docs/job-life.md` has the graph, drawn from this code.
//!
//! Each live job has exactly one due row. When it fires, feed [`Event::Due`]; if the effects then hold [`Effect::Notify`], notify the
//! device, feed [`Event::Notified`] or [`Event::NotNotified`] to the new life, and commit both steps as one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    job::{command::Item, retry::RetryRule, window::Schedule},
    model::{
        clock::{Timestamp, span},
        id::PauseId,
    },
    scomo::outcome::Posted,
};

#[cfg(test)]
mod graph;
mod state;
mod step;

pub use state::{Ending, JobResult, NoState, Outcome, Over, Reason, State, StateName};
pub use step::step;

/// A job as far as decisions go. A value: the store keeps it whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    state: State,
    /// When something has to be done even if nothing happens; never counts beyond the deadline.
    until: Timestamp,
    deadline: Timestamp,
    attempt: u32,
    /// Notifications without an answer and sessions that broke, in a row; they slow the next notification down.
    troubles: u32,
    /// Present while an Exec's end is unknown: when its report is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report_by: Option<Timestamp>,
    /// In this attempt the device was told to do it, and has said how that ended: nobody may say later that nothing was started.
    #[serde(default)]
    ran: bool,
    /// A session has worked on it: something may have been written to the device, or run there.
    #[serde(default)]
    worked: bool,
    notify: Notify,
    retry: RetryRule,
    /// When something may be begun on the device.
    #[serde(default, skip_serializing_if = "Schedule::is_free")]
    schedule: Schedule,
    /// The pause that holds it back; it is looked at again when that is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<PauseId>,
}

/// Whether the device is asked to open a session (contract "Request", `notify`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// If it can be; else the job waits for the device to come by itself.
    #[default]
    Auto,
    /// A device that has no address fails the job.
    Always,
    /// The job waits for the device to come by itself.
    Never,
}

/// What happens to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its device's record is there: it joins the device's queue.
    Queued,
    /// Its device has no record (any more), and the request does not wait for one.
    DeviceUnknown,
    /// Its due row fired, or its turn came ([`Effect::WakeNext`] of another job).
    Due,
    /// The courier took a notification.
    Notified,
    /// The courier did not take a notification.
    NotNotified(NotNotified),
    /// A session takes it up.
    SessionOpened,
    /// Its session answered a message; `exec` tells whether an Exec's end is unknown now.
    Exchanged {
        /// An Exec was sent of which neither status, report nor tree has told the end.
        exec: bool,
    },
    /// The device accepted an Exec and will report.
    ReportAwaited,
    /// The session put a question to the user.
    UserAsked {
        /// How long the device asks at the most; zero if the question does not say.
        within: Duration,
    },
    /// The user answered.
    UserAnswered,
    /// Its session ended, or was given up, before the work did.
    SessionEnded {
        /// The fault is this service's (an outage): the device is asked back soon.
        ours: bool,
    },
    /// The work on the device ended; in a job that waits for its next attempt only a success counts.
    Finished(Ending),
    /// A pause applies to it, or its session was ended because its window has closed: nothing new is begun on the device.
    Held(Hold),
    /// Someone wants it to stop.
    Cancel,
    /// Someone wants it to go on now instead of later.
    Hurry,
}

/// What holds a job back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its own schedule, which says when it goes on.
    Schedule,
    /// A pause, until it is lifted.
    Pause(PauseId),
}

/// Why a notification was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNotified {
    /// The device's record has no address that a courier serves.
    NoAddress,
    /// The courier could not pass it on now.
    Trouble,
}

/// What a step looks at besides the job.
#[derive(Debug, Clone, Copy)]
pub struct Cx<'a> {
    /// The moment.
    pub now: Timestamp,
    /// Another job holds the device ([`StateName::holds_device`]).
    pub busy: bool,
    /// The installation's patience.
    pub policy: &'a Policy,
}

/// How long a job stays in a state before something is done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A notified device has this long to open a session.
    #[serde(with = "span")]
    pub answer: Duration,
    /// The pause before the device is notified again; it doubles with each trouble in a row, up to a day.
    #[serde(with = "span")]
    pub again: Duration,
    /// A session without any message is given up after this long.
    #[serde(with = "span")]
    pub session: Duration,
    /// A question to the user is given up after this long; one that gives more time itself, that much longer and a little.
    #[serde(with = "span")]
    pub user: Duration,
    /// A report is overdue after this long; the device is then woken and its tree read.
    #[serde(with = "span")]
    pub report: Duration,
    /// The device is woken for that at the latest this long before the deadline.
    #[serde(with = "span")]
    pub last_look: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            answer: Duration::from_mins(10),
            again: Duration::from_mins(5),
            session: Duration::from_mins(30),
            user: Duration::from_mins(15),
            report: Duration::from_hours(1),
            last_look: Duration::from_mins(15),
        }
    }
}

/// What a step leaves to be done, in the commit that stores the new life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write the event of having reached this state, or of this terminal one.
    Tell(StateName),
    /// Set the job's only due row to this.
    Due {
        /// What has to be done then.
        errand: Errand,
        /// When.
        at: Timestamp,
    },
    /// Remove the job's due row.
    ClearDue,
    /// Ask the device to open a session, now.
    Notify,
    /// Its download grants are good for nothing any more.
    RevokeGrants,
    /// The next job of the same device may begin: by priority and age the first waiting one gets its due row set to now.
    WakeNext,
    /// A result came after the end: write `scomo.job.late_result` and a line of history.
    LateResult {
        /// What it would have meant.
        outcome: Outcome,
        /// What was reported or observed.
        result: JobResult,
    },
}

/// Who works off a due row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// The device may have to be notified.
    Wake,
    /// Something took too long.
    TimeOut,
}

/// What follows an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The job afterwards.
    pub life: Life,
    /// What is to be done, in order.
    pub effects: Vec<Effect>,
}

impl Life {
    /// A job that was just stored, in [`State::Accepted`]. Its due row is [`Life::due`].
    #[must_use]
    pub const fn new(deadline: Timestamp, notify: Notify, retry: RetryRule) -> Self {
        Self {
            state: State::Accepted,
            until: deadline,
            deadline,
            attempt: 1,
            troubles: 0,
            report_by: None,
            ran: false,
            worked: false,
            notify,
            retry,
            schedule: Schedule { not_before: None, window: None },
            held: None,
        }
    }

    /// The same, which begins nothing outside of `schedule`.
    #[must_use]
    pub fn scheduled(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Adds to the result of a job that is over what became of each of its commands.
    pub(super) fn add_items(&mut self, items: Vec<Item>) {
        if let State::Over(over) = &mut self.state {
            over.result.items = items;
        }
    }

    /// When it ends at the latest.
    #[must_use]
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The number of the attempt that runs or comes next; 1 is the first.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How many notifications stayed without an answer, and sessions broke, in a row.
    #[must_use]
    pub const fn troubles(&self) -> u32 {
        self.troubles
    }

    /// Whether the device is asked to come.
    #[must_use]
    pub const fn notify(&self) -> Notify {
        self.notify
    }

    /// When something may be begun on the device.
    #[must_use]
    pub const fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The pause that held it back when it was last looked at.
    #[must_use]
    pub const fn held(&self) -> Option<PauseId> {
        self.held
    }

    /// Whether an Exec was sent whose end is unknown.
    #[must_use]
    pub const fn exec_outstanding(&self) -> bool {
        self.report_by.is_some()
    }

    /// Whether an Exec of this attempt came to an end that the device has told.
    #[must_use]
    pub const fn has_run(&self) -> bool {
        self.ran
    }

    /// Whether the awaited report is overdue, so that what the device's tree says decides.
    #[must_use]
    pub fn report_late(&self, now: Timestamp) -> bool {
        self.report_by.is_some_and(|by| by <= now)
    }

    /// Whether a session that the device opens now may take it up, as far as its own life goes; a pause may still hold it back.
    /// An Exec whose end is unknown is followed up at any hour.
    #[must_use]
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let may_begin = || self.exec_outstanding() || self.schedule.is_open(now);
        match &self.state {
            State::Waiting { not_before } => not_before.is_none_or(|t| t <= now) && may_begin(),
            State::Notified | State::InSession | State::AwaitingUser => may_begin(),
            State::AwaitingReport => true,
            State::Accepted | State::Over(_) => false,
        }
    }

    /// Until when a turn that comes is not for it: it rests after a failure or until its window opens, is held back by a pause, or
    /// never asks its device to come.
    #[must_use]
    pub const fn passes_until(&self) -> Option<Timestamp> {
        match (&self.state, self.notify) {
            (State::Waiting { .. }, _) if self.held.is_some() => Some(self.deadline),
            (State::Waiting { .. }, Notify::Never) => Some(self.deadline),
            (State::Waiting { not_before }, Notify::Auto | Notify::Always) => *not_before,
            (
                State::Accepted
                | State::Notified
                | State::InSession
                | State::AwaitingReport
                | State::AwaitingUser
                | State::Over(_),
                _,
            ) => None,
        }
    }

    /// Adds to an end in doubt that came of the deadline what the device's tree said last.
    pub(super) fn add_status(&mut self, status: &str) {
        if let State::Over(Over { outcome: Outcome::InDoubt, reason: Some(Reason::Deadline), result, .. }) =
            &mut self.state
        {
            result.text = format!("{}; when its tree was last read, the device was {status}", result.text);
        }
    }

    /// Adds to its end, if it has come to it, what the device posted of its download.
    pub(super) fn observe(&mut self, posted: Posted) {
        if let State::Over(over) = &mut self.state {
            over.result.notify = Some(posted);
        }
    }

    /// Its due row; none at its end.
    #[must_use]
    pub fn due(&self) -> Option<(Errand, Timestamp)> {
        let errand = match &self.state {
            State::Over(_) => return None,
            State::Waiting { .. } | State::AwaitingReport if self.until < self.deadline => Errand::Wake,
            State::Accepted
            | State::Waiting { .. }
            | State::Notified
            | State::InSession
            | State::AwaitingReport
            | State::AwaitingUser => Errand::TimeOut,
        };
        Some((errand, self.until.min(self.deadline)))
    }
}

#[cfg(test)]
mod tests;
