//! The whole of a job as one value: what was ordered, where its life stands, what its procedure remembers, and its history.
//!
//! The store keeps it as an opaque, versioned text; every step of the flow reads it, advances it and writes it back with the
//! version that was read.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    life::{self, JobResult, Life, Next, Outcome, Over, State},
    plan::{Plan, Tried},
    procedure::{Action, Collect, ComponentOperation, Confirm, Errand, PackageOperation, Procedure},
    selection::{PackageWanted, Selection, Want, Wanted},
};
use crate::{
    model::{
        catalog::{Delivery, Manifest, PackageRef},
        clock::Timestamp,
        id::{ComponentId, RequestId, RequestSource},
    },
    scomo::outcome::Posted,
};

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Format of this value; readers know the newest and the one before.
    pub format: u16,
    /// What the sender calls the request.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
    /// What is to be done.
    pub order: Order,
    /// What the device's user is asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirm>,
    /// Its request has a failure budget, which its failure counts for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub budget: bool,
    /// What may and shall be read of the device.
    #[serde(default, skip_serializing_if = "Collect::is_open")]
    pub collect: Collect,
    /// Where it stands.
    pub life: Life,
    /// What it does on the device.
    pub procedure: Procedure,
    /// The package and the way that were chosen; no step before selection.
    #[serde(default)]
    pub plan: Plan,
    /// What earlier attempts teach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// The last selection, with the reason for each refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// The notification that is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    /// What the device posted of this attempt's download, held against the code that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<Posted>,
    /// The last that was reported after its end, so that a repeat of it is not told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<(Outcome, JobResult)>,
    /// The last that the device said, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Line>,
    /// What happened, oldest first.
    #[serde(default)]
    pub history: History,
}

/// What a job is to do on its device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Order {
    /// Bring a delivery package there.
    Download {
        /// Which one; absent: the best match among what applies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        package: Option<PackageWanted>,
        /// The end wanted.
        action: Action,
        /// The way.
        delivery: Delivery,
        /// Whether an older version may replace a newer one.
        allow_downgrade: bool,
        /// Only among packages that are offered on request (manifest, `on_request`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        on_request: bool,
    },
    /// Run an operation on a package that the device holds.
    PackageOperation {
        /// Which.
        operation: PackageOperation,
        /// The package.
        package: PackageWanted,
        /// The `PkgIDs` that count as the package, as the catalogue stood when the job was accepted; best first.
        pkg_ids: Vec<String>,
    },
    /// Run an operation on a deployment component.
    ComponentOperation {
        /// Which.
        operation: ComponentOperation,
        /// The component.
        component: ComponentId,
    },
    /// Read what the device is and holds.
    Inventory,
    /// A list of commands on the device's tree; the procedure has it.
    Command,
}

/// A notification that was handed to a courier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The session that it asks for.
    pub session_id: u16,
    /// When it was made.
    pub at: Timestamp,
}

/// A line of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "HistoryLine")]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What, a sentence.
    pub text: String,
}

/// What happened to a job, bounded: the beginning and the end are kept, the middle is counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    first: Vec<Line>,
    #[serde(default)]
    dropped: u32,
    last: VecDeque<Line>,
}

impl Record {
    /// The format that this release writes.
    pub const FORMAT: u16 = 1;

    /// A job that was just accepted.
    #[must_use]
    pub fn new(
        request_id: RequestId,
        source: RequestSource,
        (order, procedure): (Order, Procedure),
        collect: Collect,
        life: Life,
    ) -> Self {
        Self {
            format: Self::FORMAT,
            request_id,
            source,
            order,
            budget: false,
            collect,
            confirm: None,
            life,
            procedure,
            plan: Plan::default(),
            tried: Vec::new(),
            selection: None,
            notification: None,
            posted: None,
            late: None,
            said: None,
            history: History::default(),
        }
    }

    /// The same, after a question to the device's user.
    #[must_use]
    pub fn confirmed(self, confirm: Option<Confirm>) -> Self {
        Self { confirm, ..self }
    }

    /// Moves its life on, and begins the next attempt where that follows. What is left to be done is told.
    #[must_use]
    pub fn step(mut self, event: life::Event, cx: &life::Cx<'_>) -> (Self, Vec<life::Effect>) {
        let (before, was_over) = (self.life.attempt(), self.life.state().name().is_terminal());
        let Next { life, mut effects } = life::step(&self.life, event, cx);
        self.life = life;
        if !was_over {
            self.life.add_items(self.procedure.items());
            if let Some(status) = self.procedure.last_status() {
                self.life.add_status(status);
            }
        }
        effects.retain(
            |effect| !matches!(effect, life::Effect::LateResult { outcome, result } if !self.is_news(*outcome, result)),
        );
        if self.life.attempt() != before {
            self.procedure = self.procedure.again();
            self.plan = Plan::default();
            self.notification = None;
            self.posted = None;
        }
        if let Some(posted) = self.posted.filter(|_| !was_over) {
            self.life.observe(posted);
        }
        (self, effects)
    }

    /// Whether a late result says what neither the end nor the last late result said; remembered.
    fn is_news(&mut self, outcome: Outcome, result: &JobResult) -> bool {
        let same =
            |over: &Over| over.outcome == outcome && (outcome == Outcome::Succeeded || over.result.code == result.code);
        let known = matches!(self.life.state(), State::Over(over) if same(over));
        let news = Some((outcome, result.clone()));
        !known && std::mem::replace(&mut self.late, news.clone()) != news
    }

    /// Which package it is about, once that is known.
    #[must_use]
    pub fn package(&self) -> Option<PackageRef> {
        self.plan.steps.first().map(|step| step.chosen.package.of.clone())
    }

    /// Adds a line to the history.
    pub fn note(&mut self, at: Timestamp, text: impl Into<String>) {
        self.history.add(Line { at, text: text.into() }.bounded());
    }

    /// Adds what the device said to the history, and remembers it as the last.
    pub fn heard(&mut self, at: Timestamp, text: impl Into<String>) {
        let line = Line { at, text: text.into() }.bounded();
        self.said = Some(line.clone());
        self.history.add(line);
    }
}

impl Order {
    /// What component management is sent to do for it; nothing for a list of commands.
    #[must_use]
    pub fn errand(&self) -> Option<Errand> {
        Some(match self {
            Self::Download { action, .. } => Errand::Download { action: *action },
            Self::PackageOperation { operation, pkg_ids, .. } => {
                Errand::OperatePackage { operation: *operation, pkg_ids: pkg_ids.clone() }
            }
            Self::ComponentOperation { operation, component } => {
                Errand::OperateComponent { operation: *operation, component: component.clone() }
            }
            Self::Inventory => Errand::Collect,
            Self::Command => return None,
        })
    }

    /// What selection is asked; nothing for operations and commands.
    #[must_use]
    pub fn wanted(&self) -> Option<Wanted> {
        match self {
            Self::Download { package, action, allow_downgrade, on_request, delivery: _ } => Some(Wanted {
                package: package.clone(),
                want: match action {
                    Action::Deliver => Want::Deliver,
                    Action::Install => Want::Install,
                    Action::InstallInactive => Want::InstallInactive,
                },
                allow_downgrade: *allow_downgrade,
                on_request: *on_request,
                env_refused: Vec::new(),
            }),
            Self::PackageOperation { .. } | Self::ComponentOperation { .. } | Self::Inventory | Self::Command => None,
        }
    }
}

/// The `PkgIDs` that count as `package` (see [`Order::PackageOperation`]): its versions in the catalogue that the rule allows,
/// highest first, then the bare id, which is what a device keeps that was not filled by this service.
#[must_use]
pub fn pkg_ids<'a>(package: &PackageWanted, catalogue: impl IntoIterator<Item = &'a Manifest>) -> Vec<String> {
    let allowed = |m: &&Manifest| m.id == package.id && package.version.as_ref().is_none_or(|r| r.matches(&m.version));
    let mut versions: Vec<&Manifest> = catalogue.into_iter().filter(allowed).collect();
    versions.sort_by(|a, b| b.version.cmp(&a.version));
    versions.into_iter().map(Manifest::pkg_id).chain([package.id.as_str().to_owned()]).collect()
}

impl Line {
    /// The longest line, in characters.
    const MOST: usize = 600;

    fn bounded(mut self) -> Self {
        if let Some((cut, _)) = self.text.char_indices().nth(Self::MOST) {
            self.text.truncate(cut);
            self.text.push('…');
        }
        self
    }
}

impl History {
    /// Lines kept of the beginning, and of the end.
    const FIRST: usize = 40;
    const LAST: usize = 80;

    fn add(&mut self, line: Line) {
        if self.first.len() < Self::FIRST {
            return self.first.push(line);
        }
        self.last.push_back(line);
        if self.last.len() > Self::LAST {
            self.last.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.first.iter().chain(&self.last)
    }

    /// How many lines of the middle were dropped.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_keeps_its_beginning_and_its_end() {
        let mut history = History::default();
        for n in 0..200 {
            history.add(Line { at: Timestamp::from_micros(n), text: format!("line {n}") });
        }
        let lines: Vec<i64> = history.lines().map(|l| l.at.micros()).collect();
        assert_eq!((lines.len(), history.dropped()), (120, 80));
        assert_eq!((lines[39], lines[40], lines[119]), (39, 120, 199));
    }

    #[test]
    fn a_line_is_bounded() {
        let line = Line { at: Timestamp::default(), text: "ä".repeat(5000) }.bounded();
        assert_eq!(line.text.chars().count(), Line::MOST + 1);
    }
}
