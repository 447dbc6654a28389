//! `[database]`.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::model::clock::span;

/// The section `[database]` of the settings.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `sqlite://FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`.
    pub url: String,
    /// Connections at most that read for devices. SQLite: connections that read, beside the one that writes.
    pub connections: u32,
    /// PostgreSQL: how many transactions write units at the same time; each has the units of its share of the devices.
    pub writers: u32,
    /// Units in one transaction at most.
    pub batch: usize,
    /// How long to wait for a free connection.
    #[serde(with = "span")]
    pub acquire_timeout: Duration,
    /// PostgreSQL: how long one statement for a device may take; 0 is without end.
    #[serde(with = "span")]
    pub statement_timeout: Duration,
    /// PostgreSQL: how long a statement waits for a lock that somebody else holds; 0 is without end.
    #[serde(with = "span")]
    pub lock_timeout: Duration,
    /// PostgreSQL: how long a transaction may rest before the server ends it; 0 is without end.
    #[serde(with = "span")]
    pub idle_in_transaction_timeout: Duration,
    /// PostgreSQL: whether the service brings the schema up to date when it starts. If not, `scomo migrate` must have done so.
    pub migrate: bool,
    /// PostgreSQL: whether replicas tell each other at once of what became due, instead of looking for it.
    pub notify: bool,
    /// PostgreSQL: the connections of what the service does by itself.
    pub flow: Pool,
    /// PostgreSQL: the connections of the API.
    pub admin: Pool,
}

/// `[database.flow]` and `[database.admin]`: connections of their own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Connections at most.
    pub connections: u32,
    /// How long one statement may take; 0 is without end.
    #[serde(with = "span")]
    pub statement_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "sqlite://scomo.db".to_owned(),
            connections: 10,
            writers: 2,
            batch: 256,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(3),
            idle_in_transaction_timeout: Duration::from_secs(10),
            migrate: true,
            notify: false,
            flow: Pool { connections: 8, statement_timeout: Duration::from_secs(30) },
            admin: Pool { connections: 4, statement_timeout: Duration::from_secs(15) },
        }
    }
}

impl Settings {
    /// The file of a SQLite database.
    #[must_use]
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let rest = self.url.strip_prefix("sqlite:")?;
        let path = rest.strip_prefix("//").unwrap_or(rest).split('?').next().unwrap_or_default();
        (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(path))
    }

    /// Whether it is a PostgreSQL database.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
    }
}

impl fmt::Debug for Settings {
    /// Without the URL's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match url::Url::parse(&self.url) {
            Ok(mut url) if url.password().is_some() => {
                let _ = url.set_password(Some("…"));
                url.to_string()
            }
            Ok(_) | Err(_) => self.url.split('@').next_back().unwrap_or_default().to_owned(),
        };
        f.debug_struct("Settings")
            .field("url", &url)
            .field("connections", &self.connections)
            .field("writers", &self.writers)
            .field("batch", &self.batch)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("idle_in_transaction_timeout", &self.idle_in_transaction_timeout)
            .field("migrate", &self.migrate)
            .field("notify", &self.notify)
            .field("flow", &self.flow)
            .field("admin", &self.admin)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Settings {
        Settings { url: url.to_owned(), ..Settings::default() }
    }

    #[test]
    fn a_password_is_not_printed() {
        assert!(!format!("{:?}", of("postgres://scomo:hunter2@db/scomo")).contains("hunter2"));
    }

    #[test]
    fn the_file_is_found_in_the_url() {
        assert_eq!(of("sqlite:///var/lib/scomo.db?x=1").sqlite_file(), Some("/var/lib/scomo.db".into()));
        assert_eq!(of("sqlite://scomo.db").sqlite_file(), Some("scomo.db".into()));
        assert_eq!(of("sqlite::memory:").sqlite_file(), None);
        assert!(of("postgres://db/scomo").is_postgres());
    }
}
