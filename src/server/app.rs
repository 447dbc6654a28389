//! The service as a whole: builds every part from the settings, starts them in order, and stops them in order.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use super::{
    config::Settings,
    http::{
        api::{self, Api},
        auth::Doorkeeper,
        device, download,
        listener::{Bounds, Listener},
        ops::{self, Health, Phase, Readiness},
    },
};
use crate::{
    contract::{accept::Defaults, class::Classes},
    flow::{
        delivery::Delivery,
        intake::{Consumer, Intake},
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
        jobs::hand::Hand,
        store::{self, Keys, Store},
        system::{SystemClock, SystemMint},
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
/// How often the database is asked whether it is there.
const PULSE: Duration = Duration::from_secs(5);

/// What many parts share.
struct Shared {
    settings: Settings,
    store: Store,
    depot: Depot,
    catalogue: Catalogue,
    classes: Arc<Classes>,
    clock: Arc<dyn Clock>,
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
        tasks.spawn(pulse(store.clone(), shared.broker.clone(), readiness.clone(), stop.clone()));
        let probes = shared.probes(doors.ops, readiness.clone());
        shared.open([doors.device, doors.admin], device, &tasks, &stop);
        readiness.enter(Phase::Ready);
        tracing::info!(%device, %admin, %ops, "Ready");
        Ok(Self { device, admin, ops, store, readiness, tasks, stop, probes })
    }

    /// Stops: takes nothing new, ends what it has, gives leases back, closes the database. The probes say so until the end.
    pub async fn stop(self) {
        self.readiness.enter(Phase::Draining);
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.probes.stop.cancel();
        // A panic of that task is logged where it happened; nothing else can go wrong with it.
        let _ = self.probes.task.await;
        self.store.close().await;
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
    asked.wait().await;
    app.stop().await;
    Ok(())
}

impl Shared {
    async fn build(settings: Settings) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keys = Keys::choose(&settings.secrets.keys, &settings.database)?;
        let store = Store::open(&settings.database, keys, Arc::clone(&clock)).await?;
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
            clock: Arc::clone(&self.clock),
            mint,
            metrics: self.metrics.clone(),
            told: self.told.clone(),
        };
        let completer =
            Completer { store: store.clone(), clock: Arc::clone(&self.clock), mint, told: self.told.clone() };
        let keep = Retention {
            sessions: KEEP_SESSIONS,
            grants: KEEP_GRANTS,
            events: self.settings.retention.events,
            dead_letters: self.settings.retention.dead_letters,
            jobs: self.settings.retention.jobs,
            requests: self.settings.retention.requests,
        };
        let driver = |poke: &Poke| Driver {
            store: store.clone(),
            clock: Arc::clone(&self.clock),
            settings: driver::Settings::default(),
            poke: poke.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(driver(&self.due).drive(Arc::new(wake)));
        self.share_news(tasks, stop);
        tasks.spawn(driver(&Poke::default()).drive(Arc::new(completer)));
        self.run_bus(tasks, stop);
        tasks.spawn(janitor::clear(store.clone(), Arc::clone(&self.clock), keep, stop.clone()));
        Ok(())
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
            clock: Arc::clone(&self.clock),
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
                amqp: Arc::clone(amqp),
                tenant: Tenant::default(),
                stop: stop.clone(),
            };
            tasks.spawn(consumer.run());
        }
    }

    fn hand(&self, store: Store) -> Hand {
        Hand {
            store,
            policy: Arc::new(self.policy.clone()),
            clock: Arc::clone(&self.clock),
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
        let messages = device::routes(
            sessions,
            &self.settings.device.paths,
            most_bytes,
            Arc::clone(&self.clock),
            self.metrics.clone(),
        );
        let delivery =
            Delivery::new(self.store.clone(), self.depot.clone(), Arc::clone(&self.clock), self.metrics.clone());
        let for_devices = device::with_patience(messages, patience).merge(download::routes(delivery));
        let doorkeeper = Doorkeeper::new(&self.settings.admin);
        let api = Api {
            store: self.store.for_admin(),
            intake: self.intake(self.store.for_admin()),
            hand: self.hand(self.store.for_admin()),
            classes: Arc::clone(&self.classes),
            clock: Arc::clone(&self.clock),
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
                defaults: Defaults { deadline: self.settings.job.default_deadline },
                tenant: Tenant::default(),
            },
            clock: Arc::clone(&self.clock),
            mint,
            metrics: self.metrics.clone(),
        })
    }

    fn intake(&self, store: Store) -> Intake {
        Intake {
            store,
            catalogue: self.catalogue.clone(),
            defaults: Defaults { deadline: self.settings.job.default_deadline },
            policy: self.policy.clone(),
            clock: Arc::clone(&self.clock),
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

/// Looks after what the service depends on, for `/readyz` and the log.
async fn pulse(store: Store, broker: Broker, readiness: Readiness, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let health = store.ping().await.map_or_else(|error| down(&error), |()| Health::Up);
        readiness.saw("database", health);
        if let Some(amqp) = broker.amqp() {
            readiness.saw("bus", if amqp.is_up() { Health::Up } else { Health::Down });
        }
        tokio::select! {
            () = tokio::time::sleep(PULSE) => {}
            () = stop.cancelled() => {}
        }
    }
}

fn down(error: &store::Error) -> Health {
    tracing::error!(error = chain(error), "The database does not answer");
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

    /// Waits for the first since [`StopSignal::listen`].
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
