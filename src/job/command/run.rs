//! The list of commands as a procedure, a value that each input advances.

use serde::{Deserialize, Serialize};

use super::{
    Command, Commands, Grouping,
    item::{Item, ItemOutcome, Room},
};
use crate::{
    job::procedure::{Context, Effect, Ending, Failure, FailureClass, Input},
    model::{
        clock::Mint,
        id::Correlator,
        tree::{Ask, AskId, Branch, Intent, Leaf, Outcome},
    },
};

/// Correlators remembered of a job; older ones are forgotten first.
const MOST_EXECS: usize = 128;
/// Six bits each: no two Execs of a device meet.
const CORRELATOR_LENGTH: usize = 16;

/// A list of commands on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    commands: Commands,
    /// What became of the first commands; those that are not here were not said, or nobody knows yet.
    items: Vec<Item>,
    /// What is left for the values of further ones.
    room: Room,
    execs: Vec<Exec>,
    /// The first failure of this attempt.
    failure: Option<Failure>,
    /// Something was done that must not be done again.
    spent: bool,
    /// Number of the next ask.
    next: u32,
    /// A session is open.
    live: bool,
    stage: Stage,
}

/// An Exec that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Exec {
    correlator: Correlator,
    /// Which command; absent for those of an earlier attempt.
    index: Option<usize>,
    /// What its report said before its status came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<String>,
}

/// Where a list stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Nothing is out; goes on when a session does.
    Resting,
    /// The command behind the last item is out, or all of them as a group.
    Asking { ask: AskId },
    /// It was lost with its session; it, or an end, comes with the next one.
    Lost,
    /// A node is read to see whether the lost command was done; `like` is what is there if it was.
    Checking { ask: AskId, like: Option<Branch> },
    /// The device works on an Exec, or it was lost before its status came.
    Waiting,
    /// Finished.
    Over,
}

/// What a step needs at hand.
struct Hand<'a> {
    cx: &'a Context<'a>,
    mint: &'a mut dyn Mint,
    effects: Vec<Effect>,
}

impl Run {
    /// A list of which no command was said.
    #[must_use]
    pub const fn new(commands: Commands) -> Self {
        Self {
            commands,
            items: Vec::new(),
            room: Room::WHOLE,
            execs: Vec::new(),
            failure: None,
            spent: false,
            next: 0,
            live: false,
            stage: Stage::Resting,
        }
    }

    /// The same list from its beginning, which remembers the Execs of earlier attempts.
    #[must_use]
    pub fn again(self) -> Self {
        let Self { commands, execs, next, .. } = self;
        let execs = execs.into_iter().map(|exec| Exec { index: None, told: None, ..exec }).collect();
        Self { execs, next, ..Self::new(commands) }
    }

    /// Takes an input and advances. What does not fit the stage changes nothing.
    #[must_use]
    pub fn handle(mut self, input: Input, cx: &Context<'_>, mint: &mut dyn Mint) -> (Self, Vec<Effect>) {
        let mut hand = Hand { cx, mint, effects: Vec::new() };
        match (input, &self.stage) {
            (_, Stage::Over) => {}
            (Input::Started, _) => self.started(&mut hand),
            (Input::Outcome { ask, outcome: Outcome::Unknown }, _) if self.is_out(ask) => self.lost(&mut hand),
            (Input::Outcome { ask, outcome }, Stage::Asking { ask: out }) if ask == *out => {
                self.answered(outcome, &mut hand);
            }
            (Input::Outcome { ask, outcome }, Stage::Checking { ask: out, like }) if ask == *out => {
                let like = like.clone();
                self.checked(&outcome, like, &mut hand);
            }
            (Input::Told { correlator, texts }, _) => self.told(&correlator, texts, &mut hand),
            (Input::SessionEnded, _) => self.lost(&mut hand),
            (
                Input::Outcome { .. }
                | Input::Report { .. }
                | Input::Selected(_)
                | Input::Fit(_)
                | Input::Granted { .. },
                _,
            ) => {}
        }
        (self, hand.effects)
    }

    /// What became of each command, as far as it is known.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let out = match &self.stage {
            Stage::Asking { .. } | Stage::Lost | Stage::Checking { .. } => self.asked(),
            Stage::Resting | Stage::Waiting | Stage::Over => 0,
        };
        let (from, to) = (self.items.len(), self.commands.list.len());
        let rest = (from..to).map(|index| {
            let is_out = index < from.saturating_add(out);
            if is_out { Item::unknown(index) } else { Item::plain(index, ItemOutcome::Skipped) }
        });
        self.items.iter().cloned().chain(rest).collect()
    }

    /// The correlators of the Execs of this attempt whose end is not known.
    pub(in crate::job) fn awaited(&self) -> impl Iterator<Item = &Correlator> {
        let is_open = |index: usize| {
            let item = self.items.get(index);
            item.is_none_or(|item| matches!(item.outcome, ItemOutcome::Pending | ItemOutcome::Unknown))
        };
        let live = !self.is_over();
        self.execs.iter().filter(move |exec| live && exec.index.is_some_and(is_open)).map(|exec| &exec.correlator)
    }

    /// Whether an Exec of this or an earlier attempt had this correlator, as far back as is remembered.
    #[must_use]
    pub fn knows(&self, correlator: &Correlator) -> bool {
        self.execs.iter().any(|exec| exec.correlator == *correlator)
    }

    /// Whether a command is out that must not be said again, or a report is awaited.
    pub(in crate::job) fn is_under_way(&self) -> bool {
        let mut out = self.commands.list.iter().skip(self.items.len()).take(self.asked());
        match &self.stage {
            Stage::Asking { .. } => !out.all(Command::may_repeat),
            Stage::Waiting => true,
            Stage::Resting | Stage::Lost | Stage::Checking { .. } | Stage::Over => false,
        }
    }

    /// Whether it has finished.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    fn started(&mut self, hand: &mut Hand<'_>) {
        if std::mem::replace(&mut self.live, true) {
            return;
        }
        match self.stage {
            Stage::Resting => self.advance(hand),
            Stage::Waiting if hand.cx.report_late => {
                hand.note("the report is overdue, and nothing else tells how the operation ended");
                self.finish(hand);
            }
            Stage::Waiting => self.wait(hand),
            Stage::Lost => self.look(hand),
            Stage::Asking { .. } | Stage::Checking { .. } | Stage::Over => {}
        }
    }

    /// Nothing is outstanding any more: what was out may or may not have been done.
    fn lost(&mut self, hand: &mut Hand<'_>) {
        self.live = false;
        let out = self.commands.list.iter().skip(self.items.len()).take(self.asked());
        let (repeatable, exec) = (out.clone().all(Command::may_repeat), out.clone().any(Command::is_exec));
        match &self.stage {
            Stage::Asking { .. } if repeatable => self.stage = Stage::Resting,
            // It may still be reported, or was already.
            Stage::Asking { .. } if exec && self.commands.group.is_none() => {
                self.take(Outcome::Unknown, hand);
                let is_open = self.items.last().is_some_and(|item| item.outcome == ItemOutcome::Unknown);
                self.stage = if is_open { Stage::Waiting } else { Stage::Resting };
            }
            Stage::Asking { .. } | Stage::Checking { .. } => self.stage = Stage::Lost,
            Stage::Resting | Stage::Lost | Stage::Waiting | Stage::Over => {}
        }
    }

    /// Whether this ask is outstanding.
    fn is_out(&self, ask: AskId) -> bool {
        match &self.stage {
            Stage::Asking { ask: out } | Stage::Checking { ask: out, .. } => *out == ask,
            Stage::Resting | Stage::Lost | Stage::Waiting | Stage::Over => false,
        }
    }

    /// How many commands are said at once.
    const fn asked(&self) -> usize {
        if self.commands.group.is_some() { self.commands.list.len() } else { 1 }
    }

    /// Says what comes next, or ends.
    fn advance(&mut self, hand: &mut Hand<'_>) {
        if self.items.iter().any(|item| item.outcome == ItemOutcome::Pending) {
            return self.wait(hand);
        }
        let stopped = self.commands.group.is_none() && self.items.last().is_some_and(|item| !item.is_good());
        if stopped || self.items.len() == self.commands.list.len() {
            return self.finish(hand);
        }
        if self.live { self.say(hand) } else { self.stage = Stage::Resting }
    }

    fn say(&mut self, hand: &mut Hand<'_>) {
        if hand.cx.held {
            self.stage = Stage::Resting;
            return hand.effects.push(Effect::Held);
        }
        let from = self.items.len();
        let out: Vec<Command> = self.commands.list.iter().skip(from).take(self.asked()).cloned().collect();
        let mut intents = Vec::new();
        for (command, index) in out.iter().zip(from..) {
            let correlator = command.is_exec().then(|| self.correlator(index, hand));
            intents.extend(command.intent(hand.cx.lang, correlator));
        }
        let intent = match self.commands.group {
            None => intents.pop(),
            Some(group) => Some(Intent::Group { atomic: group == Grouping::Atomic, members: intents }),
        };
        if let Some(intent) = intent {
            self.stage = Stage::Asking { ask: self.ask(intent, hand) };
        }
    }

    fn ask(&mut self, intent: Intent, hand: &mut Hand<'_>) -> AskId {
        let id = AskId(self.next);
        self.next = self.next.saturating_add(1);
        hand.effects.push(Effect::Ask(Ask { id, intent }));
        id
    }

    /// A correlator that no Exec had before; remembered.
    fn correlator(&mut self, index: usize, hand: &mut Hand<'_>) -> Correlator {
        // A token is made of letters, digits, `-` and `_`, which a correlator takes: the loop ends at once.
        let correlator = loop {
            if let Ok(correlator) = Correlator::parse(&hand.mint.token(CORRELATOR_LENGTH)) {
                break correlator;
            }
        };
        if self.execs.len() >= MOST_EXECS {
            self.execs.remove(0);
        }
        self.execs.push(Exec { correlator: correlator.clone(), index: Some(index), told: None });
        correlator
    }

    fn answered(&mut self, outcome: Outcome, hand: &mut Hand<'_>) {
        match (self.commands.group, outcome) {
            (None, outcome) => self.take(outcome, hand),
            (Some(_), Outcome::Grouped(outcomes)) => {
                let missing = self.commands.list.len().saturating_sub(outcomes.len());
                let unknown = std::iter::repeat_n(Outcome::Unknown, missing);
                outcomes.into_iter().chain(unknown).for_each(|outcome| self.take(outcome, hand));
            }
            (Some(group), outcome) => {
                let what = if group == Grouping::Atomic { "run an Atomic" } else { "run a Sequence" };
                self.failure = Some(Failure::of(&outcome, what));
                self.items = self.items();
                self.items.iter_mut().for_each(|item| *item = Item::plain(item.index, ItemOutcome::Skipped));
                return self.finish(hand);
            }
        }
        self.advance(hand);
    }

    /// Takes the end of the next command.
    fn take(&mut self, outcome: Outcome, hand: &mut Hand<'_>) {
        let index = self.items.len();
        let Some(command) = self.commands.list.get(index) else { return };
        let ran = matches!(outcome, Outcome::Pending | Outcome::Done { .. } | Outcome::Unknown);
        let exec = self.execs.iter_mut().find(|exec| exec.index == Some(index));
        let (item, failure) = match exec.and_then(|exec| exec.told.take()) {
            Some(text) if ran => Item::reported(index, command, &text, &mut self.room),
            Some(_) | None => Item::of(index, command, outcome, &mut self.room),
        };
        self.put(item, failure, hand);
    }

    fn put(&mut self, item: Item, failure: Option<Failure>, hand: &mut Hand<'_>) {
        let Some(command) = self.commands.list.get(item.index) else { return };
        hand.note(format!("command {} ({command}): {}", item.index, item.told()));
        self.spent |= !command.may_repeat() && item.may_have_run();
        self.failure = self.failure.take().or(failure);
        match self.items.get_mut(item.index) {
            Some(old) => *old = item,
            None => self.items.push(item),
        }
    }

    /// The device works on it and will report.
    fn wait(&mut self, hand: &mut Hand<'_>) {
        self.stage = Stage::Waiting;
        let awaited = self.awaited().cloned().map(|exec| Effect::AwaitReport { exec });
        hand.effects.extend(awaited.take(1));
    }

    /// A report came.
    fn told(&mut self, correlator: &Correlator, texts: Vec<String>, hand: &mut Hand<'_>) {
        let found = self.execs.iter_mut().find(|exec| exec.correlator == *correlator);
        let Some((exec, index)) = found.and_then(|exec| exec.index.map(|index| (exec, index))) else { return };
        let text = texts.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default();
        let Some(item) = self.items.get(index) else {
            exec.told = Some(text);
            return;
        };
        if !matches!(item.outcome, ItemOutcome::Pending | ItemOutcome::Unknown) {
            return;
        }
        let Some(command) = self.commands.list.get(index) else { return };
        let (item, failure) = Item::reported(index, command, &text, &mut self.room);
        self.put(item, failure, hand);
        self.advance(hand);
    }

    /// A new session: was the lost command done? Where nothing can show it, that is the end.
    fn look(&mut self, hand: &mut Hand<'_>) {
        if hand.cx.held {
            return hand.effects.push(Effect::Held);
        }
        let lost = self.commands.list.get(self.items.len()).filter(|_| self.commands.group.is_none());
        let read = match lost {
            Some(Command::Add { uri, .. }) => Some(uri.node()),
            Some(Command::Copy { from, .. }) => Some(from.node()),
            Some(
                Command::Get { .. }
                | Command::Replace { .. }
                | Command::Delete { .. }
                | Command::Exec { .. }
                | Command::Prompt(_),
            )
            | None => None,
        };
        let like = if let Some(Command::Add { leaf, .. }) = lost {
            Some(leaf.clone().map_or_else(|| Branch::Interior(Vec::new()), Branch::Leaf))
        } else {
            None
        };
        match read {
            Some(at) => self.stage = Stage::Checking { ask: self.ask(Intent::ReadSubtree { at }, hand), like },
            None => self.in_doubt(hand),
        }
    }

    fn checked(&mut self, outcome: &Outcome, like: Option<Branch>, hand: &mut Hand<'_>) {
        let lost = self.commands.list.get(self.items.len());
        match (outcome, like, lost) {
            (Outcome::Read(found), Some(like), _) if alike(found, &like) => {
                let item = Item {
                    text: "it was found there after the session was lost".to_owned(),
                    ..Item::plain(self.items.len(), ItemOutcome::Done)
                };
                self.put(item, None, hand);
                self.advance(hand);
            }
            // It was not done: the device may be told once more.
            (Outcome::Missing, Some(_), Some(Command::Add { .. })) => self.say(hand),
            (Outcome::Read(found), None, Some(Command::Copy { to, .. })) => {
                let (at, like) = (to.node(), Some(found.clone()));
                self.stage = Stage::Checking { ask: self.ask(Intent::ReadSubtree { at }, hand), like };
            }
            (_, _, _) => self.in_doubt(hand),
        }
    }

    fn in_doubt(&mut self, hand: &mut Hand<'_>) {
        self.spent = true;
        for _ in 0..self.asked() {
            let item = Item::unknown(self.items.len());
            self.put(item, None, hand);
        }
        self.finish(hand);
    }

    fn finish(&mut self, hand: &mut Hand<'_>) {
        self.stage = Stage::Over;
        let items = self.items();
        let ending = self.ending(&items);
        self.items = items;
        hand.effects.push(Effect::Finished(ending));
    }

    /// A no or a failure, whichever comes first, says more than what is not known.
    fn ending(&mut self, items: &[Item]) -> Ending {
        let failed = |item: &&Item| item.outcome == ItemOutcome::Failed;
        let no = items.iter().find(|item| item.is_no());
        let late = items.iter().find(|item| item.outcome == ItemOutcome::Answered && !item.is_good());
        let open = |item: &&Item| matches!(item.outcome, ItemOutcome::Unknown | ItemOutcome::Pending);
        let before = |no: &Item| items.iter().find(failed).is_none_or(|failed| no.index < failed.index);
        if no.is_some_and(before) {
            return Ending::Declined { code: None };
        }
        if let Some(failure) = self.failure.take() {
            return Ending::Failed(Failure { retryable: failure.retryable && !self.spent, ..failure });
        }
        if late.is_some() {
            return failed_as(FailureClass::Client, "the user did not answer in time");
        }
        if let Some(open) = items.iter().find(open) {
            let command = self.commands.list.get(open.index).map(ToString::to_string).unwrap_or_default();
            return Ending::InDoubt {
                text: format!("nothing tells whether the device did command {} ({command})", open.index),
            };
        }
        if items.iter().any(|item| item.outcome == ItemOutcome::Skipped) {
            return failed_as(
                FailureClass::Refused,
                "the device did not run all of the commands, and does not say why",
            );
        }
        Ending::Succeeded { code: None, confirmed: false }
    }
}

/// A failure that another attempt would repeat.
fn failed_as(class: FailureClass, text: &str) -> Ending {
    Ending::Failed(Failure { code: None, device_code: None, class, retryable: false, text: text.to_owned() })
}

/// Whether a node that was found is what was to be there; the type that a device gives a leaf is its own affair.
fn alike(found: &Branch, wanted: &Branch) -> bool {
    match (found, wanted) {
        (Branch::Interior(_), Branch::Interior(_)) => true,
        (Branch::Leaf(found), Branch::Leaf(wanted)) => plain(found) == plain(wanted),
        (Branch::Interior(_), Branch::Leaf(_)) | (Branch::Leaf(_), Branch::Interior(_)) => false,
    }
}

fn plain(leaf: &Leaf) -> (crate::model::tree::Format, &str) {
    (leaf.format, leaf.text.trim())
}

impl Hand<'_> {
    fn note(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Note(text.into()));
    }
}
