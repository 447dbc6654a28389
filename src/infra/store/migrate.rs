//! The schema and its age.
//!
//! Migrations only add: a binary of the release before goes on working on the schema that they leave. What such a binary could not
//! live with is a step of `migrations/…/finish`, which an operator runs by `scomo migrate --finish` once none of them is left; the
//! step itself raises `schema_info.oldest_binary`, and older binaries refuse to start from then on.

use std::time::Duration;

use semver::Version;
use sqlx::{
    Connection as _, Executor as _, PgConnection, SqlitePool,
    migrate::{Migrate, MigrateError, Migrator},
};
use tokio::time::sleep;

use super::{Error, Settings, error::is_locked, pools};

static PG: Migrator = sqlx::migrate!("migrations/postgres");
static LITE: Migrator = sqlx::migrate!("migrations/sqlite");
static PG_FINISH: Migrator = sqlx::migrate!("migrations/postgres/finish");
static LITE_FINISH: Migrator = sqlx::migrate!("migrations/sqlite/finish");

/// Where it is written down what has been run.
const TABLE: &str = "_sqlx_migrations";
const FINISH_TABLE: &str = "_sqlx_finish";

/// How long one that starts waits for another that migrates.
const PATIENCE: Duration = Duration::from_mins(5);

/// How often a step is tried again that met a table in use, and after what pause. A step that waits for a lock keeps everybody who
/// comes later from that table, so it waits in short turns.
const TURNS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// Brings PostgreSQL's schema up to date, or says that it is not, over a connection of its own. Any number of processes may do so at the same time.
pub(super) async fn postgres(settings: &Settings) -> Result<(), Error> {
    let mut connection = pools::first(settings).await?;
    let (present, age) = (is_there(&mut connection, TABLE).await?, oldest_binary(&mut connection).await?);
    if let Some(oldest) = age {
        young_enough(&oldest)?;
    }
    if !present || !is_current(&mut connection, &PG, TABLE).await? {
        if !settings.migrate {
            return Err(Error::SchemaBehind);
        }
        run_locked(&mut connection, &PG, TABLE).await?;
    }
    connection.close().await.map_err(Error::database("close"))
}

/// Brings SQLite's schema up to date; the lock file has kept others away.
pub(super) async fn sqlite(pool: &SqlitePool) -> Result<(), Error> {
    let mut connection = pool.acquire().await.map_err(Error::database("open"))?;
    run(&mut *connection, &LITE, TABLE).await
}

/// Runs the steps that older binaries cannot live with, and gives how many there were.
pub(super) async fn finish_postgres(settings: &Settings) -> Result<usize, Error> {
    let mut connection = pools::first(settings).await?;
    let steps = pending(&mut connection, &PG_FINISH).await?;
    if steps > 0 {
        run_locked(&mut connection, &PG_FINISH, FINISH_TABLE).await?;
    }
    connection.close().await.map_err(Error::database("close"))?;
    Ok(steps)
}

/// The same for SQLite.
pub(super) async fn finish_sqlite(pool: &SqlitePool) -> Result<usize, Error> {
    let mut connection = pool.acquire().await.map_err(Error::database("open"))?;
    finish(&mut *connection, &LITE_FINISH).await
}

async fn finish<C: Migrate>(connection: &mut C, migrator: &Migrator) -> Result<usize, Error> {
    let steps = pending(connection, migrator).await?;
    if steps > 0 {
        run(connection, migrator, FINISH_TABLE).await?;
    }
    Ok(steps)
}

/// Whether this binary may use the schema.
pub(super) fn young_enough(oldest: &str) -> Result<(), Error> {
    const THIS: &str = env!("CARGO_PKG_VERSION");
    let parse = |text: &str| Version::parse(text).map_err(Error::bad_row("schema_info", "oldest_binary", 1));
    if parse(THIS)? < parse(oldest)? {
        return Err(Error::TooOldBinary { oldest: oldest.to_owned(), this: THIS });
    }
    Ok(())
}

async fn is_there(connection: &mut PgConnection, table: &str) -> Result<bool, Error> {
    let found = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(connection).await;
    found.map_err(Error::database("schema.look"))
}

/// What the schema says of itself, if there is one.
async fn oldest_binary(connection: &mut PgConnection) -> Result<Option<String>, Error> {
    if !is_there(connection, "schema_info").await? {
        return Ok(None);
    }
    let oldest = sqlx::query_scalar("SELECT oldest_binary FROM schema_info").fetch_optional(connection).await;
    oldest.map_err(Error::database("schema.serves"))
}

/// Whether nothing is left to run: then no lock is taken and nothing written, also not where nothing can be written.
async fn is_current<C: Migrate>(connection: &mut C, migrator: &Migrator, table: &str) -> Result<bool, Error> {
    let applied = connection.list_applied_migrations(table).await.map_err(Error::migrate)?;
    Ok(migrator
        .iter()
        .all(|wanted| applied.iter().any(|found| found.version == wanted.version && found.checksum == wanted.checksum)))
}

async fn pending<C: Migrate>(connection: &mut C, migrator: &Migrator) -> Result<usize, Error> {
    if migrator.iter().next().is_none() {
        return Ok(0);
    }
    connection.ensure_migrations_table(FINISH_TABLE).await.map_err(Error::migrate)?;
    let applied = connection.list_applied_migrations(FINISH_TABLE).await.map_err(Error::migrate)?;
    Ok(migrator.iter().filter(|wanted| applied.iter().all(|found| found.version != wanted.version)).count())
}

/// Runs what is missing while nobody else does: the lock is the one that every release takes for this database.
async fn run_locked(connection: &mut PgConnection, migrator: &Migrator, table: &str) -> Result<(), Error> {
    set(connection, "lock_timeout", PATIENCE).await?;
    connection.lock().await.map_err(|error| {
        if met_lock(&error) { Error::MigrationBusy { waited: PATIENCE } } else { Error::migrate(error) }
    })?;
    set(connection, "lock_timeout", PAUSE).await?;
    let mut turn = 1;
    loop {
        match run(connection, migrator, table).await {
            Err(Error::Migrate(error)) if turn < TURNS && met_lock(&error) => turn += 1,
            result => {
                // The end of the connection gives the lock back, too.
                let _ = connection.unlock().await;
                return result;
            }
        }
        sleep(PAUSE).await;
    }
}

fn met_lock(error: &MigrateError) -> bool {
    matches!(error, MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) if is_locked(source))
}

async fn set(connection: &mut PgConnection, what: &'static str, to: Duration) -> Result<(), Error> {
    let statement = sqlx::query("SELECT set_config($1, $2, FALSE)").bind(what).bind(to.as_millis().to_string());
    connection.execute(statement).await.map(drop).map_err(Error::database("schema.lock"))
}

/// Runs what is missing. Migrations of a later release do not stop this one: `schema_info` says whether the schema still serves it.
async fn run<C: Migrate>(connection: &mut C, migrator: &Migrator, table: &str) -> Result<(), Error> {
    let mut own = Migrator { migrations: migrator.migrations.clone(), ..Migrator::DEFAULT };
    own.set_ignore_missing(true).set_locking(false);
    own.dangerous_set_table_name(table.to_owned());
    own.run_direct(None, connection, false).await.map_err(Error::migrate)
}

#[cfg(test)]
mod tests {
    use sqlx::{
        SqlSafeStr as _, SqliteConnection,
        migrate::{Migration, MigrationType},
    };

    use super::*;

    #[tokio::test]
    async fn a_step_that_finishes_the_schema_is_made_once_and_older_binaries_are_kept_away_from_then_on() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        run(&mut connection, &LITE, TABLE).await.unwrap();
        let oldest = async |connection: &mut SqliteConnection| -> String {
            sqlx::query_scalar("SELECT oldest_binary FROM schema_info").fetch_one(connection).await.unwrap()
        };
        young_enough(&oldest(&mut connection).await).unwrap();
        let step = "UPDATE schema_info SET oldest_binary = '99.0.0'".into_sql_str();
        let step = Migration::new(1, "raise".into(), MigrationType::Simple, step, false);
        let steps = Migrator::with_migrations(vec![step]);
        assert_eq!(finish(&mut connection, &steps).await.unwrap(), 1);
        assert_eq!(finish(&mut connection, &steps).await.unwrap(), 0, "it was made before");
        let refused = young_enough(&oldest(&mut connection).await).unwrap_err();
        assert!(matches!(refused, Error::TooOldBinary { .. }), "{refused:?}");
        assert!(is_current(&mut connection, &LITE, TABLE).await.unwrap());
    }
}
