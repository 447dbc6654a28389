//! Any number of devices at work: the shell around their pure core.

mod admin;
mod operations;
mod tasks;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::Url;
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use admin::{Admin, RegisterError};

use super::{
    device::Device,
    listen,
    observer::{Event, Observer},
    profile::{Ask, Profile},
    snapshot::Snapshot,
};
use crate::model::{
    clock::{Clock, Mint},
    secret::Secret,
};

/// What a fleet is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The DM server as the devices' accounts name it, e.g. `http://127.0.0.1:8080/dm`.
    pub server_url: String,
    /// The server's identifier in the accounts; nothing: the password alone decides.
    pub server_id: Option<String>,
    /// Where notifications are listened for; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The key that notifications are signed with; nothing: signatures are not looked at.
    pub webhook_key: Option<Secret>,
    /// The devices.
    pub profiles: Vec<Profile>,
    /// How many requests run at once.
    pub connections: usize,
}

impl Settings {
    /// Devices of these profiles for this server, on a free loopback port, with 64 requests at once.
    #[must_use]
    pub fn new(server_url: impl Into<String>, profiles: Vec<Profile>) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server_url = server_url.into();
        Self { server_url, server_id: None, listen, webhook_key: None, profiles, connections: 64 }
    }
}

/// Why a fleet cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two devices have the same id.
    #[error("two devices have the id `{id}`; change `id`, `first` or `count` of a [[device]]")]
    Twice {
        /// The id.
        id: String,
    },
    /// The listener's address cannot be used.
    #[error("notifications cannot be listened for on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// Devices at work; they stop when it is shut down or dropped.
pub struct Fleet {
    inner: Arc<Inner>,
}

/// One device of a fleet.
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
}

/// What the tasks of a fleet share.
pub(super) struct Inner {
    pub(super) webhook_key: Option<Secret>,
    server_url: String,
    address: SocketAddr,
    slots: BTreeMap<String, Arc<Slot>>,
    client: reqwest::Client,
    connections: Semaphore,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    under_way: watch::Sender<usize>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A device and what of it runs. The lock is never held across a wait.
pub(super) struct Slot(Mutex<State>);

struct State {
    device: Device,
    talking: bool,
    working: bool,
    done: Once,
    /// The last notification's `Idempotency-Key`.
    notification: Option<String>,
    /// How many answers of the download server were made up.
    made_up: usize,
}

/// What happens once in a device's life.
#[derive(Default)]
struct Once {
    /// The transfer that the profile breaks has been broken.
    broke: bool,
    /// The device has begun to ask for what its profile plans.
    begun: bool,
}

impl Fleet {
    /// Makes the devices and starts to listen. `mint` gives the seed of everything that chance decides.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn start(
        settings: Settings,
        clock: Arc<dyn Clock>,
        mint: &mut dyn Mint,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Error> {
        // Another part of the process may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let slots = make_devices(&settings, mint)?;
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_mins(1))
            .no_proxy()
            .build()
            .map_err(Error::Client)?;
        let refused = |source| Error::Listen { address: settings.listen, source };
        let listener = tokio::net::TcpListener::bind(settings.listen).await.map_err(refused)?;
        let inner = Arc::new(Inner {
            webhook_key: settings.webhook_key,
            server_url: settings.server_url,
            address: listener.local_addr().map_err(refused)?,
            slots,
            client,
            connections: Semaphore::new(settings.connections.max(1)),
            clock,
            observer,
            under_way: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let (router, stop) = (listen::router(Arc::clone(&inner)), inner.stop.clone());
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        inner.tasks.spawn(async move { served.await });
        Ok(Self { inner })
    }

    /// Where notifications are listened for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// The ids of all devices, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.inner.slots.keys().map(String::as_str)
    }

    /// A device by its id.
    #[must_use]
    pub fn device(&self, id: &str) -> Option<Handle> {
        Some(Handle { inner: Arc::clone(&self.inner), slot: self.inner.slot(id)? })
    }

    /// All devices, in the order of their ids.
    pub fn devices(&self) -> impl Iterator<Item = Handle> {
        let handle = |slot| Handle { inner: Arc::clone(&self.inner), slot: Arc::clone(slot) };
        self.inner.slots.values().map(handle)
    }

    /// Registers every device with the admin API; a device that is known there is brought up to date.
    ///
    /// Then the devices begin to ask for what their profiles plan.
    ///
    /// # Errors
    /// [`RegisterError`] of the first device that is refused.
    pub async fn register(&self, admin: &Admin) -> Result<(), RegisterError> {
        admin::register(&self.inner, admin).await?;
        self.begin();
        Ok(())
    }

    /// Lets the devices begin to ask for what their profiles plan; registration does it too, and once is enough.
    pub fn begin(&self) {
        self.inner.slots.values().for_each(|slot| self.inner.plan(slot));
    }

    /// Waits until no session, no transfer and no operation is under way.
    pub async fn idle(&self) {
        // The sender lives in `inner`, so the channel cannot be closed.
        let _ = self.inner.under_way.subscribe().wait_for(|under_way| *under_way == 0).await;
    }

    /// Stops everything at once, and waits until it has stopped.
    pub async fn shutdown(self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

impl Handle {
    /// Makes the device open a session of its own accord: alert 1201.
    pub fn start_session(&self) {
        self.slot.lock().device.want_session();
        self.inner.talk(&self.slot);
    }

    /// Makes the device ask for something by an alert in a session of its own (SCOMO sheet 4.4).
    pub fn ask(&self, ask: &Ask) {
        self.inner.ask(&self.slot, ask);
    }

    /// The device as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.slot.lock().device.snapshot()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> String {
        self.slot.lock().device.id().to_owned()
    }
}

impl Slot {
    /// The device's profile.
    pub(super) fn profile(&self) -> Arc<Profile> {
        Arc::clone(self.lock().device.profile())
    }

    /// Whether something of this probability happens to the device now.
    pub(super) fn chance(&self, probability: f64) -> bool {
        self.lock().device.chance(probability)
    }

    /// Adds to what has happened on the device; the observer is told with the next step.
    pub(super) fn note(&self, event: Event) {
        self.lock().device.note(event);
    }

    /// What the download server's next answer is made up to be, if it is.
    fn next_answer(&self, all: &[u16]) -> Option<u16> {
        let mut state = self.lock();
        let next = all.get(state.made_up).copied()?;
        state.made_up = state.made_up.saturating_add(1);
        Some(next)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A device whose task panicked is still a device; its state is never half-written across a wait.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_devices(settings: &Settings, mint: &mut dyn Mint) -> Result<BTreeMap<String, Arc<Slot>>, Error> {
    let mut seed = [0; 32];
    mint.fill(&mut seed);
    let mut slots = BTreeMap::new();
    for profile in settings.profiles.iter().map(|p| Arc::new(p.clone())) {
        for number in profile.numbers() {
            let id = profile.id.fill(number);
            let own = profile.ways.pick(&seed, &id).unwrap_or(&profile);
            let device = Device::new(own, number, settings.server_id.clone(), &seed);
            let done = Once::default();
            let state = State { device, talking: false, working: false, done, notification: None, made_up: 0 };
            if slots.insert(id.clone(), Arc::new(Slot(Mutex::new(state)))).is_some() {
                return Err(Error::Twice { id });
            }
        }
    }
    Ok(slots)
}

/// Where the notifications of a device go.
fn webhook(address: SocketAddr, id: &str) -> String {
    let plain = format!("http://{address}/notify/");
    let Ok(mut url) = Url::parse(&plain) else { return plain };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(id);
    }
    url.into()
}
