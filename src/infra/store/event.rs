//! `outbox` and `event`: what is to be told, and what the embedded bus has told.
//!
//! An event enters the outbox with the change that it tells of. The embedded bus is the table `event`: one relay at a time moves
//! rows there, in one transaction under a lock, and only there they get their position. So positions become visible in their
//! order, and a reader that has seen position *n* never misses one below it.

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    id::{EventId, Tenant},
};

use super::{Error, Json, Store, conn::Conn, unit::Lost};

/// Relays share the outbox by shard; the events of one subject are all in one.
pub const SHARDS: u64 = 64;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The same through every redelivery.
    pub id: EventId,
    /// Whose.
    pub tenant: Tenant,
    /// Job, request or device that it tells of; events of one subject keep their order.
    pub subject: String,
    /// Rises per subject.
    pub seq: i64,
    /// `scomo.job.succeeded` and so on.
    pub kind: String,
    /// The data of the event.
    pub body: Json,
    /// When it happened.
    pub at: Timestamp,
}

/// An event on the embedded bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its place; a reader asks for what is behind the last it saw. Places may be left out, never filled later.
    pub position: i64,
    /// The event.
    pub event: EventRow,
}

row! {
    /// A row of `event`.
    EventRaw {
        position: i64,
        id: Uuid,
        tenant: String,
        subject: String,
        seq: i64,
        kind: String,
        body: String,
        at: i64,
    }
}

impl Store {
    /// Moves at most `limit` events from the outbox to the embedded bus, and says how many. While another relay is at it: none.
    pub async fn publish_embedded(&self, limit: u32) -> Result<u64, Error> {
        let mut tx = self.core.inner.begin().await?;
        let mut conn = tx.conn();
        let (mine,): (bool,) = fetch!(fetch_one, conn, event::RELAY_LOCK, (bool,))?;
        if !mine {
            return Ok(0);
        }
        let moved = execute!(&mut conn, event::PUBLISH, i64::from(limit))?;
        if moved > 0 {
            let gone = execute!(&mut conn, event::FORGET, i64::try_from(moved).unwrap_or(i64::MAX))?;
            if gone != moved {
                return Err(Error::RowCount { statement: "event.forget", expected: moved, found: gone });
            }
        }
        tx.commit().await.map_err(Error::database("event.publish"))?;
        Ok(moved)
    }

    /// At most `limit` events of a tenant behind a position, in order; 0 is before the first.
    pub async fn events_after(&self, tenant: &Tenant, position: i64, limit: u32) -> Result<Vec<Published>, Error> {
        let limit = i64::from(limit.min(super::Page::MOST));
        let rows = read!(fetch_all, self.core, event::AFTER, EventRaw, tenant.as_str(), position, limit)?;
        rows.into_iter().map(EventRaw::row).collect()
    }

    /// The position of the newest event on the embedded bus; 0 if there is none.
    pub async fn newest_event(&self) -> Result<i64, Error> {
        let (position,): (i64,) = read!(fetch_one, self.core, event::NEWEST, (i64,))?;
        Ok(position)
    }

    /// How many events wait to be told.
    pub async fn outbox_size(&self) -> Result<u64, Error> {
        let (count,): (i64,) = read!(fetch_one, self.core, event::WAITING, (i64,))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Deletes at most `limit` published events from before `before`, and says how many. On PostgreSQL whole days go as soon as their
    /// last event may, and beside them only events that fell on no day that was there.
    pub async fn prune_events(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        self.drop_days(before).await?;
        let mut tx = self.core.inner.begin().await?;
        let gone = execute!(&mut tx.conn(), event::PRUNE, before.micros(), i64::from(limit))?;
        tx.commit().await.map_err(Error::database("event.prune"))?;
        Ok(gone)
    }
}

impl EventRaw {
    fn row(self) -> Result<Published, Error> {
        let tenant = Tenant::parse(&self.tenant).map_err(Error::bad_row("event", "tenant", self.id))?;
        let event = EventRow {
            id: EventId::new(self.id),
            tenant,
            subject: self.subject,
            seq: self.seq,
            kind: self.kind,
            body: Json::stored(self.body),
            at: Timestamp::from_micros(self.at),
        };
        Ok(Published { position: self.position, event })
    }
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &EventRow) -> Result<(), Lost> {
    let found = execute!(
        conn,
        event::INSERT,
        row.id.uuid(),
        row.tenant.as_str(),
        row.subject.as_str(),
        row.seq,
        row.kind.as_str(),
        row.body.as_str(),
        row.at.micros(),
        super::unit::lane(row.subject.as_bytes(), SHARDS),
    )?;
    super::conn::one_row("event.insert", found).map_err(Lost::from)
}
