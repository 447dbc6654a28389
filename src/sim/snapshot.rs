//! A device as an onlooker sees it.

use serde::Serialize;

use super::{
    device::Device,
    log::{Asked, Posted, Prompt, Ran},
    operation::Area,
    scomo::Layout,
};
use crate::model::digest::Digest;

/// A device at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// DevId.
    pub device: String,
    /// The behaviour that its profile's mix gave it.
    pub behaviour: Option<String>,
    /// Whether it is off.
    pub off: bool,
    /// The whole tree, a line a node.
    pub lines: Vec<String>,
    /// `Inventory/Delivered`
    pub delivered: Vec<Delivered>,
    /// `Inventory/Deployed`
    pub components: Vec<Deployed>,
    /// The last operations that it was told to run, oldest first.
    pub operations: Vec<Ran>,
    /// The last prompts of the server.
    pub prompts: Vec<Prompt>,
    /// The last alerts of its own that report no operation.
    pub asks: Vec<Asked>,
    /// The last status reports to the download server.
    pub posts: Vec<Posted>,
}

/// A delivered package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// The root of its object, a URI.
    pub root: String,
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
    /// The root of its object, a URI.
    pub root: String,
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
        let (operations, prompts, asks, posts) = device.log.all();
        Self {
            device: device.id().to_owned(),
            behaviour: device.profile().behaviour.clone(),
            off: device.is_off(),
            lines: device.tree.lines(),
            delivered: entries(device, Area::Delivered).map(|entry| delivered(&entry)).collect(),
            components: entries(device, Area::Deployed).map(|entry| deployed(&entry)).collect(),
            operations,
            prompts,
            asks,
            posts,
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

/// The entries of a list in all objects.
fn entries(device: &Device, area: Area) -> impl Iterator<Item = Entry<'_>> {
    device.objects.layouts().flat_map(move |layout| {
        let nodes = device.tree.children(layout.area(area)).into_iter();
        nodes.map(move |node| Entry { device, layout, path: layout.entry(area, &node), node })
    })
}

fn delivered(entry: &Entry<'_>) -> Delivered {
    let held = entry.device.tree.held(&entry.layout.leaf(&entry.path, "Data"));
    Delivered {
        root: entry.root(),
        node: entry.node.clone(),
        pkg_id: entry.text("PkgID"),
        state: entry.number("State"),
        status: entry.number("Status"),
        sha256: held.map(|h| h.sha256),
        size: held.map(|h| h.size),
    }
}

fn deployed(entry: &Entry<'_>) -> Deployed {
    Deployed {
        root: entry.root(),
        node: entry.node.clone(),
        id: entry.text("ID"),
        version: entry.text("Version"),
        active: entry.number("State") == Some(20),
        pkg_ref: entry.text("PkgIDRef"),
        status: entry.number("Status"),
    }
}

struct Entry<'d> {
    device: &'d Device,
    layout: &'d Layout,
    path: String,
    node: String,
}

impl Entry<'_> {
    fn root(&self) -> String {
        crate::sim::tree::uri(self.layout.root())
    }

    fn text(&self, leaf: &str) -> String {
        self.device.tree.text(&self.layout.leaf(&self.path, leaf)).to_owned()
    }

    fn number(&self, leaf: &str) -> Option<u16> {
        self.text(leaf).parse().ok()
    }
}
