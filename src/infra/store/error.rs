//! What can go wrong with the store.

use std::{fmt::Display, path::PathBuf, sync::Arc};

use uuid::Uuid;

use crate::model::{digest::Digest, id::RequestKey};

use super::seal::SealError;

/// Why the store could not be opened, read or written. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do what it was asked; worth another try later.
    #[error("the database could not {doing}")]
    Database {
        /// Which statement or step, as `job.load`.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// A row holds what this program never writes: damage, or a newer release's data.
    #[error("{table}.{column} of row {row} is not readable: {why}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
        /// What is wrong with the value; never the value itself.
        why: String,
    },
    /// An UPDATE or DELETE met another number of rows than it must.
    #[error("{statement} changed {found} rows where {expected} was right")]
    RowCount {
        /// The statement.
        statement: &'static str,
        /// How many rows it must change.
        expected: u64,
        /// How many it changed.
        found: u64,
    },
    /// A secret could not be sealed or opened.
    #[error("{table}.{column} of row {row} could not be opened")]
    Sealed {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: Uuid,
        /// Why.
        #[source]
        source: SealError,
    },
    /// The key list cannot be used.
    #[error("the keys that encrypt secrets cannot be used")]
    Keys(#[source] SealError),
    /// The key file could not be read or made.
    #[error("the key file {} could not be {doing}", path.display())]
    KeyFile {
        /// Where it is.
        path: PathBuf,
        /// `read` or `created`.
        doing: &'static str,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// `database.url` is not one that this program understands.
    #[error("database.url must be `sqlite://FILE` or `postgres://…`: {0}")]
    Url(String),
    /// PostgreSQL is too old.
    #[error("PostgreSQL {found} is too old; version 13 or later is needed")]
    TooOldServer {
        /// `server_version` as the server tells it.
        found: String,
    },
    /// This program is older than the schema allows.
    #[error("the database serves scomo {oldest} and later, this is {this}; start a newer release")]
    TooOldBinary {
        /// The oldest binary that the schema serves.
        oldest: String,
        /// This binary.
        this: &'static str,
    },
    /// A migration failed.
    #[error("the schema could not be brought up to date")]
    Migrate(#[source] Box<sqlx::migrate::MigrateError>),
    /// Another server has the SQLite database.
    #[error("{} is held by another scomo server; stop it first, or use PostgreSQL to run several", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file could not be opened.
    #[error("the lock file {} could not be opened", path.display())]
    LockFile {
        /// Where it is.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// A value could not be written as JSON.
    #[error("a value of {what} could not be written as JSON")]
    Json {
        /// Which value.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// For `map_err` behind a statement: names what was being done.
    pub fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source: Arc::new(source) }
    }

    /// For `map_err` behind the parsing of a column.
    pub fn bad_row<E: Display>(table: &'static str, column: &'static str, row: impl Display) -> impl FnOnce(E) -> Self {
        let row = row.to_string();
        move |why| Self::BadRow { table, column, row, why: why.to_string() }
    }
}

/// Why a [`Unit`](super::Unit) was not committed, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else was first. Nothing of the unit was written: read again and decide again.
    #[error("the unit {unit} lost a race")]
    Conflict {
        /// Name of the unit.
        unit: &'static str,
        /// What was found.
        #[source]
        conflict: Conflict,
    },
    /// The answer to COMMIT was lost: it may or may not have been written. Read again.
    #[error("whether the unit {unit} was committed is unknown")]
    Unknown {
        /// Name of the unit.
        unit: &'static str,
        /// What the database said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// Nothing of the unit was written.
    #[error("the unit {unit} could not be written")]
    Failed {
        /// Name of the unit.
        unit: &'static str,
        /// Why.
        #[source]
        source: Arc<Error>,
    },
    /// The store is closing. Nothing of the unit was written.
    #[error("the store is closed")]
    Closed,
}

impl CommitError {
    /// The conflict, if that is what it is.
    #[must_use]
    pub const fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Conflict { conflict, .. } => Some(conflict),
            Self::Unknown { .. } | Self::Failed { .. } | Self::Closed => None,
        }
    }
}

/// A lost race.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The row's version is no longer the one that was read, or the row is gone.
    #[error("{table} {row} has changed since it was read")]
    Stale {
        /// The table.
        table: &'static str,
        /// The row's key.
        row: Uuid,
    },
    /// A request of this identity is stored already; its digest tells whether it says the same.
    #[error("the request {key} has this identity")]
    RequestExists {
        /// The stored request.
        key: RequestKey,
        /// Digest of its canonical content.
        digest: Digest,
    },
    /// A device of this name is registered already.
    #[error("a device of this name exists")]
    DeviceExists,
    /// Another job is active on the device.
    #[error("another job is active on the device")]
    DeviceBusy,
    /// The same message was refused before, and its dead letter is still there.
    #[error("the message was refused before")]
    DeadAlready,
    /// Exactly this is paused already, or it is a request that has ended.
    #[error("it is paused already, or has ended")]
    PausedAlready,
    /// The lease has run out or was taken away; what it protected is not yours any more.
    #[error("the lease on {errand} {subject} is lost")]
    LeaseLost {
        /// Which errand.
        errand: String,
        /// For whom.
        subject: Uuid,
    },
}

/// Whether a unique index refused the row.
pub(super) fn is_unique(error: &Error) -> bool {
    refusal(error).is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether the same may well succeed when tried again: a deadlock, a serialisation failure, a busy file.
pub(super) fn is_transient(error: &Error) -> bool {
    let code = refusal(error).and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ["40001", "40P01", "5", "517"].contains(&code.as_ref()))
}

fn refusal(error: &Error) -> Option<&dyn sqlx::error::DatabaseError> {
    if let Error::Database { source, .. } = error { source.as_database_error() } else { None }
}
