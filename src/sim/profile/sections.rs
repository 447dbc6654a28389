//! The tables of a profile.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::Template;
use crate::{
    model::clock::span,
    sim::{auth::Scheme, operation::Operation},
};

/// `./DevInfo` (DM 1.x sheet 7.1); DevId is the profile's `id`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DevInfo {
    /// Maker.
    pub man: String,
    /// Model.
    pub r#mod: String,
    /// Version of the DM client.
    pub dmv: String,
    /// Language.
    pub lang: String,
    /// Leaves below `Ext`.
    pub ext: BTreeMap<String, String>,
}

impl Default for DevInfo {
    fn default() -> Self {
        let [man, model, dmv, lang] = ["Acme", "A1", "1.2", "en-US"].map(str::to_owned);
        Self { man, r#mod: model, dmv, lang, ext: BTreeMap::new() }
    }
}

/// `./DevDetail` (DM 1.x sheet 7.2).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DevDetail {
    /// Device type.
    pub devtyp: String,
    /// Original equipment manufacturer.
    pub oem: String,
    /// Firmware version.
    pub fwv: String,
    /// Software version.
    pub swv: String,
    /// Hardware version.
    pub hwv: String,
    /// Whether it takes large objects; without, a chunk is refused with 406.
    pub lrgobj: bool,
    /// Most segments of a URI, 0 for no limit; beyond it 414.
    pub max_depth: usize,
    /// Longest URI in bytes, 0 for no limit.
    pub max_tot_len: usize,
    /// Longest segment in bytes, 0 for no limit.
    pub max_seg_len: usize,
}

impl Default for DevDetail {
    fn default() -> Self {
        let [devtyp, oem, fwv, swv, hwv] = ["phone", "Acme", "7.0.3", "1.0", "A"].map(str::to_owned);
        Self { devtyp, oem, fwv, swv, hwv, lrgobj: true, max_depth: 16, max_tot_len: 255, max_seg_len: 31 }
    }
}

/// Credentials (DM 1.x sheet 3).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The scheme of both directions.
    pub scheme: Scheme,
    /// User name.
    pub user: Template,
    /// The device's password; drawn from the seed if absent.
    pub secret: Option<Template>,
    /// The server's password for this device; drawn from the seed if absent.
    pub server_secret: Option<Template>,
    /// Whether the server must prove itself before a command is obeyed.
    pub server_auth: ServerAuth,
    /// Whether the nonces of both directions are told at registration.
    pub nonces: Nonces,
    /// The nonce of a notification that starts both sides afresh.
    pub resync: Resync,
    /// Whether the first message of a session carries credentials when the nonce for them is known.
    pub first_cred: bool,
}

impl Default for Auth {
    fn default() -> Self {
        let user = Template::try_from("sim-{n}".to_owned()).unwrap_or_else(|_| Template::plain("sim"));
        Self {
            scheme: Scheme::Md5,
            user,
            secret: None,
            server_secret: None,
            server_auth: ServerAuth::Required,
            nonces: Nonces::Registered,
            resync: Resync::Zero,
            first_cred: true,
        }
    }
}

/// Whether the server must prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerAuth {
    /// No command is obeyed before: 407 without, 401 with wrong credentials.
    Required,
    /// Whoever answers is believed.
    None,
}

/// Whether both sides start with a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nonces {
    /// They are part of the device record.
    Registered,
    /// The first session begins with a challenge, and the first notification's digest uses the resync nonce or an empty one.
    None,
}

/// Which nonce a device falls back on when the digest of a notification is wrong (DM 1.x sheet 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resync {
    /// Four zero bytes.
    Zero,
    /// The ten characters `0x00000000`.
    Literal,
    /// None: such a notification is ignored.
    None,
}

impl Resync {
    /// The nonce, if the device falls back on one.
    pub(in crate::sim) const fn nonce(self) -> Option<&'static [u8]> {
        match self {
            Self::Zero => Some(&[0; 4]),
            Self::Literal => Some(b"0x00000000"),
            Self::None => None,
        }
    }
}

/// What the device can hold and announces.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// `MaxMsgSize`, in bytes.
    pub max_msg_size: u64,
    /// `MaxObjSize`, in bytes; not announced if absent.
    pub max_obj_size: Option<u64>,
    /// What `Size` of a large object counts.
    pub size_unit: SizeUnit,
    /// Bytes of the largest package that there is room for: more is 420 or result 1404.
    pub storage: u64,
    /// The content types that the download agent accepts; none: all. Others are status report 953 and result 1413.
    pub types: Vec<String>,
    /// Commands in one message of the device, to make it split its packages; absent: as many as the server's `MaxMsgSize` takes.
    pub commands_per_message: Option<usize>,
    /// Bytes of a value that one message carries; longer ones are sent in pieces. Absent: values are never cut.
    pub chunk_results: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_msg_size: 16_384,
            max_obj_size: Some(4 << 20),
            size_unit: SizeUnit::Encoded,
            storage: 64 << 20,
            types: Vec::new(),
            commands_per_message: None,
            chunk_results: None,
        }
    }
}

/// What `Size` counts (DM 1.x sheet 4 no. 4, SCOMO sheet 11.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizeUnit {
    /// The text as it stands in the messages.
    Encoded,
    /// The bytes that the base64 text means.
    Decoded,
}

/// How long the device takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delays {
    /// Before each message.
    #[serde(with = "span")]
    pub message: Duration,
    /// Before an operation begins its work.
    #[serde(with = "span")]
    pub operation: Duration,
    /// Between the end of a download and the installation that follows.
    #[serde(with = "span")]
    pub install: Duration,
    /// Between the end of an operation and the session that reports it.
    #[serde(with = "span")]
    pub report: Duration,
    /// Before the user answers.
    #[serde(with = "span")]
    pub user: Duration,
}

/// A result on demand.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forced {
    /// Which operation; absent: any.
    pub operation: Option<Operation>,
    /// Only for this PkgID, for a component its ID; absent: for all.
    pub package: Option<String>,
    /// The result code, 1200 to 1599 (SCOMO sheet 4.1).
    pub code: Option<u16>,
    /// Or the Exec is refused with this DM status.
    pub refuse: Option<u16>,
    /// Or, also beside a code, the operation is never reported.
    pub silent: Option<Silence>,
    /// How much later than others the report comes.
    #[serde(default, with = "span")]
    pub late: Duration,
    /// Whether a failed installation leaves the package on the device.
    #[serde(default = "yes")]
    pub keep_data: bool,
    /// How often, counted on each device; absent: always.
    pub times: Option<u32>,
}

/// What an operation leaves that is never reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Silence {
    /// It ends as others do.
    Done,
    /// It never ends: its Status stays what it is while it runs.
    Stuck,
    /// It leaves no trace.
    Nothing,
}

impl Forced {
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.code, self.refuse) {
            (Some(1200..=1599), None) => Ok(()),
            (None, Some(400..=599)) if self.silent.is_none() => Ok(()),
            (None, None) if self.silent.is_some() || !self.late.is_zero() => Ok(()),
            (Some(_), None) => Err("`code` is 1200 to 1599".to_owned()),
            (None, Some(_)) if self.silent.is_some() => Err("an Exec that is refused is never reported".to_owned()),
            (None, Some(_)) => Err("`refuse` is 400 to 599".to_owned()),
            (None, None) | (Some(_), Some(_)) => {
                Err("has either `code` or `refuse`, or is `silent` or `late`".to_owned())
            }
        }
    }

    /// Whether it is about this operation.
    pub(in crate::sim) fn concerns(&self, operation: Operation, identifier: &str) -> bool {
        self.operation.is_none_or(|own| own == operation)
            && self.package.as_deref().is_none_or(|package| package == identifier)
    }
}

/// What gets lost on the way. Messages are counted on each device from 1, over all its sessions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Messages that do not reach the server the first time.
    pub lose_request: Vec<u32>,
    /// Messages whose answer does not reach the device the first time.
    pub lose_response: Vec<u32>,
    /// Probability that any one request or answer is lost.
    pub loss: f64,
    /// The message in whose place the device aborts the session with alert 1223.
    pub abort: Vec<u32>,
    /// The first download breaks once after this many bytes.
    pub break_transfer: Option<u64>,
    /// What the download server seems to answer to the first requests: an HTTP status, or 0 for no connection.
    pub download_status: Vec<u16>,
    /// How many large objects end in 424, as if their size were wrong.
    pub size_mismatch: u32,
}

/// How stubborn the device is.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// How often a message, and how often a broken transfer is tried in all.
    pub tries: u32,
    /// Before the second try; each further one doubles it.
    #[serde(with = "span")]
    pub backoff: Duration,
    /// How often a session is opened anew to get rid of a report.
    pub report_tries: u32,
}

impl Default for Network {
    fn default() -> Self {
        Self { tries: 4, backoff: Duration::from_millis(250), report_tries: 6 }
    }
}

/// A device's credentials, as its account holds them.
#[derive(Clone)]
pub struct Identity {
    /// DevId.
    pub id: String,
    /// User name.
    pub user: String,
    /// The device's password.
    pub secret: crate::model::secret::Secret,
    /// The server's password.
    pub server_secret: crate::model::secret::Secret,
}

const fn yes() -> bool {
    true
}
