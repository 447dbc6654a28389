//! Requests taken in: the service's consumer against a loop that takes the same messages and inserts the same rows.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use lapin::options::BasicAckOptions;
use scomo::{
    contract::accept::Defaults,
    flow::intake::{Consumer, Intake},
    infra::{
        broker::Pressure,
        catalogue::Catalogue,
        driver::Poke,
        jobs::{brake::Brake, hand::Hand},
        system::{SystemClock, SystemMint},
        telemetry::Metrics,
    },
    model::{
        clock::{Clock as _, Mint as _},
        id::Tenant,
    },
};
use serde_json::json;
use sqlx::{PgConnection, Row as _};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Run, Stage, broker::Peer, mint, now, say};

/// Devices that the requests are for.
const DEVICES: u32 = 1000;
/// How often the rows are counted.
const LOOK: Duration = Duration::from_millis(25);
/// How long a batch of the bare loop waits for one message more, as the service's does.
const LINGER: Duration = Duration::from_millis(3);

/// The tables that a request is written to.
const TABLES: [&str; 4] = ["request", "job", "due", "outbox"];

/// One row of each table, as the service writes it.
struct Pattern {
    request: String,
    job: String,
    event: String,
    device: Uuid,
    priority: i64,
}

pub(crate) async fn compare(stage: &Stage, rounds: u32, count: u32) -> Result<()> {
    devices(stage).await?;
    bare_tables(stage).await?;
    let peer = Peer::connect(&stage.url).await?;
    ours(stage, &peer, count / 10).await?; // both have run once before anything counts
    // As autovacuum would within a minute: a server that knows nothing of its tables yet takes the wrong index.
    stage.run("ANALYZE request, job, due, outbox, device").await?;
    let pattern = Pattern::of(stage).await?;
    bare(stage, &peer, &pattern, count / 10).await?;
    let (mut all_bare, mut all_ours) = (Run::default(), Run::default());
    for _ in 0..rounds {
        all_bare.add(&bare(stage, &peer, &pattern, count).await?);
        all_ours.add(&ours(stage, &peer, count).await?);
    }
    peer.close().await?;
    say("requests taken in", &all_bare, &all_ours, 0.6)
}

/// Devices that have a record, so that each request leaves a job that waits.
pub(crate) async fn devices(stage: &Stage) -> Result<()> {
    stage
        .run(&format!(
            "INSERT INTO device (key, tenant, device_id, device_norm, scheme, tags, addresses, secrets, facts, roots, version,
                 created_at, updated_at)
             SELECT gen_random_uuid(), 'default', 'bench-' || n, 'bench-' || n, 'md5', '[]', '{{}}', '', '{{}}', '[]', 0, 0, 0
             FROM generate_series(0, {}) AS n ON CONFLICT DO NOTHING",
            DEVICES - 1
        ))
        .await
}

/// Tables with the same columns, indexes and references.
async fn bare_tables(stage: &Stage) -> Result<()> {
    for table in TABLES {
        stage
            .run(&format!(
                "DROP TABLE IF EXISTS bare_{table} CASCADE; CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)"
            ))
            .await?;
    }
    stage
        .run(
            "ALTER TABLE bare_job ADD FOREIGN KEY (request_key) REFERENCES bare_request (key),
                ADD FOREIGN KEY (device_key) REFERENCES device (key) ON DELETE SET NULL",
        )
        .await
}

/// Requests that wait at the broker.
pub(crate) fn requests(count: u32) -> Vec<(String, String)> {
    let mut chance = SystemMint::new();
    let one = |n: u32| {
        let id = format!("bench/{}", chance.uuid(now()));
        let body = json!({
            "schema": "scomo.request/1", "request_id": id, "source": "bench", "priority": 5, "kind": "download",
            "targets": { "devices": [format!("bench-{}", n % DEVICES)] },
            "package": { "id": "org.example.hello", "version": ">=1" }, "action": "install", "delivery": "auto",
            "retry": { "limit": 3, "backoff": "5m" }, "notify": "never",
        });
        (id, body.to_string())
    };
    (0..count).map(one).collect()
}

async fn empty(stage: &Stage, prefix: &str) -> Result<()> {
    let tables: Vec<String> = TABLES.iter().map(|table| format!("{prefix}{table}")).collect();
    stage.run(&format!("TRUNCATE {} CASCADE", tables.join(", "))).await
}

/// How long it takes from the first rows of a table to the last.
async fn watch(stage: &Stage, table: &'static str, count: u32) -> Result<Run> {
    let mut first = None;
    loop {
        let (there, at) = (stage.count(table).await?, now());
        match first {
            None if there > 0 => first = Some((there, at)),
            Some((before, began)) if there == u64::from(count) => {
                return Ok(Run { done: there - before, seconds: at.since(began).as_secs_f64() });
            }
            Some(_) | None => {}
        }
        sleep(LOOK).await;
    }
}

async fn ours(stage: &Stage, peer: &Peer, count: u32) -> Result<Run> {
    empty(stage, "").await?;
    let bus = &stage.settings.bus;
    peer.publish(&bus.exchange, "request", &requests(count)).await?;
    let stop = CancellationToken::new();
    let policy = stage.settings.job.patience.clone();
    let intake = Intake {
        store: stage.store.clone(),
        catalogue: Catalogue::default(),
        defaults: Defaults::default(),
        policy: policy.clone(),
        clock: Arc::new(SystemClock),
        mint,
        metrics: Metrics::default(),
        due: Poke::default(),
        told: Poke::default(),
        pressure: Pressure::default(),
    };
    let hand = Hand {
        store: stage.store.clone(),
        policy: Arc::new(policy),
        clock: Arc::new(SystemClock),
        mint,
        due: Poke::default(),
        told: Poke::default(),
    };
    let amqp = Arc::clone(&stage.amqp);
    let brake = Brake {
        store: stage.store.clone(),
        clock: Arc::new(SystemClock),
        mint,
        due: Poke::default(),
        told: Poke::default(),
    };
    let consumer = Consumer { intake, hand, brake, amqp, tenant: Tenant::default(), stop: stop.clone() };
    let running = tokio::spawn(consumer.run());
    let run = watch(stage, "request", count).await?;
    stop.cancel();
    running.await?;
    Ok(run)
}

impl Pattern {
    async fn of(stage: &Stage) -> Result<Self> {
        for table in ["job", "due", "outbox"] {
            if stage.count(table).await? != stage.count("request").await? {
                bail!("a request is no longer one row of {table}: the bare loop must follow");
            }
        }
        let row = sqlx::query(
            "SELECT r.body, j.body, o.body, j.device_key, r.priority FROM request r JOIN job j ON j.request_key = r.key
             JOIN outbox o ON o.subject = r.request_id LIMIT 1",
        )
        .fetch_one(&stage.beside)
        .await?;
        Ok(Self {
            request: row.try_get(0)?,
            job: row.try_get(1)?,
            event: row.try_get(2)?,
            device: row.try_get(3)?,
            priority: row.try_get(4)?,
        })
    }
}

/// The baseline: takes as many messages at a time as the service does, inserts their rows by one statement a table, acknowledges.
async fn bare(stage: &Stage, peer: &Peer, pattern: &Pattern, count: u32) -> Result<Run> {
    empty(stage, "bare_").await?;
    let bus = &stage.settings.bus;
    peer.publish(&bus.exchange, "request", &requests(count)).await?;
    let mine = Peer::connect(&stage.url).await?;
    let mut consumer = mine.consume(&bus.queue, bus.prefetch).await?;
    let taking = async {
        let mut taken = 0;
        while taken < count {
            let mut batch = vec![consumer.next().await.context("the queue ended")??];
            while batch.len() < usize::from(bus.prefetch / 2) {
                match timeout(LINGER, consumer.next()).await {
                    Ok(next) => batch.push(next.context("the queue ended")??),
                    Err(_) => break,
                }
            }
            let ids: Vec<String> = batch
                .iter()
                .filter_map(|delivery| Some(delivery.properties.message_id().as_ref()?.as_str().to_owned()))
                .collect();
            let mut tx = stage.beside.begin().await?;
            insert(&mut tx, pattern, &ids).await?;
            tx.commit().await?;
            if let Some(last) = batch.last() {
                last.acker.ack(BasicAckOptions { multiple: true }).await?;
            }
            taken += u32::try_from(batch.len())?;
        }
        anyhow::Ok(())
    };
    let (run, ()) = tokio::try_join!(watch(stage, "bare_request", count), taking)?;
    mine.close().await?;
    Ok(run)
}

async fn insert(conn: &mut PgConnection, pattern: &Pattern, ids: &[String]) -> Result<()> {
    let mut chance = SystemMint::new();
    let at = SystemClock.now();
    let mut uuids = || ids.iter().map(|_| chance.uuid(at)).collect::<Vec<Uuid>>();
    let (requests, jobs, events) = (uuids(), uuids(), uuids());
    let same = |text: &str| vec![text.to_owned(); ids.len()];
    let (at, devices) = (at.micros(), vec![pattern.device; ids.len()]);
    sqlx::query(
        "INSERT INTO bare_request (key, tenant, source, request_id, digest, body, priority, jobs_total, created_at)
         SELECT key, 'default', 'bench', id, digest, body, $5, 1, $6
         FROM UNNEST($1::uuid[], $2::text[], $3::bytea[], $4::text[]) AS u (key, id, digest, body) ON CONFLICT DO NOTHING",
    )
    .bind(&requests)
    .bind(ids)
    .bind(vec![vec![7_u8; 32]; ids.len()])
    .bind(same(&pattern.request))
    .bind(pattern.priority)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    let names: Vec<String> = jobs.iter().map(|job| format!("bench-{job}")).collect();
    sqlx::query(
        "INSERT INTO bare_job (id, tenant, request_key, device_id, device_norm, device_key, state, active, priority, version,
             event_seq, attempt, body, created_at, updated_at, deadline_at)
         SELECT id, 'default', request, name, name, device, 'waiting', FALSE, $6, 0, 0, 1, body, $7, $7, $7
         FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[]) AS u (id, request, name, device, body)",
    )
    .bind(&jobs)
    .bind(&requests)
    .bind(&names)
    .bind(&devices)
    .bind(same(&pattern.job))
    .bind(pattern.priority)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    sqlx::query("INSERT INTO bare_due (errand, subject, at, attempts) SELECT 'wake', id, $2, 0 FROM UNNEST($1::uuid[]) AS u (id)")
        .bind(&jobs)
        .bind(at)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO bare_outbox (id, tenant, subject, seq, kind, body, at, shard)
         SELECT id, 'default', subject, 1, 'scomo.request.accepted', body, $4, 7
         FROM UNNEST($1::uuid[], $2::text[], $3::text[]) AS u (id, subject, body)",
    )
    .bind(&events)
    .bind(ids)
    .bind(same(&pattern.event))
    .bind(at)
    .execute(&mut *conn)
    .await?;
    Ok(())
}
