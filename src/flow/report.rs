//! Step 5: events leave the outbox for the bus, in their order, and none is forgotten: what was committed with a change is told,
//! however often this process dies in between.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::infra::{broker::Broker, driver::Poke, store::Store, telemetry::Metrics};

/// How many events are published at a time.
const BATCH: u32 = 500;
/// How often the outbox is looked at; a poke is faster.
const POLL: Duration = Duration::from_millis(250);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(2);

/// Relays events until `stop`.
pub async fn relay(broker: Broker, store: Store, metrics: Metrics, poke: Poke, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match broker.relay(BATCH).await {
            Ok(count) => {
                metrics.events_relayed("published", count);
                if count == u64::from(BATCH) { Duration::ZERO } else { POLL }
            }
            Err(error) => {
                metrics.events_relayed("failed", 1);
                tracing::error!(error = &error as &dyn std::error::Error, "Events wait in the outbox: {error}");
                PAUSE
            }
        };
        if let Ok(waiting) = store.outbox_size().await {
            metrics.outbox_depth(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = poke.poked() => {}
            () = stop.cancelled() => {}
        }
    }
}
