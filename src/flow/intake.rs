//! Step 1: a batch of messages becomes verdicts. A request is stored with its jobs and its event before it is answered; a repeat
//! gets the same answer and has no second effect; what cannot be taken is refused with every fault and its place.
//!
//! HTTP hands in one message at a time, the broker as many as wait ([`Consumer`]).

mod consume;
mod refuse;

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
    sync::Arc,
};

pub use consume::Consumer;
pub use refuse::Revived;

use crate::{
    contract::{
        accept::{Accepted, Defaults, NewJob, accept, fan_out},
        problem::{Code, Fault, Problem},
        request::{Request, Work},
    },
    infra::{
        broker::Pressure,
        catalogue::Catalogue,
        driver::Poke,
        jobs::begin,
        store::{self, CommitError, Conflict, Store, Unit, Write, request::RequestRow},
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
        id::{DeviceId, DeviceKey, RequestId, RequestSource, Tenant},
    },
};

/// Names of devices that are asked for at once.
const NAMES: usize = 10_000;

/// How often a message is tried alone that the database does not take.
const TRIES: u32 = 3;

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
    /// How many jobs it became.
    pub jobs: u32,
    /// When it was accepted.
    pub at: Timestamp,
    /// Whether it was there already.
    pub repeated: bool,
}

/// A request that could be read.
struct Asked {
    tenant: Tenant,
    request: Request,
    digest: Digest,
}

/// What the database knows of the requests of a batch.
#[derive(Default)]
struct Around {
    /// Those that are there already.
    stored: BTreeMap<(Tenant, RequestSource, RequestId), RequestRow>,
    /// The devices of the others that have a record.
    known: BTreeMap<Tenant, BTreeMap<String, DeviceKey>>,
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

impl Asked {
    const fn names(&self) -> (&Tenant, &RequestSource, &RequestId) {
        (&self.tenant, &self.request.source, &self.request.request_id)
    }
}

impl Around {
    fn stored_as(&self, asked: &Asked) -> Option<&RequestRow> {
        let (tenant, source, id) = asked.names();
        self.stored.get(&(tenant.clone(), source.clone(), id.clone()))
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
        let mut mint = (self.mint)();
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
            match asked.and_then(|asked| self.prepare(asked, &around, mint.as_mut())) {
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

    /// What the database knows of a batch: a question for all identities, and one for all devices.
    async fn around(&self, asked: impl Iterator<Item = &Asked>) -> Result<Around, store::Error> {
        let asked: Vec<&Asked> = asked.collect();
        let names: Vec<_> = asked.iter().map(|asked| asked.names()).collect();
        let mut around = Around::default();
        for row in self.store.requests_by_id(&names).await? {
            around.stored.insert((row.tenant.clone(), row.source.clone(), row.request_id.clone()), row);
        }
        let mut norms: BTreeMap<&Tenant, BTreeSet<String>> = BTreeMap::new();
        for asked in asked.into_iter().filter(|asked| around.stored_as(asked).is_none()) {
            norms.entry(&asked.tenant).or_default().extend(asked.request.devices.iter().map(DeviceId::normalised));
        }
        for (tenant, norms) in norms {
            let known = around.known.entry(tenant.clone()).or_default();
            for some in norms.into_iter().collect::<Vec<_>>().chunks(NAMES) {
                let rows = self.store.known_devices(tenant, some).await?;
                known.extend(rows.into_iter().map(|row| (row.device_norm, row.key)));
            }
        }
        Ok(around)
    }

    /// Makes the writes of a request; the inner error is the answer of an earlier time.
    fn prepare(&self, asked: Asked, around: &Around, mint: &mut dyn Mint) -> Result<Result<Ready, Receipt>, Trouble> {
        if let Some(row) = around.stored_as(&asked) {
            let same = row.digest == asked.digest;
            return if same { Ok(Err(receipt(row))) } else { Err(refused(conflict(&asked.request))) };
        }
        let now = self.clock.now();
        let nobody = BTreeMap::new();
        let known = around.known.get(&asked.tenant).unwrap_or(&nobody);
        let accepted = accept(asked.request, asked.tenant, &self.defaults, now, mint).map_err(refused)?;
        let jobs = fan_out(&accepted, &accepted.request.devices, known, &self.policy, now, mint);
        self.ready(accepted, jobs, now, mint).map(Ok)
    }

    fn ready(
        &self,
        accepted: Accepted,
        jobs: Vec<NewJob>,
        now: Timestamp,
        mint: &mut dyn Mint,
    ) -> Result<Ready, Trouble> {
        let total = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        let row = begin::request_row(&accepted, total)?;
        let Accepted { tenant, request, digest, deadline, .. } = accepted;
        let mut unit = Unit::new("intake.request", request.request_id.as_str());
        let receipt = Receipt { repeated: false, ..receipt(&row) };
        unit.push(begin::told(&row, deadline, now, mint)?);
        let task = self.task(&request.work);
        for job in jobs {
            unit.writes.extend(begin::job(job, task.clone(), (&row, &request), now, mint).writes(now, None)?);
        }
        unit.writes.insert(0, Write::RequestInsert(row));
        Ok(Ready { receipt, digest, tenant, unit })
    }

    /// What the jobs of a request are to do, and how.
    fn task(&self, work: &Work) -> (Order, Procedure) {
        let (order, errand) = match work.clone() {
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
