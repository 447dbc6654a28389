//! A device's inventory as others see it: the event, and what the API gives.

use serde::{Deserialize, Serialize};

use crate::{
    model::{clock::Timestamp, digest::Digest, id::DeviceId},
    scomo::inventory::{
        Inventory,
        change::{Change, Entry},
    },
};

/// What a device's SCOMO objects held at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InventoryView {
    /// When it was read.
    pub read_at: Timestamp,
    /// The same for the same content.
    pub digest: Digest,
    /// The SCOMO objects, as the device calls them.
    pub roots: Vec<String>,
    /// Delivered packages.
    pub packages: Vec<Entry>,
    /// Deployed components.
    pub components: Vec<Entry>,
}

/// Data of `scomo.device.inventory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceInventory {
    /// The device.
    pub device: DeviceId,
    /// What it holds; at most [`DeviceInventory::MOST_ENTRIES`] of a kind.
    #[serde(flatten)]
    pub inventory: InventoryView,
    /// What differs from the last time that it was told; at most [`DeviceInventory::MOST_CHANGES`].
    #[schemars(description = "What differs from the last time that it was told; at most 200.")]
    pub changes: Vec<Change>,
    /// How many entries and changes were left out.
    #[serde(default, skip_serializing_if = "is_none")]
    pub left_out: usize,
}

impl InventoryView {
    /// All of an inventory.
    #[must_use]
    pub fn of(inventory: &Inventory, digest: Digest, read_at: Timestamp) -> Self {
        Self {
            read_at,
            digest,
            roots: inventory.places.iter().map(|place| place.root.name.clone()).collect(),
            packages: inventory.package_entries().collect(),
            components: inventory.component_entries().collect(),
        }
    }
}

impl DeviceInventory {
    /// How many packages and how many components are told at most.
    pub const MOST_ENTRIES: usize = 500;
    /// How many changes are told at most.
    pub const MOST_CHANGES: usize = 200;

    /// Tells an inventory and what has changed since `before`.
    #[must_use]
    pub fn new(device: DeviceId, inventory: InventoryView, changes: Vec<Change>) -> Self {
        let mut told = Self { device, inventory, changes, left_out: 0 };
        let lists = [
            cut(&mut told.inventory.packages, Self::MOST_ENTRIES),
            cut(&mut told.inventory.components, Self::MOST_ENTRIES),
            cut(&mut told.changes, Self::MOST_CHANGES),
        ];
        told.left_out = lists.into_iter().sum();
        told
    }
}

/// Shortens a list, and says by how many.
fn cut<T>(list: &mut Vec<T>, most: usize) -> usize {
    let over = list.len().saturating_sub(most);
    list.truncate(most);
    over
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_none(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::tree::{Branch, Instance, ObjectKind},
        scomo::object::Place,
    };

    #[test]
    fn an_inventory_is_told_within_bounds() {
        let many = (0..600).map(|n| (format!("c{n:03}"), Branch::interior([("Version", Branch::chr("1"))])));
        let tree = Branch::interior([("Deployed", Branch::interior(many))]);
        let place = Place::new(Instance { kind: ObjectKind::Scomo, name: "./SCOMO".to_owned() });
        let inventory = Inventory::from_tree(place, &tree);
        let changes = inventory.changes_since(&Inventory::default());
        let view = InventoryView::of(&inventory, Digest::of(b"x"), Timestamp::default());
        assert_eq!((view.components.len(), view.roots.as_slice()), (600, &["./SCOMO".to_owned()][..]));
        let told = DeviceInventory::new(DeviceId::parse("d").unwrap(), view, changes);
        let counts = (told.inventory.components.len(), told.changes.len(), told.left_out);
        assert_eq!(counts, (500, 200, 100 + 400));
        let json = serde_json::to_value(&told).unwrap();
        assert_eq!((&json["device"], &json["components"][0]["id"]), (&"d".into(), &"c000".into()));
    }
}
