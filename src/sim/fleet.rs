//! Any number of devices at work: the shell around their pure core.

mod admin;

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::Url;
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use admin::{Admin, RegisterError};

use super::{
    device::{Delivery, Device, Next},
    listen, net,
    observer::{End, Event, Observer},
    profile::Profile,
    scomo::Work,
    snapshot::Snapshot,
    transfer::Transfer,
};
use crate::{
    model::{
        clock::{Clock, Mint},
        secret::Secret,
    },
    wire::descriptor::InstallNotify,
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
    /// The last notification's `Idempotency-Key`.
    notification: Option<String>,
    /// Whether the transfer that the profile breaks has been broken.
    broke: bool,
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
    /// # Errors
    /// [`RegisterError`] of the first device that is refused.
    pub async fn register(&self, admin: &Admin) -> Result<(), RegisterError> {
        admin::register(&self.inner, admin).await
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // A device whose task panicked is still a device; its state is never half-written across a wait.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A device by its id.
    pub(super) fn slot(&self, id: &str) -> Option<Arc<Slot>> {
        self.slots.get(id).map(Arc::clone)
    }

    /// Takes a notification to its device; one that is delivered twice is one.
    pub(super) fn notified(self: &Arc<Self>, slot: &Arc<Slot>, key: Option<&str>, package0: &[u8]) {
        {
            let mut state = slot.lock();
            if key.is_some() && state.notification.as_deref() == key {
                return;
            }
            state.notification = key.map(str::to_owned);
            state.device.notify(package0);
        }
        self.tell(slot);
        self.talk(slot);
    }

    /// Tells the observer what has happened on a device.
    fn tell(&self, slot: &Slot) {
        let (id, events) = {
            let mut state = slot.lock();
            (state.device.id().to_owned(), state.device.take_events())
        };
        for event in &events {
            self.observer.told(&id, event);
        }
    }

    fn tell_one(&self, slot: &Slot, event: Event) {
        slot.lock().device.note(event);
        self.tell(slot);
    }

    /// Starts the task that holds a device's sessions, unless it runs or nothing is wanted.
    fn talk(self: &Arc<Self>, slot: &Arc<Slot>) {
        let starts = {
            let mut state = slot.lock();
            let starts = !state.talking && state.device.wants_session();
            state.talking |= starts;
            starts
        };
        if starts {
            let (inner, slot) = (Arc::clone(self), Arc::clone(slot));
            self.spawn(async move { inner.sessions(&slot).await });
        }
    }

    /// Starts the task that runs a device's operations, unless it runs or there are none.
    fn work(self: &Arc<Self>, slot: &Arc<Slot>) {
        let starts = {
            let mut state = slot.lock();
            let starts = !state.working && state.device.has_work();
            state.working |= starts;
            starts
        };
        if starts {
            let (inner, slot) = (Arc::clone(self), Arc::clone(slot));
            self.spawn(async move { inner.operations(&slot).await });
        }
    }

    /// Runs a task that counts as under way until it ends or the fleet stops.
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        self.under_way.send_modify(|count| *count = count.saturating_add(1));
        let inner = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = inner.stop.cancelled() => {}
                () = task => {}
            }
            inner.under_way.send_modify(|count| *count = count.saturating_sub(1));
        });
    }

    /// Holds one session after the other, as long as the device wants any.
    async fn sessions(self: &Arc<Self>, slot: &Arc<Slot>) {
        let network = slot.profile().network.clone();
        let mut failed = 0_u32;
        loop {
            let first = {
                let mut state = slot.lock();
                let first = state.device.open(&self.server_url);
                state.talking = first.is_some();
                first
            };
            let Some(first) = first else { return };
            let end = self.session(slot, first).await;
            self.work(slot);
            if end.is_regular() {
                failed = 0;
            } else if slot.lock().device.wants_session() {
                failed = failed.saturating_add(1);
                net::wait(network.backoff, failed).await;
            }
        }
    }

    /// Holds one session.
    async fn session(&self, slot: &Slot, first: Delivery) -> End {
        let started = self.clock.now();
        let delay = slot.profile().delays.message;
        let mut message = first;
        let mut last = (String::new(), 0);
        let end = loop {
            self.tell(slot);
            last = slot.lock().device.session().map_or(last, |(id, sent)| (id.to_owned(), sent));
            net::pause(delay).await;
            let answer = match self.connections.acquire().await {
                Ok(_permit) => net::exchange(&self.client, slot, &message).await,
                Err(_) => return End::Broken,
            };
            let next = match (answer, message.last.take()) {
                (_, Some(end)) => slot.lock().device.hang_up(end),
                (Err(problem), None) => slot.lock().device.hang_up(End::Lost { problem }),
                (Ok(answer), None) => {
                    let (sent, received) = (message.body.len(), answer.len());
                    let (session, messages) = last.clone();
                    self.tell_one(slot, Event::Exchanged { session, messages, sent, received });
                    slot.lock().device.receive(&answer)
                }
            };
            match next {
                Next::Send(next) => message = next,
                Next::Over(end) => break end,
            }
        };
        let took = self.clock.now().since(started);
        let (session, messages) = last;
        self.tell_one(slot, Event::SessionClosed { session, messages, took, end: end.clone() });
        end
    }

    /// Runs one operation after the other.
    async fn operations(self: &Arc<Self>, slot: &Arc<Slot>) {
        let delays = slot.profile().delays.clone();
        loop {
            let work = {
                let mut state = slot.lock();
                let work = state.device.take_work();
                state.working = work.is_some();
                work
            };
            let Some(work) = work else { return };
            net::pause(delays.operation).await;
            self.operation(slot, &work).await;
            net::pause(delays.report).await;
            slot.lock().device.want_session();
            self.talk(slot);
        }
    }

    async fn operation(&self, slot: &Slot, work: &Work) {
        let Some(url) = work.url.as_deref() else {
            slot.lock().device.complete(work, None);
            return self.tell(slot);
        };
        let profile = slot.profile();
        let tell = |event| self.tell_one(slot, event);
        let transfer = Transfer {
            client: &self.client,
            user_agent: &profile.user_agent,
            tries: profile.network.tries,
            backoff: profile.network.backoff,
            storage: profile.limits.storage,
            break_at: profile.faults.break_transfer.filter(|_| !std::mem::replace(&mut slot.lock().broke, true)),
            tell: &tell,
        };
        let (outcome, report, notify) = match self.limited(transfer.fetch(url)).await {
            Ok(fetched) => {
                slot.lock().device.downloaded(work);
                net::pause(profile.delays.install).await;
                (Ok(fetched.received), InstallNotify::SUCCESS, fetched.notify)
            }
            Err(failure) => {
                tell(Event::TransferFailed { what: url.to_owned(), reason: failure.reason });
                (Err(failure.code), failure.report, failure.notify)
            }
        };
        let was_stored = outcome.is_ok();
        let code = slot.lock().device.complete(work, Some(outcome));
        self.tell(slot);
        let Some(notify) = notify else { return };
        let report = if was_stored && code >= 1300 { InstallNotify::DEVICE_ABORTED } else { report };
        if let Err(problem) = self.limited(transfer.report(&notify, report)).await {
            tell(Event::Trouble { what: format!("the status report {report} was not taken: {problem}") });
        }
    }

    /// Waits for a free connection first.
    async fn limited<T>(&self, task: impl Future<Output = T> + Send) -> T {
        // The semaphore is never closed; without a permit the task would run all the same.
        let _permit = self.connections.acquire().await;
        task.await
    }
}

fn make_devices(settings: &Settings, mint: &mut dyn Mint) -> Result<BTreeMap<String, Arc<Slot>>, Error> {
    let mut seed = [0; 32];
    mint.fill(&mut seed);
    let mut slots = BTreeMap::new();
    for profile in settings.profiles.iter().map(|p| Arc::new(p.clone())) {
        for number in profile.numbers() {
            let device = Device::new(&profile, number, settings.server_id.clone(), &seed);
            let id = device.id().to_owned();
            let state = State { device, talking: false, working: false, notification: None, broke: false };
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
