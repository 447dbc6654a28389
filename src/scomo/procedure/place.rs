//! Where a device keeps its SCOMO nodes, spelled as it spells them, and the entry that is worked on.

use serde::{Deserialize, Serialize};

use super::goal::Goal;
use crate::{
    model::{
        id::Correlator,
        tree::{Branch, Instance, Node},
    },
    scomo::operation::{Operation, Target},
};

/// A SCOMO root and the names of the nodes below it (SCOMO sheet 1.1: letter case is not to be relied upon).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) root: Instance,
    /// Found in this session, not remembered from an earlier one.
    pub(super) fresh: bool,
    inventory: String,
    delivered: String,
    deployed: String,
    download: String,
}

impl Place {
    pub(super) fn new(root: Instance, fresh: bool) -> Self {
        let [inventory, delivered, deployed, download] =
            ["Inventory", "Delivered", "Deployed", "Download"].map(str::to_owned);
        Self { root, fresh, inventory, delivered, deployed, download }
    }

    /// The same with lower-case names, as some devices have them; `None` if they are already.
    pub(super) fn lower_case(&self) -> Option<Self> {
        let [inventory, delivered, deployed, download] =
            [&self.inventory, &self.delivered, &self.deployed, &self.download].map(|n| n.to_ascii_lowercase());
        let lower = Self { root: self.root.clone(), fresh: self.fresh, inventory, delivered, deployed, download };
        (lower.inventory != self.inventory).then_some(lower)
    }

    /// The same for `Download` alone; `None` if it is lower case already.
    pub(super) fn lower_case_download(&self) -> Option<Self> {
        let download = self.download.to_ascii_lowercase();
        (download != self.download).then(|| Self { download, ..self.clone() })
    }

    /// Takes the spelling of what is below the inventory from what was read.
    pub(super) fn spelled_as_in(mut self, inventory: &Branch) -> Self {
        for (name, _) in inventory.children() {
            if name.eq_ignore_ascii_case(&self.delivered) {
                self.delivered.clone_from(name);
            } else if name.eq_ignore_ascii_case(&self.deployed) {
                self.deployed.clone_from(name);
            }
        }
        self
    }

    pub(super) fn inventory(&self) -> Node {
        self.root.node(&self.inventory)
    }

    pub(super) fn download(&self) -> Node {
        self.root.node(&self.download)
    }

    fn parent(&self, target: Target) -> Node {
        match target {
            Target::Download => self.download(),
            Target::Delivered => self.inventory().child(&self.delivered),
            Target::Deployed => self.inventory().child(&self.deployed),
        }
    }
}

/// An entry, what is done with it, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) place: Place,
    pub(super) goal: Goal,
    pub(super) operation: Operation,
    /// The name of the `<X>` node.
    pub(super) entry: String,
    /// The device came with this entry: it is not to be deleted.
    pub(super) fixed: bool,
    /// The Exec sent last.
    pub(super) exec: Option<Correlator>,
}

impl Work {
    pub(super) fn new(place: Place, goal: Goal, operation: Operation, entry: String) -> Self {
        Self { place, goal, operation, entry, fixed: false, exec: None }
    }

    /// The entry's own node.
    pub(super) fn node(&self) -> Node {
        self.place.parent(self.operation.target()).child(&self.entry)
    }

    /// Whether a report may mean it by this `Identifier`; some devices put the node's name there.
    pub(super) fn is_identified_by(&self, identifier: &str) -> bool {
        self.entry.eq_ignore_ascii_case(identifier.trim()) || self.goal.is_identified_by(identifier)
    }

    /// Whether a report of this Source concerns it: the operation node, the entry or any node above (SCOMO sheet 4.3).
    pub(super) fn is_source(&self, source: &str) -> bool {
        let given = segments(source);
        let own = segments(&self.node().to_string());
        if given.is_empty() {
            return false;
        }
        if given.len() <= own.len() {
            return own.starts_with(&given) || ends_with_entry(&given, &own);
        }
        let (entry, below) = given.split_at(own.len());
        entry == own && below.last().is_none_or(|name| self.operation.is_named(name))
    }
}

/// Names of a URI, lower case, without the leading `.`.
fn segments(uri: &str) -> Vec<String> {
    uri.split('/').map(str::trim).filter(|s| !s.is_empty() && *s != ".").map(str::to_ascii_lowercase).collect()
}

/// Whether a URI that lacks its beginning still ends in the entry's path.
fn ends_with_entry(given: &[String], own: &[String]) -> bool {
    given.len() > 1 && own.ends_with(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::tree::ObjectKind, scomo::procedure::errand::ComponentOperation};

    #[test]
    fn a_report_names_its_operation_or_any_node_above_it() {
        let root = Instance { kind: ObjectKind::Scomo, name: "./SCOMO".to_owned() };
        let id = crate::model::id::ComponentId::parse("player").unwrap();
        let goal = Goal::Component { id, operation: ComponentOperation::Deactivate };
        let work = Work::new(Place::new(root, true), goal, Operation::Deactivate, "c1".to_owned());
        for own in [
            "./SCOMO/Inventory/Deployed/c1/Operations/Deactivate",
            "./scomo/inventory/deployed/C1/operations/deactive",
            "SCOMO/Inventory/Deployed/c1",
            "Deployed/c1",
            "./SCOMO",
        ] {
            assert!(work.is_source(own), "{own}");
        }
        for other in [
            "",
            ".",
            "./SCM",
            "./SCOMO/Inventory/Deployed/c1/Operations/Activate",
            "./SCOMO/Inventory/Deployed/c10/Operations/Deactivate",
            "./SCOMO/Download/c1",
        ] {
            assert!(!work.is_source(other), "{other}");
        }
    }
}
