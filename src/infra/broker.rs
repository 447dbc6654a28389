//! The bus: where events go. There is one so far, the embedded one: a table that the admin API reads.

use serde::{Deserialize, Serialize};

use super::store::{self, Store};

/// Which bus.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `embedded:`.
    pub url: String,
}

/// Why the bus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names a bus that this binary does not speak.
    #[error("bus.url = {0:?}: this version has the bus `embedded:` alone")]
    Url(String),
}

/// The opened bus.
#[derive(Clone)]
pub enum Broker {
    /// Events are a table of the database, read at `/api/v1/events`.
    Embedded(Store),
}

impl Broker {
    /// Opens the bus that the settings name.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn open(settings: &Settings, store: Store) -> Result<Self, Error> {
        match settings.url.as_str() {
            "embedded:" => Ok(Self::Embedded(store)),
            other => Err(Error::Url(other.to_owned())),
        }
    }

    /// Publishes at most `limit` events of the outbox, in their order, and says how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn relay(&self, limit: u32) -> Result<u64, store::Error> {
        match self {
            Self::Embedded(store) => store.publish_embedded(limit).await,
        }
    }
}
