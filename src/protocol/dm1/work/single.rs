//! Intents that are one command, alone or in a group (DM 1.x sheet 1.7).

use serde::{Deserialize, Serialize};

use super::{at, good, prompt, put};
use crate::{
    model::{
        id::Correlator,
        tree::{Branch, Intent, Leaf, Node, Outcome, Prompt, PutHow},
    },
    protocol::dm1::ledger::{Found, Reply},
    wire::syncml::{Command, Delete, Exec, Get, Item, Location, Write},
};

/// One command, and what its status means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::protocol::dm1) enum Single {
    Delete(String),
    Exec(String, Correlator),
    Copy(String, String),
    /// Add of an interior node.
    Make(String),
    Add(String, Leaf),
    Replace(String, Leaf),
    /// Get of one node; only in a group, elsewhere whole subtrees are read.
    Get(String),
    Prompt(Prompt),
}

impl Single {
    pub(super) fn delete(at: &Node) -> Self {
        Self::Delete(at.to_string())
    }

    pub(super) fn exec(at: &Node, correlator: Correlator) -> Self {
        Self::Exec(at.to_string(), correlator)
    }

    pub(super) fn copy(from: &Node, to: &Node) -> Self {
        Self::Copy(from.to_string(), to.to_string())
    }

    /// The member of a group; nothing for what is no single command. A group has no second try, so a leaf that may or may not be
    /// there is taken to be there.
    pub(super) fn member(intent: Intent) -> Option<Self> {
        Some(match intent {
            Intent::ReadSubtree { at } => Self::Get(at.to_string()),
            Intent::PutLeaf { at, leaf, how: PutHow::Add } => Self::Add(at.to_string(), leaf),
            Intent::PutLeaf { at, leaf, how: PutHow::Replace | PutHow::Either } => Self::Replace(at.to_string(), leaf),
            Intent::MakeNode { at } => Self::Make(at.to_string()),
            Intent::Copy { from, to } => Self::copy(&from, &to),
            Intent::Delete { at } => Self::delete(&at),
            Intent::Exec { at, correlator } => Self::exec(&at, correlator),
            Intent::Prompt(prompt) => Self::Prompt(prompt),
            Intent::Discover { .. }
            | Intent::PutSubtree { .. }
            | Intent::PutBytes { .. }
            | Intent::Guarded { .. }
            | Intent::Group { .. } => return None,
        })
    }

    /// Whether it may stand in an Atomic (DM 1.x sheet 1.7).
    pub(super) const fn is_undoable(&self) -> bool {
        !matches!(self, Self::Get(_) | Self::Exec(..))
    }

    pub(super) const fn is_prompt(&self) -> bool {
        matches!(self, Self::Prompt(_))
    }

    /// Whether it changes the tree below its URI and nothing else.
    pub(super) const fn is_write(&self) -> bool {
        match self {
            Self::Delete(_) | Self::Make(_) | Self::Add(..) | Self::Replace(..) => true,
            Self::Exec(..) | Self::Copy(..) | Self::Get(_) | Self::Prompt(_) => false,
        }
    }

    pub(super) fn uri(&self) -> &str {
        match self {
            Self::Delete(uri)
            | Self::Exec(uri, _)
            | Self::Copy(_, uri)
            | Self::Make(uri)
            | Self::Add(uri, _)
            | Self::Replace(uri, _)
            | Self::Get(uri) => uri,
            Self::Prompt(_) => ".",
        }
    }

    pub(super) fn command(&self, cmd_id: String) -> Command {
        let write = |item| Write { cmd_id: cmd_id.clone(), items: vec![item], ..Write::default() };
        match self {
            Self::Delete(uri) => Command::Delete(Delete { cmd_id, items: vec![at(uri)], ..Delete::default() }),
            Self::Exec(uri, correlator) => {
                let correlator = Some(correlator.as_str().to_owned());
                Command::Exec(Exec { cmd_id, correlator, items: vec![at(uri)], ..Exec::default() })
            }
            Self::Copy(from, to) => Command::Copy(write(Item { source: Some(Location::new(from.as_str())), ..at(to) })),
            Self::Make(uri) => Command::Add(write(put::item(uri, None))),
            Self::Add(uri, leaf) => Command::Add(write(put::item(uri, Some(leaf)))),
            Self::Replace(uri, leaf) => Command::Replace(write(put::item(uri, Some(leaf)))),
            Self::Get(uri) => Command::Get(Get { cmd_id, items: vec![at(uri)], ..Get::default() }),
            Self::Prompt(prompt) => Command::Alert(prompt::alert(prompt, cmd_id)),
        }
    }

    /// What the answer means; no answer leaves it unknown. A device may give the management object's own result as the status of an
    /// Exec (SCOMO sheet 4.2).
    pub(super) fn heard(&self, reply: Reply) -> Outcome {
        let Some(code) = reply.code() else { return Outcome::Unknown };
        match self {
            Self::Prompt(prompt) => prompt::heard(prompt, code, reply.texts),
            Self::Exec(..) if code == 202 => Outcome::Pending,
            Self::Exec(..) if good(code) || code >= 1000 => Outcome::Done { code },
            Self::Delete(_) if matches!(code, 404 | 410 | 211) => Outcome::Missing,
            Self::Delete(_) if good(code) => Outcome::Deleted,
            Self::Get(_) if matches!(code, 404 | 410) => Outcome::Missing,
            Self::Get(_) if good(code) => Outcome::Read(value(reply.found)),
            Self::Copy(..) | Self::Make(_) | Self::Add(..) | Self::Replace(..) if good(code) => {
                Outcome::Written { skipped: Vec::new() }
            }
            // An optional command that this device does not know.
            Self::Copy(..) if matches!(code, 406 | 501) => Outcome::Unsupported { code: Some(code) },
            Self::Delete(_)
            | Self::Exec(..)
            | Self::Copy(..)
            | Self::Make(_)
            | Self::Add(..)
            | Self::Replace(..)
            | Self::Get(_) => Outcome::Refused { code },
        }
    }
}

/// A node that was read by itself: of an interior node only the names of its children are known.
fn value(found: Vec<Found>) -> Branch {
    let Some(node) = found.into_iter().next() else { return Branch::Leaf(Leaf::null()) };
    if node.is_interior() {
        return Branch::interior(node.children().into_iter().map(|name| (name, Branch::Leaf(Leaf::null()))));
    }
    Branch::Leaf(node.leaf())
}
