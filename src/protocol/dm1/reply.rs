//! Building the message that answers (DM 1.x sheet 1.2, 1.6, 2.2, 4).

use super::{
    Answer, Context, Event, Machine, Slot,
    auth::Challenge,
    machine::{Log, Owed, Turn},
    size,
    work::{Cut, Work},
};
use crate::{
    model::tree::Outcome,
    wire::syncml::{Alert, Body, Command, Header, Item, Location, Message, Meta, Status},
};

/// What was put into a message.
#[derive(Default)]
struct Spoken {
    commands: usize,
    /// A piece of a payload: where it stands, how it was cut.
    piece: Option<(usize, Cut)>,
}

impl Machine {
    /// Left free in every message, in bytes: some devices count more than the document.
    const SLACK: u64 = 64;
    /// What an alert of the dialogue itself (1222, 1223) takes, in bytes.
    const ALERT: u64 = 64;

    /// Builds the message that answers the last one taken: Statuses, then as many commands as the device's MaxMsgSize has room for.
    /// Statuses that find no room are left out; the first, for the `SyncHdr`, always goes.
    #[must_use]
    pub fn answer(mut self, cx: &Context<'_>) -> (Self, Answer) {
        let mut message = self.frame(cx);
        let mut slot = None;
        let mut ends = false;
        match self.turn {
            Turn::Refuse => {}
            Turn::End => ends = true,
            Turn::More => {
                self.report_interrupted(&mut message, cx);
                alert(&mut message, "1222", Vec::new());
                message.body.is_final = false;
            }
            Turn::Speak => {
                let spoken = self.speak(&mut message, cx);
                ends = spoken.commands == 0;
                self.in_object = spoken.piece.as_ref().is_some_and(|(_, cut)| !cut.last);
                message.body.is_final = !self.in_object;
                slot = spoken
                    .piece
                    .zip(self.works.front().and_then(Work::payload))
                    .map(|((command, cut), payload)| Slot { payload: payload.digest, range: cut.range, command });
            }
        }
        self.send(&message);
        (self, Answer { message, slot, ends })
    }

    /// Builds an answer that ends the session (Alert 1223), as when this server cannot go on. Before that take what is
    /// [`lost`](Machine::lost).
    #[must_use]
    pub fn abort(mut self, cx: &Context<'_>) -> (Self, Answer) {
        let mut message = self.frame(cx);
        alert(&mut message, "1223", Vec::new());
        self.send(&message);
        self.close();
        (self, Answer { message, slot: None, ends: true })
    }

    /// Ends what cannot be said in any message: a command that does not fit even alone, an object beyond the device's MaxObjSize.
    /// What is left at the head of the queue fits into the next message.
    pub(super) fn weigh(&mut self, cx: &Context<'_>, log: &mut Log) {
        let lists = self.lists && cx.quirks.struct_data;
        self.works.iter_mut().for_each(|w| w.prepare(lists));
        if self.works.is_empty() {
            return;
        }
        let room = self.room(size::of_message(&self.frame(cx)), cx);
        let most = self.abilities.max_obj_size;
        while let Some(work) = self.works.front_mut() {
            let size = work.payload().filter(|_| !work.begun).map(|p| cx.quirks.size_unit.of(p.size));
            let too_large = size.zip(most).is_some_and(|(size, most)| size > most);
            let Some(say) = work.todo.front().cloned() else { return };
            let fits = match work.command(&say, "1000".to_owned(), room, cx.quirks) {
                None => false,
                Some((_, Some(_))) => true,
                Some((command, None)) => size::of_command(&command) <= room,
            };
            if fits && !too_large {
                return;
            }
            log.events.push(Event::Outcome { ask: work.ask, outcome: Outcome::Refused { code: 413 } });
            self.works.pop_front();
        }
    }

    /// The message without commands.
    fn frame(&self, cx: &Context<'_>) -> Message {
        let mut body = Body { commands: Vec::new(), is_final: true };
        let mut message = Message { header: self.header(cx), body: Body { commands: Vec::new(), is_final: true } };
        let mut used = size::of_message(&message).saturating_add(Self::ALERT);
        for owed in self.owed.iter().flat_map(Owed::statuses) {
            let status = self.status(&owed, body.commands.len());
            used = used.saturating_add(size::of_command(&status));
            if body.commands.is_empty() || used <= self.budget(cx) {
                body.commands.push(status);
            } else {
                break;
            }
        }
        message.body = body;
        message
    }

    /// Names the object that the device left unfinished (DM 1.x sheet 4 no. 7), if there is room for it.
    fn report_interrupted(&mut self, message: &mut Message, cx: &Context<'_>) {
        let Some(uri) = self.interrupted.take() else { return };
        let item = Item { source: Some(Location::new(uri)), ..Item::default() };
        alert(message, "1225", vec![item]);
        if size::of_message(message).saturating_add(Self::ALERT) > self.budget(cx) {
            message.body.commands.pop();
        }
    }

    fn header(&self, cx: &Context<'_>) -> Header {
        // Credentials go where commands may follow; a refused stranger gets none.
        let speaks = self.authenticated() && self.turn != Turn::End;
        let (name, cred) = self.ours.cred(cx).filter(|_| speaks).unzip();
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        Header {
            ver_dtd: or(&self.ver_dtd, "1.2"),
            ver_proto: or(&self.ver_proto, "DM/1.2"),
            session_id: self.session_id.clone(),
            msg_id: self.said.saturating_add(1).to_string(),
            target: Location::new(self.device.as_str()),
            source: Location { uri: cx.server.uri.clone(), name },
            resp_uri: Some(cx.resp_uri.to_owned()),
            cred,
            meta: Meta {
                max_msg_size: Some(cx.limits.max_msg_size.to_string()),
                max_obj_size: Some(cx.limits.max_obj_size.to_string()),
                ..Meta::default()
            },
        }
    }

    fn status(&self, owed: &Owed, before: usize) -> Command {
        Command::Status(Status {
            cmd_id: before.saturating_add(1).to_string(),
            msg_ref: self.msg_ref.clone(),
            cmd_ref: owed.cmd_ref.clone(),
            cmd: owed.cmd.clone(),
            target_refs: owed.target_ref.iter().cloned().collect(),
            source_refs: owed.source_ref.iter().cloned().collect(),
            chal: owed.chal.as_ref().map(Challenge::chal),
            data: owed.code.to_string(),
            items: Vec::new(),
        })
    }

    /// Adds commands: those of the first ask, and of the following ones as far as they may share a message.
    fn speak(&mut self, message: &mut Message, cx: &Context<'_>) -> Spoken {
        self.ledger.turn_page(self.said.saturating_add(1));
        let mut spoken = Spoken::default();
        let mut told = Vec::new();
        let mut used = size::of_message(message);
        while let Some(mut work) = self.works.pop_front() {
            let joins = told.iter().all(|earlier| work.joins(earlier));
            if joins {
                self.say(&mut work, message, &mut used, &mut spoken, cx);
            }
            let done = work.todo.is_empty();
            told.push(work);
            if !joins || !done {
                break;
            }
        }
        told.into_iter().rev().for_each(|work| self.works.push_front(work));
        spoken
    }

    fn say(&mut self, work: &mut Work, message: &mut Message, used: &mut u64, spoken: &mut Spoken, cx: &Context<'_>) {
        while let Some(say) = work.todo.pop_front() {
            let cmd_id = message.body.commands.len().saturating_add(1).to_string();
            let room = self.room(*used, cx);
            let full = spoken.commands >= usize::from(cx.quirks.max_commands.max(1));
            let made = work.command(&say, cmd_id, room, cx.quirks).filter(|_| !full);
            let fitting =
                made.map(|(command, cut)| (size::of_command(&command), command, cut)).filter(|(s, ..)| *s <= room);
            let Some((size, command, cut)) = fitting else {
                work.todo.push_front(say);
                return;
            };
            self.ledger.note(work.ask, say, &command);
            work.begun = true;
            spoken.piece = cut.map(|cut| (message.body.commands.len(), cut));
            spoken.commands = spoken.commands.saturating_add(1);
            *used = used.saturating_add(size);
            message.body.commands.push(command);
        }
    }

    /// The largest message that may be sent, in bytes.
    fn budget(&self, cx: &Context<'_>) -> u64 {
        let device = self.abilities.max_msg_size.unwrap_or(cx.quirks.default_max_msg_size);
        device.min(cx.limits.max_msg_size)
    }

    fn room(&self, used: u64, cx: &Context<'_>) -> u64 {
        self.budget(cx).saturating_sub(used).saturating_sub(Self::SLACK)
    }

    /// Takes note of what goes out.
    fn send(&mut self, message: &Message) {
        self.said = self.said.saturating_add(1);
        self.ours.showed(message.header.cred.is_some());
        self.owed.clear();
    }
}

fn alert(message: &mut Message, code: &str, items: Vec<Item>) {
    let cmd_id = message.body.commands.len().saturating_add(1).to_string();
    message.body.commands.push(Command::Alert(Alert { cmd_id, data: code.to_owned(), correlator: None, items }));
}
