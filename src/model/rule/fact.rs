//! The names of the facts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::device::Facts;

/// What a rule can read of a device and miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum FactName {
    /// `DevInfo/Man`
    #[serde(rename = "dev.man")]
    Man,
    /// `DevInfo/Mod`
    #[serde(rename = "dev.mod")]
    Mod,
    /// `DevInfo/DmV`
    #[serde(rename = "dev.dmv")]
    DmV,
    /// `DevInfo/Lang`
    #[serde(rename = "dev.lang")]
    Lang,
    /// DevDetail as a whole, asked for by `has(detail.…)`.
    #[serde(rename = "detail")]
    Detail,
    /// `DevDetail/DevTyp`
    #[serde(rename = "detail.devtyp")]
    DevTyp,
    /// `DevDetail/OEM`
    #[serde(rename = "detail.oem")]
    Oem,
    /// `DevDetail/FwV`
    #[serde(rename = "detail.fwv")]
    FwV,
    /// `DevDetail/SwV`
    #[serde(rename = "detail.swv")]
    SwV,
    /// `DevDetail/HwV`
    #[serde(rename = "detail.hwv")]
    HwV,
    /// `DevDetail/LrgObj`
    #[serde(rename = "detail.lrgobj")]
    LrgObj,
    /// The inventory's deployment components.
    #[serde(rename = "installed")]
    Installed,
    /// The version of a component in the inventory.
    #[serde(rename = "installed.version")]
    InstalledVersion,
    /// Whether a component in the inventory is active.
    #[serde(rename = "installed.active")]
    InstalledActive,
    /// The delivery package of a component in the inventory.
    #[serde(rename = "installed.pkg")]
    InstalledPkg,
    /// The `User-Agent` header.
    #[serde(rename = "ua")]
    UserAgent,
}

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactSource {
    /// Package 1 of the dialogue: DevInfo and the HTTP header. Every session brings it, nothing can be read on top.
    Dialogue,
    /// The DevDetail object; can be read.
    DevDetail,
    /// The SCOMO inventory; can be read.
    Inventory,
}

impl FactName {
    /// Every name.
    pub const ALL: [Self; 16] = [
        Self::Man,
        Self::Mod,
        Self::DmV,
        Self::Lang,
        Self::Detail,
        Self::DevTyp,
        Self::Oem,
        Self::FwV,
        Self::SwV,
        Self::HwV,
        Self::LrgObj,
        Self::Installed,
        Self::InstalledVersion,
        Self::InstalledActive,
        Self::InstalledPkg,
        Self::UserAgent,
    ];

    /// The name as rules write it, such as `detail.fwv`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Man => "dev.man",
            Self::Mod => "dev.mod",
            Self::DmV => "dev.dmv",
            Self::Lang => "dev.lang",
            Self::Detail => "detail",
            Self::DevTyp => "detail.devtyp",
            Self::Oem => "detail.oem",
            Self::FwV => "detail.fwv",
            Self::SwV => "detail.swv",
            Self::HwV => "detail.hwv",
            Self::LrgObj => "detail.lrgobj",
            Self::Installed => "installed",
            Self::InstalledVersion => "installed.version",
            Self::InstalledActive => "installed.active",
            Self::InstalledPkg => "installed.pkg",
            Self::UserAgent => "ua",
        }
    }

    /// The fact of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.as_str() == name)
    }

    /// Where it comes from.
    #[must_use]
    pub const fn source(self) -> FactSource {
        match self {
            Self::Man | Self::Mod | Self::DmV | Self::Lang | Self::UserAgent => FactSource::Dialogue,
            Self::Detail | Self::DevTyp | Self::Oem | Self::FwV | Self::SwV | Self::HwV | Self::LrgObj => {
                FactSource::DevDetail
            }
            Self::Installed | Self::InstalledVersion | Self::InstalledActive | Self::InstalledPkg => {
                FactSource::Inventory
            }
        }
    }
}

impl FactSource {
    /// What can be read from a device's tree.
    pub const READABLE: [Self; 2] = [Self::DevDetail, Self::Inventory];

    /// Whether reading this from the device would add to `facts`: it can be read, and has not been.
    #[must_use]
    pub const fn can_be_read(self, facts: &Facts) -> bool {
        match self {
            Self::Dialogue => false,
            Self::DevDetail => facts.detail.is_none(),
            Self::Inventory => facts.installed.is_none(),
        }
    }
}

impl fmt::Display for FactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
