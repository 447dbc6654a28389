//! `session`: dialogues between two messages.

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    digest::Digest,
    id::{DeviceKey, DmSessionId, JobId, SessionKey, Tenant},
};

use super::{Core, Error, SealedJson, Store, conn::Conn, seal::Place, unit::Lost};

/// A session with a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The row; also the token that RespURI carries.
    pub key: SessionKey,
    /// Whose.
    pub tenant: Tenant,
    /// With whom.
    pub device: DeviceKey,
    /// What the device calls it.
    pub dm_session_id: DmSessionId,
    /// Rises with each message; a put must carry the version that was read.
    pub version: i64,
    /// Whether the device has proven who it is.
    pub authenticated: bool,
    /// Whether it goes on; the last answer of a closed one is still given to a repeat.
    pub open: bool,
    /// The last message that was answered; 0 before the first.
    pub msg_id: u32,
    /// Digest of that message and its authentication headers: what makes a repeat.
    pub digest: Option<Digest>,
    /// The dialogue and the last answer or its recipe; rests encrypted.
    pub state: SealedJson,
    /// The job it works on.
    pub job: Option<JobId>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its last message was answered.
    pub updated_at: Timestamp,
}

row! {
    /// A row of `session`.
    SessionRaw {
        key: Uuid,
        tenant: String,
        device_key: Uuid,
        dm_session_id: String,
        version: i64,
        authenticated: bool,
        open: bool,
        msg_id: i64,
        digest: Option<Vec<u8>>,
        state: Vec<u8>,
        job_id: Option<Uuid>,
        created_at: i64,
        updated_at: i64,
    }
}

/// Where a dialogue rests.
const STATE: Place = Place { table: "session", column: "state" };

impl Store {
    /// The session of that key.
    pub async fn session(&self, key: SessionKey) -> Result<Option<SessionRow>, Error> {
        let raw = read!(fetch_optional, self.core, session::LOAD, SessionRaw, key.uuid())?;
        raw.map(|raw| self.core.session_row(&raw)).transpose()
    }

    /// When a device last spoke in a session in which it proved itself, as far as sessions are kept.
    pub async fn last_session(&self, device: DeviceKey) -> Result<Option<Timestamp>, Error> {
        let (at,): (Option<i64>,) = read!(fetch_one, self.core, session::LAST, (Option<i64>,), device.uuid())?;
        Ok(at.map(Timestamp::from_micros))
    }

    /// Deletes at most `limit` sessions that were last used before `before`, and says how many.
    pub async fn prune_sessions(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut tx = self.core.inner.begin().await?;
        let gone = execute!(&mut tx.conn(), session::PRUNE, before.micros(), i64::from(limit))?;
        tx.commit().await.map_err(Error::database("session.prune"))?;
        Ok(gone)
    }
}

impl Core {
    pub(super) fn session_row(&self, raw: &SessionRaw) -> Result<SessionRow, Error> {
        const TABLE: &str = "session";
        let key = raw.key;
        let digest = raw.digest.as_deref().map(super::json::digest).transpose();
        Ok(SessionRow {
            key: SessionKey::new(key),
            tenant: Tenant::parse(&raw.tenant).map_err(Error::bad_row(TABLE, "tenant", key))?,
            device: DeviceKey::new(raw.device_key),
            dm_session_id: DmSessionId::parse(&raw.dm_session_id).map_err(Error::bad_row(
                TABLE,
                "dm_session_id",
                key,
            ))?,
            version: raw.version,
            authenticated: raw.authenticated,
            open: raw.open,
            msg_id: u32::try_from(raw.msg_id).map_err(Error::bad_row(TABLE, "msg_id", key))?,
            digest: digest.map_err(Error::bad_row(TABLE, "digest", key))?,
            state: self.keys.open_json(&STATE.of(key), &raw.state)?,
            job: raw.job_id.map(JobId::new),
            created_at: Timestamp::from_micros(raw.created_at),
            updated_at: Timestamp::from_micros(raw.updated_at),
        })
    }

    pub(super) async fn session_insert(&self, conn: &mut Conn<'_>, row: &SessionRow) -> Result<(), Lost> {
        let found = execute!(
            conn,
            session::INSERT,
            row.key.uuid(),
            row.tenant.as_str(),
            row.device.uuid(),
            row.dm_session_id.as_str(),
            row.version,
            row.authenticated,
            row.open,
            i64::from(row.msg_id),
            row.digest.map(|d| d.as_bytes().to_vec()),
            self.sealed_state(row)?,
            row.job.map(JobId::uuid),
            row.created_at.micros(),
            row.updated_at.micros(),
        )?;
        super::conn::one_row("session.insert", found).map_err(Lost::from)
    }

    /// The dialogue as its column keeps it.
    pub(super) fn sealed_state(&self, row: &SessionRow) -> Result<Vec<u8>, Error> {
        self.keys.seal_json(&STATE.of(row.key.uuid()), &row.state)
    }

    pub(super) async fn session_put(&self, conn: &mut Conn<'_>, row: &SessionRow) -> Result<(), Lost> {
        let found = execute!(
            conn,
            session::PUT,
            row.key.uuid(),
            row.version,
            row.authenticated,
            row.open,
            i64::from(row.msg_id),
            row.digest.map(|d| d.as_bytes().to_vec()),
            self.sealed_state(row)?,
            row.job.map(JobId::uuid),
            row.updated_at.micros(),
        )?;
        Lost::unless_one("session", row.key.uuid(), found)
    }
}

/// Closes the open sessions of a device but one; none may be open.
pub(super) async fn close_others(conn: &mut Conn<'_>, device: DeviceKey, except: SessionKey) -> Result<(), Lost> {
    execute!(conn, session::CLOSE_OTHERS, device.uuid(), except.uuid())?;
    Ok(())
}

/// Forgets all but the newest sessions of a device that are not authenticated.
pub(super) async fn bound_strangers(conn: &mut Conn<'_>, device: DeviceKey, keep: u32) -> Result<(), Lost> {
    execute!(conn, session::BOUND_STRANGERS, device.uuid(), i64::from(keep))?;
    Ok(())
}
