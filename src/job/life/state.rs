//! The states of a job, with their facts, and how it ends.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    job::{
        command::Item,
        procedure,
        retry::{Failure, FailureClass},
    },
    model::clock::Timestamp,
    scomo::outcome::{Posted, ResultCode},
};

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum State {
    /// Stored; its device's record is not there yet, or it was not queued yet.
    Accepted,
    /// In its device's queue: for its turn, for the device to come, for its window, or for the pause after a failure to pass.
    Waiting {
        /// A session that the device opens earlier does not take the job up: the pause after a failure, or a window that is closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
    },
    /// The device was asked to open a session.
    Notified,
    /// A session works on it.
    InSession,
    /// The device accepted an Exec and works on it; the report comes in a later session.
    AwaitingReport,
    /// The device asks its user, in a session.
    AwaitingUser,
    /// At its end, which never changes.
    Over(Over),
}

/// A job's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// Which of the terminal states.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// Why, as a stable code; absent where the outcome says all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What was reported or observed.
    pub result: JobResult,
}

/// The `result` of a job event (contract "Events").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct JobResult {
    /// The SCOMO result code (SCOMO sheet 4.1), where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Where the fault lies; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    /// Whether the same request may end otherwise another time; absent where nothing failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// The DM status code of a refused command, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_code: Option<u16>,
    /// Of a download by URL that ended with a code: what the device posted of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Posted>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What became of each command of a list (`kind: "command"`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
}

/// How the work on a device ended, in words that neither pillar owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// What was wanted is so.
    Succeeded {
        /// The SCOMO result code, where the device reported one.
        code: Option<u16>,
    },
    /// It was so before anything was done.
    AlreadyDone,
    /// It was tried and failed.
    Failed(Failure),
    /// The device's user said no.
    Declined {
        /// The SCOMO result code, where the device reported one.
        code: Option<u16>,
    },
    /// It makes no sense on this device.
    NotApplicable {
        /// A sentence each.
        reasons: Vec<String>,
    },
    /// An Exec was sent and neither report nor tree tells its end.
    InDoubt {
        /// What the tree said last.
        text: String,
    },
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal $meaning:literal, $remedy:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $(#[doc = $meaning] #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them, in the order of `docs/errors.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable word, as events and the database carry it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What it means, a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// What to do about it, a sentence.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The terminal states.
    Outcome {
        Succeeded "succeeded" "What was wanted is so on the device.", "Nothing to do.";
        Failed "failed" "It was tried, or could not be tried, and will not be tried again.", "See `reason` and `result`, remove the cause, submit a new request.";
        Declined "declined" "The device's user said no.", "Ask the user, then submit a new request.";
        Cancelled "cancelled" "The request or the job was cancelled.", "`result.text` says what the device may still do.";
        Expired "expired" "The deadline passed before an operation was started on the device.", "See that the device is on and reachable; submit a new request with a later deadline.";
        NotApplicable "not_applicable" "It makes no sense on this device, such as no package that fits it.", "`result.text` gives the reason for each package.";
        AlreadyDone "already_done" "The device had it before anything was done.", "Nothing to do.";
        InDoubt "in_doubt" "The device was told to do it, and nothing tells how it ended.", "`result.text` has the last that was seen; look at the device's inventory, and heed a later `scomo.job.late_result`.";
    }
}

words! {
    /// Why a job ended as it did, where the outcome alone does not say it.
    Reason {
        UnknownDevice "unknown_device" "No device of this id is registered.", "Register the device, or send `if_unknown_device` as `wait`.";
        Unreachable "unreachable" "`notify` is `always`, and the device's record has no address.", "Add an address, or leave `notify` at `auto` and let the device come by itself.";
        NotRetryable "not_retryable" "The failure is of a kind that another attempt would repeat.", "Remove the cause that `result` names.";
        RetriesExhausted "retries_exhausted" "The last of the attempts that `retry.limit` allows failed too.", "Remove the cause that `result` names, or allow more attempts.";
        NoTimeToRetry "no_time_to_retry" "The next attempt would only begin after the deadline.", "Give a later deadline or a shorter `retry.backoff`.";
        Deadline "deadline" "The deadline passed.", "Give a later deadline.";
        ReportMissing "report_missing" "The report stayed away, and the device's tree does not tell the end.", "Look at the device.";
        CancelRequested "cancel_requested" "Someone asked for it.", "Nothing to do.";
    }
}

/// The names of all states, as events and the database carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum StateName {
    /// [`State::Accepted`].
    Accepted,
    /// [`State::Waiting`].
    Waiting,
    /// [`State::Notified`].
    Notified,
    /// [`State::InSession`].
    InSession,
    /// [`State::AwaitingReport`].
    AwaitingReport,
    /// [`State::AwaitingUser`].
    AwaitingUser,
    /// [`State::Over`].
    Over(Outcome),
}

impl StateName {
    /// Every state, live ones first.
    pub fn all() -> impl Iterator<Item = Self> {
        let live =
            [Self::Accepted, Self::Waiting, Self::Notified, Self::InSession, Self::AwaitingReport, Self::AwaitingUser];
        live.into_iter().chain(Outcome::ALL.iter().copied().map(Self::Over))
    }

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Waiting => "waiting",
            Self::Notified => "notified",
            Self::InSession => "in_session",
            Self::AwaitingReport => "awaiting_report",
            Self::AwaitingUser => "awaiting_user",
            Self::Over(outcome) => outcome.as_str(),
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Over(_))
    }

    /// Whether a job in this state holds its device: at most one may (architecture section 5).
    #[must_use]
    pub const fn holds_device(self) -> bool {
        match self {
            Self::Notified | Self::InSession | Self::AwaitingReport | Self::AwaitingUser => true,
            Self::Accepted | Self::Waiting | Self::Over(_) => false,
        }
    }

    /// Whether reaching it is told by an event; fan-out is silent.
    #[must_use]
    pub const fn is_told(self) -> bool {
        match self {
            Self::Accepted | Self::Waiting => false,
            Self::Notified | Self::InSession | Self::AwaitingReport | Self::AwaitingUser | Self::Over(_) => true,
        }
    }
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state of a job")]
pub struct NoState(String);

impl FromStr for StateName {
    type Err = NoState;

    fn from_str(text: &str) -> Result<Self, NoState> {
        Self::all().find(|s| s.as_str() == text).ok_or_else(|| NoState(text.to_owned()))
    }
}

impl TryFrom<String> for StateName {
    type Error = NoState;

    fn try_from(text: String) -> Result<Self, NoState> {
        text.parse()
    }
}

impl From<StateName> for &'static str {
    fn from(name: StateName) -> Self {
        name.as_str()
    }
}

impl schemars::JsonSchema for StateName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "State".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = Self::all().map(Self::as_str).collect();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    /// The state without its facts.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Accepted => StateName::Accepted,
            Self::Waiting { .. } => StateName::Waiting,
            Self::Notified => StateName::Notified,
            Self::InSession => StateName::InSession,
            Self::AwaitingReport => StateName::AwaitingReport,
            Self::AwaitingUser => StateName::AwaitingUser,
            Self::Over(over) => StateName::Over(over.outcome),
        }
    }
}

impl Ending {
    /// The terminal state that it means if nothing is tried again, the reason, and the result that the event carries.
    #[must_use]
    pub fn into_parts(self) -> (Outcome, Option<Reason>, JobResult) {
        let text = |text: &str| JobResult { text: text.to_owned(), ..JobResult::default() };
        match self {
            Self::Succeeded { code } => (Outcome::Succeeded, None, JobResult { code, ..JobResult::default() }),
            Self::AlreadyDone => (Outcome::AlreadyDone, None, text("the device had it before anything was done")),
            Self::Failed(failure) => (Outcome::Failed, None, failure.into()),
            Self::Declined { code } => {
                (Outcome::Declined, None, JobResult { code, ..text("the device's user said no") })
            }
            Self::NotApplicable { reasons } => (Outcome::NotApplicable, None, text(&reasons.join("; "))),
            Self::InDoubt { text: seen } => (Outcome::InDoubt, Some(Reason::ReportMissing), text(&seen)),
        }
    }
}

impl From<Failure> for JobResult {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            class: Some(failure.class),
            retryable: Some(failure.retryable && failure.class.may_retry()),
            device_code: failure.device_code,
            notify: None,
            text: failure.text,
            items: Vec::new(),
        }
    }
}

impl From<procedure::Ending> for Ending {
    fn from(ending: procedure::Ending) -> Self {
        match ending {
            procedure::Ending::Succeeded { code, confirmed: _ } => {
                Self::Succeeded { code: code.map(ResultCode::number) }
            }
            procedure::Ending::AlreadyDone => Self::AlreadyDone,
            procedure::Ending::Failed(failure) => Self::Failed(failure.into()),
            procedure::Ending::Declined { code } => Self::Declined { code: code.map(ResultCode::number) },
            procedure::Ending::NotApplicable { reasons } => Self::NotApplicable { reasons },
            procedure::Ending::InDoubt { text } => Self::InDoubt { text },
        }
    }
}

impl From<procedure::Failure> for Failure {
    fn from(failure: procedure::Failure) -> Self {
        Self {
            code: failure.code.map(ResultCode::number),
            device_code: failure.device_code,
            class: match failure.class {
                procedure::FailureClass::Client => FailureClass::Client,
                procedure::FailureClass::Server => FailureClass::Server,
                procedure::FailureClass::Refused => FailureClass::Refused,
                procedure::FailureClass::Incapable => FailureClass::Incapable,
                procedure::FailureClass::Silent => FailureClass::Silent,
            },
            retryable: failure.retryable,
            text: failure.text,
        }
    }
}
