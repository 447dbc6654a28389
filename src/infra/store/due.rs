//! `due`: what is to be done when. A row is leased, worked on, and deleted by the unit that did the work.

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

use crate::{
    infra::system::SystemMint,
    model::{
        clock::{Mint, Timestamp},
        id::Tenant,
    },
};

use super::{Conflict, Error, Store, conn::Conn, unit::Lost};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What kind of work, as `wake`; one of the names that the flow gives.
    pub errand: &'static str,
    /// For whom: a job, a request, a grant. An errand stands once for a subject.
    pub subject: Uuid,
    /// Not before.
    pub at: Timestamp,
}

/// What a put does to a row of the same errand and subject. If somebody holds a lease on it, the lease is lost either way: the
/// work that goes on has not seen what the put tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The new time counts.
    Replace,
    /// The earlier time counts.
    Earlier,
}

/// The right to work on a row until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which errand.
    pub errand: String,
    /// For whom.
    pub subject: Uuid,
    /// Shows that it is still the same lease.
    pub token: Uuid,
}

/// A leased row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// Ends the lease: by [`Write::DueDone`](super::Write::DueDone) in the unit that did the work, or [`Store::retry_at`].
    pub lease: Lease,
    /// Since when it was due.
    pub at: Timestamp,
    /// Until when nobody else gets it.
    pub until: Timestamp,
    /// How often it was leased, this time included.
    pub attempts: u32,
}

/// Whether a lease was still held when it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Held {
    /// It was.
    Yes,
    /// It had run out and another has the work, or the row was replaced or deleted.
    Lost,
}

row! {
    /// A row of `due` that was just leased.
    LeasedRaw {
        errand: String,
        subject: Uuid,
        at: i64,
        attempts: i64,
    }
}

impl Store {
    /// Leases at most `limit` rows of these errands that are due, longest due first, for so long.
    pub async fn lease_due(&self, errands: &[&str], limit: u32, hold: Duration) -> Result<Vec<Leased>, Error> {
        let now = self.core.clock.now();
        let until = now.after(hold);
        let token = SystemMint::new().uuid(now);
        let errands = serde_json::to_string(errands).map_err(|source| Error::Json { what: "errands", source })?;
        let mut tx = self.core.inner.begin().await?;
        let mut rows: Vec<LeasedRaw> = fetch!(
            fetch_all,
            tx.conn(),
            due::LEASE,
            LeasedRaw,
            token,
            until.micros(),
            now.micros(),
            errands,
            i64::from(limit),
        )?;
        tx.commit().await.map_err(Error::database("due.lease"))?;
        rows.sort_by_key(|row| row.at);
        Ok(rows.into_iter().map(|row| row.leased(token, until)).collect())
    }

    /// Gives a lease back; the row is due again at `at`.
    pub async fn retry_at(&self, lease: &Lease, at: Timestamp) -> Result<Held, Error> {
        let (errand, subject) = (lease.errand.as_str(), lease.subject);
        let mut tx = self.core.inner.begin().await?;
        let found = execute!(&mut tx.conn(), due::RETRY, errand, subject, lease.token, at.micros())?;
        tx.commit().await.map_err(Error::database("due.retry"))?;
        Ok(Held::of(found))
    }

    /// Gives a lease back as it was: the row is due for the next who asks.
    pub async fn release(&self, leased: &Leased) -> Result<Held, Error> {
        self.retry_at(&leased.lease, leased.at).await
    }

    /// Deletes rows of one errand that were leased together; those that were taken away in the meantime stay.
    pub async fn done_all(&self, leased: &[Leased]) -> Result<(), Error> {
        let Some(first) = leased.first().map(|leased| &leased.lease) else { return Ok(()) };
        let subjects = super::json::uuids(leased.iter().map(|leased| leased.lease.subject))?;
        let mut tx = self.core.inner.begin().await?;
        execute!(&mut tx.conn(), due::DONE_ALL, first.errand.as_str(), first.token, subjects)?;
        tx.commit().await.map_err(Error::database("due.done_all"))
    }

    /// Deletes the row: the work is done and nothing else is to be written.
    pub async fn done(&self, lease: &Lease) -> Result<Held, Error> {
        let mut tx = self.core.inner.begin().await?;
        let found = execute!(&mut tx.conn(), due::DONE, lease.errand.as_str(), lease.subject, lease.token)?;
        tx.commit().await.map_err(Error::database("due.done"))?;
        Ok(Held::of(found))
    }
}

impl Held {
    const fn of(found: u64) -> Self {
        if found == 1 { Self::Yes } else { Self::Lost }
    }
}

impl LeasedRaw {
    fn leased(self, token: Uuid, until: Timestamp) -> Leased {
        Leased {
            lease: Lease { errand: self.errand, subject: self.subject, token },
            at: Timestamp::from_micros(self.at),
            until,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
        }
    }
}

pub(super) async fn put(conn: &mut Conn<'_>, due: &Due, again: Again) -> Result<(), Lost> {
    let (subject, at) = (due.subject, due.at.micros());
    let found = match again {
        Again::Replace => execute!(conn, due::PUT, due.errand, subject, at)?,
        Again::Earlier => execute!(conn, due::PUT_EARLIER, due.errand, subject, at)?,
    };
    super::conn::one_row("due.put", found).map_err(Lost::from)
}

/// What the units of a batch plan with [`Again::Earlier`], put once and in the order of the keys: many jobs plan the same errand
/// of their request, and two writers that met in different orders would stop each other.
#[derive(Default)]
pub(super) struct Earliest(BTreeMap<(&'static str, Uuid), Timestamp>);

impl Earliest {
    pub(super) fn add(&mut self, due: &Due) {
        let at = self.0.entry((due.errand, due.subject)).or_insert(due.at);
        *at = due.at.min(*at);
    }

    pub(super) async fn put(self, conn: &mut Conn<'_>) -> Result<(), Lost> {
        for ((errand, subject), at) in self.0 {
            put(conn, &Due { errand, subject, at }, Again::Earlier).await?;
        }
        Ok(())
    }
}

pub(super) async fn finish(conn: &mut Conn<'_>, lease: &Lease) -> Result<(), Lost> {
    let found = execute!(conn, due::DONE, lease.errand.as_str(), lease.subject, lease.token)?;
    match Held::of(found) {
        Held::Yes => Ok(()),
        Held::Lost => Err(Conflict::LeaseLost { errand: lease.errand.clone(), subject: lease.subject }.into()),
    }
}

/// Deletes a row whoever holds it; there may be none.
pub(super) async fn clear(conn: &mut Conn<'_>, errand: &str, subject: Uuid) -> Result<(), Lost> {
    execute!(conn, due::CLEAR, errand, subject)?;
    Ok(())
}

/// Makes `errand` of the next waiting job of a device due, if one waits and none is active.
pub(super) async fn wake_next(
    conn: &mut Conn<'_>,
    errand: &str,
    tenant: &Tenant,
    device_norm: &str,
    at: Timestamp,
) -> Result<(), Lost> {
    execute!(conn, due::WAKE_NEXT, errand, tenant.as_str(), device_norm, at.micros())?;
    Ok(())
}
