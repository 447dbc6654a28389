//! What became of one command.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Command;
use crate::{
    job::procedure::{Failure, FailureClass},
    model::tree::{Answer, Branch, Format, Leaf, Outcome},
    scomo::outcome::{ReportItem, ResultCode},
};

/// What became of one command of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "CommandItem")]
pub struct Item {
    /// Its place in the list; the first is 0.
    pub index: usize,
    /// How it ended.
    pub outcome: ItemOutcome,
    /// The device's status or result code, where it tells more than the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was read, or what the user answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ItemValue>,
    /// `value` or `text` is not the whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// A sentence for people, or the text of the device's report.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "CommandOutcome")]
#[serde(rename_all = "snake_case")]
pub enum ItemOutcome {
    /// What was wanted is so.
    Done,
    /// The device refused, cannot do it, or reported a failure.
    Failed,
    /// It was not tried, or undone with the others of its group.
    Skipped,
    /// It was said, and nothing tells whether it was done.
    Unknown,
    /// The user was asked; `value` has the answer.
    Answered,
    /// The device works on it and has not reported yet.
    Pending,
}

/// What a command brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "CommandValue")]
#[serde(untagged)]
pub enum ItemValue {
    /// A leaf.
    Leaf {
        /// Its format.
        format: Format,
        /// Its type; absent: `text/plain`.
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        mime: Option<String>,
        /// Its value; base64 for bytes.
        value: String,
    },
    /// An interior node.
    Node {
        /// What is below it, by name.
        children: BTreeMap<String, Self>,
    },
    /// What the user said without typing or choosing.
    Answer {
        /// `yes`, `no`, `cancelled` or `timed_out`.
        answer: Said,
    },
    /// What the user typed, or the numbers of the choices.
    Given {
        /// One text, or a number a choice.
        given: Vec<String>,
    },
}

/// What a user says without typing or choosing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "UserAnswer")]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Yes, or seen.
    Yes,
    /// No.
    No,
    /// Cancelled the dialogue.
    Cancelled,
    /// Nothing in time.
    TimedOut,
}

/// How much room is left in the results of a job, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Room(usize);

impl Room {
    /// What all values and texts may take together.
    pub(super) const WHOLE: Self = Self(24 * 1024);
    /// What the frame of a node takes in JSON, roughly.
    const FRAME: usize = 48;
    /// The longest text of a report.
    const MOST_TEXT: usize = 2048;

    const fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        self.0 = self.0.saturating_sub(bytes);
        fits
    }

    /// As much of a text as there is room for. JSON may write a character in six bytes, so every one that is escaped is counted so.
    fn text(&mut self, text: &str, most: usize) -> (String, bool) {
        let cost = |c: char| if c.is_control() || matches!(c, '"' | '\\') { 6 } else { c.len_utf8() };
        let (mut kept, mut left) = (String::new(), self.0.min(most));
        for c in text.chars() {
            if cost(c) > left {
                break;
            }
            left = left.saturating_sub(cost(c));
            kept.push(c);
        }
        self.0 = self.0.saturating_sub(self.0.min(most).saturating_sub(left));
        let cut = kept.len() < text.len();
        (kept, cut)
    }

    /// As much of a tree as there is room for, and whether that is less than all.
    fn tree(&mut self, tree: Branch) -> Option<(ItemValue, bool)> {
        if !self.take(Self::FRAME) {
            return None;
        }
        Some(match tree {
            Branch::Leaf(Leaf { format, mime, text }) => {
                let mime = mime.filter(|mime| self.take(mime.len()));
                let (value, cut) = self.text(&text, usize::MAX);
                (ItemValue::Leaf { format, mime, value }, cut)
            }
            Branch::Interior(below) => {
                let (mut children, mut all) = (BTreeMap::new(), true);
                for (name, child) in below {
                    let kept = self.take(name.len()).then(|| self.tree(child)).flatten();
                    all &= kept.as_ref().is_some_and(|(_, cut)| !cut);
                    children.extend(kept.map(|(value, _)| (name, value)));
                }
                (ItemValue::Node { children }, !all)
            }
        })
    }
}

impl Item {
    /// Nothing but an outcome.
    pub(super) const fn plain(index: usize, outcome: ItemOutcome) -> Self {
        Self { index, outcome, status: None, value: None, cut: false, text: String::new() }
    }

    /// A command that was said, and nothing tells whether it was done.
    pub(super) fn unknown(index: usize) -> Self {
        let text = "the session was lost before the device told what became of it".to_owned();
        Self { text, ..Self::plain(index, ItemOutcome::Unknown) }
    }

    /// From how the intent ended; with the failure, if it is one.
    pub(super) fn of(index: usize, command: &Command, outcome: Outcome, room: &mut Room) -> (Self, Option<Failure>) {
        let done = Self::plain(index, ItemOutcome::Done);
        match outcome {
            Outcome::Read(tree) => {
                let (value, cut) = room.tree(tree).unzip();
                (Self { value, cut: cut.unwrap_or(true), ..done }, None)
            }
            Outcome::Written { .. } | Outcome::Deleted => (done, None),
            Outcome::Missing if matches!(command, Command::Delete { .. }) => {
                (Self { status: Some(404), text: "there was nothing to delete".to_owned(), ..done }, None)
            }
            Outcome::Done { code } => Self::ran(index, command, code, String::new(), false),
            Outcome::Pending => (Self { status: Some(202), ..Self::plain(index, ItemOutcome::Pending) }, None),
            Outcome::Answered(answer) => Self::answered(index, answer, room),
            Outcome::Skipped { code: 516 } => {
                let text = "it was done, and could not be undone with the others of its group".to_owned();
                (Self { status: Some(516), text, ..Self::plain(index, ItemOutcome::Unknown) }, None)
            }
            Outcome::Skipped { code } => {
                (Self { status: Some(code), ..Self::plain(index, ItemOutcome::Skipped) }, None)
            }
            Outcome::Unknown => (Self::unknown(index), None),
            Outcome::Missing
            | Outcome::Refused { .. }
            | Outcome::Unsupported { .. }
            | Outcome::Found(_)
            | Outcome::Grouped(_) => {
                let failure = Failure::of(&outcome, &command.to_string());
                let (text, cut) = room.text(&failure.text, Room::MOST_TEXT);
                (Self { cut, ..Self::failed(index, failure.device_code, text) }, Some(failure))
            }
        }
    }

    /// From the report of an Exec that the device had accepted: a code, if it has one, and its text.
    pub(super) fn reported(index: usize, command: &Command, text: &str, room: &mut Room) -> (Self, Option<Failure>) {
        let code = ReportItem::parse(text, None).map(|item| item.code);
        let (text, cut) = room.text(text, Room::MOST_TEXT);
        match code {
            Some(code) => Self::ran(index, command, code.number(), text, cut),
            None => (Self { cut, text, ..Self::plain(index, ItemOutcome::Done) }, None),
        }
    }

    /// Whether what was wanted is so, and what comes after it may be done.
    pub(super) const fn is_good(&self) -> bool {
        let yes = matches!(self.value, Some(ItemValue::Answer { answer: Said::Yes } | ItemValue::Given { .. }));
        matches!(self.outcome, ItemOutcome::Done) || (matches!(self.outcome, ItemOutcome::Answered) && yes)
    }

    /// Whether the device may have done something of it.
    pub(super) const fn may_have_run(&self) -> bool {
        match self.outcome {
            ItemOutcome::Done | ItemOutcome::Unknown | ItemOutcome::Answered | ItemOutcome::Pending => true,
            ItemOutcome::Failed | ItemOutcome::Skipped => false,
        }
    }

    /// How it ended, in a few words.
    pub(super) fn told(&self) -> String {
        let word = match self.outcome {
            ItemOutcome::Done => "done",
            ItemOutcome::Failed => "failed",
            ItemOutcome::Skipped => "skipped",
            ItemOutcome::Unknown => "not known",
            ItemOutcome::Answered if self.is_good() => "answered",
            ItemOutcome::Answered => "answered, and not with a yes",
            ItemOutcome::Pending => "accepted, a report will follow",
        };
        self.status.map_or_else(|| word.to_owned(), |status| format!("{word} ({status})"))
    }

    /// Whether the user said no.
    pub(super) const fn is_no(&self) -> bool {
        matches!(self.value, Some(ItemValue::Answer { answer: Said::No | Said::Cancelled }))
    }

    /// An Exec that ran, with the code that it ended with.
    fn ran(index: usize, command: &Command, code: u16, text: String, cut: bool) -> (Self, Option<Failure>) {
        if ResultCode::new(code).is_ok() {
            return (Self { status: Some(code), cut, text, ..Self::plain(index, ItemOutcome::Done) }, None);
        }
        let failure = Failure {
            code: ResultCode::in_status(code),
            device_code: Some(code).filter(|_| ResultCode::in_status(code).is_none()),
            class: FailureClass::Client,
            retryable: false,
            text: format!("the device reported {code} for {command}"),
        };
        let text = if text.is_empty() { failure.text.clone() } else { text };
        (Self { cut, ..Self::failed(index, Some(code), text) }, Some(failure))
    }

    fn answered(index: usize, answer: Answer, room: &mut Room) -> (Self, Option<Failure>) {
        let said = |answer| (Some(ItemValue::Answer { answer }), false);
        let (value, cut) = match answer {
            Answer::Yes => said(Said::Yes),
            Answer::No => said(Said::No),
            Answer::Cancelled => said(Said::Cancelled),
            Answer::TimedOut => said(Said::TimedOut),
            Answer::Given(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| room.text(text, Room::MOST_TEXT)).collect();
                let cut = texts.iter().any(|(_, cut)| *cut);
                (Some(ItemValue::Given { given: texts.into_iter().map(|(text, _)| text).collect() }), cut)
            }
        };
        (Self { value, cut, ..Self::plain(index, ItemOutcome::Answered) }, None)
    }

    fn failed(index: usize, status: Option<u16>, text: String) -> Self {
        Self { status, text, ..Self::plain(index, ItemOutcome::Failed) }
    }
}
