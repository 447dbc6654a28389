//! The published schemas, which everything that goes in and out is held against.

use std::sync::LazyLock;

use jsonschema::Validator;
use scomo::{
    contract::schema::{event, request},
    server::http::api::openapi,
};
use serde_json::{Value, json};

/// Reads schemas as they are meant, formats too.
pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap()
}

/// What is wrong with a value.
pub(crate) fn faults(schema: &Validator, value: &Value) -> Vec<String> {
    schema.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

/// Holds an event against its schema.
pub(crate) fn is_event(event: &Value) {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| validator(&event::event()));
    let faults = faults(&SCHEMA, event);
    assert!(faults.is_empty(), "no event of the contract: {faults:#?} in {event:#}");
}

/// Holds a request against its schema.
pub(crate) fn is_request(request: &Value) {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| validator(&request::request()));
    let faults = faults(&SCHEMA, request);
    assert!(faults.is_empty(), "no request of the contract: {faults:#?} in {request:#}");
}

/// A schema of the API's description, at a pointer into it.
pub(crate) fn part_of_the_api(pointer: &str) -> Validator {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);
    let mut schema = DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere")).clone();
    schema["components"] = json!({ "schemas": DOCUMENT["components"]["schemas"] });
    validator(&schema)
}
