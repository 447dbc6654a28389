//! Opening and closing.

use std::{
    fs::{File, TryLockError},
    path::Path,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use semver::Version;
use sqlx::{
    Connection, PgConnection, PgPool, SqlitePool,
    migrate::Migrator,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::model::clock::{Clock, Timestamp};

use super::{
    Core, Error, Keys, Settings, Store,
    conn::{Inner, Lite, Pg},
    loads::Loads,
    seal::beside,
    writer::Lanes,
};

static PG: Migrator = sqlx::migrate!("migrations/postgres");
static LITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// The oldest PostgreSQL that serves, as `server_version_num` counts.
const OLDEST_SERVER: i64 = 130_000;

/// A connection that rested so long is tried before it is used.
const IDLE: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the database, brings its schema up to date and starts the writers on the present runtime.
    ///
    /// # Errors
    /// [`Error`] says what to do about it.
    pub async fn open(settings: &Settings, keys: Keys, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let inner = if settings.is_postgres() {
            let pool = postgres(settings).await?;
            Inner::Pg(Pg { loads: Loads::start(&pool), pool })
        } else {
            let file = settings.sqlite_file().ok_or_else(|| Error::Url("no file is named".to_owned()))?;
            Inner::Lite(sqlite(settings, &file).await?)
        };
        let lanes = match inner {
            Inner::Pg(_) => settings.writers.max(1),
            Inner::Lite(_) => 1,
        };
        let (lanes, mailboxes) = Lanes::new(lanes, settings.batch);
        let core = Arc::new(Core { inner, keys, clock });
        let store = Self { core, lanes: Arc::new(lanes) };
        store.check_age().await?;
        store.start(mailboxes);
        Ok(store)
    }

    /// Writes what waits, then closes every connection. What is handed in later is refused.
    pub async fn close(&self) {
        self.lanes.drain().await;
        self.core.inner.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        let (_oldest,): (String,) = read!(fetch_one, self.core, schema::SERVES, (String,))?;
        Ok(())
    }

    /// What the database's clock says.
    pub async fn time(&self) -> Result<Timestamp, Error> {
        let (micros,): (i64,) = read!(fetch_one, self.core, schema::NOW, (i64,))?;
        Ok(Timestamp::from_micros(micros))
    }

    /// Whether the database can be written to. Nothing is changed.
    pub async fn can_write(&self) -> Result<(), Error> {
        let mut tx = self.core.inner.begin().await?;
        execute!(&mut tx.conn(), schema::TOUCH)?;
        tx.rollback().await.map_err(Error::database("schema.touch"))
    }

    async fn check_age(&self) -> Result<(), Error> {
        const THIS: &str = env!("CARGO_PKG_VERSION");
        let (oldest,): (String,) = read!(fetch_one, self.core, schema::SERVES, (String,))?;
        let parse = |text: &str| Version::parse(text).map_err(Error::bad_row("schema_info", "oldest_binary", 1));
        if parse(THIS)? < parse(&oldest)? { Err(Error::TooOldBinary { oldest, this: THIS }) } else { Ok(()) }
    }
}

async fn postgres(settings: &Settings) -> Result<PgPool, Error> {
    let options = PgConnectOptions::from_str(&settings.url).map_err(|e| Error::Url(e.to_string()))?;
    let pool = PoolOptions::new()
        .max_connections(settings.connections.max(settings.writers + 1))
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut PgConnection, meta| {
            Box::pin(async move {
                if meta.idle_for > IDLE {
                    connection.ping().await?; // it may have died with a restart of the server
                }
                Ok(true)
            })
        })
        .connect_with(options.application_name("scomo"))
        .await
        .map_err(Error::database("connect"))?;
    let (number, name): (i32, String) =
        sqlx::query_as("SELECT current_setting('server_version_num')::integer, current_setting('server_version')")
            .fetch_one(&pool)
            .await
            .map_err(Error::database("tell its version"))?;
    if i64::from(number) < OLDEST_SERVER {
        return Err(Error::TooOldServer { found: name });
    }
    newer_schemas_serve(&PG).run(&pool).await.map_err(|e| Error::Migrate(Box::new(e)))?;
    Ok(pool)
}

async fn sqlite(settings: &Settings, file: &Path) -> Result<Lite, Error> {
    let lock = lock(file)?;
    let options = SqliteConnectOptions::from_str(&settings.url)
        .map_err(|e| Error::Url(e.to_string()))?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(settings.acquire_timeout);
    let pool = |connections: u32| {
        PoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let write: SqlitePool = pool(1).connect_with(options.clone()).await.map_err(Error::database("open"))?;
    newer_schemas_serve(&LITE).run(&write).await.map_err(|e| Error::Migrate(Box::new(e)))?;
    let read = pool(settings.connections.max(1)).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Lite { read, write, _lock: lock })
}

/// Migrations of a later release do not stop this one: `schema_info` says whether the schema still serves it.
fn newer_schemas_serve(migrator: &Migrator) -> Migrator {
    let mut migrator = Migrator { migrations: migrator.migrations.clone(), ..Migrator::DEFAULT };
    migrator.set_ignore_missing(true);
    migrator
}

/// Keeps a second server away, for as long as the file is open.
fn lock(database: &Path) -> Result<File, Error> {
    let path = beside(database, "lock");
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|source| Error::LockFile { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Held { path: database.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::LockFile { path, source }),
    }
}
