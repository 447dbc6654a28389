//! When a job is tried again: by the class of the failure, with a growing pause, up to a limit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::life::Reason;
use crate::{
    model::clock::span,
    scomo::outcome::{Reaction, ResultCode},
};

/// The longest pause, however often something failed.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// How much longer the pause is where the device is full ([`Reaction::Hold`]): someone has to make room first.
pub const HOLD: u32 = 12;

/// How often and how fast a job is tried again (contract "Request", `retry`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryRule {
    /// Attempts after the first; 0 means that the first failure is the end.
    pub limit: u32,
    /// The pause before the second attempt; it doubles with each further one, up to [`LONGEST_PAUSE`].
    #[serde(with = "span")]
    pub backoff: Duration,
}

impl Default for RetryRule {
    fn default() -> Self {
        Self { limit: 3, backoff: Duration::from_mins(5) }
    }
}

/// A failed attempt, in words that neither pillar owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The SCOMO result code (SCOMO sheet 4.1), where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The DM status code of the refused command, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_code: Option<u16>,
    /// Where the fault lies.
    pub class: FailureClass,
    /// Another attempt may end otherwise.
    pub retryable: bool,
    /// What happened, a sentence.
    pub text: String,
}

/// Where the fault of a failed attempt lies; the `class` of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The device or its user: SCOMO result codes 1400 to 1499.
    Client,
    /// The alternate download server: SCOMO result codes 1500 to 1599.
    Server,
    /// The device refused a DM command.
    Refused,
    /// The device lacks the ability.
    Incapable,
    /// No report came and the tree shows the failure or no result.
    Silent,
    /// The device was never reached: no record, or no address.
    Unreached,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Server, Self::Refused, Self::Incapable, Self::Silent, Self::Unreached];

    /// The class as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Refused => "refused",
            Self::Incapable => "incapable",
            Self::Silent => "silent",
            Self::Unreached => "unreached",
        }
    }

    /// What it means, a sentence for `docs/errors.md`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Client => "The device or its user reported the failure (SCOMO result codes 1400 to 1499).",
            Self::Server => "The device could not fetch the package (SCOMO result codes 1500 to 1599).",
            Self::Refused => "The device refused a management command; `device_code` is its DM status.",
            Self::Incapable => "The device lacks the ability.",
            Self::Silent => "No report came, and the device's tree shows a failure or no result.",
            Self::Unreached => "The device was never reached.",
        }
    }

    /// Whether a failure of this class may be tried again at all; [`Failure::retryable`] decides the single case.
    #[must_use]
    pub const fn may_retry(self) -> bool {
        match self {
            Self::Client | Self::Server | Self::Refused | Self::Silent => true,
            Self::Incapable | Self::Unreached => false,
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another attempt after this pause.
    Again(Duration),
    /// None, for this reason.
    GiveUp(Reason),
}

impl RetryRule {
    /// What follows when attempt number `attempt` (1 is the first) failed and `left` remains until the deadline. An attempt that
    /// could only begin after the deadline is not waited for: the failure is the truer answer.
    #[must_use]
    pub fn verdict(&self, failure: &Failure, attempt: u32, left: Duration) -> Verdict {
        let hold = failure.code.is_some_and(|code| ResultCode::new(code).reaction() == Reaction::Hold);
        let first = if hold { self.backoff.saturating_mul(HOLD) } else { self.backoff };
        let pause = pause(first, attempt);
        match () {
            () if !failure.retryable || !failure.class.may_retry() => Verdict::GiveUp(Reason::NotRetryable),
            () if attempt > self.limit => Verdict::GiveUp(Reason::RetriesExhausted),
            () if pause >= left => Verdict::GiveUp(Reason::NoTimeToRetry),
            () => Verdict::Again(pause),
        }
    }
}

/// The pause after the `count`-th trouble in a row: `first`, doubled each time, up to [`LONGEST_PAUSE`].
#[must_use]
pub fn pause(first: Duration, count: u32) -> Duration {
    let factor = 2_u32.saturating_pow(count.saturating_sub(1));
    first.saturating_mul(factor).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: FailureClass, retryable: bool) -> Failure {
        Failure { code: None, device_code: None, class, retryable, text: "it failed".to_owned() }
    }

    const LONG: Duration = Duration::from_hours(999);

    #[test]
    fn the_pause_doubles_up_to_a_day() {
        let rule = RetryRule { limit: 100, backoff: Duration::from_mins(5) };
        let after = |attempt| rule.verdict(&failure(FailureClass::Client, true), attempt, LONG);
        assert_eq!(after(1), Verdict::Again(Duration::from_mins(5)));
        assert_eq!(after(3), Verdict::Again(Duration::from_mins(20)));
        assert_eq!(after(100), Verdict::Again(LONGEST_PAUSE));
    }

    #[test]
    fn a_device_that_is_full_is_given_more_time() {
        let rule = RetryRule { limit: 100, backoff: Duration::from_mins(5) };
        for code in [1404, 1406] {
            let full = Failure { code: Some(code), ..failure(FailureClass::Client, true) };
            assert_eq!(rule.verdict(&full, 1, LONG), Verdict::Again(Duration::from_hours(1)));
            assert_eq!(rule.verdict(&full, 2, LONG), Verdict::Again(Duration::from_hours(2)));
            assert_eq!(rule.verdict(&full, 50, LONG), Verdict::Again(LONGEST_PAUSE));
        }
    }

    #[test]
    fn the_limit_counts_the_attempts_after_the_first() {
        let rule = RetryRule { limit: 1, ..RetryRule::default() };
        let after = |attempt| rule.verdict(&failure(FailureClass::Server, true), attempt, LONG);
        assert!(matches!(after(1), Verdict::Again(_)));
        assert_eq!(after(2), Verdict::GiveUp(Reason::RetriesExhausted));
    }

    #[test]
    fn what_cannot_end_otherwise_is_not_tried_again() {
        for class in FailureClass::ALL {
            let verdict = |retryable| RetryRule::default().verdict(&failure(class, retryable), 1, LONG);
            assert_eq!(verdict(false), Verdict::GiveUp(Reason::NotRetryable));
            assert_eq!(matches!(verdict(true), Verdict::Again(_)), class.may_retry());
        }
    }

    #[test]
    fn an_attempt_that_the_deadline_forbids_is_not_waited_for() {
        let verdict = RetryRule::default().verdict(&failure(FailureClass::Client, true), 1, Duration::from_mins(5));
        assert_eq!(verdict, Verdict::GiveUp(Reason::NoTimeToRetry));
    }
}
