//! Why a version was not selected.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{
    catalog::PackageRef,
    clock::Timestamp,
    id::ComponentId,
    rule::FactName,
    version::{Version, VersionRule},
};

/// A version that was tried and not selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "PackageRefusal")]
#[error("{package} was refused: {reason}")]
pub struct Refusal {
    /// Which one.
    pub package: PackageRef,
    /// Why.
    pub reason: RefusalReason,
}

/// The reason; in JSON `code` is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum RefusalReason {
    /// The request wants another version.
    #[error("the request wants version {rule}")]
    Version {
        /// The request's rule.
        rule: VersionRule,
    },
    /// The request's rule names no pre-release, so none is taken.
    #[error("it is a pre-release, and the request's version rule {rule} names none")]
    PreRelease {
        /// The request's rule.
        rule: VersionRule,
    },
    /// A device asked without naming a package, and this one is not offered for that.
    #[error("it is not offered to devices that ask without naming a package")]
    NotOnRequest,
    /// The device has refused a package for this target environment before.
    #[error("the device rejected the target environment {env_type:?} (1413)")]
    EnvRefused {
        /// The manifest's `env_type`.
        env_type: String,
    },
    /// Its time has not come.
    #[error("it is not to be used before {at}")]
    NotBefore {
        /// The manifest's `not_before`.
        at: Timestamp,
    },
    /// Nobody named it, it is not on the device, and it has no rule that says it is meant for this device.
    #[error("it is meant for every device and is not on this one, so a request must name it")]
    Untargeted,
    /// The manifest's rule does not hold.
    #[error("it is not for this device: the rule {rule:?} does not hold")]
    DoesNotApply {
        /// The manifest's `when`.
        rule: String,
    },
    /// The manifest's rule hangs on what the device has not told and cannot be asked.
    #[error("its rule needs what the device has not told: {}", names(missing))]
    UnknownFacts {
        /// The facts.
        missing: BTreeSet<FactName>,
    },
    /// The manifest's rule cannot be evaluated.
    #[error("its rule cannot be evaluated: {why}")]
    BrokenRule {
        /// What is wrong with it.
        why: String,
    },
    /// A newer version is on the device and the request allows no downgrade.
    #[error("component {component} is on the device in the newer version {installed}")]
    Older {
        /// Which component.
        component: ComponentId,
        /// Its version on the device.
        installed: Version,
    },
}

fn names(facts: &BTreeSet<FactName>) -> String {
    facts.iter().map(|fact| fact.as_str()).collect::<Vec<_>>().join(", ")
}
