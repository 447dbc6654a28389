//! Writing a payload, in pieces where it does not fit into one message (DM 1.x sheet 4).

use std::{collections::VecDeque, ops::Range};

use serde::{Deserialize, Serialize};

use super::{Say, at, good};
use crate::{
    model::tree::{Node, Outcome, Payload},
    protocol::dm1::{Quirks, SizePlace, SizeUnit, size},
    wire::syncml::{Command, Data, Item, Meta, Write},
};

/// One object on its way. A session that is lost starts it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::protocol::dm1) struct Bytes {
    uri: String,
    payload: Payload,
    /// The leaf exists: Replace instead of Add.
    replace: bool,
    /// The device has everything before this byte.
    from: u64,
    /// Where the piece that is under way ends.
    to: u64,
    /// The unit of Size after a 424; the class's own before.
    unit: Option<SizeUnit>,
}

/// Where a piece was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::protocol::dm1) struct Cut {
    pub(in crate::protocol::dm1) range: Range<u64>,
    /// Whether nothing follows.
    pub(in crate::protocol::dm1) last: bool,
}

impl Bytes {
    /// The smallest piece worth a message, in bytes of payload.
    const LEAST: u64 = 48;

    pub(super) fn start(at: &Node, payload: Payload) -> Self {
        Self { uri: at.to_string(), payload, replace: false, from: 0, to: 0, unit: None }
    }

    pub(super) fn payload(&self) -> &Payload {
        &self.payload
    }

    pub(super) fn command(&mut self, cmd_id: String, room: u64, quirks: &Quirks) -> Option<(Command, Cut)> {
        let left = self.payload.size.saturating_sub(self.from);
        let whole = self.frame(cmd_id.clone(), false, quirks);
        if self.from == 0 && SizeUnit::Encoded.of(left) <= room.saturating_sub(size::of_command(&whole)) {
            return Some(self.cut(whole, left));
        }
        let piece = self.frame(cmd_id.clone(), true, quirks);
        let most = room.checked_sub(size::of_command(&piece))?.div_euclid(4).saturating_mul(3);
        if left <= most {
            let last = self.frame(cmd_id, false, quirks);
            return Some(self.cut(last, left));
        }
        (most >= Self::LEAST).then(|| self.cut(piece, most))
    }

    pub(super) fn heard(&mut self, code: u16, quirks: &Quirks, todo: &mut VecDeque<Say>) -> Option<Outcome> {
        let last = self.to >= self.payload.size;
        match code {
            213 if !last => self.from = self.to,
            418 if !self.replace => {
                self.replace = true;
                self.from = 0;
            }
            424 if self.unit.is_none() => {
                self.unit = Some(quirks.size_unit.other());
                self.from = 0;
            }
            213 => return Some(Outcome::Refused { code }),
            _ if good(code) && last => return Some(Outcome::Written { skipped: Vec::new() }),
            // It took the first piece for the whole: this device knows no large objects.
            _ if good(code) => return Some(Outcome::Unsupported { code: Some(code) }),
            _ => return Some(Outcome::Refused { code }),
        }
        todo.push_back(Say::Chunk);
        None
    }

    fn cut(&mut self, command: Command, length: u64) -> (Command, Cut) {
        self.to = self.from.saturating_add(length).min(self.payload.size);
        (command, Cut { range: self.from..self.to, last: self.to == self.payload.size })
    }

    /// The command without its data. Size stands in the first piece only, and nowhere if there is but one.
    fn frame(&self, cmd_id: String, more: bool, quirks: &Quirks) -> Command {
        let first = more && self.from == 0;
        let unit = self.unit.unwrap_or(quirks.size_unit);
        let meta = Meta {
            size: first.then(|| unit.of(self.payload.size).to_string()),
            ..Meta::typed("b64", &self.payload.mime)
        };
        let (outer, inner) = match quirks.size_place {
            SizePlace::Command => (meta, Meta::default()),
            SizePlace::Item => (Meta::default(), meta),
        };
        let item = Item { meta: inner, data: Some(Data::Text(String::new())), more_data: more, ..at(&self.uri) };
        let write = Write { cmd_id, meta: outer, items: vec![item] };
        if self.replace { Command::Replace(write) } else { Command::Add(write) }
    }
}
