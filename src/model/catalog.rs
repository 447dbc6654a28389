//! The catalogue: manifests of delivery packages (contract "Manifest").
//!
//! A delivery package is a folder with a payload and a `manifest.toml` that says what the payload is, to which devices it applies and
//! which deployment components it installs. `docs/packages.md` describes every key.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    clock::Timestamp,
    digest::Digest,
    id::{ComponentId, PackageId},
    rule::Rule,
    version::Version,
};

mod manifest;

pub use manifest::ManifestError;

/// The way of a payload to the device, as requests ask for it and manifests prefer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// Direct if the device takes large objects and the payload fits its limits, else alternate.
    #[default]
    Auto,
    /// Over the DM session.
    Direct,
    /// By HTTP from a URL that the session gives.
    Alternate,
}

/// One version of one delivery package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PackageRef {
    /// Which package.
    pub id: PackageId,
    /// Which version of it.
    pub version: Version,
}

/// A deployment component that a payload installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Component {
    /// Shows up as `Inventory/Deployed/<X>/ID`.
    pub id: ComponentId,
    /// Shows up as its `Version`.
    pub version: Version,
}

/// What `manifest.toml` says of a delivery package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Manifest {
    /// The delivery package.
    pub id: PackageId,
    /// Its version; letters, digits and `.-_+~` only, since it names a folder too.
    pub version: Version,
    /// For people.
    pub name: String,
    /// For people; at most 512 bytes, which devices store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Target environment, the `EnvType` leaf; a device of another refuses with 1413.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_type: Option<String>,
    /// MIME type of the payload, the `PkgType` leaf. See [`Manifest::mime`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkg_type: Option<String>,
    /// Handed to the device's installer, the `InstallParams` leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_params: Option<String>,
    /// The `Reboot` leaf of SCOMO 1.1, byte for byte; written only where the device has such a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<String>,
    /// Not selected before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Bare file name of the payload, beside the manifest.
    pub payload: String,
    /// Bytes of the payload; at least 1.
    pub size: u64,
    /// SHA-256 of the payload.
    pub sha256: Digest,
    /// To which devices it applies; absent: to every device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Rule>,
    /// Offered when a device asks without naming a package.
    #[serde(default)]
    pub on_request: bool,
    /// The preferred way of the payload.
    #[serde(default)]
    pub delivery: Delivery,
    /// What the payload installs; at least one.
    pub components: Vec<Component>,
    /// What the user is asked or told, per language tag.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_text: BTreeMap<String, String>,
}

impl Manifest {
    /// The longest manifest in bytes.
    pub const MOST_BYTES: usize = 65_536;
    /// The most components of a package.
    pub const MOST_COMPONENTS: usize = 64;

    /// Reads a manifest; `file` is its name in errors.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text: syntax, unknown, missing and not yet supported keys, wrong values.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<ManifestError>> {
        manifest::parse(text, file)
    }

    /// What is wrong with the value of `key` seen from outside, such as the payload, with its place in the manifest that was read.
    #[must_use]
    pub fn fault(text: &str, file: &str, key: &str, reason: String) -> ManifestError {
        manifest::fault(text, file, key, reason)
    }

    /// Which package this is.
    #[must_use]
    pub fn package(&self) -> PackageRef {
        PackageRef { id: self.id.clone(), version: self.version.clone() }
    }

    /// The PkgID written to a device: unique per version, and at most 193 bytes of the 256 that devices store (SCOMO sheet 1.4).
    #[must_use]
    pub fn pkg_id(&self) -> String {
        self.package().pkg_id()
    }

    /// The payload's MIME type; `application/octet-stream` where the manifest names none.
    #[must_use]
    pub fn mime(&self) -> &str {
        self.pkg_type.as_deref().unwrap_or("application/octet-stream")
    }

    /// What to tell a user whose language tag is `lang`: the same tag, else the same language, else English, else the first text.
    #[must_use]
    pub fn text_for(&self, lang: &str) -> Option<&str> {
        let language = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let texts = &self.user_text;
        let exact = texts.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(lang));
        let near = || texts.iter().find(|(tag, _)| language(tag) == language(lang));
        let english = || texts.iter().find(|(tag, _)| language(tag) == "en");
        exact.or_else(near).or_else(english).or_else(|| texts.iter().next()).map(|(_, text)| text.as_str())
    }
}

impl PackageRef {
    /// The PkgID written to a device: `<id>@<version>`. Neither half can hold an `@`, so no two versions share one.
    #[must_use]
    pub fn pkg_id(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }
}

impl fmt::Display for PackageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.version)
    }
}

#[cfg(test)]
mod tests;
