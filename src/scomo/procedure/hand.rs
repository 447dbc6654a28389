//! What every stage holds in its hand: the memory that outlives stages, the effects so far, and the context.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Stage,
    errand::{Chosen, Errand, Way},
    look,
    place::Work,
    turn::{Closed, Context, Effect, Ending, Fact, Failure, FailureClass, Need},
};
use crate::{
    model::{
        clock::Mint,
        id::Correlator,
        rule::FactSource,
        tree::{Ask, AskId, Branch, Intent, Outcome},
    },
    scomo::{inventory::Inventory, object::Place, outcome::ResultCode},
};

/// Correlators remembered of a job; older ones are forgotten first.
const MOST_EXECS: usize = 16;
/// Six bits each: no two Execs of a device meet.
const CORRELATOR_LENGTH: usize = 16;

/// What a procedure remembers whatever its stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Number of the next ask.
    next: u32,
    /// The ask whose outcome is outstanding.
    pending: Option<AskId>,
    /// A session is open.
    live: bool,
    /// The correlators of all Execs of this job, oldest first.
    pub(super) execs: Vec<Correlator>,
    /// The Status of the entry that is worked on, as it was last read after its Exec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    /// What the Exec was for that was sent last and whose end was not seen, once nothing is worked on any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<Box<Work>>,
    /// The success that an earlier Exec reported late.
    pub(super) late: Option<ResultCode>,
    /// The PkgID of a delivered entry whose bytes are not to be relied upon: half sent, or they would not install.
    pub(super) distrusted: Option<String>,
    /// This attempt has written the package's bytes, every one acknowledged.
    #[serde(default)]
    pub(super) sent: bool,
    /// What was learnt in this session.
    #[serde(default)]
    pub(super) seen: Seen,
    /// The package, where it was chosen before the inventory was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) chosen: Option<Box<Chosen>>,
    /// The way that is being tried, or was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) way: Option<Way>,
    /// The ways that the device cannot go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) closed: Vec<Closed>,
    /// How the user stands to it.
    #[serde(default)]
    pub(super) user: User,
}

/// How the device's user stands to what is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct User {
    /// Has agreed, or need not: the question is not asked again.
    pub(super) agreed: bool,
    /// The device does not guard an Exec by a question: it is asked on its own.
    pub(super) ask_alone: bool,
}

impl User {
    pub(super) const fn new() -> Self {
        Self { agreed: false, ask_alone: false }
    }
}

/// What a session has learnt of its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// DevDetail was read.
    pub(super) detail: bool,
    /// The roots were found, not remembered from an earlier session.
    pub(super) roots: bool,
    /// The inventory.
    pub(super) inventory: Sight,
}

/// Whether the inventory is known well enough to work by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sight {
    /// It is not.
    #[default]
    Unseen,
    /// What is known of it counts, until the device shows that it does not hold.
    Assumed,
    /// It was read.
    Read,
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self {
            next: 0,
            pending: None,
            live: false,
            execs: vec![],
            status: None,
            last: None,
            late: None,
            distrusted: None,
            sent: false,
            seen: Seen { detail: false, roots: false, inventory: Sight::Unseen },
            chosen: None,
            way: None,
            closed: vec![],
            user: User::new(),
        }
    }

    pub(super) fn between_sessions(self) -> Self {
        let next = Self { live: false, late: None, sent: false, ..self };
        next.asked_nothing()
    }

    /// Without what was learnt in this session: the next one asks the device again.
    fn asked_nothing(self) -> Self {
        let seen = Seen { detail: false, roots: false, inventory: Sight::Unseen };
        Self { pending: None, seen, chosen: None, ..self }
    }
}

pub(super) struct Hand<'a> {
    pub(super) errand: &'a Errand,
    pub(super) cx: &'a Context<'a>,
    pub(super) memory: Memory,
    mint: &'a mut dyn Mint,
    effects: Vec<Effect>,
}

impl<'a> Hand<'a> {
    pub(super) fn new(errand: &'a Errand, memory: Memory, cx: &'a Context<'a>, mint: &'a mut dyn Mint) -> Self {
        Self { errand, cx, memory, mint, effects: vec![] }
    }

    pub(super) fn done(self) -> (Memory, Vec<Effect>) {
        (self.memory, self.effects)
    }

    /// Marks a session as open; `false` if it was already.
    pub(super) const fn go_live(&mut self) -> bool {
        let fresh = !self.memory.live;
        self.memory.live = true;
        fresh
    }

    /// Marks the session as ended and its ask as void.
    pub(super) fn rest(&mut self) {
        let memory = std::mem::replace(&mut self.memory, Memory::new());
        self.memory = Memory { live: false, ..memory.asked_nothing() };
    }

    /// Whether what is known of this is young enough, so that it need not be read.
    pub(super) fn is_fresh(&self, source: FactSource) -> bool {
        self.cx.fresh.contains(&source)
    }

    /// Whether the inventory is known well enough to work by it.
    pub(super) fn has_looked(&self) -> bool {
        self.memory.seen.inventory != Sight::Unseen
    }

    /// Whether what is worked by was not read in this session.
    pub(super) fn assumes(&self) -> bool {
        self.memory.seen.inventory == Sight::Assumed
    }

    /// Asks which package, and how.
    pub(super) fn need_selection(&mut self) {
        self.need(Need::Selection { read: self.read(), closed: self.memory.closed.clone() });
    }

    /// What was read in this session and counts for a choice.
    pub(super) fn read(&self) -> BTreeSet<FactSource> {
        let detail = self.memory.seen.detail.then_some(FactSource::DevDetail);
        let inventory = self.has_looked() && self.cx.collect.allows(FactSource::Inventory);
        detail.into_iter().chain(inventory.then_some(FactSource::Inventory)).collect()
    }

    /// Whether this is the outstanding ask, which then no longer is.
    pub(super) fn take_answer(&mut self, ask: AskId) -> bool {
        let fits = self.memory.pending == Some(ask);
        if fits {
            self.memory.pending = None;
        }
        fits
    }

    pub(super) fn ask(&mut self, intent: Intent) {
        let id = AskId(self.memory.next);
        self.memory.next = self.memory.next.saturating_add(1);
        self.memory.pending = Some(id);
        self.effects.push(Effect::Ask(Ask { id, intent }));
    }

    pub(super) fn need(&mut self, need: Need) {
        self.effects.push(Effect::Need(need));
    }

    pub(super) fn learned(&mut self, fact: Fact) {
        self.effects.push(Effect::Learned(fact));
    }

    /// Takes in the inventory of the root that is worked on: what that root shows, and all that is known now.
    pub(super) fn renew(&mut self, place: &Place, tree: &Branch) -> (Inventory, Inventory) {
        let part = Inventory::from_tree(place.clone(), tree);
        let whole = match self.cx.inventory {
            Some(known) => known.renewed(part.clone()),
            None => part.clone(),
        };
        self.learned(Fact::Inventory { whole: whole.places.len() <= 1, inventory: whole.clone() });
        (part, whole)
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Note(text.into()));
    }

    /// What the device said or showed of itself.
    pub(super) fn heard(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Heard(text.into()));
    }

    pub(super) fn await_report(&mut self, exec: Option<&Correlator>) {
        self.effects.extend(exec.map(|exec| Effect::AwaitReport { exec: exec.clone() }));
    }

    /// A correlator that no Exec had before; remembered.
    pub(super) fn correlator(&mut self) -> Correlator {
        // a token is made of letters, digits, `-` and `_`, which a correlator takes: the loop ends at once
        let correlator = loop {
            if let Ok(correlator) = Correlator::parse(&self.mint.token(CORRELATOR_LENGTH)) {
                break correlator;
            }
        };
        if self.memory.execs.len() >= MOST_EXECS {
            self.memory.execs.remove(0);
        }
        self.memory.execs.push(correlator.clone());
        (self.memory.status, self.memory.last) = (None, None);
        correlator
    }

    pub(super) fn finish(&mut self, ending: Ending) -> Stage {
        self.memory.pending = None;
        self.effects.push(Effect::Finished(ending));
        Stage::Over
    }

    /// The device's tree shows that what is wanted is so: by this job's own doing if it has sent an Exec.
    pub(super) fn already(&mut self) -> Stage {
        let ending = if self.memory.execs.is_empty() {
            Ending::AlreadyDone
        } else {
            Ending::Succeeded { code: self.memory.late, confirmed: true }
        };
        self.finish(ending)
    }

    /// The device did not do what an ask wanted; `doing` completes "the device refused to …". If that was asked upon what was known
    /// from before, the device is looked at first.
    pub(super) fn setback(&mut self, outcome: &Outcome, doing: &str) -> Stage {
        let failure = Failure::of(outcome, doing);
        if self.assumes() {
            return look::again(&failure.text, self);
        }
        self.finish(Ending::Failed(failure))
    }

    /// The same where it shows that a package cannot be brought this way at all: another way is chosen if there is one.
    pub(super) fn dead_end(&mut self, outcome: &Outcome, doing: &str) -> Stage {
        let failure = Failure::of(outcome, doing);
        let unable =
            failure.class == FailureClass::Incapable || matches!(failure.device_code, Some(405 | 406 | 413 | 415));
        if unable && !self.assumes() { self.unable(failure) } else { self.setback(outcome, doing) }
    }

    /// The device lacks what the way needs that is being tried.
    pub(super) fn unable(&mut self, failure: Failure) -> Stage {
        let Some(way) = self.memory.way.take().filter(|way| self.memory.closed.iter().all(|c| c.way != *way)) else {
            return self.finish(Ending::Failed(failure));
        };
        self.note(format!("{}: another way is looked for", failure.text));
        self.memory.closed.push(Closed { way, failure });
        // A report may have come before anything was read in its session.
        look::proceed(self)
    }
}

impl Failure {
    /// What an outcome that is no success means; `doing` completes "the device refused to …".
    #[must_use]
    pub fn of(outcome: &Outcome, doing: &str) -> Self {
        let refused = |code: u16| Self {
            code: None,
            device_code: Some(code),
            class: FailureClass::Refused,
            retryable: may_change(code),
            text: format!("the device refused to {doing} (status {code})"),
        };
        match outcome {
            Outcome::Refused { code } | Outcome::Done { code } => refused(*code),
            Outcome::Missing => refused(404),
            Outcome::Unsupported { code } => Self {
                code: None,
                device_code: *code,
                class: FailureClass::Incapable,
                retryable: false,
                text: format!("the device cannot {doing}"),
            },
            Outcome::Found(_)
            | Outcome::Read(_)
            | Outcome::Written { .. }
            | Outcome::Deleted
            | Outcome::Pending
            | Outcome::Answered(_)
            | Outcome::Grouped(_)
            | Outcome::Skipped { .. }
            | Outcome::Unknown => Self {
                code: None,
                device_code: None,
                class: FailureClass::Refused,
                retryable: true,
                text: format!("the device answered something else when it was to {doing}"),
            },
        }
    }

    /// A result code that is no success.
    pub(super) fn reported(code: ResultCode) -> Self {
        let class = if code.class() == crate::scomo::outcome::Class::Server {
            FailureClass::Server
        } else {
            FailureClass::Client
        };
        let text = format!("the device reported {code}");
        Self { code: Some(code), device_code: None, class, retryable: code.is_retryable(), text }
    }
}

/// Whether a refusal with this DM status may have gone when it is tried again later: the tree changed, the device was busy, full
/// or out of order.
const fn may_change(status: u16) -> bool {
    matches!(status, 404 | 408 | 409 | 417 | 418 | 420 | 424 | 500 | 503 | 510..=516)
}
