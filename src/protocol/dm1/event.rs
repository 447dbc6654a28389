//! What a message brought.

use super::{AccountChange, Machine};
use crate::model::{
    device::{Abilities, DevInfo},
    tree::{AskId, Outcome},
};

/// The dialogue after a message.
#[derive(Debug, Clone)]
pub struct Step {
    /// The dialogue; it owes the message an answer.
    pub machine: Machine,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What the account must remember.
    pub account: AccountChange,
}

/// Something that happened in a session. Everything but [`Event::AuthFailed`], [`Event::Ended`] and [`Event::Oddity`] comes from
/// an authenticated device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The device was authenticated; the first event of every session that gets so far. Ends the device's earlier session.
    Opened {
        /// Alert 1200: a notification caused the session.
        server_initiated: bool,
    },
    /// The device's facts from Pkg 1.
    DevInfo(DevInfo),
    /// What the device announced in its `SyncHdr`; only when it differs from before.
    Abilities(Abilities),
    /// A generic alert (1226) or client event (1224), complete and in all its parts.
    Alert(GenericAlert),
    /// An ask has ended.
    Outcome {
        /// Which.
        ask: AskId,
        /// How.
        outcome: Outcome,
    },
    /// The device has said all it has to say and no ask is left: the procedure may speak. If it stays silent the session ends.
    Ready,
    /// The device ended the session (Alert 1223).
    Aborted,
    /// Credentials were wrong.
    AuthFailed {
        /// How many refusals there were in this session, this one included.
        attempts: u8,
    },
    /// The dialogue is over for a reason of the protocol; the answer that is still owed says so to the device.
    Ended(Ending),
    /// Something against the rules that was tolerated; for the log.
    Oddity(String),
}

/// Why a dialogue ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The device did not prove itself (DM 1.x sheet 3.3 no. 3 and 4).
    ClientRefused,
    /// The device does not accept this server's credentials (DM 1.x sheet 3.5).
    ServerRefused,
    /// The device speaks a version that this server does not (DM 1.x sheet 7.5).
    Version,
    /// The device sent messages without end.
    Endless,
}

/// A generic alert or client event (DM 1.x sheet 2.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenericAlert {
    /// 1226, or 1224 for a client event.
    pub code: u16,
    /// The correlator of the Exec that this reports on; absent if the device speaks of its own accord.
    pub correlator: Option<String>,
    /// The items; at least one.
    pub items: Vec<AlertItem>,
}

/// One item of a generic alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertItem {
    /// `Source/LocURI`: the node or management object that it comes from.
    pub source: Option<String>,
    /// `Target/LocURI`.
    pub target: Option<String>,
    /// `Meta/Type` without `Reversed-Domain-Name:` or `Content-Type:`.
    pub r#type: String,
    /// `Meta/Format`.
    pub format: Option<String>,
    /// `Meta/Mark`.
    pub mark: Option<String>,
    /// `Data`; base64 where it was bytes, empty where there was none.
    pub data: String,
    /// Whether the type is understood here; if not, a generic alert is told so (415). Never of a client event.
    pub known: bool,
    /// Where its Status stands, for [`Machine::amend`](super::Machine::amend).
    pub receipt: Receipt,
}

/// The place of an item's Status in the answer that is owed; good until that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    pub(super) command: usize,
    pub(super) item: usize,
}

/// Why a message cannot belong to the session. The session stays as it was; the device gets HTTP 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A `SyncHdr` without what it must have.
    #[error("the SyncHdr has no usable {element}")]
    Header {
        /// The element.
        element: &'static str,
    },
    /// The SessionID or the device is another one.
    #[error("the message belongs to another session or device")]
    Foreign,
    /// The number was used before; a true repeat is found by its digest before it comes here.
    #[error("message {found} comes after message {last}")]
    Stale {
        /// The session's last message.
        last: u32,
        /// This one.
        found: u32,
    },
    /// The session is over.
    #[error("the session is over")]
    Over,
}
