//! Step 5: events leave the outbox for the bus, in their order, and none is forgotten: what was committed with a change is told,
//! however often this process dies in between.

mod outgoing;

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    infra::{
        broker::{Broker, Pressure},
        driver::Poke,
        store::Store,
        telemetry::{Metrics, chain},
    },
    model::clock::{Clock, Mint},
};

/// How many events the embedded bus takes at a time.
const BATCH: u32 = 500;
/// How often the outbox is looked at; a poke is faster.
const POLL: Duration = Duration::from_millis(250);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(2);
/// How often what waits is counted.
const COUNT: Duration = Duration::from_secs(1);

/// What tells events.
#[derive(Clone)]
pub struct Relay {
    /// Where they go.
    pub broker: Broker,
    /// Where they wait.
    pub store: Store,
    /// So many waiting events are too many.
    pub high_water: u64,
    /// Raised then.
    pub pressure: Pressure,
    /// How long an event is tried that the broker does not take.
    pub keep: Duration,
    /// How long shards are kept for this replica if nothing is heard of it any more.
    pub hold: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for the pauses between attempts.
    pub mint: fn() -> Box<dyn Mint>,
    /// Counters.
    pub metrics: Metrics,
    /// Wakes it before its time.
    pub poke: Poke,
    /// Ends it.
    pub stop: CancellationToken,
}

impl Relay {
    /// Relays events until it is stopped.
    pub async fn run(self) {
        let telling = async {
            match &self.broker {
                Broker::Embedded(store) => self.tell_embedded(store).await,
                Broker::Amqp(amqp) => self.tell_broker(amqp).await,
            }
        };
        tokio::join!(telling, self.watch());
    }

    async fn tell_embedded(&self, store: &Store) {
        while !self.stop.is_cancelled() {
            let pause = self.publish_embedded(store).await;
            self.rest(pause).await;
        }
    }

    /// Publishes a batch, and says how long to wait for the next.
    async fn publish_embedded(&self, store: &Store) -> Duration {
        match store.publish_embedded(BATCH).await {
            Ok(count) => {
                self.metrics.events_relayed("published", count);
                if count == u64::from(BATCH) { Duration::ZERO } else { POLL }
            }
            Err(error) => {
                self.metrics.events_relayed("failed", 1);
                tracing::error!(error = chain(&error), "Events wait in the outbox");
                PAUSE
            }
        }
    }

    /// Counts what waits.
    async fn watch(&self) {
        while !self.stop.is_cancelled() {
            if let Ok(waiting) = self.store.outbox_size().await {
                self.metrics.outbox_depth(i64::try_from(waiting).unwrap_or(i64::MAX));
                if self.pressure.measure(waiting, self.high_water) {
                    self.pressed(waiting);
                }
            }
            tokio::select! {
                () = sleep(COUNT) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    #[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
    fn pressed(&self, waiting: u64) {
        if self.pressure.is_high() {
            tracing::error!(
                waiting,
                "So many events wait for the bus that no request is taken (bus.outbox_high_water)"
            );
        } else {
            tracing::info!(waiting, "Requests are taken again: few enough events wait for the bus");
        }
    }

    /// Waits for so long, or until something is to be told or the service stops.
    async fn rest(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = self.poke.poked() => {}
            () = self.stop.cancelled() => {}
        }
    }
}
