//! What a device's SCOMO object shows of packages and components (SCOMO sheet 1.2), read leniently.

use serde::{Deserialize, Serialize};

use super::outcome::{DeliveredStatus, DeployedStatus};
use crate::model::{device::Installed, id::ComponentId, tree::Branch};

/// No inventory is read beyond this many packages and as many components.
pub const MOST_ENTRIES: usize = 4096;
/// Leaf texts are cut off behind this many bytes.
pub const MOST_TEXT: usize = 512;

/// Packages and components on a device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// `Inventory/Delivered`
    pub packages: Vec<Delivered>,
    /// `Inventory/Deployed`
    pub components: Vec<Deployed>,
}

/// A delivered package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The name of its node.
    pub node: String,
    /// `PkgID`; absent where the device shows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkg_id: Option<String>,
    /// `Name`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `State`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PackageState>,
    /// `Status`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<DeliveredStatus>,
    /// The names below `Operations`, as the device spells them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
}

/// A deployed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The name of its node.
    pub node: String,
    /// `ID`; the node's name where the device shows none.
    pub id: ComponentId,
    /// `PkgIDRef`; absent where the device does not know (`-1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkg_ref: Option<String>,
    /// `Name`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Version`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `State`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ComponentState>,
    /// `Status`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<DeployedStatus>,
    /// The names below `Operations`, as the device spells them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
}

/// The state of a delivered package (SCOMO sheet 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageState {
    /// 10
    Delivered,
    /// 20
    Installed,
}

/// The state of a component (SCOMO sheet 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentState {
    /// 10
    Inactive,
    /// 20
    Active,
}

impl Inventory {
    /// Reads the `Inventory` node as a device returned it. What cannot be read is left out, never an error.
    #[must_use]
    pub fn from_tree(inventory: &Branch) -> Self {
        let below = |name| inventory.child(name).map_or(&[][..], Branch::children).iter().take(MOST_ENTRIES);
        Self {
            packages: below("Delivered").map(|(node, entry)| Delivered::from_tree(node, entry)).collect(),
            components: below("Deployed").filter_map(|(node, entry)| Deployed::from_tree(node, entry)).collect(),
        }
    }

    /// The components as the facts of a rule.
    #[must_use]
    pub fn installed(&self) -> Vec<Installed> {
        let installed = |c: &Deployed| Installed {
            id: c.id.clone(),
            version: c.version.clone(),
            active: c.state.map(|s| s == ComponentState::Active),
            pkg: c.pkg_ref.clone(),
        };
        self.components.iter().map(installed).collect()
    }

    /// The delivered package with this PkgID, letter case ignored.
    #[must_use]
    pub fn package(&self, pkg_id: &str) -> Option<&Delivered> {
        self.packages.iter().find(|p| p.pkg_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(pkg_id)))
    }

    /// The component with this id; failing that, the one whose node has this name.
    #[must_use]
    pub fn component(&self, id: &ComponentId) -> Option<&Deployed> {
        let by_id = self.components.iter().find(|c| c.id == *id);
        by_id.or_else(|| self.components.iter().find(|c| c.node.eq_ignore_ascii_case(id.as_str())))
    }

    /// The components that came from the package with this PkgID.
    pub fn components_of<'a>(&'a self, pkg_id: &'a str) -> impl Iterator<Item = &'a Deployed> {
        self.components.iter().filter(move |c| c.pkg_ref.as_deref().is_some_and(|r| r.eq_ignore_ascii_case(pkg_id)))
    }
}

impl Delivered {
    fn from_tree(node: &str, entry: &Branch) -> Self {
        Self {
            node: node.to_owned(),
            pkg_id: text(entry, "PkgID"),
            name: text(entry, "Name"),
            state: number(entry, "State").and_then(|n| match n {
                10 => Some(PackageState::Delivered),
                20 => Some(PackageState::Installed),
                _ => None,
            }),
            status: number(entry, "Status").map(DeliveredStatus::from_number),
            operations: operations(entry),
        }
    }
}

impl Deployed {
    fn from_tree(node: &str, entry: &Branch) -> Option<Self> {
        let id =
            text(entry, "ID").and_then(|t| ComponentId::parse(&t).ok()).or_else(|| ComponentId::parse(node).ok())?;
        Some(Self {
            node: node.to_owned(),
            id,
            pkg_ref: text(entry, "PkgIDRef").filter(|r| r != "-1"),
            name: text(entry, "Name"),
            version: text(entry, "Version"),
            state: number(entry, "State").and_then(|n| match n {
                10 => Some(ComponentState::Inactive),
                20 => Some(ComponentState::Active),
                _ => None,
            }),
            status: number(entry, "Status").map(DeployedStatus::from_number),
            operations: operations(entry),
        })
    }
}

fn text(entry: &Branch, name: &str) -> Option<String> {
    entry.text(name).filter(|t| !t.is_empty()).map(|t| {
        let whole = t.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MOST_TEXT).last();
        t.get(..whole.unwrap_or(0)).unwrap_or_default().to_owned()
    })
}

fn number(entry: &Branch, name: &str) -> Option<u16> {
    entry.text(name)?.parse().ok()
}

/// The names below an entry's `Operations`; a node has nine of them at most, vendors add a few.
fn operations(entry: &Branch) -> Vec<String> {
    let children = entry.child("Operations").map_or(&[][..], Branch::children);
    children.iter().take(32).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tree::{Format, Leaf};

    fn int(text: &str) -> Branch {
        Branch::Leaf(Leaf { format: Format::Int, mime: None, text: text.to_owned() })
    }

    #[test]
    fn an_inventory_is_read_as_real_devices_write_it() {
        let tree = Branch::interior([
            (
                "delivered",
                Branch::interior([(
                    "p1",
                    Branch::interior([
                        ("PkgID", Branch::chr("org.example.player-2.1")),
                        ("State", Branch::chr("10")),
                        ("Status", int("70")),
                        ("operations", Branch::interior([("install", Branch::Leaf(Leaf::null()))])),
                    ]),
                )]),
            ),
            (
                "Deployed",
                Branch::interior([
                    (
                        "c1",
                        Branch::interior([
                            ("ID", Branch::chr("org.example.app")),
                            ("PkgIDRef", Branch::chr("-1")),
                            ("State", int(" 20 ")),
                            ("Status", int("soon")),
                        ]),
                    ),
                    ("bare", Branch::interior([("Version", Branch::chr("3"))])),
                    ("", Branch::interior([("ID", Branch::chr(" "))])),
                ]),
            ),
        ]);
        let inventory = Inventory::from_tree(&tree);
        let package = inventory.package("ORG.example.player-2.1").unwrap();
        assert_eq!(package.state, Some(PackageState::Delivered));
        assert_eq!(package.status, Some(DeliveredStatus::InstallFailedWithoutData));
        assert_eq!(package.operations, ["install"]);
        assert_eq!(inventory.components.len(), 2, "what has no id and no name is left out");
        let installed = inventory.installed();
        assert_eq!((installed[0].active, installed[0].pkg.as_deref()), (Some(true), None));
        assert_eq!((installed[1].id.as_str(), installed[1].active), ("bare", None));
        assert_eq!(inventory.components[0].status, None);
    }

    #[test]
    fn whatever_a_device_sends_is_bounded() {
        let many = (0..MOST_ENTRIES + 5)
            .map(|n| (format!("c{n}"), Branch::interior([("Name", Branch::chr("é".repeat(MOST_TEXT)))])));
        let inventory = Inventory::from_tree(&Branch::interior([("Deployed", Branch::interior(many))]));
        assert_eq!(inventory.components.len(), MOST_ENTRIES);
        assert_eq!(inventory.components[0].name.as_ref().map(String::len), Some(MOST_TEXT));
        assert_eq!(Inventory::from_tree(&Branch::chr("?")), Inventory::default());
    }
}
