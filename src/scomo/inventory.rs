//! What a device's SCOMO object shows of packages and components (SCOMO sheet 1.2), read leniently.

use serde::{Deserialize, Serialize};

use super::{
    object::Place,
    outcome::{DeliveredStatus, DeployedStatus},
};
use crate::model::{
    device::Installed,
    id::ComponentId,
    tree::{Branch, Instance},
};

pub mod change;

/// No inventory is kept beyond this many packages and as many components.
pub const MOST_ENTRIES: usize = 4096;
/// Nor beyond so many bytes of names and texts: it is stored with each change, and a device says how large it is.
pub const MOST_BYTES: usize = 512 * 1024;
/// Leaf texts are cut off behind this many bytes.
pub const MOST_TEXT: usize = 512;

/// Packages and components on a device, those of all its SCOMO roots together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// The roots, in the order in which they were read.
    #[serde(default)]
    pub places: Vec<Place>,
    /// `Inventory/Delivered`
    pub packages: Vec<Delivered>,
    /// `Inventory/Deployed`
    pub components: Vec<Deployed>,
    /// There was more than is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// A delivered package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The name of its root.
    #[serde(default)]
    pub root: String,
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
    /// The name of `Operations`, where the device spells it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations_name: Option<String>,
}

/// A deployed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The name of its root.
    #[serde(default)]
    pub root: String,
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
    /// The name of `Operations`, where the device spells it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations_name: Option<String>,
}

/// The state of a delivered package (SCOMO sheet 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PackageState {
    /// 10
    Delivered,
    /// 20
    Installed,
}

/// The state of a component (SCOMO sheet 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComponentState {
    /// 10
    Inactive,
    /// 20
    Active,
}

impl Inventory {
    /// Reads the `Inventory` node of one root as a device returned it. What cannot be read is left out, never an error.
    #[must_use]
    pub fn from_tree(place: Place, inventory: &Branch) -> Self {
        let below = |name| inventory.child(name).map_or(&[][..], Branch::children).iter();
        let root = &place.root.name;
        Self {
            packages: below("Delivered").map(|(node, entry)| Delivered::from_tree(root, node, entry)).collect(),
            components: below("Deployed").filter_map(|(node, entry)| Deployed::from_tree(root, node, entry)).collect(),
            places: vec![place.spelled_as_in(inventory)],
            cut: false,
        }
        .bounded()
    }

    /// Without what is too much.
    fn bounded(mut self) -> Self {
        let before = self.packages.len().saturating_add(self.components.len());
        self.packages.truncate(MOST_ENTRIES);
        self.components.truncate(MOST_ENTRIES);
        let mut room = Some(MOST_BYTES);
        let mut fits = |bytes| {
            room = room.and_then(|left: usize| left.checked_sub(bytes));
            room.is_some()
        };
        self.packages.retain(|entry| fits(entry.bytes()));
        self.components.retain(|entry| fits(entry.bytes()));
        self.cut |= self.packages.len().saturating_add(self.components.len()) < before;
        self
    }

    /// One root that shows no inventory.
    #[must_use]
    pub fn hidden(place: Place) -> Self {
        Self { places: vec![place.without_inventory()], ..Self::default() }
    }

    /// Both together; what is too much is left out.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.places.extend(other.places);
        self.packages.extend(other.packages);
        self.components.extend(other.components);
        self.cut |= other.cut;
        self.bounded()
    }

    /// The same with `part` in place of what was known of its roots. The order of the roots stays: the first is where new packages go.
    #[must_use]
    pub fn renewed(&self, part: Self) -> Self {
        let stays = |root: &str| part.place(root).is_none() && self.place(root).is_some();
        let mut whole = Self {
            places: self.places.clone(),
            packages: self.packages.iter().filter(|entry| stays(&entry.root)).cloned().collect(),
            components: self.components.iter().filter(|entry| stays(&entry.root)).cloned().collect(),
            // Of which root something was left out is not known: one that was not read again may still lack it.
            cut: self.cut && self.places.iter().any(|place| part.place(&place.root.name).is_none()),
        };
        for place in part.places {
            match whole.places.iter_mut().find(|known| known.root == place.root) {
                Some(known) => *known = place,
                None => whole.places.push(place),
            }
        }
        whole.join(Self { places: Vec::new(), packages: part.packages, components: part.components, cut: part.cut })
    }

    /// Whether some root shows an inventory, so that what it does not show is not there.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.places.is_empty() || self.places.iter().any(|place| !place.hidden)
    }

    /// Whether every root shows its inventory, and all of it is here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.cut && self.places.iter().all(|place| !place.hidden)
    }

    /// Where the root of that name keeps its nodes.
    #[must_use]
    pub fn place(&self, root: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.root.name == root)
    }

    /// What is known of how a root spells its names.
    #[must_use]
    pub fn spelled(&self, root: &Instance) -> Place {
        let known = self.places.iter().find(|place| place.root == *root && !place.hidden);
        known.cloned().unwrap_or_else(|| Place::new(root.clone()))
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

/// What an entry takes beside its texts, roughly.
const FRAME: usize = 96;

fn bytes_of<'a>(names: [&str; 2], texts: &[&'a Option<String>], operations: &'a [String]) -> usize {
    let texts = texts.iter().filter_map(|text| text.as_ref()).chain(operations).map(String::len);
    names.into_iter().map(str::len).chain(texts).fold(FRAME, usize::saturating_add)
}

impl Delivered {
    fn bytes(&self) -> usize {
        let texts = [&self.pkg_id, &self.name, &self.operations_name];
        bytes_of([&self.root, &self.node], &texts, &self.operations)
    }

    fn from_tree(root: &str, node: &str, entry: &Branch) -> Self {
        Self {
            root: root.to_owned(),
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
            operations_name: operations_name(entry).filter(|name| name != "Operations"),
        }
    }
}

impl Deployed {
    fn bytes(&self) -> usize {
        let texts = [&self.pkg_ref, &self.name, &self.version, &self.operations_name];
        bytes_of([&self.root, &self.node], &texts, &self.operations).saturating_add(self.id.as_str().len())
    }

    fn from_tree(root: &str, node: &str, entry: &Branch) -> Option<Self> {
        let id =
            text(entry, "ID").and_then(|t| ComponentId::parse(&t).ok()).or_else(|| ComponentId::parse(node).ok())?;
        Some(Self {
            root: root.to_owned(),
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
            operations_name: operations_name(entry).filter(|name| name != "Operations"),
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

/// How the device spells the name of an entry's `Operations`; nothing if there is no such node.
pub(super) fn operations_name(entry: &Branch) -> Option<String> {
    const NAME: &str = "Operations";
    let children = || entry.children().iter().map(|(name, _)| name);
    let exact = children().find(|name| *name == NAME);
    exact.or_else(|| children().find(|name| name.eq_ignore_ascii_case(NAME))).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tree::{Format, Leaf, ObjectKind};

    fn place(root: &str) -> Place {
        Place::new(Instance { kind: ObjectKind::Scomo, name: root.to_owned() })
    }

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
        let inventory = Inventory::from_tree(place("./SCOMO"), &tree);
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
        let read = |name: &str| {
            let entry = |n| (format!("c{n}"), Branch::interior([("Name", Branch::chr(name))]));
            let many = Branch::interior((0..MOST_ENTRIES + 5).map(entry));
            Inventory::from_tree(place("./SCOMO"), &Branch::interior([("Deployed", many)]))
        };
        let inventory = read("a");
        assert_eq!(inventory.components.len(), MOST_ENTRIES);
        assert!(inventory.cut && !inventory.is_whole(), "what is not here may be there");
        let large = read(&"é".repeat(MOST_TEXT));
        assert_eq!(large.components[0].name.as_ref().map(String::len), Some(MOST_TEXT));
        let stored = serde_json::to_string(&large.clone().join(large)).unwrap();
        assert!((MOST_BYTES / 2..MOST_BYTES * 3 / 2).contains(&stored.len()), "{}", stored.len());
        let nonsense = Inventory::from_tree(place("./SCOMO"), &Branch::chr("?"));
        assert!(nonsense.packages.is_empty() && nonsense.components.is_empty());
        assert_eq!(inventory.clone().join(inventory).components.len(), MOST_ENTRIES, "those of all roots together");
    }

    /// An inventory of one component at one root.
    fn one(root: &str, id: &str) -> Inventory {
        let component = Branch::interior([("ID", Branch::chr(id))]);
        Inventory::from_tree(place(root), &Branch::interior([("Deployed", Branch::interior([("c", component)]))]))
    }

    fn ids(inventory: &Inventory) -> Vec<(&str, &str)> {
        let mut ids: Vec<_> = inventory.components.iter().map(|c| (c.root.as_str(), c.id.as_str())).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn the_inventories_of_several_roots_are_one_and_each_entry_knows_its_root() {
        let both = one("./A", "x").join(one("./B", "y"));
        assert_eq!(ids(&both), [("./A", "x"), ("./B", "y")]);
        let renewed = both.renewed(one("./A", "z"));
        assert_eq!(ids(&renewed), [("./A", "z"), ("./B", "y")], "the other root's stay");
        let order: Vec<_> = renewed.places.iter().map(|place| place.root.name.as_str()).collect();
        assert_eq!(order, ["./A", "./B"]);
        assert_eq!(ids(&one("./A", "x").renewed(one("./A", "z"))), [("./A", "z")]);
    }

    #[test]
    fn a_root_that_shows_nothing_is_no_empty_inventory() {
        let hidden = Inventory::hidden(place("./A"));
        assert!(!hidden.is_shown() && !hidden.is_whole());
        let partly = hidden.join(one("./B", "y"));
        assert!(partly.is_shown() && !partly.is_whole());
        assert!(Inventory::default().is_whole() && one("./B", "y").is_whole());
    }
}
