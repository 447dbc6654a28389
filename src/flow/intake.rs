//! Step 1: a batch of messages becomes verdicts. A request is stored with its jobs and its event before it is answered; a repeat
//! gets the same answer and has no second effect; what cannot be taken is refused with every fault and its place.
//!
//! HTTP hands in one message at a time, the broker as many as wait ([`Consumer`]).

mod around;
mod consume;
mod fanout;
mod refuse;

use std::{fmt::Display, slice, sync::Arc};

pub use consume::Consumer;
pub use fanout::FanOut;
pub use refuse::Revived;

use self::around::{Around, Asked};
use crate::{
    contract::{
        accept::{Accepted, Defaults, accept, fan_out},
        problem::{Code, Fault, Problem},
        request::{Request, Targets, Work},
    },
    infra::{
        broker::Pressure,
        catalogue::Catalogue,
        driver::Poke,
        jobs::begin,
        store::{
            self, CommitError, Conflict, Json, Store, Unit, Write,
            fanout::{FanOutRow, Mark},
            request::RequestRow,
        },
        telemetry::{Metrics, chain},
    },
    job::{
        life::Policy,
        procedure::{Errand, Procedure},
        record::{Order, pkg_ids},
    },
    model::{
        clock::{Clock, Mint, Timestamp},
        digest::Digest,
        id::{ListKey, RequestId, RequestSource, Tenant},
    },
};

/// How often a message is tried alone that the database does not take.
const TRIES: u32 = 3;
/// Devices of a request whose jobs are stored with it. So the usual request is one commit and done; a larger one would hold up those
/// that wait for the same commit, and is spread over its devices later.
const AT_ONCE: usize = 100;
/// The same for all requests of a batch: as many jobs as one stretch of a large request makes, twice over.
const MOST_AT_ONCE: usize = 2000;

/// Takes requests in.
#[derive(Clone)]
pub struct Intake {
    /// State.
    pub store: Store,
    /// For operations on packages: which `PkgIDs` are meant.
    pub catalogue: Catalogue,
    /// What a request gets that leaves it open.
    pub defaults: Defaults,
    /// The installation's patience.
    pub policy: Policy,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, one for each batch.
    pub mint: fn() -> Box<dyn Mint>,
    /// Counters.
    pub metrics: Metrics,
    /// Wakes those who work off due rows.
    pub due: Poke,
    /// Wakes the relay.
    pub told: Poke,
    /// While it is high, nothing is taken.
    pub pressure: Pressure,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Whose.
    pub tenant: Tenant,
    /// The source of a request that names none.
    pub caller: RequestSource,
    /// The JSON.
    pub body: Vec<u8>,
}

/// What became of a message.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It was stored, now or before.
    Accepted(Receipt),
    /// It was refused; nothing was stored.
    Refused(Box<Problem>),
    /// The database is out of reach; nothing is known of it.
    Unavailable,
}

/// The answer to an accepted request; the same for each repeat but for `repeated`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What its sender calls it.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
    /// How many jobs it becomes, if that is known.
    pub jobs: Option<u32>,
    /// When it was accepted.
    pub at: Timestamp,
    /// Whether it was there already.
    pub repeated: bool,
}

/// A request that is ready to be stored.
struct Ready {
    receipt: Receipt,
    digest: Digest,
    tenant: Tenant,
    unit: Unit,
}

/// A message that the database does not take for what it is, in the database's words.
#[derive(Debug, Clone)]
struct Stuck(String);

/// Why a message got no verdict of its own.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("the database is out of reach")]
    Store(#[from] store::Error),
}

impl Stuck {
    fn problem(&self) -> Problem {
        let said: String = self.0.chars().filter(|c| !c.is_control()).take(300).collect();
        Problem::new(Code::Unstorable, format!("it was tried several times: {said}"))
    }
}

impl Intake {
    /// Takes a batch; the verdicts stand in its order. What is accepted is stored when this returns.
    pub async fn take(&self, batch: Vec<Incoming>) -> Vec<Verdict> {
        if self.pressure.is_high() {
            return batch.iter().map(|_| self.counted(Verdict::Unavailable)).collect();
        }
        let mut verdicts = Vec::with_capacity(batch.len());
        for (incoming, result) in batch.iter().zip(self.together(&batch).await) {
            let verdict = match result {
                Ok(verdict) => verdict,
                Err(stuck) => self.alone(incoming, stuck).await,
            };
            verdicts.push(self.counted(verdict));
        }
        self.due.poke();
        self.told.poke();
        verdicts
    }

    /// A message that the database did not take, for what it is: looked at anew and alone, since what it rests on may have changed in
    /// between, and given up after a few times.
    async fn alone(&self, incoming: &Incoming, mut stuck: Stuck) -> Verdict {
        for _ in 0..TRIES {
            match self.together(slice::from_ref(incoming)).await.pop() {
                Some(Ok(verdict)) => return verdict,
                Some(Err(again)) => stuck = again,
                None => break,
            }
        }
        Verdict::Refused(Box::new(stuck.problem()))
    }

    /// Takes a batch in one commit.
    async fn together(&self, batch: &[Incoming]) -> Vec<Result<Verdict, Stuck>> {
        let (mut mint, mut room) = ((self.mint)(), MOST_AT_ONCE);
        let read: Vec<Result<Asked, Trouble>> = batch.iter().map(|incoming| self.read(incoming)).collect();
        let around = match self.around(read.iter().flatten()).await {
            Ok(around) => around,
            Err(error) => {
                let failed = failed(&error, error.is_permanent());
                return read.into_iter().map(|asked| asked.map_or_else(verdict_of, |_| failed.clone())).collect();
            }
        };
        let (mut verdicts, mut ready) = (Vec::with_capacity(read.len()), Vec::new());
        for asked in read {
            match asked.and_then(|asked| self.prepare(asked, &around, &mut room, mint.as_mut())) {
                Ok(Ok(prepared)) => {
                    ready.push(prepared);
                    verdicts.push(None);
                }
                Ok(Err(receipt)) => verdicts.push(Some(Ok(Verdict::Accepted(receipt)))),
                Err(trouble) => verdicts.push(Some(verdict_of(trouble))),
            }
        }
        let mut stored = self.store_all(ready).await.into_iter();
        let verdicts = verdicts.into_iter().map(|verdict| verdict.or_else(|| stored.next()));
        verdicts.map(|verdict| verdict.unwrap_or(Ok(Verdict::Unavailable))).collect()
    }

    /// Reads a message.
    fn read(&self, incoming: &Incoming) -> Result<Asked, Trouble> {
        let Incoming { tenant, caller, body } = incoming;
        let request = Request::read(body, caller, self.clock.now()).map_err(refused)?;
        if request.source == RequestSource::device() {
            let detail = "`device` is the source of what devices ask for themselves";
            return Err(refused(Problem::invalid(vec![Fault::new("/source", Code::UnknownValue, detail)])));
        }
        Ok(Asked { digest: request.digest(), tenant: tenant.clone(), request })
    }

    /// Makes the writes of a request; the inner error is the answer of an earlier time. `room` is for how many jobs more the batch has
    /// room.
    fn prepare(
        &self,
        asked: Asked,
        around: &Around,
        room: &mut usize,
        mint: &mut dyn Mint,
    ) -> Result<Result<Ready, Receipt>, Trouble> {
        if let Some(row) = around.stored_as(&asked) {
            let same = row.digest == asked.digest;
            return if same { Ok(Err(receipt(row))) } else { Err(refused(conflict(&asked.request))) };
        }
        let now = self.clock.now();
        let accepted = accept(asked.request, asked.tenant, &self.defaults, now, mint).map_err(refused)?;
        let (list, targets) = match &accepted.request.targets {
            Targets::Devices(devices) if devices.len() <= AT_ONCE.min(*room) => {
                *room -= devices.len();
                return self.at_once(&accepted, around, now, mint).map(Ok);
            }
            Targets::Devices(devices) => (None, u64::try_from(devices.len()).ok()),
            Targets::List(name) => {
                let list = around.list(&accepted.tenant, name).ok_or_else(|| refused(no_list(name)))?;
                (Some(list.key), Some(list.devices))
            }
            Targets::Filter(_) => (None, None),
        };
        self.later(&accepted, list, targets, now, mint).map(Ok)
    }

    /// A request whose jobs are stored with it.
    fn at_once(
        &self,
        accepted: &Accepted,
        around: &Around,
        now: Timestamp,
        mint: &mut dyn Mint,
    ) -> Result<Ready, Trouble> {
        let (devices, known) = (accepted.request.targets.named(), around.known_to(&accepted.tenant));
        let new = fan_out(accepted, devices, known, &self.policy, now, mint);
        let (row, task) = (begin::request_row(accepted, u32::try_from(new.len()).ok())?, self.task(&accepted.request));
        let jobs = begin::jobs(new, &task, (&row, &accepted.request), now, mint)?;
        let over = jobs.iter().all(|job| job.row.finished_at.is_some());
        let count = begin::count(row.key, &accepted.request, &jobs, now);
        let mut writes = vec![Write::JobsInsert(jobs)];
        writes.extend(count);
        writes.extend(over.then(|| begin::look(row.key, now)));
        ready(row, accepted, writes, now, mint)
    }

    /// A request whose jobs are made by errand ([`FanOut`]).
    fn later(
        &self,
        accepted: &Accepted,
        list: Option<ListKey>,
        targets: Option<u64>,
        now: Timestamp,
        mint: &mut dyn Mint,
    ) -> Result<Ready, Trouble> {
        let row = begin::request_row(accepted, targets.and_then(|targets| u32::try_from(targets).ok()))?;
        let plan = fanout::Plan { task: self.task(&accepted.request), deadline: accepted.deadline };
        let fan_out = FanOutRow {
            request: row.key,
            tenant: row.tenant.clone(),
            list,
            body: Json::of("fan-out", &plan)?,
            targets,
            made: 0,
            undecided: 0,
            after: Mark::BEGIN,
            until: accepted.at,
            version: 0,
            not_started: None,
            ended: None,
        };
        let writes = vec![Write::FanOutInsert(fan_out), begin::go_on(row.key, now)];
        ready(row, accepted, writes, now, mint)
    }

    /// What the jobs of a request are to do, and how.
    fn task(&self, request: &Request) -> (Order, Procedure) {
        let (order, errand) = match request.work.clone() {
            Work::Download { package, action, delivery, allow_downgrade } => {
                let order = Order::Download { package, action, delivery, allow_downgrade, on_request: false };
                (order, Errand::Download { action })
            }
            Work::PackageOperation { operation, package } => {
                let pkg_ids = pkg_ids(&package, self.catalogue.all().iter());
                let errand = Errand::OperatePackage { operation, pkg_ids: pkg_ids.clone() };
                (Order::PackageOperation { operation, package, pkg_ids }, errand)
            }
            Work::ComponentOperation { operation, component } => {
                let errand = Errand::OperateComponent { operation, component: component.clone() };
                (Order::ComponentOperation { operation, component }, errand)
            }
            Work::Inventory => (Order::Inventory, Errand::Collect),
            Work::Command(commands) => return (Order::Command, Procedure::of_commands(commands)),
        };
        (order, Procedure::new(errand))
    }

    /// Stores what is ready, all of it in one commit, and each alone in its fate.
    async fn store_all(&self, ready: Vec<Ready>) -> Vec<Result<Verdict, Stuck>> {
        let (units, rest): (Vec<Unit>, Vec<_>) =
            ready.into_iter().map(|r| (r.unit, (r.receipt, r.digest, r.tenant))).unzip();
        let results = self.store.commit_many(units).await;
        let mut verdicts = Vec::with_capacity(results.len());
        for (result, (receipt, digest, tenant)) in results.into_iter().zip(rest) {
            verdicts.push(match result {
                Ok(_) => Ok(accepted(receipt)),
                Err(CommitError::Conflict { conflict: Conflict::RequestExists { digest: stored, .. }, .. }) => {
                    Ok(self.again(&tenant, &receipt, stored == digest).await)
                }
                Err(CommitError::Conflict { conflict: Conflict::ListGone(list), .. }) => {
                    Ok(Verdict::Refused(Box::new(no_list(&list))))
                }
                Err(error) => failed(&error, error.is_permanent()),
            });
        }
        verdicts
    }

    /// Another replica took the same identity at the same time.
    async fn again(&self, tenant: &Tenant, mine: &Receipt, same: bool) -> Verdict {
        if !same {
            return Verdict::Refused(Box::new(conflict_of(&mine.source, &mine.request_id)));
        }
        match self.store.request_by_id(tenant, &mine.source, &mine.request_id).await {
            Ok(Some(row)) => Verdict::Accepted(receipt(&row)),
            Ok(None) | Err(_) => Verdict::Unavailable,
        }
    }

    fn counted(&self, verdict: Verdict) -> Verdict {
        self.metrics.request(match &verdict {
            Verdict::Accepted(receipt) if receipt.repeated => "repeated",
            Verdict::Accepted(_) => "accepted",
            Verdict::Refused(problem) if problem.code == Code::RequestConflict => "conflict",
            Verdict::Refused(_) => "refused",
            Verdict::Unavailable => "unavailable",
        });
        verdict
    }
}

/// What is stored of a request, in its order: what the jobs refer to comes first.
fn ready(
    row: RequestRow,
    accepted: &Accepted,
    writes: Vec<Write>,
    now: Timestamp,
    mint: &mut dyn Mint,
) -> Result<Ready, Trouble> {
    let mut unit = Unit::new("intake.request", row.request_id.as_str());
    let receipt = Receipt { repeated: false, ..receipt(&row) };
    let told = begin::told(&row, accepted.deadline, now, mint)?;
    unit.writes.extend([Write::RequestInsert(row), told]);
    unit.writes.extend(writes);
    Ok(Ready { receipt, digest: accepted.digest, tenant: accepted.tenant.clone(), unit })
}

/// The request names a target list that is not there.
fn no_list(name: &impl Display) -> Problem {
    let detail = format!("there is no target list `{name}`; upload it first");
    Problem::invalid(vec![Fault::new("/targets/list", Code::NotFound, detail)])
}

fn receipt(row: &RequestRow) -> Receipt {
    Receipt {
        request_id: row.request_id.clone(),
        source: row.source.clone(),
        jobs: row.jobs_total,
        at: row.created_at,
        repeated: true,
    }
}

fn refused(problem: Problem) -> Trouble {
    Trouble::Refused(Box::new(problem))
}

fn conflict(request: &Request) -> Problem {
    conflict_of(&request.source, &request.request_id)
}

fn conflict_of(source: &RequestSource, id: &RequestId) -> Problem {
    Problem::new(
        Code::RequestConflict,
        format!("a request `{id}` of `{source}` with other content was accepted before"),
    )
}

fn verdict_of(trouble: Trouble) -> Result<Verdict, Stuck> {
    match trouble {
        Trouble::Refused(problem) => Ok(Verdict::Refused(problem)),
        Trouble::Store(error) => failed(&error, error.is_permanent()),
    }
}

fn accepted(receipt: Receipt) -> Verdict {
    tracing::info!(request.id = %receipt.request_id, jobs = receipt.jobs, "Request accepted");
    Verdict::Accepted(receipt)
}

/// What a failure of the database means for a message: another try, or that no try will help.
fn failed(error: &(dyn std::error::Error + 'static), permanent: bool) -> Result<Verdict, Stuck> {
    let error = chain(error);
    tracing::error!(error, permanent, "A request was not taken");
    if permanent { Err(Stuck(error)) } else { Ok(Verdict::Unavailable) }
}
