//! `[bus]`.

use std::{fmt, path::PathBuf, time::Duration};

use lapin::uri::{AMQPScheme, AMQPUri};
use serde::{Deserialize, Deserializer, de};

use crate::model::{clock::span, id::RequestSource};

/// The section `[bus]` of the settings. All but `url`, `source` and `outbox_high_water` is for a broker alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Which bus.
    pub url: BusUrl,
    /// `amqps://`: certificates of the authorities that are trusted beside those of the system, in PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `amqps://`: the certificate that the service shows, in PEM; with `client_key`.
    #[serde(default)]
    pub client_cert: Option<PathBuf>,
    /// `amqps://`: the key of that certificate, in PEM.
    #[serde(default)]
    pub client_key: Option<PathBuf>,
    /// Whether exchanges, queues and bindings are made if they are not there; `false` leaves that to the operator.
    pub declare: bool,
    /// The direct exchange that requests come to, under the keys `request` and `control`.
    pub exchange: String,
    /// The queue that requests are taken from.
    pub queue: String,
    /// The queue that gets a copy of what was refused.
    pub dead_queue: String,
    /// The topic exchange that events go to.
    pub events_exchange: String,
    /// How many messages may be on their way to this process, unanswered.
    pub prefetch: u16,
    /// Silence after which the connection counts as broken.
    #[serde(with = "span")]
    pub heartbeat: Duration,
    /// The source of a request that names none.
    pub source: RequestSource,
    /// So many untold events stop the taking of requests.
    pub outbox_high_water: u64,
}

/// Which bus carries requests and events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// The one inside this process: requests by HTTP, events from the API.
    Embedded,
    /// A broker that speaks AMQP 0-9-1.
    Amqp(AmqpUrl),
}

/// Where the broker is and as whom the service comes; not printed with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl(AMQPUri);

impl AmqpUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let mut uri: AMQPUri = text.parse()?;
        if uri.vhost.is_empty() {
            uri.vhost.push('/'); // nobody who writes `amqp://host/` means the virtual host without a name
        }
        Ok(Self(uri))
    }

    /// The URL in parts, with `heartbeat` unless it names one itself.
    pub(super) fn uri(&self, heartbeat: Duration) -> AMQPUri {
        let mut uri = self.0.clone();
        let seconds = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX);
        uri.query.heartbeat.get_or_insert(seconds);
        uri
    }

    /// Whether it is `amqps://`.
    pub(super) fn is_encrypted(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }

    /// Host and port, for errors.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.0.authority.host, self.0.authority.port)
    }

    /// The user, for errors.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.authority.userinfo.username
    }

    /// The virtual host, for errors.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}@{}/{}", self.0.scheme, self.user(), self.place(), self.vhost())
    }
}

impl<'de> Deserialize<'de> for BusUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const USE: &str = "use `embedded:`, `amqp://USER:PASSWORD@HOST/VHOST` or `amqps://…`";
        let text = String::deserialize(deserializer)?;
        match text.split(':').next().unwrap_or_default() {
            "embedded" if text == "embedded:" => Ok(Self::Embedded),
            // The text may hold a password: neither it nor what the parser says of it is repeated.
            "amqp" | "amqps" => AmqpUrl::parse(&text)
                .map(Self::Amqp)
                .map_err(|_| de::Error::custom(format!("the URL of the broker cannot be read; {USE}"))),
            _ => Err(de::Error::custom(format!("this is not a bus; {USE}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<BusUrl, String> {
        BusUrl::deserialize(toml::Value::String(text.to_owned())).map_err(|e| e.to_string())
    }

    #[test]
    fn a_broker_is_named_without_its_password() {
        let bus = url("amqps://scomo:hunter2@mq.example.org/oss").unwrap();
        assert_eq!(format!("{bus:?}"), "Amqp(amqps://scomo@mq.example.org:5671/oss)");
        let BusUrl::Amqp(url) = bus else { panic!("no broker") };
        assert_eq!((url.place().as_str(), url.user(), url.vhost()), ("mq.example.org:5671", "scomo", "oss"));
    }

    #[test]
    fn the_virtual_host_is_the_usual_one_unless_named() {
        for text in ["amqp://mq", "amqp://mq/", "amqp://mq/%2f"] {
            let BusUrl::Amqp(url) = url(text).unwrap() else { panic!("no broker") };
            assert_eq!(url.vhost(), "/", "{text}");
        }
    }

    #[test]
    fn the_heartbeat_of_the_url_wins() {
        let BusUrl::Amqp(named) = url("amqp://mq?heartbeat=7").unwrap() else { panic!("no broker") };
        let BusUrl::Amqp(open) = url("amqp://mq").unwrap() else { panic!("no broker") };
        let usual = Duration::from_secs(20);
        assert_eq!((named.uri(usual).query.heartbeat, open.uri(usual).query.heartbeat), (Some(7), Some(20)));
    }

    #[test]
    fn what_is_no_bus_is_refused_without_repeating_it() {
        for text in ["embedded", "kafka://u:hunter2@mq", "amqp://u:hunter2@mq:port", "amqp:hunter2", ""] {
            let refused = url(text).unwrap_err();
            assert!(refused.contains("amqps://") && !refused.contains("hunter2"), "{text}: {refused}");
        }
    }
}
