//! The writes of a batch set-based, for PostgreSQL: one statement for each kind of write, whatever the number of units.
//!
//! The writes of a unit follow each other in a fixed order of kinds, which keeps to what they rest on: leases first; then rows that
//! others refer to; sessions, devices and jobs by compare-and-set; what hangs on jobs; events in the order of their units; due work
//! last. A statement that changes another number of rows than it should gives the whole batch up: it is then written unit by unit,
//! which finds the one that lost.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    id::{DeviceKey, JobId, SessionKey, Tenant},
};

use super::{
    Core, Error, Unit, Write,
    conn::{Conn, name_of},
    device::{DeviceRow, InventoryRow},
    due::{Again, Due, Lease},
    event::{self, EventRow},
    fanout::{self, FreshJob},
    job::JobRow,
    request::{self, RequestRow},
    session::SessionRow,
    sql::pg::batch,
    unit::{Lost, lane},
};

/// The writes of a batch by kind.
#[derive(Default)]
pub(super) struct Batch<'u> {
    leases: Vec<&'u Lease>,
    /// Written one by one, before what refers to them.
    before: Vec<&'u Write>,
    requests: Vec<&'u RequestRow>,
    fresh_sessions: Vec<&'u SessionRow>,
    sessions: Vec<&'u SessionRow>,
    closed: Vec<(DeviceKey, SessionKey)>,
    devices: Vec<&'u DeviceRow>,
    inventories: Vec<&'u InventoryRow>,
    fresh_jobs: Vec<&'u JobRow>,
    /// Jobs of requests that were just taken in.
    new_jobs: Vec<&'u FreshJob>,
    /// Jobs that hold no device (any more), and then those that do: of two jobs of a device one may take the other's place.
    idle_jobs: Vec<&'u JobRow>,
    active_jobs: Vec<&'u JobRow>,
    /// Written one by one, after what they refer to.
    after: Vec<&'u Write>,
    events: Vec<&'u EventRow>,
    cleared: Vec<(&'u str, Uuid)>,
    due: BTreeMap<(&'u str, Uuid), Timestamp>,
    next: Vec<(&'u str, &'u Tenant, &'u str, Timestamp)>,
    earlier: BTreeMap<(&'u str, Uuid), Timestamp>,
}

/// One column of many rows.
fn column<'r, R: ?Sized, T>(rows: &[&'r R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

/// Runs a statement over arrays; `$rows` is how many rows it must change, if that is known.
macro_rules! set {
    ($conn:expr, $name:ident, $rows:expr, $($array:expr),+ $(,)?) => {{
        let query = sqlx::query(batch::$name)$(.bind($array))+;
        let done = query.execute(&mut *$conn).await.map_err(Error::database(name_of(batch::$name)))?;
        expect(name_of(batch::$name), $rows, done.rows_affected())
    }};
}

/// Runs a statement over columns of `$rows`, of which it must change as many; without rows there is nothing to do.
macro_rules! put {
    ($conn:expr, $name:ident, $rows:expr, $($value:expr),+ $(,)?) => {{
        if $rows.is_empty() {
            return Ok(());
        }
        set!($conn, $name, Some($rows.len()), $(column($rows, $value)),+)
    }};
}

impl<'u> Batch<'u> {
    pub(super) fn of(units: &[&'u Unit]) -> Self {
        let mut batch = Self::default();
        units.iter().flat_map(|unit| &unit.writes).for_each(|write| batch.add(write));
        batch
    }

    fn add(&mut self, write: &'u Write) {
        match write {
            Write::DueDone(lease) => self.leases.push(lease),
            Write::DeviceInsert(_)
            | Write::DeviceDelete { .. }
            | Write::RequestComplete { .. }
            | Write::FanOutInsert(_)
            | Write::PackagePut(_)
            | Write::DeadInsert(_)
            | Write::PauseInsert(_)
            | Write::PauseDelete(_)
            | Write::PauseEnd { .. }
            | Write::BudgetFrom { .. }
            | Write::Reject(_)
            | Write::Forgive { .. } => self.before.push(write),
            Write::RequestInsert(row) => self.requests.push(row),
            Write::SessionInsert(row) => self.fresh_sessions.push(row),
            Write::SessionPut(row) => self.sessions.push(row),
            Write::SessionsClose { device, except } => self.closed.push((*device, *except)),
            Write::DevicePut(row) => self.devices.push(row),
            Write::InventoryPut(row) => self.inventories.push(row),
            Write::JobInsert(row) => self.fresh_jobs.push(row),
            Write::JobPut(row) if row.active => self.active_jobs.push(row),
            Write::JobPut(row) => self.idle_jobs.push(row),
            Write::JobsInsert(jobs) => self.new_jobs.extend(jobs),
            Write::StrangersBound { .. }
            | Write::FanOutStep(_)
            | Write::FanOutStop { .. }
            | Write::InventoryKeep { .. }
            | Write::GrantInsert(_)
            | Write::GrantsRevoke { .. }
            | Write::GrantNote { .. }
            | Write::Hold { .. }
            | Write::Free { .. }
            | Write::FreeUpTo { .. } => self.after.push(write),
            Write::EventInsert(row) => self.events.push(row),
            Write::DueClear { errand, subject } => self.clear(errand, *subject),
            Write::DuePut { due, again } => self.plan(due, *again),
            Write::WakeNext { errand, tenant, device_norm, at } => self.next.push((errand, tenant, device_norm, *at)),
        }
    }

    /// Of what one unit after the other says of a due row, the last counts.
    fn clear(&mut self, errand: &'u str, subject: Uuid) {
        self.due.remove(&(errand, subject));
        self.cleared.push((errand, subject));
    }

    fn plan(&mut self, due: &Due, again: Again) {
        let key = (due.errand, due.subject);
        match again {
            Again::Replace => drop(self.due.insert(key, due.at)),
            Again::Earlier => {
                let at = self.earlier.entry(key).or_insert(due.at);
                *at = due.at.min(*at);
            }
        }
    }
}

impl Core {
    /// Makes all writes of a batch, or fails as a whole.
    #[expect(clippy::cognitive_complexity, reason = "a line for each kind and nothing else")]
    pub(super) async fn apply_set(&self, conn: &mut PgConnection, batch: &Batch<'_>) -> Result<(), Lost> {
        leases(conn, &batch.leases).await?;
        requests(conn, &batch.requests).await?;
        self.one_by_one(conn, &batch.before).await?;
        self.fresh_sessions(conn, &batch.fresh_sessions).await?;
        self.sessions(conn, &batch.sessions).await?;
        closed(conn, &batch.closed).await?;
        self.devices(conn, &batch.devices).await?;
        inventories(conn, &batch.inventories).await?;
        fresh_jobs(conn, &batch.fresh_jobs).await?;
        fanout::jobs(&mut Conn::Pg(conn), &batch.new_jobs).await?;
        jobs(conn, &batch.idle_jobs).await?;
        jobs(conn, &batch.active_jobs).await?;
        self.one_by_one(conn, &batch.after).await?;
        events(conn, &batch.events).await?;
        cleared(conn, &batch.cleared).await?;
        due(conn, &batch.due).await?;
        next(conn, &batch.next).await?;
        earlier(conn, &batch.earlier).await
    }

    async fn one_by_one(&self, conn: &mut PgConnection, writes: &[&Write]) -> Result<(), Lost> {
        for write in writes {
            self.write(&mut Conn::Pg(conn), write).await?;
        }
        Ok(())
    }

    async fn fresh_sessions(&self, conn: &mut PgConnection, rows: &[&SessionRow]) -> Result<(), Lost> {
        if rows.is_empty() {
            return Ok(());
        }
        let states = rows.iter().map(|row| self.sealed_state(row)).collect::<Result<Vec<_>, _>>()?;
        set!(
            conn,
            SESSION_INSERT,
            Some(rows.len()),
            column(rows, |row| row.key.uuid()),
            column(rows, |row| row.tenant.as_str()),
            column(rows, |row| row.device.uuid()),
            column(rows, |row| row.dm_session_id.as_str()),
            column(rows, |row| row.version),
            column(rows, |row| row.authenticated),
            column(rows, |row| row.open),
            column(rows, |row| i64::from(row.msg_id)),
            column(rows, |row| row.digest.map(|digest| digest.as_bytes().to_vec())),
            states,
            column(rows, |row| row.job.map(JobId::uuid)),
            column(rows, |row| row.created_at.micros()),
            column(rows, |row| row.updated_at.micros()),
        )
    }

    async fn sessions(&self, conn: &mut PgConnection, rows: &[&SessionRow]) -> Result<(), Lost> {
        if rows.is_empty() {
            return Ok(());
        }
        let states = rows.iter().map(|row| self.sealed_state(row)).collect::<Result<Vec<_>, _>>()?;
        set!(
            conn,
            SESSION_PUT,
            Some(rows.len()),
            column(rows, |row| row.key.uuid()),
            column(rows, |row| row.version),
            column(rows, |row| row.authenticated),
            column(rows, |row| row.open),
            column(rows, |row| i64::from(row.msg_id)),
            column(rows, |row| row.digest.map(|digest| digest.as_bytes().to_vec())),
            states,
            column(rows, |row| row.job.map(JobId::uuid)),
            column(rows, |row| row.updated_at.micros()),
        )
    }

    async fn devices(&self, conn: &mut PgConnection, rows: &[&DeviceRow]) -> Result<(), Lost> {
        if rows.is_empty() {
            return Ok(());
        }
        let secrets = rows.iter().map(|row| self.sealed_secrets(row)).collect::<Result<Vec<_>, _>>()?;
        let lists = rows.iter().map(|row| row.lists()).collect::<Result<Vec<_>, _>>()?;
        let (tags, addresses): (Vec<String>, Vec<String>) = lists.into_iter().unzip();
        set!(
            conn,
            DEVICE_PUT,
            Some(rows.len()),
            column(rows, |row| row.key.uuid()),
            column(rows, |row| row.version),
            column(rows, |row| row.user_name.as_deref()),
            column(rows, |row| row.scheme.as_str()),
            column(rows, |row| row.class.as_deref()),
            tags,
            addresses,
            secrets,
            column(rows, |row| row.facts.as_str()),
            column(rows, |row| row.roots.as_str()),
            column(rows, |row| row.updated_at.micros()),
        )
    }
}

async fn leases(conn: &mut PgConnection, rows: &[&Lease]) -> Result<(), Lost> {
    put!(conn, DUE_DONE, rows, |lease| lease.errand.as_str(), |lease| lease.subject, |lease| lease.token,)
}

async fn requests(conn: &mut PgConnection, rows: &[&RequestRow]) -> Result<(), Lost> {
    put!(
        conn,
        REQUEST_INSERT,
        rows,
        |row| row.key.uuid(),
        |row| row.tenant.as_str(),
        |row| row.source.as_str(),
        |row| row.request_id.as_str(),
        |row| row.digest.as_bytes().to_vec(),
        |row| row.body.as_str(),
        |row| i64::from(row.priority),
        |row| i64::from(row.jobs_total.unwrap_or(request::UNKNOWN)),
        |row| row.created_at.micros(),
        |row| row.completed.as_ref().map(|end| end.counts.as_str()),
        |row| row.completed.as_ref().map(|end| end.at.micros()),
    )
}

async fn closed(conn: &mut PgConnection, rows: &[(DeviceKey, SessionKey)]) -> Result<(), Lost> {
    if rows.is_empty() {
        return Ok(());
    }
    let (devices, keys): (Vec<Uuid>, Vec<Uuid>) = rows.iter().map(|(device, key)| (device.uuid(), key.uuid())).unzip();
    set!(conn, SESSIONS_CLOSE, None, devices, keys)
}

async fn inventories(conn: &mut PgConnection, rows: &[&InventoryRow]) -> Result<(), Lost> {
    put!(
        conn,
        INVENTORY_PUT,
        rows,
        |row| row.device.uuid(),
        |row| row.body.as_str(),
        |row| row.digest.as_bytes().to_vec(),
        |row| row.read_at.micros(),
    )
}

async fn fresh_jobs(conn: &mut PgConnection, rows: &[&JobRow]) -> Result<(), Lost> {
    put!(
        conn,
        JOB_INSERT,
        rows,
        |row| row.id.uuid(),
        |row| row.tenant.as_str(),
        |row| row.request.uuid(),
        |row| row.device_id.as_str(),
        |row| row.device_id.normalised(),
        |row| row.device.map(DeviceKey::uuid),
        |row| row.state.as_str(),
        |row| row.active,
        |row| i64::from(row.priority),
        |row| row.version,
        |row| row.event_seq,
        |row| i64::from(row.attempt),
        |row| row.body.as_str(),
        |row| row.result.as_ref().map(super::Json::as_str),
        |row| row.created_at.micros(),
        |row| row.updated_at.micros(),
        |row| row.deadline_at.map(Timestamp::micros),
        |row| row.passes_until.map(Timestamp::micros),
        |row| row.finished_at.map(Timestamp::micros),
    )
}

async fn jobs(conn: &mut PgConnection, rows: &[&JobRow]) -> Result<(), Lost> {
    put!(
        conn,
        JOB_PUT,
        rows,
        |row| row.id.uuid(),
        |row| row.version,
        |row| row.device.map(DeviceKey::uuid),
        |row| row.state.as_str(),
        |row| row.active,
        |row| i64::from(row.priority),
        |row| row.event_seq,
        |row| i64::from(row.attempt),
        |row| row.body.as_str(),
        |row| row.result.as_ref().map(super::Json::as_str),
        |row| row.updated_at.micros(),
        |row| row.deadline_at.map(Timestamp::micros),
        |row| row.passes_until.map(Timestamp::micros),
        |row| row.finished_at.map(Timestamp::micros),
    )
}

/// Stores jobs with what hangs on each, but for those whose device has a job of the request already; says how many were stored.
pub(super) async fn new_jobs(conn: &mut PgConnection, jobs: &[&FreshJob]) -> Result<u64, Lost> {
    let rows: Vec<&JobRow> = column(jobs, |job| &job.row);
    let query = sqlx::query_as::<_, (Uuid,)>(batch::JOBS_ONCE)
        .bind(column(&rows, |row| row.id.uuid()))
        .bind(column(&rows, |row| row.tenant.as_str()))
        .bind(column(&rows, |row| row.request.uuid()))
        .bind(column(&rows, |row| row.device_id.as_str()))
        .bind(column(&rows, |row| row.device_id.normalised()))
        .bind(column(&rows, |row| row.device.map(DeviceKey::uuid)))
        .bind(column(&rows, |row| row.state.as_str()))
        .bind(column(&rows, |row| row.active))
        .bind(column(&rows, |row| i64::from(row.priority)))
        .bind(column(&rows, |row| row.version))
        .bind(column(&rows, |row| row.event_seq))
        .bind(column(&rows, |row| i64::from(row.attempt)))
        .bind(column(&rows, |row| row.body.as_str()))
        .bind(column(&rows, |row| row.result.as_ref().map(super::Json::as_str)))
        .bind(column(&rows, |row| row.created_at.micros()))
        .bind(column(&rows, |row| row.updated_at.micros()))
        .bind(column(&rows, |row| row.deadline_at.map(Timestamp::micros)))
        .bind(column(&rows, |row| row.passes_until.map(Timestamp::micros)))
        .bind(column(&rows, |row| row.finished_at.map(Timestamp::micros)));
    let stored = query.fetch_all(&mut *conn).await.map_err(Error::database(name_of(batch::JOBS_ONCE)))?;
    let count = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    let stored: BTreeSet<Uuid> = stored.into_iter().map(|(id,)| id).collect();
    let jobs = jobs.iter().filter(|job| stored.contains(&job.row.id.uuid()));
    let (mut told, mut planned) = (Vec::new(), BTreeMap::new());
    for job in jobs {
        told.extend(&job.events);
        planned.extend(job.due.iter().map(|due| ((due.errand, due.subject), due.at)));
    }
    events(conn, &told).await?;
    due(conn, &planned).await?;
    Ok(count)
}

async fn events(conn: &mut PgConnection, rows: &[&EventRow]) -> Result<(), Lost> {
    put!(
        conn,
        EVENT_INSERT,
        rows,
        |row| row.id.uuid(),
        |row| row.tenant.as_str(),
        |row| row.subject.as_str(),
        |row| row.seq,
        |row| row.kind.as_str(),
        |row| row.body.as_str(),
        |row| row.at.micros(),
        |row| lane(row.subject.as_bytes(), event::SHARDS),
    )
}

async fn cleared(conn: &mut PgConnection, rows: &[(&str, Uuid)]) -> Result<(), Lost> {
    if rows.is_empty() {
        return Ok(());
    }
    let (errands, subjects): (Vec<&str>, Vec<Uuid>) = rows.iter().copied().unzip();
    set!(conn, DUE_CLEAR, None, errands, subjects)
}

async fn due(conn: &mut PgConnection, rows: &BTreeMap<(&str, Uuid), Timestamp>) -> Result<(), Lost> {
    if rows.is_empty() {
        return Ok(());
    }
    let (errands, subjects, times) = planned(rows);
    set!(conn, DUE_PUT, Some(rows.len()), errands, subjects, times)
}

async fn earlier(conn: &mut PgConnection, rows: &BTreeMap<(&str, Uuid), Timestamp>) -> Result<(), Lost> {
    if rows.is_empty() {
        return Ok(());
    }
    let (errands, subjects, times) = planned(rows);
    set!(conn, DUE_EARLIER, Some(rows.len()), errands, subjects, times)
}

async fn next(conn: &mut PgConnection, rows: &[(&str, &Tenant, &str, Timestamp)]) -> Result<(), Lost> {
    if rows.is_empty() {
        return Ok(());
    }
    let errands: Vec<&str> = rows.iter().map(|(errand, ..)| *errand).collect();
    let tenants: Vec<&str> = rows.iter().map(|(_, tenant, ..)| tenant.as_str()).collect();
    let devices: Vec<&str> = rows.iter().map(|(_, _, device, _)| *device).collect();
    let times: Vec<i64> = rows.iter().map(|(_, _, _, at)| at.micros()).collect();
    set!(conn, WAKE_NEXT, None, errands, tenants, devices, times)
}

/// The columns of planned work, in the order of the keys: two writers that meet on rows take them in the same order.
fn planned<'k>(rows: &BTreeMap<(&'k str, Uuid), Timestamp>) -> (Vec<&'k str>, Vec<Uuid>, Vec<i64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for ((errand, subject), at) in rows {
        columns.0.push(*errand);
        columns.1.push(*subject);
        columns.2.push(at.micros());
    }
    columns
}

fn expect(statement: &'static str, rows: Option<usize>, found: u64) -> Result<(), Lost> {
    let expected = rows.map_or(found, |rows| u64::try_from(rows).unwrap_or(u64::MAX));
    if found == expected { Ok(()) } else { Err(Error::RowCount { statement, expected, found }.into()) }
}
