//! The job in hand: its procedure is fed what the session brings, and what it wants is carried out.

use std::{collections::VecDeque, time::Duration};

use super::{Sessions, Trouble, desk::Desk, stock::Stock, tale::Told};
use crate::{
    infra::{
        jobs::Moving,
        store::{self, Write, grant::GrantRow, job::JobRow},
    },
    job::{
        brake::Pause,
        life::{self, StateName},
        plan::Tried,
        procedure::{Context, Effect, Fact, Failure, Input, Need, Turn, Way as Delivery},
        record::{Order, Record},
    },
    model::{
        clock::Timestamp,
        id::{Correlator, JobId},
        rule::FactSource,
        tree::{Instance, Intent, Prompt},
    },
    protocol::dm1::Event,
    scomo::{operation::Operation, procedure::turn::Ending},
};

/// The job in hand, what was learnt of the device, and the writes that are due.
pub(super) struct Work {
    /// What may be taken up once the device has proved itself.
    candidate: Option<Moving>,
    job: Option<Moving>,
    /// A job that holds the device and is held back itself; it gives way once the device has proved itself.
    pub(super) laid: Option<Box<Moving>>,
    /// What the device asked for in this message and is not taken up yet.
    asked: Vec<Moving>,
    /// Whether the job's procedure was told that a session is open.
    pub(super) started: bool,
    /// Another job may be ready: one came to its end in this message, or the first of the queue rests.
    freed: bool,
    /// The install-notifies for the job's last grant.
    pub(super) posted: Vec<u16>,
    /// The operation that the job is or was at.
    operation: Option<Operation>,
    pub(super) roots: Vec<Instance>,
    pub(super) stock: Stock,
    pub(super) writes: Vec<Write>,
    /// The pauses that may apply to the device's jobs.
    pub(super) pauses: Vec<Pause>,
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
    /// The device asked for it there.
    Asked(&'a str),
}

/// How many jobs one message may bring to their end; the rest is taken up in the next session.
const MOST_JOBS: usize = 16;
/// How far into a device's queue is looked for a job that is ready.
pub(super) const MOST_WAITING: u32 = 32;

impl Work {
    pub(super) const fn new(roots: Vec<Instance>, stock: Stock, started: bool, pauses: Vec<Pause>) -> Self {
        Self {
            candidate: None,
            job: None,
            laid: None,
            asked: Vec::new(),
            started,
            freed: false,
            posted: Vec::new(),
            operation: None,
            roots,
            stock,
            writes: Vec::new(),
            pauses,
        }
    }

    /// Takes note of the device's job. A session that is authenticated goes on with the one it has (`held`), if that is still
    /// the device's; another session waits until the device has proved itself.
    pub(super) async fn offer_job(
        &mut self,
        job: Option<JobRow>,
        held: Held,
        (flow, class): (&Sessions, &str),
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let Some(row) = job else { return Ok(()) };
        let id = row.id;
        let Some(moving) = readable(row) else { return Ok(()) };
        // What this session has begun it also ends, or leaves in good order.
        let begun = matches!(held, Held::Job(held) if held == id) && moving.row().active;
        if !begun && !self.may_take(&moving, class, now) {
            // It rests after a failure, or is held back; another job may be ready behind it.
            self.freed |= matches!(held, Held::Unproven);
            let holds = moving.row().active && matches!(held, Held::Unproven);
            self.laid = holds.then(|| Box::new(moving));
            return Ok(());
        }
        self.posted.clear();
        if moving.record.plan.steps.iter().any(|step| matches!(step.chosen.way, Delivery::Alternate(_))) {
            let grants = flow.store.grants_of(id).await?;
            self.posted = grants.last().map(GrantRow::notified).unwrap_or_default();
        }
        match held {
            Held::Unproven => self.candidate = Some(moving),
            Held::Job(held) if held == id => self.job = Some(kept_up(moving, flow, now)),
            Held::Job(_) | Held::Nothing => {}
        }
        Ok(())
    }

    /// The job in hand.
    pub(super) const fn job(&self) -> Option<&Moving> {
        self.job.as_ref()
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

    /// The operation that the job in hand is or was at.
    pub(super) const fn operation(&self) -> Option<Operation> {
        self.operation
    }

    /// Whether a job is in hand.
    pub(super) const fn is_busy(&self) -> bool {
        self.job.is_some()
    }

    /// Puts a job forward to be taken up next.
    pub(super) fn propose(&mut self, job: Moving) {
        self.candidate = Some(job);
        self.started = false;
        self.posted.clear();
    }

    /// Keeps a job that the device asked for until its turn comes.
    pub(super) fn queue(&mut self, job: Moving) {
        self.asked.push(job);
    }

    /// The jobs whose latest state is here and nowhere else.
    pub(super) fn unstored(&self) -> impl Iterator<Item = &Moving> {
        self.job.iter().chain(&self.asked)
    }

    /// Whether a job was ended or moved on in this message, so that its row is not what it was.
    pub(super) fn is_written(&self, id: JobId) -> bool {
        let is = |write: &Write| matches!(write, Write::JobPut(row) | Write::JobInsert(row) if row.id == id);
        self.writes.iter().any(is)
    }

    /// The first of what the device asked for that may be begun, if no stored job that is ready comes before it.
    fn next_asked(&mut self, class: &str, now: Timestamp) -> Option<Moving> {
        let place = self.asked.iter().position(|job| self.may_take(job, class, now))?;
        let first = self.asked.get(place)?;
        let later = self.candidate.as_ref().is_none_or(|stored| stored.row().priority < first.row().priority);
        later.then(|| self.asked.remove(place))
    }

    /// The correlators of the Execs of the job in hand, or of the one that may be taken up, whose alerts count whatever their type.
    pub(super) fn expects(&self) -> Vec<Correlator> {
        let job = self.job.as_ref().or(self.candidate.as_ref());
        job.map(|job| job.record.procedure.expects()).unwrap_or_default()
    }

    /// The writes of jobs, the roots, and what is known of the inventory.
    pub(super) fn into_parts(self, now: Timestamp) -> Result<(Vec<Write>, Vec<Instance>, Stock), store::Error> {
        let Self { job, asked, roots, stock, mut writes, .. } = self;
        for job in job.into_iter().chain(asked) {
            writes.extend(job.writes(now, None)?);
        }
        Ok((writes, roots, stock))
    }
}

impl Desk<'_> {
    /// Takes up the device's job, now that it has proved itself.
    pub(super) fn take_up(&mut self, way: Way<'_>) -> Result<(), Trouble> {
        let Some(job) = self.work.candidate.take() else { return Ok(()) };
        if !self.work.may_take(&job, &self.class.name, self.now) {
            // The device has told what class it is of, and that is paused.
            self.work.freed = true;
            return Ok(());
        }
        let asked = job.record.notification.map(|n| n.session_id);
        self.work.job = Some(job);
        // Nobody may have seen the last session end: it was replaced by this one, or given up when the device fell silent.
        self.feed(Input::SessionEnded)?;
        let how = match (way, asked) {
            (Way::Notified(name), Some(id)) if answers(name, id) => format!("session {name} answers the notification"),
            (Way::Notified(name), _) => format!("session {name} answers a notification that is not this job's last"),
            (Way::Came(name), _) => format!("session {name} was opened by the device"),
            (Way::GoesOn(name), _) => format!("session {name} goes on with this job"),
            (Way::Asked(name), _) => format!("session {name} takes up what the device asked for in it"),
        };
        self.heard(how);
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

    /// Feeds the procedure, and goes on until it wants nothing that can be had without a message.
    pub(super) fn feed(&mut self, input: Input) -> Result<(), Trouble> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if matches!(input, Input::Outcome { .. }) {
                self.user(life::Event::UserAnswered);
            }
            let question = self.question();
            let fresh = self.fresh();
            let lacks = self.known.lacks.operations(self.now);
            let held = self.held().is_some();
            let Some(job) = &mut self.work.job else { return Ok(()) };
            let cx = Context {
                roots: &self.work.roots,
                rootless: self.known.is_rootless(self.now),
                inventory: self.work.stock.inventory(),
                collect: &job.record.collect,
                fresh: &fresh,
                quirks: &self.class.scomo,
                lacks: &lacks,
                report_late: job.record.life.report_late(self.now),
                question: question.as_ref().map(|q| q.ask(&self.flow.settings.policy)),
                ui: self.class.scomo.ui.of(self.known.ui),
                lang: self.known.info.lang.as_deref(),
                held,
            };
            self.work.operation = job.record.procedure.operation();
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
                    Effect::Heard(text) => self.heard(text),
                    Effect::AwaitReport { exec: _ } => self.life(life::Event::ReportAwaited),
                    Effect::Held => {} // the answer ends the session
                    Effect::Finished(ending) => self.finish(ending)?,
                }
            }
            let question = asks.iter().find_map(|ask| asks_user(&ask.intent));
            for event in self.offer(asks) {
                if let Event::Outcome { ask, outcome } = event {
                    inputs.push_back(Input::Outcome { ask, outcome });
                }
            }
            if let Some(within) = question {
                self.user(life::Event::UserAsked { within });
            }
        }
        Ok(())
    }

    /// A question is out, or answered; only a job that a session works on waits for its user.
    fn user(&mut self, event: life::Event) {
        let state = self.work.record().map(|record| record.life.state().name());
        if matches!(state, Some(StateName::InSession | StateName::AwaitingUser)) {
            self.life(event);
        }
    }

    /// Takes up the next job of this device that is ready, by priority and age, if none is in hand and one may be.
    pub(super) async fn next_job(&mut self) -> Result<(), Trouble> {
        for _ in 0..MOST_JOBS {
            if !std::mem::take(&mut self.work.freed) || !self.is_live() || self.work.job.is_some() {
                return Ok(());
            }
            self.give_way()?;
            let norm = self.device.device_id.normalised();
            for row in self.flow.store.waiting_jobs(&self.device.tenant, &norm, MOST_WAITING).await? {
                if self.work.candidate.is_none() && !row.active && !self.work.is_written(row.id) {
                    let flow = (self.flow, self.class.name.as_str());
                    self.work.offer_job(Some(row), Held::Unproven, flow, self.now).await?;
                }
            }
            self.work.freed = false;
            if let Some(job) = self.work.next_asked(&self.class.name, self.now) {
                self.work.propose(job);
            } else if self.work.candidate.is_none() {
                return Ok(());
            }
            self.work.started = false;
            let session = self.tale.session().to_owned();
            self.take_up(Way::GoesOn(&session))?;
            self.start()?;
        }
        Ok(())
    }

    /// The session ends before the procedure did; `ours` if the fault is this service's.
    pub(super) fn let_go(&mut self, ours: bool) -> Result<(), Trouble> {
        if self.work.job.is_some() {
            self.feed(Input::SessionEnded)?;
            self.life(life::Event::SessionEnded { ours });
        }
        Ok(())
    }

    /// The session ends before the procedure did, and this comes of it for the job.
    pub(super) fn leave(&mut self, event: life::Event) -> Result<(), Trouble> {
        if self.work.job.is_some() {
            self.feed(Input::SessionEnded)?;
            self.keep_on();
            self.life(event);
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

    /// Adds what the device said to the history of the job in hand.
    pub(super) fn heard(&mut self, text: impl Into<String>) {
        let now = self.now;
        if let Some(job) = &mut self.work.job {
            job.heard(now, text);
        }
    }

    pub(super) fn life(&mut self, event: life::Event) {
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
            Fact::Ui(able) => {
                if self.known.ui != Some(able) {
                    self.known.ui = Some(able);
                    self.touch();
                }
            }
            Fact::Lacks(operation) => {
                self.known.lacks.operation(operation, self.now);
                self.touch();
                self.note(format!("from now on {} is avoided on this device", operation.node_name()));
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
        self.learn_from(&ending);
        let Some(mut job) = self.work.job.take() else { return Ok(()) };
        if let Some(step) = job.record.plan.steps.first()
            && let Ending::Failed(failure) = &ending
        {
            let tried = Tried::new(step.chosen.way, failure, self.work.posted.last().copied());
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
pub(super) fn readable(row: JobRow) -> Option<Moving> {
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

/// How long the questions to the user of an intent may take, as far as they say; nothing if there are none.
fn asks_user(intent: &Intent) -> Option<Duration> {
    let own = |prompt: &Prompt| Duration::from_secs(u64::from(prompt.options.max_seconds.unwrap_or(0)));
    match intent {
        Intent::Prompt(prompt) | Intent::Guarded { ask: prompt, .. } => Some(own(prompt)),
        Intent::Group { members, .. } => members.iter().filter_map(asks_user).reduce(Duration::saturating_add),
        Intent::Discover { .. }
        | Intent::ReadSubtree { .. }
        | Intent::PutSubtree { .. }
        | Intent::PutLeaf { .. }
        | Intent::MakeNode { .. }
        | Intent::PutBytes { .. }
        | Intent::Copy { .. }
        | Intent::Delete { .. }
        | Intent::Exec { .. } => None,
    }
}

/// Whether a session of this name is the one that a notification asked for.
fn answers(session: &str, notified: u16) -> bool {
    session.parse::<crate::model::id::DmSessionId>().is_ok_and(|id| id.answers(notified))
}
