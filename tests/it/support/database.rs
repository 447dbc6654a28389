//! A fresh database for each test: SQLite in a temporary directory, or one of a PostgreSQL server, dropped afterwards.

use std::{io::Write as _, path::PathBuf, str::FromStr, sync::Arc, thread};

use scomo::{
    infra::{
        store::{Error, Keys, Settings, Store},
        system::SystemMint,
    },
    model::{clock::Mint, secret::Secret},
};
use sqlx::{
    AssertSqlSafe, Connection, Executor, FromRow, PgConnection, SqliteConnection,
    postgres::{PgConnectOptions, PgRow},
    sqlite::SqliteRow,
};
use tempfile::TempDir;

use super::clock::SetClock;

/// URL of a maintenance database whose server may be filled with test databases; `tests/run` sets it.
pub(crate) const POSTGRES: &str = "SCOMO_TEST_POSTGRES";

/// A database of one test.
pub(crate) struct Database {
    pub(crate) settings: Settings,
    pub(crate) keys: Vec<Secret>,
    pub(crate) clock: Arc<SetClock>,
    dir: TempDir,
    /// Dropped last.
    created: Option<Created>,
}

/// A PostgreSQL database that was created for a test.
struct Created {
    maintenance: String,
    name: String,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("scomo.db").display());
        Self::of(url, dir, None)
    }

    /// `None` if no server is given.
    pub(crate) async fn postgres() -> Option<Self> {
        let maintenance = std::env::var(POSTGRES).ok()?;
        let mut digits = [0; 8];
        SystemMint::new().fill(&mut digits);
        let name = format!("scomo_test_{:016x}", u64::from_be_bytes(digits));
        run(&maintenance, &format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&maintenance).unwrap();
        url.set_path(&name);
        Some(Self::of(url.to_string(), tempfile::tempdir().unwrap(), Some(Created { maintenance, name })))
    }

    fn of(url: String, dir: TempDir, created: Option<Created>) -> Self {
        Self {
            settings: Settings { url, ..Settings::default() },
            keys: vec![Keys::fresh()],
            clock: Arc::new(SetClock::at("2026-11-20T12:00:00Z")),
            dir,
            created,
        }
    }

    /// Opens the store; also again after it was closed.
    pub(crate) async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Store, Error> {
        let clock = Arc::clone(&self.clock);
        Store::open(&self.settings, Keys::parse(&self.keys).unwrap(), clock).await
    }

    /// The name of a PostgreSQL database.
    pub(crate) fn name(&self) -> &str {
        self.created.as_ref().map_or("", |created| &created.name)
    }

    /// Runs one statement behind the store's back.
    pub(crate) async fn raw(&self, statement: &str) {
        if self.settings.is_postgres() {
            run(&self.settings.url, statement).await;
        } else {
            let mut connection = SqliteConnection::connect(&self.settings.url).await.unwrap();
            connection.execute(AssertSqlSafe(statement)).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    /// The rows that one statement reads behind the store's back.
    pub(crate) async fn rows<T>(&self, statement: &str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let statement = AssertSqlSafe(statement);
        if self.settings.is_postgres() {
            let mut connection = PgConnection::connect(&self.settings.url).await.unwrap();
            sqlx::query_as(statement).fetch_all(&mut connection).await.unwrap()
        } else {
            let mut connection = SqliteConnection::connect(&self.settings.url).await.unwrap();
            sqlx::query_as(statement).fetch_all(&mut connection).await.unwrap()
        }
    }

    /// The database file of SQLite.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("scomo.db")
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        let (maintenance, statement) =
            (self.maintenance.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&maintenance, &statement));
        });
        let _ = dropping.join();
    }
}

/// Says that a test needs a server; past the harness, which would keep it to itself.
pub(crate) fn skipped(test: &str) {
    let _ = writeln!(std::io::stderr(), "skipped on PostgreSQL, {POSTGRES} is not set (tests/run sets it): {test}");
}

/// Runs one statement on a server.
pub(crate) async fn run(url: &str, statement: &str) {
    let options = PgConnectOptions::from_str(url).unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}

/// Makes a test of a `async fn` that takes a [`Database`] for each kind of database. Without a server the PostgreSQL one says
/// that it was skipped.
macro_rules! on_each_database {
    ($(async fn $name:ident($db:ident: Database) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test($db: Database) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                test(Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                match Database::postgres().await {
                    Some(db) => test(db).await,
                    None => $crate::support::database::skipped(module_path!()),
                }
            }
        }
    )+};
}
pub(crate) use on_each_database;
