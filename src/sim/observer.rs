//! What can be watched of the devices, for progress bars and logs.

use std::{fmt, time::Duration};

use super::{log::Prompt, operation::Operation, tree::Held};

/// Told of everything that happens, from many tasks at once; must return quickly.
pub trait Observer: Send + Sync {
    /// Something happened on a device.
    fn told(&self, device: &str, event: &Event);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn told(&self, _device: &str, _event: &Event) {}
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A notification was believed; the session that it asks for follows.
    Notified {
        /// The session's id.
        session: u16,
    },
    /// A notification was ignored.
    NotificationIgnored {
        /// Why.
        reason: &'static str,
    },
    /// A session began.
    SessionOpened {
        /// Its id.
        session: String,
        /// What for.
        reason: Reason,
    },
    /// A message went out and its answer came.
    Exchanged {
        /// The session's id.
        session: String,
        /// How many messages the device has sent in it.
        messages: u32,
        /// Bytes sent.
        sent: usize,
        /// Bytes received.
        received: usize,
    },
    /// A session ended.
    SessionClosed {
        /// Its id.
        session: String,
        /// How many messages the device sent in it.
        messages: u32,
        /// How long it took.
        took: Duration,
        /// How it ended.
        end: End,
    },
    /// A package begins to come in.
    TransferStarted {
        /// The node that it goes to, or the URL that it comes from.
        what: String,
        /// Its size, if known.
        total: Option<u64>,
    },
    /// More of it came.
    TransferProgress {
        /// As at the start.
        what: String,
        /// What has come so far: bytes, for a large object characters of its encoding.
        received: u64,
        /// Its size, if known.
        total: Option<u64>,
    },
    /// All of it came.
    TransferFinished {
        /// As at the start.
        what: String,
        /// What the device keeps of it.
        held: Held,
    },
    /// It did not.
    TransferFailed {
        /// As at the start.
        what: String,
        /// Why.
        reason: String,
    },
    /// An operation was accepted and runs.
    Executing {
        /// Which.
        operation: Operation,
        /// PkgID or component ID.
        identifier: String,
        /// The Exec's Correlator.
        correlator: Option<String>,
    },
    /// An operation has ended.
    Executed {
        /// Which.
        operation: Operation,
        /// PkgID or component ID.
        identifier: String,
        /// The Exec's Correlator.
        correlator: Option<String>,
        /// Its result code, or the DM status that refused it.
        code: u16,
    },
    /// The server has taken a report.
    Reported {
        /// The result code in it.
        code: u16,
        /// The server's status.
        status: u16,
    },
    /// The server has taken an alert of the device's own that reports no operation.
    Asked {
        /// Its Type.
        r#type: String,
        /// The server's status.
        status: u16,
    },
    /// The server has shown something to the user, or asked.
    Prompted {
        /// What, and what the user did.
        prompt: Prompt,
    },
    /// A status report went to the download server.
    Posted {
        /// Its code.
        code: u16,
        /// Whether the server took it.
        taken: bool,
    },
    /// The device went off.
    Vanished {
        /// For how long.
        lasts: Duration,
    },
    /// The device is on again.
    CameBack,
    /// Something went wrong that no other event tells.
    Trouble {
        /// What.
        what: String,
    },
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The server asked for it: alert 1200.
    Notified(u16),
    /// The device wants it: alert 1201.
    Own,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The server had nothing more to do.
    Done,
    /// The server aborted it.
    Aborted,
    /// The device aborted it.
    Broken,
    /// The server does not accept the device.
    Refused {
        /// Its last status.
        status: u16,
    },
    /// The device went off.
    Vanished,
    /// The device does not accept the server.
    Untrusted,
    /// The server's message cannot be understood or belongs elsewhere.
    Nonsense {
        /// What is wrong with it.
        problem: String,
    },
    /// The server cannot be reached.
    Lost {
        /// What the network said.
        problem: String,
    },
}

impl End {
    /// Whether the session ended as sessions should.
    #[must_use]
    pub const fn is_regular(&self) -> bool {
        matches!(self, Self::Done)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Aborted => f.write_str("aborted by the server"),
            Self::Broken => f.write_str("aborted by the device"),
            Self::Refused { status } => write!(f, "refused by the server with {status}"),
            Self::Vanished => f.write_str("the device went off"),
            Self::Untrusted => f.write_str("the server did not prove itself"),
            Self::Nonsense { problem } => write!(f, "the server's answer is wrong: {problem}"),
            Self::Lost { problem } => write!(f, "the server cannot be reached: {problem}"),
        }
    }
}
