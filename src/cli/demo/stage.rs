//! The stage of the demo: the app on free ports, a fleet of devices, and a client that reads the bus.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context as _;
use tempfile::TempDir;
use url::Url;

use super::{DEVICES, told::Reader, watch::Watch};
use crate::{
    cli::{Client, Connection, Failure, Output},
    infra::{
        system::{SystemClock, SystemMint},
        telemetry,
    },
    model::secret::Secret,
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

/// Everything that the demo plays on.
pub(super) struct Stage {
    app: App,
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
    pub(super) async fn set(output: Output) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("scomo-demo-").tempdir()?;
        let signing = sim_secret();
        let settings = settings(folder.path(), &signing)?;
        // A process that plays the demo twice, as tests do, has its logging already.
        let _ = telemetry::init(&settings.log);
        let server_id = settings.device.server_id.clone();
        let app = App::start(settings).await?;
        let watch = Arc::new(Watch::new(output));
        let mut fleet = sim::Settings::new(
            format!("http://{}/dm", app.device),
            Profile::parse(DEVICES).context("the demo's devices")?,
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
        let told = Reader::start(client.clone());
        Ok(Self { app, fleet, client, watch, told, folder })
    }

    /// Leaves everything running until the user has seen enough.
    pub(super) async fn keep(&self, output: Output) -> Result<(), Failure> {
        if !output.json() {
            // One whose firmware says which of two versions it gets.
            let device = "IMEI:350000000000010";
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
                 curl -s '{server}/api/v1/events?after=0'\n  \
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
        drop(self.folder);
    }
}

/// The settings of the app: defaults, the demo's, and what the environment says.
fn settings(folder: &Path, signing: &Secret) -> Result<Settings, Failure> {
    let file = folder.join("scomo.toml");
    std::fs::write(&file, SETTINGS)?;
    let text =
        |(name, value): (std::ffi::OsString, std::ffi::OsString)| name.into_string().ok().zip(value.into_string().ok());
    let mut environment: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
    let database = format!("sqlite://{}", folder.join("scomo.db").display());
    environment.entry("SCOMO__DATABASE__URL".to_owned()).or_insert(database);
    environment.insert("SCOMO__WEBHOOK__SIGNING_KEY".to_owned(), signing.expose().to_owned());
    if let (false, Some(source)) = (Path::new("packages").is_dir(), environment.get("CARGO_MANIFEST_DIR")) {
        let packages = Path::new(source).join("packages").display().to_string();
        environment.entry("SCOMO__DEPOT__URL".to_owned()).or_insert(packages);
    }
    let settings = Settings::load(Some(&file), &environment);
    settings.map_err(|error| Failure::Usage(format!("{:#}", anyhow::Error::from(error))))
}

/// A key that only this demo's server and devices know.
fn sim_secret() -> Secret {
    Secret::new(crate::model::clock::Mint::token(&mut SystemMint::new(), 32))
}
