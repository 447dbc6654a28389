//! What is counted: time, processor, bytes.

use std::fs;

use anyhow::{Context as _, Result};
use scomo::{
    infra::system::SystemClock,
    model::clock::{Clock as _, Timestamp},
    sim::Device,
};

use super::{
    http::Connection,
    load::{self, Said},
    seconds_since,
    stage::{Beside, Stage},
};

/// Clock ticks in a second: what Linux counts processor time in, the same on every machine.
const TICKS: f64 = 100.0;

/// What the messages of one session are made of.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) messages: usize,
    /// Bytes of all messages, of all answers, and of all values that were written to the database.
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    pub(crate) stored: usize,
}

impl Sizes {
    /// The mean of a message.
    pub(crate) fn each(&self, total: usize) -> usize {
        total.checked_div(self.messages).unwrap_or_default()
    }
}

/// A stretch of load.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    said: Said,
    /// Seconds of processor: of the load generator, and of the rest of this process.
    load: f64,
    server: f64,
    /// Bytes that went to the database's log or files.
    disk: u64,
}

/// Notes where a stretch of load begins.
pub(crate) struct Meter {
    began: Timestamp,
    load: f64,
    server: f64,
    disk: u64,
}

impl Meter {
    pub(crate) async fn start(stage: &Stage) -> Result<Self> {
        let disk = written(stage).await?;
        let (load, server) = processor()?;
        Ok(Self { began: SystemClock.now(), load, server, disk })
    }

    pub(crate) async fn stop(self, stage: &Stage, said: Said) -> Result<Run> {
        let seconds = seconds_since(self.began);
        let (load, server) = processor()?;
        let disk = written(stage).await?.saturating_sub(self.disk);
        Ok(Run { seconds, said, load: load - self.load, server: server - self.server, disk })
    }
}

impl Run {
    pub(crate) fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.said.add(other.said);
        self.load += other.load;
        self.server += other.server;
        self.disk += other.disk;
    }

    fn rate(&self) -> f64 {
        float(self.said.waits.len()) / self.seconds
    }

    /// A line of the table; the ratio is that of messages a second.
    pub(crate) fn row(&self, database: &str, name: &str, sizes: &Sizes, bare: Option<&Self>) -> String {
        let mut waits = self.said.waits.clone();
        waits.sort_unstable();
        let at = |part: usize| waits.get((waits.len() * part / 1000).min(waits.len().saturating_sub(1))).copied();
        let millis = |part| at(part).map_or(0.0, |wait| float(usize::try_from(wait).unwrap_or(usize::MAX)) / 1000.0);
        let messages = waits.len().max(1);
        let sessions = usize::try_from(self.said.sessions).unwrap_or(usize::MAX);
        let sessions = if bare.is_some() { format!("{:.0}", float(sessions) / self.seconds) } else { "–".to_owned() };
        let disk = usize::try_from(self.disk).unwrap_or(usize::MAX) / messages;
        let (server, load) = (self.server * 1e6 / float(messages), self.load * 1e6 / float(messages));
        let ratio = bare.map_or_else(|| "1".to_owned(), |bare| format!("{:.2}", self.rate() / bare.rate()));
        format!(
            "{database:<11} {name:<22} {sessions:>10} {:>10.0} {:>7.1} {:>7.1} {:>8} {disk:>8} {server:>8.0} {load:>6.0} {ratio:>6}",
            self.rate(),
            millis(500),
            millis(990),
            sizes.each(sizes.stored),
        )
    }
}

/// What stands over the lines.
pub(crate) fn heading() -> String {
    format!(
        "{:<11} {:<22} {:>10} {:>10} {:>7} {:>7} {:>8} {:>8} {:>8} {:>6} {:>6}\n{:<11} {:<22} {:>10} {:>10} {:>7} {:>7} {:>8} {:>8} {:>8} {:>6} {:>6}",
        "database",
        "load",
        "sessions",
        "messages",
        "p50",
        "p99",
        "stored",
        "written",
        "server",
        "load",
        "ratio",
        "",
        "",
        "/s",
        "/s",
        "ms",
        "ms",
        "B/msg",
        "B/msg",
        "µs/msg",
        "µs/msg",
        "",
    )
}

/// Holds one session and looks at the device's rows after each message.
pub(crate) async fn sizes(stage: &Stage, device: &mut Device) -> Result<Sizes> {
    let mut connection = Connection::open(stage.device).await?;
    let mut sizes = Sizes::default();
    let mut before = rows(stage).await?;
    device.want_session();
    let mut next = device.open(&format!("http://{}/dm", stage.device));
    while let Some(message) = next {
        let (following, answered) = load::exchange(&mut connection, device, &message).await?;
        let after = rows(stage).await?;
        sizes.messages += 1;
        sizes.sent += message.body.len();
        sizes.answered += answered;
        sizes.stored += after.iter().filter(|row| !before.contains(row)).map(|row| row.2).sum::<usize>();
        (next, before) = (following, after);
    }
    device.take_events();
    Ok(sizes)
}

/// Every row that a device message may write: which one, its version, and the bytes of its values.
async fn rows(stage: &Stage) -> Result<Vec<(String, i64, usize)>> {
    let Beside::Sqlite(pool) = &stage.beside else { anyhow::bail!("sizes are taken on SQLite") };
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT 'session' || hex(key), version, octet_length(state) FROM session
        UNION ALL SELECT 'device' || hex(key), version, octet_length(secrets || facts || roots) FROM device
        UNION ALL SELECT 'inventory' || hex(device_key), read_at, octet_length(body) FROM inventory
        UNION ALL SELECT 'job' || hex(id), version, octet_length(body) + COALESCE(octet_length(result), 0) FROM job
        UNION ALL SELECT 'event' || hex(id), seq, octet_length(body) FROM outbox
        UNION ALL SELECT 'event' || hex(id), seq, octet_length(body) FROM event",
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|(row, version, bytes)| Ok((row, version, usize::try_from(bytes)?))).collect()
}

/// What the database has written so far: PostgreSQL's log, or what this process, whose only file is SQLite's, has sent to disk.
async fn written(stage: &Stage) -> Result<u64> {
    let bytes: i64 = match &stage.beside {
        Beside::Postgres(pool) => {
            sqlx::query_scalar("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetch_one(pool).await?
        }
        Beside::Sqlite(_) => {
            let io = fs::read_to_string("/proc/self/io")?;
            let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("no write_bytes")?;
            line.parse()?
        }
    };
    Ok(u64::try_from(bytes)?)
}

/// Seconds of processor that the load generator's threads and all others of this process have used.
fn processor() -> Result<(f64, f64)> {
    let (mut load, mut server) = (0.0, 0.0);
    for task in fs::read_dir("/proc/self/task")? {
        let Ok(stat) = fs::read_to_string(task?.path().join("stat")) else { continue };
        let (name, rest) = stat.split_once(')').context("a line of /proc")?;
        let ticks: f64 = rest.split_ascii_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
        *if name.contains("(load") { &mut load } else { &mut server } += ticks / TICKS;
    }
    Ok((load, server))
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "counts far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}
