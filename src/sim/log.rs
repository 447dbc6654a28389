//! What a device remembers of what it did, for onlookers: the last of each kind.

use std::collections::VecDeque;

use serde::Serialize;

use super::operation::Operation;

/// How many of each kind are kept.
const MOST: usize = 100;

/// An Exec of a primitive, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// Which primitive.
    pub operation: Operation,
    /// PkgID or component ID.
    pub identifier: String,
    /// The Exec's Correlator.
    pub correlator: Option<String>,
    /// What the Exec was answered with: a DM status, or the result code of one that is done at once.
    pub status: u16,
    /// The result code; nothing while it runs, and for one that was refused or left no trace.
    pub code: Option<u16>,
    /// How often its report was sent.
    pub sent: u32,
    /// What the server said to its reports.
    pub answers: Vec<u16>,
}

/// A prompt of the server, and what became of it (DM 1.x sheet 2.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prompt {
    /// The alert's code, 1100 to 1104.
    pub alert: u16,
    /// The options, as they came.
    pub options: String,
    /// The text that was shown.
    pub text: String,
    /// The choices that were shown.
    pub choices: Vec<String>,
    /// The status that the device gave.
    pub status: u16,
    /// What was typed or chosen.
    pub answer: Vec<String>,
}

/// An alert of the device's own that reports no operation (SCOMO sheet 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Its Type.
    pub r#type: String,
    /// Its Source.
    pub source: Option<String>,
    /// Its Data.
    pub data: String,
    /// How often it was sent.
    pub sent: u32,
    /// What the server said; nothing yet if it has not.
    pub status: Option<u16>,
}

/// A status report to the download server (SCOMO sheet 7.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Posted {
    /// Its code.
    pub code: u16,
    /// Its body.
    pub body: String,
    /// Whether the server took it.
    pub taken: bool,
}

/// The last of what a device did.
#[derive(Debug, Default)]
pub(super) struct Log {
    next: u64,
    operations: VecDeque<(u64, Ran)>,
    asks: VecDeque<(u64, Asked)>,
    prompts: VecDeque<Prompt>,
    posts: VecDeque<Posted>,
}

impl Log {
    /// Notes an Exec; gives its number.
    pub(super) fn exec(
        &mut self,
        operation: Operation,
        identifier: &str,
        correlator: Option<&str>,
        status: u16,
    ) -> u64 {
        let (identifier, correlator) = (identifier.to_owned(), correlator.map(str::to_owned));
        let ran = Ran { operation, identifier, correlator, status, code: None, sent: 0, answers: Vec::new() };
        let number = self.number();
        push(&mut self.operations, (number, ran));
        number
    }

    /// The Exec of that number, as long as it is remembered.
    pub(super) fn ran(&mut self, number: u64) -> Option<&mut Ran> {
        find(&mut self.operations, number)
    }

    /// Notes an alert of the device's own; gives its number.
    pub(super) fn ask(&mut self, asked: Asked) -> u64 {
        let number = self.number();
        push(&mut self.asks, (number, asked));
        number
    }

    /// The alert of that number, as long as it is remembered.
    pub(super) fn asked(&mut self, number: u64) -> Option<&mut Asked> {
        find(&mut self.asks, number)
    }

    /// Notes a prompt.
    pub(super) fn prompt(&mut self, prompt: Prompt) {
        push(&mut self.prompts, prompt);
    }

    /// Notes a status report.
    pub(super) fn post(&mut self, posted: Posted) {
        push(&mut self.posts, posted);
    }

    /// What is remembered: operations, prompts, asks and status reports, oldest first.
    pub(super) fn all(&self) -> (Vec<Ran>, Vec<Prompt>, Vec<Asked>, Vec<Posted>) {
        (
            self.operations.iter().map(|(_, ran)| ran.clone()).collect(),
            self.prompts.iter().cloned().collect(),
            self.asks.iter().map(|(_, asked)| asked.clone()).collect(),
            self.posts.iter().cloned().collect(),
        )
    }

    const fn number(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.next
    }
}

fn push<T>(queue: &mut VecDeque<T>, one: T) {
    if queue.len() >= MOST {
        queue.pop_front();
    }
    queue.push_back(one);
}

fn find<T>(queue: &mut VecDeque<(u64, T)>, number: u64) -> Option<&mut T> {
    queue.iter_mut().find(|(n, _)| *n == number).map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_are_kept() {
        let mut log = Log::default();
        let first = log.exec(Operation::Install, "a", None, 202);
        let last = (0..MOST).map(|_| log.exec(Operation::Install, "b", None, 202)).last().unwrap();
        assert!(log.ran(first).is_none() && log.ran(last).is_some());
        assert_eq!(log.all().0.len(), MOST);
    }
}
