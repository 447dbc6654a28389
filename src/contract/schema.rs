//! What others write and read, as JSON Schema 2020-12, and the bus as AsyncAPI 3: printed by `scomo schema`, and in the API's own
//! description.
//!
//! What the service writes is told by the types that write it. What it reads is read by hand, so that every fault is told with its
//! place ([`request`](super::request), [`control`](super::control), [`device`](super::device)); the schemas of that are written by
//! hand too, from the same sets of words and the same bounds, and tests hold both against each other. What a schema cannot say, it
//! says in words: bounds of several members together, spellings of one device, times that have passed.

pub mod bus;
pub mod device;
pub mod event;
pub mod manifest;
pub mod request;

mod part;
#[cfg(test)]
mod tests;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings, transform::Transform};
use serde_json::Value;

/// The dialect of all schemas.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Makes schemas of what the service writes; those of types that have a name are gathered below `place`, as `/$defs`.
#[must_use]
pub fn generator(place: &'static str) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = place.into();
        settings.meta_schema = None;
    });
    settings.with_transform(Plain).into_generator()
}

/// The schema of what is read into a type by its own means, such as query parameters; without parts that stand elsewhere.
#[must_use]
pub fn asked<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.with_transform(Plain).into_generator().into_root_schema_for::<T>().to_value()
}

/// The same schema with a keyword more.
#[must_use]
pub fn with(mut schema: Value, keyword: &str, value: impl Into<Value>) -> Value {
    if let Value::Object(members) = &mut schema {
        members.insert(keyword.to_owned(), value.into());
    }
    schema
}

/// What the types say in Rust's words is said in those of JSON: a member that may be absent is not null, and a link in a description
/// is just a name.
#[derive(Debug, Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        if let Some(object) = schema.as_object_mut() {
            plain(object);
        }
    }
}

fn plain(schema: &mut serde_json::Map<String, Value>) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = without_sources(&text.replace("[`", "`").replace("`]", "`").replace('\n', " "));
    }
    let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Object(members)) = schema.get_mut("properties") {
        for (name, member) in members.iter_mut() {
            if !required.contains(&Value::String(name.clone())) {
                without_null(member);
            }
        }
    }
    for (name, value) in schema.iter_mut() {
        match value {
            // Names of members, not of keywords.
            Value::Object(members) if matches!(name.as_str(), "properties" | "$defs" | "patternProperties") => {
                members.values_mut().filter_map(Value::as_object_mut).for_each(plain);
            }
            Value::Object(inner) => plain(inner),
            Value::Array(list) => list.iter_mut().filter_map(Value::as_object_mut).for_each(plain),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// A description without the places of the specifications that it rests on.
fn without_sources(text: &str) -> String {
    let mut pieces = text.split(" (");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |whole, piece| match piece.split_once(')') {
        Some((inside, rest)) if inside.contains(" sheet ") || inside.starts_with("contract ") => whole + rest,
        Some(_) | None => whole + " (" + piece,
    })
}

/// The same schema without the alternative `null`.
fn without_null(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if let Some(kinds) = object.get_mut("type")
        && let Value::Array(list) = kinds
    {
        list.retain(|kind| kind != "null");
        if let [only] = list.as_slice() {
            *kinds = only.clone();
        }
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").and_then(Value::as_str) != Some("null"));
    if let [only] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        if let Value::Object(inner) = only {
            object.extend(inner);
        }
    }
}

/// A schema as a document of its own.
fn document(name: &str, title: &str, schema: Value) -> Value {
    let schema = with(schema, "$schema", DIALECT);
    with(with(schema, "$id", format!("urn:scomo:schema:{name}:1")), "title", title)
}
