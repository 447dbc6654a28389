//! The job in hand: its procedure is fed what the session brings, and what it wants is carried out.

use std::collections::{BTreeSet, VecDeque};

use super::{Sessions, Trouble, desk::Desk, stock::Stock, tale::Told};
use crate::{
    infra::{
        jobs::Moving,
        store::{self, Write, job::JobRow},
    },
    job::{
        life::{self, StateName},
        plan::Tried,
        procedure::{Context, Effect, Fact, Failure, Input, Need, Turn, Way as Delivery},
        record::{Order, Record},
    },
    model::{
        clock::Timestamp,
        id::{Correlator, JobId},
        rule::FactSource,
        tree::Instance,
    },
    protocol::dm1::{Event, GenericAlert},
    scomo::{
        outcome::{ReportItem, ResultCode, worst},
        procedure::turn::Ending,
    },
};

/// The job in hand, what was learnt of the device, and the writes that are due.
pub(super) struct Work {
    /// What may be taken up once the device has proved itself.
    candidate: Option<Moving>,
    job: Option<Moving>,
    /// Whether the job's procedure was told that a session is open.
    pub(super) started: bool,
    /// Another job may be ready: one came to its end in this message, or the first of the queue rests.
    freed: bool,
    /// Install-notify of the job's last grant.
    posted: Option<u16>,
    pub(super) roots: Vec<Instance>,
    pub(super) stock: Stock,
    pub(super) writes: Vec<Write>,
}

/// What a session works on when a message comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held {
    /// The device has not proved itself yet.
    Unproven,
    /// This job.
    Job(JobId),
    /// None any more: it was finished, or taken away.
    Nothing,
}

/// How a job comes into a session of this name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'a> {
    /// The device was asked for it.
    Notified(&'a str),
    /// The device opened it of its own accord.
    Came(&'a str),
    /// It is open already, for another job.
    GoesOn(&'a str),
}

/// How many jobs one message may bring to their end; the rest is taken up in the next session.
const MOST_JOBS: usize = 16;
/// How far into a device's queue is looked for a job that is ready.
const MOST_WAITING: u32 = 32;
/// Among how many of a device's ended jobs a late report looks for its own.
const MOST_ENDED: u32 = 32;

impl Work {
    pub(super) const fn new(roots: Vec<Instance>, stock: Stock, started: bool) -> Self {
        Self { candidate: None, job: None, started, freed: false, posted: None, roots, stock, writes: Vec::new() }
    }

    /// Takes note of the device's job. A session that is authenticated goes on with the one it has (`held`), if that is still
    /// the device's; another session waits until the device has proved itself.
    pub(super) async fn offer_job(
        &mut self,
        job: Option<JobRow>,
        held: Held,
        flow: &Sessions,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let Some(row) = job else { return Ok(()) };
        let id = row.id;
        let Some(moving) = readable(row) else { return Ok(()) };
        if !moving.record.life.is_ready(now) {
            // It rests after a failure; another job may be ready behind it.
            self.freed |= matches!(held, Held::Unproven);
            return Ok(());
        }
        if moving.record.plan.steps.iter().any(|step| matches!(step.chosen.way, Delivery::Alternate(_))) {
            let grants = flow.store.grants_of(id).await?;
            self.posted = grants.last().and_then(|g| g.notify_status.as_deref()?.get(..3)?.parse().ok());
        }
        match held {
            Held::Unproven => self.candidate = Some(moving),
            Held::Job(held) if held == id => self.job = Some(kept_up(moving, flow, now)),
            Held::Job(_) | Held::Nothing => {}
        }
        Ok(())
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.job.as_ref().map(|job| &job.record)
    }

    pub(super) fn record_mut(&mut self) -> Option<&mut Record> {
        self.job.as_mut().map(|job| &mut job.record)
    }

    pub(super) fn job_id(&self) -> Option<JobId> {
        self.job.as_ref().map(|job| job.row().id)
    }

    /// The writes of jobs, the roots, and what is known of the inventory.
    pub(super) fn into_parts(self, now: Timestamp) -> Result<(Vec<Write>, Vec<Instance>, Stock), store::Error> {
        let Self { job, roots, stock, mut writes, .. } = self;
        if let Some(job) = job {
            writes.extend(job.writes(now, None)?);
        }
        Ok((writes, roots, stock))
    }
}

impl Desk<'_> {
    /// Takes up the device's job, now that it has proved itself.
    pub(super) fn take_up(&mut self, way: Way<'_>) -> Result<(), Trouble> {
        let Some(job) = self.work.candidate.take() else { return Ok(()) };
        let asked = job.record.notification.map(|n| n.session_id);
        self.work.job = Some(job);
        // Nobody may have seen the last session end: it was replaced by this one, or given up when the device fell silent.
        self.feed(Input::SessionEnded)?;
        let how = match (way, asked) {
            (Way::Notified(name), Some(id)) if answers(name, id) => format!("session {name} answers the notification"),
            (Way::Notified(name), _) => format!("session {name} answers a notification that is not this job's last"),
            (Way::Came(name), _) => format!("session {name} was opened by the device"),
            (Way::GoesOn(name), _) => format!("session {name} goes on with this job"),
        };
        self.note(how);
        self.life(life::Event::SessionOpened);
        Ok(())
    }

    /// The device has said all it had to say: the procedure may begin.
    pub(super) fn start(&mut self) -> Result<(), Trouble> {
        if self.work.started || self.work.job.is_none() {
            return Ok(());
        }
        self.work.started = true;
        self.feed(Input::Started)
    }

    /// Generic alerts that report the end of an operation go to the procedure; the dialogue has answered all of them.
    pub(super) async fn report(&mut self, alert: &GenericAlert) -> Result<(), Trouble> {
        let known: Vec<_> = alert.items.iter().filter(|item| item.known).collect();
        let Some(first) = known.first() else { return Ok(()) };
        let source = first.source.clone().unwrap_or_default();
        let results: Vec<ReportItem> =
            known.iter().filter_map(|item| ReportItem::parse(&item.data, item.target.as_deref())).collect();
        let correlator = alert.correlator.as_deref().and_then(|text| Correlator::parse(text).ok());
        let codes: Vec<String> = results.iter().map(|item| item.code.number().to_string()).collect();
        let codes = codes.join(" ");
        self.tale.add(Told::Report { source: source.clone(), codes: codes.clone() });
        if let Some(correlator) = &correlator
            && (self.is_late(correlator, &results).await? || self.is_early(correlator, &source, &results).await?)
        {
            return Ok(());
        }
        self.note(format!("the device reports {codes} for {source}"));
        self.feed(Input::Report { correlator, source, results })
    }

    /// Whether a report is of a job that has ended: there it becomes history, and is told as a late result.
    async fn is_late(&mut self, correlator: &Correlator, results: &[ReportItem]) -> Result<bool, Trouble> {
        if self.work.record().is_some_and(|record| record.procedure.knows(correlator)) {
            return Ok(false);
        }
        let norm = self.device.device_id.normalised();
        for row in self.flow.store.ended_jobs(&self.device.tenant, &norm, MOST_ENDED).await? {
            let id = row.id;
            let Some(mut job) = readable(row).filter(|job| job.record.procedure.knows(correlator)) else { continue };
            if let Some(ending) = Ending::reported(results).filter(|_| !self.is_written(id)) {
                let event = life::Event::Finished(ending.into());
                job.step(event, self.now, &self.flow.settings.policy, false, self.mint.as_mut());
                self.work.writes.extend(job.writes(self.now, None)?);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether a report is of a former attempt at a job that rests before its next one. A success cuts the rest short: the next
    /// attempt begins by asking the device what is true already.
    async fn is_early(
        &mut self,
        correlator: &Correlator,
        source: &str,
        results: &[ReportItem],
    ) -> Result<bool, Trouble> {
        if self.work.record().is_some_and(|record| record.procedure.knows(correlator)) {
            return Ok(false);
        }
        let norm = self.device.device_id.normalised();
        for row in self.flow.store.waiting_jobs(&self.device.tenant, &norm, MOST_WAITING).await? {
            let id = row.id;
            let Some(mut job) = readable(row).filter(|job| job.record.procedure.knows(correlator)) else { continue };
            if self.is_written(id) {
                return Ok(true);
            }
            let (correlator, source) = (Some(correlator.clone()), source.to_owned());
            let report = Input::Report { correlator, source, results: results.to_vec() };
            let fresh = BTreeSet::new();
            let cx = Context {
                roots: &self.work.roots,
                rootless: false,
                inventory: self.work.stock.inventory(),
                collect: &job.record.collect,
                fresh: &fresh,
                quirks: &self.class.scomo,
                report_late: false,
            };
            let Turn { procedure, effects } = job.record.procedure.clone().handle(report, &cx, self.mint.as_mut());
            job.record.procedure = procedure;
            for effect in effects {
                if let Effect::Note(text) = effect {
                    job.note(self.now, text);
                }
            }
            if worst(results).is_some_and(ResultCode::is_ok) {
                let policy = &self.flow.settings.policy;
                job.step(life::Event::Hurry, self.now, policy, false, self.mint.as_mut());
                if self.work.job.is_none() {
                    self.work.candidate = Some(job);
                    self.work.started = false;
                    let session = self.tale.session().to_owned();
                    self.take_up(Way::GoesOn(&session))?;
                    return Ok(true);
                }
            }
            self.work.writes.extend(job.writes(self.now, None)?);
            return Ok(true);
        }
        Ok(false)
    }

    /// Feeds the procedure, and goes on until it wants nothing that can be had without a message.
    pub(super) fn feed(&mut self, input: Input) -> Result<(), Trouble> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let fresh = self.fresh();
            let Some(job) = &mut self.work.job else { return Ok(()) };
            let cx = Context {
                roots: &self.work.roots,
                rootless: self.known.is_rootless(self.now),
                inventory: self.work.stock.inventory(),
                collect: &job.record.collect,
                fresh: &fresh,
                quirks: &self.class.scomo,
                report_late: job.record.life.report_late(self.now),
            };
            let Turn { procedure, effects } = job.record.procedure.clone().handle(input, &cx, self.mint.as_mut());
            job.record.procedure = procedure;
            let mut asks = Vec::new();
            for effect in effects {
                match effect {
                    Effect::Ask(ask) => asks.push(ask),
                    Effect::Need(Need::Selection { read, closed }) => {
                        inputs.push_back(Input::Selected(self.select(&read, &closed)));
                    }
                    Effect::Need(Need::Fit { held, read }) => inputs.push_back(Input::Fit(self.fit(&held, &read))),
                    Effect::Need(Need::Grant { mechanism, package }) => {
                        let url = self.grant(mechanism, &package);
                        inputs.push_back(Input::Granted { url });
                    }
                    Effect::Learned(fact) => self.learn(fact),
                    Effect::Note(text) => self.note(text),
                    Effect::AwaitReport { exec: _ } => self.life(life::Event::ReportAwaited),
                    Effect::Finished(ending) => self.finish(ending)?,
                }
            }
            for event in self.offer(asks) {
                if let Event::Outcome { ask, outcome } = event {
                    inputs.push_back(Input::Outcome { ask, outcome });
                }
            }
        }
        Ok(())
    }

    /// Takes up the next job of this device that is ready, by priority and age, if none is in hand and one may be.
    pub(super) async fn next_job(&mut self) -> Result<(), Trouble> {
        for _ in 0..MOST_JOBS {
            if !std::mem::take(&mut self.work.freed) || !self.is_live() || self.work.job.is_some() {
                return Ok(());
            }
            let norm = self.device.device_id.normalised();
            for row in self.flow.store.waiting_jobs(&self.device.tenant, &norm, MOST_WAITING).await? {
                if self.work.candidate.is_none() && !row.active && !self.is_written(row.id) {
                    self.work.offer_job(Some(row), Held::Unproven, self.flow, self.now).await?;
                }
            }
            self.work.freed = false;
            if self.work.candidate.is_none() {
                return Ok(());
            }
            self.work.started = false;
            let session = self.tale.session().to_owned();
            self.take_up(Way::GoesOn(&session))?;
            self.start()?;
        }
        Ok(())
    }

    fn is_written(&self, id: JobId) -> bool {
        self.work.writes.iter().any(|write| matches!(write, Write::JobPut(row) if row.id == id))
    }

    /// The session ends before the procedure did; `ours` if the fault is this service's.
    pub(super) fn let_go(&mut self, ours: bool) -> Result<(), Trouble> {
        if self.work.job.is_some() {
            self.feed(Input::SessionEnded)?;
            self.life(life::Event::SessionEnded { ours });
        }
        Ok(())
    }

    /// The session goes on.
    pub(super) fn keep_on(&mut self) {
        let exec = self.work.job.as_ref().map(|job| job.record.procedure.awaiting().is_some());
        if let Some(exec) = exec {
            self.life(life::Event::Exchanged { exec });
        }
    }

    /// Adds a line to the history of the job in hand.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let now = self.now;
        if let Some(job) = &mut self.work.job {
            job.note(now, text);
        }
    }

    fn life(&mut self, event: life::Event) {
        if let Some(job) = &mut self.work.job {
            job.step(event, self.now, &self.flow.settings.policy, false, self.mint.as_mut());
        }
    }

    fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Detail(detail) => {
                self.known.detail = Some(detail);
                self.known.detail_at = Some(self.now);
                self.touch();
            }
            Fact::Inventory { inventory, whole } => self.work.stock.learn(inventory, whole, self.now),
            Fact::Roots(roots) => {
                let kinds: Vec<_> = roots.iter().map(|root| root.kind).collect();
                self.work.roots.retain(|old| !kinds.contains(&old.kind) && !roots.is_empty());
                self.known.has_roots(!roots.is_empty(), self.now);
                self.work.roots.extend(roots);
                self.touch();
            }
        }
    }

    /// This attempt at the job has failed, for a reason that lies in neither device nor procedure.
    pub(super) fn fail(&mut self, failure: Failure) -> Result<(), Trouble> {
        self.note(format!("failed: {}", failure.text));
        self.finish(Ending::Failed(failure))
    }

    /// The procedure is over: so is the job, or this attempt at it.
    fn finish(&mut self, ending: Ending) -> Result<(), Trouble> {
        let Some(mut job) = self.work.job.take() else { return Ok(()) };
        if let Some(step) = job.record.plan.steps.first()
            && let Ending::Failed(failure) = &ending
        {
            let tried = Tried::new(step.chosen.way, failure, self.work.posted);
            job.record.tried.push(tried);
        }
        let asked = job.record.order == Order::Inventory && job.record.collect.allows(FactSource::Inventory);
        if asked && matches!(ending, Ending::Succeeded { .. }) {
            self.work.stock.tell();
        }
        job.step(life::Event::Finished(ending.into()), self.now, &self.flow.settings.policy, false, self.mint.as_mut());
        let state = job.record.life.state().name();
        self.tale.add(Told::Job { id: job.row().id, request: job.record.request_id.clone(), state });
        self.work.writes.extend(job.writes(self.now, None)?);
        self.work.freed = true;
        Ok(())
    }
}

/// A job that can be read; one that cannot is left alone, so that it does not keep its device from all others.
fn readable(row: JobRow) -> Option<Moving> {
    let id = row.id;
    Moving::of(row)
        .map_err(|error| tracing::error!(job.id = %id, %error, "A job cannot be read and is left alone"))
        .ok()
}

/// A job whose session goes on, also if that was given up as lost because the device took its time.
fn kept_up(mut job: Moving, flow: &Sessions, now: Timestamp) -> Moving {
    if matches!(job.record.life.state().name(), StateName::Waiting | StateName::Notified) {
        job.note(now, "the device goes on with its session after a long pause");
        job.step(life::Event::SessionOpened, now, &flow.settings.policy, false, (flow.mint)().as_mut());
    }
    job
}

/// Whether a session of this name is the one that a notification asked for.
fn answers(session: &str, notified: u16) -> bool {
    session.parse::<crate::model::id::DmSessionId>().is_ok_and(|id| id.answers(notified))
}
