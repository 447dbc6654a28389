//! `request`: what was asked, once per identity; the table is the inbox.

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    digest::Digest,
    id::{RequestId, RequestKey, RequestSource, Tenant},
};

use super::{Conflict, Error, Json, Page, Store, conn::Conn, unit::Lost};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The row.
    pub key: RequestKey,
    /// Whose.
    pub tenant: Tenant,
    /// Who sent it.
    pub source: RequestSource,
    /// What its sender calls it; unique per tenant and source.
    pub request_id: RequestId,
    /// Digest of its canonical content: the same identity with another digest is a conflict.
    pub digest: Digest,
    /// What was asked.
    pub body: Json,
    /// Higher goes first.
    pub priority: i32,
    /// Into how many jobs it falls; unknown until a filter was held against every device. Of a fan-out that was stopped: how many
    /// were made before.
    pub jobs_total: Option<u32>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// How it ended, once every job has.
    pub completed: Option<Completion>,
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// How many jobs ended in which state.
    pub counts: Json,
    /// When this was found.
    pub at: Timestamp,
}

/// In the column of a request whose number of jobs is not known yet. No such number is ever reached, so that a release that only
/// compares it with the jobs that have ended takes no such request for complete.
pub(super) const UNKNOWN: u32 = u32::MAX;

row! {
    /// A row of `request`.
    RequestRaw {
        key: Uuid,
        tenant: String,
        source: String,
        request_id: String,
        digest: Vec<u8>,
        body: String,
        priority: i64,
        jobs_total: i64,
        created_at: i64,
        counts: Option<String>,
        completed_at: Option<i64>,
    }
}

row! {
    /// What tells two requests of one identity apart.
    IdentityRaw {
        key: Uuid,
        digest: Vec<u8>,
    }
}

impl Store {
    /// The request of that key.
    pub async fn request(&self, key: RequestKey) -> Result<Option<RequestRow>, Error> {
        let raw = read!(fetch_optional, self.core, request::LOAD, RequestRaw, key.uuid())?;
        raw.map(RequestRaw::row).transpose()
    }

    /// The request that its sender calls so.
    pub async fn request_by_id(
        &self,
        tenant: &Tenant,
        source: &RequestSource,
        id: &RequestId,
    ) -> Result<Option<RequestRow>, Error> {
        let (tenant, source, id) = (tenant.as_str(), source.as_str(), id.as_str());
        let raw = read!(fetch_optional, self.core, request::BY_IDENTITY, RequestRaw, tenant, source, id)?;
        raw.map(RequestRaw::row).transpose()
    }

    /// Those of the requests that are stored, of as many as are asked for at once; in no order.
    pub async fn requests_by_id(
        &self,
        asked: &[(&Tenant, &RequestSource, &RequestId)],
    ) -> Result<Vec<RequestRow>, Error> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = asked.iter().map(|(t, source, id)| [t.as_str(), source.as_str(), id.as_str()]).collect();
        let names =
            serde_json::to_string(&names).map_err(|source| Error::Json { what: "names of requests", source })?;
        let rows = read!(fetch_all, self.core, request::BY_IDENTITIES, RequestRaw, names)?;
        rows.into_iter().map(RequestRaw::row).collect()
    }

    /// The requests of a tenant, newest first.
    pub async fn requests(&self, tenant: &Tenant, page: Page) -> Result<Vec<RequestRow>, Error> {
        let (at, key) = page.falling();
        let rows = read!(fetch_all, self.core, request::LIST, RequestRaw, tenant.as_str(), at, key, page.rows())?;
        rows.into_iter().map(RequestRaw::row).collect()
    }
}

/// What a round of clearing away did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleared {
    /// Jobs that were deleted, with their grants.
    pub jobs: u64,
    /// Requests that have none left.
    pub requests: u64,
}

impl Store {
    /// Deletes at most `limit` jobs of requests that were completed before `before`; looks at `limit` requests, those first that
    /// have been complete for longest.
    pub async fn prune_jobs(&self, before: Timestamp, limit: u32) -> Result<Cleared, Error> {
        let (before, limit, now) = (before.micros(), i64::from(limit), self.core.clock.now().micros());
        let mut tx = self.core.inner.begin().await?;
        let jobs = execute!(&mut tx.conn(), job::PRUNE, before, limit, limit)?;
        let requests = execute!(&mut tx.conn(), request::CLEARED, before, limit, now)?;
        tx.commit().await.map_err(Error::database("job.prune"))?;
        Ok(Cleared { jobs, requests })
    }

    /// Deletes at most `limit` requests whose jobs were deleted before `before`, and says how many. From then on nobody knows that
    /// they were ever handed in.
    pub async fn prune_requests(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut tx = self.core.inner.begin().await?;
        let gone = execute!(&mut tx.conn(), request::PRUNE, before.micros(), i64::from(limit))?;
        tx.commit().await.map_err(Error::database("request.prune"))?;
        Ok(gone)
    }
}

impl RequestRaw {
    fn row(self) -> Result<RequestRow, Error> {
        const TABLE: &str = "request";
        let key = self.key;
        let completed = self.counts.zip(self.completed_at);
        Ok(RequestRow {
            key: RequestKey::new(key),
            tenant: Tenant::parse(&self.tenant).map_err(Error::bad_row(TABLE, "tenant", key))?,
            source: RequestSource::parse(&self.source).map_err(Error::bad_row(TABLE, "source", key))?,
            request_id: RequestId::parse(&self.request_id).map_err(Error::bad_row(TABLE, "request_id", key))?,
            digest: super::json::digest(&self.digest).map_err(Error::bad_row(TABLE, "digest", key))?,
            body: Json::stored(self.body),
            priority: i32::try_from(self.priority).map_err(Error::bad_row(TABLE, "priority", key))?,
            jobs_total: u32::try_from(self.jobs_total)
                .map(|total| Some(total).filter(|total| *total != UNKNOWN))
                .map_err(Error::bad_row(TABLE, "jobs_total", key))?,
            created_at: Timestamp::from_micros(self.created_at),
            completed: completed
                .map(|(counts, at)| Completion { counts: Json::stored(counts), at: Timestamp::from_micros(at) }),
        })
    }
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &RequestRow) -> Result<(), Lost> {
    let found = execute!(
        conn,
        request::INSERT,
        row.key.uuid(),
        row.tenant.as_str(),
        row.source.as_str(),
        row.request_id.as_str(),
        row.digest.as_bytes().to_vec(),
        row.body.as_str(),
        i64::from(row.priority),
        i64::from(row.jobs_total.unwrap_or(UNKNOWN)),
        row.created_at.micros(),
        row.completed.as_ref().map(|c| c.counts.as_str()),
        row.completed.as_ref().map(|c| c.at.micros()),
    )?;
    if found == 1 { Ok(()) } else { Err(exists(conn, row).await) }
}

/// Which request stood in the way.
async fn exists(conn: &mut Conn<'_>, row: &RequestRow) -> Lost {
    let (tenant, source, id) = (row.tenant.as_str(), row.source.as_str(), row.request_id.as_str());
    let found = fetch!(fetch_optional, *conn, request::IDENTITY, IdentityRaw, tenant, source, id);
    match found {
        Err(error) => error.into(),
        Ok(None) => Conflict::Stale { table: "request", row: row.key.uuid() }.into(),
        Ok(Some(raw)) => match super::json::digest(&raw.digest) {
            Ok(digest) => Conflict::RequestExists { key: RequestKey::new(raw.key), digest }.into(),
            Err(why) => Error::bad_row("request", "digest", raw.key)(why).into(),
        },
    }
}

pub(super) async fn complete(conn: &mut Conn<'_>, key: RequestKey, end: &Completion) -> Result<(), Lost> {
    let found = execute!(conn, request::COMPLETE, key.uuid(), end.counts.as_str(), end.at.micros())?;
    Lost::unless_one("request", key.uuid(), found)
}
