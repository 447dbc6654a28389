//! How quickly a request falls into jobs, against a bare insert of the same rows into the same tables. Started by
//! `tests/bench/run fanout`; `docs/performance.md` says what the figures mean.
//!
//! A real app is handed a target list and a request for it over HTTP. In the same run, between two such requests, the same number
//! of job and due rows is inserted by statements alone, in batches of the same size, from memory.

use std::{collections::BTreeMap, env, fs, io::Write as _, time::Duration};

use anyhow::{Context as _, Result, bail};
use scomo::{
    infra::{
        store::Keys,
        system::{SystemClock, SystemMint},
    },
    model::clock::{Clock as _, Mint as _, Timestamp},
    server::{app::App, config::Settings},
};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

/// Jobs of one commit, as the service makes them.
const STRETCH: usize = 1000;
/// How often is looked whether a fan-out has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A connection beside those of the app.
enum Beside {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

/// What every job row of a request has in common, as the service wrote it.
#[derive(sqlx::FromRow)]
struct Common {
    state: String,
    priority: i64,
    body: String,
    created_at: i64,
    deadline_at: Option<i64>,
    due_at: i64,
}

/// The job and due rows of a stretch, but for what is common to all.
struct Rows {
    ids: Vec<Uuid>,
    devices: Vec<String>,
    keys: Vec<Uuid>,
}

struct Bench {
    app: App,
    http: reqwest::Client,
    beside: Beside,
    devices: usize,
    _folder: tempfile::TempDir,
}

fn main() -> Result<()> {
    // `cargo test` builds and starts benches, too, without this argument: nothing is measured then.
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let (mut devices, mut databases) = (100_000, Vec::new());
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--devices" => devices = value.parse().context("--devices needs a number")?,
            "--database" => databases.push(value),
            _ => bail!("unknown argument {argument}; there are --devices N and --database sqlite|postgres"),
        }
    }
    if databases.is_empty() {
        databases = vec!["sqlite".to_owned(), "postgres".to_owned()];
    }
    // As the program does it: only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        say(&format!(
            "{:<11} {:<28} {:>9} {:>10} {:>6} {:>9}",
            "database", "load", "rows", "rows/s", "ratio", "peak RSS"
        ))?;
        for database in &databases {
            measure(database, devices).await?;
        }
        Ok(())
    })
}

/// Two fan-outs, and a bare insert between them, so that what the tables hold meets both alike.
async fn measure(database: &str, devices: usize) -> Result<()> {
    let mut bench = Bench::set(database, devices).await?;
    bench.register().await?;
    bench.upload("warm-up", STRETCH).await?;
    bench.spread("warm-up", "warm-up").await?;
    let upload = bench.upload("fleet", devices).await?;
    fs::write("/proc/self/clear_refs", "5").context("the peak of the memory cannot be reset")?;
    let first = bench.spread("first", "fleet").await?;
    let peak = peak()?;
    let common = bench.common().await?;
    let bare = bench.bare(&common).await?;
    let second = bench.spread("second", "fleet").await?;
    let (rate, bare) = (2.0 * float(devices) / (first + second), float(devices) / bare);
    let row = |load: &str, rows: usize, rate: f64, ratio: &str, peak: &str| {
        say(&format!("{database:<11} {load:<28} {rows:>9} {rate:>10.0} {ratio:>6} {peak:>9}"))
    };
    row("upload of a target list", devices, float(devices) / upload, "–", "")?;
    row("bare insert, job and due rows", devices, bare, "1", "")?;
    row("fan-out of a request", devices, rate, &format!("{:.2}", rate / bare), &format!("{peak:.0} MB"))?;
    bench.app.stop().await;
    Ok(())
}

impl Bench {
    async fn set(database: &str, devices: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("scomo-bench-").tempdir()?;
        let file = folder.path().join("scomo.db");
        let url = match database {
            "sqlite" => format!("sqlite://{}", file.display()),
            "postgres" => env::var("SCOMO_BENCH_POSTGRES").context("SCOMO_BENCH_POSTGRES must be PostgreSQL's URL")?,
            _ => bail!("no database `{database}`; there are sqlite and postgres"),
        };
        let key = Keys::fresh();
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        let mut set = |name: &str, value: &str| environment.insert(format!("SCOMO__{name}"), value.to_owned());
        set("DATABASE__URL", &url);
        set("SECRETS__KEYS", &format!("[{:?}]", key.expose()));
        for listener in ["DEVICE", "ADMIN", "OPS"] {
            set(&format!("{listener}__LISTEN"), "127.0.0.1:0");
        }
        let app = App::start(Settings::load(None, &environment).context("settings")?).await?;
        let beside = if database == "sqlite" {
            let options = SqliteConnectOptions::new().filename(&file).foreign_keys(true);
            let options = options.synchronous(sqlx::sqlite::SqliteSynchronous::Full);
            let options = options.busy_timeout(Duration::from_secs(30));
            Beside::Sqlite(Box::new(SqliteConnection::connect_with(&options).await?))
        } else {
            Beside::Postgres(Box::new(PgConnection::connect(&url).await?))
        };
        Ok(Self { app, http: reqwest::Client::new(), beside, devices, _folder: folder })
    }

    /// Registers the devices behind the app's back: only that they are there counts.
    async fn register(&mut self) -> Result<()> {
        const COLUMNS: &str =
            "INSERT INTO device (key, tenant, device_id, device_norm, scheme, tags, addresses, secrets,
            facts, roots, version, created_at, updated_at)";
        let count = i64::try_from(self.devices)?;
        match &mut self.beside {
            Beside::Postgres(connection) => {
                let rows = format!(
                    "{COLUMNS} SELECT gen_random_uuid(), 'default', n, n, 'md5', '[]', '{{}}', ''::bytea, '{{}}', '{{}}', 0, 0, 0
                    FROM (SELECT 'IMEI:35' || LPAD(g::text, 13, '0') AS n FROM generate_series(0, $1 - 1) g) d"
                );
                sqlx::query(sqlx::AssertSqlSafe(rows)).bind(count).execute(&mut **connection).await?;
                sqlx::query("ANALYZE").execute(&mut **connection).await?;
            }
            Beside::Sqlite(connection) => {
                let rows = format!(
                    "{COLUMNS} WITH RECURSIVE g (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < $1 - 1)
                    SELECT randomblob(16), 'default', n, n, 'md5', '[]', '{{}}', x'', '{{}}', '{{}}', 0, 0, 0
                    FROM (SELECT 'IMEI:35' || printf('%013d', i) AS n FROM g)"
                );
                sqlx::query(sqlx::AssertSqlSafe(rows)).bind(count).execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// Uploads a list of the first devices, and says how many seconds that took.
    async fn upload(&self, name: &str, devices: usize) -> Result<f64> {
        let lines = (0..devices).map(|n| format!("\"{}\"\n", named(n))).collect::<Vec<_>>().concat();
        let url = format!("http://{}/api/v1/target-lists?name={name}", self.app.admin);
        let began = SystemClock.now();
        let call = self.http.post(url).header("content-type", "application/x-ndjson").body(lines);
        let list: Value = call.send().await?.error_for_status()?.json().await?;
        if list.get("devices").and_then(Value::as_u64) != u64::try_from(devices).ok() {
            bail!("the list is not whole: {list}");
        }
        Ok(seconds_since(began))
    }

    /// Hands in a request for a list, and says in how many seconds it fell into all of its jobs. The devices are not woken.
    async fn spread(&mut self, id: &str, list: &str) -> Result<f64> {
        let request = json!({
            "request_id": id, "source": "bench", "kind": "download", "action": "install", "notify": "never",
            "package": { "id": "org.example.hello", "version": ">=1" }, "targets": { "list": list },
        });
        let began = SystemClock.now();
        let url = format!("http://{}/api/v1/requests", self.app.admin);
        let taken = self.http.post(url).json(&request).send().await?;
        if taken.status() != 202 {
            bail!("the request was not taken: {}", taken.text().await?);
        }
        while !self.has_ended(id).await? {
            tokio::time::sleep(LOOK).await;
        }
        Ok(seconds_since(began))
    }

    async fn has_ended(&mut self, id: &str) -> Result<bool> {
        const ENDED: &str =
            "SELECT f.ended_at FROM fan_out f JOIN request r ON r.key = f.request_key WHERE r.request_id = $1";
        let (at,): (Option<i64>,) = match &mut self.beside {
            Beside::Postgres(connection) => sqlx::query_as(ENDED).bind(id).fetch_one(&mut **connection).await?,
            Beside::Sqlite(connection) => sqlx::query_as(ENDED).bind(id).fetch_one(&mut **connection).await?,
        };
        Ok(at.is_some())
    }

    /// What the service wrote for each job.
    async fn common(&mut self) -> Result<Common> {
        const ONE: &str = "SELECT j.state, j.priority, j.body, j.created_at, j.deadline_at, d.at AS due_at
            FROM job j JOIN due d ON d.errand = 'job' AND d.subject = j.id LIMIT 1";
        Ok(match &mut self.beside {
            Beside::Postgres(connection) => sqlx::query_as(ONE).fetch_one(&mut **connection).await?,
            Beside::Sqlite(connection) => sqlx::query_as(ONE).fetch_one(&mut **connection).await?,
        })
    }

    /// Inserts the rows of a fan-out by statements alone, and says how many seconds that took.
    async fn bare(&mut self, common: &Common) -> Result<f64> {
        const REQUEST: &str =
            "INSERT INTO request (key, tenant, source, request_id, digest, body, priority, jobs_total, created_at)
            VALUES ($1, 'default', 'bench', 'bare', $2, '{}', 5, 0, 0)";
        const DEVICES: &str = "SELECT device_norm, key FROM device ORDER BY device_norm";
        let (mut mint, now) = (SystemMint::new(), SystemClock.now());
        let request = mint.uuid(now);
        let devices: Vec<(String, Uuid)> = match &mut self.beside {
            Beside::Postgres(connection) => {
                sqlx::query(REQUEST).bind(request).bind(vec![0_u8; 32]).execute(&mut **connection).await?;
                sqlx::query_as(DEVICES).fetch_all(&mut **connection).await?
            }
            Beside::Sqlite(connection) => {
                sqlx::query(REQUEST).bind(request).bind(vec![0_u8; 32]).execute(&mut **connection).await?;
                sqlx::query_as(DEVICES).fetch_all(&mut **connection).await?
            }
        };
        // Ids rise from stretch to stretch, as those of the service do: indexes take them the more easily.
        let moments = (0..).map(|n| now.after(Duration::from_millis(n)));
        let stretches = devices.chunks(STRETCH).zip(moments).map(|(chunk, moment)| Rows {
            ids: chunk.iter().map(|_| mint.uuid(moment)).collect(),
            devices: chunk.iter().map(|(device, _)| device.clone()).collect(),
            keys: chunk.iter().map(|(_, key)| *key).collect(),
        });
        let stretches: Vec<Rows> = stretches.collect();
        let began = SystemClock.now();
        for rows in &stretches {
            match &mut self.beside {
                Beside::Postgres(connection) => postgres(connection, request, common, rows).await?,
                Beside::Sqlite(connection) => sqlite(connection, request, common, rows).await?,
            }
        }
        Ok(seconds_since(began))
    }
}

/// A commit of arrays, one a column.
async fn postgres(connection: &mut PgConnection, request: Uuid, common: &Common, rows: &Rows) -> Result<()> {
    const JOBS: &str = "INSERT INTO job (id, tenant, request_key, device_id, device_norm, device_key, state, active, priority,
            version, event_seq, attempt, body, result, created_at, updated_at, deadline_at, passes_until, finished_at)
        SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::boolean[],
            $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::bigint[],
            $17::bigint[], $18::bigint[], $19::bigint[])";
    const DUE: &str = "INSERT INTO due (errand, subject, at, attempts)
        SELECT 'job', u.subject, u.at, 0 FROM UNNEST($1::uuid[], $2::bigint[]) AS u (subject, at)";
    let count = rows.ids.len();
    let mut tx = connection.begin().await?;
    sqlx::query(JOBS)
        .bind(&rows.ids)
        .bind(vec!["default"; count])
        .bind(vec![request; count])
        .bind(&rows.devices)
        .bind(&rows.devices)
        .bind(&rows.keys)
        .bind(vec![common.state.as_str(); count])
        .bind(vec![false; count])
        .bind(vec![common.priority; count])
        .bind(vec![0_i64; count])
        .bind(vec![0_i64; count])
        .bind(vec![1_i64; count])
        .bind(vec![common.body.as_str(); count])
        .bind(vec![None::<&str>; count])
        .bind(vec![common.created_at; count])
        .bind(vec![common.created_at; count])
        .bind(vec![common.deadline_at; count])
        .bind(vec![None::<i64>; count])
        .bind(vec![None::<i64>; count])
        .execute(&mut *tx)
        .await?;
    sqlx::query(DUE).bind(&rows.ids).bind(vec![common.due_at; count]).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// A commit of prepared statements, two a row: SQLite takes no arrays.
async fn sqlite(connection: &mut SqliteConnection, request: Uuid, common: &Common, rows: &Rows) -> Result<()> {
    const JOB: &str =
        "INSERT INTO job (id, tenant, request_key, device_id, device_norm, device_key, state, active, priority,
            version, event_seq, attempt, body, result, created_at, updated_at, deadline_at, passes_until, finished_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 1, $10, NULL, $11, $11, $12, NULL, NULL)";
    const DUE: &str = "INSERT INTO due (errand, subject, at, attempts) VALUES ('job', $1, $2, 0)";
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    for ((id, device), key) in rows.ids.iter().zip(&rows.devices).zip(&rows.keys) {
        let job = sqlx::query(JOB).bind(id).bind("default").bind(request).bind(device).bind(device).bind(key);
        let job = job.bind(&common.state).bind(false).bind(common.priority).bind(&common.body);
        job.bind(common.created_at).bind(common.deadline_at).execute(&mut *tx).await?;
        sqlx::query(DUE).bind(id).bind(common.due_at).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

fn named(n: usize) -> String {
    format!("IMEI:35{n:013}")
}

/// The most memory that this process has had resident, in MB.
fn peak() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0 / 1e6)
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

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "counts far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}
