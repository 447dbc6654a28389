//! What differs between two inventories of a device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Delivered, Deployed, Inventory};

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "EntryKind")]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A delivered package.
    Package,
    /// A deployed component.
    Component,
}

/// What of an entry matters to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "InventoryEntry")]
pub struct Entry {
    /// `PkgID` of a package, `ID` of a component; the name of its node where the device shows none.
    pub id: String,
    /// `Version`; components only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `delivered`, `installed`, `inactive` or `active`; absent where the device does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// `PkgIDRef`; components only, absent where the device does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkg: Option<String>,
    /// The SCOMO object that holds it.
    pub root: String,
}

/// The state of an entry, of whatever kind (SCOMO sheet 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "EntryState")]
#[serde(untagged)]
pub enum State {
    /// Of a package.
    Package(super::PackageState),
    /// Of a component.
    Component(super::ComponentState),
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "InventoryChange")]
pub struct Change {
    /// What happened to the entry.
    pub change: How,
    /// Of which kind it is.
    pub kind: Kind,
    /// As it is now; as it was, if it was removed.
    #[serde(flatten)]
    pub entry: Entry,
    /// As it was, if it has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Entry>,
}

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "ChangeKind")]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its version, state or package is another.
    Changed,
}

/// Kind, root, id, and the how manieth of that id: devices may show one twice.
type Key<'a> = (Kind, &'a str, &'a str, usize);

impl Inventory {
    /// The packages as others see them.
    pub fn package_entries(&self) -> impl Iterator<Item = Entry> {
        self.packages.iter().map(Entry::from)
    }

    /// The components as others see them.
    pub fn component_entries(&self) -> impl Iterator<Item = Entry> {
        self.components.iter().map(Entry::from)
    }

    /// What is otherwise than `before`, in the order of kind, root and id.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        let (old, new) = (before.entries(), self.entries());
        let (mut was, now) = (keyed(&old), keyed(&new));
        let mut changes = Vec::new();
        for (key, entry) in now {
            let (change, was) = match was.remove(&key) {
                None => (How::Added, None),
                Some(same) if same == entry => continue,
                Some(other) => (How::Changed, Some(other.clone())),
            };
            changes.push(Change { change, kind: key.0, entry: entry.clone(), was });
        }
        let gone = was.into_iter();
        let removed = |(key, entry): (Key<'_>, &Entry)| Change {
            change: How::Removed,
            kind: key.0,
            entry: entry.clone(),
            was: None,
        };
        changes.extend(gone.map(removed));
        changes
    }

    fn entries(&self) -> Vec<(Kind, Entry)> {
        let packages = self.package_entries().map(|entry| (Kind::Package, entry));
        packages.chain(self.component_entries().map(|entry| (Kind::Component, entry))).collect()
    }
}

fn keyed(entries: &[(Kind, Entry)]) -> BTreeMap<Key<'_>, &Entry> {
    let mut times: BTreeMap<(Kind, &str, &str), usize> = BTreeMap::new();
    let mut keyed = BTreeMap::new();
    for (kind, entry) in entries {
        let nth = times.entry((*kind, &entry.root, &entry.id)).or_default();
        keyed.insert((*kind, entry.root.as_str(), entry.id.as_str(), *nth), entry);
        *nth += 1;
    }
    keyed
}

impl From<&Delivered> for Entry {
    fn from(package: &Delivered) -> Self {
        Self {
            id: package.pkg_id.clone().unwrap_or_else(|| package.node.clone()),
            version: None,
            state: package.state.map(State::Package),
            pkg: None,
            root: package.root.clone(),
        }
    }
}

impl From<&Deployed> for Entry {
    fn from(component: &Deployed) -> Self {
        Self {
            id: component.id.to_string(),
            version: component.version.clone(),
            state: component.state.map(State::Component),
            pkg: component.pkg_ref.clone(),
            root: component.root.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        model::tree::{Branch, Instance, ObjectKind},
        scomo::object::Place,
    };

    fn inventory(components: &[(&str, &str, &str)]) -> Inventory {
        let entry = |(n, (id, version, state)): (usize, &(&str, &str, &str))| {
            let leaves = [("ID", *id), ("Version", *version), ("State", *state)];
            (format!("c{n}"), Branch::interior(leaves.map(|(name, text)| (name, Branch::chr(text)))))
        };
        let deployed = Branch::interior(components.iter().enumerate().map(entry));
        let place = Place::new(Instance { kind: ObjectKind::Scomo, name: "./SCOMO".to_owned() });
        Inventory::from_tree(place, &Branch::interior([("Deployed", deployed)]))
    }

    #[test]
    fn what_came_went_or_changed_is_told_and_nothing_else() {
        let before = inventory(&[("same", "1", "20"), ("gone", "1", "20"), ("moved", "1", "10")]);
        let now = inventory(&[("new", "3", "10"), ("moved", "1", "20"), ("same", "1", "20")]);
        let changes = serde_json::to_value(now.changes_since(&before)).unwrap();
        assert_eq!(
            changes,
            json!([
                { "change": "changed", "kind": "component", "id": "moved", "version": "1", "state": "active",
                  "root": "./SCOMO", "was": { "id": "moved", "version": "1", "state": "inactive", "root": "./SCOMO" } },
                { "change": "added", "kind": "component", "id": "new", "version": "3", "state": "inactive",
                  "root": "./SCOMO" },
                { "change": "removed", "kind": "component", "id": "gone", "version": "1", "state": "active",
                  "root": "./SCOMO" },
            ])
        );
        assert_eq!(now.changes_since(&now), []);
    }

    #[test]
    fn a_component_that_is_there_twice_is_told_apart() {
        let twice = inventory(&[("app", "1", "20"), ("app", "2", "10")]);
        let once = inventory(&[("app", "1", "20")]);
        let changes = once.changes_since(&twice);
        assert_eq!(
            (changes.len(), changes[0].change, changes[0].entry.version.as_deref()),
            (1, How::Removed, Some("2"))
        );
    }
}
