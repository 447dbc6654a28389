//! Names and places of the object's nodes, as this device spells them (SCOMO sheet 1.1, 1.2).

use std::collections::BTreeMap;

use crate::sim::{
    operation::{Area, Operation},
    profile::Scomo,
    tree,
};

/// Where a path points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) enum Place {
    /// Not in the object.
    Outside,
    /// The root or one of the nodes that are always there.
    Fixed,
    /// `<X>` below one of the three lists.
    Entry {
        /// Which list.
        area: Area,
        /// The entry's name.
        x: String,
    },
    /// A node of an entry, by its name in the specification.
    Leaf {
        /// Which list.
        area: Area,
        /// The entry's name.
        x: String,
        /// The node.
        leaf: String,
    },
    /// The parent of an entry's operations.
    Operations {
        /// Which list.
        area: Area,
        /// The entry's name.
        x: String,
    },
    /// An operation that this device offers.
    Operation {
        /// Which list.
        area: Area,
        /// The entry's name.
        x: String,
        /// Which operation.
        operation: Operation,
    },
    /// In the object, but nothing this device knows.
    Strange,
}

/// The object's paths and spellings.
#[derive(Debug)]
pub(in crate::sim) struct Layout {
    root: String,
    inventory: String,
    areas: [(Area, String); 3],
    names: BTreeMap<String, String>,
    operations: Vec<(Operation, String)>,
}

impl Layout {
    pub(super) fn new(scomo: &Scomo) -> Self {
        let root = tree::path(&scomo.root).unwrap_or_else(|| "SCOMO".to_owned());
        let spelled = |name: &str| scomo.names.get(name).map_or(name, String::as_str).to_owned();
        let inventory = format!("{root}/{}", spelled("Inventory"));
        let areas = [
            (Area::Download, format!("{root}/{}", spelled("Download"))),
            (Area::Delivered, format!("{inventory}/{}", spelled("Delivered"))),
            (Area::Deployed, format!("{inventory}/{}", spelled("Deployed"))),
        ];
        let own = |o: &Operation| scomo.operation_names.get(o).cloned().unwrap_or_else(|| o.node().to_owned());
        let operations = scomo.operations.iter().map(|o| (*o, own(o))).collect();
        Self { root, inventory, areas, names: scomo.names.clone(), operations }
    }

    /// The path of the object's root.
    pub(in crate::sim) fn root(&self) -> &str {
        &self.root
    }

    /// The path of a list.
    pub(in crate::sim) fn area(&self, area: Area) -> &str {
        let [(_, download), (_, delivered), (_, deployed)] = &self.areas;
        match area {
            Area::Download => download,
            Area::Delivered => delivered,
            Area::Deployed => deployed,
        }
    }

    /// The path of an entry.
    pub(in crate::sim) fn entry(&self, area: Area, x: &str) -> String {
        format!("{}/{x}", self.area(area))
    }

    /// The path of an entry's node, given by its name in the specification.
    pub(in crate::sim) fn leaf(&self, entry: &str, leaf: &str) -> String {
        format!("{entry}/{}", self.names.get(leaf).map_or(leaf, String::as_str))
    }

    /// How the device spells an operation's node.
    pub(super) fn operation(&self, operation: Operation) -> &str {
        let own = self.operations.iter().find(|(o, _)| *o == operation);
        own.map_or(operation.node(), |(_, name)| name)
    }

    /// Where `path` points.
    pub(in crate::sim) fn place(&self, path: &str) -> Place {
        let above = self.root.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if above && !path.is_empty() || path == self.inventory || self.areas.iter().any(|(_, area)| area == path) {
            return Place::Fixed;
        }
        for (area, top) in &self.areas {
            if let Some(rest) = path.strip_prefix(top.as_str()).and_then(|rest| rest.strip_prefix('/')) {
                return self.within(*area, rest);
            }
        }
        let inside = path.strip_prefix(&self.root).is_some_and(|rest| rest.starts_with('/'));
        if inside { Place::Strange } else { Place::Outside }
    }

    fn within(&self, area: Area, rest: &str) -> Place {
        let mut names = rest.split('/');
        let x = names.next().unwrap_or_default().to_owned();
        let (second, third, more) = (names.next(), names.next(), names.next());
        let node = second.map(|name| self.canonical(name));
        match (node, third, more) {
            (None, _, _) => Place::Entry { area, x },
            (Some("Operations"), None, _) => Place::Operations { area, x },
            (Some("Operations"), Some(name), None) => {
                let known = self.operations.iter().find(|(o, own)| o.area() == area && own == name);
                known.map_or(Place::Strange, |(operation, _)| Place::Operation { area, x, operation: *operation })
            }
            (Some(leaf), None, _) => Place::Leaf { area, x, leaf: leaf.to_owned() },
            (Some(_), Some(_), _) => Place::Strange,
        }
    }

    /// The name in the specification of a node that this device spells `name`.
    fn canonical<'n>(&'n self, name: &'n str) -> &'n str {
        self.names.iter().find(|(_, own)| *own == name).map_or(name, |(canonical, _)| canonical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_known_by_the_spelling_of_the_device() {
        let scomo: Scomo = toml::from_str(
            "root = './Ven/SCM'\nnames = { Download = 'download', Operations = 'ops' }\noperation_names = { Deactivate = 'Deactive' }",
        )
        .unwrap();
        let layout = Layout::new(&scomo);
        let x = || "p".to_owned();
        assert_eq!(layout.place("Ven"), Place::Fixed);
        assert_eq!(layout.place("Ven/SCM/download/p"), Place::Entry { area: Area::Download, x: x() });
        assert_eq!(layout.place("Ven/SCM/Download/p"), Place::Strange);
        let operation = Operation::Deactivate;
        let place = layout.place("Ven/SCM/Inventory/Deployed/p/ops/Deactive");
        assert_eq!(place, Place::Operation { area: Area::Deployed, x: x(), operation });
        assert_eq!(layout.place("Ven/SCM/Inventory/Deployed/p/ops/Install"), Place::Strange);
        assert_eq!(layout.place("Vendor/Text"), Place::Outside);
    }
}
