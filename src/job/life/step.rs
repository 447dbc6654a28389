//! The transitions.

use std::time::Duration;

use super::{
    Cx, Effect, Ending, Event, Hold, JobResult, Life, Next, NotNotified, Notify, Outcome, Over, Reason, State,
};
use crate::{
    job::retry::{FailureClass, Verdict, pause},
    model::clock::Timestamp,
};

/// What follows `event`. Total: every event in every state.
#[must_use]
pub fn step(life: &Life, event: Event, cx: &Cx<'_>) -> Next {
    let mut moving = Moving { life: life.clone(), effects: Vec::new() };
    // Whoever feeds one of these has taken the due row.
    let due = matches!(event, Event::Due | Event::Held(_));
    match (&life.state, event) {
        (State::Over(_), Event::Finished(ending)) => moving.late(ending),
        (State::Over(_), _) => {}
        (_, Event::Queued) => moving.queued(cx),
        (_, Event::DeviceUnknown) => moving.device_unknown(cx),
        (_, Event::Due) => moving.due(cx),
        (_, Event::Notified) => moving.notified(cx),
        (_, Event::NotNotified(why)) => moving.not_notified(why, cx),
        (_, Event::SessionOpened) => moving.session_opened(cx),
        (_, Event::Exchanged { exec }) => moving.exchanged(exec, cx),
        (_, Event::ReportAwaited) => moving.report_awaited(cx),
        (_, Event::UserAsked { within }) => {
            moving.user(&State::InSession, State::AwaitingUser, patience_with_user(within, cx), cx);
        }
        (_, Event::UserAnswered) => moving.user(&State::AwaitingUser, State::InSession, cx.policy.session, cx),
        (_, Event::SessionEnded { ours }) => moving.session_ended(ours, cx),
        (_, Event::Finished(ending)) => moving.finished(ending, cx),
        (_, Event::Held(by)) => moving.held(by, cx),
        (_, Event::Cancel) => moving.cancelled(cx),
        (_, Event::Hurry) => moving.hurried(cx),
    }
    moving.settle(life, due)
}

/// The device must have had the time that the question gives, and its answer the time to come, before the question is given up.
fn patience_with_user(within: Duration, cx: &Cx<'_>) -> Duration {
    const ON_THE_WAY: Duration = Duration::from_mins(1);
    let usual = cx.policy.user;
    usual.max(within.saturating_add(usual.min(ON_THE_WAY)))
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
        self.life.held = None;
    }

    /// Joins the device's queue, for a time when something may be begun: `at` or, if its window is closed then, when that opens.
    fn wait(&mut self, at: Timestamp, cx: &Cx<'_>) {
        if self.life.schedule.is_open(at) {
            return self.go(State::Waiting { not_before: None }, self.next_wake(cx, at));
        }
        let opens = self.opens(at);
        let until = if self.life.notify == Notify::Never { self.life.deadline } else { opens };
        self.go(State::Waiting { not_before: Some(opens) }, until);
    }

    /// When something may be begun, from `at` on; the deadline, if not before that.
    fn opens(&self, at: Timestamp) -> Timestamp {
        self.life.schedule.opens(at, self.life.deadline).unwrap_or(self.life.deadline)
    }

    fn queued(&mut self, cx: &Cx<'_>) {
        match self.life.state {
            State::Accepted => self.wait(cx.now, cx),
            State::Waiting { .. }
            | State::Notified
            | State::InSession
            | State::AwaitingReport
            | State::AwaitingUser
            | State::Over(_) => {}
        }
    }

    fn device_unknown(&mut self, cx: &Cx<'_>) {
        match self.life.state {
            State::Accepted | State::Waiting { .. } | State::Notified => {
                self.unreached(Reason::UnknownDevice, "no device of this id is registered", cx);
            }
            // It is there: it talks, or was told to report.
            State::InSession | State::AwaitingReport | State::AwaitingUser | State::Over(_) => {}
        }
    }

    fn due(&mut self, cx: &Cx<'_>) {
        if cx.now >= self.life.deadline {
            return self.deadline_passed(cx);
        }
        let early = cx.now < self.life.until && self.life.held.take().is_none();
        match self.life.state {
            State::Waiting { not_before: Some(held) } if held > cx.now => self.life.until = held,
            State::Waiting { .. } if cx.busy || self.life.notify == Notify::Never => {
                self.go(State::Waiting { not_before: None }, self.life.deadline);
            }
            State::Waiting { .. } if !self.life.schedule.is_open(cx.now) => {
                // Its turn came, and is another's.
                self.wait(cx.now, cx);
                self.effects.push(Effect::WakeNext);
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
            // While a report is awaited `due` has set the next time; else a session was faster than the courier.
            State::AwaitingReport | State::InSession | State::AwaitingUser | State::Accepted | State::Over(_) => {}
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
            self.life.worked = true;
            self.go(State::InSession, cx.now.after(cx.policy.session));
        }
    }

    fn exchanged(&mut self, exec: bool, cx: &Cx<'_>) {
        let patience = match self.life.state {
            State::InSession => cx.policy.session,
            State::AwaitingUser => cx.policy.user,
            State::Accepted | State::Waiting { .. } | State::Notified | State::AwaitingReport | State::Over(_) => {
                return;
            }
        };
        match (exec, self.life.report_by) {
            (true, None) => self.life.report_by = Some(self.report_due(cx)),
            (false, Some(_)) => {
                self.life.report_by = None;
                self.life.ran = true;
            }
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
                // Awaited again in a later session it is due as before, unless it was late and the device showed that it still works.
                let by = self.life.report_by.filter(|by| *by > cx.now).unwrap_or_else(|| self.report_due(cx));
                self.life.report_by = Some(by);
                self.life.troubles = 0;
                self.go(State::AwaitingReport, by);
            }
            State::Accepted | State::Waiting { .. } | State::Notified | State::AwaitingReport | State::Over(_) => {}
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
                    self.ask_at(cx.now.after(cx.policy.again), cx);
                } else {
                    self.ask_again(cx);
                }
                self.life.until = self.life.until.max(self.life.report_by.unwrap_or_default());
            }
            State::Accepted | State::Waiting { .. } | State::Notified | State::AwaitingReport | State::Over(_) => {}
        }
    }

    fn finished(&mut self, ending: Ending, cx: &Cx<'_>) {
        // In a job that waits, what ended is an attempt that a new one takes the place of: its failure is history, its success is one.
        let counts = match (&self.life.state, &ending) {
            (State::Accepted | State::Over(_), _) => false,
            (State::InSession | State::AwaitingReport | State::AwaitingUser, _) => true,
            (State::Waiting { .. } | State::Notified, ending) => {
                matches!(ending, Ending::Succeeded { .. } | Ending::AlreadyDone)
            }
        };
        if !counts {
            return;
        }
        let (mut given_up, left) = (None, self.life.deadline.since(cx.now));
        if let Ending::Failed(failure) = &ending {
            match self.life.retry.verdict(failure, self.life.attempt, left) {
                Verdict::Again(pause) => match self.retry_at(cx.now.after(pause)) {
                    Some(at) => return self.retry(at),
                    None => given_up = Some(Reason::NoTimeToRetry),
                },
                Verdict::GiveUp(reason) => given_up = Some(reason),
            }
        }
        let (outcome, reason, result) = ending.into_parts();
        self.over(outcome, given_up.or(reason), result, cx);
    }

    /// When the next attempt may begin that could begin at `at`; nothing if its window does not open before the deadline.
    fn retry_at(&self, at: Timestamp) -> Option<Timestamp> {
        let schedule = &self.life.schedule;
        if schedule.is_open(at) { Some(at) } else { schedule.opens(at, self.life.deadline) }
    }

    fn retry(&mut self, at: Timestamp) {
        self.life.attempt = self.life.attempt.saturating_add(1);
        self.life.troubles = 0;
        self.life.report_by = None;
        self.life.ran = false;
        self.go(State::Waiting { not_before: Some(at) }, at);
        self.effects.extend([Effect::RevokeGrants, Effect::WakeNext]);
    }

    /// Nothing new is begun. What the device was told to do goes on there, but a pause lets nobody ask it how far it is.
    fn held(&mut self, by: Hold, cx: &Cx<'_>) {
        let (before, deadline) = (self.life.held, self.life.deadline);
        let rest = if let State::Waiting { not_before } = self.life.state { not_before } else { None };
        match (&self.life.state, by) {
            (State::Accepted | State::Over(_), _) | (State::AwaitingReport, Hold::Schedule) => return,
            (State::InSession | State::AwaitingUser, _) if self.life.report_by.is_some() => {
                return self.session_ended(true, cx);
            }
            (State::AwaitingReport, Hold::Pause(_)) => self.life.until = deadline,
            (State::Waiting { .. } | State::Notified | State::InSession | State::AwaitingUser, _) => {
                match rest.filter(|at| *at > cx.now) {
                    None => self.wait(cx.now, cx),
                    Some(at) => {
                        let at = self.retry_at(at).unwrap_or(deadline);
                        self.go(State::Waiting { not_before: Some(at) }, at);
                    }
                }
            }
        }
        if let Hold::Pause(pause) = by {
            (self.life.until, self.life.held) = (deadline, Some(pause));
        }
        // The device is free for others, unless this was so before.
        if self.life.state != State::AwaitingReport && (before.is_none() || before != self.life.held) {
            self.effects.push(Effect::WakeNext);
        }
    }

    fn cancelled(&mut self, cx: &Cx<'_>) {
        let text = match (&self.life.state, self.life.report_by) {
            (State::AwaitingUser, Some(_)) => {
                "the device is asking its user, and does it after a yes; that would be told as a late result"
            }
            (State::AwaitingUser, None) => {
                "the device may go on asking its user, whose answer no longer counts; nothing was started"
            }
            (_, Some(_)) => "the device was told to do it and may still finish; that would be told as a late result",
            (_, None) if self.life.ran => {
                "the device was told to do it and said how that ended; what it did stays there"
            }
            (State::Accepted, None) => "the device had nothing to do yet",
            (State::Waiting { .. }, None) if !self.life.worked => "the device had nothing to do yet",
            (State::Notified, None) => "the device may still open a session; it will be told nothing of this job",
            (State::Waiting { .. }, None) if self.life.attempt > 1 => {
                "an earlier attempt failed; what it wrote to the device may stay there, and what it started would be told as a late result"
            }
            (State::Waiting { .. } | State::InSession | State::AwaitingReport | State::Over(_), None) => {
                "what was written to the device may stay there; nothing was started"
            }
        };
        let result = JobResult { text: text.to_owned(), ..JobResult::default() };
        self.over(Outcome::Cancelled, Some(Reason::CancelRequested), result, cx);
    }

    fn hurried(&mut self, cx: &Cx<'_>) {
        match self.life.state {
            State::Waiting { .. } | State::Notified => self.wait(cx.now, cx),
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
            None if self.life.ran => (
                Outcome::InDoubt,
                "the device was told to do it and said how that ended, and the deadline passed before its tree showed it",
            ),
            None => (Outcome::Expired, "the deadline passed before an operation was started on the device"),
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
        self.life.held = None;
        self.effects.extend([Effect::RevokeGrants, Effect::WakeNext]);
    }

    fn late(&mut self, ending: Ending) {
        let (outcome, _, result) = ending.into_parts();
        self.effects.push(Effect::LateResult { outcome, result });
    }

    /// Counts a trouble and sets the time of the next notification; a notified job goes back to the queue for it.
    fn ask_again(&mut self, cx: &Cx<'_>) {
        self.life.troubles = self.life.troubles.saturating_add(1);
        self.ask_at(cx.now.after(pause(cx.policy.again, self.life.troubles)), cx);
    }

    /// Sets the time of the next notification.
    fn ask_at(&mut self, at: Timestamp, cx: &Cx<'_>) {
        match self.life.state {
            State::Waiting { .. } | State::Notified => self.wait(at, cx),
            State::Accepted | State::InSession | State::AwaitingReport | State::AwaitingUser | State::Over(_) => {
                self.life.until = self.next_wake(cx, at);
            }
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
            Some((errand, at)) if due || was != is || self.life.due() != before.due() => {
                self.effects.push(Effect::Due { errand, at });
            }
            None | Some(_) => {}
        }
        Next { life: self.life, effects: self.effects }
    }
}
