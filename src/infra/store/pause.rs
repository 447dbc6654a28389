//! `pause` and what hangs on it: what is held back, which jobs that was found to hold, and what the brake counts.

use uuid::Uuid;

use crate::{
    job::brake::{Packages, Pause, Scope},
    model::{
        catalog::PackageRef,
        clock::Timestamp,
        id::{JobId, PauseId, RequestKey, Tenant},
        version::Version,
    },
};

use super::{Conflict, Error, Page, Store, conn::Conn, unit::Lost};

/// A pause and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRow {
    /// Whose.
    pub tenant: Tenant,
    /// The pause.
    pub pause: Pause,
}

/// A device that does not trust a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Whose catalogue.
    pub tenant: Tenant,
    /// The package.
    pub package: PackageRef,
    /// The device's name, normalised.
    pub device_norm: String,
    /// When it said so last.
    pub at: Timestamp,
}

row! {
    /// A row of `pause`.
    PauseRaw {
        id: Uuid,
        scope: String,
        value: String,
        reason: Option<String>,
        by_whom: String,
        at: i64,
    }
}

row! {
    /// A held job.
    HeldRaw {
        job_id: Uuid,
    }
}

row! {
    /// How many there are.
    NumberRaw {
        number: i64,
    }
}

impl Store {
    /// The pauses that may apply to jobs of this request.
    pub async fn pauses_on(&self, tenant: &Tenant, request: RequestKey) -> Result<Vec<Pause>, Error> {
        let rows = read!(fetch_all, self.core, pause::APPLYING, PauseRaw, tenant.as_str(), request.uuid())?;
        rows.into_iter().map(PauseRaw::pause).collect()
    }

    /// The pause of exactly this scope.
    pub async fn pause_of(&self, tenant: &Tenant, scope: &Scope) -> Result<Option<Pause>, Error> {
        let (word, value) = scope.parts();
        let raw = read!(fetch_optional, self.core, pause::FIND, PauseRaw, tenant.as_str(), word, value)?;
        raw.map(PauseRaw::pause).transpose()
    }

    /// The pauses of a tenant, newest first.
    pub async fn pauses(&self, tenant: &Tenant, page: Page) -> Result<Vec<Pause>, Error> {
        let (at, id) = page.falling();
        let rows = read!(fetch_all, self.core, pause::LIST, PauseRaw, tenant.as_str(), at, id, page.rows())?;
        rows.into_iter().map(PauseRaw::pause).collect()
    }

    /// The first `limit` jobs that a pause was found to hold.
    pub async fn held_by(&self, pause: PauseId, limit: u32) -> Result<Vec<JobId>, Error> {
        let rows = read!(fetch_all, self.core, pause::HELD, HeldRaw, pause.uuid(), i64::from(limit))?;
        Ok(rows.into_iter().map(|row| JobId::new(row.job_id)).collect())
    }

    /// How many jobs of a request have failed, or ended in doubt, since it was last allowed to go on; counted up to `most`.
    pub async fn failures(&self, request: RequestKey, most: u32) -> Result<u64, Error> {
        let found = read!(fetch_one, self.core, pause::FAILURES, NumberRaw, request.uuid(), i64::from(most))?;
        Ok(u64::try_from(found.number).unwrap_or(0))
    }

    /// How many devices do not trust a package; counted up to `most`.
    pub async fn rejections(&self, tenant: &Tenant, package: &PackageRef, most: u32) -> Result<u64, Error> {
        let (id, version) = (package.id.as_str(), package.version.as_str());
        let most = i64::from(most);
        let found = read!(fetch_one, self.core, pause::REJECTIONS, NumberRaw, tenant.as_str(), id, version, most)?;
        Ok(u64::try_from(found.number).unwrap_or(0))
    }

    /// Forgets what devices said of packages before `before`.
    pub async fn prune_rejections(&self, before: Timestamp) -> Result<(), Error> {
        let mut tx = self.core.inner.begin().await?;
        execute!(&mut tx.conn(), pause::FORGET, before.micros())?;
        tx.commit().await.map_err(Error::database("pause.forget"))
    }
}

impl PauseRaw {
    fn pause(self) -> Result<Pause, Error> {
        let Self { id, scope, value, reason, by_whom, at } = self;
        let scope = Scope::read(&scope, &value).map_err(Error::bad_row("pause", "scope", id))?;
        Ok(Pause { id: PauseId::new(id), scope, reason, by: by_whom, at: Timestamp::from_micros(at) })
    }
}

/// Pauses as they come with the rest of a device's message: a list of lists, in the order of the columns.
pub(super) fn listed(text: &str) -> Result<Vec<Pause>, Error> {
    type Listed = (Uuid, String, String, Option<String>, String, i64);
    let rows: Vec<Listed> = serde_json::from_str(text).map_err(Error::bad_row("pause", "all", ""))?;
    let raw = |(id, scope, value, reason, by_whom, at)| PauseRaw { id, scope, value, reason, by_whom, at };
    rows.into_iter().map(raw).map(PauseRaw::pause).collect()
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &PauseRow) -> Result<(), Lost> {
    let Pause { id, scope, reason, by, at } = &row.pause;
    let (word, value) = scope.parts();
    let request = if let Scope::Request(key) = scope { Some(key.uuid()) } else { None };
    let found = execute!(
        conn,
        pause::INSERT,
        id.uuid(),
        row.tenant.as_str(),
        word,
        value.as_str(),
        request,
        reason.as_deref(),
        by.as_str(),
        at.micros(),
    )?;
    if found == 1 { Ok(()) } else { Err(Conflict::PausedAlready.into()) }
}

pub(super) async fn delete(conn: &mut Conn<'_>, id: PauseId) -> Result<(), Lost> {
    let found = execute!(conn, pause::DELETE, id.uuid())?;
    Lost::unless_one("pause", id.uuid(), found)
}

pub(super) async fn end(conn: &mut Conn<'_>, request: RequestKey) -> Result<(), Lost> {
    execute!(conn, pause::END, request.uuid())?;
    Ok(())
}

pub(super) async fn hold(conn: &mut Conn<'_>, job: JobId, pause: PauseId) -> Result<(), Lost> {
    let found = execute!(conn, pause::HOLD, job.uuid(), pause.uuid())?;
    Lost::unless_one("pause", pause.uuid(), found)
}

pub(super) async fn free(conn: &mut Conn<'_>, job: JobId) -> Result<(), Lost> {
    execute!(conn, pause::FREE, job.uuid())?;
    Ok(())
}

pub(super) async fn free_up_to(conn: &mut Conn<'_>, pause: PauseId, job: JobId) -> Result<(), Lost> {
    execute!(conn, pause::FREE_UP_TO, pause.uuid(), job.uuid())?;
    Ok(())
}

pub(super) async fn budget_from(conn: &mut Conn<'_>, request: RequestKey, at: Timestamp) -> Result<(), Lost> {
    let found = execute!(conn, pause::BUDGET_FROM, request.uuid(), at.micros())?;
    Lost::unless_one("request", request.uuid(), found)
}

pub(super) async fn reject(conn: &mut Conn<'_>, rejection: &Rejection) -> Result<(), Lost> {
    let Rejection { tenant, package, device_norm, at } = rejection;
    let (id, version) = (package.id.as_str(), package.version.as_str());
    execute!(conn, pause::REJECT, tenant.as_str(), id, version, device_norm.as_str(), at.micros())?;
    Ok(())
}

pub(super) async fn forgive(conn: &mut Conn<'_>, tenant: &Tenant, packages: &Packages) -> Result<(), Lost> {
    let version = packages.version.as_ref().map(Version::as_str);
    execute!(conn, pause::FORGIVE, tenant.as_str(), packages.id.as_str(), version)?;
    Ok(())
}
