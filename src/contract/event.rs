//! Events, as they go out: CloudEvents 1.0, structured JSON (contract "Events").

mod brake;
mod device;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

mod inventory;

pub use brake::{PackageHeld, PackageNamed, RequestPaused, RequestResumed};
pub use device::DeviceAlert;
pub use inventory::{DeviceInventory, InventoryView};

use super::problem::Problem;
use crate::{
    job::life::{JobResult, Life, Outcome, Reason, State, StateName},
    model::{
        catalog::{Delivery, PackageRef},
        clock::Timestamp,
        id::{DeviceId, EventId, JobId, RequestId, RequestSource, Tenant},
    },
};

/// The types of events; as text with the prefix `scomo.`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// A request was stored.
    RequestAccepted,
    /// A request was refused.
    RequestRejected,
    /// A request came under the identity of another one.
    RequestConflict,
    /// All jobs of a request are over.
    RequestCompleted,
    /// A request was paused.
    RequestPaused,
    /// A request that was paused goes on.
    RequestResumed,
    /// A package was paused.
    PackagePaused,
    /// A package that was paused goes on.
    PackageResumed,
    /// A job reached a state.
    Job(StateName),
    /// Bytes moved; at most once a minute a job.
    JobProgress,
    /// A result came after a job's end.
    JobLateResult,
    /// An authenticated generic alert or client event.
    DeviceAlert,
    /// A device's inventory was read.
    DeviceInventory,
}

/// An event before it is written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The same through every redelivery.
    pub id: EventId,
    /// Whose.
    pub tenant: Tenant,
    /// When it happened.
    pub time: Timestamp,
    /// Rises with each event of a job; absent for events of a request or a device.
    pub sequence: Option<u32>,
    /// What happened.
    pub data: Data,
}

/// What happened; the type of the event and its subject follow from it.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// [`EventType::RequestAccepted`].
    RequestAccepted(RequestAccepted),
    /// [`EventType::RequestRejected`].
    RequestRejected(RequestRejected),
    /// [`EventType::RequestConflict`].
    RequestConflict(RequestConflict),
    /// [`EventType::RequestCompleted`].
    RequestCompleted(RequestCompleted),
    /// [`EventType::RequestPaused`].
    RequestPaused(RequestPaused),
    /// [`EventType::RequestResumed`].
    RequestResumed(RequestResumed),
    /// [`EventType::PackagePaused`].
    PackagePaused(PackageHeld),
    /// [`EventType::PackageResumed`].
    PackageResumed(PackageHeld),
    /// [`EventType::Job`] of the state within.
    Job(JobData),
    /// [`EventType::JobLateResult`].
    JobLateResult(LateResult),
    /// [`EventType::DeviceInventory`].
    DeviceInventory(Box<DeviceInventory>),
    /// [`EventType::DeviceAlert`].
    DeviceAlert(DeviceAlert),
}

/// Data of `scomo.request.accepted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RequestAccepted {
    /// What the sender calls it.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
    /// How many jobs it becomes; absent where that is not known yet, as with a filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u64>,
    /// When they end at the latest.
    pub deadline: Timestamp,
}

/// Data of `scomo.request.rejected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RequestRejected {
    /// What the sender calls it, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Why.
    pub problem: Problem,
}

/// Data of `scomo.request.conflict`; says nothing about the first request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RequestConflict {
    /// The identity that is taken.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
}

/// Data of `scomo.request.completed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RequestCompleted {
    /// What the sender calls it.
    pub request_id: RequestId,
    /// Who sent it.
    pub source: RequestSource,
    /// How many jobs ended in which way; every outcome is there.
    pub outcomes: Outcomes,
    /// Of a request that was cancelled before it had become all of its jobs: how many devices got none; of a filter, how many were
    /// not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_started: Option<u64>,
    /// Of a filter: on how many devices it could not be decided; they got no job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<u64>,
}

/// How many jobs ended in which way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "BTreeMap<Outcome, u64>")]
pub struct Outcomes(BTreeMap<Outcome, u64>);

/// Data of `scomo.job.<state>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JobData {
    /// What the sender calls the request.
    pub request_id: RequestId,
    /// The job.
    pub job_id: JobId,
    /// Its device.
    pub device: DeviceId,
    /// The state reached.
    pub state: StateName,
    /// Which attempt runs, or was the last.
    pub attempt: u32,
    /// The package chosen; absent until then and for component operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageRef>,
    /// The way that it takes, `direct` or `alternate`; absent until chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Of a terminal state: what was reported or observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// Of a terminal state: why, where the state alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the state was reached.
    pub at: Timestamp,
}

/// Data of `scomo.job.late_result`: that of the job's last event, with the late result in place of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LateResult {
    /// The job; `state` stays what it was, `result` is the late one.
    #[serde(flatten)]
    pub job: JobData,
    /// The terminal state that the result would have led to.
    pub outcome: Outcome,
}

/// What of a job its events tell beside its life.
#[derive(Debug, Clone, Copy)]
pub struct JobFacts<'a> {
    /// What the sender calls the request.
    pub request_id: &'a RequestId,
    /// The job.
    pub job_id: JobId,
    /// Its device.
    pub device: &'a DeviceId,
    /// The package chosen.
    pub package: Option<&'a PackageRef>,
    /// The way chosen.
    pub delivery: Option<Delivery>,
}

impl JobData {
    /// Tells where `life` stands since `at`.
    #[must_use]
    pub fn of(facts: &JobFacts<'_>, life: &Life, at: Timestamp) -> Self {
        let over = match life.state() {
            State::Over(over) => Some(over),
            State::Accepted
            | State::Waiting { .. }
            | State::Notified
            | State::InSession
            | State::AwaitingReport
            | State::AwaitingUser => None,
        };
        Self {
            request_id: facts.request_id.clone(),
            job_id: facts.job_id,
            device: facts.device.clone(),
            state: life.state().name(),
            attempt: life.attempt(),
            package: facts.package.cloned(),
            delivery: facts.delivery,
            result: over.map(|o| o.result.clone()),
            reason: over.and_then(|o| o.reason),
            at,
        }
    }

    /// Tells of a result that came at `at`, after the end.
    #[must_use]
    pub fn late(facts: &JobFacts<'_>, life: &Life, outcome: Outcome, result: JobResult, at: Timestamp) -> LateResult {
        LateResult { job: Self { result: Some(result), ..Self::of(facts, life, at) }, outcome }
    }
}

impl Outcomes {
    /// Counts jobs that ended in one way.
    pub fn add(&mut self, outcome: Outcome, jobs: u64) {
        let count = self.0.entry(outcome).or_default();
        *count = count.saturating_add(jobs);
    }

    /// How many jobs ended in this way.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.0.get(&outcome).copied().unwrap_or(0)
    }
}

impl From<BTreeMap<Outcome, u64>> for Outcomes {
    fn from(counts: BTreeMap<Outcome, u64>) -> Self {
        Self(counts)
    }
}

impl Serialize for Outcomes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Outcome::ALL.iter().map(|o| (o, self.count(*o))))
    }
}

impl schemars::JsonSchema for Outcomes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Outcomes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = Outcome::ALL.iter().copied().map(Outcome::as_str).collect();
        let count = json!({ "type": "integer", "minimum": 0 });
        let counts: BTreeMap<&str, &Value> = names.iter().map(|name| (*name, &count)).collect();
        schemars::json_schema!({ "type": "object", "properties": counts, "required": names })
    }
}

impl EventType {
    /// Every type that this version tells, in the order in which they are documented.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let jobs = StateName::all().filter(|state| state.is_told()).map(Self::Job);
        let requests = [
            Self::RequestAccepted,
            Self::RequestRejected,
            Self::RequestConflict,
            Self::RequestCompleted,
            Self::RequestPaused,
            Self::RequestResumed,
            Self::PackagePaused,
            Self::PackageResumed,
        ];
        let others = [Self::JobLateResult, Self::DeviceInventory, Self::DeviceAlert];
        requests.into_iter().chain(jobs).chain(others).collect()
    }

    /// The `dataschema`: the name of the schema of the data.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::RequestAccepted
            | Self::RequestRejected
            | Self::RequestConflict
            | Self::RequestCompleted
            | Self::RequestPaused
            | Self::RequestResumed => "urn:scomo:schema:request-event:1",
            Self::PackagePaused | Self::PackageResumed => "urn:scomo:schema:package-event:1",
            Self::Job(_) | Self::JobProgress | Self::JobLateResult => "urn:scomo:schema:job-event:1",
            Self::DeviceAlert | Self::DeviceInventory => "urn:scomo:schema:device-event:1",
        }
    }

    /// The type without its prefix `scomo.`: the routing key on the bus.
    #[must_use]
    pub fn key(self) -> String {
        match self {
            Self::RequestAccepted => "request.accepted".to_owned(),
            Self::RequestRejected => "request.rejected".to_owned(),
            Self::RequestConflict => "request.conflict".to_owned(),
            Self::RequestCompleted => "request.completed".to_owned(),
            Self::RequestPaused => "request.paused".to_owned(),
            Self::RequestResumed => "request.resumed".to_owned(),
            Self::PackagePaused => "package.paused".to_owned(),
            Self::PackageResumed => "package.resumed".to_owned(),
            Self::Job(state) => format!("job.{state}"),
            Self::JobProgress => "job.progress".to_owned(),
            Self::JobLateResult => "job.late_result".to_owned(),
            Self::DeviceAlert => "device.alert".to_owned(),
            Self::DeviceInventory => "device.inventory".to_owned(),
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scomo.{}", self.key())
    }
}

impl Data {
    /// The type that it makes.
    #[must_use]
    pub const fn kind(&self) -> EventType {
        match self {
            Self::RequestAccepted(_) => EventType::RequestAccepted,
            Self::RequestRejected(_) => EventType::RequestRejected,
            Self::RequestConflict(_) => EventType::RequestConflict,
            Self::RequestCompleted(_) => EventType::RequestCompleted,
            Self::RequestPaused(_) => EventType::RequestPaused,
            Self::RequestResumed(_) => EventType::RequestResumed,
            Self::PackagePaused(_) => EventType::PackagePaused,
            Self::PackageResumed(_) => EventType::PackageResumed,
            Self::Job(job) => EventType::Job(job.state),
            Self::JobLateResult(_) => EventType::JobLateResult,
            Self::DeviceAlert(_) => EventType::DeviceAlert,
            Self::DeviceInventory(_) => EventType::DeviceInventory,
        }
    }

    /// The id of the job, of the request, as its sender calls that, or of the device; absent for a refused request whose id could
    /// not be read.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        match self {
            Self::RequestAccepted(data) => Some(data.request_id.to_string()),
            Self::RequestRejected(data) => data.request_id.as_ref().map(ToString::to_string),
            Self::RequestConflict(data) => Some(data.request_id.to_string()),
            Self::RequestCompleted(data) => Some(data.request_id.to_string()),
            Self::RequestPaused(data) => Some(data.request_id.to_string()),
            Self::RequestResumed(data) => Some(data.request_id.to_string()),
            Self::PackagePaused(data) | Self::PackageResumed(data) => Some(data.package.name()),
            Self::Job(data) => Some(data.job_id.to_string()),
            Self::JobLateResult(data) => Some(data.job.job_id.to_string()),
            Self::DeviceInventory(data) => Some(data.device.to_string()),
            Self::DeviceAlert(data) => Some(data.device.to_string()),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::RequestAccepted(data) => json!(data),
            Self::RequestRejected(data) => json!(data),
            Self::RequestConflict(data) => json!(data),
            Self::RequestCompleted(data) => json!(data),
            Self::RequestPaused(data) => json!(data),
            Self::RequestResumed(data) => json!(data),
            Self::PackagePaused(data) | Self::PackageResumed(data) => json!(data),
            Self::Job(data) => json!(data),
            Self::JobLateResult(data) => json!(data),
            Self::DeviceInventory(data) => json!(data),
            Self::DeviceAlert(data) => json!(data),
        }
    }
}

impl Event {
    /// The media type of [`Event::to_json`].
    pub const CONTENT_TYPE: &str = "application/cloudevents+json";

    /// The event in the structured JSON format of CloudEvents 1.0; `source` is the URI reference of this installation.
    #[must_use]
    pub fn to_json(&self, source: &str) -> Value {
        let mut event = json!({
            "specversion": "1.0",
            "id": self.id.to_string(),
            "type": self.data.kind().to_string(),
            "source": source,
            "time": self.time,
            "tenant": self.tenant,
            "datacontenttype": "application/json",
            "dataschema": self.data.kind().schema(),
            "data": self.data.to_json(),
        });
        if let Value::Object(members) = &mut event {
            members.extend(self.data.subject().map(|subject| ("subject".to_owned(), json!(subject))));
            members.extend(self.sequence.map(|sequence| ("sequence".to_owned(), json!(sequence))));
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{
            life::{self, Cx, Notify, Policy},
            retry::RetryRule,
        },
        model::version::Version,
    };

    const AT: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn event(sequence: Option<u32>, data: Data) -> Value {
        let id = EventId::new(uuid::Uuid::from_u128(1));
        Event { id, tenant: Tenant::default(), time: AT, sequence, data }.to_json("/scomo")
    }

    #[test]
    fn a_job_event_is_a_cloud_event() {
        let policy = Policy::default();
        let cx = Cx { now: AT, busy: false, policy: &policy };
        let live = Life::new(AT.after(Policy::default().report), Notify::Auto, RetryRule::default());
        let events = [
            life::Event::Queued,
            life::Event::SessionOpened,
            life::Event::Finished(life::Ending::Succeeded { code: Some(1200) }),
        ];
        let ended = events.into_iter().fold(live, |life, event| life::step(&life, event, &cx).life);
        let (request_id, device) = (RequestId::parse("r-1").unwrap(), DeviceId::parse("IMEI:1").unwrap());
        let package = PackageRef { id: "org.example.player".parse().unwrap(), version: Version::parse("2.1").unwrap() };
        let facts = JobFacts {
            request_id: &request_id,
            job_id: JobId::new(uuid::Uuid::from_u128(2)),
            device: &device,
            package: Some(&package),
            delivery: Some(Delivery::Direct),
        };
        assert_eq!(
            event(Some(3), Data::Job(JobData::of(&facts, &ended, AT))),
            json!({
                "specversion": "1.0", "id": "00000000-0000-0000-0000-000000000001", "type": "scomo.job.succeeded",
                "source": "/scomo", "subject": "00000000-0000-0000-0000-000000000002", "time": "2023-11-14T22:13:20Z",
                "tenant": "default", "sequence": 3, "datacontenttype": "application/json",
                "dataschema": "urn:scomo:schema:job-event:1",
                "data": {
                    "request_id": "r-1", "job_id": "00000000-0000-0000-0000-000000000002", "device": "IMEI:1",
                    "state": "succeeded", "attempt": 1, "package": { "id": "org.example.player", "version": "2.1" },
                    "delivery": "direct", "result": { "code": 1200 }, "at": "2023-11-14T22:13:20Z",
                },
            })
        );
        let late = JobData::late(&facts, &ended, Outcome::Failed, JobResult::default(), AT);
        let told = event(Some(4), Data::JobLateResult(late));
        assert_eq!(told["type"], "scomo.job.late_result");
        assert_eq!((&told["data"]["state"], &told["data"]["outcome"]), (&json!("succeeded"), &json!("failed")));
    }

    #[test]
    fn a_completed_request_counts_every_outcome() {
        let mut outcomes = Outcomes::default();
        outcomes.add(Outcome::Succeeded, 2);
        outcomes.add(Outcome::Succeeded, 1);
        let (request_id, source) = (RequestId::parse("r-1").unwrap(), RequestSource::parse("oss").unwrap());
        let data = RequestCompleted { request_id, source, outcomes, not_started: None, undecided: None };
        let told = event(None, Data::RequestCompleted(data));
        assert_eq!((&told["type"], &told["subject"]), (&json!("scomo.request.completed"), &json!("r-1")));
        assert_eq!(told["data"]["outcomes"]["succeeded"], 3);
        assert_eq!(told["data"]["outcomes"].as_object().unwrap().len(), Outcome::ALL.len());
        assert!(told.get("sequence").is_none());
    }

    #[test]
    fn a_request_whose_id_nobody_could_read_has_no_subject() {
        let problem = Problem::invalid(Vec::new());
        let told = event(None, Data::RequestRejected(RequestRejected { request_id: None, problem }));
        assert!(told.get("subject").is_none());
        assert_eq!(told["data"]["problem"]["code"], "invalid_input");
    }
}
