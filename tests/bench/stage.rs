//! What is measured: an app on free ports with a database of its own, reached over its sockets.

use std::{collections::BTreeMap, env, fmt::Write as _, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, bail};
use scomo::{
    infra::{store::Keys, system::SystemMint},
    model::clock::Mint as _,
    server::{app::App, config::Settings},
    sim::{Device, Profile},
};
use serde_json::{Value, json};
use sqlx::{PgPool, SqlitePool, pool::PoolOptions, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinSet};

use super::{
    http::{Answer, Connection},
    load::Devices,
};

/// The component whose operations are the work.
const COMPONENT: &str = "org.example.player";
/// How often it is looked whether a request has all its jobs.
const LOOK: std::time::Duration = std::time::Duration::from_millis(5);
/// Registrations at the same time.
const TOGETHER: usize = 16;

/// Where state is kept.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite,
    /// PostgreSQL at this URL.
    Postgres(String),
}

/// A connection beside those of the app.
pub(crate) enum Beside {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A running app.
pub(crate) struct Stage {
    app: App,
    pub(crate) device: SocketAddr,
    admin: SocketAddr,
    devices: u32,
    pub(crate) beside: Beside,
    folder: TempDir,
}

impl Database {
    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => {
                let url = env::var("SCOMO_BENCH_POSTGRES").context("SCOMO_BENCH_POSTGRES must be PostgreSQL's URL")?;
                Ok(Self::Postgres(url))
            }
            _ => bail!("no database `{name}`; there are sqlite and postgres"),
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

impl Stage {
    /// Starts an app on the server's runtime.
    pub(crate) async fn set(server: &Runtime, database: &Database, devices: u32) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("scomo-bench-").tempdir()?;
        let file = folder.path().join("scomo.db");
        let url = match database {
            Database::Sqlite => format!("sqlite://{}", file.display()),
            Database::Postgres(url) => url.clone(),
        };
        let key = Keys::fresh();
        // Settings of the environment count, so that one can be tried out.
        let mut environment: BTreeMap<String, String> =
            env::vars().filter(|(name, _)| name.starts_with("SCOMO__")).collect();
        let mut set = |name: &str, value: &str| environment.insert(format!("SCOMO__{name}"), value.to_owned());
        set("DATABASE__URL", &url);
        set("SECRETS__KEYS", &format!("[{:?}]", key.expose()));
        for listener in ["DEVICE", "ADMIN", "OPS"] {
            set(&format!("{listener}__LISTEN"), "127.0.0.1:0");
        }
        let settings = Settings::load(None, &environment).context("settings")?;
        let app = server.spawn(App::start(settings)).await??;
        let beside = match database {
            Database::Sqlite => {
                let options = SqliteConnectOptions::new().filename(&file);
                Beside::Sqlite(PoolOptions::new().max_connections(1).connect_with(options).await?)
            }
            Database::Postgres(url) => Beside::Postgres(PoolOptions::new().max_connections(16).connect(url).await?),
        };
        Ok(Self { device: app.device, admin: app.admin, app, devices, beside, folder })
    }

    /// Makes the devices known.
    pub(crate) async fn register(&self) -> Result<Devices> {
        let text = format!(
            "[[device]]\nid = 'IMEI:35{{n:013}}'\ncount = {}\nauth.user = 'phone-{{n}}'\n\
             scomo.sync = ['Activate', 'Deactivate']\nscomo.component = [{{ id = '{COMPONENT}', version = '2.1.0' }}]\n",
            self.devices
        );
        let profile = Arc::new(Profile::parse(&text)?.pop().context("one profile")?);
        let mut seed = [0; 32];
        SystemMint::new().fill(&mut seed);
        let mut devices = Devices::default();
        devices.waiting.extend(profile.numbers().map(|number| Device::new(&profile, number, None, &seed)));
        let records: Vec<Value> = devices.waiting.iter().map(|device| device.record("http://127.0.0.1:9/")).collect();
        let mut running = JoinSet::new();
        for share in records.chunks(records.len().div_ceil(TOGETHER)) {
            let (admin, share) = (self.admin, share.to_vec());
            running.spawn(async move {
                let mut connection = Connection::open(admin).await?;
                for record in share {
                    let answer = connection.post("/api/v1/devices", JSON, record.to_string().as_bytes()).await?;
                    expect(201, &answer)?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(devices)
    }

    /// Hands in a job for each device: even rounds deactivate the component, odd ones activate it. The devices come by themselves.
    pub(crate) async fn submit(&self, round: u32, devices: &[String]) -> Result<()> {
        let request = json!({
            "schema": "scomo.request/1",
            "request_id": format!("round-{round}"),
            "source": "bench",
            "kind": "operation",
            "operation": if round.is_multiple_of(2) { "deactivate" } else { "activate" },
            "component": { "id": COMPONENT },
            "targets": { "devices": devices },
            "notify": "never",
        });
        let mut connection = Connection::open(self.admin).await?;
        expect(202, &connection.post("/api/v1/requests", JSON, request.to_string().as_bytes()).await?)?;
        // A request for many devices falls into jobs after it was answered.
        loop {
            let answer = connection.get(&format!("/api/v1/requests/bench/round-{round}")).await?;
            expect(200, &answer)?;
            let request: Value = serde_json::from_slice(&answer.body)?;
            if request.pointer("/fan_out/state").is_none_or(|state| state == "done") {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Holds if every job of a round succeeded: what was measured is the real thing.
    pub(crate) async fn succeeded(&self, round: u32, jobs: u32) -> Result<()> {
        let mut connection = Connection::open(self.admin).await?;
        let answer = connection.get(&format!("/api/v1/requests/bench/round-{round}")).await?;
        expect(200, &answer)?;
        let request: Value = serde_json::from_slice(&answer.body)?;
        match request.pointer("/counts/succeeded").and_then(Value::as_u64) {
            Some(count) if count == u64::from(jobs) => Ok(()),
            _ => bail!("not every job succeeded: {:?}", request.get("counts")),
        }
    }

    pub(crate) async fn strike(self) {
        match self.beside {
            Beside::Sqlite(pool) => pool.close().await,
            Beside::Postgres(pool) => pool.close().await,
        }
        self.app.stop().await;
        drop(self.folder);
    }
}

const JSON: &str = "application/json";

fn expect(status: u16, answer: &Answer) -> Result<()> {
    if answer.status == status {
        return Ok(());
    }
    let mut text = String::new();
    write!(text, "{}", String::from_utf8_lossy(&answer.body))?;
    bail!("the API answered {}: {text}", answer.status)
}
