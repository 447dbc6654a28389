//! What was sent and is not yet answered (DM 1.x sheet 1.6, 2.2).
//!
//! No new command is sent while one lacks its answer, so all that is outstanding was sent in one message. Answers may come in
//! several; they count when the device's package is complete.

use serde::{Deserialize, Serialize};

use super::{text, work::Say};
use crate::{
    model::tree::{AskId, Format, Leaf},
    wire::syncml::{Command, Item, Meta, Status},
};

/// The outstanding commands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// The MsgID of ours that carried them.
    msg: u32,
    sent: Vec<Sent>,
    /// Bytes of results held.
    held: usize,
}

/// A command and what came back for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    cmd_id: String,
    cmd: String,
    pub(super) ask: AskId,
    pub(super) say: Say,
    pub(super) reply: Reply,
}

/// What came back for a command.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Reply {
    /// The status code.
    pub(super) code: Option<u16>,
    /// The items of the Results.
    pub(super) found: Vec<Found>,
    /// The texts of the Status's own items: what a user answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) texts: Vec<String>,
}

/// An item of Results.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Found {
    /// Whose value; absent where the device left it out.
    pub(super) uri: Option<String>,
    pub(super) format: Option<String>,
    pub(super) mime: Option<String>,
    pub(super) data: Option<String>,
}

/// A result finds no command, or no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stray {
    /// Nothing that is outstanding.
    Unknown,
    /// More than is kept of one package.
    TooMuch,
}

impl Ledger {
    /// The most that is kept of one package's results, in bytes and items.
    const MOST_BYTES: usize = 1 << 20;
    const MOST_ITEMS: usize = 10_000;
    /// The most that is kept of the items of one Status, in items, and bytes of one.
    const MOST_TEXTS: usize = 64;
    const MOST_TEXT: usize = 2048;

    /// Starts a new page for the message `msg`.
    pub(super) fn turn_page(&mut self, msg: u32) {
        *self = Self { msg, ..Self::default() };
    }

    /// Notes a command that goes out, and the members of a group each by itself.
    pub(super) fn note(&mut self, ask: AskId, say: Say, command: &Command) {
        self.enter(ask, say, command);
        let (Command::Sequence(group) | Command::Atomic(group)) = command else { return };
        for (number, member) in group.commands.iter().enumerate() {
            let get = if let Command::Get(get) = member { get.items.first() } else { None };
            let uri = get.map(|item| item.target_uri().to_owned()).unwrap_or_default();
            self.enter(ask, Say::Member { number, uri }, member);
        }
    }

    fn enter(&mut self, ask: AskId, say: Say, command: &Command) {
        let (cmd_id, cmd) = (command.cmd_id().to_owned(), command.name().to_owned());
        self.sent.push(Sent { cmd_id, cmd, ask, say, reply: Reply::default() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Whether `msg_ref` names the message that carried the commands, as it does when it is absent.
    pub(super) fn is_of(&self, msg_ref: &str) -> bool {
        !self.is_empty() && msg_ref.trim().parse().map_or(true, |m: u32| m == self.msg)
    }

    /// The piece of a payload that is outstanding.
    pub(super) fn chunk(&mut self) -> Option<&mut Sent> {
        self.sent.iter_mut().find(|s| matches!(s.say, Say::Chunk))
    }

    /// Takes the Status for a command. The first one counts. A wrong MsgRef is forgiven where number and name of the command fit
    /// (12.2 no. 5).
    pub(super) fn status(&mut self, status: &Status) -> Result<(), Stray> {
        let (fits, cmd_ref, code) = (self.is_of(&status.msg_ref), status.cmd_ref.trim(), status.code());
        let found = self.sent.iter_mut().find(|s| {
            let named = s.cmd.eq_ignore_ascii_case(status.cmd.trim());
            s.cmd_id == cmd_ref && (named || (fits && status.cmd.is_empty()))
        });
        let sent = found.ok_or(Stray::Unknown)?;
        sent.reply.code = sent.reply.code.or(code);
        if sent.cmd == "Alert" && sent.reply.code == code {
            let room = Self::MOST_TEXTS.saturating_sub(sent.reply.texts.len());
            let texts = status.items.iter().filter_map(|item| text::of_data(item.data.clone()));
            sent.reply.texts.extend(texts.map(|text| text::cut(text, Self::MOST_TEXT)).take(room));
        }
        Ok(())
    }

    /// The position of the Get that Results are for: by its number if the URI does not speak against it, else by the URI.
    pub(super) fn find_get(&self, cmd_ref: &str, uri: Option<&str>) -> Option<usize> {
        let gets = || self.sent.iter().enumerate().filter(|(_, s)| !s.say.uri().is_empty());
        let numbered = || gets().filter(|(_, s)| s.cmd_id == cmd_ref.trim());
        let fitting = numbered().find(|(_, s)| uri.is_none_or(|u| s.holds(u).is_some()));
        let named = || gets().find(|(_, s)| uri.and_then(|u| s.holds(u)).is_some_and(str::is_empty));
        let only = || gets().next().filter(|_| cmd_ref.trim().is_empty() && uri.is_none());
        fitting.or_else(named).or_else(|| numbered().next()).or_else(only).map(|(at, _)| at)
    }

    /// Keeps a result for the command at `at`.
    pub(super) fn result(&mut self, at: usize, found: Found) -> Result<(), Stray> {
        let items: usize = self.sent.iter().map(|s| s.reply.found.len()).sum();
        let bytes = found.data.as_ref().map_or(0, String::len) + found.uri.as_ref().map_or(0, String::len);
        let sent = self.sent.get_mut(at).ok_or(Stray::Unknown)?;
        if items >= Self::MOST_ITEMS || self.held.saturating_add(bytes) > Self::MOST_BYTES {
            sent.reply.code = Some(413);
            return Err(Stray::TooMuch);
        }
        self.held = self.held.saturating_add(bytes);
        sent.reply.found.push(found);
        Ok(())
    }

    /// Empties the page.
    pub(super) fn close(&mut self) -> Vec<Sent> {
        self.held = 0;
        std::mem::take(&mut self.sent)
    }

    /// Takes out what the device refused to run for want of our credentials, in order. A group was run if any of it was, and then
    /// all of it stays; else it is given once, to be said as a whole.
    pub(super) fn unheard(&mut self) -> Vec<Sent> {
        let refused = |s: &Sent| matches!(s.reply.code, None | Some(401 | 407)) && s.reply.found.is_empty();
        let is_member = |s: &Sent| matches!(s.say, Say::Member { .. });
        if self.sent.iter().any(is_member) && !self.sent.iter().all(refused) {
            return Vec::new();
        }
        let (again, kept): (Vec<_>, Vec<_>) = self.close().into_iter().partition(refused);
        self.sent = kept;
        again.into_iter().filter(|s| !is_member(s)).collect()
    }
}

impl Sent {
    /// Where `uri` lies below the node that was asked for.
    fn holds<'a>(&self, uri: &'a str) -> Option<&'a str> {
        text::below(text::without_query(self.say.uri()), text::without_query(uri))
    }
}

impl Reply {
    /// The code; Results without a Status count as success, neither is no answer.
    pub(super) fn code(&self) -> Option<u16> {
        self.code.or(if self.found.is_empty() { None } else { Some(200) })
    }
}

impl Found {
    /// Reads an item; `meta` of the command is inherited (12.2 no. 11).
    pub(super) fn of(item: Item, meta: &Meta, source_ref: Option<&str>) -> Self {
        let named = [item.source_uri(), item.target_uri(), source_ref.unwrap_or_default()];
        let uri = named.into_iter().map(str::trim).find(|u| !u.is_empty()).map(str::to_owned);
        let format = item.meta.format.or_else(|| meta.format.clone());
        let mime = item.meta.r#type.or_else(|| meta.r#type.clone());
        Self { uri, format, mime, data: text::of_data(item.data) }
    }

    /// Whether it is an interior node.
    pub(super) fn is_interior(&self) -> bool {
        self.format.as_deref().is_some_and(|f| f.trim().eq_ignore_ascii_case("node"))
    }

    /// The names in an interior node's child list.
    pub(super) fn children(&self) -> Vec<String> {
        let list = self.data.as_deref().unwrap_or_default();
        list.split('/').map(str::trim).filter(|n| !n.is_empty() && *n != "." && *n != "..").map(str::to_owned).collect()
    }

    /// The leaf's value.
    pub(super) fn leaf(self) -> Leaf {
        let format = match self.format.as_deref().unwrap_or("chr").trim().to_ascii_lowercase().as_str() {
            "int" => Format::Int,
            "bool" => Format::Bool,
            "bin" | "b64" => Format::Bin,
            "xml" => Format::Xml,
            "date" => Format::Date,
            "time" => Format::Time,
            "float" => Format::Float,
            "null" => Format::Null,
            _ => Format::Chr,
        };
        let mime = self.mime.map(|m| m.trim().to_owned()).filter(|m| !m.is_empty() && m != "text/plain");
        Leaf { format, mime, text: self.data.unwrap_or_default() }
    }
}
