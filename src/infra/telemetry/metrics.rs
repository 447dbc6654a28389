//! Counters, gauges and histograms in the text format of `OpenMetrics`.

use std::{
    sync::atomic::{AtomicI64, AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Upper bounds in seconds: a message is answered in milliseconds, a stalled database shows in seconds.
const MESSAGE_BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];

/// Everything this replica counts. Clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    requests: Family<Verdict, Counter>,
    sessions_opened: Counter,
    sessions_closed: Family<Outcome, Counter>,
    messages: Family<Status, Counter>,
    message_duration: MessageDuration,
    jobs_ended: Family<State, Counter>,
    packages_rejected: Family<Package, Counter>,
    braked: Family<Reason, Counter>,
    notifications: Family<Outcome, Counter>,
    events_relayed: Family<Outcome, Counter>,
    downloaded: Counter,
    connections: Family<Listener, Gauge>,
    outbox_depth: Gauge,
    bus_blocked: Gauge,
    intake_paused: Gauge,
    clock_offset: Gauge<f64, AtomicU64>,
    dead_letters: Counter,
    due_lag: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// A request was judged: `accepted`, `repeated`, `conflict`, `refused` or `unavailable`.
    pub fn request(&self, verdict: &'static str) {
        self.requests.get_or_create(&Verdict { verdict }).inc();
    }

    /// An authenticated device opened a session.
    pub fn session_opened(&self) {
        self.sessions_opened.inc();
    }

    /// A session ended: `done`, `aborted`, `expired` and the like.
    pub fn session_closed(&self, outcome: &'static str) {
        self.sessions_closed.get_or_create(&Outcome { outcome }).inc();
    }

    /// A device message was answered with this HTTP status, after this long.
    pub fn message(&self, status: u16, took: Duration) {
        self.messages.get_or_create(&Status { status }).inc();
        self.message_duration.0.observe(took.as_secs_f64());
    }

    /// A job reached the terminal `state`.
    pub fn job_ended(&self, state: &'static str) {
        self.jobs_ended.get_or_create(&State { state }).inc();
    }

    /// A device rejected a package of the catalogue, for it is not trusted or broken (result code 1407).
    pub fn package_rejected(&self, package: &str) {
        self.packages_rejected.get_or_create(&Package { package: package.to_owned() }).inc();
    }

    /// The service paused something by itself: for `failure_budget` or `bad_signature`.
    pub fn braked(&self, reason: &'static str) {
        self.braked.get_or_create(&Reason { reason }).inc();
    }

    /// A notification was handed to its courier: `accepted` or `failed`.
    pub fn notification(&self, outcome: &'static str) {
        self.notifications.get_or_create(&Outcome { outcome }).inc();
    }

    /// Events were handed to the bus: `published` on the embedded one; `confirmed`, `returned`, `refused`, `expired` on a broker;
    /// `failed` counts attempts that told nothing.
    pub fn events_relayed(&self, outcome: &'static str, count: u64) {
        self.events_relayed.get_or_create(&Outcome { outcome }).inc_by(count);
    }

    /// Payload bytes left for a device by alternate download.
    pub fn downloaded(&self, bytes: u64) {
        self.downloaded.inc_by(bytes);
    }

    /// A connection of this listener opened; dropping the guard says that it closed.
    #[must_use]
    pub fn connection(&self, listener: &'static str) -> OpenConnection {
        let gauge = self.connections.get_or_create_owned(&Listener { listener });
        gauge.inc();
        OpenConnection(gauge)
    }

    /// How many events wait for the bus.
    pub fn outbox_depth(&self, events: i64) {
        self.outbox_depth.set(events);
    }

    /// Whether the broker takes no messages for now.
    pub fn bus_blocked(&self, blocked: bool) {
        self.bus_blocked.set(i64::from(blocked));
    }

    /// Whether nothing is taken from the broker, because the database does not answer or too many events wait.
    pub fn intake_paused(&self, paused: bool) {
        self.intake_paused.set(i64::from(paused));
    }

    /// How far the machine's clock is before the one that all replicas share, in microseconds.
    pub fn clock_offset(&self, micros: i64) {
        // Exact enough up to centuries.
        self.clock_offset.set(Duration::from_micros(micros.unsigned_abs()).as_secs_f64().copysign(if micros < 0 {
            -1.0
        } else {
            1.0
        }));
    }

    /// A message of the bus was refused and kept.
    pub fn dead_letter(&self) {
        self.dead_letters.inc();
    }

    /// How long the oldest due errand has waited.
    pub fn due_lag(&self, lag: Duration) {
        self.due_lag.set(lag.as_secs_f64());
    }

    /// All figures in the `OpenMetrics` text format, with this content type:
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail; what is written so far is the best answer if a figure could not be written.
        let _ = text::encode(&mut text, &self.registry());
        text
    }

    fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("scomo");
        all.register("requests", "Requests by verdict", self.requests.clone());
        all.register("sessions_opened", "Device sessions opened", self.sessions_opened.clone());
        all.register("sessions_closed", "Device sessions closed, by outcome", self.sessions_closed.clone());
        all.register("messages", "Device messages answered, by HTTP status", self.messages.clone());
        all.register_with_unit(
            "message_duration",
            "Time from a device message to its answer",
            Unit::Seconds,
            self.message_duration.0.clone(),
        );
        all.register("jobs_ended", "Jobs that reached a terminal state", self.jobs_ended.clone());
        let rejected = "Packages that devices did not trust (1407), by PkgID";
        all.register("packages_rejected", rejected, self.packages_rejected.clone());
        all.register("braked", "Pauses that the service ordered itself, by reason", self.braked.clone());
        all.register("notifications", "Notifications handed to a courier, by outcome", self.notifications.clone());
        all.register("events_relayed", "Events handed to the bus, by outcome", self.events_relayed.clone());
        all.register_with_unit(
            "download",
            "Payload bytes sent by alternate download",
            Unit::Bytes,
            self.downloaded.clone(),
        );
        all.register("connections", "Open connections by listener", self.connections.clone());
        all.register("outbox_depth", "Events that wait for the bus", self.outbox_depth.clone());
        let blocked = "1 while the broker takes no messages, for it is short of memory or disk";
        all.register("bus_blocked", blocked, self.bus_blocked.clone());
        let paused = "1 while no request is taken from the broker";
        all.register("intake_paused", paused, self.intake_paused.clone());
        let offset = "How far this machine's clock is before the database's";
        all.register_with_unit("clock_offset", offset, Unit::Seconds, self.clock_offset.clone());
        all.register("dead_letters", "Messages of the bus that were refused", self.dead_letters.clone());
        all.register_with_unit("due_lag", "Age of the oldest due errand", Unit::Seconds, self.due_lag.clone());
        all
    }
}

/// Counts one connection as open for as long as it lives.
#[derive(Debug)]
pub struct OpenConnection(Gauge<i64, AtomicI64>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Debug, Clone)]
struct MessageDuration(Histogram);

impl Default for MessageDuration {
    fn default() -> Self {
        Self(Histogram::new(MESSAGE_BOUNDS))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdict {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Package {
    package: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_open_metrics() {
        let metrics = Metrics::default();
        metrics.request("accepted");
        metrics.job_ended("succeeded");
        metrics.message(200, Duration::from_millis(3));
        metrics.downloaded(4096);
        metrics.package_rejected("a@1");
        let open = metrics.connection("device");
        let text = metrics.encode();
        for line in [
            "scomo_requests_total{verdict=\"accepted\"} 1",
            "scomo_jobs_ended_total{state=\"succeeded\"} 1",
            "scomo_messages_total{status=\"200\"} 1",
            "scomo_message_duration_seconds_count 1",
            "scomo_download_bytes_total 4096",
            "scomo_packages_rejected_total{package=\"a@1\"} 1",
            "scomo_connections{listener=\"device\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "no `{line}` in\n{text}");
        }
        drop(open);
        assert!(metrics.encode().contains("scomo_connections{listener=\"device\"} 0"));
    }
}
