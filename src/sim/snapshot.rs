//! A device as an onlooker sees it.

use serde::Serialize;

use super::{device::Device, operation::Area};
use crate::model::digest::Digest;

/// A device at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// DevId.
    pub device: String,
    /// The whole tree, a line a node.
    pub lines: Vec<String>,
    /// `Inventory/Delivered`
    pub delivered: Vec<Delivered>,
    /// `Inventory/Deployed`
    pub components: Vec<Deployed>,
}

/// A delivered package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// The entry's name.
    pub node: String,
    /// `PkgID`
    pub pkg_id: String,
    /// `State`: 10 delivered, 20 installed; nothing while no bytes have come.
    pub state: Option<u16>,
    /// `Status` (SCOMO sheet 3.3).
    pub status: Option<u16>,
    /// SHA-256 of the bytes that the device holds.
    pub sha256: Option<Digest>,
    /// How many bytes.
    pub size: Option<u64>,
}

/// A deployed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployed {
    /// The entry's name.
    pub node: String,
    /// `ID`
    pub id: String,
    /// `Version`
    pub version: String,
    /// Whether `State` is 20.
    pub active: bool,
    /// `PkgIDRef`
    pub pkg_ref: String,
    /// `Status` (SCOMO sheet 3.4).
    pub status: Option<u16>,
}

impl Snapshot {
    pub(super) fn of(device: &Device) -> Self {
        let entries = |area| device.tree.children(device.area(area)).into_iter();
        Self {
            device: device.id().to_owned(),
            lines: device.tree.lines(),
            delivered: entries(Area::Delivered).map(|node| delivered(device, node)).collect(),
            components: entries(Area::Deployed).map(|node| deployed(device, node)).collect(),
        }
    }

    /// The component with this ID.
    #[must_use]
    pub fn component(&self, id: &str) -> Option<&Deployed> {
        self.components.iter().find(|c| c.id == id)
    }

    /// The delivered package with this PkgID.
    #[must_use]
    pub fn package(&self, pkg_id: &str) -> Option<&Delivered> {
        self.delivered.iter().find(|p| p.pkg_id == pkg_id)
    }
}

fn delivered(device: &Device, node: String) -> Delivered {
    let entry = Entry { device, path: device.object.layout().entry(Area::Delivered, &node) };
    let held = device.tree.held(&device.object.layout().leaf(&entry.path, "Data"));
    Delivered {
        node,
        pkg_id: entry.text("PkgID"),
        state: entry.number("State"),
        status: entry.number("Status"),
        sha256: held.map(|h| h.sha256),
        size: held.map(|h| h.size),
    }
}

fn deployed(device: &Device, node: String) -> Deployed {
    let entry = Entry { device, path: device.object.layout().entry(Area::Deployed, &node) };
    Deployed {
        node,
        id: entry.text("ID"),
        version: entry.text("Version"),
        active: entry.number("State") == Some(20),
        pkg_ref: entry.text("PkgIDRef"),
        status: entry.number("Status"),
    }
}

struct Entry<'d> {
    device: &'d Device,
    path: String,
}

impl Entry<'_> {
    fn text(&self, leaf: &str) -> String {
        self.device.tree.text(&self.device.object.layout().leaf(&self.path, leaf)).to_owned()
    }

    fn number(&self, leaf: &str) -> Option<u16> {
        self.text(leaf).parse().ok()
    }
}
