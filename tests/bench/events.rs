//! Events told: the service's relay of a full outbox against the bare publishing of the same bodies.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use lapin::{BasicProperties, Channel, options::BasicPublishOptions};
use scomo::{
    flow::report::Relay,
    infra::{
        broker::{Broker, Pressure},
        driver::Poke,
        system::SystemClock,
        telemetry::Metrics,
    },
};
use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Run, Stage, broker::Peer, mint, now, say, seconds_since};

/// The queue that gets them.
const QUEUE: &str = "bench.heard";
/// Channels of the bare publisher, and messages in flight on each: as the relay has them at most.
const CHANNELS: usize = 4;
const TOGETHER: usize = 1600;
/// How often the outbox is counted.
const LOOK: Duration = Duration::from_millis(25);

/// Events of jobs, each of another: as many as `$1`.
const FILL: &str = r#"
    INSERT INTO outbox (id, tenant, subject, seq, kind, body, at, shard)
    SELECT id, 'default', job::text, 1, 'scomo.job.succeeded', format(
        '{"specversion":"1.0","type":"scomo.job.succeeded","source":"/scomo","id":"%s","time":"2026-11-21T09:33:48.17846Z",'
        '"tenant":"default","subject":"%s","sequence":5,"datacontenttype":"application/json",'
        '"dataschema":"urn:scomo:schema:job-event:1","data":{"request_id":"campaign-7/%s","job_id":"%s",'
        '"device":"IMEI:350000000000001","state":"succeeded","attempt":1,"package":{"id":"org.example.hello",'
        '"version":"1.1.0"},"delivery":"direct","result":{"code":1200},"at":"2026-11-21T09:33:48.17846Z"}}', id, job, n, job),
        (extract(epoch FROM now()) * 1000000)::bigint, n % 64
    FROM (SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS job FROM generate_series(1, $1) AS n) AS made"#;

pub(crate) async fn compare(stage: &Stage, rounds: u32, count: u32) -> Result<()> {
    let peer = Peer::connect(&stage.url).await?;
    peer.bind(QUEUE, &stage.settings.bus.events_exchange, "#").await?;
    bare(stage, &peer, count / 10).await?; // both have run once before anything counts
    ours(stage, &peer, count / 10).await?;
    let (mut all_bare, mut all_ours) = (Run::default(), Run::default());
    for _ in 0..rounds {
        all_bare.add(&bare(stage, &peer, count).await?);
        all_ours.add(&ours(stage, &peer, count).await?);
    }
    peer.close().await?;
    say("events told", &all_bare, &all_ours, 0.6)
}

async fn fill(stage: &Stage, count: u32) -> Result<()> {
    stage.run("TRUNCATE outbox; UPDATE relay_lease SET token = NULL, until = 0").await?;
    sqlx::query(FILL).bind(i32::try_from(count)?).execute(&stage.beside).await?;
    stage.run("ANALYZE outbox").await
}

async fn ours(stage: &Stage, peer: &Peer, count: u32) -> Result<Run> {
    peer.purge(QUEUE).await?;
    fill(stage, count).await?;
    let stop = CancellationToken::new();
    let relay = Relay {
        broker: Broker::Amqp(Arc::clone(&stage.amqp)),
        store: stage.store.clone(),
        high_water: u64::MAX,
        pressure: Pressure::default(),
        keep: Duration::from_hours(24),
        hold: Duration::from_mins(1),
        clock: Arc::new(SystemClock),
        mint,
        metrics: Metrics::default(),
        poke: Poke::default(),
        stop: stop.clone(),
    };
    let running = tokio::spawn(relay.run());
    // The connection does not count, as it does not below.
    while !is_leased(stage).await? {
        sleep(Duration::from_millis(1)).await;
    }
    let began = now();
    while stage.count("outbox").await? > 0 {
        sleep(LOOK).await;
    }
    let run = Run { done: u64::from(count), seconds: seconds_since(began) };
    stop.cancel();
    running.await?;
    Ok(run)
}

/// Whether the relay is at work.
async fn is_leased(stage: &Stage) -> Result<bool> {
    let leased = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM relay_lease WHERE token IS NOT NULL)");
    Ok(leased.fetch_one(&stage.beside).await?)
}

async fn bare(stage: &Stage, peer: &Peer, count: u32) -> Result<Run> {
    peer.purge(QUEUE).await?;
    fill(stage, count).await?;
    let bodies: Vec<String> = sqlx::query_scalar("SELECT body FROM outbox").fetch_all(&stage.beside).await?;
    stage.run("TRUNCATE outbox").await?;
    let events: Vec<(String, String)> = bodies
        .into_iter()
        .map(|body| {
            let event: Value = serde_json::from_str(&body)?;
            let id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            Ok((id, body))
        })
        .collect::<Result<_>>()?;
    let exchange = stage.settings.bus.events_exchange.clone();
    let mut shares = Vec::new();
    for share in events.chunks(events.len().div_ceil(CHANNELS)) {
        shares.push((peer.another().await?, share.to_vec()));
    }
    let began = now();
    let mut running = JoinSet::new();
    for (channel, share) in shares {
        let exchange = exchange.clone();
        running.spawn(async move { tell(&channel, &exchange, &share).await });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(Run { done: u64::from(count), seconds: seconds_since(began) })
}

async fn tell(channel: &Channel, exchange: &str, events: &[(String, String)]) -> Result<()> {
    for wave in events.chunks(TOGETHER) {
        let mut confirms = Vec::with_capacity(wave.len());
        for (id, body) in wave {
            let properties = BasicProperties::default()
                .with_content_type("application/cloudevents+json".into())
                .with_delivery_mode(2)
                .with_message_id(id.as_str().into())
                .with_correlation_id("campaign-7/1".into());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let sent =
                channel.basic_publish(exchange.into(), "job.succeeded".into(), options, body.as_bytes(), properties);
            confirms.push(sent.await?);
        }
        for confirm in confirms {
            if !confirm.await?.is_ack() {
                bail!("the broker refused an event");
            }
        }
    }
    Ok(())
}
