//! The outbox as a broker's relay works it off: shards are leased, so that one relay at a time publishes the events of a subject;
//! what the broker has confirmed is deleted, what it returned or refused is held back together with its subject.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    infra::system::SystemMint,
    model::{
        clock::{Mint as _, Timestamp},
        id::EventId,
    },
};

use super::{Error, Json, Store, event::SHARDS};

/// The lease of the copies of dead letters, beside those of the shards.
const COPIES: u64 = SHARDS;

/// Shards that are leased together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    token: Uuid,
    shards: Vec<i64>,
}

/// An event that waits for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its place in the outbox.
    pub place: i64,
    /// The same through every redelivery.
    pub id: EventId,
    /// Job, request or device that it tells of.
    pub subject: String,
    /// `scomo.job.succeeded` and so on.
    pub kind: String,
    /// The event as it goes out.
    pub body: Json,
    /// When it happened.
    pub at: Timestamp,
    /// How often the broker returned or refused it.
    pub tries: u32,
}

/// What became of some events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Places of those that are over.
    pub over: Vec<i64>,
    /// Places of those that are to be tried again, and when.
    pub held: Vec<(i64, Timestamp)>,
}

row! {
    /// Columns of `outbox`.
    OutgoingRaw {
        place: i64,
        id: Uuid,
        subject: String,
        kind: String,
        body: String,
        at: i64,
        tries: i64,
    }
}

impl Shards {
    /// Whether any was free.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }
}

impl Store {
    /// Whether any event waits to be told.
    pub async fn outbox_waits(&self) -> Result<bool, Error> {
        let (waits,): (bool,) = read!(fetch_one, self.core, relay::WAITS, (bool,))?;
        Ok(waits)
    }

    /// Leases at most `limit` shards that have something to tell and are free, for so long.
    pub async fn lease_shards(&self, limit: u32, hold: Duration) -> Result<Shards, Error> {
        let now = self.core.clock.now();
        let token = SystemMint::new().uuid(now);
        let (until, limit) = (now.after(hold).micros(), i64::from(limit));
        let mut tx = self.core.inner.begin().await?;
        let rows: Vec<(i64,)> = fetch!(fetch_all, tx.conn(), relay::LEASE, (i64,), token, until, now.micros(), limit)?;
        tx.commit().await.map_err(Error::database("relay.lease"))?;
        Ok(Shards { token, shards: rows.into_iter().map(|(shard,)| shard).collect() })
    }

    /// Leases the copying of dead letters, unless another has it.
    pub async fn lease_copies(&self, hold: Duration) -> Result<Option<Shards>, Error> {
        let now = self.core.clock.now();
        let (token, shard) = (SystemMint::new().uuid(now), i64::try_from(COPIES).unwrap_or(i64::MAX));
        let until = now.after(hold).micros();
        let mut tx = self.core.inner.begin().await?;
        let found = execute!(&mut tx.conn(), relay::LEASE_ONE, token, until, now.micros(), shard)?;
        tx.commit().await.map_err(Error::database("relay.lease_one"))?;
        Ok((found == 1).then(|| Shards { token, shards: vec![shard] }))
    }

    /// The oldest events of each of the shards, at most `limit` of one; those of a subject in their order, and none of a subject
    /// that is held back.
    pub async fn outgoing(&self, shards: &Shards, limit: u32) -> Result<Vec<Outgoing>, Error> {
        let now = self.core.clock.now().micros();
        let mut events = Vec::new();
        for shard in &shards.shards {
            let rows = read!(fetch_all, self.core, relay::BATCH, OutgoingRaw, *shard, now, i64::from(limit))?;
            events.extend(rows.into_iter().map(OutgoingRaw::event));
        }
        Ok(events)
    }

    /// Writes down what became of events, and keeps the shards for so long from now on. Says whether they are still held: if not,
    /// another relay has them or had them, and may have told the same events.
    pub async fn settle_events(&self, shards: &Shards, settled: &Settled, hold: Duration) -> Result<bool, Error> {
        let until = self.core.clock.now().after(hold).micros();
        let places = serde_json::to_string(&settled.over).map_err(|source| Error::Json { what: "places", source })?;
        let mut tx = self.core.inner.begin().await?;
        execute!(&mut tx.conn(), relay::FORGET, places.as_str())?;
        for (place, until) in &settled.held {
            execute!(&mut tx.conn(), relay::HOLD, *place, until.micros())?;
        }
        let kept = execute!(&mut tx.conn(), relay::RENEW, shards.token, until)?;
        tx.commit().await.map_err(Error::database("relay.forget"))?;
        Ok(usize::try_from(kept).is_ok_and(|kept| kept == shards.shards.len()))
    }

    /// Gives shards back.
    pub async fn release_shards(&self, shards: Shards) -> Result<(), Error> {
        let now = self.core.clock.now().micros();
        let mut tx = self.core.inner.begin().await?;
        execute!(&mut tx.conn(), relay::RELEASE, shards.token, now)?;
        tx.commit().await.map_err(Error::database("relay.release"))
    }
}

impl OutgoingRaw {
    fn event(self) -> Outgoing {
        Outgoing {
            place: self.place,
            id: EventId::new(self.id),
            subject: self.subject,
            kind: self.kind,
            body: Json::stored(self.body),
            at: Timestamp::from_micros(self.at),
            tries: u32::try_from(self.tries).unwrap_or(u32::MAX),
        }
    }
}
