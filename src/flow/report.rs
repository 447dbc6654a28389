//! Step 5: events leave the outbox for the bus, in their order, and none is forgotten: what was committed with a change is told,
//! however often this process dies in between.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::infra::{
    broker::Broker,
    driver::Poke,
    store::Store,
    telemetry::{Metrics, chain},
};

/// How many events are published at a time.
const BATCH: u32 = 500;
/// How often the outbox is looked at; a poke is faster.
const POLL: Duration = Duration::from_millis(250);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(2);

/// Relays events until `stop`.
pub async fn relay(broker: Broker, store: Store, metrics: Metrics, poke: Poke, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = publish(&broker, &store, &metrics).await;
        tokio::select! {
            () = sleep(pause) => {}
            () = poke.poked() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Publishes a batch, and says how long to wait for the next.
async fn publish(broker: &Broker, store: &Store, metrics: &Metrics) -> Duration {
    let relayed = broker.relay(BATCH).await;
    if let Ok(waiting) = store.outbox_size().await {
        metrics.outbox_depth(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
    match relayed {
        Ok(count) => {
            metrics.events_relayed("published", count);
            if count == u64::from(BATCH) { Duration::ZERO } else { POLL }
        }
        Err(error) => {
            metrics.events_relayed("failed", 1);
            tracing::error!(error = chain(&error), "Events wait in the outbox");
            PAUSE
        }
    }
}
