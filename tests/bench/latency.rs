//! From the publishing of a request to the event that it is accepted, as someone outside sees it, when there is little to do.

use std::time::Duration;

use anyhow::Result;
use scomo::server::app::App;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    Stage,
    broker::{Peer, next},
    intake::{devices, requests},
    line, now, seconds_since,
};

/// Requests, one after the other.
const REQUESTS: u32 = 300;
/// What lies between two.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) async fn measure(stage: &Stage) -> Result<()> {
    devices(stage).await?;
    stage.run("TRUNCATE request, job, due, outbox CASCADE").await?;
    let bus = &stage.settings.bus;
    let peer = Peer::connect(&stage.url).await?;
    peer.bind("bench.accepted", &bus.events_exchange, "request.accepted").await?;
    peer.purge("bench.accepted").await?;
    let hearing = Peer::connect(&stage.url).await?;
    let mut heard = hearing.consume("bench.accepted", 10).await?;
    let app = App::start(stage.settings.clone()).await?;
    let mut waits = Vec::new();
    for request in requests(REQUESTS) {
        let sent = now();
        peer.publish(&bus.exchange, "request", std::slice::from_ref(&request)).await?;
        while next(&mut heard).await?.get("subject").and_then(Value::as_str) != Some(request.0.as_str()) {}
        waits.push(seconds_since(sent) * 1000.0);
        sleep(PAUSE).await;
    }
    app.stop().await;
    waits.drain(..waits.len() / 10); // connections and plans are new at first
    waits.sort_by(f64::total_cmp);
    let at = |part: usize| waits.get((waits.len() * part / 100).min(waits.len() - 1)).copied().unwrap_or_default();
    line(&format!("published to accepted: p50 {:.1} ms, p99 {:.1} ms   (goal: within 50 ms)", at(50), at(99)))
}
