//! What a job means to do on its device: an ordered plan, and the choice of the way that a package takes.

use serde::{Deserialize, Serialize};

use crate::{
    model::device::{Abilities, DevDetail},
    scomo::{
        outcome::ResultCode,
        procedure::{
            errand::{Action, Chosen, Mechanism, Package, Way},
            turn::Alternate,
        },
    },
};

/// The steps of a job, in order; one for now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// In the order in which they are done.
    pub steps: Vec<Step>,
}

/// One package, brought one way to one end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The package and its way.
    pub chosen: Chosen,
    /// The end wanted.
    pub action: Action,
    /// Why this way, a sentence for the job's history.
    pub reason: String,
}

/// The way that a request or a manifest asks for (contract "Request", `delivery`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// Direct if the device takes it, else alternate.
    #[default]
    Auto,
    /// In the session only.
    Direct,
    /// By URL only.
    Alternate,
}

/// An earlier attempt of the same job at bringing a package, as far as the next choice learns from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The way it took.
    pub way: Way,
    /// The result code it ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ResultCode>,
    /// The DM status code with which the device refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_code: Option<u16>,
    /// The last install-notify code the device posted for it (SCOMO sheet 7.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<u16>,
}

/// What the choice of a way looks at.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// What the request asks for.
    pub asked: Delivery,
    /// What the manifest asks for; counts where the request leaves it open.
    pub manifest: Delivery,
    /// The package.
    pub package: &'a Package,
    /// What the device announced in the dialogue.
    pub abilities: Abilities,
    /// Its DevDetail; absent as long as nobody asked.
    pub detail: Option<&'a DevDetail>,
    /// Its class's word on PkgURL.
    pub alternate: Alternate,
    /// Earlier attempts of this job, oldest first.
    pub tried: &'a [Tried],
}

/// The way chosen, with the reason as a sentence to keep on the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// This way.
    Go {
        /// The way.
        way: Way,
        /// Why.
        reason: String,
    },
    /// Whether the device takes large objects decides, and nobody has asked it: read DevDetail first.
    NeedLrgObj {
        /// Why.
        reason: String,
    },
    /// The asked way cannot work on this device.
    Impossible {
        /// Why.
        reason: String,
    },
}
