//! Reading a subtree: at once where the device can, else level by level (DM 1.x sheet 6.2).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Found, Say, good};
use crate::{
    model::tree::{Branch, Leaf, Node, Outcome},
    protocol::dm1::text,
};

/// `?list=StructData` of the top first; a device that refuses that is asked for every node, those of a level together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::protocol::dm1) struct Read {
    top: String,
    /// What was found, by path below the top; interior nodes have no leaf.
    seen: Vec<(String, Option<Leaf>)>,
    /// Nodes seen or about to be asked for.
    count: usize,
}

impl Read {
    const LIST: &str = "?list=StructData";
    const MOST_NODES: usize = 5000;
    const MOST_DEPTH: usize = 16;

    pub(super) fn start(at: &Node) -> (Self, Vec<Say>) {
        let top = at.to_string();
        let list = Say::Get(format!("{top}{}", Self::LIST));
        (Self { top, seen: Vec::new(), count: 0 }, vec![list])
    }

    pub(super) fn node_by_node(&self) -> VecDeque<Say> {
        [Say::Get(self.top.clone())].into()
    }

    pub(super) fn top(&self) -> &str {
        &self.top
    }

    pub(super) fn heard(
        &mut self,
        say: &Say,
        code: u16,
        found: Vec<Found>,
        todo: &mut VecDeque<Say>,
        lists: &mut bool,
    ) -> Option<Outcome> {
        let uri = say.uri();
        if uri.ends_with(Self::LIST) {
            return self.heard_list(code, found, todo, lists);
        }
        let path = text::below(&self.top, uri).unwrap_or_default().to_owned();
        if good(code) {
            return self.heard_node(path, found, todo);
        }
        match code {
            404 | 410 if path.is_empty() => Some(Outcome::Missing),
            405 | 406 | 501 if path.is_empty() => Some(Outcome::Unsupported { code: Some(code) }),
            _ if path.is_empty() => Some(Outcome::Refused { code }),
            404 | 410 => None,
            // The parent lists it, so it is there, though nobody may read it: operation nodes are like that.
            _ => {
                self.seen.push((path, Some(Leaf::null())));
                None
            }
        }
    }

    pub(super) fn conclude(&mut self) -> Outcome {
        let mut root = Branch::Interior(Vec::new());
        for (path, leaf) in std::mem::take(&mut self.seen) {
            place(&mut root, &path, leaf);
        }
        Outcome::Read(root)
    }

    fn heard_list(
        &mut self,
        code: u16,
        found: Vec<Found>,
        todo: &mut VecDeque<Say>,
        lists: &mut bool,
    ) -> Option<Outcome> {
        // A device that overlooks the query answers as to a plain Get: one interior node with a child list.
        let plain = matches!(found.as_slice(), [one] if one.is_interior() && !one.children().is_empty());
        if good(code) && plain {
            *lists = false;
            return self.heard_node(String::new(), found, todo);
        }
        if !good(code) || found.is_empty() {
            *lists &= !matches!(code, 400 | 405 | 406 | 414 | 500 | 501);
            todo.extend(self.node_by_node());
            return None;
        }
        for item in found {
            let path = item.uri.as_deref().and_then(|u| text::below(&self.top, text::without_query(u)));
            let Some(path) = path.map(str::to_owned) else { continue };
            if let Some(end) = self.grow(1, &path) {
                return Some(end);
            }
            let leaf = if item.is_interior() { None } else { Some(item.leaf()) };
            self.seen.push((path, leaf));
        }
        None
    }

    fn heard_node(&mut self, path: String, found: Vec<Found>, todo: &mut VecDeque<Say>) -> Option<Outcome> {
        let Some(node) = found.into_iter().next() else {
            self.seen.push((path, Some(Leaf::null())));
            return None;
        };
        if !node.is_interior() {
            self.seen.push((path, Some(node.leaf())));
            return None;
        }
        let children = node.children();
        let end = self.grow(children.len(), &format!("{path}/x"));
        let base = if path.is_empty() { self.top.clone() } else { format!("{}/{path}", self.top) };
        todo.extend(children.into_iter().map(|name| Say::Get(format!("{base}/{name}"))));
        self.seen.push((path, None));
        end
    }

    /// Counts nodes; an end if the tree is larger or deeper than is read.
    fn grow(&mut self, more: usize, path: &str) -> Option<Outcome> {
        self.count = self.count.saturating_add(more);
        let depth = path.split('/').count();
        (self.count > Self::MOST_NODES || depth > Self::MOST_DEPTH).then_some(Outcome::Refused { code: 413 })
    }
}

/// Puts a node into the tree, whatever the order in which nodes come.
fn place(here: &mut Branch, path: &str, leaf: Option<Leaf>) {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() {
        if let Some(leaf) = leaf {
            *here = Branch::Leaf(leaf);
        }
        return;
    }
    if let Branch::Leaf(_) = here {
        *here = Branch::Interior(Vec::new());
    }
    let Branch::Interior(children) = here else { return };
    let at = children.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
        children.push((name.to_owned(), Branch::Interior(Vec::new())));
        children.len().saturating_sub(1)
    });
    if let Some((_, child)) = children.get_mut(at) {
        place(child, rest, leaf);
    }
}
