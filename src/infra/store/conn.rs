//! Two databases behind one set of functions: connections, transactions, and the macros that pick the statement.

use std::fs::File;

use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::{Error, loads::Loads};

/// Which database, and its connections.
pub(super) enum Inner {
    Pg(Pg),
    Lite(Lite),
}

/// PostgreSQL: a pool, and the loaders that share the round trips of devices.
pub(super) struct Pg {
    pub(super) pool: PgPool,
    pub(super) loads: Loads,
}

/// SQLite: one connection writes, others read, and no second server may do either.
pub(super) struct Lite {
    pub(super) read: SqlitePool,
    pub(super) write: SqlitePool,
    /// Held as long as the store lives.
    pub(super) _lock: File,
}

/// A connection, borrowed.
pub(super) enum Conn<'c> {
    Pg(&'c mut PgConnection),
    Lite(&'c mut SqliteConnection),
}

/// A transaction that writes; rolled back when dropped.
pub(super) enum Tx {
    Pg(Transaction<'static, Postgres>),
    Lite(Transaction<'static, Sqlite>),
}

impl Inner {
    pub(super) async fn begin(&self) -> Result<Tx, Error> {
        match self {
            Self::Pg(pg) => pg.pool.begin().await.map(Tx::Pg),
            Self::Lite(lite) => lite.write.begin_with("BEGIN IMMEDIATE").await.map(Tx::Lite),
        }
        .map_err(Error::database("begin"))
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Pg(pg) => pg.pool.close().await,
            Self::Lite(lite) => {
                lite.read.close().await;
                lite.write.close().await;
            }
        }
    }
}

impl Tx {
    pub(super) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Pg(tx) => Conn::Pg(tx),
            Self::Lite(tx) => Conn::Lite(tx),
        }
    }

    pub(super) async fn rollback(self) -> sqlx::Result<()> {
        match self {
            Self::Pg(tx) => tx.rollback().await,
            Self::Lite(tx) => tx.rollback().await,
        }
    }

    pub(super) async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Pg(tx) => tx.commit().await,
            Self::Lite(tx) => tx.commit().await,
        }
    }
}

impl Conn<'_> {
    /// Runs a statement without parameters, such as `SAVEPOINT`.
    pub(super) async fn plain(&mut self, sql: &'static str) -> Result<(), Error> {
        match self {
            Self::Pg(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(drop),
            Self::Lite(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(drop),
        }
        .map_err(Error::database(sql))
    }
}

/// The name that a statement begins with: `-- job.load` gives `job.load`.
pub(super) fn name_of(statement: &'static str) -> &'static str {
    statement.trim_start_matches("-- ").lines().next().unwrap_or_default()
}

/// The error unless exactly one row was changed.
pub(super) fn one_row(statement: &'static str, found: u64) -> Result<(), Error> {
    if found == 1 { Ok(()) } else { Err(Error::RowCount { statement, expected: 1, found }) }
}

/// Reads outside a transaction: `read!(fetch_optional, store, job::LOAD, JobRaw, id)`.
macro_rules! read {
    ($how:ident, $core:expr, $table:ident :: $name:ident, $raw:ty $(, $arg:expr)* $(,)?) => {
        match &$core.inner {
            $crate::infra::store::conn::Inner::Pg(pg) => {
                sqlx::query_as::<_, $raw>($crate::infra::store::sql::pg::$table::$name)$(.bind($arg))*.$how(&pg.pool).await
            }
            $crate::infra::store::conn::Inner::Lite(lite) => {
                sqlx::query_as::<_, $raw>($crate::infra::store::sql::lite::$table::$name)$(.bind($arg))*.$how(&lite.read).await
            }
        }
        .map_err($crate::infra::store::Error::database(
            $crate::infra::store::conn::name_of($crate::infra::store::sql::pg::$table::$name),
        ))
    };
}

/// Reads on a connection: `fetch!(fetch_all, conn, due::LEASE, LeasedRaw, token)`.
macro_rules! fetch {
    ($how:ident, $conn:expr, $table:ident :: $name:ident, $raw:ty $(, $arg:expr)* $(,)?) => {
        match &mut $conn {
            $crate::infra::store::conn::Conn::Pg(conn) => {
                sqlx::query_as::<_, $raw>($crate::infra::store::sql::pg::$table::$name)$(.bind($arg))*.$how(&mut **conn).await
            }
            $crate::infra::store::conn::Conn::Lite(conn) => {
                sqlx::query_as::<_, $raw>($crate::infra::store::sql::lite::$table::$name)$(.bind($arg))*.$how(&mut **conn).await
            }
        }
        .map_err($crate::infra::store::Error::database(
            $crate::infra::store::conn::name_of($crate::infra::store::sql::pg::$table::$name),
        ))
    };
}

/// Changes rows on a connection and gives their number: `execute!(conn, job::INSERT, id, …)`.
macro_rules! execute {
    ($conn:expr, $table:ident :: $name:ident $(, $arg:expr)* $(,)?) => {
        match &mut *$conn {
            $crate::infra::store::conn::Conn::Pg(conn) => {
                let query = sqlx::query($crate::infra::store::sql::pg::$table::$name)$(.bind($arg))*;
                query.execute(&mut **conn).await.map(|done| done.rows_affected())
            }
            $crate::infra::store::conn::Conn::Lite(conn) => {
                let query = sqlx::query($crate::infra::store::sql::lite::$table::$name)$(.bind($arg))*;
                query.execute(&mut **conn).await.map(|done| done.rows_affected())
            }
        }
        .map_err($crate::infra::store::Error::database(
            $crate::infra::store::conn::name_of($crate::infra::store::sql::pg::$table::$name),
        ))
    };
}

/// The columns of a SELECT in their order. Read by place, so that several tables fit into one row ([`scene`](super::scene)).
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty,)+ }) => {
        $(#[$doc])*
        pub(in crate::infra::store) struct $name {
            $(pub(in crate::infra::store) $field: $ty,)+
        }

        impl $name {
            /// How many columns it has.
            pub(in crate::infra::store) const WIDTH: usize = [$(stringify!($field)),+].len();

            /// Reads the columns from place `first` on; in debug builds their names are compared, too.
            pub(in crate::infra::store) fn at<'r, R>(row: &'r R, first: usize) -> sqlx::Result<Self>
            where
                R: sqlx::Row,
                usize: sqlx::ColumnIndex<R>,
                $($ty: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)+
            {
                let mut places = first..first + Self::WIDTH;
                Ok(Self { $($field: {
                    let place = places.next().unwrap_or(usize::MAX);
                    debug_assert!(
                        row.columns().get(place).is_some_and(|c| sqlx::Column::name(c) == stringify!($field)),
                        "column {place} is not {}", stringify!($field),
                    );
                    row.try_get(place)?
                },)+ })
            }
        }

        impl<'r, R> sqlx::FromRow<'r, R> for $name
        where
            R: sqlx::Row,
            usize: sqlx::ColumnIndex<R>,
            $($ty: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> sqlx::Result<Self> {
                Self::at(row, 0)
            }
        }
    };
}
