//! Connections to PostgreSQL: one pool for each door, so that what floods one does not starve the others, and each connection with its
//! time-outs.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::{sleep, timeout};

use super::{Error, Settings, error::heals_while_connecting};

/// A connection that rested so long is tried before it is used.
const IDLE: Duration = Duration::from_secs(5);

/// The pause between two tries to connect at the start.
const AGAIN: Duration = Duration::from_millis(200);

/// The oldest PostgreSQL that serves, as `server_version_num` counts.
const OLDEST_SERVER: i32 = 130_000;

/// Where a device waits, rows are found by their keys, whatever the tables hold. Left to its own, the planner joins whole tables where
/// its statistics are old (a device message then takes 40 ms), and it plans a statement over arrays anew for each batch.
const BY_KEY: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
];

/// The pools of one process.
pub(super) struct Pools {
    /// Loads of device messages, downloads.
    pub(super) device: PgPool,
    /// The writers of units, each of which has one connection: what fills the other pools never keeps them from writing.
    pub(super) writers: PgPool,
    /// What the service does by itself.
    pub(super) flow: PgPool,
    /// The API.
    pub(super) admin: PgPool,
}

impl Pools {
    /// The pools, of which none has a connection yet.
    pub(super) fn of(settings: &Settings) -> Result<Self, Error> {
        let options = options(settings)?;
        let pool = |connections: u32, statement: Duration, more: &[(&str, &str)]| {
            let options = timed(options.clone(), settings, statement).options(more.iter().copied());
            pool(settings, connections).connect_lazy_with(options)
        };
        let usual = settings.statement_timeout;
        // The filters of lists are parameters: only with their values does the planner find the right index.
        let lists = [("plan_cache_mode", "force_custom_plan")];
        Ok(Self {
            device: pool(settings.connections, usual, &BY_KEY),
            writers: pool(settings.writers, usual, &BY_KEY),
            flow: pool(settings.flow.connections, settings.flow.statement_timeout, &[]),
            admin: pool(settings.admin.connections, settings.admin.statement_timeout, &lists),
        })
    }
}

fn pool(settings: &Settings, connections: u32) -> PoolOptions<sqlx::Postgres> {
    PoolOptions::new()
        .max_connections(connections.max(1))
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
}

fn options(settings: &Settings) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(&settings.url).map_err(|e| Error::Url(e.to_string()))?;
    Ok(options.application_name("scomo"))
}

/// With the time-outs of a pool, which the server keeps.
fn timed(options: PgConnectOptions, settings: &Settings, statement: Duration) -> PgConnectOptions {
    options.options([
        ("statement_timeout", statement.as_millis()),
        ("lock_timeout", settings.lock_timeout.as_millis()),
        ("idle_in_transaction_session_timeout", settings.idle_in_transaction_timeout.as_millis()),
    ])
}

/// A connection of its own, without time-outs, to a server that is new enough. What may heal in a moment, as a server that is just
/// starting, is tried again for as long as one waits for a connection; then the supervisor has to.
pub(super) async fn first(settings: &Settings) -> Result<PgConnection, Error> {
    let options = options(settings)?;
    let mut last = None;
    let trying = async {
        loop {
            match options.connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) if heals_while_connecting(&error) => last = Some(error),
                Err(error) => return Err(error),
            }
            sleep(AGAIN).await;
        }
    };
    let connected = timeout(settings.acquire_timeout, trying).await;
    let connected = connected.unwrap_or_else(|_| Err(last.unwrap_or(sqlx::Error::PoolTimedOut)));
    let mut connection =
        connected.map_err(|source| Error::Connect { place: place(&options), source: source.into() })?;
    let (number, name): (i32, String) =
        sqlx::query_as("SELECT current_setting('server_version_num')::integer, current_setting('server_version')")
            .fetch_one(&mut connection)
            .await
            .map_err(Error::database("tell its version"))?;
    serves(number, name)?;
    Ok(connection)
}

/// Whether a PostgreSQL of this version will do.
fn serves(number: i32, name: String) -> Result<(), Error> {
    if number < OLDEST_SERVER { Err(Error::TooOldServer { found: name }) } else { Ok(()) }
}

/// Where the database is, without the password.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let tls = if matches!(options.get_ssl_mode(), PgSslMode::Disable) { ", without TLS" } else { "" };
    let server = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |socket| format!("{}, port {}", socket.display(), options.get_port()),
    );
    format!("{server} (database {database}, user {}{tls})", options.get_username())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_older_than_13_is_refused_by_its_version() {
        assert!(serves(130_000, "13.0".to_owned()).is_ok());
        assert!(serves(180_001, "18.1".to_owned()).is_ok());
        let refused = serves(120_022, "12.22 (Debian)".to_owned()).unwrap_err().to_string();
        assert_eq!(refused, "PostgreSQL 12.22 (Debian) is too old; version 13 or later is needed");
    }

    #[test]
    fn a_place_has_no_password() {
        let options = PgConnectOptions::from_str("postgres://scomo:hunter2@db.example:5433/fleet").unwrap();
        assert_eq!(place(&options), "db.example:5433 (database fleet, user scomo)");
    }
}
