//! The stage of the demo: the app on free ports, a fleet of devices, and a client that reads the bus.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::{
    DEVICES,
    bus::Bus,
    told::{Reader, SOURCE},
    watch::Watch,
};
use crate::{
    cli::{Client, Connection, Failure, Output},
    infra::{
        store::Keys,
        system::{SystemClock, SystemMint},
        telemetry,
    },
    model::{
        clock::{Clock as _, Mint as _},
        id::EventId,
        secret::Secret,
    },
    server::{app::App, config::Settings},
    sim::{self, Fleet, Profile},
};

/// What differs from the defaults: free ports, little patience with silence, and classes for devices that know no descriptors and
/// for those that may ask for work.
const SETTINGS: &str = r#"
[device]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[ops]
listen = "127.0.0.1:0"
[log]
level = "error"
[job.patience]
report = "3s"
last_look = "400ms"
[[device_class]]
name = "no-descriptors"
match = "dev.man == 'Contoso' && dev.mod.startsWith('Meter-')"
[device_class.scomo]
alternate = "package"
[[device_class]]
name = "asks"
match = "'asks' in tags"
[device_class.scomo]
requests = ["user", "device", "update"]
"#;

/// What tells this run from others on the same database and broker.
pub(super) struct Cast {
    /// A number of its own; none on a database that is made for it.
    run: Option<u32>,
}

impl Cast {
    /// A run on parts that the environment names has names of its own.
    pub(super) fn choose() -> Self {
        let is_named =
            |part: &str| ["", "_FILE"].iter().any(|end| std::env::var_os(format!("SCOMO__{part}__URL{end}")).is_some());
        let mut bytes = [0; 4];
        SystemMint::new().fill(&mut bytes);
        let run = (is_named("DATABASE") || is_named("BUS")).then(|| u32::from_be_bytes(bytes) % 100_000_000);
        Self { run }
    }

    /// A text with this run's devices in place of those of the script.
    pub(super) fn named(&self, text: &str) -> String {
        match self.run {
            Some(run) => text.replace("IMEI:3500000000", &format!("IMEI:35{run:08}")),
            None => text.to_owned(),
        }
    }

    /// What the exchanges and queues of this run begin with.
    fn bus(&self) -> String {
        format!("scomo.demo-{:08}", self.run.unwrap_or_default())
    }
}

/// Everything that the demo plays on.
pub(super) struct Stage {
    cast: Cast,
    app: App,
    /// The broker, where one is set.
    bus: Option<Bus>,
    pub(super) fleet: Fleet,
    pub(super) client: Client,
    pub(super) watch: Arc<Watch>,
    /// What the bus told.
    pub(super) told: Reader,
    /// Holds the database; removed at the end.
    folder: TempDir,
}

impl Stage {
    /// Starts everything.
    pub(super) async fn set(cast: Cast, output: Output) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("scomo-demo-").tempdir()?;
        let signing = sim_secret();
        let settings = settings(folder.path(), &signing, &cast)?;
        // A process that plays the demo twice, as tests do, has its logging already.
        let _ = telemetry::init(&settings.log);
        let server_id = settings.device.server_id.clone();
        let bus = Bus::of(&settings.bus, settings.bus.exchange == cast.bus()).context("the broker")?;
        let app = App::start(settings).await?;
        let watch = Arc::new(Watch::new(output));
        let mut fleet = sim::Settings::new(
            format!("http://{}/dm", app.device),
            Profile::parse(&cast.named(DEVICES)).context("the demo's devices")?,
        );
        fleet.webhook_key = Some(signing);
        fleet.server_id = Some(server_id);
        let observer: Arc<dyn sim::Observer> = Arc::<Watch>::clone(&watch);
        let fleet = Fleet::start(fleet, Arc::new(SystemClock), &mut SystemMint::new(), observer)
            .await
            .context("the devices")?;
        let admin = Url::parse(&format!("http://{}", app.admin)).context("the admin address")?;
        let connection = Connection::new(admin, None);
        fleet.register(&connection.admin()).await.context("the devices could not be registered")?;
        let client = Client::new(connection)?;
        let told = match &bus {
            Some(bus) => Reader::hear(bus.clone()).await?,
            None => Reader::start(client.clone()),
        };
        Ok(Self { cast, app, bus, fleet, client, watch, told, folder })
    }

    /// Hands a request in: to the broker, where there is one.
    pub(super) async fn submit(&self, request: &Value) -> Result<(), String> {
        match &self.bus {
            Some(bus) => bus.send("request", request, message_id()).await,
            None => self.post(&["requests"], request).await,
        }
    }

    /// Cancels a request.
    pub(super) async fn cancel(&self, id: &str) -> Result<(), String> {
        match &self.bus {
            Some(bus) => {
                let control = json!({ "control": "cancel", "request_id": id, "source": SOURCE, "control_id": format!("{id}-cancel") });
                bus.send("control", &control, message_id()).await
            }
            None => self.post(&["requests", SOURCE, id, "cancel"], &json!({})).await,
        }
    }

    async fn post(&self, path: &[&str], body: &Value) -> Result<(), String> {
        let answer: Result<Value, Failure> = self.client.post(path, body.to_string().into_bytes()).await;
        answer.map(drop).map_err(|failure| failure.explain())
    }

    /// Leaves everything running until the user has seen enough.
    pub(super) async fn keep(&self, output: Output) -> Result<(), Failure> {
        if !output.json() {
            // One whose firmware says which of two versions it gets.
            let device = self.cast.named("IMEI:350000000000010");
            let events = match &self.bus {
                Some(bus) => format!("# events go to the exchange {}", bus.events_exchange()),
                None => format!("curl -s 'http://{}/api/v1/events?after=0'", self.app.admin),
            };
            let server = format!("http://{}", self.app.admin);
            output.line(&format!(
                "\nServer and devices go on until Ctrl-C. In another terminal try:\n\n  \
                 export SCOMO_SERVER={server}\n  \
                 scomo device list\n  \
                 scomo device inventory {device}\n  \
                 scomo job list\n  \
                 scomo job list --state in_doubt     # and `scomo job why` with its id\n  \
                 scomo select --device {device} --package org.example.palette\n  \
                 scomo request submit --device {device} --package org.example.adder --action install\n  \
                 {events}\n  \
                 curl -s http://{}/metrics",
                self.app.ops
            ))?;
        }
        Ok(tokio::signal::ctrl_c().await?)
    }

    /// Stops everything and leaves nothing behind.
    pub(super) async fn strike(self) {
        self.told.stop();
        self.fleet.shutdown().await;
        self.app.stop().await;
        if let Some(bus) = &self.bus
            && let Err(error) = bus.strike().await
        {
            tracing::error!(error = telemetry::chain(&error), "What the demo made at the broker stays there");
        }
        drop(self.folder);
    }
}

/// The settings of the app: defaults, the demo's, and what the environment says.
fn settings(folder: &Path, signing: &Secret, cast: &Cast) -> Result<Settings, Failure> {
    let file = folder.join("scomo.toml");
    std::fs::write(&file, SETTINGS)?;
    let text =
        |(name, value): (std::ffi::OsString, std::ffi::OsString)| name.into_string().ok().zip(value.into_string().ok());
    let mut environment: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
    let has = |name: &str| environment.contains_key(name) || environment.contains_key(&format!("{name}_FILE"));
    let (has_database, has_keys) = (has("SCOMO__DATABASE__URL"), has("SCOMO__SECRETS__KEYS"));
    let mut usual = |name: &str, value: String| {
        environment.entry(format!("SCOMO__{name}")).or_insert(value);
    };
    if !has_database {
        usual("DATABASE__URL", format!("sqlite://{}", folder.join("scomo.db").display()));
    }
    if has_database && !has_keys {
        // Good for this run's devices, which nobody comes back to.
        usual("SECRETS__KEYS", format!("[{:?}]", Keys::fresh().expose()));
    }
    for (name, end) in
        [("EXCHANGE", ""), ("QUEUE", ".requests"), ("DEAD_QUEUE", ".requests.dead"), ("EVENTS_EXCHANGE", ".events")]
    {
        usual(&format!("BUS__{name}"), format!("{}{end}", cast.bus()));
    }
    environment.insert("SCOMO__WEBHOOK__SIGNING_KEY".to_owned(), signing.expose().to_owned());
    if let (false, Some(source)) = (Path::new("packages").is_dir(), environment.get("CARGO_MANIFEST_DIR")) {
        let packages = Path::new(source).join("packages").display().to_string();
        environment.entry("SCOMO__DEPOT__URL".to_owned()).or_insert(packages);
    }
    let settings = Settings::load(Some(&file), &environment);
    settings.map_err(|error| Failure::Usage(format!("{:#}", anyhow::Error::from(error))))
}

/// What a message of this demo is called.
fn message_id() -> EventId {
    EventId::new(SystemMint::new().uuid(SystemClock.now()))
}

/// A key that only this demo's server and devices know.
fn sim_secret() -> Secret {
    Secret::new(SystemMint::new().token(32))
}
