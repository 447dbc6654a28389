//! Opening and closing.

use std::{
    fs::{File, TryLockError},
    path::Path,
    str::FromStr,
    sync::Arc,
};

use sqlx::{
    SqlitePool,
    pool::PoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use tokio::sync::Notify;

use crate::model::clock::{Clock, Timestamp};

use super::{
    Core, Doors, Error, Keys, Settings, Store,
    conn::{Inner, Lite, Pg},
    loads::Loads,
    migrate,
    pools::Pools,
    seal::beside,
    writer::Lanes,
};

impl Store {
    /// Opens the database, brings its schema up to date and starts the writers on the present runtime.
    ///
    /// # Errors
    /// [`Error`] says what to do about it.
    pub async fn open(settings: &Settings, keys: Keys, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let (keys, news) = (Arc::new(keys), Arc::new(Notify::new()));
        let (cores, lanes) = if settings.is_postgres() {
            Box::pin(migrate::postgres(settings)).await?; // large, and over soon
            let Pools { device, writers, flow, admin } = Pools::of(settings)?;
            let loads = Loads::start(&device);
            let core = |pool| {
                let inner = Inner::Pg(Pg { pool, loads: loads.clone() });
                Arc::new(Core { inner, keys: Arc::clone(&keys), clock: Arc::clone(&clock), news: Arc::clone(&news) })
            };
            ([core(device), core(flow), core(admin), core(writers)], settings.writers.max(1))
        } else {
            let file = settings.sqlite_file().ok_or_else(|| Error::Url("no file is named".to_owned()))?;
            let inner = Inner::Lite(sqlite(settings, &file).await?);
            let core = Arc::new(Core { inner, keys, clock, news });
            (std::array::from_fn(|_| Arc::clone(&core)), 1)
        };
        let [device, flow, admin, writers] = cores;
        let (lanes, mailboxes) = Lanes::new(lanes, settings.batch);
        let core = Arc::clone(&device);
        let doors = Arc::new(Doors { device, flow, admin, writers });
        let store = Self { core, doors, lanes: Arc::new(lanes) };
        store.check_age().await?;
        store.start(mailboxes);
        Ok(store)
    }

    /// Runs the steps of the schema that older binaries cannot live with, and says how many there were. Nothing else may have the
    /// database open with an older release.
    ///
    /// # Errors
    /// [`Error::Migrate`]
    pub async fn finish_schema(&self, settings: &Settings) -> Result<usize, Error> {
        match &self.core.inner {
            Inner::Pg(_) => migrate::finish_postgres(settings).await,
            Inner::Lite(lite) => migrate::finish_sqlite(&lite.write).await,
        }
    }

    /// Writes what waits, then closes every connection. What is handed in later is refused.
    pub async fn close(&self) {
        self.lanes.drain().await;
        let Doors { device, flow, admin, writers } = self.doors.as_ref();
        for core in [device, flow, admin, writers] {
            core.inner.close().await;
        }
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
        let (oldest,): (String,) = read!(fetch_one, self.core, schema::SERVES, (String,))?;
        migrate::young_enough(&oldest)
    }
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
    migrate::sqlite(&write).await?;
    let read = pool(settings.connections.max(1)).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Lite { read, write, _lock: lock })
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
