//! `dead_letter`: what came from the bus and was refused. The row is the truth; the broker's dead queue gets a copy.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    digest::Digest,
    id::{DeadLetterId, RequestSource, Tenant},
};

use super::{Conflict, Error, Json, Page, Store, conn::Conn, unit::Lost};

/// A message that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// The row.
    pub id: DeadLetterId,
    /// Whose.
    pub tenant: Tenant,
    /// When it was refused, or refused last.
    pub at: Timestamp,
    /// What it was: its routing key.
    pub kind: String,
    /// Why it was refused.
    pub problem: Json,
    /// Its body, or the beginning of a long one.
    pub body: Vec<u8>,
    /// How many bytes the body had.
    pub size: u64,
    /// The type of the body, as its sender says.
    pub content_type: Option<String>,
    /// What else its sender said.
    pub headers: BTreeMap<String, String>,
    /// What its sender calls it.
    pub message_id: Option<String>,
    /// The source that a request in it has if it names none.
    pub source: RequestSource,
    /// Of what makes two deliveries the same message; there is one row for each.
    pub digest: Digest,
    /// Whether the broker's dead queue has its copy.
    pub copied: bool,
}

row! {
    /// A row of `dead_letter`.
    DeadLetterRaw {
        id: Uuid,
        tenant: String,
        at: i64,
        kind: String,
        problem: String,
        body: Vec<u8>,
        size: i64,
        content_type: Option<String>,
        headers: String,
        message_id: Option<String>,
        source: String,
        digest: Vec<u8>,
        copied: bool,
    }
}

impl Store {
    /// A dead letter.
    pub async fn dead_letter(&self, tenant: &Tenant, id: DeadLetterId) -> Result<Option<DeadLetterRow>, Error> {
        let raw = read!(fetch_optional, self.core, dead::LOAD, DeadLetterRaw, tenant.as_str(), id.uuid())?;
        raw.map(DeadLetterRaw::row).transpose()
    }

    /// The dead letters of a tenant, newest first.
    pub async fn dead_letters(&self, tenant: &Tenant, page: Page) -> Result<Vec<DeadLetterRow>, Error> {
        let (at, id) = page.falling();
        let rows = read!(fetch_all, self.core, dead::LIST, DeadLetterRaw, tenant.as_str(), at, id, page.rows())?;
        rows.into_iter().map(DeadLetterRaw::row).collect()
    }

    /// At most `limit` dead letters that the dead queue has no copy of, oldest first.
    pub async fn uncopied_dead_letters(&self, limit: u32) -> Result<Vec<DeadLetterRow>, Error> {
        let rows = read!(fetch_all, self.core, dead::UNCOPIED, DeadLetterRaw, i64::from(limit))?;
        rows.into_iter().map(DeadLetterRaw::row).collect()
    }

    /// The dead queue has copies of these.
    pub async fn dead_letters_copied(&self, ids: &[DeadLetterId]) -> Result<(), Error> {
        let mut tx = self.core.inner.begin().await?;
        for id in ids {
            execute!(&mut tx.conn(), dead::COPIED, id.uuid())?;
        }
        tx.commit().await.map_err(Error::database("dead.copied"))
    }

    /// Forgets a dead letter, and says whether it was there.
    pub async fn drop_dead_letter(&self, tenant: &Tenant, id: DeadLetterId) -> Result<bool, Error> {
        let mut tx = self.core.inner.begin().await?;
        let gone = execute!(&mut tx.conn(), dead::DELETE, tenant.as_str(), id.uuid())?;
        tx.commit().await.map_err(Error::database("dead.delete"))?;
        Ok(gone == 1)
    }

    /// Deletes at most `limit` dead letters from before `before`, and says how many.
    pub async fn prune_dead_letters(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut tx = self.core.inner.begin().await?;
        let gone = execute!(&mut tx.conn(), dead::PRUNE, before.micros(), i64::from(limit))?;
        tx.commit().await.map_err(Error::database("dead.prune"))?;
        Ok(gone)
    }
}

impl DeadLetterRaw {
    fn row(self) -> Result<DeadLetterRow, Error> {
        const TABLE: &str = "dead_letter";
        let id = self.id;
        Ok(DeadLetterRow {
            id: DeadLetterId::new(id),
            tenant: Tenant::parse(&self.tenant).map_err(Error::bad_row(TABLE, "tenant", id))?,
            at: Timestamp::from_micros(self.at),
            kind: self.kind,
            problem: Json::stored(self.problem),
            body: self.body,
            size: u64::try_from(self.size).map_err(Error::bad_row(TABLE, "size", id))?,
            content_type: self.content_type,
            headers: serde_json::from_str(&self.headers).map_err(Error::bad_row(TABLE, "headers", id))?,
            message_id: self.message_id,
            source: RequestSource::parse(&self.source).map_err(Error::bad_row(TABLE, "source", id))?,
            digest: super::json::digest(&self.digest).map_err(Error::bad_row(TABLE, "digest", id))?,
            copied: self.copied,
        })
    }
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &DeadLetterRow) -> Result<(), Lost> {
    let headers = serde_json::to_string(&row.headers).map_err(|source| Error::Json { what: "headers", source })?;
    let found = execute!(
        conn,
        dead::INSERT,
        row.id.uuid(),
        row.tenant.as_str(),
        row.at.micros(),
        row.kind.as_str(),
        row.problem.as_str(),
        row.body.as_slice(),
        i64::try_from(row.size).unwrap_or(i64::MAX),
        row.content_type.as_deref(),
        headers.as_str(),
        row.message_id.as_deref(),
        row.source.as_str(),
        row.digest.as_bytes().to_vec(),
        row.copied,
    )?;
    if found == 1 { Ok(()) } else { Err(Conflict::DeadAlready.into()) }
}
