//! Writing nodes one by one, with the fall-backs between Add and Replace (DM 1.x sheet 1.7).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Say, at, good};
use crate::{
    model::tree::{Branch, Format, Leaf, Node, Outcome},
    wire::syncml::{Command, Data, Item, Meta, Write},
};

/// A subtree is added parents first, what exists is replaced. A single leaf is replaced, and added if it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::protocol::dm1) struct Put {
    top: String,
    nodes: Vec<Entry>,
    skipped: Vec<(String, u16)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Below the top.
    path: String,
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
        (Self { top: top.to_string(), nodes, skipped: Vec::new() }, todo)
    }

    pub(super) fn leaf(at: &Node, leaf: Leaf) -> (Self, Vec<Say>) {
        let nodes = vec![Entry { path: String::new(), leaf: Some(leaf), again: 0 }];
        (Self { top: at.to_string(), nodes, skipped: Vec::new() }, vec![Say::Write { node: 0, add: false }])
    }

    pub(super) fn top(&self) -> &str {
        &self.top
    }

    pub(super) fn command(&self, cmd_id: String, node: usize, add: bool) -> Option<Command> {
        let entry = self.nodes.get(node)?;
        let uri = if entry.path.is_empty() { self.top.clone() } else { format!("{}/{}", self.top, entry.path) };
        let write = Write { cmd_id, meta: Meta::default(), items: vec![item(&uri, entry.leaf.as_ref())] };
        Some(if add { Command::Add(write) } else { Command::Replace(write) })
    }

    pub(super) fn heard(&mut self, say: &Say, code: u16, todo: &mut VecDeque<Say>) -> Option<Outcome> {
        let Say::Write { node, add } = *say else { return None };
        let entry = self.nodes.get_mut(node)?;
        // An interior node that exists is what is wanted.
        if good(code) || (code == 418 && entry.leaf.is_none()) {
            return None;
        }
        let top = entry.path.is_empty();
        let way = match (code, add) {
            (418, true) => Some(false),
            // The leaf is not there; or its parent was not yet, when the device ran the commands in another order.
            (404, false) if top => Some(true),
            (404, true) if !top => Some(true),
            _ => None,
        };
        if let Some(add) = way.filter(|_| entry.again < Self::TRIES) {
            entry.again = entry.again.saturating_add(1);
            todo.push_back(Say::Write { node, add });
            return None;
        }
        if top || matches!(code, 413 | 420) {
            return Some(Outcome::Refused { code });
        }
        self.skipped.push((entry.path.clone(), code));
        None
    }

    pub(super) fn conclude(&mut self) -> Outcome {
        Outcome::Written { skipped: std::mem::take(&mut self.skipped) }
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
        Branch::Leaf(leaf) => nodes.push(Entry { path, leaf: Some(leaf), again: 0 }),
        Branch::Interior(children) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let children: Vec<_> = children.into_iter().map(|(name, child)| (below(&name), child)).collect();
            nodes.push(Entry { path, leaf: None, again: 0 });
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
