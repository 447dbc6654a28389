//! How many sessions the service holds in a second, against what the database and the HTTP stack alone would give. Started by
//! `tests/bench/run sessions`; `docs/performance.md` says what the figures mean.
//!
//! A real app is reached over real HTTP by simulated devices on keep-alive connections. In the same run the same load generator
//! posts messages of the same size to an axum endpoint that does nothing but update a row, by as many bytes as a device message
//! stores: the ratio of the two is what the service costs.

mod bare;
mod http;
mod load;
mod measure;
mod scale;
mod stage;

use std::{env, io::Write as _, time::Duration};

use anyhow::{Context as _, Result, bail};
use load::Devices;
use measure::{Meter, Run, Sizes};
use scomo::{
    infra::system::SystemClock,
    model::clock::{Clock as _, Timestamp},
};
use stage::{Database, Stage};
use tokio::runtime::{Builder, Runtime};

/// Connections that are kept open, each with one message under way.
const CONNECTIONS: usize = 64;
/// Devices; a session ends before the same device opens its next.
const DEVICES: u32 = 2048;

/// How long idle sessions go on before it is the baseline's turn, for half as long.
const TURN: Duration = Duration::from_secs(2);

/// What devices come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// They open a session, prove themselves, and there is nothing to do.
    Idle,
    /// A job waits: a component is deactivated or activated, with the result in the session.
    Working,
}

impl Scenario {
    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle sessions",
            Self::Working => "working sessions",
        }
    }
}

struct Options {
    /// How long each kind of session is measured; its baseline takes half as long.
    time: Duration,
    databases: Vec<Database>,
}

fn main() -> Result<()> {
    // `cargo test` builds and starts benches, too, without this argument: nothing is measured then.
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let scale = env::args().any(|argument| argument == "--scale");
    let options = if scale { None } else { Some(Options::read()?) };
    // As the program does it: only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Two runtimes, so that what the load costs can be told from what the service costs.
    let (server, load) = (runtime("server")?, runtime("load")?);
    load.block_on(async {
        let Some(options) = options else {
            let url = env::var("SCOMO_BENCH_POSTGRES").context("SCOMO_BENCH_POSTGRES must be PostgreSQL's URL")?;
            return scale::compare(&server, &url).await;
        };
        let sizes = [measure_sizes(&server, Scenario::Idle).await?, measure_sizes(&server, Scenario::Working).await?];
        say(&measure::heading())?;
        for database in &options.databases {
            compare(&server, database, options.time, &sizes).await?;
        }
        Ok(())
    })
}

impl Options {
    /// `[--seconds N] [--database sqlite|postgres]…`; PostgreSQL's URL is in `SCOMO_BENCH_POSTGRES`.
    fn read() -> Result<Self> {
        let (mut time, mut names) = (Duration::from_secs(10), Vec::new());
        let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--seconds" => time = Duration::from_secs(value.parse().context("--seconds needs a number")?),
                "--database" => names.push(value),
                _ => bail!("unknown argument {argument}; there are --seconds N and --database sqlite|postgres"),
            }
        }
        if names.is_empty() {
            names = vec!["sqlite".to_owned(), "postgres".to_owned()];
        }
        let databases = names.iter().map(|name| Database::named(name)).collect::<Result<_>>()?;
        Ok(Self { time, databases })
    }
}

fn runtime(name: &str) -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build()?)
}

/// What one session of a kind posts, is answered and stores, message by message; the first of its kind, in which the server learns
/// the device, does not count.
async fn measure_sizes(server: &Runtime, scenario: Scenario) -> Result<Sizes> {
    let stage = Stage::set(server, &Database::Sqlite, 1).await?;
    let mut devices = stage.register().await?;
    let device = devices.waiting.front_mut().context("one device")?;
    let mut sizes = Sizes::default();
    for round in 0..2 {
        if scenario == Scenario::Working {
            stage.submit(round, &[device.id().to_owned()]).await?;
        }
        sizes = measure::sizes(&stage, device).await?;
    }
    stage.strike().await;
    Ok(sizes)
}

/// Both kinds of sessions on one database, each in turns with its baseline, so that what else the machine does meets both alike.
async fn compare(server: &Runtime, database: &Database, time: Duration, sizes: &[Sizes; 2]) -> Result<()> {
    let stage = Stage::set(server, database, DEVICES).await?;
    let mut devices = stage.register().await?;
    for (scenario, sizes) in [Scenario::Idle, Scenario::Working].into_iter().zip(sizes) {
        let baseline = bare::Bare::set(server, &stage, sizes).await?;
        warm_up(&stage, scenario, &mut devices).await?;
        let (mut bare, mut ours, mut round) = (Run::default(), Run::default(), 1);
        while ours.seconds < time.as_secs_f64() {
            bare.add(baseline.run(&stage, TURN / 2).await?);
            ours.add(match scenario {
                Scenario::Idle => idle(&stage, &mut devices).await?,
                Scenario::Working => working(&stage, &mut devices, round).await?,
            });
            round += 1;
        }
        baseline.strike().await;
        say(&bare.row(database.name(), "bare axum, one UPDATE", sizes, None))?;
        say(&ours.row(database.name(), scenario.name(), sizes, Some(&bare)))?;
    }
    stage.strike().await;
    Ok(())
}

/// The server learns the devices: their roots and inventories are known afterwards.
async fn warm_up(stage: &Stage, scenario: Scenario, devices: &mut Devices) -> Result<()> {
    if scenario == Scenario::Working {
        stage.submit(0, &devices.ids()).await?;
    }
    load::once(stage.device, devices).await?;
    Ok(())
}

/// Sessions without work, for a turn.
async fn idle(stage: &Stage, devices: &mut Devices) -> Result<Run> {
    let meter = Meter::start(stage).await?;
    let said = load::until(stage.device, devices, SystemClock.now().after(TURN)).await?;
    meter.stop(stage, said).await
}

/// A session with one job for each device; the time in which the request is handed in does not count.
async fn working(stage: &Stage, devices: &mut Devices, round: u32) -> Result<Run> {
    stage.submit(round, &devices.ids()).await?;
    let meter = Meter::start(stage).await?;
    let said = load::once(stage.device, devices).await?;
    let run = meter.stop(stage, said).await?;
    stage.succeeded(round, DEVICES).await?;
    Ok(run)
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// How long it is since `from`, in seconds.
fn seconds_since(from: Timestamp) -> f64 {
    SystemClock.now().since(from).as_secs_f64()
}
