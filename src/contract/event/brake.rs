//! What is told of the brake.

use serde::{Deserialize, Serialize};

use super::Outcomes;
use crate::{
    job::brake::Packages,
    model::{
        clock::Timestamp,
        id::{PackageId, RequestId, RequestSource},
        version::Version,
    },
};

/// Data of `scomo.request.paused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RequestPaused {
    /// What the sender calls it.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
    /// Who paused it: a token's name, a control message, or `scomo` for the service itself.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many of its jobs had ended in which way.
    pub outcomes: Outcomes,
    /// Since when.
    pub at: Timestamp,
}

/// Data of `scomo.request.resumed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RequestResumed {
    /// What the sender calls it.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
    /// Who lets it go on.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Data of `scomo.package.paused` and `scomo.package.resumed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PackageHeld {
    /// The package.
    pub package: PackageNamed,
    /// Who paused it or lets it go on: a token's name, or `scomo` for the service itself.
    pub by: String,
    /// Why it was paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A package, in one version or in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PackageNamed {
    /// Which.
    pub id: PackageId,
    /// The version; absent: each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

impl PackageNamed {
    /// As a pause and a subject write it: `id` or `id@version`.
    #[must_use]
    pub fn name(&self) -> String {
        Packages { id: self.id.clone(), version: self.version.clone() }.to_string()
    }
}

impl From<Packages> for PackageNamed {
    fn from(packages: Packages) -> Self {
        Self { id: packages.id, version: packages.version }
    }
}
