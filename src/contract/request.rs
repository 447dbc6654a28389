//! Requests, as they come in (contract "Request", `scomo.request/1`).
//!
//! [`Request::read`] takes the JSON and tells every fault with its place; a request that exists is whole. What the contract has and
//! this version does not do yet is refused by name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::{Code, Fault, Problem};
use crate::{
    job::{life::Notify, retry::RetryRule},
    model::{
        clock::Timestamp,
        digest::Digest,
        id::{ComponentId, DeviceId, PackageId, RequestId, RequestSource},
    },
};

mod parse;

/// A request as its sender means it, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What the sender calls it.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
    /// Which of a device's jobs comes first: 9 before 0.
    pub priority: u8,
    /// What is to be done on each device.
    pub work: Work,
    /// The devices, without duplicates, as the sender spells them.
    pub devices: Vec<DeviceId>,
    /// The end of all its jobs at the latest; absent for the installation's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// How often a failed attempt is repeated.
    pub retry: RetryRule,
    /// Whether devices are asked to open a session.
    pub notify: Notify,
    /// What becomes of a device that has no record.
    pub if_unknown_device: IfUnknownDevice,
}
