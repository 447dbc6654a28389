//! What is known of a device: the facts that rules read and selection decides by.

use serde::{Deserialize, Serialize};

use super::{
    id::{ComponentId, DeviceId},
    tree::Branch,
};

/// The leaves of `./DevInfo` (DM 1.x sheet 7.1), sent in Pkg 1; what the device left out is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct DevInfo {
    /// `DevId`, byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_id: Option<String>,
    /// Maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub man: Option<String>,
    /// Model.
    #[serde(rename = "mod", skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Version of the DM client, free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmv: Option<String>,
    /// Language tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
}

/// The leaves of `./DevDetail` that matter here (DM 1.x sheet 7.2), read when something needs them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct DevDetail {
    /// Device type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devtyp: Option<String>,
    /// Original equipment manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oem: Option<String>,
    /// Firmware version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fwv: Option<String>,
    /// Software version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swv: Option<String>,
    /// Hardware version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hwv: Option<String>,
    /// Whether the device takes large objects in several messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lrgobj: Option<bool>,
}

impl DevDetail {
    /// Reads the object as a device returned it, from its root.
    #[must_use]
    pub fn from_tree(root: &Branch) -> Self {
        let text = |name| root.text(name).filter(|t| !t.is_empty()).map(str::to_owned);
        Self {
            devtyp: text("DevTyp"),
            oem: text("OEM"),
            fwv: text("FwV"),
            swv: text("SwV"),
            hwv: text("HwV"),
            lrgobj: text("LrgObj").and_then(|t| match t.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            }),
        }
    }
}

/// What the device announced of itself in the dialogue (DM 1.x sheet 4 no. 1); the latest value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Abilities {
    /// Largest message it takes, in bytes on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_msg_size: Option<u64>,
    /// Largest object it takes, in bytes; absent means it named no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_obj_size: Option<u64>,
}

/// A deployment component on a device, as its inventory shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Installed {
    /// `Inventory/Deployed/<X>/ID`.
    pub id: ComponentId,
    /// `Version`; absent where the device does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// State 20; absent where the device does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The delivery package it came from; absent where the device does not know (`-1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkg: Option<String>,
}

/// Everything a rule may read of one device; what is absent makes the rule that reads it undecided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The device.
    pub id: DeviceId,
    /// From Pkg 1.
    pub info: DevInfo,
    /// Read from the tree; absent as long as nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<DevDetail>,
    /// The inventory's components; absent as long as nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Vec<Installed>>,
    /// The `User-Agent` header of its last message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Tags of the device record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What it announced in the dialogue.
    #[serde(default)]
    pub abilities: Abilities,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_detail_reads_what_is_there() {
        let tree = Branch::interior([
            ("fwv", Branch::chr(" 3.1 ")),
            ("LrgObj", Branch::chr("True")),
            ("OEM", Branch::chr("")),
        ]);
        let detail = DevDetail::from_tree(&tree);
        assert_eq!((detail.fwv.as_deref(), detail.lrgobj, detail.oem), (Some("3.1"), Some(true), None));
    }
}
