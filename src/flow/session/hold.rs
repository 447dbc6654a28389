//! What holds a job back: its window is closed, or a pause applies to it. Nothing new is begun for it then; what its device was told
//! to do is followed to its end.

use super::{
    Trouble,
    desk::Desk,
    tale::Told,
    work::{Way, Work},
};
use crate::{
    infra::jobs::Moving,
    job::{
        brake::{Pause, Subject},
        life::{self, Hold},
    },
    model::clock::Timestamp,
    protocol::dm1::Answer,
    wire::syncml::{Body, Command},
};

/// Why a job is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// Its schedule does not allow it now.
    Schedule,
    /// Someone has paused it.
    Pause(Pause),
}

impl Halt {
    const fn hold(&self) -> Hold {
        match self {
            Self::Schedule => Hold::Schedule,
            Self::Pause(pause) => Hold::Pause(pause.id),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Schedule => "its window has closed".to_owned(),
            Self::Pause(pause) => format!("it is held back by {pause}"),
        }
    }
}

impl Work {
    /// What keeps a job of a device of this class from beginning anything.
    pub(super) fn halt(&self, job: &Moving, class: &str, now: Timestamp) -> Option<Halt> {
        let subject = Subject { request: job.row().request, class: Some(class), record: &job.record };
        let pause = Pause::first(&self.pauses, &subject).cloned().map(Halt::Pause);
        pause.or_else(|| (!job.record.life.schedule().is_open(now)).then_some(Halt::Schedule))
    }

    /// Whether a session may take a job up: what was begun before is followed up whatever holds it.
    pub(super) fn may_take(&self, job: &Moving, class: &str, now: Timestamp) -> bool {
        let life = &job.record.life;
        life.is_ready(now) && (life.exec_outstanding() || self.halt(job, class, now).is_none())
    }
}

impl Desk<'_> {
    /// What holds the job in hand.
    pub(super) fn held(&self) -> Option<Halt> {
        self.work.job().and_then(|job| self.work.halt(job, &self.class.name, self.now))
    }

    /// What the job in hand is to stop for now: nothing is under way on the device that would have to be followed.
    pub(super) fn stops(&self) -> Option<Halt> {
        let idle = self.work.record().is_some_and(|record| !record.procedure.is_under_way());
        if idle && self.is_live() { self.held() } else { None }
    }

    /// Ends the session, since the job in hand is held back.
    pub(super) fn stop(&mut self, halt: &Halt) -> Result<(Answer, Vec<u8>), Trouble> {
        let why = halt.why();
        self.note(format!("session ended: {why}"));
        self.tale.add(Told::Held { why });
        let ended = self.end_session("held");
        self.leave(life::Event::Held(halt.hold()))?;
        Ok(ended)
    }

    /// The job that holds the device and is held back itself goes back to the queue, so that another may have its place.
    pub(super) fn give_way(&mut self) -> Result<(), Trouble> {
        let Some(mut job) = self.work.laid.take() else { return Ok(()) };
        let Some(halt) = self.work.halt(&job, &self.class.name, self.now) else { return Ok(()) };
        job.note(self.now, format!("the device came, but {}", halt.why()));
        let event = life::Event::Held(halt.hold());
        job.step(event, self.now, &self.flow.settings.policy, false, self.mint.as_mut());
        self.work.writes.extend(job.writes(self.now, None)?);
        Ok(())
    }

    /// Takes a job up that is not stored as it is, or lays it by to be stored if it may not be begun now.
    pub(super) fn take_or_keep(&mut self, job: Moving, way: Way<'_>) -> Result<(), Trouble> {
        if self.work.is_busy() || !self.work.may_take(&job, &self.class.name, self.now) {
            self.work.writes.extend(job.writes(self.now, None)?);
            return Ok(());
        }
        self.work.propose(job);
        self.take_up(way)
    }
}

/// Whether a message starts an operation.
pub(super) fn starts(body: &Body) -> bool {
    fn any(commands: &[Command]) -> bool {
        commands.iter().any(|command| match command {
            Command::Exec(_) => true,
            Command::Sequence(group) | Command::Atomic(group) => any(&group.commands),
            Command::Alert(_)
            | Command::Add(_)
            | Command::Replace(_)
            | Command::Copy(_)
            | Command::Delete(_)
            | Command::Get(_)
            | Command::Results(_)
            | Command::Status(_)
            | Command::Other(_) => false,
        })
    }
    any(&body.commands)
}
