//! What befalls a device: outages, refusals, and odd status reports of its download agent.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    model::clock::span,
    sim::{operation::Operation, tree},
};

/// A time in which the device is off: its battery is empty, or it starts anew.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// In the place of this message, counted over all sessions; what the server's answer before it wanted was done.
    pub message: Option<u32>,
    /// Or in the midst of this operation.
    pub operation: Option<Operation>,
    /// Where in the operation.
    #[serde(default)]
    pub moment: Stage,
    /// How long.
    #[serde(default, with = "span")]
    pub lasts: Duration,
    /// What becomes of the operations that were begun.
    #[serde(default)]
    pub then: Aftermath,
    /// Whether the device opens a session when it is back.
    #[serde(default = "yes")]
    pub session: bool,
    /// How often.
    #[serde(default = "once")]
    pub times: u32,
}

impl Outage {
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.message, self.operation) {
            (Some(2..), None) | (None, Some(_)) => Ok(()),
            (Some(_), None) => Err("`message` is 2 or more".to_owned()),
            (None, None) | (Some(_), Some(_)) => Err("has either `message` or `operation`".to_owned()),
        }
    }
}

/// Where in an operation an outage comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// When the Exec is accepted: its status never leaves the device.
    Exec,
    /// When it begins its work.
    #[default]
    Start,
    /// Between its download and its installation.
    Install,
}

/// What becomes of the operations that an outage interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aftermath {
    /// They go on, and are reported.
    #[default]
    Resume,
    /// They go on, and are not reported.
    Silent,
    /// They are forgotten.
    Lost,
}

/// A command that the device refuses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// Which.
    pub command: Verb,
    /// On which node, a URI.
    pub node: String,
    /// Whether on everything below it too.
    #[serde(default)]
    pub below: bool,
    /// With which status.
    pub status: u16,
    /// How often, counted on each device; absent: always.
    pub times: Option<u32>,
}

impl Refuse {
    pub(super) fn check(&self) -> Result<(), String> {
        if tree::path(&self.node).is_none() {
            return Err("`node` is a URI, e.g. `./SCOMO/Inventory`".to_owned());
        }
        if (400..=599).contains(&self.status) { Ok(()) } else { Err("`status` is 400 to 599".to_owned()) }
    }

    /// Whether it concerns this command on this node.
    pub(in crate::sim) fn concerns(&self, command: Verb, path: &str) -> bool {
        let Some(node) = tree::path(&self.node) else { return false };
        let is_below = node.is_empty() || path.strip_prefix(&node).is_some_and(|rest| rest.starts_with('/'));
        self.command == command && (path == node || self.below && is_below)
    }
}

/// A command on the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the commands")]
pub enum Verb {
    Get,
    Add,
    Replace,
    Delete,
    Copy,
    Exec,
}

/// The status report of the download agent (SCOMO sheet 7.3, 7.4).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// Which outcomes are reported.
    pub send: Send,
    /// When.
    pub after: After,
    /// This code, whatever happened.
    pub code: Option<u16>,
    /// How its body is written.
    pub body: NotifyBody,
    /// `Content-Type` of the request; absent: none.
    pub content_type: Option<String>,
    /// A second report with this code follows the first.
    pub again: Option<u16>,
}

impl Notify {
    pub(super) fn check(&self) -> Result<(), String> {
        let odd = |code: Option<u16>| code.is_some_and(|code| !(900..=999).contains(&code));
        if odd(self.code) || odd(self.again) { Err("`code` and `again` are 900 to 999".to_owned()) } else { Ok(()) }
    }
}

/// Which outcomes the download agent reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Send {
    /// All.
    #[default]
    Always,
    /// Successes.
    Success,
    /// None.
    Never,
}

/// When the download agent reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// When the package is stored, whatever comes of its installation.
    Download,
    /// When the operation has ended.
    #[default]
    Install,
}

/// How the body of a status report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyBody {
    /// `900 Success` and CR LF.
    #[default]
    Plain,
    /// The same in lower case.
    Lower,
    /// Lower case, a blank, and LF CR.
    Lfcr,
    /// The code alone.
    Bare,
    /// White space before and between.
    Padded,
}

const fn yes() -> bool {
    true
}

const fn once() -> u32 {
    1
}
