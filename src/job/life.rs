//! Every legal transition of a job and no other (architecture section 6).
//!
//! [`step`] is total: it takes any event in any state, says what follows, and leaves alone what an event does not concern. A terminal
//! state never changes; a result that comes later is told as late. `docs/job-life.md` has the graph, drawn from this code.
//!
//! Each live job has exactly one due row. When it fires, feed [`Event::Due`]; if the effects then hold [`Effect::Notify`], notify the
//! device, feed [`Event::Notified`] or [`Event::NotNotified`] to the new life, and commit both steps as one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    job::retry::{FailureClass, RetryRule, Verdict, pause},
    model::clock::{Timestamp, span},
};

pub mod graph;
mod state;

pub use state::{Ending, JobResult, NoState, Outcome, Over, Reason, State, StateName};

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
    notify: Notify,
    retry: RetryRule,
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
    /// Its device has no record, and the request does not wait for one.
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
    UserAsked,
    /// The user answered.
    UserAnswered,
    /// Its session ended, or was given up, before the work did.
    SessionEnded {
        /// The fault is this service's (an outage): the device is asked back soon.
        ours: bool,
    },
    /// The work on the device ended.
    Finished(Ending),
    /// Someone wants it to stop.
    Cancel,
    /// Someone wants it to go on now instead of later.
    Hurry,
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
    /// A question to the user is given up after this long.
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
            notify,
            retry,
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
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

    /// Whether an Exec was sent whose end is unknown.
    #[must_use]
    pub const fn exec_outstanding(&self) -> bool {
        self.report_by.is_some()
    }

    /// Whether the awaited report is overdue, so that what the device's tree says decides.
    #[must_use]
    pub fn report_late(&self, now: Timestamp) -> bool {
        self.report_by.is_some_and(|by| by <= now)
    }

    /// Whether a session that the device opens now may take it up.
    #[must_use]
    pub fn is_ready(&self, now: Timestamp) -> bool {
        match &self.state {
            State::Waiting { not_before } => not_before.is_none_or(|t| t <= now),
            State::Notified | State::InSession | State::AwaitingReport | State::AwaitingUser => true,
            State::Accepted | State::Over(_) => false,
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

/// What follows `event`. Total: every event in every state.
#[must_use]
pub fn step(life: &Life, event: Event, cx: &Cx<'_>) -> Next {
    let mut moving = Moving { life: life.clone(), effects: Vec::new() };
    let due = event == Event::Due;
    match (&life.state, event) {
        (State::Over(_), Event::Finished(ending)) => moving.late(ending),
        (State::Over(_), _) => {}
        (_, Event::Queued) => moving.queued(cx),
        (_, Event::DeviceUnknown) => moving.unreached(Reason::UnknownDevice, "no device of this id is registered", cx),
        (_, Event::Due) => moving.due(cx),
        (_, Event::Notified) => moving.notified(cx),
        (_, Event::NotNotified(why)) => moving.not_notified(why, cx),
        (_, Event::SessionOpened) => moving.session_opened(cx),
        (_, Event::Exchanged { exec }) => moving.exchanged(exec, cx),
        (_, Event::ReportAwaited) => moving.report_awaited(cx),
        (_, Event::UserAsked) => moving.user(&State::InSession, State::AwaitingUser, cx.policy.user, cx),
        (_, Event::UserAnswered) => moving.user(&State::AwaitingUser, State::InSession, cx.policy.session, cx),
        (_, Event::SessionEnded { ours }) => moving.session_ended(ours, cx),
        (_, Event::Finished(ending)) => moving.finished(ending, cx),
        (_, Event::Cancel) => moving.cancelled(cx),
        (_, Event::Hurry) => moving.hurried(cx),
    }
    moving.settle(life, due)
}

/// A step in the making.
struct Moving {
    life: Life,
    effects: Vec<Effect>,
}

impl Moving {
    fn go(&mut self, state: State, until: Timestamp) {
        self.life.state = state;
        self.life.until = until;
    }

    fn queued(&mut self, cx: &Cx<'_>) {
        match self.life.state {
            State::Accepted => self.go(State::Waiting { not_before: None }, self.next_wake(cx, cx.now)),
            State::Waiting { .. }
            | State::Notified
            | State::InSession
            | State::AwaitingReport
            | State::AwaitingUser
            | State::Over(_) => {}
        }
    }

    fn due(&mut self, cx: &Cx<'_>) {
        if cx.now >= self.life.deadline {
            return self.deadline_passed(cx);
        }
        let early = cx.now < self.life.until;
        match self.life.state {
            State::Waiting { not_before: Some(held) } if held > cx.now => self.life.until = held,
            State::Waiting { .. } if cx.busy || self.life.notify == Notify::Never => {
                self.go(State::Waiting { not_before: None }, self.life.deadline);
            }
            State::Waiting { .. } => {
                self.effects.push(Effect::Notify);
                self.go(State::Waiting { not_before: None }, cx.now.after(cx.policy.again));
            }
            State::Accepted | State::Over(_) => {}
            State::Notified | State::InSession | State::AwaitingReport | State::AwaitingUser if early => {}
            State::Notified => self.ask_again(cx),
            State::InSession | State::AwaitingUser => self.session_ended(false, cx),
            State::AwaitingReport => {
                if self.life.notify != Notify::Never {
                    self.effects.push(Effect::Notify);
                }
                self.ask_again(cx);
            }
        }
    }

    fn notified(&mut self, cx: &Cx<'_>) {
        match self.life.state {
            State::Waiting { .. } | State::Notified => self.go(State::Notified, cx.now.after(cx.policy.answer)),
            // The next time comes as `due` has set it.
            State::AwaitingReport => {}
            // A session was faster than the courier.
            State::InSession | State::AwaitingUser | State::Accepted | State::Over(_) => {}
        }
    }

    fn not_notified(&mut self, why: NotNotified, cx: &Cx<'_>) {
        match (&self.life.state, why) {
            (State::Waiting { .. }, NotNotified::NoAddress) if self.life.notify == Notify::Always => {
                self.unreached(Reason::Unreachable, "the device's record has no address to notify it at", cx);
            }
            (State::Waiting { .. } | State::AwaitingReport, NotNotified::NoAddress) => {
                self.life.until = self.life.deadline;
            }
            (State::Waiting { .. }, NotNotified::Trouble) => self.ask_again(cx),
            // `due` has counted the trouble already, or a session was faster.
            (State::AwaitingReport, NotNotified::Trouble)
            | (State::Accepted | State::Notified | State::InSession | State::AwaitingUser | State::Over(_), _) => {}
        }
    }

    fn session_opened(&mut self, cx: &Cx<'_>) {
        if self.life.is_ready(cx.now) {
            self.go(State::InSession, cx.now.after(cx.policy.session));
        }
    }

    fn exchanged(&mut self, exec: bool, cx: &Cx<'_>) {
        let patience = match self.life.state {
            State::InSession => cx.policy.session,
            State::AwaitingUser => cx.policy.user,
            State::Accepted | State::Waiting { .. } | State::Notified | State::AwaitingReport | State::Over(_) => return,
        };
        match (exec, self.life.report_by) {
            (true, None) => self.life.report_by = Some(self.report_due(cx)),
            (false, Some(_)) => self.life.report_by = None,
            (true, Some(_)) | (false, None) => {}
        }
        // Not with each message: the due row is not to be written that often.
        if self.life.until.since(cx.now) < patience / 2 {
            self.life.until = cx.now.after(patience);
        }
    }

    fn report_awaited(&mut self, cx: &Cx<'_>) {
        match self.life.state {
            State::InSession | State::AwaitingUser => {
                let by = self.report_due(cx);
                self.life.report_by = Some(by);
                self.life.troubles = 0;
                self.go(State::AwaitingReport, by);
            }
            State::Accepted
            | State::Waiting { .. }
            | State::Notified
            | State::AwaitingReport
            | State::Over(_) => {}
        }
    }

    fn user(&mut self, from: &State, to: State, patience: Duration, cx: &Cx<'_>) {
        if self.life.state == *from {
            self.go(to, cx.now.after(patience));
        }
    }

    /// While an Exec's end is unknown the job keeps the device; else it goes back to the queue. Neither costs an attempt: networks
    /// break, and the deadline bounds it.
    fn session_ended(&mut self, ours: bool, cx: &Cx<'_>) {
        match self.life.state {
            State::InSession | State::AwaitingUser => {
                self.life.state = match self.life.report_by {
                    Some(_) => State::AwaitingReport,
                    None => State::Waiting { not_before: None },
                };
                if ours {
                    self.life.until = self.next_wake(cx, cx.now.after(cx.policy.again));
                } else {
                    self.ask_again(cx);
                }
                self.life.until = self.life.until.max(self.life.report_by.unwrap_or_default());
            }
            State::Accepted
            | State::Waiting { .. }
            | State::Notified
            | State::AwaitingReport
            | State::Over(_) => {}
        }
    }

    fn finished(&mut self, ending: Ending, cx: &Cx<'_>) {
        let (mut given_up, left) = (None, self.life.deadline.since(cx.now));
        if let Ending::Failed(failure) = &ending {
            match self.life.retry.verdict(failure, self.life.attempt, left) {
                Verdict::Again(pause) => return self.retry_after(pause, cx),
                Verdict::GiveUp(reason) => given_up = Some(reason),
            }
        }
        let (outcome, reason, result) = ending.into_parts();
        self.over(outcome, given_up.or(reason), result, cx);
    }

    fn retry_after(&mut self, pause: Duration, cx: &Cx<'_>) {
        let at = cx.now.after(pause);
        self.life.attempt = self.life.attempt.saturating_add(1);
        self.life.troubles = 0;
        self.life.report_by = None;
        self.go(State::Waiting { not_before: Some(at) }, at);
        self.effects.extend([Effect::RevokeGrants, Effect::WakeNext]);
    }

    fn cancelled(&mut self, cx: &Cx<'_>) {
        let text = match (&self.life.state, self.life.report_by) {
            (State::Accepted | State::Waiting { .. }, None) => "the device had nothing to do yet",
            (State::Notified, None) => "the device may still open a session; it will be told nothing of this job",
            (_, None) => "what was written to the device may stay there; nothing was started",
            (_, Some(_)) => "the device was told to do it and may still finish; that would be told as a late result",
        };
        let result = JobResult { text: text.to_owned(), ..JobResult::default() };
        self.over(Outcome::Cancelled, Some(Reason::CancelRequested), result, cx);
    }

    fn hurried(&mut self, cx: &Cx<'_>) {
        match self.life.state {
            State::Waiting { .. } | State::Notified => self.go(State::Waiting { not_before: None }, cx.now),
            State::AwaitingReport => {
                self.life.report_by = Some(cx.now);
                self.life.until = cx.now;
            }
            State::Accepted | State::InSession | State::AwaitingUser | State::Over(_) => {}
        }
    }

    fn deadline_passed(&mut self, cx: &Cx<'_>) {
        let (outcome, text) = match self.life.report_by {
            Some(_) => (Outcome::InDoubt, "the device was told to do it, and the deadline passed without a report"),
            None => (Outcome::Expired, "the deadline passed before the device was told to do anything"),
        };
        let result = JobResult { text: text.to_owned(), ..JobResult::default() };
        self.over(outcome, Some(Reason::Deadline), result, cx);
    }

    fn unreached(&mut self, reason: Reason, text: &str, cx: &Cx<'_>) {
        let class = Some(FailureClass::Unreached);
        let result = JobResult { class, retryable: Some(false), text: text.to_owned(), ..JobResult::default() };
        self.over(Outcome::Failed, Some(reason), result, cx);
    }

    fn over(&mut self, outcome: Outcome, reason: Option<Reason>, result: JobResult, cx: &Cx<'_>) {
        self.life.state = State::Over(Over { outcome, at: cx.now, reason, result });
        self.effects.extend([Effect::RevokeGrants, Effect::WakeNext]);
    }

    fn late(&mut self, ending: Ending) {
        let (outcome, _, result) = ending.into_parts();
        self.effects.push(Effect::LateResult { outcome, result });
    }

    /// Counts a trouble and sets the time of the next notification; a notified job goes back to the queue for it.
    fn ask_again(&mut self, cx: &Cx<'_>) {
        self.life.troubles = self.life.troubles.saturating_add(1);
        self.life.until = self.next_wake(cx, cx.now.after(pause(cx.policy.again, self.life.troubles)));
        if self.life.state == State::Notified {
            self.life.state = State::Waiting { not_before: None };
        }
    }

    /// When the device is to be notified if `at` suits; never if it shall come by itself or another job comes first.
    fn next_wake(&self, cx: &Cx<'_>, at: Timestamp) -> Timestamp {
        if cx.busy || self.life.notify == Notify::Never { self.life.deadline } else { at }
    }

    /// When the report of an Exec sent now is overdue: in time for a look at the device before the deadline, if there is time at all.
    fn report_due(&self, cx: &Cx<'_>) -> Timestamp {
        let usual = cx.now.after(cx.policy.report);
        let left = self.life.deadline.since(cx.now);
        match left.checked_sub(cx.policy.last_look) {
            Some(look) if !look.is_zero() => usual.min(cx.now.after(look)),
            Some(_) | None => usual,
        }
    }

    fn settle(mut self, before: &Life, due: bool) -> Next {
        let (was, is) = (before.state.name(), self.life.state.name());
        if was != is && is.is_told() {
            self.effects.insert(0, Effect::Tell(is));
        }
        match self.life.due() {
            None if due || !was.is_terminal() => self.effects.push(Effect::ClearDue),
            Some((errand, at)) if due || self.life.due() != before.due() => self.effects.push(Effect::Due { errand, at }),
            None | Some(_) => {}
        }
        Next { life: self.life, effects: self.effects }
    }
}

#[cfg(test)]
mod tests;
