//! What changes together.

use uuid::Uuid;

use crate::{
    job::brake::Packages,
    model::{
        clock::Timestamp,
        id::{DeviceKey, GrantId, JobId, PauseId, RequestKey, SessionKey, Tenant},
    },
};

use super::{
    Conflict, Core, Error,
    conn::Conn,
    dead::{self, DeadLetterRow},
    device::{self, DeviceRow, InventoryRow, ToldInventory},
    due::{self, Again, Due, Earliest, Lease},
    event::{self, EventRow},
    fanout::{self, FanOutRow, FreshJob, Stretch},
    grant::{self, GrantRow},
    job::{self, JobRow},
    package::{self, PackageRow},
    pause::{self, PauseRow, Rejection},
    request::{self, Completion, RequestRow},
    session::{self, SessionRow},
};

/// Writes that are made together, in their order, or not at all.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Names it in errors and metrics, as `session.message`.
    pub name: &'static str,
    /// Units of one affinity are written in the order in which they were handed in.
    pub(super) affinity: u64,
    /// The writes.
    pub writes: Vec<Write>,
}

/// One change. A `…Put` carries the row as it shall be, with the version that was read; the stored version is one higher.
#[derive(Debug, Clone)]
pub enum Write {
    /// Registers a device. [`Conflict::DeviceExists`] if the name is taken.
    DeviceInsert(DeviceRow),
    /// Changes a device; its name and tenant stay. [`Conflict::Stale`]
    DevicePut(DeviceRow),
    /// Forgets a device with its sessions, its inventory and the history of that; its jobs stay, without it. [`Conflict::Stale`]
    DeviceDelete {
        /// Which.
        key: DeviceKey,
        /// The version that was read.
        version: i64,
    },
    /// Stores an inventory in place of the last.
    InventoryPut(InventoryRow),
    /// Adds an inventory to the history of its device, and forgets all but the newest.
    InventoryKeep {
        /// What is told.
        told: ToldInventory,
        /// How many stay.
        keep: u32,
    },
    /// Begins a session.
    SessionInsert(SessionRow),
    /// Moves a session on. [`Conflict::Stale`]
    SessionPut(SessionRow),
    /// Ends the other sessions of a device: a new one has authenticated. Their version rises, so that a message of theirs that
    /// is just being worked on loses.
    SessionsClose {
        /// Whose sessions.
        device: DeviceKey,
        /// The one that goes on.
        except: SessionKey,
    },
    /// Forgets all but the newest of a device's sessions that are not authenticated.
    StrangersBound {
        /// Whose sessions.
        device: DeviceKey,
        /// How many stay.
        keep: u32,
    },
    /// Stores a request. [`Conflict::RequestExists`] if its identity is taken.
    RequestInsert(RequestRow),
    /// Ends a request. [`Conflict::Stale`] if it has ended before.
    RequestComplete {
        /// Which.
        key: RequestKey,
        /// How.
        end: Completion,
    },
    /// Begins to spread a request over many devices. [`Conflict::ListGone`] if their list is not there.
    FanOutInsert(FanOutRow),
    /// Makes the jobs of one stretch of a fan-out. [`Conflict::Stale`] if another was faster, or it was stopped.
    FanOutStep(Stretch),
    /// Ends a fan-out that has not ended; what it has made stays.
    FanOutStop {
        /// Of which request.
        request: RequestKey,
        /// When.
        at: Timestamp,
    },
    /// Stores jobs that are new, with what hangs on each; one whose device has a job of the request already is left out with all
    /// of it.
    JobsInsert(Vec<FreshJob>),
    /// Stores a job. [`Conflict::DeviceBusy`] if it is active and another is.
    JobInsert(JobRow),
    /// Moves a job on; its request and device name stay. [`Conflict::Stale`], [`Conflict::DeviceBusy`]
    JobPut(JobRow),
    /// Gives a download grant.
    GrantInsert(GrantRow),
    /// Takes back what grants a job has.
    GrantsRevoke {
        /// Whose.
        job: JobId,
    },
    /// Notes how far a download came.
    GrantNote {
        /// Which.
        id: GrantId,
        /// The highest byte sent; a lower number changes nothing.
        fetched: u64,
        /// The install-notify, if it is one; it stands behind those before it.
        status: Option<String>,
    },
    /// Stores a package, in place of what was stored of that id and version.
    PackagePut(PackageRow),
    /// Keeps a message that was refused. [`Conflict::DeadAlready`]
    DeadInsert(DeadLetterRow),
    /// Pauses something. [`Conflict::PausedAlready`] also if it is a request that has ended.
    PauseInsert(PauseRow),
    /// Lifts a pause. [`Conflict::Stale`] if it was lifted before.
    PauseDelete(PauseId),
    /// Ends the pause of a request, if there is one.
    PauseEnd {
        /// Which request.
        request: RequestKey,
    },
    /// Notes that a pause holds a job. [`Conflict::Stale`] if it was lifted meanwhile.
    Hold {
        /// The job.
        job: JobId,
        /// What holds it.
        pause: PauseId,
    },
    /// Notes that no pause holds a job any more.
    Free {
        /// The job.
        job: JobId,
    },
    /// The same for the jobs of a pause, up to one.
    FreeUpTo {
        /// What held them.
        pause: PauseId,
        /// The last.
        job: JobId,
    },
    /// Failures of a request before this moment count no longer.
    BudgetFrom {
        /// Which request.
        request: RequestKey,
        /// When.
        at: Timestamp,
    },
    /// Notes that a device does not trust a package.
    Reject(Rejection),
    /// Forgets which devices did not trust these packages.
    Forgive {
        /// Whose catalogue.
        tenant: Tenant,
        /// Which.
        packages: Packages,
    },
    /// Tells an event, once the unit is committed.
    EventInsert(EventRow),
    /// Plans work. With [`Again::Earlier`] it is planned after the unit's other writes.
    DuePut {
        /// What and when.
        due: Due,
        /// What becomes of a row that is there.
        again: Again,
    },
    /// Ends leased work. [`Conflict::LeaseLost`]
    DueDone(Lease),
    /// Drops planned work, leased or not; there may be none.
    DueClear {
        /// Which errand.
        errand: &'static str,
        /// For whom.
        subject: Uuid,
    },
    /// Plans `errand` for the job of a device that is next by priority and age, if one waits and none is active; a time that is
    /// planned for it already and earlier stays.
    WakeNext {
        /// The errand that wakes.
        errand: &'static str,
        /// Whose device.
        tenant: Tenant,
        /// The device's name, normalised.
        device_norm: String,
        /// When.
        at: Timestamp,
    },
}

/// A unit was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// How many units shared the commit.
    pub batch: usize,
}

impl Unit {
    /// An empty unit. Units of the same `device` (any text that stands for it) are written in order.
    #[must_use]
    pub fn new(name: &'static str, device: &str) -> Self {
        Self { name, affinity: hash(device.as_bytes()), writes: Vec::new() }
    }

    /// The unit with one write more.
    #[must_use]
    pub fn with(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds a write.
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }
}

/// Why a write did not happen.
#[derive(Debug)]
pub(super) enum Lost {
    Race(Conflict),
    Failed(Error),
}

impl From<Conflict> for Lost {
    fn from(conflict: Conflict) -> Self {
        Self::Race(conflict)
    }
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Lost {
    /// The compare-and-set of `row` was lost unless it changed exactly one row.
    pub(super) fn unless_one(table: &'static str, row: Uuid, found: u64) -> Result<(), Self> {
        if found == 1 { Ok(()) } else { Err(Conflict::Stale { table, row }.into()) }
    }
}

/// Which of `lanes` the text belongs to; the same for all time and every replica.
pub(super) fn lane(text: &[u8], lanes: u64) -> i64 {
    i64::try_from(hash(text) % lanes.max(1)).unwrap_or(0)
}

/// FNV-1a: stable, and good enough to spread names.
fn hash(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Core {
    /// Makes the writes of a unit, up to the first that fails; what can be put off to the end of the batch goes to `later`.
    pub(super) async fn apply(
        &self,
        conn: &mut Conn<'_>,
        unit: &Unit,
        mut later: Option<&mut Earliest>,
    ) -> Result<(), Lost> {
        for write in &unit.writes {
            match (write, later.as_deref_mut()) {
                (Write::DuePut { due, again: Again::Earlier }, Some(later)) => later.add(due),
                (write, _) => self.write(conn, write).await?,
            }
        }
        Ok(())
    }

    #[expect(clippy::cognitive_complexity, reason = "an arm for each write and nothing else")]
    pub(super) async fn write(&self, conn: &mut Conn<'_>, write: &Write) -> Result<(), Lost> {
        match write {
            Write::DeviceInsert(row) => self.device_insert(conn, row).await,
            Write::DevicePut(row) => self.device_put(conn, row).await,
            Write::DeviceDelete { key, version } => device::delete(conn, *key, *version).await,
            Write::InventoryPut(row) => self.inventory_put(conn, row).await,
            Write::InventoryKeep { told, keep } => device::inventory_keep(conn, told, *keep).await,
            Write::SessionInsert(row) => self.session_insert(conn, row).await,
            Write::SessionPut(row) => self.session_put(conn, row).await,
            Write::SessionsClose { device, except } => session::close_others(conn, *device, *except).await,
            Write::StrangersBound { device, keep } => session::bound_strangers(conn, *device, *keep).await,
            Write::RequestInsert(row) => request::insert(conn, row).await,
            Write::RequestComplete { key, end } => request::complete(conn, *key, end).await,
            Write::FanOutInsert(row) => fanout::insert(conn, row).await,
            Write::FanOutStep(stretch) => fanout::step(conn, stretch).await,
            Write::FanOutStop { request, at } => fanout::stop(conn, *request, *at).await,
            Write::JobsInsert(jobs) => fanout::jobs(conn, &jobs.iter().collect::<Vec<_>>()).await.map(drop),
            Write::JobInsert(row) => job::insert(conn, row).await,
            Write::JobPut(row) => job::put(conn, row).await,
            Write::GrantInsert(row) => grant::insert(conn, row).await,
            Write::GrantsRevoke { job } => grant::revoke(conn, *job).await,
            Write::GrantNote { id, fetched, status } => grant::note(conn, *id, *fetched, status.as_deref()).await,
            Write::PackagePut(row) => package::put(conn, row).await,
            Write::DeadInsert(row) => dead::insert(conn, row).await,
            Write::PauseInsert(row) => pause::insert(conn, row).await,
            Write::PauseDelete(id) => pause::delete(conn, *id).await,
            Write::PauseEnd { request } => pause::end(conn, *request).await,
            Write::Hold { job, pause } => pause::hold(conn, *job, *pause).await,
            Write::Free { job } => pause::free(conn, *job).await,
            Write::FreeUpTo { pause, job } => pause::free_up_to(conn, *pause, *job).await,
            Write::BudgetFrom { request, at } => pause::budget_from(conn, *request, *at).await,
            Write::Reject(rejection) => pause::reject(conn, rejection).await,
            Write::Forgive { tenant, packages } => pause::forgive(conn, tenant, packages).await,
            Write::EventInsert(row) => event::insert(conn, row).await,
            Write::DuePut { due, again } => due::put(conn, due, *again).await,
            Write::DueDone(lease) => due::finish(conn, lease).await,
            Write::DueClear { errand, subject } => due::clear(conn, errand, *subject).await,
            Write::WakeNext { errand, tenant, device_norm, at } => {
                due::wake_next(conn, errand, tenant, device_norm, *at).await
            }
        }
    }
}
