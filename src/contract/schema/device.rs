//! What the API takes of devices.

use serde_json::{Value, json};

use super::{
    part::{BASE64, closed, or, told, words},
    request,
};
use crate::{
    contract::{
        device::{MOST_NAME, MOST_TAGS, MOST_URL, SCHEMES},
        request::parse::ACTIONS,
    },
    model::{
        id::DeviceId,
        schema::{NAME, name},
    },
};

/// A text without control characters.
const PLAIN: &str = r"^[^\x00-\x1f\x7f-\x9f]+$";
/// A user name: a colon would end it within basic credentials.
const USER: &str = r"^[^:\x00-\x1f\x7f-\x9f]+$";

/// A record to be made.
#[must_use]
pub fn record() -> Value {
    let mut schema = patch();
    if let Some(Value::Object(members)) = schema.get_mut("properties") {
        members.insert("id".to_owned(), told(name(NAME, DeviceId::MOST_BYTES), "As in DevInfo/DevId."));
        members.insert("class".to_owned(), text(64, "Its device class, against every rule."));
        members.insert("addresses".to_owned(), closed([("webhook", webhook())], &[]));
    }
    super::part::with(schema, "required", json!(["id", "user", "secret"]))
}

/// A change of a record, as a JSON merge patch.
#[must_use]
pub fn patch() -> Value {
    let or_null = |schema: Value| json!({ "anyOf": [schema, { "type": "null" }] });
    let nonce = || json!({ "type": "string", "contentEncoding": "base64", "minLength": 4, "pattern": BASE64 });
    let user = json!({ "type": "string", "maxLength": MOST_NAME, "pattern": USER });
    closed(
        [
            ("user", told(user, "The device's user name.")),
            ("secret", text(MOST_NAME, "The device's password; never shown.")),
            ("server_secret", text(MOST_NAME, "This server's password towards the device; never shown.")),
            ("scheme", or(words(&SCHEMES), "md5")),
            ("nonce", told(nonce(), "With which the device proves itself next.")),
            ("server_nonce", told(nonce(), "With which this server proves itself next.")),
            ("addresses", closed([("webhook", or_null(webhook()))], &[])),
            ("class", or_null(text(64, "Its device class; null leaves it to the rules."))),
            (
                "tags",
                json!({ "type": "array", "maxItems": MOST_TAGS, "uniqueItems": true, "items": text(64, "A fact of rules.") }),
            ),
        ],
        &[],
    )
}

/// The question which package a device would get.
#[must_use]
pub fn question() -> Value {
    closed(
        [
            ("device", name(NAME, DeviceId::MOST_BYTES)),
            ("package", request::package()),
            ("action", or(words(&ACTIONS), "install")),
            ("allow_downgrade", or(json!({ "type": "boolean" }), false)),
        ],
        &["device"],
    )
}

fn text(most: usize, description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": PLAIN, "description": description })
}

fn webhook() -> Value {
    json!({ "type": "string", "format": "uri", "maxLength": MOST_URL, "pattern": "^[Hh][Tt][Tt][Pp][Ss]?:" })
}
