//! The SCOMO object of a device: its nodes, who may write them, and the states it keeps (SCOMO sheet 1 to 3).

mod execute;
mod objects;
mod place;

use std::sync::Arc;

pub use execute::{Received, Work};
pub(super) use execute::{Report, ReportItem, Verdict};
pub(super) use objects::Objects;
pub(super) use place::{Layout, Place};

use super::{
    operation::{Area, Operation},
    profile::{Children, ComponentName, Profile, Scomo},
    tree::{Held, Node, Refusal, Tree},
};

/// A write that a server may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// A new node.
    Add,
    /// A new value.
    Replace,
    /// A node and all below it goes.
    Delete,
}

/// The object, without its tree.
#[derive(Debug)]
pub(super) struct Object {
    profile: Arc<Profile>,
    /// Which of the profile's objects it is.
    at: usize,
    layout: Layout,
}

impl Object {
    /// Builds the profile's object number `at` into the tree.
    fn build(profile: &Arc<Profile>, at: usize, scomo: &Scomo, tree: &mut Tree) -> Self {
        let layout = Layout::new(scomo);
        let object = Self { profile: Arc::clone(profile), at, layout };
        tree.put(object.layout.root(), Node::interior(&scomo.r#type));
        for area in [Area::Download, Area::Delivered, Area::Deployed] {
            tree.put(object.layout.area(area), Node::interior(""));
        }
        for (path, text) in &scomo.extra {
            let path = path.strip_prefix("./").unwrap_or(path);
            tree.put(&format!("{}/{path}", object.layout.root()), Node::chr(text.as_str()));
        }
        for name in &scomo.fixed {
            tree.put(&object.layout.entry(Area::Download, name), Node::interior(""));
            object.furnish(tree, Area::Download, name);
        }
        for package in &scomo.package {
            let held = Some(Held::of(package.content.as_bytes()));
            let name = object.free_name(tree, Area::Delivered, &package.id);
            object.deliver(tree, &name, &package.id, "application/octet-stream", held, package.installed);
        }
        for component in &scomo.component {
            let name = ComponentName { id: component.id.clone(), version: component.version.clone(), fails: None };
            object.deploy(tree, &name, &component.pkg, component.active);
        }
        object
    }

    /// What the profile says of it.
    fn scomo(&self) -> &Scomo {
        self.profile.objects().nth(self.at).unwrap_or(&self.profile.scomo)
    }

    /// The object's names.
    pub(super) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether a server may do this to this node.
    ///
    /// # Errors
    /// 405 for what the device keeps for itself, 403 for an entry at work.
    fn permits(&self, tree: &Tree, verb: Verb, path: &str) -> Result<(), Refusal> {
        let allowed = match self.layout.place(path) {
            Place::Outside | Place::Fixed | Place::Strange => false,
            Place::Entry { area, x } => return self.permits_entry(tree, verb, area, &x),
            Place::Leaf { leaf, .. } if self.lacks(&leaf) => false,
            Place::Leaf { area, leaf, .. } => {
                permits_leaf(verb, area, &leaf) || verb == Verb::Replace && self.adds(area, &leaf)
            }
            Place::Operations { area, .. } | Place::Operation { area, .. } => {
                verb == Verb::Add && area != Area::Deployed && self.scomo().children == Children::Server
            }
        };
        if allowed { Ok(()) } else { Err(405) }
    }

    /// What the device does of itself when a node was added or replaced.
    fn written(&self, tree: &mut Tree, verb: Verb, path: &str) {
        match self.layout.place(path) {
            Place::Entry { area, x } if verb == Verb::Add => self.furnish(tree, area, &x),
            Place::Leaf { area: Area::Delivered, x, leaf } if leaf == "Data" => {
                let entry = self.layout.entry(Area::Delivered, &x);
                self.state(tree, &entry, 10);
                self.status(tree, &entry, 10);
            }
            Place::Outside
            | Place::Fixed
            | Place::Strange
            | Place::Entry { .. }
            | Place::Leaf { .. }
            | Place::Operations { .. }
            | Place::Operation { .. } => {}
        }
    }

    /// Whether the node is where a package's bytes go.
    fn is_data(&self, path: &str) -> bool {
        matches!(self.layout.place(path), Place::Leaf { area: Area::Delivered, leaf, .. } if leaf == "Data")
    }

    /// Whether the server must not see the node, because the device does not have it.
    fn hides(&self, path: &str) -> bool {
        matches!(self.layout.place(path), Place::Leaf { leaf, .. } if self.lacks(&leaf))
    }

    fn lacks(&self, leaf: &str) -> bool {
        self.scomo().without.iter().any(|missing| missing == leaf)
    }

    /// Whether the leaf is one of the device's own additions.
    fn adds(&self, area: Area, leaf: &str) -> bool {
        self.scomo().entry_extra.get(&area).is_some_and(|leaves| leaves.contains_key(leaf))
    }

    fn permits_entry(&self, tree: &Tree, verb: Verb, area: Area, x: &str) -> Result<(), Refusal> {
        let fixed = area == Area::Download && !self.scomo().fixed.is_empty();
        match verb {
            Verb::Delete if self.is_busy(tree, area, x) => Err(403),
            Verb::Add | Verb::Delete if area != Area::Deployed && !fixed => Ok(()),
            Verb::Add | Verb::Delete | Verb::Replace => Err(405),
        }
    }

    /// Whether an operation runs on the entry (SCOMO sheet 3.2 to 3.4).
    fn is_busy(&self, tree: &Tree, area: Area, x: &str) -> bool {
        let status = tree.text(&self.leaf(&self.layout.entry(area, x), "Status"));
        let busy: &[&str] = match area {
            Area::Download => &["30", "50"],
            Area::Delivered => &["30", "40"],
            Area::Deployed => &["30", "50", "70"],
        };
        busy.contains(&status)
    }

    /// The nodes that the device makes with a new entry.
    fn furnish(&self, tree: &mut Tree, area: Area, x: &str) {
        let entry = self.layout.entry(area, x);
        self.status(tree, &entry, 10);
        self.embellish(tree, area, &entry);
        let fixed = area == Area::Download && self.scomo().fixed.iter().any(|name| name == x);
        if self.scomo().children == Children::Server && !fixed {
            return;
        }
        tree.set(&self.leaf(&entry, "PkgID"), "chr", "");
        match area {
            Area::Download => tree.set(&self.leaf(&entry, "PkgURL"), "chr", ""),
            Area::Delivered => tree.put(&self.leaf(&entry, "Data"), Node::held("application/octet-stream", None)),
            Area::Deployed => {}
        }
        self.offer(tree, area, &entry);
    }

    /// Makes the leaves of an entry that only this device has (SCOMO sheet 1.3).
    fn embellish(&self, tree: &mut Tree, area: Area, entry: &str) {
        for (leaf, text) in self.scomo().entry_extra.get(&area).into_iter().flatten() {
            tree.set(&self.leaf(entry, leaf), "chr", text.as_str());
        }
    }

    /// Makes the operation nodes of an entry.
    fn offer(&self, tree: &mut Tree, area: Area, entry: &str) {
        let format = &self.scomo().operation_format;
        let node = if format == "node" { Node::interior("") } else { Node::leaf(format, "") };
        let operations = self.leaf(entry, "Operations");
        tree.put(&operations, Node::interior(""));
        for operation in self.scomo().operations.iter().filter(|o| o.area() == area) {
            tree.put(&format!("{operations}/{}", self.layout.operation(*operation)), node.clone());
        }
    }

    /// Puts a package among the delivered.
    fn deliver(&self, tree: &mut Tree, x: &str, pkg_id: &str, mime: &str, held: Option<Held>, installed: bool) {
        let entry = self.layout.entry(Area::Delivered, x);
        tree.put(&entry, Node::interior(""));
        tree.set(&self.leaf(&entry, "PkgID"), "chr", pkg_id);
        tree.set(&self.leaf(&entry, "PkgType"), "chr", mime);
        tree.put(&self.leaf(&entry, "Data"), Node::held(mime, held));
        self.state(tree, &entry, if installed { 20 } else { 10 });
        self.status(tree, &entry, 10);
        self.embellish(tree, Area::Delivered, &entry);
        self.offer(tree, Area::Delivered, &entry);
    }

    /// Puts a component among the deployed, in the place of the one with the same ID; gives its path.
    fn deploy(&self, tree: &mut Tree, component: &ComponentName, pkg_id: &str, active: bool) -> String {
        let area = self.layout.area(Area::Deployed);
        let same = |x: &String| tree.text(&self.leaf(&format!("{area}/{x}"), "ID")) == component.id;
        let known = tree.children(area).into_iter().find(same);
        let x = known.unwrap_or_else(|| self.free_name(tree, Area::Deployed, &component.id));
        let entry = self.layout.entry(Area::Deployed, &x);
        tree.put(&entry, Node::interior(""));
        for (leaf, text) in [("ID", &component.id), ("Name", &component.id), ("Version", &component.version)] {
            tree.set(&self.leaf(&entry, leaf), "chr", text);
        }
        tree.set(&self.leaf(&entry, "PkgIDRef"), "chr", pkg_id);
        self.state(tree, &entry, if active { 20 } else { 10 });
        self.status(tree, &entry, 10);
        self.embellish(tree, Area::Deployed, &entry);
        self.offer(tree, Area::Deployed, &entry);
        entry
    }

    /// What a package consists of.
    fn contents(&self, pkg_id: &str) -> Vec<ComponentName> {
        if let Some(installer) = self.scomo().installer.get(pkg_id) {
            return installer.components.clone();
        }
        let (id, version) = pkg_id.rsplit_once('@').or_else(|| pkg_id.rsplit_once('-')).unwrap_or((pkg_id, ""));
        vec![ComponentName { id: id.to_owned(), version: version.to_owned(), fails: None }]
    }

    /// A node name made of an identifier: its last characters that fit, without those that a URI gives a meaning.
    fn free_name(&self, tree: &Tree, area: Area, id: &str) -> String {
        let most = self.profile.devdetail.max_seg_len;
        let most = if most == 0 { 31 } else { most };
        let clean = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name: Vec<char> = id.chars().map(clean).collect();
        let base: String = name.get(name.len().saturating_sub(most)..).unwrap_or(&name).iter().collect();
        let base = base.trim_matches('.').to_owned();
        let taken = tree.children(self.layout.area(area));
        let numbered = |n: usize| {
            let tail = n.to_string();
            format!("{}{tail}", base.chars().take(most.saturating_sub(tail.len())).collect::<String>())
        };
        let mut names = std::iter::once(base.clone()).chain((2_usize..).map(numbered));
        names.find(|name| !name.is_empty() && !taken.contains(name)).unwrap_or(base)
    }

    fn leaf(&self, entry: &str, leaf: &str) -> String {
        self.layout.leaf(entry, leaf)
    }

    fn status(&self, tree: &mut Tree, entry: &str, value: u16) {
        tree.set(&self.leaf(entry, "Status"), &self.scomo().state_format, value.to_string());
    }

    fn state(&self, tree: &mut Tree, entry: &str, value: u16) {
        tree.set(&self.leaf(entry, "State"), &self.scomo().state_format, value.to_string());
    }

    fn offers(&self, operation: Operation) -> bool {
        self.scomo().operations.contains(&operation)
    }
}

/// The leaves that a server may write (SCOMO sheet 1.2).
fn permits_leaf(verb: Verb, area: Area, leaf: &str) -> bool {
    let (mandatory, optional): (&[&str], &[&str]) = match area {
        Area::Download => (&["PkgID", "PkgURL"], &["Name", "InstallParams", "Description", "EnvType", "PkgType"]),
        Area::Delivered => (&["PkgID"], &["Data", "Name", "InstallParams", "Description", "EnvType", "PkgType"]),
        Area::Deployed => (&[], &["Name", "Description", "Version"]),
    };
    match verb {
        Verb::Add | Verb::Replace => mandatory.contains(&leaf) || optional.contains(&leaf),
        Verb::Delete => optional.contains(&leaf) && area != Area::Deployed,
    }
}
