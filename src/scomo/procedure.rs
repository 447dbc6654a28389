//! The procedures of SCOMO: what a job does on a device, as a value that each input advances.
//!
//! A download runs through the stages in the order of [`Stage`]; an operation on what the device already holds enters at the
//! Exec. Until an Exec is sent, a lost session means beginning again in the next one, which asks the device what is already
//! there. After it, the next session asks how far the device is before anything is repeated (SCOMO sheet 12).

mod check;
mod consent;
mod deliver;
pub mod errand;
mod exec;
mod goal;
mod hand;
mod look;
mod place;
#[cfg(test)]
mod tests;
pub mod turn;

use serde::{Deserialize, Serialize};

use self::{
    check::Reading,
    deliver::Browse,
    errand::{Errand, Mechanism},
    hand::{Hand, Memory},
    look::Tour,
    place::Work,
    turn::{Context, Effect, Ending, Input, Selected},
};
use super::{
    operation::Operation,
    outcome::{ReportItem, ResultCode},
};
use crate::model::{
    clock::Mint,
    id::Correlator,
    tree::{AskId, Outcome},
};

/// A SCOMO procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scomo {
    errand: Errand,
    memory: Memory,
    stage: Stage,
}

/// Where a procedure stands. An ask is outstanding in each stage but those that say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Nothing in hand; begins when a session does.
    Resting,
    /// Looks for the SCOMO root.
    Locating,
    /// Reads the inventory, root by root.
    Looking { tour: Box<Tour> },
    /// Waits for the choice of a package; no ask.
    Selecting,
    /// Waits for the choice among the packages that the device holds; no ask.
    Fitting,
    /// Reads DevDetail.
    Detailing,
    /// Reads what lies under `Download`.
    Browsing { browse: Box<Browse> },
    /// Waits for a URL; no ask.
    Granting { work: Box<Work>, mechanism: Mechanism, spare: Option<String> },
    /// Writes the entry, all but the bytes. `by_url`: what its PkgURL leads to; the URL itself is a secret and is not kept.
    /// `spare`: an entry to try where the device makes no new ones.
    Placing { work: Box<Work>, by_url: Option<Mechanism>, spare: Option<String> },
    /// Writes the bytes.
    Sending { work: Box<Work> },
    /// Reads which operations the entry offers.
    Listing { work: Box<Work>, whole: bool },
    /// Asks the user before it goes on.
    Asking { work: Box<Work>, after: consent::After },
    /// Has sent the Exec.
    Executing { work: Box<Work> },
    /// The Exec is with the device: accepted, or lost with the session before its status was seen. No ask.
    Waiting { work: Box<Work>, accepted: bool },
    /// Reads how far the device is with the Exec.
    Checking { work: Box<Work>, accepted: bool, reading: Reading },
    /// Reads the inventory back after a success.
    Confirming { work: Box<Work>, code: Option<ResultCode> },
    /// Takes the `Download` entry away after a success; `deleting` once its Status has been read.
    Tidying { work: Box<Work>, code: Option<ResultCode>, confirmed: bool, deleting: bool },
    /// Finished.
    Over,
}

impl Scomo {
    /// A procedure that has not begun.
    #[must_use]
    pub const fn new(errand: Errand) -> Self {
        Self { errand, memory: Memory::new(), stage: Stage::Resting }
    }

    /// The same errand as a fresh attempt, which remembers the Execs of earlier ones and what they left behind.
    #[must_use]
    pub fn again(self) -> Self {
        let Self { errand, memory, stage: _ } = self;
        Self { errand, memory: memory.between_sessions(), stage: Stage::Resting }
    }

    /// Takes an input and advances. What does not fit the stage (an outcome of no outstanding ask, an answer nobody needs)
    /// changes nothing.
    #[must_use]
    pub fn handle(self, input: Input, cx: &Context<'_>, mint: &mut dyn Mint) -> (Self, Vec<Effect>) {
        if self.is_over() {
            return (self, vec![]);
        }
        let Self { errand, memory, stage } = self;
        let mut hand = Hand::new(&errand, memory, cx, mint);
        let before = stage.work().filter(|work| work.exec.is_some()).cloned();
        let stage = match input {
            Input::Started => started(stage, &mut hand),
            Input::Outcome { ask, outcome } => answered(stage, ask, &outcome, &mut hand),
            Input::Report { correlator, source, results } => {
                exec::reported(stage, correlator.as_ref(), &source, &results, &mut hand)
            }
            Input::Told { .. } => stage,
            Input::Selected(selected) => selection(stage, selected, &mut hand),
            Input::Fit(fit) => look::fitted(stage, fit, &mut hand),
            Input::Granted { url } => grant(stage, &url, &mut hand),
            Input::SessionEnded => ended(stage, &mut hand),
        };
        let (mut memory, mut effects) = hand.done();
        let (mut stage, begins) = (stage, effects.iter().any(|e| matches!(e, Effect::Ask(_) | Effect::Need(_))));
        if cx.held && begins && !stage.follows_up() {
            // As if the session had ended before: the next one asks the device how things are.
            effects.retain(|e| matches!(e, Effect::Learned(_) | Effect::Note(_) | Effect::Heard(_)));
            effects.push(Effect::Held);
            (stage, memory) = (Stage::Resting, memory.between_sessions());
        }
        if let Some(before) = before.filter(|_| matches!(stage, Stage::Over | Stage::Resting)) {
            memory.last = Some(Box::new(before));
        }
        (Self { errand, memory, stage }, effects)
    }

    /// The correlator of the Exec whose report is awaited, or whose fate is unknown.
    #[must_use]
    pub const fn awaiting(&self) -> Option<&Correlator> {
        match &self.stage {
            Stage::Executing { work } | Stage::Waiting { work, .. } | Stage::Checking { work, .. } => {
                work.exec.as_ref()
            }
            Stage::Resting
            | Stage::Locating
            | Stage::Looking { .. }
            | Stage::Selecting
            | Stage::Fitting
            | Stage::Detailing
            | Stage::Browsing { .. }
            | Stage::Granting { .. }
            | Stage::Placing { .. }
            | Stage::Sending { .. }
            | Stage::Listing { .. }
            | Stage::Asking { .. }
            | Stage::Confirming { .. }
            | Stage::Tidying { .. }
            | Stage::Over => None,
        }
    }

    /// Whether an Exec of this or an earlier attempt had this correlator, as far back as is remembered.
    #[must_use]
    pub fn knows(&self, correlator: &Correlator) -> bool {
        self.memory.execs.contains(correlator)
    }

    /// Whether a report without a correlator means the Exec that was sent last, as far as its Source or identifiers tell.
    #[must_use]
    pub fn is_meant(&self, source: &str, results: &[ReportItem]) -> bool {
        let last = self.stage.work().or(self.memory.last.as_deref());
        last.is_some_and(|work| exec::joins(work, None, source, results))
    }

    /// The Status of what is worked on, as it was last read after the Exec.
    #[must_use]
    pub fn last_status(&self) -> Option<&str> {
        self.memory.status.as_deref()
    }

    /// The operation that is worked on.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.stage.work().map(|work| work.operation)
    }

    /// Whether an Exec that was sent, or what comes of it, is being followed to its end.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.stage.follows_up() || matches!(self.stage, Stage::Executing { .. } | Stage::Waiting { .. })
    }

    /// Whether it has finished.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }
}

impl Stage {
    /// Whether what is asked of the device here only looks for, and tidies up after, what an Exec has done.
    const fn follows_up(&self) -> bool {
        matches!(self, Self::Checking { .. } | Self::Confirming { .. } | Self::Tidying { .. })
    }

    /// The work whose Exec was sent and has no end yet, and whether the device accepted it; else the stage as it is.
    fn sent(self) -> Result<(Box<Work>, bool), Self> {
        match self {
            Self::Executing { work } => Ok((work, false)),
            Self::Waiting { work, accepted } | Self::Checking { work, accepted, .. } => Ok((work, accepted)),
            other @ (Self::Resting
            | Self::Locating
            | Self::Looking { .. }
            | Self::Selecting
            | Self::Fitting
            | Self::Detailing
            | Self::Browsing { .. }
            | Self::Granting { .. }
            | Self::Placing { .. }
            | Self::Sending { .. }
            | Self::Listing { .. }
            | Self::Asking { .. }
            | Self::Confirming { .. }
            | Self::Tidying { .. }
            | Self::Over) => Err(other),
        }
    }

    /// What is being worked on.
    fn work(&self) -> Option<&Work> {
        match self {
            Self::Granting { work, .. }
            | Self::Placing { work, .. }
            | Self::Sending { work }
            | Self::Listing { work, .. }
            | Self::Asking { work, .. }
            | Self::Executing { work }
            | Self::Waiting { work, .. }
            | Self::Checking { work, .. }
            | Self::Confirming { work, .. }
            | Self::Tidying { work, .. } => Some(work),
            Self::Resting
            | Self::Locating
            | Self::Looking { .. }
            | Self::Selecting
            | Self::Fitting
            | Self::Detailing
            | Self::Browsing { .. }
            | Self::Over => None,
        }
    }
}

fn started(stage: Stage, hand: &mut Hand<'_>) -> Stage {
    if !hand.go_live() {
        return stage;
    }
    if let Stage::Resting = stage {
        return look::begin(hand);
    }
    let Stage::Waiting { work, accepted } = stage else { return stage };
    check::begin(work, accepted, hand)
}

/// A session ended: nothing is outstanding any more.
fn ended(stage: Stage, hand: &mut Hand<'_>) -> Stage {
    hand.rest();
    match stage.sent() {
        Ok((work, accepted)) => Stage::Waiting { work, accepted },
        // What was fetched lies there for the next session to install.
        Err(Stage::Confirming { work, .. }) if work.only_fetches() => Stage::Resting,
        Err(Stage::Confirming { work: _, code }) => {
            hand.note("the session ended before the inventory could be read back");
            hand.finish(Ending::Succeeded { code, confirmed: false })
        }
        Err(Stage::Tidying { work: _, code, confirmed, .. }) => hand.finish(Ending::Succeeded { code, confirmed }),
        Err(Stage::Over) => Stage::Over,
        // Until an Exec is sent everything begins again in the next session.
        Err(_) => Stage::Resting,
    }
}

fn answered(stage: Stage, ask: AskId, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    if !hand.take_answer(ask) {
        return stage;
    }
    if *outcome == Outcome::Unknown {
        return ended(stage, hand);
    }
    match stage {
        Stage::Locating => look::located(outcome, hand),
        Stage::Looking { tour } => look::looked(*tour, outcome, hand),
        Stage::Detailing => look::detailed(outcome, hand),
        Stage::Browsing { browse } => deliver::browsed(*browse, outcome, hand),
        Stage::Placing { work, by_url, spare } => deliver::placed(work, by_url, spare, outcome, hand),
        Stage::Sending { work } => deliver::sent(work, outcome, hand),
        Stage::Listing { work, whole } => exec::listed(work, whole, outcome, hand),
        Stage::Asking { work, after } => consent::answered(work, &after, outcome, hand),
        Stage::Executing { work } => exec::executed(work, outcome, hand),
        Stage::Checking { work, accepted, reading } => check::read(work, accepted, reading, outcome, hand),
        Stage::Confirming { work, code } => exec::confirmed(work, code, outcome, hand),
        Stage::Tidying { work, code, confirmed, deleting: false } => {
            exec::may_tidy(work, code, confirmed, outcome, hand)
        }
        Stage::Tidying { work: _, code, confirmed, deleting: true } => exec::tidied(code, confirmed, outcome, hand),
        Stage::Resting
        | Stage::Selecting
        | Stage::Fitting
        | Stage::Granting { .. }
        | Stage::Waiting { .. }
        | Stage::Over => stage,
    }
}

fn grant(stage: Stage, url: &str, hand: &mut Hand<'_>) -> Stage {
    let Stage::Granting { work, mechanism, spare } = stage else { return stage };
    deliver::granted(work, mechanism, spare, url, hand)
}

fn selection(stage: Stage, selected: Selected, hand: &mut Hand<'_>) -> Stage {
    let Stage::Selecting = stage else { return stage };
    // A way that turned out to be closed is the reason, whatever is said of the others.
    let closed = hand.memory.closed.last().map(|closed| closed.failure.clone());
    match (selected, closed) {
        (Selected::Chosen(chosen), Some(failure)) if hand.memory.closed.iter().any(|c| c.way == chosen.way) => {
            hand.finish(Ending::Failed(failure))
        }
        (Selected::Chosen(chosen), _) => {
            if let Some(inventory) = hand.cx.inventory.filter(|_| hand.has_looked()) {
                return deliver::chosen(inventory, *chosen, hand);
            }
            hand.memory.chosen = Some(chosen);
            look::proceed(hand)
        }
        (Selected::AlreadyDone, _) => hand.already(),
        (Selected::Undecided { reasons }, closed) if closed.is_none() || look::may_read_detail(hand) => {
            look::undecided(reasons, hand)
        }
        (Selected::Nothing { .. } | Selected::Undecided { .. }, Some(failure)) => hand.finish(Ending::Failed(failure)),
        (Selected::Nothing { reasons } | Selected::Undecided { reasons }, None) => {
            hand.finish(Ending::NotApplicable { reasons })
        }
    }
}
