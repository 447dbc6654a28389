//! The management tree as procedures see it: management objects, nodes, values, and the intents that a job has on them.
//!
//! An [`Intent`] says what is wanted and nothing of how a protocol does it; `docs/design.md` tables each one against OMA DM 1.x
//! and 2.0. Nodes are addressed as (management object, instance, path): DM 1.x makes a `./` path of that, DM 2.0 a `ClientURI`.

mod prompt;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::prompt::{Answer, Prompt, PromptInput, PromptKind, PromptOptions};
use super::{digest::Digest, id::Correlator};

/// The management objects that this service uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// `urn:oma:mo:oma-dm-devinfo`
    DevInfo,
    /// `urn:oma:mo:oma-dm-devdetail`
    DevDetail,
    /// `urn:oma:mo:oma-scomo`
    Scomo,
    /// No object but the device's management tree as a whole, for whoever names nodes by their full path. Its only instance is
    /// [`Instance::tree`], and nothing is found by it.
    Tree,
}

impl ObjectKind {
    /// The object's identifier without its version: the Type property of a root starts with it.
    #[must_use]
    pub const fn urn(self) -> &'static str {
        match self {
            Self::DevInfo => "urn:oma:mo:oma-dm-devinfo",
            Self::DevDetail => "urn:oma:mo:oma-dm-devdetail",
            Self::Scomo => "urn:oma:mo:oma-scomo",
            Self::Tree => "",
        }
    }

    /// Whether a root with this Type property is such an object, of whatever version.
    #[must_use]
    pub fn is(self, type_property: &str) -> bool {
        if self == Self::Tree {
            return false;
        }
        let text = type_property.trim().to_ascii_lowercase();
        text.strip_prefix(self.urn()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}

/// One instance of a management object on one device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instance {
    /// Which object.
    pub kind: ObjectKind,
    /// What the protocol calls the instance: in DM 1.x the URI of its root (`./SCOMO`), in DM 2.0 its MIID.
    pub name: String,
}

impl Instance {
    /// The device's own DevDetail, whose place the standard fixes (DM 1.x sheet 7.2).
    #[must_use]
    pub fn dev_detail() -> Self {
        Self { kind: ObjectKind::DevDetail, name: "./DevDetail".to_owned() }
    }

    /// The whole tree of a device.
    #[must_use]
    pub fn tree() -> Self {
        Self { kind: ObjectKind::Tree, name: ".".to_owned() }
    }

    /// The node at `path` below this instance's root; segments separated by `/`, empty for the root itself.
    #[must_use]
    pub fn node(&self, path: &str) -> Node {
        Node { of: self.clone(), path: path.trim_matches('/').to_owned() }
    }
}

/// A node of the management tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Node {
    /// The instance it belongs to.
    pub of: Instance,
    /// Names from the instance's root to the node, separated by `/`; empty for the root.
    pub path: String,
}

impl Node {
    /// The node `below` this one.
    #[must_use]
    pub fn child(&self, below: &str) -> Self {
        let path = if self.path.is_empty() { below.to_owned() } else { format!("{}/{below}", self.path) };
        Self { of: self.of.clone(), path }
    }

    /// The last name of the path; the instance's name for a root.
    #[must_use]
    pub fn name(&self) -> &str {
        let whole = if self.path.is_empty() { &self.of.name } else { &self.path };
        whole.rsplit('/').next().unwrap_or(whole)
    }
}

impl fmt::Display for Node {
    /// As a DM 1.x URI.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of.name)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

/// The format of a leaf (DM 1.x sheet 6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text; what is meant where nothing is said.
    #[default]
    Chr,
    /// A decimal integer.
    Int,
    /// `true` or `false`.
    Bool,
    /// Bytes; over XML they travel as base64.
    Bin,
    /// An XML document.
    Xml,
    /// A date, ISO 8601.
    Date,
    /// A time, ISO 8601.
    Time,
    /// A floating-point number as XML Schema writes it.
    Float,
    /// No value, as operation nodes have.
    Null,
}

/// A leaf's value with its format.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leaf {
    /// How the value is to be read.
    pub format: Format,
    /// MIME type; absent means `text/plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// The value as text; base64 for [`Format::Bin`]; empty for [`Format::Null`].
    pub text: String,
}

impl Leaf {
    /// A text leaf.
    #[must_use]
    pub fn chr(text: impl Into<String>) -> Self {
        Self { format: Format::Chr, mime: None, text: text.into() }
    }

    /// A leaf without a value, such as an operation node.
    #[must_use]
    pub fn null() -> Self {
        Self { format: Format::Null, mime: None, text: String::new() }
    }
}

/// A part of a tree, read from a device or to be written to one; children keep their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Branch {
    /// An interior node and its children by name.
    Interior(Vec<(String, Self)>),
    /// A leaf.
    Leaf(Leaf),
}

impl Branch {
    /// An interior node of these children.
    #[must_use]
    pub fn interior<N: Into<String>>(children: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::Interior(children.into_iter().map(|(name, child)| (name.into(), child)).collect())
    }

    /// A text leaf.
    #[must_use]
    pub fn chr(text: impl Into<String>) -> Self {
        Self::Leaf(Leaf::chr(text))
    }

    /// The children; none for a leaf.
    #[must_use]
    pub fn children(&self) -> &[(String, Self)] {
        match self {
            Self::Interior(children) => children,
            Self::Leaf(_) => &[],
        }
    }

    /// The child of that name, letter case ignored when no child matches exactly (SCOMO sheet 1.1).
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        let children = self.children();
        let exact = children.iter().find(|(n, _)| n == name);
        exact.or_else(|| children.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))).map(|(_, child)| child)
    }

    /// The node below this one at `path` (`A/B/C`), found as [`Branch::child`] does.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').filter(|s| !s.is_empty()).try_fold(self, |here, name| here.child(name))
    }

    /// The text of the leaf at `path`, white space around it dropped.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.at(path)? {
            Self::Leaf(leaf) => Some(leaf.text.trim()),
            Self::Interior(_) => None,
        }
    }
}

/// Bytes of the depot that an intent sends to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// SHA-256 of the bytes: their name in the depot, and the version that a replayed chunk is cut from.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
    /// MIME type written as the leaf's Type.
    pub mime: String,
}

/// Numbers the intents of one procedure, so that each outcome finds its question. Rises within a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AskId(pub u32);

/// An intent and its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Given back with the outcome.
    pub id: AskId,
    /// What is wanted.
    pub intent: Intent,
}

/// What a job wants of a device's tree. Each may end in [`Outcome::Unsupported`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Find every instance of a management object; `hints` are names to look at where the device cannot list its roots.
    /// Ends in [`Outcome::Found`].
    Discover {
        /// Which object.
        kind: ObjectKind,
        /// Instance names worth a try.
        hints: Vec<String>,
    },
    /// Read a node and all below it. Ends in [`Outcome::Read`] or [`Outcome::Missing`].
    ReadSubtree {
        /// The node at the top.
        at: Node,
    },
    /// Make a node and what is below it be as given; what exists already is overwritten, what the device keeps for itself is
    /// left alone. Ends in [`Outcome::Written`].
    PutSubtree {
        /// The node at the top.
        at: Node,
        /// What shall be there.
        content: Branch,
    },
    /// Write one leaf. Ends in [`Outcome::Written`].
    PutLeaf {
        /// The leaf.
        at: Node,
        /// Its value.
        leaf: Leaf,
        /// Whether it has to be new, or there already.
        how: PutHow,
    },
    /// Make one interior node that is not there yet. Ends in [`Outcome::Written`].
    MakeNode {
        /// The node.
        at: Node,
    },
    /// Write a payload into a leaf, in pieces where it does not fit into one message. Ends in [`Outcome::Written`].
    PutBytes {
        /// The leaf.
        at: Node,
        /// Which bytes.
        payload: Payload,
    },
    /// Copy a leaf on the device. Ends in [`Outcome::Written`].
    Copy {
        /// The leaf to read.
        from: Node,
        /// The leaf to write.
        to: Node,
    },
    /// Delete a node and all below it. Ends in [`Outcome::Deleted`] or [`Outcome::Missing`].
    Delete {
        /// The node at the top.
        at: Node,
    },
    /// Run an operation. Ends in [`Outcome::Done`], [`Outcome::Pending`] or [`Outcome::Refused`].
    Exec {
        /// The operation node.
        at: Node,
        /// Comes back with the report.
        correlator: Correlator,
    },
    /// Show or ask something. Ends in [`Outcome::Answered`].
    Prompt(Prompt),
    /// Ask first, and do the rest only on a yes: a "no" prevents it on the device itself. Ends in the outcome of `then`; in
    /// [`Outcome::Answered`] if the answer was no yes; in [`Outcome::Unsupported`] if the device cannot ask and did not do it.
    ///
    /// A device that cannot ask may do it all the same (DM 1.x sheet 2.5: a refused alert does not end a Sequence): whoever must not
    /// risk that asks by [`Intent::Prompt`] first.
    Guarded {
        /// The question.
        ask: Prompt,
        /// What a yes allows; an intent that is one command.
        then: Box<Self>,
    },
    /// Several intents as one. Ends in [`Outcome::Grouped`].
    Group {
        /// Whether all or nothing, or merely one after the other.
        atomic: bool,
        /// The members, in order; each an intent that is one command.
        members: Vec<Self>,
    },
}

/// Whether a leaf that is written has to be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PutHow {
    /// It does not matter.
    #[default]
    Either,
    /// It must not exist yet.
    Add,
    /// It must exist.
    Replace,
}

/// How an intent ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// `Discover`: the instances, none if the device has no such object.
    Found(Vec<Instance>),
    /// `ReadSubtree`: what is there.
    Read(Branch),
    /// The node does not exist.
    Missing,
    /// The writes were made; `skipped` are nodes that the device keeps for itself.
    Written {
        /// Paths below the node that was written, with the device's status code.
        skipped: Vec<(String, u16)>,
    },
    /// The node is gone.
    Deleted,
    /// `Exec`: ran to its end at once; `code` is the status as the device gave it: 200, or a code of the management object
    /// such as 1200 or 1408 (SCOMO sheet 4.2).
    Done {
        /// The device's status code.
        code: u16,
    },
    /// `Exec`: accepted; a report will follow, in this session or a later one.
    Pending,
    /// The device refused; nothing changed.
    Refused {
        /// The device's status code.
        code: u16,
    },
    /// Neither device nor protocol can do this.
    Unsupported {
        /// The device's status code, if it was asked.
        code: Option<u16>,
    },
    /// `Prompt`: what the user said.
    Answered(Answer),
    /// `Group`: how each member ended, in order. Where it is all or nothing and was nothing, the member that failed has its own end
    /// and the others were [`Outcome::Skipped`].
    Grouped(Vec<Self>),
    /// A member of a group that was not run, or was undone again.
    Skipped {
        /// The device's status code: 215 not run, 216 undone, 516 could not be undone; 507 undone with all the others, where the
        /// device does not tell of this one.
        code: u16,
    },
    /// The session ended without an answer: it may or may not have happened.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_known_by_its_type_of_whatever_version() {
        assert!(
            ObjectKind::Scomo.is("urn:oma:mo:oma-scomo:1.0") && ObjectKind::Scomo.is(" URN:oma:mo:oma-scomo:1.1\n")
        );
        assert!(!ObjectKind::Scomo.is("urn:oma:mo:oma-scomox:1.0") && !ObjectKind::Scomo.is(""));
    }

    #[test]
    fn children_are_found_whatever_their_letter_case() {
        let tree = Branch::interior([("inventory", Branch::interior([("deployed", Branch::chr(" x "))]))]);
        assert_eq!(tree.text("Inventory/Deployed"), Some("x"));
        assert_eq!(tree.at("Inventory/Delivered"), None);
    }

    #[test]
    fn a_node_prints_as_a_uri() {
        let root = Instance { kind: ObjectKind::Scomo, name: "./SCOMO".to_owned() };
        assert_eq!(root.node("").to_string(), "./SCOMO");
        assert_eq!(root.node("Inventory").child("Delivered").to_string(), "./SCOMO/Inventory/Delivered");
        assert_eq!(root.node("").name(), "SCOMO");
    }
}
