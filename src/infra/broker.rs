//! The bus: where events go. There is one so far, the embedded one: a table that the admin API reads.

use super::store::{self, Store};

/// The opened bus.
#[derive(Clone)]
pub enum Broker {
    /// Events are a table of the database, read at `/api/v1/events`.
    Embedded(Store),
}

impl Broker {
    /// The embedded bus.
    #[must_use]
    pub const fn open(store: Store) -> Self {
        Self::Embedded(store)
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
