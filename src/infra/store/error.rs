//! What can go wrong with the store.

use std::{fmt::Display, io, path::PathBuf, sync::Arc, time::Duration};

use sqlx::migrate::MigrateError;
use uuid::Uuid;

use crate::model::{
    digest::Digest,
    id::{ListKey, RequestKey},
};

use super::seal::SealError;

/// Why the store could not be opened, read or written. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do what it was asked; worth another try later.
    #[error("the database could not {doing}{}", why(source))]
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
        source: io::Error,
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
    /// PostgreSQL is not to be had.
    #[error("cannot connect to PostgreSQL at {place}{}", why(source))]
    Connect {
        /// Where `database.url` leads.
        place: String,
        /// What the server or the system said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The schema lacks what this program needs, and `database.migrate` is off.
    #[error(
        "the schema of the database is older than this program; run `scomo migrate`, or set database.migrate = true"
    )]
    SchemaBehind,
    /// Another process has been migrating for long.
    #[error("another scomo has been bringing the schema up to date for more than {} s; wait for it, or end its session in PostgreSQL", waited.as_secs())]
    MigrationBusy {
        /// How long this one waited.
        waited: Duration,
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
    #[error("the schema could not be brought up to date{}", why_migrate(.0))]
    Migrate(#[source] Box<MigrateError>),
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
        source: io::Error,
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

    /// For `map_err` behind a migration.
    pub(super) fn migrate(source: MigrateError) -> Self {
        Self::Migrate(Box::new(source))
    }

    /// For `map_err` behind the parsing of a column.
    pub fn bad_row<E: Display>(table: &'static str, column: &'static str, row: impl Display) -> impl FnOnce(E) -> Self {
        let row = row.to_string();
        move |why| Self::BadRow { table, column, row, why: why.to_string() }
    }
}

impl Error {
    /// Whether the same fails however often it is tried: what was to be stored, or a row that is there, is at fault, not the
    /// database.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Database { .. } => {
                let code = refusal(self).and_then(sqlx::error::DatabaseError::code);
                code.is_some_and(|code| is_about_values(&code))
            }
            Self::BadRow { .. } | Self::Json { .. } => true,
            Self::RowCount { .. }
            | Self::Sealed { .. }
            | Self::Keys(_)
            | Self::KeyFile { .. }
            | Self::Url(_)
            | Self::TooOldServer { .. }
            | Self::TooOldBinary { .. }
            | Self::Migrate(_)
            | Self::Held { .. }
            | Self::LockFile { .. }
            | Self::Connect { .. }
            | Self::SchemaBehind
            | Self::MigrationBusy { .. } => false,
        }
    }
}

/// Whether a database that answers so minds the values: PostgreSQL's classes 22 (data), 23 (constraints) and 54 (limits), and what
/// SQLite calls too big, a constraint and a mismatch.
fn is_about_values(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(lite) if code.len() < 5 => matches!(lite & 0xff, 18..=20),
        Ok(_) | Err(_) => ["22", "23", "54"].iter().any(|class| code.starts_with(class)),
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

    /// Whether the same unit fails however often it is tried.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Failed { source, .. } => source.is_permanent(),
            Self::Conflict { .. } | Self::Unknown { .. } | Self::Closed => false,
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
    /// The target list is not there, or not any more.
    #[error("the target list {0} is not there")]
    ListGone(ListKey),
    /// Another target list has this name.
    #[error("a target list of this name exists")]
    ListExists,
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

/// Whether the statement waited in vain for a lock.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "55P03" || code == "40P01")
}

/// Whether a server that cannot be reached may well be there in a moment: it is not there yet, is starting, or is full.
pub(super) fn heals_while_connecting(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Io(error) = error {
        return matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound);
    }
    code(error).is_some_and(|code| ["53300", "57P03"].contains(&code.as_str()))
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

fn why_migrate(error: &MigrateError) -> &'static str {
    if let MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) = error { why(source) } else { "" }
}

/// What is wrong and what to do about it, where the error tells.
fn why(error: &sqlx::Error) -> &'static str {
    if let sqlx::Error::PoolTimedOut = error {
        return "; no connection was to be had within database.acquire_timeout: all are in use, or the server is not there";
    }
    if let sqlx::Error::Io(_) = error {
        return "; the server is not there, or cannot be reached from here";
    }
    code(error).map_or("", |code| why_code(&code))
}

/// The same for a SQLSTATE or a result code of SQLite.
fn why_code(code: &str) -> &'static str {
    match code {
        "28P01" | "28000" => "; user or password of database.url are wrong, or pg_hba.conf does not let this user in",
        "3D000" => "; the database that database.url names does not exist: create it",
        "42501" => "; the user of database.url lacks a permission that its tables or schema need",
        "25006" | "8" => {
            "; it is read-only: a standby, default_transaction_read_only, or a file without write permission"
        }
        "53100" | "13" => "; its disk is full: make room, everything goes on by itself then",
        "53200" => "; the server is out of memory",
        "53300" => "; the server has no connection left: raise its max_connections, or lower those of [database]",
        "55P03" => "; what it needs stayed locked by another connection for longer than database.lock_timeout",
        "57014" => "; it took longer than the statement_timeout of [database], or somebody cancelled it",
        "25P03" => "; its transaction rested longer than database.idle_in_transaction_timeout",
        "57P01" | "57P02" | "57P03" => "; the server is starting or stopping",
        _ => "",
    }
}

fn refusal(error: &Error) -> Option<&dyn sqlx::error::DatabaseError> {
    if let Error::Database { source, .. } = error { source.as_database_error() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_values_is_told_from_what_may_heal() {
        // PostgreSQL: no such character, a string too long, a foreign key, an index row too large; SQLite: a trigger, too big.
        for code in ["22P05", "22001", "23503", "54000", "1811", "19", "18"] {
            assert!(is_about_values(code), "{code}");
        }
        // A deadlock, a full disk, shutting down, read-only, no such column; SQLite: busy, full, cannot open.
        for code in ["40P01", "53100", "57P01", "25006", "42703", "5", "13", "14", "517"] {
            assert!(!is_about_values(code), "{code}");
        }
    }

    #[test]
    fn what_an_operator_can_do_about_is_said() {
        for (code, said) in
            [("53100", "disk is full"), ("13", "disk is full"), ("25006", "read-only"), ("55P03", "lock_timeout")]
        {
            assert!(why_code(code).contains(said), "{code}");
        }
        assert_eq!(why_code("42P01"), "");
    }
}
