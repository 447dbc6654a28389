//! State: all of it is here, so that any replica may take any message and none forgets anything.
//!
//! Reads are single statements without a transaction. Everything that changes is a [`Unit`]: a list of [`Write`]s that are made
//! together or not at all. [`Store::commit`] coalesces the units that wait into one transaction; a unit that lost its
//! compare-and-set is told so alone. Work to do later is a row of `due` ([`due`]), an event to tell is a row of `outbox`
//! ([`event`]), written by the unit that causes it.
//!
//! The same functions work on PostgreSQL and SQLite. What differs is the text of some statements: `sql/pg` and `sql/lite` hold
//! statements of the same names. What procedures, dialogues and jobs keep is opaque here ([`json`]), secrets rest encrypted
//! ([`seal`]).

#[macro_use]
mod conn;
mod batch;
mod days;
pub mod dead;
pub mod device;
pub mod due;
pub mod error;
pub mod event;
pub mod fanout;
pub mod grant;
pub mod job;
pub mod json;
mod loads;
mod migrate;
mod notify;
mod open;
pub mod package;
pub mod page;
pub mod pause;
mod pools;
pub mod relay;
pub mod request;
pub mod scene;
pub mod seal;
pub mod session;
pub mod settings;
pub mod sql;
pub mod target;
pub mod unit;
mod writer;

use std::sync::Arc;

use conn::Inner;
use tokio::sync::Notify;
use writer::Lanes;

pub use error::{CommitError, Conflict, Error};
pub use json::{Json, SealedJson};
pub use page::{Cursor, Page};
pub use seal::Keys;
pub use settings::Settings;
pub use unit::{Committed, Unit, Write};

use crate::model::clock::Clock;

/// The database. Cheap to clone; all clones are one. They differ in the connections that they use, so that a flood at one door does
/// not starve the others: what [`Store::open`] gives serves devices, [`Store::for_flow`] and [`Store::for_admin`] the rest.
#[derive(Clone)]
pub struct Store {
    core: Arc<Core>,
    doors: Arc<Doors>,
    lanes: Arc<Lanes>,
}

/// What the writers share with the store: when the last clone of the store is dropped, they end and this with them.
struct Core {
    inner: Inner,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    /// Rung when others may have something to do.
    news: Arc<Notify>,
}

/// The same database through other connections. With SQLite all are one.
struct Doors {
    device: Arc<Core>,
    flow: Arc<Core>,
    admin: Arc<Core>,
    writers: Arc<Core>,
}

impl Store {
    /// The same store for what the service does by itself: wakes, the bus, events, cleaning up.
    #[must_use]
    pub fn for_flow(&self) -> Self {
        Self { core: Arc::clone(&self.doors.flow), ..self.clone() }
    }

    /// The same store for the API.
    #[must_use]
    pub fn for_admin(&self) -> Self {
        Self { core: Arc::clone(&self.doors.admin), ..self.clone() }
    }
}
