//! Where a device keeps its SCOMO nodes, spelled as it spells them.

use serde::{Deserialize, Serialize};

use crate::{
    model::tree::{Branch, Instance, Node},
    scomo::operation::Target,
};

/// A SCOMO root and the names of the nodes below it (SCOMO sheet 1.1: letter case is not to be relied upon).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The root; a device may have several.
    pub root: Instance,
    inventory: String,
    delivered: String,
    deployed: String,
    download: String,
    /// The object shows no inventory: nothing is known of what is there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Its delivered packages show a node `Reboot` (SCOMO sheet 1.3).
    #[serde(default, skip_serializing_if = "is_false")]
    pub reboot: bool,
}

impl Place {
    /// With the names of the specification.
    #[must_use]
    pub fn new(root: Instance) -> Self {
        let [inventory, delivered, deployed, download] =
            ["Inventory", "Delivered", "Deployed", "Download"].map(str::to_owned);
        Self { root, inventory, delivered, deployed, download, hidden: false, reboot: false }
    }

    /// With the names that the whole object shows. What it does not show is taken to be lower case if what it shows is.
    #[must_use]
    pub fn in_root(root: Instance, object: &Branch) -> Self {
        let mut place = Self::new(root);
        place.inventory = spelled(object, &place.inventory);
        place.download = spelled(object, &place.download);
        if is_lower(&place.inventory) {
            place.delivered.make_ascii_lowercase();
            place.deployed.make_ascii_lowercase();
        }
        place
    }

    /// With lower-case names, as some devices have them.
    #[must_use]
    pub fn lower_case(root: Instance) -> Self {
        let mut place = Self::new(root);
        for name in [&mut place.inventory, &mut place.delivered, &mut place.deployed, &mut place.download] {
            name.make_ascii_lowercase();
        }
        place
    }

    /// The same with the names below the inventory as they were read.
    #[must_use]
    pub fn spelled_as_in(mut self, inventory: &Branch) -> Self {
        self.delivered = spelled(inventory, &self.delivered);
        self.deployed = spelled(inventory, &self.deployed);
        let delivered = inventory.child(&self.delivered).map_or(&[][..], Branch::children);
        self.reboot = delivered.iter().any(|(_, entry)| entry.child("Reboot").is_some());
        self
    }

    /// The same, downloads elsewhere.
    #[must_use]
    pub fn with_download(self, name: &str) -> Self {
        Self { download: name.to_owned(), ..self }
    }

    /// The same, without an inventory.
    #[must_use]
    pub fn without_inventory(self) -> Self {
        Self { hidden: true, ..self }
    }

    /// The root's own node.
    #[must_use]
    pub fn whole(&self) -> Node {
        self.root.node("")
    }

    /// `Inventory`
    #[must_use]
    pub fn inventory(&self) -> Node {
        self.root.node(&self.inventory)
    }

    /// `Download`
    #[must_use]
    pub fn download(&self) -> Node {
        self.root.node(&self.download)
    }

    /// The node whose children are entries of this kind.
    #[must_use]
    pub fn parent(&self, target: Target) -> Node {
        match target {
            Target::Download => self.download(),
            Target::Delivered => self.inventory().child(&self.delivered),
            Target::Deployed => self.inventory().child(&self.deployed),
        }
    }
}

/// The name of the child of that name, letter case ignored; where there is none and all that there is are lower case, in lower case.
fn spelled(above: &Branch, name: &str) -> String {
    let names = || above.children().iter().map(|(child, _)| child.as_str());
    let found = names().find(|child| *child == name).or_else(|| names().find(|child| child.eq_ignore_ascii_case(name)));
    match found {
        Some(child) => child.to_owned(),
        None if names().next().is_some() && names().all(is_lower) => name.to_ascii_lowercase(),
        None => name.to_owned(),
    }
}

fn is_lower(name: &str) -> bool {
    !name.chars().any(|c| c.is_ascii_uppercase())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tree::ObjectKind;

    fn root() -> Instance {
        Instance { kind: ObjectKind::Scomo, name: "./SCM".to_owned() }
    }

    fn nodes(names: &[&str]) -> Branch {
        Branch::interior(names.iter().map(|name| (*name, Branch::Interior(Vec::new()))))
    }

    #[test]
    fn names_are_those_that_the_device_shows() {
        let place = Place::in_root(root(), &nodes(&["INVENTORY", "download"])).spelled_as_in(&nodes(&["deployed"]));
        assert_eq!(place.download().to_string(), "./SCM/download");
        assert_eq!(place.parent(Target::Deployed).to_string(), "./SCM/INVENTORY/deployed");
        assert_eq!(place.parent(Target::Delivered).to_string(), "./SCM/INVENTORY/delivered", "as its neighbour");
    }

    #[test]
    fn what_is_not_shown_is_spelled_as_its_neighbours() {
        let place = Place::in_root(root(), &nodes(&["inventory"]));
        assert_eq!(place.download().to_string(), "./SCM/download");
        assert_eq!(place.parent(Target::Delivered).to_string(), "./SCM/inventory/delivered");
        let empty = Place::in_root(root(), &nodes(&[]));
        assert_eq!(empty, Place::new(root()), "where nothing is shown the names of the specification are worth a try");
    }
}
