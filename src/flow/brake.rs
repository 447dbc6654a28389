//! The brake: what was paused goes on when someone says so, and the service pauses by itself what goes wrong too often.
//!
//! A pause is one row, read with whatever it might stop: there is nothing to spread, and no replica that knows it later. A job that
//! was found to be held has a row of its own, so that lifting the pause looks at those jobs and at no others.
//!
//! What goes wrong is counted where it is needed and no further: of a request's failures one more than its budget allows, of the
//! devices that do not trust a package as many as stop it. Jobs that fail plan the look at their request; those that fail together
//! share it.

use std::time::Duration;

use crate::{
    contract::request::Request,
    infra::{
        driver::{Errand, Failure},
        jobs::{
            self, Moving,
            brake::{BUDGET, Brake, REJECTED, RESUME, Wish},
            hand::Unmoved,
        },
        store::{
            self, Unit, Write,
            due::{Again, Due, Leased},
        },
        telemetry::Metrics,
    },
    job::brake::{Pause, Scope},
    model::id::{JobId, PauseId, RequestKey},
};

/// Jobs that are let go on with one commit, and how often that is done with one lease.
const BATCH: u32 = 500;
const BATCHES: usize = 20;
/// How long a device's word against a package counts.
const MEMORY: Duration = Duration::from_hours(90 * 24);

/// Works off what the brake has to do.
pub struct Brakes {
    /// Pauses.
    pub brake: Brake,
    /// So many devices that do not trust a package stop it; 0: none do.
    pub bad_signature_devices: u32,
    /// Counters.
    pub metrics: Metrics,
}

impl Errand for Brakes {
    fn names(&self) -> &'static [&'static str] {
        &[RESUME, BUDGET, REJECTED]
    }

    async fn run(&self, due: Leased) -> Result<(), Failure> {
        match due.lease.errand.as_str() {
            RESUME => return self.resume(due).await,
            BUDGET => self.budget(RequestKey::new(due.lease.subject)).await?,
            _ => self.rejected(JobId::new(due.lease.subject)).await?,
        }
        let _ = self.brake.store.done(&due.lease).await?;
        Ok(())
    }
}

impl Brakes {
    /// A pause was lifted: the jobs that it held are due now, some at a time.
    async fn resume(&self, due: Leased) -> Result<(), Failure> {
        let (store, pause) = (&self.brake.store, PauseId::new(due.lease.subject));
        for _ in 0..BATCHES {
            let jobs = store.held_by(pause, BATCH).await?;
            let Some(last) = jobs.last().copied() else {
                let _ = store.done(&due.lease).await?;
                return Ok(());
            };
            let mut unit = Unit::new("brake.free", &pause.to_string());
            let at = self.brake.clock.now();
            unit.writes.extend(jobs.iter().map(|job| {
                let due = Due { errand: jobs::DUE, subject: job.uuid(), at };
                Write::DuePut { due, again: Again::Earlier }
            }));
            unit.push(Write::FreeUpTo { pause, job: last });
            store.commit(unit).await?;
            self.brake.due.poke();
        }
        let _ = store.retry_at(&due.lease, self.brake.clock.now()).await?; // there are more
        Ok(())
    }

    /// Jobs of a request have failed.
    async fn budget(&self, key: RequestKey) -> Result<(), Failure> {
        let Some(row) = self.brake.store.request(key).await?.filter(|row| row.completed.is_none()) else {
            return Ok(());
        };
        let request: Request = row.body.read().map_err(store::Error::bad_row("request", "body", key))?;
        let Some(budget) = request.failure_budget else { return Ok(()) };
        if self.brake.store.failures(key, budget.failed.saturating_add(1)).await? <= u64::from(budget.failed) {
            return Ok(());
        }
        let reason = format!("failure budget: more than {} jobs failed or ended in doubt", budget.failed);
        let (by, reason) = (Pause::SERVICE.to_owned(), Some(reason));
        if self.stop(Wish { tenant: row.tenant, scope: Scope::Request(key), by, reason }).await? {
            self.metrics.braked("failure_budget");
            let budget = budget.failed;
            tracing::warn!(request.id = %row.request_id, budget, "A request is paused: too many of its jobs failed");
        }
        Ok(())
    }

    /// A job's device does not trust its package.
    async fn rejected(&self, id: JobId) -> Result<(), Failure> {
        let (store, enough) = (&self.brake.store, self.bad_signature_devices);
        store.prune_rejections(self.brake.clock.now().before(MEMORY)).await?;
        let Some(row) = store.job(id).await?.filter(|_| enough > 0) else { return Ok(()) };
        let tenant = row.tenant.clone();
        let Some(package) = Moving::of(row)?.record.package() else { return Ok(()) };
        if store.rejections(&tenant, &package, enough).await? < u64::from(enough) {
            return Ok(());
        }
        let reason = format!("{enough} devices do not trust it (result code 1407)");
        let (by, reason) = (Pause::SERVICE.to_owned(), Some(reason));
        let scope = Scope::Package(package.clone().into());
        if self.stop(Wish { tenant, scope, by, reason }).await? {
            self.metrics.braked("bad_signature");
            let package = package.pkg_id();
            tracing::warn!(package, devices = enough, "A package is paused: devices do not trust it");
        }
        Ok(())
    }

    /// Pauses; whether that is new.
    async fn stop(&self, wish: Wish) -> Result<bool, Failure> {
        match self.brake.pause(&wish).await {
            Ok(paused) => Ok(paused.is_some_and(|(_, new)| new)),
            Err(Unmoved::Store(error)) => Err(error.into()),
            Err(Unmoved::Commit(error)) => Err(error.into()),
            Err(Unmoved::Busy(_)) => Ok(false),
        }
    }
}
