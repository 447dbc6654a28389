//! `fan_out`: how far a request for many devices has fallen into jobs. Its jobs are made stretch by stretch, each with the mark
//! behind which the next begins, in one commit: whoever goes on makes none twice and leaves none out.

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    id::{ListKey, RequestKey, Tenant},
};

use super::{
    Conflict, Error, Json, Store, batch,
    conn::Conn,
    due::{self, Again, Due},
    event::{self, EventRow},
    job::{self, JobRow},
    unit::Lost,
};

/// Jobs that one statement stores at most.
const TOGETHER: usize = 1000;

/// The fan-out of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOutRow {
    /// Whose jobs are made.
    pub request: RequestKey,
    /// Whose request.
    pub tenant: Tenant,
    /// The target list that the devices come from; it is kept until this has ended.
    pub list: Option<ListKey>,
    /// What every job is to do.
    pub body: Json,
    /// How many devices there are; of a filter that is not known.
    pub targets: Option<u64>,
    /// How many jobs were made.
    pub made: u64,
    /// Devices of which a filter could not be decided.
    pub undecided: u64,
    /// How far it is.
    pub after: Mark,
    /// Devices that were registered later are not looked at.
    pub until: Timestamp,
    /// Rises with each stretch.
    pub version: i64,
    /// Of one that was stopped: how many devices got no job, or of a filter were not looked at.
    pub not_started: Option<u64>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// Behind which device a fan-out goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its place in the request or in the list, from 1; or the microseconds of its registration.
    pub place: i64,
    /// Decides between devices that were registered at the same moment.
    pub key: Uuid,
}

/// The next part of a fan-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Of which request.
    pub request: RequestKey,
    /// The version that was read.
    pub version: i64,
    /// Behind which the next begins.
    pub after: Mark,
    /// The jobs of its devices.
    pub jobs: Vec<FreshJob>,
    /// Its devices of which the filter could not be decided.
    pub undecided: u64,
    /// It is the last.
    pub ended: Option<Timestamp>,
}

/// A job that is not stored yet, with what is stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshJob {
    /// The job.
    pub row: JobRow,
    /// When something has to be done about it.
    pub due: Option<Due>,
    /// What is told of it.
    pub events: Vec<EventRow>,
}

row! {
    /// A row of `fan_out`.
    FanOutRaw {
        request_key: Uuid,
        tenant: String,
        list_key: Option<Uuid>,
        body: String,
        targets: Option<i64>,
        made: i64,
        undecided: i64,
        after_place: i64,
        after_key: Uuid,
        until_at: i64,
        version: i64,
        not_started: Option<i64>,
        ended_at: Option<i64>,
    }
}

impl Mark {
    /// Before the first device.
    pub const BEGIN: Self = Self { place: 0, key: Uuid::nil() };
}

impl Store {
    /// How far the jobs of a request were made; `None` if all of them were stored with the request.
    pub async fn fan_out(&self, request: RequestKey) -> Result<Option<FanOutRow>, Error> {
        let raw = read!(fetch_optional, self.core, fanout::LOAD, FanOutRaw, request.uuid())?;
        raw.map(FanOutRaw::row).transpose()
    }
}

impl FanOutRaw {
    fn row(self) -> Result<FanOutRow, Error> {
        const TABLE: &str = "fan_out";
        let key = self.request_key;
        let count = |column, count: i64| u64::try_from(count).map_err(Error::bad_row(TABLE, column, key));
        Ok(FanOutRow {
            request: RequestKey::new(key),
            tenant: Tenant::parse(&self.tenant).map_err(Error::bad_row(TABLE, "tenant", key))?,
            list: self.list_key.map(ListKey::new),
            body: Json::stored(self.body),
            targets: self.targets.map(|targets| count("targets", targets)).transpose()?,
            made: count("made", self.made)?,
            undecided: count("undecided", self.undecided)?,
            after: Mark { place: self.after_place, key: self.after_key },
            until: Timestamp::from_micros(self.until_at),
            version: self.version,
            not_started: self.not_started.map(|devices| count("not_started", devices)).transpose()?,
            ended: self.ended_at.map(Timestamp::from_micros),
        })
    }
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &FanOutRow) -> Result<(), Lost> {
    if let Some(list) = row.list {
        // The list's row orders this and its removal: either it is gone and nothing begins, or it stays until this has ended.
        let found = execute!(conn, target::USE, list.uuid(), row.until.micros())?;
        if found == 0 {
            return Err(Conflict::ListGone(list).into());
        }
    }
    let found = execute!(
        conn,
        fanout::INSERT,
        row.request.uuid(),
        row.tenant.as_str(),
        row.list.map(ListKey::uuid),
        row.body.as_str(),
        row.targets.map(number),
        number(row.made),
        number(row.undecided),
        row.after.place,
        row.after.key,
        row.until.micros(),
        row.version,
        row.not_started.map(number),
        row.ended.map(Timestamp::micros),
    )?;
    super::conn::one_row("fanout.insert", found).map_err(Lost::from)
}

/// Moves the mark first: its row orders those who would make the same jobs, and who stops it.
pub(super) async fn step(conn: &mut Conn<'_>, stretch: &Stretch) -> Result<(), Lost> {
    let Stretch { request, version, after, jobs: fresh, undecided, ended } = stretch;
    let wanted = u64::try_from(fresh.len()).unwrap_or(u64::MAX);
    let found = execute!(
        conn,
        fanout::STEP,
        request.uuid(),
        *version,
        after.place,
        after.key,
        number(wanted),
        number(*undecided),
        ended.map(Timestamp::micros),
    )?;
    Lost::unless_one("fan_out", request.uuid(), found)?;
    let made = jobs(conn, &fresh.iter().collect::<Vec<_>>()).await?;
    if made < wanted {
        execute!(conn, fanout::FEWER, request.uuid(), number(wanted - made))?;
    }
    if ended.is_some() { settle(conn, *request).await } else { Ok(()) }
}

/// Ends a fan-out, whatever is being made of it just now: that is waited for, and what would come behind it finds the end.
pub(super) async fn stop(conn: &mut Conn<'_>, request: RequestKey, at: Timestamp) -> Result<(), Lost> {
    let stopped = execute!(conn, fanout::STOP, request.uuid(), at.micros())?;
    if stopped == 1 { settle(conn, request).await } else { Ok(()) }
}

/// How many jobs the request has is known now.
async fn settle(conn: &mut Conn<'_>, request: RequestKey) -> Result<(), Lost> {
    let found = execute!(conn, fanout::SETTLE, request.uuid())?;
    super::conn::one_row("fanout.settle", found).map_err(Lost::from)
}

/// Stores jobs with what hangs on each, but for those whose device has a job of the request already; says how many were stored.
pub(super) async fn jobs(conn: &mut Conn<'_>, fresh: &[&FreshJob]) -> Result<u64, Lost> {
    let mut made = 0;
    for fresh in fresh.chunks(TOGETHER) {
        made += match conn {
            Conn::Pg(conn) => batch::new_jobs(conn, fresh).await?,
            Conn::Lite(_) => one_by_one(conn, fresh).await?,
        };
    }
    Ok(made)
}

async fn one_by_one(conn: &mut Conn<'_>, fresh: &[&FreshJob]) -> Result<u64, Lost> {
    let mut made = 0;
    for FreshJob { row, due, events } in fresh {
        if job::insert_once(conn, row).await? == 0 {
            continue;
        }
        made += 1;
        for event in events {
            event::insert(conn, event).await?;
        }
        if let Some(due) = due {
            due::put(conn, due, Again::Replace).await?;
        }
    }
    Ok(made)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
