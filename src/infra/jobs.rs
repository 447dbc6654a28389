//! A job on its way through a commit: its row and value, moved by events of its life, and the writes that follow from that.

pub mod begin;
pub mod brake;
pub mod hand;

use crate::{
    contract::event::{Data, Event as Told, JobData, JobFacts},
    infra::store::{
        self, Json, Write,
        due::{Again, Due, Lease},
        event::EventRow,
        fanout::FreshJob,
        job::JobRow,
    },
    job::{
        life::{self, Effect, Outcome, Policy, StateName},
        procedure::Way,
        record::{Notification, Record},
    },
    model::{
        catalog::Delivery,
        clock::{Mint, Timestamp},
        id::{EventId, PauseId},
    },
};

/// The errand of a live job's only due row: something may have to be done about it.
pub const DUE: &str = "job";
/// The errand of a device that was just registered: jobs may have waited for its record.
pub const REGISTERED: &str = "device";
/// The errand of a request that may be complete.
pub const COMPLETE: &str = "request";
/// The errand of a job that has ended: its request may be complete.
///
/// Each job has a row of its own, which is stored in the commit of its end. One row of the request that all its jobs share would be
/// one that they wait for, each for the commit of the one before; and a job that found it there and left it alone could be
/// overlooked by an errand that had counted before that job's end could be seen, and then deleted the row. This way whoever finds the
/// row also finds the end, and the row of the job that ends last brings about a count in which every job has ended. Two jobs that
/// end at the same time change that no more: the one whose commit comes second is not counted before.
pub const ENDED: &str = "ended";
/// The errand of a request that is being spread over its devices.
pub const FAN_OUT: &str = "fan_out";
/// The errand of a request for many devices that is being cancelled, should that break off.
pub const CANCEL: &str = "cancel";

/// The `source` of every event: a URI reference, which consumers resolve against where they got it.
const SOURCE: &str = "/scomo";
/// How long the next job of a device waits to be woken: a session that goes on takes it up by itself.
const NEXT: std::time::Duration = std::time::Duration::from_secs(2);
/// How long jobs that end together are gathered before their requests are looked at.
const GATHER: std::time::Duration = std::time::Duration::from_millis(100);

/// A job between its reading and its commit.
#[derive(Debug, Clone)]
pub struct Moving {
    row: JobRow,
    /// The job itself.
    pub record: Record,
    tellings: Vec<Told>,
    errands: Vec<Write>,
    notify: bool,
    /// It is not stored yet.
    fresh: bool,
    /// The pause that held it when it was read.
    held: Option<PauseId>,
}

impl Moving {
    /// Takes a job that was read.
    ///
    /// # Errors
    /// [`store::Error::BadRow`] if its body is not one that this release understands.
    pub fn of(row: JobRow) -> Result<Self, store::Error> {
        let record: Record = row.body.read().map_err(store::Error::bad_row("job", "body", row.id))?;
        let held = record.life.held();
        Ok(Self { row, record, tellings: Vec::new(), errands: Vec::new(), notify: false, fresh: false, held })
    }

    /// A job that is not stored yet, with the effects that its first step left to be carried out.
    #[must_use]
    pub fn fresh(row: JobRow, record: Record, effects: Vec<Effect>, now: Timestamp, mint: &mut dyn Mint) -> Self {
        let (tellings, errands) = (Vec::new(), Vec::new());
        let mut job = Self { row, record, tellings, errands, notify: false, fresh: true, held: None };
        for effect in effects {
            job.follow(effect, now, mint);
        }
        job
    }

    /// The row as it was read.
    #[must_use]
    pub const fn row(&self) -> &JobRow {
        &self.row
    }

    /// Whether the job has ended.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.record.life.state().name().is_terminal()
    }

    /// Moves its life on. `busy` tells whether another job holds the device.
    pub fn step(&mut self, event: life::Event, now: Timestamp, policy: &Policy, busy: bool, mint: &mut dyn Mint) {
        let cx = life::Cx { now, busy, policy };
        let (record, effects) = self.record.clone().step(event, &cx);
        self.record = record;
        for effect in effects {
            self.follow(effect, now, mint);
        }
    }

    /// Whether the device is to be notified; asked once.
    pub const fn take_notify(&mut self) -> bool {
        std::mem::replace(&mut self.notify, false)
    }

    /// Adds a line to its history.
    pub fn note(&mut self, now: Timestamp, text: impl Into<String>) {
        self.record.note(now, text);
    }

    /// Adds what the device said to its history, and remembers it as the last.
    pub fn heard(&mut self, now: Timestamp, text: impl Into<String>) {
        self.record.heard(now, text);
    }

    /// The row was stored once in between, with this notification and no other change: a put of this job now follows that one, and
    /// loses to whatever else comes between them.
    pub const fn announced(&mut self, notification: Notification) {
        self.row.version += 1;
        self.record.notification = Some(notification);
    }

    /// The writes that make it so; with `lease`, only if the lease is still held.
    ///
    /// # Errors
    /// [`store::Error::Json`], which cannot happen for these values.
    pub fn writes(self, now: Timestamp, lease: Option<Lease>) -> Result<Vec<Write>, store::Error> {
        let write = if self.fresh { Write::JobInsert } else { Write::JobPut };
        let (job, held, holds) = (self.row.id, self.held, self.record.life.held());
        let (row, events, errands) = self.parts(now)?;
        // First the lease, so that the row that takes its place is not taken for it; then the job, so that what follows sees it.
        let mut writes: Vec<Write> = lease.map(Write::DueDone).into_iter().chain([write(row)]).collect();
        writes.extend(events.into_iter().map(Write::EventInsert));
        match holds {
            Some(pause) if held != Some(pause) => writes.push(Write::Hold { job, pause }),
            None if held.is_some() => writes.push(Write::Free { job }),
            Some(_) | None => {}
        }
        writes.extend(errands);
        Ok(writes)
    }

    /// A job that is not stored yet, with what is stored with it. What of its effects concerns a job that was at work before is left
    /// out; and one that has ended already plans no look at its request: who stores it does.
    ///
    /// # Errors
    /// As [`Moving::writes`].
    pub fn newborn(self, now: Timestamp) -> Result<FreshJob, store::Error> {
        let (row, events, errands) = self.parts(now)?;
        let planned = |write| if let Write::DuePut { due, .. } = write { Some(due) } else { None };
        let mut planned = errands.into_iter().filter_map(planned);
        Ok(FreshJob { due: planned.find(|due| due.errand == DUE), row, events })
    }

    /// The row as it shall be, what is told of it, and what follows.
    fn parts(self, now: Timestamp) -> Result<(JobRow, Vec<EventRow>, Vec<Write>), store::Error> {
        let Self { mut row, record, tellings, errands, notify: _, fresh: _, held: _ } = self;
        let state = record.life.state();
        row.state = state.name().to_string();
        row.active = state.name().holds_device();
        row.attempt = record.life.attempt();
        row.passes_until = record.life.passes_until();
        row.updated_at = now;
        if let life::State::Over(over) = state
            && row.finished_at.is_none()
        {
            row.finished_at = Some(over.at);
            row.result = Some(Json::of("job result", &over.result)?);
        }
        row.body = Json::of("job", &record)?;
        let told = tellings.iter().map(|told| event_row(told, told.sequence.map_or(0, i64::from)));
        Ok((row, told.collect::<Result<_, _>>()?, errands))
    }

    fn follow(&mut self, effect: Effect, now: Timestamp, mint: &mut dyn Mint) {
        match effect {
            Effect::Tell(state) => {
                if state.is_terminal() {
                    let due = Due { errand: ENDED, subject: self.row.id.uuid(), at: now.after(GATHER) };
                    self.errands.push(Write::DuePut { due, again: Again::Replace });
                }
                if self.record.budget && matches!(state, StateName::Over(Outcome::Failed | Outcome::InDoubt)) {
                    let due = Due { errand: brake::BUDGET, subject: self.row.request.uuid(), at: now.after(GATHER) };
                    self.errands.push(Write::DuePut { due, again: Again::Earlier });
                }
                let data = self.facts(|facts, life| Data::Job(JobData::of(facts, life, now)));
                self.tell(data, now, mint);
            }
            Effect::Due { errand: _, at } => {
                self.errands.retain(|w| !matches!(w, Write::DuePut { due, .. } if due.errand == DUE));
                let due = Due { errand: DUE, subject: self.row.id.uuid(), at };
                self.errands.push(Write::DuePut { due, again: Again::Replace });
            }
            Effect::ClearDue => {
                self.errands.push(Write::DueClear { errand: DUE, subject: self.row.id.uuid() });
            }
            Effect::Notify => self.notify = true,
            Effect::RevokeGrants => self.errands.push(Write::GrantsRevoke { job: self.row.id }),
            Effect::WakeNext => self.errands.push(Write::WakeNext {
                errand: DUE,
                tenant: self.row.tenant.clone(),
                device_norm: self.row.device_id.normalised(),
                at: now.after(NEXT),
            }),
            Effect::LateResult { outcome, result } => {
                self.record.note(now, format!("too late for its end: {outcome}: {}", result.text));
                let data =
                    self.facts(|facts, life| Data::JobLateResult(JobData::late(facts, life, outcome, result, now)));
                self.tell(data, now, mint);
            }
        }
    }

    fn facts<T>(&self, tell: impl FnOnce(&JobFacts<'_>, &life::Life) -> T) -> T {
        let delivery = self.record.plan.steps.first().map(|step| match step.chosen.way {
            Way::Direct => Delivery::Direct,
            Way::Alternate(_) => Delivery::Alternate,
        });
        let package = self.record.package();
        let facts = JobFacts {
            request_id: &self.record.request_id,
            job_id: self.row.id,
            device: &self.row.device_id,
            package: package.as_ref(),
            delivery,
        };
        tell(&facts, &self.record.life)
    }

    fn tell(&mut self, data: Data, now: Timestamp, mint: &mut dyn Mint) {
        self.row.event_seq += 1;
        let told = Told {
            id: EventId::new(mint.uuid(now)),
            tenant: self.row.tenant.clone(),
            time: now,
            sequence: u32::try_from(self.row.event_seq).ok(),
            data,
        };
        self.tellings.push(told);
    }
}

/// The row that tells an event, as the bus will carry it; `seq` rises per subject.
///
/// # Errors
/// [`store::Error::Json`], which cannot happen for these values.
pub fn event_row(event: &Told, seq: i64) -> Result<EventRow, store::Error> {
    Ok(EventRow {
        id: event.id,
        tenant: event.tenant.clone(),
        subject: event.data.subject().unwrap_or_default(),
        seq,
        kind: event.data.kind().to_string(),
        body: Json::of("event", &event.to_json(SOURCE))?,
        at: event.time,
    })
}
