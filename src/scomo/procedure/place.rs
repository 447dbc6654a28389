//! The entry that is worked on.

use serde::{Deserialize, Serialize};

use super::{
    errand::Action,
    goal::{Goal, Reached},
};
use crate::{
    model::{id::Correlator, tree::Node},
    scomo::{
        inventory::Inventory,
        object::Place,
        operation::{Operation, Target},
    },
};

/// An entry, what is done with it, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) place: Place,
    pub(super) goal: Goal,
    pub(super) operation: Operation,
    /// The name of the `<X>` node.
    pub(super) entry: String,
    /// The name of the node above its operations.
    pub(super) operations: String,
    /// The entry lists no operations: the name of the one that was sent is a guess.
    #[serde(default)]
    pub(super) guessed: bool,
    /// Other roots to try where this one does not take a new package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) elsewhere: Vec<Place>,
    /// The device came with this entry: it is not to be deleted.
    pub(super) fixed: bool,
    /// The `Download` entry by which the package came that is now installed from where it lies; taken away at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) leftover: Option<Node>,
    /// The Exec sent last.
    pub(super) exec: Option<Correlator>,
}

impl Work {
    pub(super) fn new(place: Place, goal: Goal, operation: Operation, entry: String) -> Self {
        let operations = "Operations".to_owned();
        let elsewhere = Vec::new();
        let (guessed, fixed, leftover, exec) = (false, false, None, None);
        Self { place, goal, operation, entry, operations, guessed, elsewhere, fixed, leftover, exec }
    }

    /// The same with the name that the device gives the node above the entry's operations.
    pub(super) fn with_operations(mut self, name: Option<&String>) -> Self {
        if let Some(name) = name {
            self.operations.clone_from(name);
        }
        self
    }

    /// The same, to be tried at other roots, too.
    pub(super) fn or_elsewhere(self, elsewhere: Vec<Place>) -> Self {
        Self { elsewhere, ..self }
    }

    /// The same, with this `Download` entry to be taken away in the end.
    pub(super) fn leaving(self, leftover: Option<Node>) -> Self {
        Self { leftover, ..self }
    }

    /// Whether the operation only fetches what is to be installed: another one follows.
    pub(super) fn only_fetches(&self) -> bool {
        let installs = matches!(&self.goal, Goal::Package { action, .. } if *action != Action::Deliver);
        installs && self.operation == Operation::Download
    }

    /// The end that the `Download` entry is to lead to.
    pub(super) fn fetches_to(&self, action: Action) -> Action {
        if self.only_fetches() { Action::Deliver } else { action }
    }

    /// The `Download` entry to be taken away in the end, if there is one and it did not come with the device.
    pub(super) fn download_entry(&self) -> Option<Node> {
        let own = (self.operation.target() == Target::Download && !self.fixed).then(|| self.node());
        own.or_else(|| self.leftover.clone())
    }

    /// What the device's inventory shows once `part`, that of the work's own root, was read.
    pub(super) fn reached(&self, part: &Inventory, whole: &Inventory) -> Reached {
        match &self.goal {
            Goal::Package { package, .. } if self.only_fetches() => {
                let fetched = Goal::Package { package: package.clone(), action: Action::Deliver };
                if self.goal.reached(whole) == Reached::Yes { Reached::Yes } else { fetched.reached(whole) }
            }
            // Its components may turn up at another root.
            Goal::Package { .. } => self.goal.reached(whole),
            Goal::Delivered { .. } | Goal::Component { .. } => self.goal.reached(part),
        }
    }

    /// The entry's own node.
    pub(super) fn node(&self) -> Node {
        self.place.parent(self.operation.target()).child(&self.entry)
    }

    /// The node above its operations.
    pub(super) fn operations_node(&self) -> Node {
        self.node().child(&self.operations)
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
    use crate::{
        model::tree::{Instance, ObjectKind},
        scomo::procedure::errand::ComponentOperation,
    };

    #[test]
    fn a_report_names_its_operation_or_any_node_above_it() {
        let root = Instance { kind: ObjectKind::Scomo, name: "./SCOMO".to_owned() };
        let id = crate::model::id::ComponentId::parse("player").unwrap();
        let goal = Goal::Component { id, operation: ComponentOperation::Deactivate };
        let work = Work::new(Place::new(root), goal, Operation::Deactivate, "c1".to_owned());
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
