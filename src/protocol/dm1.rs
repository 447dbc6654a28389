//! The server's side of an OMA DM 1.x session as a value (DM 1.x sheet 1 to 6).
//!
//! A [`Machine`] is opened by a client's first message and consumed to advance:
//!
//! 1. [`Machine::handle`] takes a message: authentication, Statuses, Results, Alerts. It tells what happened as [`Event`]s and
//!    what the account must remember as an [`AccountChange`]; machine and change belong into one commit.
//! 2. [`Machine::offer`] takes what the procedure wants next ([`Ask`](crate::model::tree::Ask)s); what needs no message ends at once.
//! 3. [`Machine::answer`] builds the one message that answers: Statuses first, then commands within the device's budget. When it
//!    says that the session [`ends`](Answer::ends), nothing more is expected.
//!
//! How intents become commands is in `work`: leaf by leaf, with the fall-backs that real devices need. What was sent and not yet
//! answered is in `ledger`. No secret lies in a machine: the [`Account`] comes with every call and is never stored here; what is
//! kept are the nonces of this very session.

mod account;
mod answer;
mod auth;
mod event;
mod inbound;
mod incoming;
mod ledger;
mod machine;
mod ours;
pub(in crate::protocol) mod proof;
mod quirks;
mod reply;
mod size;
mod text;
mod work;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountChange, NewNonce, Nonces, Scheme};
pub use answer::{Answer, Slot, WrongBytes};
pub use event::{AlertItem, Ending, Event, GenericAlert, Receipt, Step, Violation};
pub use machine::Machine;
pub use quirks::{Quirks, ResyncNonce, SizePlace, SizeUnit};

use crate::model::id::Correlator;

/// What a machine is told with every call and never keeps.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The account of the device that the message claims to come from; absent for a device that nobody knows, which is then
    /// challenged like any other and never let in.
    pub account: Option<&'a Account>,
    /// How this class of devices bends the rules.
    pub quirks: &'a Quirks,
    /// What this server takes.
    pub limits: OwnLimits,
    /// Who this server is.
    pub server: &'a ServerIdentity,
    /// Where the next message of the session shall be posted; sent in every answer.
    pub resp_uri: &'a str,
    /// Whether generic alerts of this Type (without `Reversed-Domain-Name:`) are understood; others get Status 415.
    pub known_alert: fn(&str) -> bool,
    /// Correlators of Execs: a generic alert that carries one is understood, whatever its Type.
    pub expected: &'a [Correlator],
}

/// Announced in every `SyncHdr` (DM 1.x sheet 4 no. 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnLimits {
    /// `MaxMsgSize` in bytes. Also the bound of what is sent to a device that names a larger one.
    pub max_msg_size: u64,
    /// `MaxObjSize` in bytes: the largest object taken in chunks.
    pub max_obj_size: u64,
}

impl Default for OwnLimits {
    fn default() -> Self {
        Self { max_msg_size: 262_144, max_obj_size: 4_194_304 }
    }
}

/// The server as devices know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The server identifier (`ServerID` of a `DMAcc`): also the user name of the server where an account names no other.
    pub id: String,
    /// The server's address: `Source/LocURI` of every answer.
    pub uri: String,
}
