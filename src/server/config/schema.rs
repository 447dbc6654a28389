//! The schema of the settings file, from the file that documents it: every key stands there with its default or an example, and what
//! it means beside it. So a key that is added there is in the schema too.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::DEFAULTS;
use crate::{
    contract::schema::{DIALECT, with},
    model::clock::span,
};

/// Settings that are one of a few words: what cannot be seen from an example.
const WORDS: [(&str, &[&str]); 7] = [
    ("admin.auth", &["none", "tokens"]),
    ("log.format", &["auto", "json", "text"]),
    ("device_class.dm.size_unit", &["encoded", "decoded"]),
    ("device_class.dm.size_place", &["command", "item"]),
    ("device_class.dm.resync_nonce", &["zero", "literal"]),
    ("device_class.scomo.alternate", &["auto", "descriptor", "package"]),
    ("device_class.scomo.ui", &["auto", "yes", "no"]),
];
/// Lists whose members are one of a few words.
const LISTS: [(&str, &[&str]); 2] = [
    ("admin.tokens.roles", &["read", "submit", "publish", "operate"]),
    ("device_class.scomo.requests", &["user", "device", "update"]),
];

/// The schema; what the file leaves out keeps its default.
///
/// # Errors
/// If the compiled-in defaults cannot be read, which only a broken build has.
pub fn schema() -> Result<Value, toml::de::Error> {
    let examples: toml::Table = toml::from_str(&everything())?;
    let defaults: toml::Table = toml::from_str(DEFAULTS)?;
    let schema = with(table(&examples, Some(&defaults), "", &comments()), "$schema", DIALECT);
    Ok(with(with(schema, "$id", "urn:scomo:schema:config:1"), "title", "Settings of scomo"))
}

/// The defaults with every example switched on.
fn everything() -> String {
    let shown = DEFAULTS.lines().map(|line| example(line).unwrap_or(line));
    shown.collect::<Vec<_>>().join("\n")
}

/// The key of a line that is switched off.
fn example(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
}

/// What stands beside each key, by its path.
fn comments() -> BTreeMap<String, String> {
    let (mut section, mut comments) = (String::new(), BTreeMap::new());
    for line in DEFAULTS.lines().map(|line| example(line).unwrap_or(line)) {
        if let Some(name) = line.strip_prefix('[') {
            name.split(']').next().unwrap_or_default().trim_start_matches('[').clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(" = ") {
            // Behind the value: no example has the two characters within it.
            let comment = value.rsplit_once("# ").map(|(_, comment)| comment.trim().to_owned());
            comments.extend(comment.map(|comment| (format!("{section}.{key}"), comment)));
        }
    }
    comments
}

fn table(
    examples: &toml::Table,
    defaults: Option<&toml::Table>,
    path: &str,
    comments: &BTreeMap<String, String>,
) -> Value {
    let members: Map<String, Value> = examples
        .iter()
        .map(|(key, example)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let default = defaults.and_then(|table| table.get(key));
            let mut schema = value(example, default, &path, comments);
            if let (Some(default), false) = (default, example.is_table()) {
                schema = with(schema, "default", json!(default));
            }
            if let Some(comment) = comments.get(&path) {
                schema = with(schema, "description", comment.as_str());
            }
            (key.clone(), schema)
        })
        .collect();
    json!({ "type": "object", "properties": members, "additionalProperties": false })
}

fn value(
    example: &toml::Value,
    default: Option<&toml::Value>,
    path: &str,
    comments: &BTreeMap<String, String>,
) -> Value {
    let words = |set: &[(&str, &[&str])]| set.iter().find(|(key, _)| *key == path).map(|(_, words)| json!(words));
    match example {
        toml::Value::Table(inner) => table(inner, default.and_then(toml::Value::as_table), path, comments),
        toml::Value::Array(list) => {
            let members = match list.first() {
                Some(inner @ toml::Value::Table(_)) => value(inner, None, path, comments),
                Some(_) | None => json!({ "type": "string" }),
            };
            match words(&LISTS) {
                Some(words) => json!({ "type": "array", "items": { "enum": words } }),
                None => json!({ "type": "array", "items": members }),
            }
        }
        toml::Value::String(text) => match words(&WORDS) {
            Some(words) => json!({ "type": "string", "enum": words }),
            None if span::parse(text).is_ok() => {
                json!({ "type": "string", "pattern": r"\d\s*[A-Za-z]" })
            }
            None => json!({ "type": "string" }),
        },
        toml::Value::Integer(_) => json!({ "type": "integer", "minimum": 0 }),
        toml::Value::Float(_) => json!({ "type": "number" }),
        toml::Value::Boolean(_) => json!({ "type": "boolean" }),
        toml::Value::Datetime(_) => json!({ "type": "string", "format": "date-time" }),
    }
}
