//! What a session costs among a thousand and among a million devices and jobs: statements, pages of the database, time. One session
//! after the other, so that no two share a commit and the counts are exact.

use anyhow::{Context as _, Result, bail};
use scomo::{infra::system::SystemClock, model::clock::Clock as _};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::runtime::Runtime;
use url::Url;

use super::{
    Scenario,
    http::Connection,
    load::{self, Devices},
    say, seconds_since,
    stage::{Database, Stage},
};

/// How many devices the database holds beside those that speak.
const FLEETS: [u32; 2] = [1_000, 1_000_000];
/// Devices that speak, and sessions of each that count.
const SPEAKERS: u32 = 64;
const ROUNDS: u32 = 8;
/// How much more a session may cost in the large fleet: statements, pages, time.
const MOST: [f64; 3] = [1.2, 1.2, 2.0];

/// What one session costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    statements: f64,
    pages: f64,
    millis: f64,
}

/// Measures both fleets on a server whose maintenance database is given, and fails if the large one costs too much.
pub(crate) async fn compare(server: &Runtime, maintenance: &str) -> Result<()> {
    let mut costs = Vec::new();
    say(&format!("{:<16} {:>9} {:>11} {:>7} {:>8}", "a session", "devices", "statements", "pages", "ms"))?;
    for fleet in FLEETS {
        costs.push(measure(server, maintenance, fleet).await?);
    }
    let mut dear = Vec::new();
    for (place, scenario) in [Scenario::Idle, Scenario::Working].into_iter().enumerate() {
        let [small, large] = [0, 1].map(|fleet| costs.get(fleet).and_then(|costs| costs.get(place)).copied());
        let (small, large) = small.zip(large).context("two fleets")?;
        let ratios = [large.statements / small.statements, large.pages / small.pages, large.millis / small.millis];
        let [statements, pages, millis] = ratios;
        say(&format!("{:<16} {:>9} {statements:>11.2} {pages:>7.2} {millis:>8.2}", scenario.name(), "ratio"))?;
        if ratios.iter().zip(MOST).any(|(ratio, most)| *ratio > most) {
            dear.push(scenario.name());
        }
    }
    if dear.is_empty() { Ok(()) } else { bail!("more than {MOST:?} times as dear: {}", dear.join(", ")) }
}

/// An app on a database of its own with so many devices.
async fn set(server: &Runtime, maintenance: &str, fleet: u32) -> Result<(Stage, PgConnection)> {
    let name = format!("scomo_scale_{fleet}");
    let mut url = Url::parse(maintenance)?;
    let mut operator = PgConnection::connect(maintenance).await?;
    operator.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
    url.set_path(&name);
    let stage = Stage::set(server, &Database::Postgres(url.to_string()), SPEAKERS).await?;
    let mut database = PgConnection::connect(url.as_str()).await?;
    fill(&mut database, fleet).await?;
    Ok((stage, database))
}

/// Idle and working sessions beside so many devices.
async fn measure(server: &Runtime, maintenance: &str, fleet: u32) -> Result<[Cost; 2]> {
    let (stage, mut database) = set(server, maintenance, fleet).await?;
    let mut devices = stage.register().await?;
    stage.submit(0, &devices.ids()).await?;
    sessions(&stage, &mut devices).await?; // the server learns the devices
    let mut costs = Vec::new();
    for scenario in [Scenario::Idle, Scenario::Working] {
        database.execute("SELECT pg_stat_statements_reset()").await?;
        let mut seconds = 0.0;
        for round in 1..=ROUNDS {
            if scenario == Scenario::Working {
                stage.submit(round, &devices.ids()).await?;
            }
            let began = SystemClock.now();
            sessions(&stage, &mut devices).await?;
            seconds += seconds_since(began);
        }
        let (statements, pages) = counted(&mut database).await?;
        let sessions = f64::from(SPEAKERS * ROUNDS);
        let cost =
            Cost { statements: statements / sessions, pages: pages / sessions, millis: seconds * 1000.0 / sessions };
        say(&format!(
            "{:<16} {fleet:>9} {:>11.1} {:>7.1} {:>8.2}",
            scenario.name(),
            cost.statements,
            cost.pages,
            cost.millis
        ))?;
        costs.push(cost);
    }
    stage.strike().await;
    <[Cost; 2]>::try_from(costs).ok().context("two kinds of sessions")
}

/// Fills the database, and waits until the events of the fleet are told. What is due in it is due in ten days, and nothing of it is old.
async fn fill(database: &mut PgConnection, fleet: u32) -> Result<()> {
    let now = SystemClock.now().micros().saturating_add(10 * 86_400_000_000);
    database
        .execute(
            "CREATE EXTENSION pg_stat_statements;
            CREATE FUNCTION fleet_id(kind bigint, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
                SELECT (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid $$",
        )
        .await?;
    for text in [include_str!("../data/fleet/jobs.sql"), include_str!("../data/fleet/rest.sql")] {
        let text = text.replace("{n}", &fleet.to_string()).replace("{now}", &now.to_string());
        database.execute(AssertSqlSafe(text)).await.context("filling the database")?;
    }
    while sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT 1 FROM outbox)").fetch_one(&mut *database).await? {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    database.execute("VACUUM ANALYZE").await?;
    Ok(())
}

/// One session of each device, one after the other.
async fn sessions(stage: &Stage, devices: &mut Devices) -> Result<()> {
    let url = format!("http://{}/dm", stage.device);
    let mut connection = Connection::open(stage.device).await?;
    for device in &mut devices.waiting {
        device.want_session();
        let mut next = device.open(&url);
        while let Some(message) = next {
            next = load::exchange(&mut connection, device, &message).await?.0;
        }
        device.take_events();
    }
    Ok(())
}

/// The statements since the last reset, and the pages that they looked at. What the service looks for by itself from time to time, and
/// what the measuring asks, is left out.
async fn counted(database: &mut PgConnection) -> Result<(f64, f64)> {
    let counted = sqlx::query_as(
        "SELECT COALESCE(sum(calls), 0)::float8, COALESCE(sum(shared_blks_hit + shared_blks_read), 0)::float8
        FROM pg_stat_statements
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query LIKE '-- %'
            AND query !~ '^-- (due.lease|event.(relay_lock|publish|forget|waiting)|relay|schema|days|request.(identity|insert)|device.known|[a-z]+.prune)'",
    );
    Ok(counted.fetch_one(database).await?)
}
