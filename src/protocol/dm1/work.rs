//! Intents as DM 1.x says them: one [`Work`] an ask.
//!
//! A work has a queue of things to [`Say`], each of which becomes one command; what comes back makes the plan queue more, until it
//! knows how the intent ended.

mod bytes;
mod discover;
mod group;
mod prompt;
mod put;
mod read;
mod single;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use self::{bytes::Bytes, discover::Discover, group::Group, put::Put, read::Read, single::Single};
use super::{
    Quirks,
    ledger::{Found, Reply},
    text,
};
use crate::{
    model::tree::{Ask, AskId, Intent, Outcome, Payload, PutHow},
    wire::syncml::{Command, Get, Item, Location},
};

pub(super) use self::bytes::Cut;

/// Something to say to the device; one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Say {
    /// Get this URI, with its `?prop=` or `?list=`.
    Get(String),
    /// Write the node of that number, with Add or with Replace.
    Write { node: usize, add: bool },
    /// The command that is the whole intent; the plan knows which.
    Act,
    /// A member of the group that [`Say::Act`] said: never said by itself. `uri` is that of a Get.
    Member { number: usize, uri: String },
    /// The next piece of a payload.
    Chunk,
}

impl Say {
    /// The URI of a Get; empty for all else.
    pub(super) fn uri(&self) -> &str {
        match self {
            Self::Get(uri) | Self::Member { uri, .. } => uri,
            Self::Write { .. } | Self::Act | Self::Chunk => "",
        }
    }
}

/// An ask on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) ask: AskId,
    plan: Plan,
    pub(super) todo: VecDeque<Say>,
    /// Whether something of it was sent.
    pub(super) begun: bool,
    pub(super) end: Option<Outcome>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Plan {
    Discover(Discover),
    Read(Read),
    Put(Put),
    Bytes(Bytes),
    Single(Single),
    Group(Group),
}

/// What works may share a message: those whose commands may run in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    Readers,
    Writers,
    Nobody,
}

impl Work {
    /// Plans an ask.
    ///
    /// # Errors
    /// The outcome of what this dialogue cannot do: a group with a member that is not one command, or that has no place in it.
    pub(super) fn plan(ask: Ask) -> Result<Self, (AskId, Outcome)> {
        let unsupported = || (ask.id, Outcome::Unsupported { code: None });
        let act = |single| (Plan::Single(single), vec![Say::Act]);
        let (plan, todo) = match ask.intent {
            Intent::Discover { kind, hints } => {
                let (plan, todo) = Discover::start(kind, hints);
                (Plan::Discover(plan), todo)
            }
            Intent::ReadSubtree { at } => {
                let (plan, todo) = Read::start(&at);
                (Plan::Read(plan), todo)
            }
            Intent::PutSubtree { at, content } => {
                let (plan, todo) = Put::subtree(&at, content);
                (Plan::Put(plan), todo)
            }
            Intent::PutLeaf { at, leaf, how: PutHow::Either } => {
                let (plan, todo) = Put::leaf(&at, leaf);
                (Plan::Put(plan), todo)
            }
            Intent::PutLeaf { at, leaf, how: PutHow::Add } => act(Single::Add(at.to_string(), leaf)),
            Intent::PutLeaf { at, leaf, how: PutHow::Replace } => act(Single::Replace(at.to_string(), leaf)),
            Intent::MakeNode { at } => act(Single::Make(at.to_string())),
            Intent::PutBytes { at, payload } => (Plan::Bytes(Bytes::start(&at, payload)), vec![Say::Chunk]),
            Intent::Copy { from, to } => act(Single::copy(&from, &to)),
            Intent::Delete { at } => act(Single::delete(&at)),
            Intent::Exec { at, correlator } => act(Single::exec(&at, correlator)),
            Intent::Prompt(prompt) => act(Single::Prompt(prompt)),
            Intent::Guarded { ask, then } => {
                (Plan::Group(Group::guarded(ask, *then).ok_or_else(unsupported)?), vec![Say::Act])
            }
            Intent::Group { atomic, members } => {
                (Plan::Group(Group::of(atomic, members).ok_or_else(unsupported)?), vec![Say::Act])
            }
        };
        Ok(Self { ask: ask.id, plan, todo: todo.into(), begun: false, end: None })
    }

    /// Whether this work may be told in one message with `earlier`, before that is answered.
    pub(super) fn joins(&self, earlier: &Self) -> bool {
        match (self.company(), earlier.company()) {
            (Company::Readers, Company::Readers) => true,
            (Company::Writers, Company::Writers) => {
                let (one, other) = (self.top(), earlier.top());
                text::below(one, other).is_none() && text::below(other, one).is_none()
            }
            (Company::Readers | Company::Writers | Company::Nobody, _) => false,
        }
    }

    /// The payload that this work sends.
    pub(super) fn payload(&self) -> Option<&Payload> {
        match &self.plan {
            Plan::Bytes(bytes) => Some(bytes.payload()),
            Plan::Discover(_) | Plan::Read(_) | Plan::Put(_) | Plan::Single(_) | Plan::Group(_) => None,
        }
    }

    /// The command for `say`; for a piece of a payload as large a one as fits into `room` bytes, and where it was cut. Nothing if
    /// the room is too small for any.
    pub(super) fn command(
        &mut self,
        say: &Say,
        cmd_id: String,
        room: u64,
        quirks: &Quirks,
    ) -> Option<(Command, Option<Cut>)> {
        let command = match (&mut self.plan, say) {
            (Plan::Bytes(bytes), Say::Chunk) => {
                return bytes.command(cmd_id, room, quirks).map(|(command, cut)| (command, Some(cut)));
            }
            (Plan::Put(put), Say::Write { node, add }) => put.command(cmd_id, *node, *add)?,
            (Plan::Single(single), Say::Act) => single.command(cmd_id),
            (Plan::Group(group), Say::Act) => group.command(cmd_id)?,
            (Plan::Discover(_) | Plan::Read(_), Say::Get(uri)) => {
                Command::Get(Get { cmd_id, items: vec![Item::target(uri.as_str())], ..Get::default() })
            }
            (
                Plan::Discover(_) | Plan::Read(_) | Plan::Put(_) | Plan::Bytes(_) | Plan::Single(_) | Plan::Group(_),
                _,
            ) => return None,
        };
        Some((command, None))
    }

    /// Takes the answer to what was said. `lists` tells whether the device knows `?list=`, and learns it.
    pub(super) fn heard(&mut self, say: &Say, reply: Reply, quirks: &Quirks, lists: &mut bool) {
        if self.end.is_some() {
            return;
        }
        let todo = &mut self.todo;
        self.end = match (reply.code(), &mut self.plan) {
            (_, Plan::Group(group)) => {
                let member = if let Say::Member { number, .. } = say { Some(*number) } else { None };
                group.heard(member, reply);
                None
            }
            (None, _) => Some(Outcome::Unknown),
            (Some(code), Plan::Discover(discover)) => {
                discover.heard(say, code, reply.found, todo);
                None
            }
            (Some(code), Plan::Read(read)) => read.heard(say, code, reply.found, todo, lists),
            (Some(code), Plan::Put(put)) => put.heard(say, code, todo),
            (Some(code), Plan::Bytes(bytes)) => bytes.heard(code, quirks, todo),
            (Some(_), Plan::Single(single)) => Some(single.heard(reply)),
        };
    }

    /// Draws the conclusion when all that was said is answered and nothing is left to say.
    pub(super) fn conclude(&mut self) {
        if self.end.is_some() || !self.todo.is_empty() {
            return;
        }
        self.end = Some(match &mut self.plan {
            Plan::Discover(discover) => discover.conclude(),
            Plan::Read(read) => read.conclude(),
            Plan::Put(put) => put.conclude(),
            Plan::Group(group) => group.conclude(),
            Plan::Bytes(_) | Plan::Single(_) => Outcome::Unknown,
        });
    }

    /// Settles before it begins what the session has learned.
    pub(super) fn prepare(&mut self, lists: bool) {
        if let Plan::Read(read) = &self.plan
            && !self.begun
            && !lists
        {
            self.todo = read.node_by_node();
        }
    }

    fn company(&self) -> Company {
        match &self.plan {
            Plan::Discover(_) | Plan::Read(_) => Company::Readers,
            Plan::Put(_) => Company::Writers,
            Plan::Single(single) if single.is_write() => Company::Writers,
            // Nothing else is in the message while a user is asked or an operation runs.
            Plan::Bytes(_) | Plan::Single(_) | Plan::Group(_) => Company::Nobody,
        }
    }

    fn top(&self) -> &str {
        match &self.plan {
            Plan::Put(put) => put.top(),
            Plan::Single(single) => single.uri(),
            Plan::Read(read) => read.top(),
            Plan::Discover(_) | Plan::Bytes(_) | Plan::Group(_) => ".",
        }
    }
}

/// Whether a status code is a success.
const fn good(code: u16) -> bool {
    matches!(code, 200..=299)
}

/// An item with a target.
fn at(uri: &str) -> Item {
    Item { target: Some(Location::new(uri)), ..Item::default() }
}
