//! The sections of the settings file. `deploy/scomo.toml` says what each key means; it is the one place that says it in full.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de};
use url::Url;

use crate::{
    contract::accept::Defaults,
    job::life::Policy,
    model::{clock::span, digest::Digest, id::Tenant, secret::Secret},
    wire::syncml,
};

/// `[device]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Address and port.
    pub listen: SocketAddr,
    /// How devices reach it; `http://` and the bound address if absent.
    #[serde(default)]
    pub public_url: Option<Url>,
    /// What the server calls itself to devices.
    pub server_id: String,
    /// Further paths that take device messages, besides `/dm`.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Whether it may listen beyond loopback without TLS.
    pub plain_http: bool,
    /// Whether header names go out in title case.
    pub title_case_headers: bool,
    /// How long a connection may be silent between messages, or take nothing of its answer.
    #[serde(with = "span")]
    pub idle_timeout: Duration,
    /// Open connections at most.
    pub connections: usize,
    /// What one message may cost.
    pub limits: syncml::limits::Limits,
}

/// `[download]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// How devices reach downloads; the device listener's if absent.
    #[serde(default)]
    pub public_url: Option<Url>,
    /// How long a grant is good.
    #[serde(with = "span")]
    pub grant_lifetime: Duration,
}

/// `[admin]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Address and port.
    pub listen: SocketAddr,
    /// Who is let in.
    pub auth: AuthMode,
    /// Who they are.
    #[serde(default)]
    pub tokens: Vec<Token>,
}

/// Who is let into the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Whoever shows a token.
    Tokens,
    /// Everyone on this machine.
    #[serde(rename = "none")]
    ThisMachine,
}

/// `[[admin.tokens]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whose it is, for the log.
    pub name: String,
    /// What the token's SHA-256 is.
    pub hash: TokenHash,
    /// What its bearer may do.
    pub roles: BTreeSet<Role>,
    /// Whose data its bearer sees.
    #[serde(default)]
    pub tenant: Tenant,
}

/// `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub Digest);

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digest = text.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
        digest.map(Self).ok_or_else(|| {
            de::Error::custom("a token's hash is `sha256:` and 64 hexadecimal digits: printf %s \"$TOKEN\" | sha256sum")
        })
    }
}

/// What a bearer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See everything but secrets.
    Read,
    /// Hand in and cancel requests.
    Submit,
    /// Change the catalogue.
    Publish,
    /// Change device records, stop jobs.
    Operate,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Publish, Self::Operate];

    /// As the settings write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Publish => "publish",
            Self::Operate => "operate",
        }
    }
}

/// `[ops]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    /// Address and port.
    pub listen: SocketAddr,
}

/// `[job]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// How long a job may live if its request names no deadline.
    #[serde(with = "span")]
    pub default_deadline: Duration,
    /// The longest time to a deadline that a request names.
    #[serde(with = "span")]
    pub max_deadline: Duration,
    /// How long a job stays in a state before something is done about it.
    pub patience: Policy,
}

impl Job {
    /// What a request gets that leaves it open.
    #[must_use]
    pub const fn defaults(&self) -> Defaults {
        Defaults { deadline: self.default_deadline, longest: self.max_deadline }
    }
}

/// `[brake]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brake {
    /// So many devices that do not trust a package stop it; 0: none do.
    pub bad_signature_devices: u32,
}

/// `[webhook]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Signs what is posted; unsigned if absent.
    #[serde(default, deserialize_with = "secret")]
    pub signing_key: Option<Secret>,
    /// How long the other side may take.
    #[serde(with = "span")]
    pub timeout: Duration,
}

/// `[secrets]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// The keys, each `ID:BASE64`; the first encrypts. Those of the file stand behind those of the list.
    #[serde(default, deserialize_with = "secret_list")]
    pub keys: Vec<Secret>,
    /// The file that holds them, one a line; read when the settings are loaded.
    #[serde(default)]
    pub keys_file: Option<PathBuf>,
}

/// `[limits]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How long the answer to a request may take.
    #[serde(with = "span")]
    pub request_timeout: Duration,
    /// Open connections of the admin and of the ops listener, each.
    pub connections: usize,
    /// Devices of a target list at most.
    pub target_list_devices: u32,
    /// How long the service goes on as before when it was told to stop, and only says that it is not ready.
    #[serde(with = "span")]
    pub drain_notice: Duration,
    /// How long open requests may go on when the service stops.
    #[serde(with = "span")]
    pub drain_timeout: Duration,
    /// How long work that a replica has taken is kept for it if nothing is heard of it any more.
    #[serde(with = "span")]
    pub lease: Duration,
}

/// `[retention]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// How long events can be read.
    #[serde(with = "span")]
    pub events: Duration,
    /// How long messages of the bus are kept that were refused.
    #[serde(with = "span")]
    pub dead_letters: Duration,
    /// How long jobs are kept after their request was completed.
    #[serde(with = "span")]
    pub jobs: Duration,
    /// How long requests are kept after their jobs.
    #[serde(with = "span")]
    pub requests: Duration,
    /// How long a target list is kept after a request used it last.
    #[serde(with = "span")]
    pub target_lists: Duration,
    /// How many inventories of a device are kept, each time that one differed from the last.
    pub inventories: u32,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(Secret::new))
}

fn secret_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    Vec::<String>::deserialize(deserializer).map(|texts| texts.into_iter().map(Secret::new).collect())
}
