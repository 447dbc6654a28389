//! How a device reports the end of an operation, and what it asks of its own accord (SCOMO sheet 4.3, 4.4).

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::model::clock::span;

/// The generic alert that reports an operation (SCOMO sheet 4.3); its Type is the object's `alert_type`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reporting {
    /// How the payload is written.
    pub shape: Shape,
    /// `Meta/Format`; empty: left out. Absent: `chr`, or `int` for the FUMO shape.
    pub format: Option<String>,
    /// `Meta/Mark`; empty: left out. Absent: `informational` for success, else `warning`.
    pub mark: Option<String>,
    /// What becomes of the Exec's Correlator.
    pub correlator: Echo,
    /// What `Source` names.
    pub source: Origin,
    /// Whether `Source` is written in lower case.
    pub lower_case: bool,
    /// Whether `Target` names what resulted.
    pub target: bool,
    /// What `Identifier` names.
    pub identifier: Naming,
    /// Whether several components share one alert.
    pub items: Grouping,
    /// How often the same report is sent again in the sessions that follow, although it was taken.
    pub repeat: u32,
    /// When it is sent.
    pub when: Moment,
    /// Type of an alert of no meaning that goes along with each report.
    pub foreign: Option<String>,
}

impl Default for Reporting {
    fn default() -> Self {
        Self {
            shape: Shape::Escaped,
            format: None,
            mark: None,
            correlator: Echo::Echo,
            source: Origin::Operation,
            lower_case: false,
            target: true,
            identifier: Naming::Id,
            items: Grouping::Together,
            repeat: 0,
            when: Moment::Later,
            foreign: None,
        }
    }
}

/// How the payload of a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Two elements as escaped text.
    Escaped,
    /// Two elements in a CDATA section.
    Cdata,
    /// Two real elements within `Data`.
    Elements,
    /// The bare result code.
    Integer,
    /// The bare result code with Format `int`, as firmware updates report.
    IntegerFumo,
}

/// What becomes of the Exec's Correlator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Echo {
    /// It comes back as it is.
    Echo,
    /// It is left out.
    Omit,
    /// Another one stands in its place.
    Wrong,
}

/// What `Source` of a report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The operation node.
    Operation,
    /// The entry that it belongs to.
    Entry,
    /// The root of the object.
    Root,
    /// Nothing: it is left out.
    None,
}

/// What `Identifier` of a report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// PkgID, or the component's ID.
    Id,
    /// The name of the node.
    Node,
    /// Nothing: the element is left out.
    None,
}

/// Whether the components of one package share an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grouping {
    /// One alert with an item each.
    Together,
    /// An alert each.
    Apart,
}

/// When a report is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// In a session of its own.
    Later,
    /// In the session of the Exec, package 3, if the operation needs no download.
    Session,
}

/// Something that the device asks for of its own accord (SCOMO sheet 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Type of the alert: a full one, or the last part of a SCOMO one, e.g. `UserRequest`.
    pub r#type: String,
    /// `Source`: `root`, `none`, or a URI such as that of an operation node.
    #[serde(default = "root")]
    pub source: String,
    /// `Data`: a PkgID, or nothing.
    #[serde(default)]
    pub data: String,
    /// The alert's code: 1226, or 1224 for a client event.
    #[serde(default = "generic")]
    pub code: u16,
}

impl Ask {
    /// A generic alert of this type (full, or a suffix such as `UserRequest`), from the root, without data.
    #[must_use]
    pub fn new(r#type: impl Into<String>) -> Self {
        Self { r#type: r#type.into(), source: root(), data: String::new(), code: generic() }
    }

    /// The same from another node: `root`, `none` or a URI.
    #[must_use]
    pub fn at(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// The same about a package.
    #[must_use]
    pub fn about(mut self, data: impl Into<String>) -> Self {
        self.data = data.into();
        self
    }

    /// The alert's Type in full.
    #[must_use]
    pub fn full_type(&self) -> String {
        let is_full = self.r#type.contains([':', '.', '/']);
        if is_full { self.r#type.clone() } else { format!("urn:oma:at:scomo:1.0:{}", self.r#type) }
    }
}

/// An [`Ask`] that the profile plans.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedAsk {
    /// When, counted from the device's registration.
    #[serde(default)]
    pub when: When,
    /// How often.
    #[serde(default = "once")]
    pub times: u32,
    /// The pause before it is asked again.
    #[serde(default, with = "span")]
    pub every: Duration,
    /// Type of the alert, as in [`Ask`].
    pub r#type: String,
    /// As in [`Ask`].
    #[serde(default = "root")]
    pub source: String,
    /// As in [`Ask`].
    #[serde(default)]
    pub data: String,
    /// As in [`Ask`].
    #[serde(default = "generic")]
    pub code: u16,
}

impl PlannedAsk {
    /// What is asked.
    #[must_use]
    pub fn ask(&self) -> Ask {
        let Self { r#type, source, data, code, .. } = self.clone();
        Ask { r#type, source, data, code }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.r#type.trim().is_empty() {
            return Err("`type` names an alert, e.g. `UserRequest`".to_owned());
        }
        let is_place =
            ["root", "none"].contains(&self.source.as_str()) || crate::sim::tree::path(&self.source).is_some();
        if !is_place {
            return Err("`source` is `root`, `none` or a node's URI".to_owned());
        }
        if ![1224, 1226].contains(&self.code) {
            return Err("`code` is 1226 or 1224".to_owned());
        }
        Ok(())
    }
}

/// When a planned ask is made: at once (`start`), or after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct When(pub Duration);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "start" {
            return Ok(Self(Duration::ZERO));
        }
        span::parse(&text).map(Self).map_err(|problem| de::Error::custom(format!("`start` or a duration: {problem}")))
    }
}

fn root() -> String {
    "root".to_owned()
}

const fn generic() -> u16 {
    1226
}

const fn once() -> u32 {
    1
}
