//! Requests, as they come in (contract "Request", `scomo.request/1`).
//!
//! [`Request::read`] takes the JSON and tells every fault with its place; a request that exists is whole. What the contract has and
//! this version does not do yet is refused by name.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::problem::{Code, Fault, Problem};
use crate::model::{
    clock::{Timestamp, span},
    digest::Digest,
    id::{ComponentId, DeviceId, ListName, RequestId, RequestSource},
    rule::{FactSource, Rule},
};
pub use crate::{
    job::{
        command::Commands,
        life::Notify,
        procedure::{Action, Collect, ComponentOperation, Confirm, IfNoUi, PackageOperation},
        retry::RetryRule,
        selection::PackageWanted,
        window::{Schedule, Window},
    },
    model::catalog::Delivery,
};

pub(in crate::contract) mod parse;

/// A request as its sender means it, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What the sender calls it; with tenant and source its identity.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
    /// Which of a device's jobs comes first: 9 before 0.
    pub priority: u8,
    /// What is to be done on each device.
    pub work: Work,
    /// The devices.
    #[serde(flatten)]
    pub targets: Targets,
    /// When all its jobs end at the latest; absent for the installation's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// When something may be begun on the devices.
    #[serde(default, skip_serializing_if = "Schedule::is_free")]
    pub schedule: Schedule,
    /// How often a failed attempt is repeated.
    pub retry: RetryRule,
    /// How many of its jobs may fail before it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_budget: Option<FailureBudget>,
    /// Whether devices are asked to open a session.
    pub notify: Notify,
    /// What becomes of a device that has no record.
    pub if_unknown_device: IfUnknownDevice,
    /// What the user of each device is asked before anything is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirm>,
    /// What may and shall be read of the device; absent: what the choice turns out to need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collect: Option<BTreeSet<FactSource>>,
    /// How old what is known of the device may be.
    #[serde(default, with = "span::maybe", skip_serializing_if = "Option::is_none")]
    pub collect_max_age: Option<Duration>,
}

/// Which devices a request is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Members", into = "Members")]
pub enum Targets {
    /// These, each once, as the sender spells and orders them.
    Devices(Vec<DeviceId>),
    /// Those of a list that was uploaded before, by its name or its key.
    List(ListName),
    /// Those that are registered and on which a rule holds.
    Filter(Rule),
}

/// [`Targets`] as it is stored. `devices` is there in any case, for releases that know nothing else.
#[derive(Serialize, Deserialize)]
struct Members {
    devices: Vec<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<ListName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<Rule>,
}

impl From<Members> for Targets {
    fn from(Members { devices, list, filter }: Members) -> Self {
        match (list, filter) {
            (Some(list), _) => Self::List(list),
            (None, Some(filter)) => Self::Filter(filter),
            (None, None) => Self::Devices(devices),
        }
    }
}

impl From<Targets> for Members {
    fn from(targets: Targets) -> Self {
        let (devices, list, filter) = match targets {
            Targets::Devices(devices) => (devices, None, None),
            Targets::List(list) => (Vec::new(), Some(list), None),
            Targets::Filter(filter) => (Vec::new(), None, Some(filter)),
        };
        Self { devices, list, filter }
    }
}

impl Targets {
    /// The devices that the request names itself.
    #[must_use]
    pub fn named(&self) -> &[DeviceId] {
        match self {
            Self::Devices(devices) => devices,
            Self::List(_) | Self::Filter(_) => &[],
        }
    }
}

/// What is to be done on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Bring a delivery package to the device (`kind: "download"`).
    Download {
        /// Which one; absent: the best match among what applies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        package: Option<PackageWanted>,
        /// The end wanted.
        action: Action,
        /// The way.
        delivery: Delivery,
        /// Whether an older version may replace a newer one.
        allow_downgrade: bool,
    },
    /// Run an operation on a package that the device holds (`kind: "operation"`).
    PackageOperation {
        /// Which.
        operation: PackageOperation,
        /// The package.
        package: PackageWanted,
    },
    /// Run an operation on a deployment component (`kind: "operation"`).
    ComponentOperation {
        /// Which.
        operation: ComponentOperation,
        /// The component.
        component: ComponentId,
    },
    /// Read what the device is and holds, and do nothing else (`kind: "inventory"`).
    Inventory,
    /// Do this to the device's tree (`kind: "command"`).
    Command(Commands),
}

/// How much may go wrong: the request is paused when more goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureBudget {
    /// Jobs that may end as `failed` or `in_doubt`.
    pub failed: u32,
}

/// What becomes of a device that has no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IfUnknownDevice {
    /// Its job fails at once.
    #[default]
    Fail,
    /// Its job waits for the record until the deadline.
    Wait,
}

impl Request {
    /// The value of `schema`.
    pub const SCHEMA: &str = "scomo.request/1";
    /// The largest body in bytes.
    pub const MOST_BYTES: usize = 1 << 20;
    /// The most devices that one request names.
    pub const MOST_DEVICES: usize = 10_000;
    /// What a request for more devices does; completes a sentence.
    pub const INSTEAD: &str =
        "names up to 10,000 devices; for more, upload a target list and name that in `targets.list`";
    /// The priority of a request that names none.
    pub const DEFAULT_PRIORITY: u8 = 5;

    /// Reads a request. `caller` is its source if it names none. Whether its deadline still lies ahead is a question of its own,
    /// [`Request::in_time`], since a repeated request is answered as it was the first time; `now` only serves to tell that fault
    /// together with others.
    ///
    /// # Errors
    /// A problem that lists every fault.
    pub fn read(body: &[u8], caller: &RequestSource, now: Timestamp) -> Result<Self, Problem> {
        let value = super::problem::read::json(body, Self::MOST_BYTES).map_err(Self::shorter)?;
        parse::request(&value, caller, now)
    }

    /// Says of a refusal for its size what to do instead.
    #[must_use]
    pub fn shorter(problem: Problem) -> Problem {
        if problem.code != Code::TooLarge {
            return problem;
        }
        let detail = format!("{}: a request {}", problem.detail, Self::INSTEAD);
        Problem { detail, ..problem }
    }

    /// The same for a body that is parsed already.
    ///
    /// # Errors
    /// A problem that lists every fault.
    pub fn from_value(value: &serde_json::Value, caller: &RequestSource, now: Timestamp) -> Result<Self, Problem> {
        parse::request(value, caller, now)
    }

    /// Whether the deadline lies ahead; to be asked once, before a request is first stored.
    ///
    /// # Errors
    /// [`Code::PastDeadline`] at `/schedule/deadline`.
    pub fn in_time(&self, now: Timestamp) -> Result<(), Problem> {
        self.past(now).map_or(Ok(()), |fault| Err(Problem::invalid(vec![fault])))
    }

    /// The content without regard to the order of members and devices, to defaults written out, and to the spelling of devices and
    /// times: two requests of one identity with the same canonical form are one request. What a later version adds is left out of it
    /// where it has its default, so that the form stays.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut devices: Vec<String> = self.targets.named().iter().map(DeviceId::normalised).collect();
        devices.sort_unstable();
        let targets = match &self.targets {
            Targets::Devices(_) => Targets::Devices(Vec::new()),
            others @ (Targets::List(_) | Targets::Filter(_)) => others.clone(),
        };
        let form = Canonical { request: &Self { targets, ..self.clone() }, devices };
        // Serialising plain structs to memory cannot fail; were it to, no two requests would be taken for the same.
        serde_json::to_vec(&form).unwrap_or_else(|_| format!("{self:?}").into_bytes())
    }

    /// The digest of [`Request::canonical`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical())
    }

    /// What its jobs may and shall read.
    #[must_use]
    pub fn collect(&self) -> Collect {
        Collect { sources: self.collect.clone(), max_age: self.collect_max_age }
    }

    /// Whether its schedule leaves a moment to begin between `now` and `deadline`, which lies no further ahead than `longest`; to be
    /// asked once, before a request is first stored.
    ///
    /// # Errors
    /// [`Code::OutOfRange`] at `/schedule/deadline`, [`Code::NeverOpens`] at `/schedule/not_before` or `/schedule/window`.
    pub fn fits(&self, now: Timestamp, deadline: Timestamp, longest: Duration) -> Result<(), Problem> {
        let last = now.after(longest);
        let fault = if deadline > last {
            let detail =
                format!("{deadline} is later than {last}, the latest deadline that is taken (job.max_deadline)");
            Fault::new("/schedule/deadline", Code::OutOfRange, detail)
        } else if self.schedule.opens(now, deadline).is_some() {
            return Ok(());
        } else if let Some(at) = self.schedule.not_before.filter(|at| *at >= deadline) {
            let detail = format!("{at} is not before the deadline, {deadline}");
            Fault::new("/schedule/not_before", Code::NeverOpens, detail)
        } else {
            let detail = format!("it does not open before the deadline, {deadline}");
            Fault::new("/schedule/window", Code::NeverOpens, detail)
        };
        Err(Problem::invalid(vec![fault]))
    }

    fn past(&self, now: Timestamp) -> Option<Fault> {
        let deadline = self.deadline.filter(|d| *d <= now)?;
        let detail = format!("{deadline} is not after {now}, the time here");
        Some(Fault::new("/schedule/deadline", Code::PastDeadline, detail))
    }
}

#[derive(Serialize)]
struct Canonical<'a> {
    request: &'a Request,
    devices: Vec<String>,
}

#[cfg(test)]
mod tests;
