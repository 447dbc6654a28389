//! Device records, as the API takes and gives them (contract "Device record").

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::problem::{
    Code, Problem,
    read::{Faults, Field, Object},
};
use crate::model::{
    clock::Timestamp,
    device::{DevDetail, DevInfo, Installed},
    id::{DeviceId, Tenant},
    secret::{Secret, SecretBytes},
};
pub use crate::protocol::dm1::Scheme;

/// What a record says openly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceRecord {
    /// As in `./DevInfo/DevId`, byte for byte.
    pub id: DeviceId,
    /// The device's user name.
    pub user: String,
    /// How both sides prove themselves.
    pub scheme: Scheme,
    /// Where notifications go.
    #[serde(default)]
    pub addresses: Addresses,
    /// Its device class, against every rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// A fact of rules.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Where notifications go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Addresses {
    /// An `http` or `https` URL that takes notifications by POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "uri"))]
    pub webhook: Option<Url>,
}

/// A record to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInput {
    /// What it says openly.
    pub record: DeviceRecord,
    /// Its secrets.
    pub secrets: DeviceSecrets,
}

/// The secrets of a record; they go in and never come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSecrets {
    /// The device's password.
    pub secret: Secret,
    /// This server's password towards the device; absent: the server cannot prove itself to it.
    pub server_secret: Option<Secret>,
    /// The nonce with which the device will prove itself first.
    pub nonce: Option<SecretBytes>,
    /// The nonce with which this server will prove itself first.
    pub server_nonce: Option<SecretBytes>,
}

/// What a record shall say otherwise; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DevicePatch {
    /// The device's user name.
    pub user: Option<String>,
    /// How both sides prove themselves.
    pub scheme: Option<Scheme>,
    /// The device's password.
    pub secret: Option<Secret>,
    /// This server's password towards the device.
    pub server_secret: Option<Secret>,
    /// The nonce with which the device will prove itself next.
    pub nonce: Option<SecretBytes>,
    /// The nonce with which this server will prove itself next.
    pub server_nonce: Option<SecretBytes>,
    /// Where notifications go.
    pub webhook: Change<Url>,
    /// Its device class; removed, it is left to the rules.
    pub class: Change<String>,
    /// All of them anew.
    pub tags: Option<Vec<String>>,
}

/// What becomes of a member that may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It gets this value.
    Set(T),
}

/// What the API gives back of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceView {
    /// What its record says openly.
    #[serde(flatten)]
    pub record: DeviceRecord,
    /// Whose.
    pub tenant: Tenant,
    /// When it was registered.
    pub created: Timestamp,
    /// When it last proved itself; absent before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// What it told in `./DevInfo`.
    pub dev_info: DevInfo,
    /// What was read of `./DevDetail`; absent as long as nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_detail: Option<DevDetail>,
    /// Its inventory; absent as long as nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Vec<Installed>>,
    /// When it was last found to have no SCOMO management object; absent if it has one, or nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_scomo_at: Option<Timestamp>,
}

impl DeviceInput {
    /// The largest body in bytes.
    pub const MOST_BYTES: usize = 64 << 10;

    /// Reads a record to be made.
    ///
    /// # Errors
    /// A problem that lists every fault.
    pub fn read(value: &Value) -> Result<Self, Problem> {
        let faults = Faults::default();
        let input = Field::root(value, &faults).object().and_then(input);
        faults.into_result(input)
    }
}

impl DevicePatch {
    /// Reads a patch, a JSON merge patch (RFC 7396) of a record: `null` removes a member that may be absent.
    ///
    /// # Errors
    /// A problem that lists every fault.
    pub fn read(value: &Value) -> Result<Self, Problem> {
        let faults = Faults::default();
        let patch = Field::root(value, &faults).object().map(patch);
        faults.into_result(patch)
    }

    /// Makes the open part of the change.
    pub fn apply(&self, record: &mut DeviceRecord) {
        record.user = self.user.clone().unwrap_or_else(|| record.user.clone());
        record.scheme = self.scheme.unwrap_or(record.scheme);
        record.tags = self.tags.clone().unwrap_or_else(|| record.tags.clone());
        self.webhook.apply(&mut record.addresses.webhook);
        self.class.apply(&mut record.class);
    }
}

impl<T: Clone> Change<T> {
    fn apply(&self, member: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Remove => *member = None,
            Self::Set(value) => *member = Some(value.clone()),
        }
    }

    /// Reads a member; null removes it.
    fn read(field: &Field<'_>, read: impl FnOnce(&Field<'_>) -> Option<T>) -> Self {
        if field.is_null() { Self::Remove } else { read(field).map_or(Self::Keep, Self::Set) }
    }
}

pub(in crate::contract) const SCHEMES: [(&str, Scheme); 2] = [("basic", Scheme::Basic), ("md5", Scheme::Md5)];
const LATER_SCHEMES: [&str; 3] = ["mac", "tls", "dm2"];
pub(in crate::contract) const MOST_NAME: usize = 255;
const MOST_NONCE: usize = 128;
pub(in crate::contract) const MOST_URL: usize = 2048;
pub(in crate::contract) const MOST_TAGS: usize = 64;

fn input(mut root: Object<'_>) -> Option<DeviceInput> {
    let id = root.need("id").and_then(|f| f.parsed(Code::InvalidName));
    let user = root.need("user").and_then(|f| user(&f));
    let secret = root.need("secret").and_then(|f| secret(&f));
    let open = open(&mut root);
    root.close();
    let (id, user) = (id?, user?);
    let mut record = DeviceRecord {
        id,
        user,
        scheme: Scheme::default(),
        addresses: Addresses::default(),
        class: None,
        tags: Vec::new(),
    };
    open.apply(&mut record);
    let DevicePatch { server_secret, nonce, server_nonce, .. } = open;
    Some(DeviceInput { record, secrets: DeviceSecrets { secret: secret?, server_secret, nonce, server_nonce } })
}

fn patch(mut root: Object<'_>) -> DevicePatch {
    root.misplaced(&["id"], "never changes; register the device under the new id instead");
    let user = root.get("user").and_then(|f| user(&f));
    let secret = root.get("secret").and_then(|f| secret(&f));
    let patch = DevicePatch { user, secret, ..open(&mut root) };
    root.close();
    patch
}

/// What records and patches have in common: everything but the identity and what a record must have.
fn open(root: &mut Object<'_>) -> DevicePatch {
    root.misplaced(&["tenant"], "is that of the caller");
    DevicePatch {
        user: None,
        secret: None,
        scheme: root.get("scheme").and_then(|f| f.choice(&SCHEMES, &LATER_SCHEMES)),
        server_secret: root.get("server_secret").and_then(|f| secret(&f)),
        nonce: root.get("nonce").and_then(|f| nonce(&f)),
        server_nonce: root.get("server_nonce").and_then(|f| nonce(&f)),
        webhook: root.get("addresses").and_then(|f| f.object()).map_or(Change::Keep, addresses),
        class: root.get("class").map_or(Change::Keep, |f| Change::read(&f, |f| bounded(f, 64))),
        tags: root.get("tags").and_then(|f| tags(&f)),
    }
}

fn addresses(mut addresses: Object<'_>) -> Change<Url> {
    addresses.later(&["msisdn", "sip"]);
    let webhook = addresses.get("webhook").map_or(Change::Keep, |f| Change::read(&f, webhook));
    addresses.close();
    webhook
}

fn webhook(field: &Field<'_>) -> Option<Url> {
    field.text_as(Code::InvalidUrl, |text| {
        let url = Url::parse(text).map_err(|e| e.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the scheme must be http or https, is {:?}", url.scheme()));
        }
        if text.len() > MOST_URL {
            return Err(format!("must have at most {MOST_URL} bytes"));
        }
        Ok(url)
    })
}

/// A user name; a colon would end it within basic credentials (DM 1.x sheet 3.2).
fn user(field: &Field<'_>) -> Option<String> {
    let user = bounded(field, MOST_NAME)?;
    if user.contains(':') {
        field.fault(Code::InvalidName, "must not contain ':'");
        return None;
    }
    Some(user)
}

fn secret(field: &Field<'_>) -> Option<Secret> {
    bounded(field, MOST_NAME).map(Secret::new)
}

fn bounded(field: &Field<'_>, most: usize) -> Option<String> {
    field.text_as(Code::InvalidName, |text| match text.len() {
        0 => Err("must not be empty".to_owned()),
        found if found > most => Err(format!("must have at most {most} bytes, has {found}")),
        _ if text.chars().any(char::is_control) => Err("must not contain control characters".to_owned()),
        _ => Ok(text.to_owned()),
    })
}

fn nonce(field: &Field<'_>) -> Option<SecretBytes> {
    let bytes = field.text_as(Code::InvalidBase64, |text| {
        STANDARD.decode(text).map_err(|_| "must be base64 with padding".to_owned())
    })?;
    if bytes.is_empty() || bytes.len() > MOST_NONCE {
        field.fault(Code::OutOfRange, format!("must stand for 1 to {MOST_NONCE} bytes"));
        return None;
    }
    Some(SecretBytes::new(bytes))
}

fn tags(field: &Field<'_>) -> Option<Vec<String>> {
    if field.is_empty_list() {
        return Some(Vec::new());
    }
    let mut seen = BTreeMap::new();
    for (i, member) in field.list(MOST_TAGS)?.iter().enumerate() {
        let tag = bounded(member, 64)?;
        if let Some(first) = seen.insert(tag, i) {
            member.fault(Code::Duplicate, format!("the same as member {first}"));
        }
    }
    Some(seen.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn full() -> Value {
        json!({
            "id": "IMEI:1", "user": "dev", "secret": "pw-dev", "server_secret": "pw-srv", "scheme": "basic",
            "nonce": "AQID", "server_nonce": "BAUG", "addresses": { "webhook": "http://127.0.0.1:9000/wake" },
            "class": "acme", "tags": ["lab", "eu"],
        })
    }

    fn faults(problem: &Problem) -> Vec<String> {
        problem.errors.iter().map(|f| format!("{} {}", f.pointer, f.code)).collect()
    }

    #[test]
    fn a_record_keeps_its_secrets_apart() {
        let input = DeviceInput::read(&full()).unwrap();
        assert_eq!(input.secrets.secret.expose(), "pw-dev");
        assert_eq!(input.secrets.nonce.as_ref().unwrap().expose(), [1, 2, 3]);
        assert_eq!(
            serde_json::to_value(&input.record).unwrap(),
            json!({
                "id": "IMEI:1", "user": "dev", "scheme": "basic", "class": "acme", "tags": ["eu", "lab"],
                "addresses": { "webhook": "http://127.0.0.1:9000/wake" },
            })
        );
        assert!(!format!("{input:?}").contains("pw-"));
    }

    #[test]
    fn a_short_record_is_md5_without_addresses() {
        let input = DeviceInput::read(&json!({ "id": "d", "user": "u", "secret": "s" })).unwrap();
        assert_eq!((input.record.scheme, input.record.addresses), (Scheme::Md5, Addresses::default()));
    }

    #[test]
    fn every_fault_of_a_record_is_told() {
        let problem = DeviceInput::read(&json!({
            "id": "", "user": "a:b", "scheme": "mac", "nonce": "?", "tenant": "t", "tags": ["x", "x"],
            "addresses": { "webhook": "ftp://x", "sip": "sip:a@b", "fax": 1 }, "colour": 1,
        }))
        .unwrap_err();
        assert_eq!(
            faults(&problem),
            [
                "/id invalid_name",
                "/user invalid_name",
                "/secret missing_field",
                "/tenant misplaced_field",
                "/scheme not_supported_yet",
                "/nonce invalid_base64",
                "/addresses/sip not_supported_yet",
                "/addresses/webhook invalid_url",
                "/addresses/fax unknown_field",
                "/tags/1 duplicate",
                "/colour unknown_field",
            ]
        );
    }

    #[test]
    fn no_answer_repeats_a_secret() {
        let problem =
            DeviceInput::read(&json!({ "id": "d", "user": "u", "secret": ["hush"], "nonce": "hush!" })).unwrap_err();
        assert!(!serde_json::to_string(&problem).unwrap().contains("hush"));
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_removes() {
        let mut record = DeviceInput::read(&full()).unwrap().record;
        let patch = json!({ "class": null, "addresses": { "webhook": null }, "tags": [], "user": "new" });
        DevicePatch::read(&patch).unwrap().apply(&mut record);
        assert_eq!(record.user, "new");
        assert_eq!((record.class, record.addresses.webhook, record.tags.len()), (None, None, 0));
        assert_eq!(record.scheme, Scheme::Basic);
        let problem = DevicePatch::read(&json!({ "id": "other", "user": null })).unwrap_err();
        assert_eq!(faults(&problem), ["/id misplaced_field", "/user wrong_type"]);
    }
}
