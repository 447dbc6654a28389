//! Obeying the commands of one message (DM 1.x sheet 1.7).

mod read;
mod write;

use super::{answers, answers::Outbound, large::Large};
use crate::{
    sim::{
        device::Device,
        observer::Event,
        profile::{Moment, Verb},
        scomo::{Verdict, Work},
        tree::{self, Refusal},
    },
    wire::syncml::{Alert, Command, Exec, Group},
};

/// What the device has room for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Whether large objects are taken at all.
    pub(super) lrgobj: bool,
    max_obj_size: Option<u64>,
    storage: u64,
}

impl Room {
    /// Whether there is room for an object of this size.
    ///
    /// # Errors
    /// 413 above `MaxObjSize`, 420 above what can be stored.
    pub(super) fn check(&self, size: u64) -> Result<(), Refusal> {
        self.small(size)?;
        if size > self.storage { Err(420) } else { Ok(()) }
    }

    /// Whether the device takes an object of this size, storage aside: a setting needs none.
    fn small(&self, size: u64) -> Result<(), Refusal> {
        if self.max_obj_size.is_some_and(|most| size > most) { Err(413) } else { Ok(()) }
    }
}

/// The run through one message.
pub(super) struct Run<'r> {
    device: &'r mut Device,
    large: Option<Large>,
    msg_ref: &'r str,
    server_max_obj: Option<usize>,
    room: Room,
    out: Vec<Outbound>,
}

/// Where a command stands, for what is allowed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Body,
    Sequence,
    Atomic,
}

impl<'r> Run<'r> {
    /// Starts; `large` is the object of which the message should bring more.
    pub(super) fn new(
        device: &'r mut Device,
        large: Option<Large>,
        msg_ref: &'r str,
        server_max_obj: Option<usize>,
    ) -> Self {
        let limits = &device.profile.limits;
        let (max_obj_size, storage) = (limits.max_obj_size, limits.storage);
        let room = Room { lrgobj: device.profile.devdetail.lrgobj, max_obj_size, storage };
        Self { device, large, msg_ref, server_max_obj, room, out: Vec::new() }
    }

    /// Obeys them all.
    pub(super) fn all(&mut self, commands: &[&Command]) {
        if let Some(large) = &self.large
            && !commands.first().is_some_and(|first| continues(first, large))
        {
            self.out.push(answers::no_end_of_data(&large.uri));
            self.large = None;
        }
        for command in commands {
            self.one(command, Within::Body);
        }
    }

    /// Answers each with the same refusal, the members of groups too.
    pub(super) fn refuse(&mut self, commands: &[&Command], code: u16) {
        for command in commands {
            self.status(command, code);
            if let Command::Sequence(group) | Command::Atomic(group) = command {
                self.refuse(&group.commands.iter().collect::<Vec<_>>(), code);
            }
        }
    }

    /// The answers, and the object of which more is to come.
    pub(super) fn done(self) -> (Vec<Outbound>, Option<Large>) {
        (self.out, self.large)
    }

    /// Obeys one command; gives the worst status of it.
    fn one(&mut self, command: &Command, within: Within) -> u16 {
        match command {
            _ if command.cmd_id().is_empty() => self.status(command, 400),
            Command::Get(_) | Command::Atomic(_) if within == Within::Atomic => self.status(command, 500),
            Command::Get(get) => self.get(command, &get.items),
            Command::Add(write) | Command::Replace(write) => self.write(command, &write.meta, &write.items),
            Command::Copy(copy) => self.copy(command, &copy.items),
            Command::Delete(delete) => self.delete(command, &delete.items),
            Command::Exec(_) if within == Within::Atomic => self.status(command, 405),
            Command::Exec(exec) => self.exec(command, exec),
            Command::Alert(alert) => self.alert(command, alert),
            Command::Sequence(group) => self.sequence(command, group),
            Command::Atomic(_) if !self.device.profile.dialect.atomic => {
                self.refuse(&[command], 406);
                406
            }
            Command::Atomic(group) => self.atomic(command, group),
            Command::Status(_) => 200,
            Command::Results(_) | Command::Other(_) => self.status(command, 406),
        }
    }

    fn exec(&mut self, command: &Command, exec: &Exec) -> u16 {
        let [item] = exec.items.as_slice() else { return self.status(command, 400) };
        let uri = item.target_uri();
        let Some(path) = tree::path(uri) else { return self.status_of(command, 404, uri) };
        if let Err(refusal) = self.device.admits(Verb::Exec, &path) {
            return self.status_of(command, refusal, uri);
        }
        let correlator = exec.correlator.as_deref();
        let device = &mut *self.device;
        match device.objects.execute(&mut device.tree, &path, correlator) {
            Verdict::Refused { status, about } => {
                if let Some((operation, identifier)) = about {
                    device.log.exec(operation, &identifier, correlator, status);
                }
                self.status_of(command, status, uri)
            }
            Verdict::Done { operation, identifier, code, status } => {
                let ran = device.log.exec(operation, &identifier, correlator, status);
                if let Some(ran) = device.log.ran(ran) {
                    ran.code = Some(code);
                }
                let correlator = exec.correlator.clone();
                device.events.push(Event::Executed { operation, identifier, correlator, code });
                self.status_of(command, status, uri)
            }
            Verdict::Later(mut work) => {
                work.ran = device.log.exec(work.operation, &work.identifier, correlator, 202);
                self.status_of(command, 202, uri);
                self.begin(work);
                202
            }
        }
    }

    /// Takes an operation on; one that needs no download may end and be reported in this very message.
    fn begin(&mut self, work: Work) {
        let operation = work.operation;
        if self.device.profile.report.when == Moment::Session && work.url.is_none() {
            let numbers = self.device.finish(&work, None).map(|(_, numbers)| numbers).unwrap_or_default();
            self.out.extend(self.device.alerts(&numbers).into_iter().map(Outbound::notice));
        } else {
            self.device.accept(work);
        }
        self.device.accepted(operation);
    }

    fn alert(&mut self, command: &Command, alert: &Alert) -> u16 {
        if alert.data.trim() == "1222" {
            return self.status(command, 200);
        }
        match self.device.prompted(alert) {
            Some((code, answer)) => {
                self.out.push(answers::prompted(self.msg_ref, command, code, answer));
                code
            }
            None => self.status(command, 406),
        }
    }

    /// In order; after a "no" of the user, the rest is not executed (DM 1.x sheet 2.5).
    fn sequence(&mut self, command: &Command, group: &Group) -> u16 {
        self.status(command, 200);
        let mut stopped = false;
        for member in &group.commands {
            if stopped {
                self.refuse(&[member], 215);
            } else {
                let code = self.one(member, Within::Sequence);
                stopped = matches!(member, Command::Alert(_)) && self.stops(code);
            }
        }
        200
    }

    /// Whether a Sequence goes no further after this status of a prompt.
    fn stops(&self, code: u16) -> bool {
        matches!(code, 214 | 304 | 408) || code == 406 && !self.device.profile.user.goes_on_without_ui
    }

    /// All or nothing (DM 1.x sheet 1.7).
    fn atomic(&mut self, command: &Command, group: &Group) -> u16 {
        let (before, start) = (self.device.tree.clone(), self.out.len());
        let mut codes = Vec::new();
        for member in &group.commands {
            let code = self.one(member, Within::Atomic);
            codes.push(code);
            if !(200..300).contains(&code) {
                break;
            }
        }
        let failed = codes.last().is_some_and(|code| !(200..300).contains(code));
        let answers = self.out.split_off(start);
        if !failed {
            self.status(command, 200);
            self.out.extend(answers);
            return 200;
        }
        self.device.tree = before;
        self.status(command, 507);
        for (at, member) in group.commands.iter().enumerate() {
            let last = at.saturating_add(1) == codes.len();
            let code = codes.get(at).map_or(215, |code| if last { *code } else { 216 });
            self.status(member, code);
        }
        507
    }

    fn status(&mut self, command: &Command, code: u16) -> u16 {
        self.out.push(answers::status(self.msg_ref, command, code, None));
        code
    }

    fn status_of(&mut self, command: &Command, code: u16, uri: &str) -> u16 {
        self.out.push(answers::status(self.msg_ref, command, code, Some(uri)));
        code
    }

    /// One Status if all items ended alike, else one an item (DM 1.x sheet 1.6).
    fn statuses(&mut self, command: &Command, codes: &[(&str, u16)]) -> u16 {
        match codes {
            [] => self.status(command, 400),
            [(_, first), rest @ ..] if !rest.is_empty() && rest.iter().all(|(_, code)| code == first) => {
                self.status(command, *first)
            }
            all => all.iter().map(|(uri, code)| self.status_of(command, *code, uri)).max().unwrap_or(400),
        }
    }
}

/// Whether a command brings more of the object.
fn continues(command: &Command, large: &Large) -> bool {
    match command {
        Command::Add(write) | Command::Replace(write) => {
            command.name() == large.verb && write.items.first().is_some_and(|item| item.target_uri() == large.uri)
        }
        Command::Status(_)
        | Command::Alert(_)
        | Command::Results(_)
        | Command::Copy(_)
        | Command::Delete(_)
        | Command::Get(_)
        | Command::Exec(_)
        | Command::Sequence(_)
        | Command::Atomic(_)
        | Command::Other(_) => false,
    }
}
