//! The service as a whole: builds every part from the settings, starts them in order, and stops them in order.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use super::{
    config::{Limits, Settings},
    http::{
        api::{self, Api},
        auth::Doorkeeper,
        device, download,
        listener::{Bounds, Listener},
        ops::{self, Health, Phase, Readiness},
    },
};
use crate::{
    contract::class::Classes,
    flow::{
        brake::Brakes,
        delivery::Delivery,
        intake::{Consumer, FanOut, Intake},
        janitor::{self, Completer, Retention},
        report::Relay,
        session::{self, Sessions},
        wake::Wake,
    },
    infra::{
        broker::{Broker, Pressure},
        catalogue::Catalogue,
        courier::{self, Webhook},
        depot::{Depot, Loaded},
        driver::{self, Driver, Poke},
        jobs::{brake::Brake, hand::Hand},
        store::{self, Keys, Store},
        system::{SharedClock, SystemMint},
        telemetry::{Metrics, chain},
    },
    job::life::Policy,
    model::{
        clock::{Clock, Mint},
        id::Tenant,
    },
    protocol::dm1::{OwnLimits, ServerIdentity},
};

/// A running service.
pub struct App {
    /// Where devices reach it.
    pub device: SocketAddr,
    /// Where the API is.
    pub admin: SocketAddr,
    /// Where probes and metrics are.
    pub ops: SocketAddr,
    store: Store,
    readiness: Readiness,
    tasks: TaskTracker,
    stop: CancellationToken,
    limits: Box<Limits>,
    /// The probes, which answer until all else has ended.
    probes: Probes,
}

/// The task of the ops listener, and what ends it.
struct Probes {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// Sessions after their last message, and grants after they expired: long enough for a repeat and for a last install-notify.
const KEEP_SESSIONS: Duration = Duration::from_hours(2);
const KEEP_GRANTS: Duration = Duration::from_hours(24);
/// Requests that are spread over their devices at the same time; each takes a connection while it writes.
const FANNED_OUT: usize = 2;
/// How often the database is asked whether it is there, and what the time is.
const PULSE: Duration = Duration::from_secs(5);
/// So much longer than open requests the rest may take when the service stops.
const REST: Duration = Duration::from_secs(15);

/// What many parts share.
struct Shared {
    settings: Settings,
    store: Store,
    depot: Depot,
    catalogue: Catalogue,
    classes: Arc<Classes>,
    clock: Arc<SharedClock>,
    metrics: Metrics,
    policy: Policy,
    due: Poke,
    told: Poke,
    broker: Broker,
    pressure: Pressure,
}

struct Doors {
    device: Listener,
    admin: Listener,
    ops: Listener,
}

impl App {
    /// Builds and starts everything; when this returns, the listeners take connections.
    ///
    /// # Errors
    /// The first part that could not be built, with the setting that it depends on.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let doors = Doors {
            device: Listener::bind("device", settings.device.listen).await?,
            admin: Listener::bind("admin", settings.admin.listen).await?,
            ops: Listener::bind("ops", settings.ops.listen).await?,
        };
        let (device, admin, ops) = (doors.device.address()?, doors.admin.address()?, doors.ops.address()?);
        let shared = Shared::build(settings).await?;
        let (tasks, stop, readiness) = (TaskTracker::new(), CancellationToken::new(), Readiness::default());
        let store = shared.store.clone();
        shared.run_errands(&tasks, &stop)?;
        let limits = Box::new(shared.settings.limits.clone());
        tasks.spawn(shared.pulse(readiness.clone()).beat(stop.clone()));
        let probes = shared.probes(doors.ops, readiness.clone());
        shared.open([doors.device, doors.admin], device, &tasks, &stop);
        readiness.enter(Phase::Ready);
        tracing::info!(%device, %admin, %ops, "Ready");
        Ok(Self { device, admin, ops, store, readiness, tasks, stop, limits, probes })
    }

    /// Says that it is not ready, and goes on as before until whoever sends it traffic has seen that, or `hurry` ends.
    pub async fn give_notice(&self, hurry: impl Future<Output = Asked>) {
        self.readiness.enter(Phase::Draining);
        tracing::info!(seconds = self.limits.drain_notice.as_secs(), "Not ready any more; stops soon");
        tokio::select! {
            () = tokio::time::sleep(self.limits.drain_notice) => {}
            _ = hurry => {}
        }
    }

    /// Stops: takes nothing new, ends what it has, gives leases back, closes the database. The probes say so until the end. What has
    /// not ended in time, since a database or a broker does not answer, is left: it was not promised to anybody yet.
    #[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
    pub async fn stop(self) {
        self.readiness.enter(Phase::Draining);
        self.stop.cancel();
        self.tasks.close();
        let ending = async {
            self.tasks.wait().await;
            self.store.close().await;
        };
        let ended = timeout(self.limits.drain_timeout.saturating_add(REST), ending).await;
        self.probes.stop.cancel();
        // A panic of that task is logged where it happened; nothing else can go wrong with it.
        let _ = self.probes.task.await;
        if ended.is_err() {
            tracing::error!(tasks = self.tasks.len(), "Not everything ended in time");
        }
        tracing::info!("Stopped");
    }
}

/// Runs the service until the system asks it to stop.
///
/// # Errors
/// What kept it from starting.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    // From here on a signal is kept for later: also one that comes while the service starts ends it in order.
    let mut asked = StopSignal::listen()?;
    let app = App::start(settings).await?;
    if asked.wait().await == Asked::ByTheSystem {
        app.give_notice(asked.wait()).await;
    }
    app.stop().await;
    Ok(())
}

impl Shared {
    async fn build(settings: Settings) -> anyhow::Result<Self> {
        let clock = Arc::new(SharedClock::new());
        let keys = Keys::choose(&settings.secrets.keys, &settings.database)?;
        let store = Store::open(&settings.database, keys, Arc::<SharedClock>::clone(&clock)).await?;
        look_at_the_clock(&store, &clock).await?;
        let depot = Depot::open(&settings.depot)?;
        let broker = Broker::open(&settings.bus, store.for_flow())?;
        let catalogue = Catalogue::default();
        log(&catalogue.load(&depot, &store.for_flow(), &Tenant::default(), clock.now()).await?);
        Ok(Self {
            classes: Arc::new(settings.device_classes.clone()),
            policy: settings.job.patience.clone(),
            settings,
            store,
            depot,
            catalogue,
            clock,
            metrics: Metrics::default(),
            due: Poke::default(),
            told: Poke::default(),
            broker,
            pressure: Pressure::default(),
        })
    }

    fn run_errands(&self, tasks: &TaskTracker, stop: &CancellationToken) -> anyhow::Result<()> {
        let courier = courier::Settings { timeout: self.settings.webhook.timeout };
        let store = self.store.for_flow();
        let wake = Wake {
            store: store.clone(),
            classes: Arc::clone(&self.classes),
            courier: Webhook::new(&courier, self.settings.webhook.signing_key.clone())?,
            server_id: self.settings.device.server_id.clone(),
            policy: self.policy.clone(),
            clock: self.clock(),
            mint,
            metrics: self.metrics.clone(),
            told: self.told.clone(),
        };
        let completer = Completer { store: store.clone(), clock: self.clock(), mint, told: self.told.clone() };
        let keep = Retention {
            sessions: KEEP_SESSIONS,
            grants: KEEP_GRANTS,
            events: self.settings.retention.events,
            dead_letters: self.settings.retention.dead_letters,
            jobs: self.settings.retention.jobs,
            requests: self.settings.retention.requests,
            target_lists: self.settings.retention.target_lists,
        };
        let usual = driver::Settings {
            hold: self.settings.limits.lease,
            grace: self.settings.limits.drain_timeout,
            ..driver::Settings::default()
        };
        let driver = |poke: &Poke| Driver {
            store: store.clone(),
            clock: self.clock(),
            settings: usual,
            poke: poke.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(driver(&self.due).drive(Arc::new(wake)));
        let completer = Arc::new(completer);
        tasks.spawn(driver(&Poke::default()).drive(Arc::clone(&completer)));
        tasks.spawn(completer.gather(stop.clone()));
        let fan_out = self.fan_out(store.clone());
        let few = driver::Settings { cap: FANNED_OUT, ..usual };
        tasks.spawn(Driver { settings: few, ..driver(&fan_out.again) }.drive(Arc::new(fan_out)));
        let brakes = Brakes {
            brake: self.brake(store.clone()),
            bad_signature_devices: self.settings.brake.bad_signature_devices,
            metrics: self.metrics.clone(),
        };
        tasks.spawn(driver(&Poke::default()).drive(Arc::new(brakes)));
        self.share_news(tasks, stop);
        self.run_bus(tasks, stop);
        tasks.spawn(janitor::clear(store.clone(), self.clock(), keep, stop.clone()));
        Ok(())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<SharedClock>::clone(&self.clock)
    }

    fn pulse(&self, readiness: Readiness) -> Pulse {
        Pulse {
            store: self.store.clone(),
            broker: self.broker.clone(),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
            readiness,
        }
    }

    /// Starts what hears of other replicas' work.
    fn share_news(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (due, told) = (self.due.clone(), self.told.clone());
        let look = move || {
            due.poke();
            told.poke();
        };
        let (store, settings, stop) = (self.store.for_flow(), self.settings.database.clone(), stop.clone());
        tasks.spawn(async move { store.share_news(&settings, look, stop).await });
    }

    /// Starts what tells events, and what takes requests from a broker.
    fn run_bus(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let relay = Relay {
            broker: self.broker.clone(),
            store: self.store.for_flow(),
            high_water: self.settings.bus.outbox_high_water,
            pressure: self.pressure.clone(),
            keep: self.settings.retention.events,
            hold: self.settings.limits.lease,
            clock: self.clock(),
            mint,
            metrics: self.metrics.clone(),
            poke: self.told.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(relay.run());
        if let Some(amqp) = self.broker.amqp() {
            let consumer = Consumer {
                intake: self.intake(self.store.for_flow()),
                hand: self.hand(self.store.for_flow()),
                brake: self.brake(self.store.for_flow()),
                amqp: Arc::clone(amqp),
                tenant: Tenant::default(),
                stop: stop.clone(),
            };
            tasks.spawn(consumer.run());
        }
    }

    fn fan_out(&self, store: Store) -> FanOut {
        FanOut {
            store: store.clone(),
            policy: self.policy.clone(),
            clock: self.clock(),
            mint,
            pressure: self.pressure.clone(),
            hand: self.hand(store),
            due: self.due.clone(),
            told: self.told.clone(),
            again: Poke::default(),
        }
    }

    fn brake(&self, store: Store) -> Brake {
        Brake { store, clock: self.clock(), mint, due: self.due.clone(), told: self.told.clone() }
    }

    fn hand(&self, store: Store) -> Hand {
        Hand {
            store,
            policy: Arc::new(self.policy.clone()),
            clock: self.clock(),
            mint,
            due: self.due.clone(),
            told: self.told.clone(),
        }
    }

    /// What the admin and the ops listener grant their peers.
    fn bounds(&self) -> Bounds {
        Bounds {
            connections: self.settings.limits.connections,
            idle: self.settings.device.idle_timeout,
            drain: self.settings.limits.drain_timeout,
            title_case_headers: false,
        }
    }

    fn probes(&self, door: Listener, readiness: Readiness) -> Probes {
        let stop = CancellationToken::new();
        let routes = ops::routes(readiness, self.metrics.clone());
        let serving = door.serve(routes, self.bounds(), self.metrics.clone(), stop.clone());
        Probes { task: tokio::spawn(serving), stop }
    }

    fn open(&self, [device, admin]: [Listener; 2], own: SocketAddr, tasks: &TaskTracker, stop: &CancellationToken) {
        let patience = self.settings.limits.request_timeout;
        let bounds = self.bounds();
        let device_bounds = Bounds {
            connections: self.settings.device.connections,
            title_case_headers: self.settings.device.title_case_headers,
            ..bounds
        };
        let sessions = self.sessions(own);
        let most_bytes = self.settings.device.limits.message_bytes;
        let messages =
            device::routes(sessions, &self.settings.device.paths, most_bytes, self.clock(), self.metrics.clone());
        let delivery = Delivery::new(self.store.clone(), self.depot.clone(), self.clock(), self.metrics.clone());
        let for_devices = device::with_patience(messages, patience).merge(download::routes(delivery));
        let doorkeeper = Doorkeeper::new(&self.settings.admin);
        let api = Api {
            store: self.store.for_admin(),
            intake: self.intake(self.store.for_admin()),
            hand: self.hand(self.store.for_admin()),
            brake: self.brake(self.store.for_admin()),
            classes: Arc::clone(&self.classes),
            most_listed: self.settings.limits.target_list_devices,
            clock: self.clock(),
            stop: stop.clone(),
        };
        let serve = |listener: Listener, router, bounds| {
            tasks.spawn(listener.serve(router, bounds, self.metrics.clone(), stop.clone()));
        };
        serve(device, for_devices, device_bounds);
        serve(admin, api::routes(api, &doorkeeper, patience), bounds);
    }

    fn sessions(&self, device: SocketAddr) -> Sessions {
        let own = Url::parse(&format!("http://{device}")).ok();
        let device_url = self.settings.device.public_url.clone().or(own);
        let download_url = self.settings.download.public_url.clone().or_else(|| device_url.clone());
        let text = |url: Option<Url>| url.map_or_else(String::new, |url| url.as_str().trim_end_matches('/').to_owned());
        let device_url = text(device_url);
        Sessions::new(session::Parts {
            store: self.store.clone(),
            depot: self.depot.clone(),
            catalogue: self.catalogue.clone(),
            classes: Arc::clone(&self.classes),
            settings: session::Settings {
                server: ServerIdentity { id: self.settings.device.server_id.clone(), uri: format!("{device_url}/dm") },
                device_url,
                download_url: text(download_url),
                grant: self.settings.download.grant_lifetime,
                own: OwnLimits::default(),
                wire: self.settings.device.limits,
                inventories: self.settings.retention.inventories,
                policy: self.policy.clone(),
                defaults: self.settings.job.defaults(),
                tenant: Tenant::default(),
            },
            clock: self.clock(),
            mint,
            metrics: self.metrics.clone(),
        })
    }

    fn intake(&self, store: Store) -> Intake {
        Intake {
            store,
            catalogue: self.catalogue.clone(),
            defaults: self.settings.job.defaults(),
            policy: self.policy.clone(),
            clock: self.clock(),
            mint,
            metrics: self.metrics.clone(),
            due: self.due.clone(),
            told: self.told.clone(),
            pressure: self.pressure.clone(),
        }
    }
}

fn mint() -> Box<dyn Mint> {
    Box::new(SystemMint::new())
}

/// Looks after what the service depends on, for `/readyz` and the log, and after the time.
struct Pulse {
    store: Store,
    broker: Broker,
    clock: Arc<SharedClock>,
    metrics: Metrics,
    readiness: Readiness,
}

impl Pulse {
    async fn beat(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let looked = look_at_the_clock(&self.store, &self.clock).await;
            self.readiness.saw("database", looked.map_or_else(|error| down(&error), |()| Health::Up));
            if let Some(amqp) = self.broker.amqp() {
                self.readiness.saw("bus", if amqp.is_up() { Health::Up } else { Health::Down });
            }
            self.time();
            tokio::select! {
                () = tokio::time::sleep(PULSE) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    fn time(&self) {
        let offset = self.clock.offset();
        self.metrics.clock_offset(offset);
        self.readiness.saw("clock", if self.clock.is_sound() { Health::Up } else { unsound(offset) });
    }
}

async fn look_at_the_clock(store: &Store, clock: &SharedClock) -> Result<(), store::Error> {
    let asked = clock.elapsed();
    let told = store.time().await?;
    clock.correct(told, asked);
    Ok(())
}

fn down(error: &store::Error) -> Health {
    tracing::error!(error = chain(error), "The database does not answer");
    Health::Down
}

fn unsound(offset: i64) -> Health {
    let offset_ms = offset / 1000;
    tracing::error!(
        offset_ms,
        "The clocks of this machine and of the database differ: no work is taken here until they agree; set the one that is wrong"
    );
    Health::Down
}

/// What was loaded, and what was not and why.
#[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
fn log(loaded: &Loaded) {
    for refused in &loaded.refused {
        for reason in &refused.reasons {
            tracing::error!(file = refused.file, "Package refused: {reason}");
        }
    }
    tracing::info!(packages = loaded.packages.len(), refused = loaded.refused.len(), "Catalogue loaded");
}

/// Who asks the service to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Ctrl-C: somebody waits at a terminal.
    ByHand,
    /// SIGTERM: whatever keeps the service running.
    ByTheSystem,
}

/// Ctrl-C or SIGTERM.
pub struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// Takes the signals over from the system, which would end the process at once.
    ///
    /// # Errors
    /// The system's.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next since [`StopSignal::listen`].
    pub async fn wait(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::ByHand,
            _ = self.terminate.recv() => Asked::ByTheSystem,
        }
    }
}
