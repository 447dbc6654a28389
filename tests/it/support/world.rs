//! The whole service and simulated devices, over real sockets: what a test of flows stands on.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use scomo::{
    infra::system::{SystemClock, SystemMint},
    model::clock::Mint as _,
    server::{app::App, config::Settings},
    sim::{Admin, Fleet, Profile, Settings as FleetSettings, Snapshot},
};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::{
    api::{Api, Ended},
    database::Database,
    gate::{Gate, Mode},
    watch::Watch,
};

/// What differs from the defaults. Each world listens on a loopback address of its own, so that the ports of a server that was
/// stopped are still free when it starts again.
fn settings_text(address: Ipv4Addr, database: &Database, packages: &str) -> String {
    let keys: Vec<_> = database.keys.iter().map(|key| format!("{:?}", key.expose())).collect();
    let (url, keys) = (&database.settings.url, keys.join(", "));
    format!(
        "database.url = {url:?}\nsecrets.keys = [{keys}]\ndepot.url = {packages:?}\nlog.level = \"error\"\n\
         device.listen = \"{address}:0\"\nadmin.listen = \"{address}:0\"\nops.listen = \"{address}:0\"\n\
         job.patience = {{ answer = \"5s\", again = \"50ms\", session = \"5s\", user = \"5s\", report = \"5s\", last_look = \"300ms\" }}\n"
    )
}

/// The service, which can be stopped and started again.
pub(crate) struct Server {
    settings: Settings,
    app: Mutex<Option<App>>,
}

impl Server {
    async fn start(mut settings: Settings) -> Self {
        let app = Box::pin(App::start(settings.clone())).await.unwrap();
        (settings.device.listen, settings.admin.listen, settings.ops.listen) = (app.device, app.admin, app.ops);
        Self { settings, app: Mutex::new(Some(app)) }
    }

    /// Where devices reach it.
    pub(crate) fn device(&self) -> std::net::SocketAddr {
        self.settings.device.listen
    }

    /// Where its API is.
    pub(crate) fn admin(&self) -> std::net::SocketAddr {
        self.settings.admin.listen
    }

    /// Where probes and metrics are.
    pub(crate) fn ops(&self) -> std::net::SocketAddr {
        self.settings.ops.listen
    }

    /// Stops it, and starts another on the same database and ports.
    pub(crate) async fn restart(&self) {
        let mut app = self.app.lock().await;
        app.take().unwrap().stop().await;
        *app = Some(Box::pin(App::start(self.settings.clone())).await.unwrap());
    }

    async fn stop(&self) {
        if let Some(app) = self.app.lock().await.take() {
            app.stop().await;
        }
    }
}

/// What a world is to be like.
pub(crate) struct Plan {
    database: Database,
    devices: String,
    settings: String,
    packages: String,
    gate: Option<Mode>,
    others: usize,
    tune: fn(&mut Settings),
    unregistered: bool,
}

/// A running world.
pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) watch: Arc<Watch>,
    pub(crate) fleet: Fleet,
    pub(crate) server: Arc<Server>,
    pub(crate) gate: Option<Arc<Gate>>,
    /// The replicas beside the server.
    pub(crate) others: Vec<App>,
    pub(crate) database: Database,
}

impl Plan {
    /// A server without devices.
    pub(crate) fn of(database: Database) -> Self {
        let nothing: fn(&mut Settings) = |_| {};
        Self {
            database,
            devices: String::new(),
            settings: String::new(),
            packages: concat!(env!("CARGO_MANIFEST_DIR"), "/packages").to_owned(),
            gate: None,
            others: 0,
            tune: nothing,
            unregistered: false,
        }
    }

    /// Adds devices, as a profile file has them.
    pub(crate) fn devices(mut self, profiles: &str) -> Self {
        self.devices.push_str(profiles);
        self
    }

    /// Adds to the settings file; only tables.
    pub(crate) fn settings(mut self, tables: &str) -> Self {
        self.settings.push_str(tables);
        self
    }

    /// Serves other packages than those that ship with the project.
    pub(crate) fn packages(mut self, folder: &std::path::Path) -> Self {
        self.packages = folder.display().to_string();
        self
    }

    /// Changes the settings once they are read.
    pub(crate) fn tune(mut self, tune: fn(&mut Settings)) -> Self {
        self.tune = tune;
        self
    }

    /// Puts a gate between the devices and the server.
    pub(crate) fn gate(mut self, mode: Mode) -> Self {
        self.gate = Some(mode);
        self
    }

    /// Runs so many replicas beside the server, to which the gate hands each message in turn.
    pub(crate) fn beside(mut self, others: usize) -> Self {
        self.others = others;
        self.gate(Mode::Turns)
    }

    /// Leaves the devices without records.
    pub(crate) fn unregistered(mut self) -> Self {
        self.unregistered = true;
        self
    }

    pub(crate) async fn start(self) -> World {
        Box::pin(self.begin()).await
    }

    async fn begin(self) -> World {
        let Self { database, devices, settings, packages, gate, others: count, tune, unregistered } = self;
        // As the program does; another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut bytes = [0; 3];
        SystemMint::new().fill(&mut bytes);
        let address = Ipv4Addr::new(127, bytes[0] | 1, bytes[1], bytes[2] | 1);
        let file = database.file().with_extension("toml");
        std::fs::write(&file, settings_text(address, &database, &packages) + &settings).unwrap();
        let mut settings = Settings::load(Some(&file), &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"));
        tune(&mut settings);
        let door = match gate {
            Some(mode) => Some((mode, tokio::net::TcpListener::bind((address, 0)).await.unwrap())),
            None => None,
        };
        settings.device.public_url = door
            .as_ref()
            .map(|(_, listener)| Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap());
        let server_id = settings.device.server_id.clone();
        let replica = settings.clone();
        let server = Arc::new(Box::pin(Server::start(settings)).await);
        let mut others = Vec::new();
        for _ in 0..count {
            others.push(App::start(replica.clone()).await.unwrap());
        }
        let turns = others.iter().map(|app| app.device).collect();
        let gate = door.map(|(mode, listener)| Gate::open(mode, listener, Arc::clone(&server), turns));
        let entry = gate.as_ref().map_or_else(|| server.device(), |gate| gate.address);
        let profiles = if devices.is_empty() { Vec::new() } else { Profile::parse(&devices).unwrap() };
        let mut fleet = FleetSettings::new(format!("http://{entry}/dm"), profiles);
        fleet.server_id = Some(server_id);
        let watch = Arc::new(Watch::default());
        let observer: Arc<dyn scomo::sim::Observer> = Arc::<Watch>::clone(&watch);
        let fleet = Fleet::start(fleet, Arc::new(SystemClock), &mut SystemMint::new(), observer).await.unwrap();
        let world = World { api: Api::at(server.settings.admin.listen), watch, fleet, server, gate, others, database };
        if !unregistered {
            world.register().await;
        }
        world
    }
}

impl World {
    /// A server and these devices.
    pub(crate) async fn with(database: Database, devices: &str) -> Self {
        Plan::of(database).devices(devices).start().await
    }

    /// Registers the devices.
    pub(crate) async fn register(&self) {
        let url = Url::parse(&format!("http://{}", self.server.settings.admin.listen)).unwrap();
        self.fleet.register(&Admin { url, token: None }).await.unwrap();
    }

    /// Hands a request in for all devices of the fleet, and waits for its end and for the devices to be quiet.
    pub(crate) async fn run(&self, id: &str, ask: Value) -> Ended {
        let devices: Vec<_> = self.fleet.ids().collect();
        self.run_on(id, &devices, ask).await
    }

    /// The same for some devices.
    pub(crate) async fn run_on(&self, id: &str, devices: &[&str], ask: Value) -> Ended {
        self.api.submit(id, devices, ask).await;
        let ended = self.api.ended(id).await;
        self.fleet.idle().await;
        ended
    }

    /// A device's tree.
    pub(crate) fn tree(&self, device: &str) -> Snapshot {
        self.fleet.device(device).unwrap().snapshot()
    }

    /// The version of a component and whether it is active; nothing if it is not there.
    pub(crate) fn component(&self, device: &str, id: &str) -> Option<(String, bool)> {
        self.tree(device).component(id).map(|component| (component.version.clone(), component.active))
    }

    /// The SHA-256 of a package that a device holds.
    pub(crate) fn held(&self, device: &str, pkg_id: &str) -> Option<String> {
        self.tree(device).package(pkg_id).and_then(|package| package.sha256).map(|digest| digest.to_string())
    }

    /// Stops everything.
    pub(crate) async fn end(self) {
        self.fleet.shutdown().await;
        for other in self.others {
            other.stop().await;
        }
        self.server.stop().await;
    }
}
