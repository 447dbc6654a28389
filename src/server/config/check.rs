//! What must hold between settings.

use std::{fmt, net::SocketAddr, time::Duration};

use url::Url;

use super::{AuthMode, Settings};

/// One thing that does not fit: which key, what is wrong, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The key to change.
    pub key: &'static str,
    /// What is wrong with it, and what to do.
    pub what: String,
}

/// All complaints at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaints(pub Vec<Complaint>);

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|Complaint { key, what }| write!(f, "\n  {key}: {what}"))
    }
}

/// How long the identity of a request outlives its last event at least.
const IDENTITIES: Duration = Duration::from_hours(90 * 24);

impl Settings {
    /// Looks for whatever does not fit together.
    pub(super) fn check(&self) -> Result<(), Complaints> {
        let mut found = Vec::new();
        self.check_doors(&mut found);
        self.check_spans(&mut found);
        self.check_bus(&mut found);
        if found.is_empty() { Ok(()) } else { Err(Complaints(found)) }
    }

    fn check_doors(&self, found: &mut Vec<Complaint>) {
        let mut complain = |key, what: String| found.push(Complaint { key, what });
        if self.admin.auth == AuthMode::ThisMachine && !self.admin.listen.ip().is_loopback() {
            complain("admin.auth", open(self.admin.listen));
        }
        if self.admin.auth == AuthMode::Tokens && self.admin.tokens.is_empty() {
            complain("admin.tokens", "no token is listed, so nobody could be let in; list one".to_owned());
        }
        if self.admin.tokens.iter().any(|token| token.roles.is_empty()) {
            complain("admin.tokens", "a token without roles lets nobody do anything; name its roles".to_owned());
        }
        if !self.device.plain_http && !self.device.listen.ip().is_loopback() {
            complain("device.plain_http", plain(self.device.listen));
        }
        if self.device.server_id.trim().is_empty() {
            complain("device.server_id", "the server needs a name".to_owned());
        }
        for path in &self.device.paths {
            if !path.starts_with('/') || path.contains(['?', '#', '{', '}', '*']) {
                complain(
                    "device.paths",
                    format!("{path:?} is not a path: it begins with `/` and has no wildcard or query"),
                );
            }
            if path.starts_with("/dl/") || path.starts_with("/dd/") {
                complain("device.paths", format!("{path:?} is taken by downloads"));
            }
        }
        for (key, url) in
            [("device.public_url", &self.device.public_url), ("download.public_url", &self.download.public_url)]
        {
            if url.as_ref().is_some_and(|url| !base(url)) {
                complain(key, "an http:// or https:// URL without query is needed".to_owned());
            }
        }
    }

    fn check_bus(&self, found: &mut Vec<Complaint>) {
        /// The longest name that AMQP carries, in bytes.
        const LONGEST: usize = 255;
        let mut complain = |key, what: &str| found.push(Complaint { key, what: what.to_owned() });
        for (key, name) in [
            ("bus.exchange", &self.bus.exchange),
            ("bus.queue", &self.bus.queue),
            ("bus.dead_queue", &self.bus.dead_queue),
            ("bus.events_exchange", &self.bus.events_exchange),
        ] {
            if name.is_empty() || name.len() > LONGEST {
                complain(key, "a name of 1 to 255 bytes is needed");
            }
        }
        if self.bus.exchange == self.bus.events_exchange {
            complain("bus.events_exchange", "must be another than bus.exchange");
        }
        if self.bus.queue == self.bus.dead_queue {
            complain("bus.dead_queue", "must be another than bus.queue: what was refused would come in again");
        }
        if self.bus.prefetch == 0 || self.bus.outbox_high_water == 0 {
            complain("bus.prefetch", "bus.prefetch and bus.outbox_high_water must be at least 1");
        }
        if self.bus.heartbeat < Duration::from_secs(1) {
            complain("bus.heartbeat", "must be at least one second");
        }
    }

    fn check_spans(&self, found: &mut Vec<Complaint>) {
        /// Whoever plans further ahead does not plan.
        const LATEST: Duration = Duration::from_hours(3650 * 24);
        let mut complain = |key, what: String| found.push(Complaint { key, what });
        let positive = [
            ("device.idle_timeout", self.device.idle_timeout),
            ("download.grant_lifetime", self.download.grant_lifetime),
            ("job.default_deadline", self.job.default_deadline),
            ("job.patience.answer", self.job.patience.answer),
            ("job.patience.again", self.job.patience.again),
            ("job.patience.session", self.job.patience.session),
            ("job.patience.user", self.job.patience.user),
            ("job.patience.report", self.job.patience.report),
            ("webhook.timeout", self.webhook.timeout),
            ("retention.events", self.retention.events),
            ("retention.dead_letters", self.retention.dead_letters),
            ("retention.jobs", self.retention.jobs),
            ("retention.target_lists", self.retention.target_lists),
            ("limits.request_timeout", self.limits.request_timeout),
        ];
        for (key, span) in positive {
            if span == Duration::ZERO {
                complain(key, "must be longer than nothing".to_owned());
            }
        }
        for (key, count) in
            [("device.connections", self.device.connections), ("limits.connections", self.limits.connections)]
        {
            if count == 0 || count > 1_000_000 {
                complain(key, "must be between 1 and 1000000".to_owned());
            }
        }
        if self.retention.requests < IDENTITIES {
            let what = "must be at least 90d: so long a request that comes again must get the answer of the first time";
            complain("retention.requests", what.to_owned());
        }
        if !(1..=100_000_000).contains(&self.limits.target_list_devices) {
            complain("limits.target_list_devices", "must be between 1 and 100000000".to_owned());
        }
        if self.job.default_deadline > self.job.max_deadline {
            complain("job.default_deadline", "must not be longer than job.max_deadline".to_owned());
        }
        if self.job.max_deadline > LATEST {
            complain("job.max_deadline", "must not be longer than 3650d".to_owned());
        }
        if !(1..=1000).contains(&self.retention.inventories) {
            complain("retention.inventories", "must be between 1 and 1000".to_owned());
        }
    }
}

fn base(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
}

fn open(listen: SocketAddr) -> String {
    format!(
        "`none` would let everyone who reaches {listen} (admin.listen) operate this service; \
         use `tokens` with [[admin.tokens]], or listen on loopback"
    )
}

fn plain(listen: SocketAddr) -> String {
    format!(
        "{listen} (device.listen) is not loopback and speaks plain HTTP; put a TLS ingress before it and set this to true, \
         or listen on loopback"
    )
}
