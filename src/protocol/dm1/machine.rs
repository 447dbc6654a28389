//! The dialogue as a value.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    AccountChange, Context, Ending, Event, Receipt, Step, Violation,
    auth::{Challenge, Guard, Verdict},
    inbound::Inbound,
    ledger::Ledger,
    ours::Ours,
    text,
    work::Work,
};
use crate::{
    model::{
        clock::Mint,
        device::{Abilities, DevInfo},
        id::DeviceId,
        tree::{Ask, Outcome},
    },
    wire::syncml::{Body, Command, Header, Message},
};

/// One session with one device. Serialisable, so that any replica may take the next message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub(super) session_id: String,
    /// `Source/LocURI` of the device, byte for byte as its last message had it.
    pub(super) device: String,
    pub(super) ver_dtd: String,
    pub(super) ver_proto: String,
    /// MsgID of the device's last message, and of our last.
    heard: u32,
    pub(super) said: u32,
    /// The same as the device wrote it.
    pub(super) msg_ref: String,
    pub(super) guard: Guard,
    pub(super) ours: Ours,
    pub(super) abilities: Abilities,
    stage: Stage,
    /// DevInfo of a Pkg 1 that is not complete yet.
    pub(super) info: Option<DevInfo>,
    /// Statuses that the next message carries.
    pub(super) owed: Vec<Owed>,
    /// An object of the device that another interrupted; Alert 1225 names it.
    pub(super) interrupted: Option<String>,
    pub(super) turn: Turn,
    pub(super) works: VecDeque<Work>,
    pub(super) ledger: Ledger,
    pub(super) inbound: Option<Inbound>,
    /// Our last message carried a piece and not the last: our package is open, the device must not end its own.
    pub(super) in_object: bool,
    /// How many messages in a row the device sent without Final.
    partial: u16,
    /// Whether `?list=StructData` is worth a try.
    pub(super) lists: bool,
}

/// How far a dialogue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// The device is not authenticated yet.
    New,
    Open,
    /// Nothing more is taken.
    Closed,
}

/// What the next message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Turn {
    /// Statuses that refuse.
    Refuse,
    /// A request for the rest of the device's package (1222).
    More,
    /// Statuses and commands.
    Speak,
    /// Statuses, and the end.
    End,
}

/// A Status that is owed for the device's last message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owed {
    pub(super) cmd_ref: String,
    pub(super) cmd: String,
    pub(super) target_ref: Option<String>,
    pub(super) source_ref: Option<String>,
    pub(super) code: u16,
    pub(super) chal: Option<Challenge>,
    /// What is said of each item of the command, by its source; all alike make one Status (DM 1.x sheet 1.6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) items: Vec<OwedItem>,
}

/// The code for one item of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwedItem {
    pub(super) source_ref: Option<String>,
    pub(super) code: u16,
}

/// What one message brings, as it is read.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) events: Vec<Event>,
    pub(super) account: AccountChange,
    /// Alert 1223.
    pub(super) aborted: bool,
    /// The device wants our credentials and runs nothing before.
    pub(super) again: bool,
    /// It will never take them.
    pub(super) hopeless: bool,
}

impl Log {
    pub(super) fn odd(&mut self, what: impl Into<String>) {
        self.events.push(Event::Oddity(what.into()));
    }
}

impl Machine {
    /// The most messages without Final in a row.
    const MOST_PARTIAL: u16 = 256;
    /// The longest texts of a `SyncHdr`, in bytes.
    const MOST_SESSION_ID: usize = 64;
    const MOST_URI: usize = 255;
    /// The smallest MaxMsgSize that is believed (DM 1.x sheet 12.2 no. 16), in bytes.
    const LEAST_MSG_SIZE: u64 = 512;

    /// A dialogue that has heard nothing yet, for the session that the header of a first message names.
    #[must_use]
    pub fn open(first: &Header) -> Self {
        Self {
            session_id: first.session_id.clone(),
            device: first.source.uri.clone(),
            ver_dtd: String::new(),
            ver_proto: String::new(),
            heard: 0,
            said: 0,
            msg_ref: String::new(),
            guard: Guard::default(),
            ours: Ours::default(),
            abilities: Abilities::default(),
            stage: Stage::New,
            info: None,
            owed: Vec::new(),
            interrupted: None,
            turn: Turn::Speak,
            works: VecDeque::new(),
            ledger: Ledger::default(),
            inbound: None,
            in_object: false,
            partial: 0,
            lists: true,
        }
    }

    /// The dialogue with a device that nobody knows, which was challenged before and refused `times` times: what a stored
    /// dialogue would be, without anything having been stored for a stranger.
    #[must_use]
    pub fn stranger(header: &Header, times: u8, mint: &mut dyn Mint) -> Self {
        // Each of its messages was answered, so our numbers run as its own do.
        let said = header.msg_id.trim().parse::<u32>().unwrap_or(1).saturating_sub(1);
        Self { said, guard: Guard::refused(times, mint), ..Self::open(header) }
    }

    /// The session's name on the wire.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Whether the device has proved itself.
    #[must_use]
    pub fn authenticated(&self) -> bool {
        self.guard.admitted()
    }

    /// Takes the device's next message. It must be answered, whatever it brought.
    ///
    /// # Errors
    /// [`Violation`] if the message cannot belong to this session.
    pub fn handle(mut self, message: Message, cx: &Context<'_>, mint: &mut dyn Mint) -> Result<Step, Violation> {
        let Message { header, body } = message;
        let mut log = Log::default();
        self.accept(&header, &mut log)?;
        if let Some(code) = unserved(&header, &cx.quirks.ver_proto) {
            self.owe_header(&header, code, None);
            self.give_up(Ending::Version, &mut log);
            return Ok(self.step(log));
        }
        header.ver_dtd.trim().clone_into(&mut self.ver_dtd);
        header.ver_proto.trim().clone_into(&mut self.ver_proto);
        let before = self.abilities;
        self.measure(&header);
        match self.guard.judge(header.cred.as_ref(), cx, mint) {
            Verdict::Refused { code, chal, attempts } => {
                self.refuse(&header, &body, (code, chal, attempts), &mut log);
                return Ok(self.step(log));
            }
            Verdict::Known { code } => self.owe_header(&header, code, None),
            Verdict::Admitted { change, chal, resync } => {
                log.account = change;
                if let Some(resync) = resync {
                    self.ours.resync(resync.bytes());
                }
                self.owe_header(&header, 212, chal);
            }
        }
        let first = self.stage == Stage::New;
        if first {
            let server_initiated =
                body.commands.iter().any(|c| matches!(c, Command::Alert(a) if a.data.trim() == "1200"));
            log.events.push(Event::Opened { server_initiated });
        }
        if self.abilities != before || (first && self.abilities != Abilities::default()) {
            log.events.push(Event::Abilities(self.abilities));
        }
        self.stage = Stage::Open;
        self.proceed(body, cx, &mut log);
        Ok(self.step(log))
    }

    /// Takes what the procedure wants next; asks run in the order in which they come, whatever becomes of the earlier ones. What needs no message ends at once, and is
    /// told here: offer what follows from that until nothing does.
    #[must_use = "outcomes that need no message are told here and nowhere else"]
    pub fn offer(&mut self, asks: Vec<Ask>, cx: &Context<'_>) -> Vec<Event> {
        let mut log = Log::default();
        for ask in asks {
            match Work::plan(ask) {
                Ok(work) if self.stage != Stage::Closed => self.works.push_back(work),
                Ok(_) => {}
                Err((ask, outcome)) => log.events.push(Event::Outcome { ask, outcome }),
            }
        }
        if self.turn == Turn::Speak {
            self.weigh(cx, &mut log);
        }
        log.events
    }

    /// Gives the session up: what was begun may or may not have happened.
    #[must_use]
    pub fn lost(mut self) -> Vec<Event> {
        let mut log = Log::default();
        self.drop_works(&mut log);
        log.events
    }

    /// Whether nothing more is taken.
    pub(super) fn close(&mut self) {
        self.stage = Stage::Closed;
        self.turn = Turn::End;
    }

    fn step(self, log: Log) -> Step {
        Step { machine: self, events: log.events, account: log.account }
    }

    /// Checks that the message is the next of this session and device.
    fn accept(&mut self, header: &Header, log: &mut Log) -> Result<(), Violation> {
        let bad = |element| Violation::Header { element };
        let found: u32 = header.msg_id.trim().parse().map_err(|_| bad("MsgID"))?;
        let session = header.session_id.trim();
        if session.is_empty() || session.len() > Self::MOST_SESSION_ID {
            return Err(bad("SessionID"));
        }
        let device = DeviceId::parse(&header.source.uri).map_err(|_| bad("Source/LocURI"))?;
        let known = DeviceId::parse(&self.device).map_err(|_| bad("Source/LocURI"))?;
        if header.session_id != self.session_id || device.normalised() != known.normalised() {
            return Err(Violation::Foreign);
        }
        if self.stage == Stage::Closed {
            return Err(Violation::Over);
        }
        if found <= self.heard {
            return Err(Violation::Stale { last: self.heard, found });
        }
        if found > self.heard.saturating_add(1) {
            log.odd(format!("message {found} follows message {}", self.heard));
        }
        self.heard = found;
        header.msg_id.trim().clone_into(&mut self.msg_ref);
        self.device.clone_from(&header.source.uri);
        self.owed.clear();
        Ok(())
    }

    /// Takes note of what the device can take.
    fn measure(&mut self, header: &Header) {
        let number = |text: &Option<String>| text.as_deref().and_then(|t| t.trim().parse::<u64>().ok());
        let size = number(&header.meta.max_msg_size).filter(|s| *s >= Self::LEAST_MSG_SIZE);
        self.abilities.max_msg_size = size.or(self.abilities.max_msg_size);
        let object = number(&header.meta.max_obj_size).filter(|s| *s > 0);
        self.abilities.max_obj_size = object.or(self.abilities.max_obj_size);
    }

    /// One Status a command, and none of it is looked at (DM 1.x sheet 3.3 no. 1 and 7).
    fn refuse(
        &mut self,
        header: &Header,
        body: &Body,
        (code, chal, attempts): (u16, Option<Challenge>, u8),
        log: &mut Log,
    ) {
        let last = chal.is_none();
        self.owe_header(header, code, chal);
        for command in body.commands.iter().filter(|c| !matches!(c, Command::Status(_) | Command::Results(_))) {
            self.owe(command.cmd_id(), command.name(), code);
        }
        self.turn = Turn::Refuse;
        if attempts > 0 {
            log.events.push(Event::AuthFailed { attempts });
        }
        if last {
            self.give_up(Ending::ClientRefused, log);
        }
    }

    /// Reads an authenticated message and decides what the next one is (DM 1.x sheet 2.2).
    fn proceed(&mut self, body: Body, cx: &Context<'_>, log: &mut Log) {
        for command in body.commands {
            self.take(command, cx, log);
        }
        if log.hopeless {
            return self.give_up(Ending::ServerRefused, log);
        }
        if log.aborted {
            self.settle(cx, log);
            self.drop_works(log);
            log.events.push(Event::Aborted);
            return self.close();
        }
        if log.again {
            for sent in self.ledger.unheard().into_iter().rev() {
                if let Some(work) = self.works.iter_mut().find(|w| w.ask == sent.ask) {
                    work.todo.push_front(sent.say);
                }
            }
        }
        let answered = self.ledger.chunk().is_none_or(|s| s.reply.code.is_some());
        if body.is_final || (self.in_object && answered) {
            self.partial = 0;
            return self.complete(cx, log);
        }
        self.turn = Turn::More;
        self.partial = self.partial.saturating_add(1);
        if self.partial > Self::MOST_PARTIAL {
            self.give_up(Ending::Endless, log);
        }
    }

    /// The device's package is complete: what it left unanswered stays so.
    fn complete(&mut self, cx: &Context<'_>, log: &mut Log) {
        if let Some(object) = self.inbound.take() {
            log.odd(format!("the device ended its package in the midst of {}", object.uri()));
        }
        if let Some(info) = self.info.take() {
            log.events.push(Event::DevInfo(info));
        }
        self.in_object = false;
        self.settle(cx, log);
        self.turn = Turn::Speak;
        self.weigh(cx, log);
        if self.works.is_empty() {
            log.events.push(Event::Ready);
        }
    }

    /// Hands the answers to those who asked.
    fn settle(&mut self, cx: &Context<'_>, log: &mut Log) {
        for sent in self.ledger.close() {
            if let Some(work) = self.works.iter_mut().find(|w| w.ask == sent.ask) {
                work.heard(&sent.say, sent.reply, cx.quirks, &mut self.lists);
            }
        }
        self.works.iter_mut().filter(|w| w.begun).for_each(Work::conclude);
        self.works.retain_mut(|work| match work.end.take() {
            None => true,
            Some(outcome) => {
                log.events.push(Event::Outcome { ask: work.ask, outcome });
                false
            }
        });
    }

    fn give_up(&mut self, ending: Ending, log: &mut Log) {
        self.drop_works(log);
        log.events.push(Event::Ended(ending));
        self.close();
    }

    /// What was begun has an end that nobody knows; what was not begun has none.
    fn drop_works(&mut self, log: &mut Log) {
        self.ledger.close();
        let begun = self.works.drain(..).filter(|w| w.begun);
        log.events.extend(begun.map(|w| Event::Outcome { ask: w.ask, outcome: Outcome::Unknown }));
    }

    fn owe_header(&mut self, header: &Header, code: u16, chal: Option<Challenge>) {
        let reference = |uri: &str| text::bounded(uri, Self::MOST_URI).filter(|u| !u.is_empty());
        let (target_ref, source_ref) = (reference(&header.target.uri), reference(&header.source.uri));
        let (cmd_ref, cmd) = ("0".to_owned(), "SyncHdr".to_owned());
        self.owed.push(Owed { cmd_ref, cmd, target_ref, source_ref, code, chal, items: Vec::new() });
    }

    /// Notes that a Status is owed for a command.
    pub(super) fn owe(&mut self, cmd_id: &str, cmd: &str, code: u16) {
        let cmd_ref = text::bounded(cmd_id.trim(), Self::MOST_SESSION_ID).unwrap_or_default();
        let cmd = text::bounded(cmd, Self::MOST_SESSION_ID).unwrap_or_default();
        let (target_ref, source_ref) = (None, None);
        self.owed.push(Owed { cmd_ref, cmd, target_ref, source_ref, code, chal: None, items: Vec::new() });
    }

    /// Notes that a Status is owed for each item of a command. A command without items is incomplete.
    pub(super) fn owe_each(&mut self, cmd_id: &str, cmd: &str, codes: Vec<(String, u16)>) {
        self.owe(cmd_id, cmd, 412);
        let source = |uri: &str| text::bounded(uri.trim(), Self::MOST_URI).filter(|s| !s.is_empty());
        let items = codes.into_iter().map(|(uri, code)| OwedItem { source_ref: source(&uri), code });
        if let Some(owed) = self.owed.last_mut() {
            owed.items.extend(items);
        }
    }

    /// Says another code of an alert's item than was said at first: 200 if something follows from it in this session, 202 if not
    /// (SCOMO sheet 4.4). To be called before the answer is built.
    pub fn amend(&mut self, receipt: Receipt, code: u16) {
        let item = self.owed.get_mut(receipt.command).and_then(|owed| owed.items.get_mut(receipt.item));
        if let Some(item) = item {
            item.code = code;
        }
    }
}

impl Owed {
    /// As many Statuses as it takes: one if the same is said of all items.
    pub(super) fn statuses(&self) -> Vec<Self> {
        let plain = Self { items: Vec::new(), ..self.clone() };
        match self.items.first() {
            None => vec![plain],
            Some(first) if self.items.iter().all(|item| item.code == first.code) => {
                vec![Self { code: first.code, ..plain }]
            }
            Some(_) => {
                let each =
                    |item: &OwedItem| Self { code: item.code, source_ref: item.source_ref.clone(), ..plain.clone() };
                self.items.iter().map(each).collect()
            }
        }
    }
}

/// The status for a version that is not served (DM 1.x sheet 7.5).
fn unserved(header: &Header, ver_proto: &[String]) -> Option<u16> {
    if !["1.1", "1.2"].contains(&header.ver_dtd.trim()) {
        return Some(505);
    }
    let served = ver_proto.iter().any(|v| v.eq_ignore_ascii_case(header.ver_proto.trim()));
    (!served).then_some(513)
}
