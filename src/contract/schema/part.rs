//! Pieces that schemas are put together from.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::{Map, Value, json};

pub(super) use super::with;

use crate::model::{clock::span, texts::Texts};

/// A language tag.
const TAG: &str = "^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$";
/// A text for people, perhaps of several lines.
pub(super) const SHOWN: &str = r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*\S[^\x00-\x09\x0b-\x1f\x7f-\x9f]*$";
/// Bytes.
pub(super) const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
/// A duration as it is documented; more spellings are understood.
const SPAN: &str = r"^(?=\d)(\d+d)?\s*(\d+h)?\s*(\d+m)?\s*(\d+s)?\s*(\d+ms)?$";

/// Members of an object by name.
pub(super) fn members<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// An object with these members and no others.
pub(super) fn closed<const N: usize>(properties: [(&str, Value); N], required: &[&str]) -> Value {
    json!({ "type": "object", "properties": members(properties), "required": required, "additionalProperties": false })
}

/// One of a closed set of words, the one that readers know it by.
pub(super) fn words<T>(words: &[(&str, T)]) -> Value {
    json!({ "type": "string", "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
}

/// A whole number within bounds.
pub(super) fn number(range: &RangeInclusive<u32>) -> Value {
    json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

/// A duration within bounds.
pub(super) fn duration(range: &RangeInclusive<Duration>) -> Value {
    let (least, most) = (span::format(*range.start()), span::format(*range.end()));
    json!({ "type": "string", "pattern": SPAN, "description": format!("A duration from {least} to {most}, such as `90s`, `5m`, `24h` or `1h 30m`.") })
}

/// A text by language tag.
pub(super) fn texts() -> Value {
    json!({
        "type": "object", "minProperties": 1, "maxProperties": Texts::MOST,
        "propertyNames": { "pattern": TAG, "maxLength": 35 },
        "additionalProperties": { "type": "string", "maxLength": Texts::MOST_CHARS, "pattern": SHOWN },
        "description": "A text for each language tag, such as `en` or `pt-BR`.",
    })
}

/// The same schema with a description.
pub(super) fn told(schema: Value, description: &str) -> Value {
    with(schema, "description", json!(description))
}

/// The same schema with a default.
pub(super) fn or(schema: Value, default: impl Into<Value>) -> Value {
    with(schema, "default", default.into())
}

/// If `member` is one of `words`, then `then` holds too.
pub(super) fn when(member: &str, words: &[&str], then: &Value) -> Value {
    json!({ "if": { "properties": members([(member, json!({ "enum": words }))]), "required": [member] }, "then": then })
}

/// That none of these members is there.
pub(super) fn without(names: &[&str]) -> Value {
    let none: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), Value::Bool(false))).collect();
    json!({ "properties": none })
}
