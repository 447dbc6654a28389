//! Step 1: a batch of messages becomes verdicts. A request is stored with its jobs and its event before it is answered; a repeat
//! gets the same answer and has no second effect; what cannot be taken is refused with every fault and its place.
//!
//! HTTP hands in one message at a time, the broker as many as wait ([`Consumer`]).

mod consume;
mod refuse;

use std::{collections::BTreeMap, sync::Arc};

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

/// A request that is ready to be stored.
struct Ready {
    receipt: Receipt,
    digest: Digest,
    tenant: Tenant,
    unit: Unit,
}

/// Why a message got no verdict of its own.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("the database is out of reach")]
    Store(#[from] store::Error),
}

impl Intake {
    /// Takes a batch; the verdicts stand in its order. What is accepted is stored when this returns.
    pub async fn take(&self, batch: Vec<Incoming>) -> Vec<Verdict> {
        if self.pressure.is_high() {
            return batch.iter().map(|_| self.counted(Verdict::Unavailable)).collect();
        }
        let mut mint = (self.mint)();
        let mut verdicts: Vec<Option<Verdict>> = Vec::with_capacity(batch.len());
        let (mut places, mut ready) = (Vec::new(), Vec::new());
        for incoming in batch {
            match self.prepare(incoming, mint.as_mut()).await {
                Ok(Ok(prepared)) => {
                    places.push(verdicts.len());
                    ready.push(prepared);
                    verdicts.push(None);
                }
                Ok(Err(receipt)) => verdicts.push(Some(Verdict::Accepted(receipt))),
                Err(trouble) => verdicts.push(Some(verdict_of(trouble))),
            }
        }
        for (place, verdict) in places.into_iter().zip(self.store_all(ready).await) {
            if let Some(slot) = verdicts.get_mut(place) {
                *slot = Some(verdict);
            }
        }
        self.due.poke();
        self.told.poke();
        verdicts.into_iter().map(|verdict| self.counted(verdict.unwrap_or(Verdict::Unavailable))).collect()
    }

    /// Reads a message and makes its writes; the inner error is the answer of an earlier time.
    async fn prepare(&self, incoming: Incoming, mint: &mut dyn Mint) -> Result<Result<Ready, Receipt>, Trouble> {
        let Incoming { tenant, caller, body } = incoming;
        let now = self.clock.now();
        let request = Request::read(&body, &caller, now).map_err(refused)?;
        if request.source == RequestSource::device() {
            let detail = "`device` is the source of what devices ask for themselves";
            return Err(refused(Problem::invalid(vec![Fault::new("/source", Code::UnknownValue, detail)])));
        }
        let digest = request.digest();
        if let Some(row) = self.store.request_by_id(&tenant, &request.source, &request.request_id).await? {
            return if row.digest == digest { Ok(Err(receipt(&row))) } else { Err(refused(conflict(&request))) };
        }
        let accepted = accept(request, tenant, &self.defaults, now, mint).map_err(refused)?;
        let known = self.known(&accepted).await?;
        let jobs = fan_out(&accepted, &accepted.request.devices, &known, &self.policy, now, mint);
        self.ready(accepted, jobs, now, mint).map(Ok)
    }

    async fn known(&self, accepted: &Accepted) -> Result<BTreeMap<String, DeviceKey>, store::Error> {
        let norms: Vec<String> = accepted.request.devices.iter().map(DeviceId::normalised).collect();
        let rows = self.store.known_devices(&accepted.tenant, &norms).await?;
        Ok(rows.into_iter().map(|row| (row.device_norm, row.key)).collect())
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
    async fn store_all(&self, ready: Vec<Ready>) -> Vec<Verdict> {
        let (units, rest): (Vec<Unit>, Vec<_>) =
            ready.into_iter().map(|r| (r.unit, (r.receipt, r.digest, r.tenant))).unzip();
        let results = self.store.commit_many(units).await;
        let mut verdicts = Vec::with_capacity(results.len());
        for (result, (receipt, digest, tenant)) in results.into_iter().zip(rest) {
            verdicts.push(match result {
                Ok(_) => accepted(receipt),
                Err(CommitError::Conflict { conflict: Conflict::RequestExists { digest: stored, .. }, .. }) => {
                    self.again(&tenant, &receipt, stored == digest).await
                }
                Err(error) => unavailable(Some(&receipt.request_id), &error),
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

fn verdict_of(trouble: Trouble) -> Verdict {
    match trouble {
        Trouble::Refused(problem) => Verdict::Refused(problem),
        Trouble::Store(error) => unavailable(None, &error),
    }
}

fn accepted(receipt: Receipt) -> Verdict {
    tracing::info!(request.id = %receipt.request_id, jobs = receipt.jobs, "Request accepted");
    Verdict::Accepted(receipt)
}

fn unavailable(id: Option<&RequestId>, error: &(dyn std::error::Error + 'static)) -> Verdict {
    tracing::error!(request.id = id.map(tracing::field::display), error = chain(error), "A request was not taken");
    Verdict::Unavailable
}
