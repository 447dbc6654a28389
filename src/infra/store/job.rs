//! `job`: one device's share of a request.

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    id::{DeviceId, DeviceKey, JobId, RequestKey, Tenant},
};

use super::{Conflict, Error, Json, Page, Store, conn::Conn, error::is_unique, unit::Lost};

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// The row.
    pub id: JobId,
    /// Whose.
    pub tenant: Tenant,
    /// The request that it is a share of.
    pub request: RequestKey,
    /// The device as the request named it; its normalised form is what jobs of one device share.
    pub device_id: DeviceId,
    /// The device, if it was registered when the row was written.
    pub device: Option<DeviceKey>,
    /// The state's name, for lists; the state itself is in the body.
    pub state: String,
    /// Whether it holds the device: one job of a device may.
    pub active: bool,
    /// Higher goes first.
    pub priority: i32,
    /// Rises with each change; a put must carry the version that was read.
    pub version: i64,
    /// Sequence number of the last event told of it; 0 before the first.
    pub event_seq: i64,
    /// How many attempts were begun.
    pub attempt: u32,
    /// Life, procedure, plan and notes.
    pub body: Json,
    /// How it ended or what the device last said.
    pub result: Option<Json>,
    /// When it was accepted; its age.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ends at the latest.
    pub deadline_at: Option<Timestamp>,
    /// Until then [`Write::WakeNext`](super::Write::WakeNext) passes it over.
    pub passes_until: Option<Timestamp>,
    /// When it ended; a job with this never changes its state again and holds no device.
    pub finished_at: Option<Timestamp>,
}

/// Which jobs are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobFilter<'a> {
    /// Jobs of this request.
    pub request: Option<RequestKey>,
    /// Jobs of this device, normalised name.
    pub device_norm: Option<&'a str>,
    /// Jobs in this state.
    pub state: Option<&'a str>,
}

/// How many jobs of a request are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCount {
    /// The state's name.
    pub state: String,
    /// Whether jobs in it have ended.
    pub finished: bool,
    /// How many.
    pub count: u64,
}

row! {
    /// A row of `job`.
    JobRaw {
        id: Uuid,
        tenant: String,
        request_key: Uuid,
        device_id: String,
        device_key: Option<Uuid>,
        state: String,
        active: bool,
        priority: i64,
        version: i64,
        event_seq: i64,
        attempt: i64,
        body: String,
        result: Option<String>,
        created_at: i64,
        updated_at: i64,
        deadline_at: Option<i64>,
        passes_until: Option<i64>,
        finished_at: Option<i64>,
    }
}

row! {
    /// A group of jobs.
    CountRaw {
        state: String,
        finished: bool,
        jobs: i64,
    }
}

impl Store {
    /// The job of that id.
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, Error> {
        let raw = read!(fetch_optional, self.core, job::LOAD, JobRaw, id.uuid())?;
        raw.map(JobRaw::row).transpose()
    }

    /// The jobs of a tenant that pass the filter, newest first.
    pub async fn jobs(&self, tenant: &Tenant, filter: JobFilter<'_>, page: Page) -> Result<Vec<JobRow>, Error> {
        let (at, key) = page.falling();
        let request = filter.request.map(RequestKey::uuid);
        let rows = read!(
            fetch_all,
            self.core,
            job::LIST,
            JobRaw,
            tenant.as_str(),
            request,
            filter.device_norm,
            filter.state,
            at,
            key,
            page.rows(),
        )?;
        rows.into_iter().map(JobRaw::row).collect()
    }

    /// The first `limit` jobs of a device that have not ended, by priority and age.
    pub async fn waiting_jobs(&self, tenant: &Tenant, device_norm: &str, limit: u32) -> Result<Vec<JobRow>, Error> {
        let limit = i64::from(limit);
        let rows = read!(fetch_all, self.core, job::WAITING, JobRaw, tenant.as_str(), device_norm, limit)?;
        rows.into_iter().map(JobRaw::row).collect()
    }

    /// The `limit` newest jobs of a device.
    pub async fn latest_jobs(&self, tenant: &Tenant, device_norm: &str, limit: u32) -> Result<Vec<JobRow>, Error> {
        let limit = i64::from(limit);
        let rows = read!(fetch_all, self.core, job::LATEST, JobRaw, tenant.as_str(), device_norm, limit)?;
        rows.into_iter().map(JobRaw::row).collect()
    }

    /// The `limit` jobs of a device that ended last, latest first.
    pub async fn ended_jobs(&self, tenant: &Tenant, device_norm: &str, limit: u32) -> Result<Vec<JobRow>, Error> {
        let limit = i64::from(limit);
        let rows = read!(fetch_all, self.core, job::ENDED, JobRaw, tenant.as_str(), device_norm, limit)?;
        rows.into_iter().map(JobRaw::row).collect()
    }

    /// How many jobs of a request are in each state.
    pub async fn job_counts(&self, request: RequestKey) -> Result<Vec<JobCount>, Error> {
        let rows = read!(fetch_all, self.core, job::COUNTS, CountRaw, request.uuid())?;
        let count = |raw: CountRaw| JobCount {
            state: raw.state,
            finished: raw.finished,
            count: u64::try_from(raw.jobs).unwrap_or(0),
        };
        Ok(rows.into_iter().map(count).collect())
    }
}

impl Store {
    /// The names of the states in which a request has jobs; quicker than counting them.
    pub async fn job_states(&self, request: RequestKey) -> Result<Vec<String>, Error> {
        let rows = read!(fetch_all, self.core, job::STATES, (String,), request.uuid())?;
        Ok(rows.into_iter().map(|(state,)| state).collect())
    }

    /// At most `limit` jobs of a request that are in a state, in no order.
    pub async fn jobs_in(&self, request: RequestKey, state: &str, limit: u32) -> Result<Vec<JobRow>, Error> {
        let rows = read!(fetch_all, self.core, job::SOME_IN, JobRaw, request.uuid(), state, i64::from(limit))?;
        rows.into_iter().map(JobRaw::row).collect()
    }

    /// The requests of these jobs, each once.
    pub async fn requests_of(&self, jobs: &[JobId]) -> Result<Vec<RequestKey>, Error> {
        let ids = super::json::uuids(jobs.iter().map(|job| job.uuid()))?;
        let rows = read!(fetch_all, self.core, job::REQUESTS, (Uuid,), ids)?;
        Ok(rows.into_iter().map(|(key,)| RequestKey::new(key)).collect())
    }
}

impl JobRaw {
    pub(super) fn row(self) -> Result<JobRow, Error> {
        const TABLE: &str = "job";
        let id = self.id;
        Ok(JobRow {
            id: JobId::new(id),
            tenant: Tenant::parse(&self.tenant).map_err(Error::bad_row(TABLE, "tenant", id))?,
            request: RequestKey::new(self.request_key),
            device_id: DeviceId::parse(&self.device_id).map_err(Error::bad_row(TABLE, "device_id", id))?,
            device: self.device_key.map(DeviceKey::new),
            state: self.state,
            active: self.active,
            priority: i32::try_from(self.priority).map_err(Error::bad_row(TABLE, "priority", id))?,
            version: self.version,
            event_seq: self.event_seq,
            attempt: u32::try_from(self.attempt).map_err(Error::bad_row(TABLE, "attempt", id))?,
            body: Json::stored(self.body),
            result: self.result.map(Json::stored),
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
            deadline_at: self.deadline_at.map(Timestamp::from_micros),
            passes_until: self.passes_until.map(Timestamp::from_micros),
            finished_at: self.finished_at.map(Timestamp::from_micros),
        })
    }
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &JobRow) -> Result<(), Lost> {
    super::conn::one_row("job.insert", insert_once(conn, row).await?).map_err(Lost::from)
}

/// Stores a job unless its device has one of the same request; says how many were stored.
pub(super) async fn insert_once(conn: &mut Conn<'_>, row: &JobRow) -> Result<u64, Lost> {
    let done = execute!(
        conn,
        job::INSERT,
        row.id.uuid(),
        row.tenant.as_str(),
        row.request.uuid(),
        row.device_id.as_str(),
        row.device_id.normalised(),
        row.device.map(DeviceKey::uuid),
        row.state.as_str(),
        row.active,
        i64::from(row.priority),
        row.version,
        row.event_seq,
        i64::from(row.attempt),
        row.body.as_str(),
        row.result.as_ref().map(Json::as_str),
        row.created_at.micros(),
        row.updated_at.micros(),
        row.deadline_at.map(Timestamp::micros),
        row.passes_until.map(Timestamp::micros),
        row.finished_at.map(Timestamp::micros),
    );
    busy(row, done)
}

pub(super) async fn put(conn: &mut Conn<'_>, row: &JobRow) -> Result<(), Lost> {
    let done = execute!(
        conn,
        job::PUT,
        row.id.uuid(),
        row.version,
        row.device.map(DeviceKey::uuid),
        row.state.as_str(),
        row.active,
        i64::from(row.priority),
        row.event_seq,
        i64::from(row.attempt),
        row.body.as_str(),
        row.result.as_ref().map(Json::as_str),
        row.updated_at.micros(),
        row.deadline_at.map(Timestamp::micros),
        row.passes_until.map(Timestamp::micros),
        row.finished_at.map(Timestamp::micros),
    );
    Lost::unless_one("job", row.id.uuid(), busy(row, done)?)
}

/// The index on active jobs is the only one that a job of a fresh id can hurt.
fn busy(row: &JobRow, done: Result<u64, Error>) -> Result<u64, Lost> {
    match done {
        Err(error) if row.active && is_unique(&error) => Err(Conflict::DeviceBusy.into()),
        done => done.map_err(Lost::from),
    }
}
