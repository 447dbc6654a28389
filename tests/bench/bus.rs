//! How many requests the service takes in from a broker in a second, and how many events it tells there, against bare loops that do
//! no more than the database and the broker ask for. Started by `tests/bench/run intake` and `tests/bench/run events`;
//! `docs/performance.md` says what the figures mean.
//!
//! The service's own parts are run (the consumer, the relay, for the latency the whole app) against a real broker and a real
//! database, in turns with the bare loop, so that whatever else the machine does meets both.

mod broker;
mod events;
mod intake;
mod latency;

use std::{collections::BTreeMap, env, io::Write as _, sync::Arc};

use anyhow::{Context as _, Result, bail};
use scomo::{
    infra::{
        broker::{Amqp, Broker},
        store::{Keys, Store},
        system::{SystemClock, SystemMint},
    },
    model::clock::{Clock as _, Mint, Timestamp},
    server::config::Settings,
};
use sqlx::{PgPool, pool::PoolOptions};
use tokio::runtime::Builder;

/// What both parts stand on.
struct Stage {
    settings: Settings,
    store: Store,
    amqp: Arc<Amqp>,
    beside: PgPool,
    url: String,
}

/// What was done in how long.
#[derive(Default)]
struct Run {
    done: u64,
    seconds: f64,
}

struct Options {
    part: String,
    rounds: u32,
    count: u32,
}

fn main() -> Result<()> {
    // `cargo test` builds and starts benches, too, without this argument: nothing is measured then.
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let options = Options::read()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let stage = Stage::set().await?;
        match options.part.as_str() {
            "intake" => {
                intake::compare(&stage, options.rounds, options.count).await?;
                latency::measure(&stage).await
            }
            "events" => events::compare(&stage, options.rounds, options.count).await,
            part => bail!("no part {part}; there are intake and events"),
        }
    })
}

impl Options {
    /// `PART [--rounds N] [--count N]`; the URLs are in `SCOMO_BENCH_POSTGRES` and `SCOMO_BENCH_AMQP`.
    fn read() -> Result<Self> {
        let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
        let part = arguments.next().context("which part: intake or events")?;
        let mut options = Self { part, rounds: 4, count: 10_000 };
        while let Some(argument) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--rounds" => options.rounds = value.parse().context("--rounds needs a number")?,
                "--count" => options.count = value.parse().context("--count needs a number")?,
                _ => bail!("unknown argument {argument}; there are --rounds N and --count N"),
            }
        }
        Ok(options)
    }
}

impl Stage {
    async fn set() -> Result<Self> {
        let database = env::var("SCOMO_BENCH_POSTGRES").context("SCOMO_BENCH_POSTGRES must be PostgreSQL's URL")?;
        let url = env::var("SCOMO_BENCH_AMQP").context("SCOMO_BENCH_AMQP must be the broker's URL")?;
        let key = Keys::fresh();
        let mut environment = BTreeMap::new();
        let mut set = |name: &str, value: String| environment.insert(format!("SCOMO__{name}"), value);
        set("DATABASE__URL", database.clone());
        set("BUS__URL", url.clone());
        set("SECRETS__KEYS", format!("[{:?}]", key.expose()));
        for listener in ["DEVICE", "ADMIN", "OPS"] {
            set(&format!("{listener}__LISTEN"), "127.0.0.1:0".to_owned());
        }
        let settings = Settings::load(None, &environment).context("settings")?;
        let keys = Keys::parse(&[key]).context("a key")?;
        let store = Store::open(&settings.database, keys, Arc::new(SystemClock)).await?;
        let Broker::Amqp(amqp) = Broker::open(&settings.bus, store.clone())? else { bail!("no broker") };
        amqp.connect("bench").await?.close().await; // exchanges and queues are there now
        let beside = PoolOptions::new().max_connections(8).connect(&database).await?;
        Ok(Self { settings, store, amqp, beside, url })
    }

    /// How many rows a table has.
    async fn count(&self, table: &'static str) -> Result<u64> {
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&self.beside)
            .await?;
        Ok(u64::try_from(rows)?)
    }

    async fn run(&self, statement: &str) -> Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&self.beside).await?;
        Ok(())
    }
}

impl Run {
    fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.seconds += other.seconds;
    }

    fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.done).unwrap_or(u32::MAX)) / self.seconds
    }
}

fn mint() -> Box<dyn Mint> {
    Box::new(SystemMint::new())
}

/// Says what both did and their ratio.
fn say(what: &str, bare: &Run, ours: &Run, goal: f64) -> Result<()> {
    line(&format!("{what:<22} {:>12}", "a second"))?;
    line(&format!("{:<22} {:>12.0}", "bare loop", bare.rate()))?;
    line(&format!("{:<22} {:>12.0}", "scomo", ours.rate()))?;
    line(&format!("{:<22} {:>12.2}   (goal: {goal:.2} or more)", "ratio", ours.rate() / bare.rate()))
}

fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn now() -> Timestamp {
    SystemClock.now()
}

/// How long it is since `from`, in seconds.
fn seconds_since(from: Timestamp) -> f64 {
    now().since(from).as_secs_f64()
}
