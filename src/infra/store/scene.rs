//! All that a device message needs, with one SELECT.

use crate::{
    job::brake::Pause,
    model::id::{DmSessionId, SessionKey, Tenant},
};

use super::{
    Error, Store,
    conn::{Inner, name_of},
    device::{DeviceRaw, DeviceRow, InventoryRaw, InventoryRow},
    job::{JobRaw, JobRow},
    pause,
    session::{SessionRaw, SessionRow},
    sql,
};

/// Who speaks, and in which session.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Whose device.
    pub tenant: &'a Tenant,
    /// The device's name, normalised.
    pub device_norm: &'a str,
    /// The user name it gave; tried where no device has the name, and good only if it is one device's alone.
    pub user_name: Option<&'a str>,
    /// The token of RespURI, if the message came there.
    pub sid: Option<SessionKey>,
    /// The session's name on the wire; the newest of that name is meant where there is no token.
    pub dm_session_id: &'a DmSessionId,
}

/// A device with what concerns its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The device.
    pub device: DeviceRow,
    /// Its session, open or closed: a closed one may have an answer to repeat.
    pub session: Option<SessionRow>,
    /// The active job, else the next one that waits, by priority and age. What waits for a later hour is among them.
    pub job: Option<JobRow>,
    /// Its inventory.
    pub inventory: Option<InventoryRow>,
    /// The pauses that may apply to its jobs.
    pub pauses: Vec<Pause>,
}

/// The parts of the row, as they stand in the SELECT.
pub(super) struct Parts {
    device: DeviceRaw,
    session: Option<SessionRaw>,
    job: Option<JobRaw>,
    inventory: Option<InventoryRaw>,
    pauses: Option<String>,
}

/// The parts of a row, the first column of which is at `$first`.
macro_rules! parts {
    ($row:expr, $first:expr) => {{
        use sqlx::Row as _;
        use $crate::infra::store::{
            device::{DeviceRaw, InventoryRaw},
            job::JobRaw,
            session::SessionRaw,
        };
        let row = $row;
        let session = $first + DeviceRaw::WIDTH;
        let job = session + SessionRaw::WIDTH;
        let inventory = job + JobRaw::WIDTH;
        let there = |place: usize| row.try_get::<Option<uuid::Uuid>, _>(place).map(|key| key.is_some());
        Ok::<_, sqlx::Error>($crate::infra::store::scene::Parts::of(
            DeviceRaw::at(row, $first)?,
            if there(session)? { Some(SessionRaw::at(row, session)?) } else { None },
            if there(job)? { Some(JobRaw::at(row, job)?) } else { None },
            if there(inventory)? { Some(InventoryRaw::at(row, inventory)?) } else { None },
            row.try_get(inventory + InventoryRaw::WIDTH)?,
        ))
    }};
}
pub(super) use parts;

impl Parts {
    pub(super) const fn of(
        device: DeviceRaw,
        session: Option<SessionRaw>,
        job: Option<JobRaw>,
        inventory: Option<InventoryRaw>,
        pauses: Option<String>,
    ) -> Self {
        Self { device, session, job, inventory, pauses }
    }
}

impl Store {
    /// What a device message needs; `None` if there is no such device.
    pub async fn scene(&self, caller: Caller<'_>) -> Result<Option<Scene>, Error> {
        if caller.device_norm.contains('\0') || caller.user_name.is_some_and(|name| name.contains('\0')) {
            return Ok(None); // PostgreSQL refuses such a text, and no device was ever stored under one
        }
        let Some(parts) = self.parts(caller).await? else { return Ok(None) };
        Ok(Some(Scene {
            device: self.core.device_row(parts.device)?,
            session: parts.session.as_ref().map(|raw| self.core.session_row(raw)).transpose()?,
            job: parts.job.map(JobRaw::row).transpose()?,
            inventory: parts.inventory.map(InventoryRaw::row).transpose()?,
            pauses: parts.pauses.as_deref().map_or_else(|| Ok(Vec::new()), pause::listed)?,
        }))
    }

    async fn parts(&self, caller: Caller<'_>) -> Result<Option<Parts>, Error> {
        match &self.core.inner {
            Inner::Pg(pg) => {
                let failed = |source| Error::Database { doing: name_of(sql::pg::batch::SCENES), source };
                pg.loads.parts(caller).await.map_err(failed)
            }
            Inner::Lite(lite) => {
                let row = sqlx::query(sql::lite::scene::LOAD)
                    .bind(caller.tenant.as_str())
                    .bind(caller.device_norm)
                    .bind(caller.user_name)
                    .bind(caller.sid.map(SessionKey::uuid))
                    .bind(caller.dm_session_id.as_str())
                    .fetch_optional(&lite.read)
                    .await;
                let parts = row.and_then(|row| row.as_ref().map(|row| parts!(row, 0)).transpose());
                parts.map_err(Error::database(name_of(sql::lite::scene::LOAD)))
            }
        }
    }
}
