//! `download_grant`: who may fetch which file until when.

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    digest::Digest,
    id::{GrantId, JobId, PackageId, Tenant},
};

use super::{Conflict, Error, Store, conn::Conn, unit::Lost};

/// A download grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// The row.
    pub id: GrantId,
    /// SHA-256 of the random token in the URL; the token itself is nowhere.
    pub token_hash: Digest,
    /// Whose.
    pub tenant: Tenant,
    /// For which job.
    pub job: JobId,
    /// The file's name in the URL.
    pub file_name: String,
    /// The delivery package.
    pub package: PackageId,
    /// Its version.
    pub version: String,
    /// SHA-256 of the payload, its name in the depot.
    pub payload: Digest,
    /// Size of the payload in bytes.
    pub size: u64,
    /// MIME type of the payload.
    pub mime: String,
    /// What stands at PkgURL: the package itself or its descriptor.
    pub mechanism: String,
    /// The descriptor, where there is one.
    pub descriptor: Option<String>,
    /// When it was given.
    pub created_at: Timestamp,
    /// Until when it counts.
    pub expires_at: Timestamp,
    /// Whether it was taken back.
    pub revoked: bool,
    /// The highest byte sent so far.
    pub fetched: u64,
    /// The install-notifies of the device in their order, divided by `; `; repeats and, of very many, the first are left out.
    pub notify_status: Option<String>,
}

impl GrantRow {
    /// The codes of its install-notifies, in their order.
    #[must_use]
    pub fn notified(&self) -> Vec<u16> {
        let codes = self.notify_status.iter().flat_map(|all| all.split("; "));
        codes.filter_map(|one| one.get(..3)?.parse().ok()).collect()
    }
}

row! {
    /// A row of `download_grant`.
    GrantRaw {
        id: Uuid,
        token_hash: Vec<u8>,
        tenant: String,
        job_id: Uuid,
        file_name: String,
        package_id: String,
        package_version: String,
        payload: Vec<u8>,
        size: i64,
        mime: String,
        mechanism: String,
        descriptor: Option<String>,
        created_at: i64,
        expires_at: i64,
        revoked: bool,
        fetched: i64,
        notify_status: Option<String>,
    }
}

impl Store {
    /// The grant whose token has this SHA-256, expired and revoked ones too: the caller says why it refuses.
    pub async fn grant_by_token(&self, token_hash: &Digest) -> Result<Option<GrantRow>, Error> {
        let raw = read!(fetch_optional, self.core, grant::BY_TOKEN, GrantRaw, token_hash.as_bytes().to_vec())?;
        raw.map(GrantRaw::row).transpose()
    }

    /// The grants of a job, oldest first.
    pub async fn grants_of(&self, job: JobId) -> Result<Vec<GrantRow>, Error> {
        let rows = read!(fetch_all, self.core, grant::OF_JOB, GrantRaw, job.uuid())?;
        rows.into_iter().map(GrantRaw::row).collect()
    }

    /// Deletes at most `limit` grants that expired before `before`, and says how many.
    pub async fn prune_grants(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut tx = self.core.inner.begin().await?;
        let gone = execute!(&mut tx.conn(), grant::PRUNE, before.micros(), i64::from(limit))?;
        tx.commit().await.map_err(Error::database("grant.prune"))?;
        Ok(gone)
    }
}

impl GrantRaw {
    fn row(self) -> Result<GrantRow, Error> {
        const TABLE: &str = "download_grant";
        let id = self.id;
        Ok(GrantRow {
            id: GrantId::new(id),
            token_hash: super::json::digest(&self.token_hash).map_err(Error::bad_row(TABLE, "token_hash", id))?,
            tenant: Tenant::parse(&self.tenant).map_err(Error::bad_row(TABLE, "tenant", id))?,
            job: JobId::new(self.job_id),
            file_name: self.file_name,
            package: PackageId::parse(&self.package_id).map_err(Error::bad_row(TABLE, "package_id", id))?,
            version: self.package_version,
            payload: super::json::digest(&self.payload).map_err(Error::bad_row(TABLE, "payload", id))?,
            size: u64::try_from(self.size).map_err(Error::bad_row(TABLE, "size", id))?,
            mime: self.mime,
            mechanism: self.mechanism,
            descriptor: self.descriptor,
            created_at: Timestamp::from_micros(self.created_at),
            expires_at: Timestamp::from_micros(self.expires_at),
            revoked: self.revoked,
            fetched: u64::try_from(self.fetched).map_err(Error::bad_row(TABLE, "fetched", id))?,
            notify_status: self.notify_status,
        })
    }
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &GrantRow) -> Result<(), Lost> {
    let found = execute!(
        conn,
        grant::INSERT,
        row.id.uuid(),
        row.token_hash.as_bytes().to_vec(),
        row.tenant.as_str(),
        row.job.uuid(),
        row.file_name.as_str(),
        row.package.as_str(),
        row.version.as_str(),
        row.payload.as_bytes().to_vec(),
        super::json::bytes(row.size),
        row.mime.as_str(),
        row.mechanism.as_str(),
        row.descriptor.as_deref(),
        row.created_at.micros(),
        row.expires_at.micros(),
        row.revoked,
        super::json::bytes(row.fetched),
        row.notify_status.as_deref(),
    )?;
    super::conn::one_row("grant.insert", found).map_err(Lost::from)
}

/// Takes every grant of a job back; there may be none.
pub(super) async fn revoke(conn: &mut Conn<'_>, job: JobId) -> Result<(), Lost> {
    execute!(conn, grant::REVOKE, job.uuid())?;
    Ok(())
}

pub(super) async fn note(conn: &mut Conn<'_>, id: GrantId, sent: u64, status: Option<&str>) -> Result<(), Lost> {
    let found = execute!(conn, grant::NOTE, id.uuid(), super::json::bytes(sent), status)?;
    if found == 1 { Ok(()) } else { Err(Conflict::Stale { table: "download_grant", row: id.uuid() }.into()) }
}
