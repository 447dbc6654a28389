//! `RabbitMQ`, or what else speaks AMQP 0-9-1 as it does: topology and properties of contract "Bus".
//!
//! A [`Link`] is one connection. It is never mended behind its user's back: what fails says so, the user drops the link and
//! connects anew after a pause ([`Backoff`](super::backoff::Backoff)), so that nobody believes in deliveries or confirms of a
//! connection that is no more. Taking requests in and telling events use a link each: a broker that is short of memory stops
//! connections that publish, and must not stop acknowledgements with them.

mod error;
mod inbox;
mod outlet;
mod outside;
mod topology;

use std::{
    fs,
    path::Path,
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures_util::StreamExt as _;
use lapin::{
    Connection, ConnectionProperties, Event,
    tcp::{OwnedIdentity, OwnedTLSConfig},
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::settings::{AmqpUrl, BusUrl, Settings};
use error::Blame;

pub use error::Error;
pub use inbox::{Delivery, Inbox, Kind};
pub use outlet::{ERROR_HEADER, Fate, Message, Outlet};
pub use outside::Heard;

/// How long the broker may take to open a connection, or to end one in order.
const PATIENCE: Duration = Duration::from_secs(10);

/// A broker that may or may not be there.
pub struct Amqp {
    settings: Settings,
    url: AmqpUrl,
    tls: OwnedTLSConfig,
    /// How many links are open.
    open: AtomicU32,
}

/// One connection, and whether the broker has told it to wait.
pub struct Link<'a> {
    amqp: &'a Amqp,
    connection: Connection,
    state: watch::Receiver<State>,
    listening: JoinHandle<()>,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may be used.
    Open,
    /// The broker is short of memory or disk, and takes no more messages for now.
    Blocked,
    /// It is gone.
    Lost,
}

impl Amqp {
    /// Reads the files that the settings name.
    pub(super) fn open(settings: &Settings, url: AmqpUrl) -> Result<Self, Error> {
        let text =
            |key, path: &Path| fs::read(path).map_err(|source| Error::File { key, path: path.to_owned(), source });
        let ca = settings.ca_file.as_deref().map(|path| text("bus.ca_file", path)).transpose()?;
        let identity = match (&settings.client_cert, &settings.client_key) {
            (None, None) => None,
            (Some(cert), Some(key)) => {
                Some(OwnedIdentity::PKCS8 { pem: text("bus.client_cert", cert)?, key: text("bus.client_key", key)? })
            }
            (Some(_), None) | (None, Some(_)) => return Err(Error::HalfIdentity),
        };
        let tls = OwnedTLSConfig { identity, cert_chain: ca.map(|pem| String::from_utf8_lossy(&pem).into_owned()) };
        // TLS takes the provider of the process. Only a second call could fail.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { settings: settings.clone(), url, tls, open: AtomicU32::new(0) })
    }

    /// The broker of the settings for whoever stands on its other side; none if the bus is embedded.
    ///
    /// # Errors
    /// If a file that the settings name cannot be read.
    pub fn outside(settings: &Settings) -> Result<Option<Self>, Error> {
        match &settings.url {
            BusUrl::Embedded => Ok(None),
            BusUrl::Amqp(url) => Self::open(settings, url.clone()).map(Some),
        }
    }

    /// Opens a connection and looks after exchanges, queues and bindings; `purpose` is shown by the broker.
    ///
    /// # Errors
    /// [`Error`] says what to do about it.
    pub async fn connect(&self, purpose: &str) -> Result<Link<'_>, Error> {
        let blame = self.blame();
        let uri = self.url.uri(self.settings.heartbeat);
        let named = ConnectionProperties::default().with_connection_name(format!("scomo {purpose}").into());
        let runtime = lapin::runtime::default_runtime().map_err(|error| blame.opening(error))?;
        let opening = Connection::connect_uri_with_config(uri, named, self.tls.clone(), runtime);
        let connection = timeout(PATIENCE, opening).await.map_err(|_| blame.silent())?;
        let connection = connection.map_err(|error| blame.opening(error))?;
        let (tell, state) = watch::channel(State::Open);
        let listening = tokio::spawn(listen(connection.events_listener(), tell));
        self.open.fetch_add(1, Ordering::Relaxed);
        let link = Link { amqp: self, connection, state, listening };
        link.prepare().await?;
        Ok(link)
    }

    /// Whether a connection is open.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// How it was set up.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    fn blame(&self) -> Blame {
        Blame::of(&self.url)
    }
}

impl Link<'_> {
    /// How the connection stands now.
    #[must_use]
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Waits until the broker takes messages; says whether it does, or the connection is gone.
    pub async fn writable(&self) -> bool {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| *state != State::Blocked).await;
        settled.is_ok_and(|state| *state == State::Open)
    }

    /// Waits until the connection is gone.
    pub async fn lost(&self) {
        let mut state = self.state.clone();
        // An error means that nobody listens any more, which is the same.
        let _ = state.wait_for(|state| *state == State::Lost).await;
    }

    /// What to say when the connection is gone.
    #[must_use]
    pub fn gone(&self) -> Error {
        self.amqp.blame().doing("wait for", "its connection", lapin::ErrorKind::MissingHeartbeatError.into())
    }

    /// Ends the connection in order, as far as the broker still listens.
    pub async fn close(self) {
        let _ = timeout(PATIENCE, self.connection.close(200, "done".into())).await;
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        self.listening.abort();
        self.amqp.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hears what the broker says of the connection itself.
#[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
async fn listen(events: impl futures_util::Stream<Item = Event> + Send, tell: watch::Sender<State>) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(reason, "The broker takes no messages for now: it is short of memory or disk");
                tell.send_replace(State::Blocked);
            }
            Event::ConnectionUnblocked => {
                tracing::info!("The broker takes messages again");
                tell.send_replace(State::Open);
            }
            Event::Error(_) => break,
            Event::Connected | Event::SendFlow(_) | _ => {}
        }
    }
    tell.send_replace(State::Lost);
}
