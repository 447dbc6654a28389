//! Writing nodes one by one, with the fall-backs between Add and Replace (DM 1.x sheet 1.7).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Say, at, good};
use crate::{
    model::tree::{Branch, Format, Leaf, Node, Outcome},
    wire::syncml::{Command, Data, Item, Meta, Write},
};

/// A subtree is added parents first, what exists is replaced, and what is missing above it is made. A single leaf is replaced, and
/// added if it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::protocol::dm1) struct Put {
    top: String,
    nodes: Vec<Entry>,
    skipped: Vec<(String, u16)>,
    /// How many names of `top` lie below the object's root: so far up may nodes be made.
    depth: usize,
    /// Some leaf was written.
    written: bool,
    /// The device makes no such node at the top: if it takes leaves below, it had one.
    kept: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Below the top.
    path: String,
    /// So many nodes above the top.
    up: usize,
    /// Absent for an interior node.
    leaf: Option<Leaf>,
    /// How often it was tried again.
    again: u8,
}

impl Put {
    /// How often a node is tried again, each time in another way.
    const TRIES: u8 = 2;

    pub(super) fn subtree(top: &Node, content: Branch) -> (Self, Vec<Say>) {
        let mut nodes = Vec::new();
        flatten(String::new(), content, &mut nodes);
        let todo = (0..nodes.len()).map(|node| Say::Write { node, add: true }).collect();
        (Self::new(top, nodes), todo)
    }

    pub(super) fn leaf(at: &Node, leaf: Leaf) -> (Self, Vec<Say>) {
        (Self::new(at, vec![Entry::new(String::new(), Some(leaf))]), vec![Say::Write { node: 0, add: false }])
    }

    fn new(top: &Node, nodes: Vec<Entry>) -> Self {
        let depth = top.path.split('/').filter(|name| !name.is_empty()).count();
        Self { top: top.to_string(), nodes, skipped: Vec::new(), depth, written: false, kept: false }
    }

    pub(super) fn top(&self) -> &str {
        &self.top
    }

    pub(super) fn command(&self, cmd_id: String, node: usize, add: bool) -> Option<Command> {
        let entry = self.nodes.get(node)?;
        let above =
            (0..entry.up).fold(self.top.as_str(), |uri, _| uri.rsplit_once('/').map_or(uri, |(above, _)| above));
        let uri = if entry.path.is_empty() { above.to_owned() } else { format!("{above}/{}", entry.path) };
        let write = Write { cmd_id, meta: Meta::default(), items: vec![item(&uri, entry.leaf.as_ref())] };
        Some(if add { Command::Add(write) } else { Command::Replace(write) })
    }

    pub(super) fn heard(&mut self, say: &Say, code: u16, todo: &mut VecDeque<Say>) -> Option<Outcome> {
        let Say::Write { node, add } = *say else { return None };
        let (depth, kept) = (self.depth, self.kept);
        let entry = self.nodes.get_mut(node)?;
        // An interior node that exists is what is wanted.
        if good(code) || (code == 418 && entry.leaf.is_none()) {
            self.written |= entry.leaf.is_some();
            return None;
        }
        let top = entry.path.is_empty();
        let way = match (code, add) {
            (418, true) => Some(false),
            // What the device makes itself it may let be replaced and not added (SCOMO sheet 1.4).
            (405, true) if !top && entry.has_value() => Some(false),
            // The leaf is not there; or its parent was not yet, when the device ran the commands in another order.
            (404, false) if top => Some(true),
            (404, true) if !top && !kept => Some(true),
            _ => None,
        };
        if let Some(add) = way.filter(|_| entry.again < Self::TRIES) {
            entry.again = entry.again.saturating_add(1);
            todo.push_back(Say::Write { node, add });
            return None;
        }
        if top {
            return self.heard_top(node, add, code, depth, todo);
        }
        if matches!(code, 413 | 420) {
            return Some(Outcome::Refused { code });
        }
        self.skipped.push((entry.path.clone(), code));
        None
    }

    /// The top, or a node above it, was not written.
    fn heard_top(
        &mut self,
        node: usize,
        add: bool,
        code: u16,
        depth: usize,
        todo: &mut VecDeque<Say>,
    ) -> Option<Outcome> {
        let entry = self.nodes.get_mut(node)?;
        match (code, entry.leaf.is_some()) {
            // The node above is not there, and this device makes none of its own accord.
            (404, false) if add && entry.again < Self::TRIES && entry.up.saturating_add(1) < depth => {
                entry.again = entry.again.saturating_add(1);
                let above = Entry { up: entry.up.saturating_add(1), ..Entry::new(String::new(), None) };
                todo.push_back(Say::Write { node: self.nodes.len(), add: true });
                todo.push_back(Say::Write { node, add: true });
                self.nodes.push(above);
                None
            }
            (405, false) => {
                self.kept = true;
                None
            }
            _ => Some(Outcome::Refused { code }),
        }
    }

    pub(super) fn conclude(&mut self) -> Outcome {
        if self.kept && !self.written {
            return Outcome::Refused { code: 405 };
        }
        Outcome::Written { skipped: std::mem::take(&mut self.skipped) }
    }
}

impl Entry {
    const fn new(path: String, leaf: Option<Leaf>) -> Self {
        Self { path, up: 0, leaf, again: 0 }
    }

    fn has_value(&self) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| leaf.format != Format::Null)
    }
}

/// The item that writes a leaf, or an interior node where there is none.
pub(super) fn item(uri: &str, leaf: Option<&Leaf>) -> Item {
    let (meta, data) = match leaf {
        None => (Meta::format("node"), None),
        Some(leaf) if leaf.format == Format::Null => (Meta::format("null"), None),
        Some(leaf) => {
            let mime = leaf.mime.as_deref().unwrap_or("text/plain");
            (Meta::typed(format_name(leaf.format), mime), Some(Data::Text(leaf.text.clone())))
        }
    };
    Item { meta, data, ..at(uri) }
}

fn flatten(path: String, content: Branch, nodes: &mut Vec<Entry>) {
    match content {
        Branch::Leaf(leaf) => nodes.push(Entry::new(path, Some(leaf))),
        Branch::Interior(children) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let children: Vec<_> = children.into_iter().map(|(name, child)| (below(&name), child)).collect();
            nodes.push(Entry::new(path, None));
            for (path, child) in children {
                flatten(path, child, nodes);
            }
        }
    }
}

/// The name of a format on the wire; bytes over XML must say b64 (DM 1.x sheet 6.4).
const fn format_name(format: Format) -> &'static str {
    match format {
        Format::Chr => "chr",
        Format::Int => "int",
        Format::Bool => "bool",
        Format::Bin => "b64",
        Format::Xml => "xml",
        Format::Date => "date",
        Format::Time => "time",
        Format::Float => "float",
        Format::Null => "null",
    }
}
