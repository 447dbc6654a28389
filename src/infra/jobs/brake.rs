//! Pausing and letting go on: by hand, over the API or the bus, or by the service itself.

use std::sync::Arc;

use super::{event_row, hand::Unmoved};
use crate::{
    contract::event::{Data, Event, Outcomes, PackageHeld, RequestPaused, RequestResumed},
    infra::{
        driver::Poke,
        store::{
            self, Conflict, Store, Unit, Write,
            due::{Again, Due},
            job::JobCount,
            pause::PauseRow,
        },
    },
    job::{
        brake::{Pause, Scope},
        life::StateName,
    },
    model::{
        clock::{Clock, Mint, Timestamp},
        id::{EventId, JobId, PauseId, Tenant},
    },
};

/// The errand of a pause that was lifted: the jobs that it held are looked at again.
pub const RESUME: &str = "resume";
/// The errand of a request with a failure budget some of whose jobs have failed.
pub const BUDGET: &str = "budget";
/// The errand of a job whose device does not trust the package.
pub const REJECTED: &str = "rejected";

/// How often a change is tried that others keep overtaking.
const ATTEMPTS: usize = 10;

/// Pauses and lets go on.
#[derive(Clone)]
pub struct Brake {
    /// State.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, one for each change.
    pub mint: fn() -> Box<dyn Mint>,
    /// Wakes those who work off due rows.
    pub due: Poke,
    /// Wakes the relay.
    pub told: Poke,
}

/// What is to be paused.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Whose jobs.
    pub tenant: Tenant,
    /// Which of them.
    pub scope: Scope,
    /// Who wants it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// Counts the jobs that have ended.
#[must_use]
pub fn outcomes(counts: &[JobCount]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for group in counts {
        if let Ok(StateName::Over(outcome)) = group.state.parse() {
            outcomes.add(outcome, group.count);
        }
    }
    outcomes
}

impl Brake {
    /// Pauses: the pause, and whether it is new. What is paused already stays as it was; a request that has ended is not paused.
    ///
    /// # Errors
    /// [`Unmoved`]
    pub async fn pause(&self, wish: &Wish) -> Result<Option<(Pause, bool)>, Unmoved> {
        let Wish { tenant, scope, by, reason } = wish;
        let id = PauseId::new((self.mint)().uuid(self.clock.now()));
        for _ in 0..ATTEMPTS {
            if let Some(pause) = self.store.pause_of(tenant, scope).await? {
                return Ok(Some((pause, false)));
            }
            if self.has_ended(scope).await? {
                return Ok(None);
            }
            let at = self.clock.now();
            let pause = Pause { id, scope: scope.clone(), reason: reason.clone(), by: by.clone(), at };
            let row = PauseRow { tenant: tenant.clone(), pause: pause.clone() };
            let mut unit = Unit::new("brake.pause", &id.to_string()).with(Write::PauseInsert(row));
            if let Some(data) = self.paused(&pause).await? {
                unit.push(self.tell(tenant, data, at)?);
            }
            match self.store.commit(unit).await {
                Ok(_) => {
                    self.told.poke();
                    return Ok(Some((pause, true)));
                }
                Err(lost) if lost.conflict() == Some(&Conflict::PausedAlready) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(Unmoved::Busy(JobId::new(id.uuid())))
    }

    /// Lets go on what was paused as exactly this: the pause that there was. What the brake had counted is forgotten.
    ///
    /// # Errors
    /// [`Unmoved`]
    pub async fn resume(&self, tenant: &Tenant, scope: &Scope, by: &str) -> Result<Option<Pause>, Unmoved> {
        let Some(pause) = self.store.pause_of(tenant, scope).await? else { return Ok(None) };
        let now = self.clock.now();
        let due = Due { errand: RESUME, subject: pause.id.uuid(), at: now };
        let mut unit = Unit::new("brake.resume", &pause.id.to_string())
            .with(Write::PauseDelete(pause.id))
            .with(Write::DuePut { due, again: Again::Earlier });
        match scope {
            Scope::Request(request) => unit.push(Write::BudgetFrom { request: *request, at: now }),
            Scope::Package(packages) => {
                unit.push(Write::Forgive { tenant: tenant.clone(), packages: packages.clone() });
            }
            Scope::All | Scope::Class(_) => {}
        }
        if let Some(data) = self.resumed(&pause, by, now).await? {
            unit.push(self.tell(tenant, data, now)?);
        }
        match self.store.commit(unit).await {
            Ok(_) => {
                self.due.poke();
                self.told.poke();
                Ok(Some(pause))
            }
            // Another lifted it in the same moment.
            Err(lost) if matches!(lost.conflict(), Some(Conflict::Stale { .. })) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    async fn has_ended(&self, scope: &Scope) -> Result<bool, store::Error> {
        let Scope::Request(key) = scope else { return Ok(false) };
        Ok(self.store.request(*key).await?.is_none_or(|row| row.completed.is_some()))
    }

    /// What is told of a pause.
    async fn paused(&self, pause: &Pause) -> Result<Option<Data>, store::Error> {
        let (by, reason, at) = (pause.by.clone(), pause.reason.clone(), pause.at);
        Ok(match &pause.scope {
            Scope::All | Scope::Class(_) => None,
            Scope::Package(packages) => {
                Some(Data::PackagePaused(PackageHeld { package: packages.clone().into(), by, reason, at }))
            }
            Scope::Request(key) => {
                let Some(row) = self.store.request(*key).await? else { return Ok(None) };
                let outcomes = outcomes(&self.store.job_counts(*key).await?);
                let (request_id, source) = (row.request_id, row.source);
                Some(Data::RequestPaused(RequestPaused { request_id, source, by, reason, outcomes, at }))
            }
        })
    }

    async fn resumed(&self, pause: &Pause, by: &str, at: Timestamp) -> Result<Option<Data>, store::Error> {
        let by = by.to_owned();
        Ok(match &pause.scope {
            Scope::All | Scope::Class(_) => None,
            Scope::Package(packages) => {
                let reason = pause.reason.clone();
                Some(Data::PackageResumed(PackageHeld { package: packages.clone().into(), by, reason, at }))
            }
            Scope::Request(key) => self.store.request(*key).await?.map(|row| {
                let (request_id, source) = (row.request_id, row.source);
                Data::RequestResumed(RequestResumed { request_id, source, by, at })
            }),
        })
    }

    fn tell(&self, tenant: &Tenant, data: Data, at: Timestamp) -> Result<Write, store::Error> {
        let id = EventId::new((self.mint)().uuid(at));
        let event = Event { id, tenant: tenant.clone(), time: at, sequence: None, data };
        Ok(Write::EventInsert(event_row(&event, at.micros())?))
    }
}
