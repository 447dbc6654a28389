//! From a request to jobs: one for each device, so that the sender gets one truthful answer for each.
//!
//! [`accept`] makes the request's row before it is acknowledged; [`fan_out`] makes the jobs, at once or later by errand.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    problem::Problem,
    request::{IfUnknownDevice, Request},
};
use crate::{
    job::life::{self, Cx, Effect, Errand, Life, Next, Policy, step},
    model::{
        clock::{Mint, Timestamp, span},
        digest::Digest,
        id::{DeviceId, DeviceKey, JobId, RequestKey, Tenant},
    },
};

/// What a request gets that leaves it open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// The time from acceptance to the deadline.
    #[serde(with = "span")]
    pub deadline: Duration,
    /// The longest time from acceptance to a deadline that a request names.
    #[serde(with = "span")]
    pub longest: Duration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { deadline: Duration::from_hours(30 * 24), longest: Duration::from_hours(365 * 24) }
    }
}

/// The row of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The row's key.
    pub key: RequestKey,
    /// Whose.
    pub tenant: Tenant,
    /// What was asked.
    pub request: Request,
    /// Of its canonical content: what comes under the same identity with another digest is a conflict.
    pub digest: Digest,
    /// When it was accepted.
    pub at: Timestamp,
    /// When its jobs end at the latest.
    pub deadline: Timestamp,
}

/// A job to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The job.
    pub id: JobId,
    /// Its device, as the request spells it.
    pub device: DeviceId,
    /// The device's row; absent for a device that has no record.
    pub device_key: Option<DeviceKey>,
    /// Where it stands: waiting, accepted (no record yet) or already failed (no record).
    pub life: Life,
    /// To be carried out in the commit that stores it.
    pub effects: Vec<Effect>,
}

/// Accepts a request that is new under its identity.
///
/// # Errors
/// If its deadline has passed or lies too far ahead, or its schedule never opens before it.
pub fn accept(
    request: Request,
    tenant: Tenant,
    defaults: &Defaults,
    now: Timestamp,
    mint: &mut dyn Mint,
) -> Result<Accepted, Problem> {
    request.in_time(now)?;
    let deadline = request.deadline.unwrap_or_else(|| now.after(defaults.deadline));
    request.fits(now, deadline, defaults.longest)?;
    Ok(Accepted { key: RequestKey::new(mint.uuid(now)), tenant, digest: request.digest(), at: now, deadline, request })
}

/// Makes the jobs of `devices`, a part or all of those that the request is for, in their order. `known` holds those that have a record, by
/// [`DeviceId::normalised`].
///
/// Every live job is due at once, or when its window opens. Whether its device is busy, or was registered after `known` was read, is looked up when the job
/// has been stored: whoever changes either of that then finds the job, so that none waits for a turn that has passed.
#[must_use]
pub fn fan_out(
    accepted: &Accepted,
    devices: &[DeviceId],
    known: &BTreeMap<String, DeviceKey>,
    policy: &Policy,
    now: Timestamp,
    mint: &mut dyn Mint,
) -> Vec<NewJob> {
    let mut job = |device: &DeviceId| {
        let found = known.get(&device.normalised());
        let request = &accepted.request;
        let life = Life::new(accepted.deadline, request.notify, request.retry).scheduled(request.schedule.clone());
        let cx = Cx { now, busy: false, policy };
        let next = match (found, request.if_unknown_device) {
            (Some(_), _) => step(&life, life::Event::Queued, &cx),
            (None, IfUnknownDevice::Fail) => step(&life, life::Event::DeviceUnknown, &cx),
            (None, IfUnknownDevice::Wait) => {
                Next { life, effects: vec![Effect::Due { errand: Errand::TimeOut, at: now }] }
            }
        };
        NewJob {
            id: JobId::new(mint.uuid(now)),
            device: device.clone(),
            device_key: found.copied(),
            life: next.life,
            effects: next.effects,
        }
    };
    devices.iter().map(&mut job).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        job::life::{Outcome, Reason, State, StateName},
        model::id::RequestSource,
    };

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    struct Counting(u8);

    impl Mint for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            self.0 += 1;
            bytes.fill(self.0);
        }
    }

    fn request(more: &serde_json::Value) -> Request {
        let mut value = json!({
            "request_id": "r", "kind": "download", "action": "install",
            "targets": { "devices": ["IMEI:490154203237518", "b"] },
        });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Request::from_value(&value, &RequestSource::parse("test").unwrap(), NOW).unwrap()
    }

    fn accepted(more: &serde_json::Value) -> Accepted {
        accept(request(more), Tenant::default(), &Defaults::default(), NOW, &mut Counting(0)).unwrap()
    }

    fn jobs(accepted: &Accepted) -> Vec<NewJob> {
        let key = DeviceKey::new(uuid::Uuid::from_u128(7));
        let known = BTreeMap::from([("IMEI:490154203237518".to_owned(), key)]);
        fan_out(accepted, accepted.request.targets.named(), &known, &Policy::default(), NOW, &mut Counting(0))
    }

    #[test]
    fn each_device_gets_a_job_that_ends_at_the_requests_deadline() {
        let accepted = accepted(&json!({}));
        assert_eq!(accepted.deadline, NOW.after(Duration::from_hours(720)));
        let jobs = jobs(&accepted);
        assert_eq!(jobs.len(), 2);
        assert_ne!(jobs[0].id, jobs[1].id);
        assert!(jobs.iter().all(|job| job.life.deadline() == accepted.deadline));
    }

    #[test]
    fn a_known_device_is_woken_at_once_and_silently() {
        let first = jobs(&accepted(&json!({}))).remove(0);
        assert!(first.device_key.is_some());
        assert_eq!(first.life.state().name(), StateName::Waiting);
        assert_eq!(first.effects, [Effect::Due { errand: Errand::Wake, at: NOW }]);
    }

    #[test]
    fn an_unknown_device_fails_at_once_and_says_why() {
        let job = jobs(&accepted(&json!({}))).remove(1);
        let State::Over(over) = job.life.state() else { panic!("{:?}", job.life) };
        assert_eq!((over.outcome, over.reason), (Outcome::Failed, Some(Reason::UnknownDevice)));
        assert!(job.effects.contains(&Effect::Tell(StateName::Over(Outcome::Failed))));
    }

    #[test]
    fn an_unknown_device_that_is_waited_for_has_until_the_deadline_and_is_looked_for_once_stored() {
        let accepted = accepted(&json!({ "if_unknown_device": "wait" }));
        let job = jobs(&accepted).remove(1);
        assert_eq!((job.life.state().name(), job.device_key), (StateName::Accepted, None));
        assert_eq!(job.life.due(), Some((Errand::TimeOut, accepted.deadline)));
        assert_eq!(job.effects, [Effect::Due { errand: Errand::TimeOut, at: NOW }]);
    }

    #[test]
    fn a_known_device_is_woken_when_the_window_opens() {
        let window = json!({ "cron": "0 2 * * *", "minutes": 60, "time_zone": "UTC" });
        let first = jobs(&accepted(&json!({ "schedule": { "window": window } }))).remove(0);
        assert_eq!(first.life.state().name(), StateName::Waiting);
        let opens = Timestamp::parse("2023-11-15T02:00:00Z").unwrap();
        assert_eq!(first.effects, [Effect::Due { errand: Errand::Wake, at: opens }]);
    }

    #[test]
    fn a_deadline_beyond_the_latest_and_a_window_that_never_opens_are_refused() {
        let defaults = Defaults { longest: Duration::from_hours(48), deadline: Duration::from_hours(1) };
        let refused = |more| {
            let problem = accept(request(&more), Tenant::default(), &defaults, NOW, &mut Counting(0)).unwrap_err();
            problem.errors[0].pointer.clone()
        };
        assert_eq!(refused(json!({ "schedule": { "deadline": "2023-11-17T00:00:00Z" } })), "/schedule/deadline");
        let window = json!({ "cron": "0 2 * * *", "minutes": 60, "time_zone": "UTC" });
        assert_eq!(refused(json!({ "schedule": { "window": window } })), "/schedule/window", "not within the hour");
    }

    #[test]
    fn a_deadline_in_the_past_is_refused() {
        let past = request(&json!({ "schedule": { "deadline": "2000-01-01T00:00:00Z" } }));
        let problem = accept(past, Tenant::default(), &Defaults::default(), NOW, &mut Counting(0)).unwrap_err();
        assert_eq!(problem.errors[0].pointer, "/schedule/deadline");
    }
}
