//! A request for many devices becomes jobs by errand, stretch by stretch, so that it is answered at once, is never in memory as a
//! whole, and keeps no other waiting.
//!
//! A stretch is one commit: the jobs of the next devices, and the mark behind which the one after it begins. Whoever dies in
//! between leaves the mark where it was; two who make the same stretch meet at the mark's row, where the second loses. After each
//! stretch the errand stands at the end of the queue again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    contract::{
        accept::{Accepted, fan_out},
        request::{Request, Targets},
    },
    infra::{
        broker::Pressure,
        driver::{Errand, Failure, Poke},
        jobs::{self, begin, hand::Hand},
        known::stored_facts,
        store::{
            self, Store, Unit, Write,
            device::FactsRow,
            due::Leased,
            fanout::{FanOutRow, Mark, Stretch},
            request::RequestRow,
        },
        telemetry::chain,
    },
    job::{life::Policy, procedure::Procedure, record::Order},
    model::{
        clock::{Clock, Mint, Timestamp},
        id::{DeviceId, DeviceKey, RequestKey},
        rule::{Rule, Verdict},
    },
};

/// Devices of a stretch. A thousand jobs are one commit of some ten milliseconds, which leaves the fixed cost of a commit far behind
/// and holds nobody up; in memory they are a few MB.
const STRETCH: u32 = 1000;
/// Devices that a filter looks at in a stretch: their facts have to be read, and their inventories may be large.
const LOOKED_AT: u32 = 500;
const LOOKED_INTO: u32 = 100;
/// How long a filter may be at work on a stretch; what it has not looked at by then is the next one's.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// How long a fan-out rests while too many events wait to be told.
const PRESSED: Duration = Duration::from_secs(1);

/// Makes the jobs of requests for many devices.
pub struct FanOut {
    /// State.
    pub store: Store,
    /// The installation's patience.
    pub policy: Policy,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, one for each stretch.
    pub mint: fn() -> Box<dyn Mint>,
    /// While it is high, nothing is made: each job may become an event.
    pub pressure: Pressure,
    /// Ends cancels that broke off.
    pub hand: Hand,
    /// Wakes those who work off due rows of jobs.
    pub due: Poke,
    /// Wakes the relay.
    pub told: Poke,
    /// Wakes the driver of this errand.
    pub again: Poke,
}

/// What every job of a request is to do, as it was decided when the request was accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    /// What was ordered, and how it begins.
    pub(super) task: (Order, Procedure),
    /// When the jobs end at the latest.
    pub(super) deadline: Timestamp,
}

/// The devices of a stretch.
struct Found {
    /// Those that get a job.
    devices: Vec<DeviceId>,
    /// Those of them that have a record, by normalised name.
    known: BTreeMap<String, DeviceKey>,
    undecided: u64,
    /// Behind which device the next stretch begins.
    after: Mark,
    /// No device is left.
    last: bool,
}

impl Errand for FanOut {
    fn names(&self) -> &'static [&'static str] {
        &[jobs::FAN_OUT, jobs::CANCEL]
    }

    async fn run(&self, due: Leased) -> Result<(), Failure> {
        let key = RequestKey::new(due.lease.subject);
        let row = self.store.request(key).await?;
        if due.lease.errand == jobs::CANCEL {
            return self.cancel(row, due).await;
        }
        if self.pressure.is_high() {
            let _ = self.store.retry_at(&due.lease, self.clock.now().after(PRESSED)).await?;
            return Ok(());
        }
        let fan_out = self.store.fan_out(key).await?.filter(|fan_out| fan_out.ended.is_none());
        let (Some(row), Some(fan_out)) = (row, fan_out) else {
            let _ = self.store.done(&due.lease).await?;
            return Ok(());
        };
        self.stretch(row, fan_out, due).await
    }
}

impl FanOut {
    /// Makes the next jobs.
    async fn stretch(&self, row: RequestRow, fan_out: FanOutRow, due: Leased) -> Result<(), Failure> {
        let request: Request = row.body.read().map_err(store::Error::bad_row("request", "body", row.key))?;
        let found = self.find(&request.targets, &fan_out).await?;
        let (stretch, count) = self.make(&row, request, &fan_out, found)?;
        let (made, last) = (stretch.jobs.len(), stretch.ended.is_some());
        let now = self.clock.now();
        let next = if last { begin::look(row.key, now) } else { begin::go_on(row.key, now) };
        let ended = stretch.jobs.iter().any(|job| job.row.finished_at.is_some());
        let mut unit = Unit::new("intake.fan_out", &row.key.to_string())
            .with(Write::DueDone(due.lease))
            .with(Write::FanOutStep(stretch))
            .with(next);
        unit.writes.extend(count);
        // A transaction of its own: the messages of devices do not wait behind it.
        for done in self.store.commit_many(vec![unit]).await {
            done?;
        }
        log(&row, made, last);
        self.due.poke();
        self.again.poke();
        if ended {
            self.told.poke();
        }
        Ok(())
    }

    /// The jobs of a stretch, and the look at the failure budget that they may ask for.
    fn make(
        &self,
        row: &RequestRow,
        request: Request,
        fan_out_row: &FanOutRow,
        found: Found,
    ) -> Result<(Stretch, Option<Write>), store::Error> {
        let plan: Plan = fan_out_row.body.read().map_err(store::Error::bad_row("fan_out", "body", row.key))?;
        let (now, mut mint) = (self.clock.now(), (self.mint)());
        let Found { devices, known, undecided, after, last } = found;
        let accepted = Accepted {
            key: row.key,
            tenant: row.tenant.clone(),
            request,
            digest: row.digest,
            at: row.created_at,
            deadline: plan.deadline,
        };
        let new = fan_out(&accepted, &devices, &known, &self.policy, now, mint.as_mut());
        let jobs = begin::jobs(new, &plan.task, (row, &accepted.request), now, mint.as_mut())?;
        let count = begin::count(row.key, &accepted.request, &jobs, now);
        let stretch = Stretch {
            request: row.key,
            version: fan_out_row.version,
            after,
            jobs,
            undecided,
            ended: last.then_some(now),
        };
        Ok((stretch, count))
    }

    async fn find(&self, targets: &Targets, fan_out: &FanOutRow) -> Result<Found, store::Error> {
        match (targets, fan_out.list) {
            (Targets::Devices(devices), _) => self.named(devices, fan_out).await,
            (Targets::List(_), Some(list)) => {
                let FanOutRow { tenant, after, .. } = fan_out;
                let listed = self.store.listed_devices(tenant, list, after.place, STRETCH).await?;
                let place = listed.last().map_or(after.place, |last| last.place);
                let known =
                    listed.iter().filter_map(|listed| Some((listed.device.normalised(), listed.key?))).collect();
                let end = is_short(listed.len(), STRETCH);
                let devices = listed.into_iter().map(|listed| listed.device).collect();
                Ok(Found { devices, known, undecided: 0, after: Mark { place, ..*after }, last: end })
            }
            // No list was noted with it: a row that this program does not write.
            (Targets::List(_), None) => {
                let why = "a request for a target list that names none";
                Err(store::Error::bad_row("fan_out", "list_key", fan_out.request)(why))
            }
            (Targets::Filter(rule), _) => self.matching(rule.clone(), fan_out).await,
        }
    }

    /// The next devices of those that the request names.
    async fn named(&self, devices: &[DeviceId], fan_out: &FanOutRow) -> Result<Found, store::Error> {
        let from = usize::try_from(fan_out.after.place).unwrap_or(usize::MAX);
        let most = usize::try_from(STRETCH).unwrap_or(usize::MAX);
        let devices: Vec<DeviceId> = devices.iter().skip(from).take(most).cloned().collect();
        let norms: Vec<String> = devices.iter().map(DeviceId::normalised).collect();
        let known = self.store.known_devices(&fan_out.tenant, &norms).await?;
        let known = known.into_iter().map(|row| (row.device_norm, row.key)).collect();
        let behind = i64::try_from(devices.len()).unwrap_or(i64::MAX);
        let after = Mark { place: fan_out.after.place.saturating_add(behind), ..fan_out.after };
        let last = is_short(devices.len(), STRETCH);
        Ok(Found { devices, known, undecided: 0, after, last })
    }

    /// The devices on which a rule holds, among the next of those that were registered when the request was accepted.
    async fn matching(&self, rule: Rule, fan_out: &FanOutRow) -> Result<Found, store::Error> {
        let FanOutRow { tenant, after, until, .. } = fan_out;
        // A rule that does not have the word cannot read it.
        let inventories = rule.as_str().contains("installed");
        let limit = if inventories { LOOKED_INTO } else { LOOKED_AT };
        let rows = self.store.device_facts(tenant, *after, *until, limit, inventories).await?;
        let (last, begin) = (is_short(rows.len(), limit), *after);
        let clock = Arc::clone(&self.clock);
        // Rules may take long, and the evaluator much of its thread's stack.
        let looking = tokio::task::spawn_blocking(move || look_at(&rule, rows, begin, clock.as_ref()));
        // The evaluator's panic was logged where it happened; what it left open is tried again.
        let panicked = store::Error::bad_row("request", "body", fan_out.request);
        let (mut found, whole) = looking.await.map_err(panicked)?;
        found.last = last && whole;
        Ok(found)
    }

    /// Goes on with a cancel that broke off.
    async fn cancel(&self, row: Option<RequestRow>, due: Leased) -> Result<(), Failure> {
        if let Some(row) = row.filter(|row| row.completed.is_none())
            && let Err(unmoved) = self.hand.cancel_jobs(row.key, "the request's sender").await
        {
            tracing::warn!(request.id = %row.request_id, error = chain(&unmoved), "A cancel is not at its end");
            return Ok(()); // and comes again when the lease runs out
        }
        let _ = self.store.done(&due.lease).await?;
        Ok(())
    }
}

impl Found {
    const fn nothing(after: Mark) -> Self {
        Self { devices: Vec::new(), known: BTreeMap::new(), undecided: 0, after, last: false }
    }
}

/// Holds a rule against devices, and says whether it came to the end of them.
fn look_at(rule: &Rule, rows: Vec<FactsRow>, begin: Mark, clock: &dyn Clock) -> (Found, bool) {
    let (mut found, until) = (Found::nothing(begin), clock.now().after(LONGEST_LOOK));
    for row in rows {
        if clock.now() >= until {
            return (found, false);
        }
        let (key, device) = (row.key, row.device_id.clone());
        found.after = Mark { place: row.created_at.micros(), key: key.uuid() };
        match decide(rule, row) {
            Ok(true) => {
                found.known.insert(device.normalised(), key);
                found.devices.push(device);
            }
            Ok(false) => {}
            Err(why) => {
                tracing::debug!(device.id = %device, why, "A filter cannot be decided");
                found.undecided += 1;
            }
        }
    }
    (found, true)
}

/// Whether a rule holds of a device, or why nobody can tell. A row that cannot be read keeps the others from nothing.
fn decide(rule: &Rule, row: FactsRow) -> Result<bool, String> {
    match rule.eval(&stored_facts(row).map_err(|error| chain(&error))?) {
        Verdict::Yes => Ok(true),
        Verdict::No => Ok(false),
        Verdict::Undecided { missing } => Err(format!("nobody knows {missing:?}")),
        Verdict::Broken { why } => Err(why),
    }
}

#[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
fn log(row: &RequestRow, made: usize, last: bool) {
    tracing::debug!(request.id = %row.request_id, made, "A stretch of a request's jobs was made");
    if last {
        tracing::info!(request.id = %row.request_id, "All jobs of the request are made");
    }
}

/// Whether what was found is all that was left.
fn is_short(found: usize, asked: u32) -> bool {
    u32::try_from(found).is_ok_and(|found| found < asked)
}
