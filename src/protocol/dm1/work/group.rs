//! Several commands in one: Sequence and Atomic (DM 1.x sheet 1.7, 2.5).

use serde::{Deserialize, Serialize};

use super::{good, single::Single};
use crate::{
    model::tree::{Answer, Intent, Outcome, Prompt},
    protocol::dm1::ledger::Reply,
    wire::syncml::{self, Command},
};

/// A Sequence or an Atomic on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::protocol::dm1) struct Group {
    kind: Kind,
    members: Vec<Single>,
    /// The status of the group itself. Of a Sequence it only says whether the device knows such a thing.
    whole: Option<u16>,
    /// What came back for each member.
    replies: Vec<Reply>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Sequence,
    Atomic,
    /// A Sequence of a question and what a yes allows.
    Guarded,
}

impl Group {
    /// A group of these intents; nothing if one of them has no place in it.
    pub(super) fn of(atomic: bool, members: Vec<Intent>) -> Option<Self> {
        let members: Vec<Single> = members.into_iter().map(Single::member).collect::<Option<_>>()?;
        let fitting = !members.is_empty() && (!atomic || members.iter().all(Single::is_undoable));
        let kind = if atomic { Kind::Atomic } else { Kind::Sequence };
        fitting.then(|| Self::new(kind, members))
    }

    /// A question, and what is done on a yes; nothing if that is not one command.
    pub(super) fn guarded(ask: Prompt, then: Intent) -> Option<Self> {
        Some(Self::new(Kind::Guarded, vec![Single::Prompt(ask), Single::member(then)?]))
    }

    fn new(kind: Kind, members: Vec<Single>) -> Self {
        let replies = vec![Reply::default(); members.len()];
        Self { kind, members, whole: None, replies }
    }

    /// The whole as one command. A group is alone in its message, so its members may have the numbers that follow its own.
    pub(super) fn command(&self, cmd_id: String) -> Option<Command> {
        let own: usize = cmd_id.parse().ok()?;
        let numbered = self.members.iter().zip(own.saturating_add(1)..);
        let commands = numbered.map(|(member, number)| member.command(number.to_string())).collect();
        let group = syncml::Group { cmd_id, commands, ..syncml::Group::default() };
        Some(match self.kind {
            Kind::Sequence | Kind::Guarded => Command::Sequence(group),
            Kind::Atomic => Command::Atomic(group),
        })
    }

    /// Keeps what came back for the group or, with a number, for a member.
    pub(super) fn heard(&mut self, member: Option<usize>, reply: Reply) {
        match member {
            None => self.whole = reply.code(),
            Some(number) => {
                if let Some(slot) = self.replies.get_mut(number) {
                    *slot = reply;
                }
            }
        }
    }

    /// Puts the answers together.
    pub(super) fn conclude(&mut self) -> Outcome {
        let replies = std::mem::take(&mut self.replies);
        if self.whole.is_none() && replies.iter().all(|reply| reply.code().is_none()) {
            return Outcome::Unknown;
        }
        if let Some(code) = self.whole.filter(|code| self.is_refused(*code, &replies)) {
            return match code {
                405 | 406 | 500 | 501 => Outcome::Unsupported { code: Some(code) },
                _ => Outcome::Refused { code },
            };
        }
        match self.kind {
            Kind::Guarded => self.conclude_guarded(&replies),
            Kind::Sequence | Kind::Atomic => {
                let members = self.members.iter().zip(replies);
                Outcome::Grouped(members.map(|(member, reply)| self.conclude_member(member, reply)).collect())
            }
        }
    }

    /// Whether the device took the group for something that it does not do: a refusal of the whole, and nothing of it run.
    fn is_refused(&self, whole: u16, replies: &[Reply]) -> bool {
        let failed = self.kind == Kind::Atomic && whole == 507;
        !good(whole) && !failed && !replies.iter().filter_map(Reply::code).any(ran)
    }

    fn conclude_member(&self, member: &Single, reply: Reply) -> Outcome {
        let undone = self.kind == Kind::Atomic && self.whole.is_some_and(|code| !good(code));
        match reply.code() {
            Some(code @ (215 | 216 | 516)) => Outcome::Skipped { code },
            // What a failed Atomic ran before is undone, whatever the device says of it.
            None | Some(200..=299) if undone && !member.is_prompt() => Outcome::Skipped { code: 507 },
            None | Some(_) => member.heard(reply),
        }
    }

    fn conclude_guarded(&self, replies: &[Reply]) -> Outcome {
        let mut outcomes = self.members.iter().zip(replies).map(|(member, reply)| member.heard(reply.clone()));
        let (ask, then) = (outcomes.next(), outcomes.next());
        let (Some(ask), Some(then)) = (ask, then) else { return Outcome::Unknown };
        let code = replies.get(1).and_then(Reply::code);
        if code.is_some_and(ran) {
            return then;
        }
        // It was not run: what became of the question says why.
        let said_no = matches!(ask, Outcome::Answered(Answer::No | Answer::Cancelled | Answer::TimedOut));
        let unasked = matches!(ask, Outcome::Refused { .. } | Outcome::Unsupported { .. });
        match code {
            _ if said_no => ask,
            None | Some(215) if unasked => ask,
            Some(215) => Outcome::Refused { code: 215 },
            None | Some(_) => then,
        }
    }
}

/// Whether a command with this status was carried out.
const fn ran(code: u16) -> bool {
    (good(code) && !matches!(code, 214..=216)) || code >= 1000
}
