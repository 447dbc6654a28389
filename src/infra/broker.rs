//! The bus: where requests come from and events go to.
//!
//! The embedded one is a table that the admin API reads; requests then come by HTTP alone. The other is a broker that speaks AMQP
//! 0-9-1 ([`amqp`]). What is common to both: events leave the outbox ([`store::event`](super::store::event)), and while too many
//! wait there nothing new is taken in ([`pressure`]).

pub mod amqp;
pub mod backoff;
pub mod pressure;
pub mod settings;

use std::sync::Arc;

use super::store::Store;

pub use amqp::Amqp;
pub use pressure::Pressure;
pub use settings::{BusUrl, Settings};

/// The bus, ready to be used.
#[derive(Clone)]
pub enum Broker {
    /// Events are a table of the database, read at `/api/v1/events`.
    Embedded(Store),
    /// A broker; whether it can be reached shows when it is.
    Amqp(Arc<Amqp>),
}

impl Broker {
    /// The bus of the settings.
    ///
    /// # Errors
    /// If a file that the settings name cannot be read.
    pub fn open(settings: &Settings, store: Store) -> Result<Self, amqp::Error> {
        match &settings.url {
            BusUrl::Embedded => Ok(Self::Embedded(store)),
            BusUrl::Amqp(url) => Amqp::open(settings, url.clone()).map(|amqp| Self::Amqp(Arc::new(amqp))),
        }
    }

    /// The broker, if there is one.
    #[must_use]
    pub fn amqp(&self) -> Option<&Arc<Amqp>> {
        match self {
            Self::Embedded(_) => None,
            Self::Amqp(amqp) => Some(amqp),
        }
    }
}
