//! The syntax tree of a message (DM 1.x sheet 1.2).

use serde::{Deserialize, Serialize};

use super::meta::{Data, Meta};

/// One `SyncML` document: what a client posts or a server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `SyncHdr`.
    pub header: Header,
    /// `SyncBody`.
    pub body: Body,
}

/// `SyncHdr` (DM 1.x sheet 1.5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Header {
    /// `VerDTD`, e.g. `1.2`; empty if absent.
    pub ver_dtd: String,
    /// `VerProto`, e.g. `DM/1.2`; empty if absent.
    pub ver_proto: String,
    /// `SessionID`, opaque text; empty if absent.
    pub session_id: String,
    /// `MsgID`; text, because it comes from outside and is echoed in `MsgRef`.
    pub msg_id: String,
    /// `Target`.
    pub target: Location,
    /// `Source`.
    pub source: Location,
    /// `RespURI`.
    pub resp_uri: Option<String>,
    /// `Cred`.
    pub cred: Option<Cred>,
    /// `Meta`: `MaxMsgSize` and `MaxObjSize` live here.
    pub meta: Meta,
}

/// `Target` or `Source`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Location {
    /// `LocURI`.
    pub uri: String,
    /// `LocName`.
    pub name: Option<String>,
}

impl Location {
    /// A location without a name.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), name: None }
    }
}

/// `SyncBody`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Body {
    /// The commands, in document order.
    pub commands: Vec<Command>,
    /// Whether `Final` is present: the last message of a package (DM 1.x sheet 2.2).
    pub is_final: bool,
}

/// What `SyncBody`, `Sequence` and `Atomic` hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// `Status`.
    Status(Status),
    /// `Alert`.
    Alert(Alert),
    /// `Results`.
    Results(Results),
    /// `Add`.
    Add(Write),
    /// `Replace`.
    Replace(Write),
    /// `Copy`.
    Copy(Write),
    /// `Delete`.
    Delete(Delete),
    /// `Get`.
    Get(Get),
    /// `Exec`.
    Exec(Exec),
    /// `Sequence`.
    Sequence(Group),
    /// `Atomic`.
    Atomic(Group),
    /// An element that OMA DM does not know or forbids (DM 1.x sheet 1.3): answered by the dialogue, never dropped here.
    Other(Other),
}

impl Command {
    /// The element's name, as `Cmd` of a Status repeats it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Status(_) => "Status",
            Self::Alert(_) => "Alert",
            Self::Results(_) => "Results",
            Self::Add(_) => "Add",
            Self::Replace(_) => "Replace",
            Self::Copy(_) => "Copy",
            Self::Delete(_) => "Delete",
            Self::Get(_) => "Get",
            Self::Exec(_) => "Exec",
            Self::Sequence(_) => "Sequence",
            Self::Atomic(_) => "Atomic",
            Self::Other(other) => &other.name,
        }
    }

    /// `CmdID`; empty if the element has none.
    #[must_use]
    pub fn cmd_id(&self) -> &str {
        match self {
            Self::Status(c) => &c.cmd_id,
            Self::Alert(c) => &c.cmd_id,
            Self::Results(c) => &c.cmd_id,
            Self::Add(c) | Self::Replace(c) | Self::Copy(c) => &c.cmd_id,
            Self::Delete(c) => &c.cmd_id,
            Self::Get(c) => &c.cmd_id,
            Self::Exec(c) => &c.cmd_id,
            Self::Sequence(c) | Self::Atomic(c) => &c.cmd_id,
            Self::Other(c) => &c.cmd_id,
        }
    }
}

/// `Status` (DM 1.x sheet 1.6).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// `CmdID`.
    pub cmd_id: String,
    /// `MsgRef`: the message that is answered; empty if absent.
    pub msg_ref: String,
    /// `CmdRef`: the command that is answered, `0` for the `SyncHdr`; empty if absent, which means `0`.
    pub cmd_ref: String,
    /// `Cmd`: the name of the command that is answered.
    pub cmd: String,
    /// `TargetRef`, none or more.
    pub target_refs: Vec<String>,
    /// `SourceRef`, none or more.
    pub source_refs: Vec<String>,
    /// `Chal`.
    pub chal: Option<Chal>,
    /// `Data`: the status code as text; SCOMO codes such as 1200 occur here too (SCOMO sheet 4.2).
    pub data: String,
    /// `Item`, none or more.
    pub items: Vec<Item>,
}

impl Status {
    /// The code, if `Data` is one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.data.trim().parse().ok()
    }
}

/// `Alert` (DM 1.x sheet 2.4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alert {
    /// `CmdID`.
    pub cmd_id: String,
    /// `Data`: the alert code as text, e.g. `1226`; empty if absent.
    pub data: String,
    /// `Correlator`.
    pub correlator: Option<String>,
    /// `Item`, none or more.
    pub items: Vec<Item>,
}

/// `Results`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Results {
    /// `CmdID`.
    pub cmd_id: String,
    /// `MsgRef`; empty if absent.
    pub msg_ref: String,
    /// `CmdRef`; empty if absent.
    pub cmd_ref: String,
    /// `Meta` for all items.
    pub meta: Meta,
    /// `TargetRef`.
    pub target_ref: Option<String>,
    /// `SourceRef`.
    pub source_ref: Option<String>,
    /// The items.
    pub items: Vec<Item>,
}

/// `Add`, `Replace` or `Copy`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Write {
    /// `CmdID`.
    pub cmd_id: String,
    /// `Meta` for all items.
    pub meta: Meta,
    /// The items.
    pub items: Vec<Item>,
}

/// `Delete`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Delete {
    /// `CmdID`.
    pub cmd_id: String,
    /// `Meta` for all items.
    pub meta: Meta,
    /// The items.
    pub items: Vec<Item>,
}

/// `Get`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Get {
    /// `CmdID`.
    pub cmd_id: String,
    /// `Meta` for all items.
    pub meta: Meta,
    /// The items.
    pub items: Vec<Item>,
}

/// `Exec`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exec {
    /// `CmdID`.
    pub cmd_id: String,
    /// `Meta`.
    pub meta: Meta,
    /// `Correlator`.
    pub correlator: Option<String>,
    /// The items; SyncML wants exactly one.
    pub items: Vec<Item>,
}

/// `Sequence` or `Atomic`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Group {
    /// `CmdID`.
    pub cmd_id: String,
    /// `Meta`.
    pub meta: Meta,
    /// The commands, in order.
    pub commands: Vec<Command>,
}

/// An element that OMA DM does not use in a body.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Other {
    /// The element's local name.
    pub name: String,
    /// `CmdID`; empty if absent.
    pub cmd_id: String,
}

/// `Item`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Item {
    /// `Target`.
    pub target: Option<Location>,
    /// `Source`.
    pub source: Option<Location>,
    /// `Meta`; overrides the command's.
    pub meta: Meta,
    /// `Data`; absent is not the same as empty.
    pub data: Option<Data>,
    /// `MoreData`: a chunk, and not the last (DM 1.x sheet 4).
    pub more_data: bool,
}

impl Item {
    /// An item with a target and nothing else.
    #[must_use]
    pub fn target(uri: impl Into<String>) -> Self {
        Self { target: Some(Location::new(uri)), ..Self::default() }
    }

    /// The item's `Target/LocURI`, or an empty text.
    #[must_use]
    pub fn target_uri(&self) -> &str {
        self.target.as_ref().map_or("", |l| &l.uri)
    }

    /// The item's `Source/LocURI`, or an empty text.
    #[must_use]
    pub fn source_uri(&self) -> &str {
        self.source.as_ref().map_or("", |l| &l.uri)
    }
}

/// `Cred` (DM 1.x sheet 3); only in a `SyncHdr`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cred {
    /// `Meta`: Type names the scheme, Format the encoding.
    pub meta: Meta,
    /// `Data`: the credentials as they stand on the wire.
    pub data: String,
}

impl std::fmt::Debug for Cred {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cred").field("meta", &self.meta).field("data", &"…").finish()
    }
}

/// `Chal` (DM 1.x sheet 3.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Chal {
    /// `Meta`: Type, Format and, for digests, NextNonce.
    pub meta: Meta,
}
