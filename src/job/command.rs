//! Commands as someone asks for them: an ordered list of what is to be done to a device's tree, and what became of each (contract
//! "Request", `kind: "command"`). It is not component management: nodes are named by their full path.
//!
//! [`Run`] is the procedure: it says one command after the other, or the whole list as one group, remembers what came of it, and
//! does not repeat after a lost session what might then happen twice.

mod item;
mod run;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::{
    item::{Item, ItemOutcome, ItemValue},
    run::Run,
};
use crate::model::{
    id::Correlator,
    texts::Texts,
    tree::{Instance, Intent, Leaf, Node, Prompt, PromptKind, PromptOptions, PutHow},
};

/// What is to be done on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// In order.
    #[serde(rename = "commands")]
    pub list: Vec<Command>,
    /// Said as one; absent: one after the other, up to the first that fails or a question whose answer is no yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Grouping>,
}

/// How a list of commands is said as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// All or nothing.
    Atomic,
    /// In order; only a question whose answer is no yes stops it.
    Sequence,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Read a node and all below it; in a group a leaf, or the names below a node.
    Get {
        /// The node.
        uri: Uri,
    },
    /// Make a node that is not there yet.
    Add {
        /// The node.
        uri: Uri,
        /// Its value; absent for an interior node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaf: Option<Leaf>,
    },
    /// Overwrite a leaf that is there.
    Replace {
        /// The leaf.
        uri: Uri,
        /// Its value.
        leaf: Leaf,
    },
    /// Delete a node and all below it; where there is none it is done too.
    Delete {
        /// The node.
        uri: Uri,
    },
    /// Copy a leaf.
    Copy {
        /// The leaf to read.
        from: Uri,
        /// The leaf to write.
        to: Uri,
    },
    /// Run an operation.
    Exec {
        /// The operation's node.
        uri: Uri,
    },
    /// Show or ask the user something.
    Prompt(Question),
}

/// A question in several languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What kind of answer is wanted.
    #[serde(rename = "prompt")]
    pub kind: PromptKind,
    /// The text by language.
    pub text: Texts,
    /// The choices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// How it is shown.
    #[serde(default)]
    pub options: PromptOptions,
}

/// The full path of a node below the root, such as `./DevDetail/FwV`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uri(String);

/// Why a text names no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUri {
    /// Another beginning.
    #[error("a URI begins with `./`, as in `./DevDetail/FwV`")]
    Start,
    /// Too many bytes.
    #[error("a URI has at most {} bytes, this one has {found}", Uri::MOST_BYTES)]
    Long {
        /// How many.
        found: usize,
    },
    /// Too many names.
    #[error("a URI has at most {} names, this one has {found}", Uri::MOST_NAMES)]
    Deep {
        /// How many.
        found: usize,
    },
    /// A name that is empty or means another node.
    #[error("a URI has no empty name, no `.` and no `..` behind `./`")]
    Name,
    /// A character that no name has.
    #[error("a URI must not contain {found:?}")]
    Character {
        /// The first.
        found: char,
    },
}

impl Uri {
    /// The longest one, in bytes, and the deepest, in names.
    pub const MOST_BYTES: usize = 255;
    /// See [`Uri::MOST_BYTES`].
    pub const MOST_NAMES: usize = 16;

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn node(&self) -> Node {
        Instance::tree().node(self.0.strip_prefix("./").unwrap_or(&self.0))
    }
}

impl FromStr for Uri {
    type Err = BadUri;

    fn from_str(text: &str) -> Result<Self, BadUri> {
        let path = text.strip_prefix("./").ok_or(BadUri::Start)?;
        if text.len() > Self::MOST_BYTES {
            return Err(BadUri::Long { found: text.len() });
        }
        if let Some(found) = path.chars().find(|c| *c == '?' || c.is_control()) {
            return Err(BadUri::Character { found });
        }
        if path.split('/').any(|name| matches!(name.trim(), "" | "." | "..") || name.trim() != name) {
            return Err(BadUri::Name);
        }
        let found = path.split('/').count();
        if found > Self::MOST_NAMES { Err(BadUri::Deep { found }) } else { Ok(Self(text.to_owned())) }
    }
}

impl TryFrom<String> for Uri {
    type Error = BadUri;

    fn try_from(text: String) -> Result<Self, BadUri> {
        text.parse()
    }
}

impl From<Uri> for String {
    fn from(uri: Uri) -> Self {
        uri.0
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Command {
    /// Whether doing it twice is as good as once.
    const fn may_repeat(&self) -> bool {
        match self {
            Self::Get { .. } | Self::Replace { .. } | Self::Delete { .. } => true,
            Self::Add { .. } | Self::Copy { .. } | Self::Exec { .. } | Self::Prompt(_) => false,
        }
    }

    const fn is_exec(&self) -> bool {
        matches!(self, Self::Exec { .. })
    }

    /// What is wanted of the device. `lang` is its language, `correlator` that of an Exec.
    fn intent(&self, lang: Option<&str>, correlator: Option<Correlator>) -> Option<Intent> {
        Some(match self {
            Self::Get { uri } => Intent::ReadSubtree { at: uri.node() },
            Self::Add { uri, leaf: None } => Intent::MakeNode { at: uri.node() },
            Self::Add { uri, leaf: Some(leaf) } => {
                Intent::PutLeaf { at: uri.node(), leaf: leaf.clone(), how: PutHow::Add }
            }
            Self::Replace { uri, leaf } => Intent::PutLeaf { at: uri.node(), leaf: leaf.clone(), how: PutHow::Replace },
            Self::Delete { uri } => Intent::Delete { at: uri.node() },
            Self::Copy { from, to } => Intent::Copy { from: from.node(), to: to.node() },
            Self::Exec { uri } => Intent::Exec { at: uri.node(), correlator: correlator? },
            Self::Prompt(question) => Intent::Prompt(question.prompt(lang)),
        })
    }
}

impl Question {
    fn prompt(&self, lang: Option<&str>) -> Prompt {
        let text = self.text.pick(lang).to_owned();
        Prompt { kind: self.kind, text, choices: self.choices.clone(), options: self.options.clone() }
    }
}

impl fmt::Display for Command {
    /// As a sentence has it: `replace ./Vendor/Note`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get { uri } => write!(f, "get {uri}"),
            Self::Add { uri, .. } => write!(f, "add {uri}"),
            Self::Replace { uri, .. } => write!(f, "replace {uri}"),
            Self::Delete { uri } => write!(f, "delete {uri}"),
            Self::Copy { from, to } => write!(f, "copy {from} to {to}"),
            Self::Exec { uri } => write!(f, "exec {uri}"),
            Self::Prompt(_) => f.write_str("prompt the user"),
        }
    }
}
