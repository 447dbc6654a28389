//! JSON Schemas of the nouns that are texts of a form of their own; all others derive theirs.
//!
//! A bound in bytes is told as one in characters, which is the same for ASCII and wider otherwise: what reads the text is stricter.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{
    clock::Timestamp,
    digest::Digest,
    id::{
        ComponentId, DeadLetterId, DeviceId, DeviceKey, EventId, GrantId, JobId, ListName, PackageId, RequestId,
        RequestKey, RequestSource, SessionKey, Tenant,
    },
    rule::Rule,
    version::{Version, VersionRule},
};

/// A text that says something, without control characters; white space around it does not count.
pub const NAME: &str = r"^\s*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*\s*$";
/// The same of the narrow alphabet that goes well into folders and URLs.
pub const NARROW: &str = r"^\s*[A-Za-z0-9._-]+\s*$";
/// A version.
pub const VERSION: &str = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$";
/// Versions and operators between commas.
pub const VERSION_RULE: &str = r"^\s*(\*|((>=|<=|==|>|<|=)\s*)?[A-Za-z0-9][^*,\x00-\x1f\x7f-\x9f]*(\.\*)?)\s*(,\s*(\*|((>=|<=|==|>|<|=)\s*)?[A-Za-z0-9][^*,\x00-\x1f\x7f-\x9f]*(\.\*)?)\s*)*$";

/// A name of at most so many bytes.
#[must_use]
pub fn name(pattern: &str, most: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": pattern })
}

macro_rules! texts {
    ($($type:ty => $schema:expr;)+) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                Schema::try_from($schema).unwrap_or_else(|_| json_schema!({ "type": "string" }))
            }
        }
    )+};
}

texts! {
    JobId => json!({ "type": "string", "format": "uuid" });
    RequestKey => json!({ "type": "string", "format": "uuid" });
    DeviceKey => json!({ "type": "string", "format": "uuid" });
    SessionKey => json!({ "type": "string", "format": "uuid" });
    EventId => json!({ "type": "string", "format": "uuid" });
    GrantId => json!({ "type": "string", "format": "uuid" });
    DeadLetterId => json!({ "type": "string", "format": "uuid" });
    Tenant => name(NARROW, Self::MOST_BYTES);
    RequestId => name(NAME, Self::MOST_BYTES);
    ListName => name(NAME, Self::MOST_BYTES);
    RequestSource => name(NAME, Self::MOST_BYTES);
    DeviceId => name(NAME, Self::MOST_BYTES);
    PackageId => name(NARROW, Self::MOST_BYTES);
    ComponentId => name(NAME, Self::MOST_BYTES);
    Timestamp => json!({ "type": "string", "format": "date-time" });
    Digest => json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    Version => name(VERSION, Self::MOST_BYTES);
    VersionRule => json!({ "type": "string", "maxLength": Self::MOST_BYTES, "pattern": VERSION_RULE });
    Rule => json!({ "type": "string", "minLength": 1, "maxLength": Self::MOST_BYTES });
}
