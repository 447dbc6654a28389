//! Commands on the device's tree.

use serde_json::{Value, json};

use super::super::part::{BASE64, closed, number, or, texts, told, when, with, without, words};
use crate::{
    contract::request::parse::command::{
        FORMATS, GROUPS, INPUTS, LENGTHS, MOST_BYTES, MOST_CHOICE, MOST_CHOICES, MOST_COMMANDS, MOST_TYPE, PROMPTS,
        SECONDS,
    },
    job::command::Uri,
};

/// The full path of a node: up to sixteen names, none of them `.` or `..`, none with white space around it.
const URI: &str =
    r"^\.(/(?!\.{1,2}(/|$))[^/?\s\x00-\x1f\x7f-\x9f]([^/?\x00-\x1f\x7f-\x9f]*[^/?\s\x00-\x1f\x7f-\x9f])?){1,16}$";
const MEDIA_TYPE: &str = r"^[\x21-\x2e\x30-\x7e]+/[\x21-\x2e\x30-\x7e]+$";
/// Text of a leaf.
const TEXT: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";
/// A choice or a preset.
const SAYING: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*\S[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";
const INTEGER: &str = "^[+-]?[0-9]+$";
const FLOAT: &str = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$";

pub(super) fn list() -> Value {
    let one =
        [get(), leaf("add", true), leaf("replace", false), only_uri("delete"), copy(), only_uri("exec"), prompt()];
    json!({
        "type": "array", "minItems": 1, "maxItems": MOST_COMMANDS, "items": { "oneOf": one },
        "description": "Kind `command`: in order; all values and texts together have at most 65,536 bytes.",
    })
}

pub(super) fn group() -> Value {
    words(&GROUPS)
}

/// A device runs no get and no exec in an atomic group.
pub(super) fn atomic() -> Value {
    let never = json!({ "properties": { "do": { "not": { "enum": ["get", "exec"] } } } });
    when("group", &["atomic"], &json!({ "properties": { "commands": { "items": never } } }))
}

fn uri() -> Value {
    json!({ "type": "string", "maxLength": Uri::MOST_BYTES, "pattern": URI })
}

fn is(verb: &str) -> Value {
    json!({ "const": verb })
}

fn get() -> Value {
    told(only_uri("get"), "Reads a node and all below it.")
}

fn only_uri(verb: &str) -> Value {
    closed([("do", is(verb)), ("uri", uri())], &["do", "uri"])
}

fn copy() -> Value {
    closed([("do", is("copy")), ("from", uri()), ("to", uri())], &["do", "from", "to"])
}

/// A command that writes a leaf, or makes an interior node if it may.
fn leaf(verb: &str, may_be_node: bool) -> Value {
    let formats: Vec<&str> = FORMATS.iter().filter(|(_, leaf)| leaf.is_some() || may_be_node).map(|f| f.0).collect();
    let schema = closed(
        [
            ("do", is(verb)),
            ("uri", uri()),
            ("format", json!({ "type": "string", "enum": formats })),
            ("type", json!({ "type": "string", "maxLength": MOST_TYPE, "pattern": MEDIA_TYPE })),
            ("value", json!({ "type": "string", "maxLength": MOST_BYTES })),
        ],
        &["do", "uri"],
    );
    let of = |format: &str, value: Value| json!({ "properties": { "format": { "const": format }, "value": value }, "required": ["format", "value"] });
    let text = json!({ "pattern": TEXT });
    let mut shapes = vec![
        json!({ "properties": { "format": { "enum": ["chr", "xml", "date", "time"] }, "value": text }, "required": ["value"] }),
        of("int", json!({ "pattern": INTEGER })),
        of("bool", json!({ "enum": ["true", "false"] })),
        of("float", json!({ "pattern": FLOAT })),
        of("bin", json!({ "pattern": BASE64 })),
        json!({ "properties": { "format": { "const": "null" }, "value": false }, "required": ["format"] }),
    ];
    if may_be_node {
        shapes.push(json!({ "properties": { "format": { "const": "node" }, "type": false, "value": false } }));
    }
    with(schema, "anyOf", json!(shapes))
}

fn prompt() -> Value {
    let saying = json!({ "type": "string", "maxLength": MOST_CHOICE, "pattern": SAYING });
    let choices = json!({ "type": "array", "minItems": 1, "maxItems": MOST_CHOICES, "items": saying });
    let preset = told(saying.clone(), "What counts until the user does something.");
    let schema = closed(
        [
            ("do", is("prompt")),
            ("prompt", words(&PROMPTS)),
            ("text", texts()),
            ("choices", choices),
            ("min_seconds", number(&SECONDS)),
            ("max_seconds", told(number(&SECONDS), "Not less than `min_seconds`.")),
            ("preset", preset),
            ("max_length", number(&LENGTHS)),
            ("input", words(&INPUTS)),
            ("hidden", or(json!({ "type": "boolean" }), false)),
        ],
        &["do", "prompt", "text"],
    );
    let preset_is = |pattern: &str| json!({ "properties": { "preset": { "pattern": pattern } } });
    let rules = [
        when("prompt", &["choice", "choices"], &json!({ "required": ["choices"] })),
        when("prompt", &["display", "confirm", "input"], &without(&["choices"])),
        when("prompt", &["display", "confirm", "choice", "choices"], &without(&["max_length", "input", "hidden"])),
        when("prompt", &["display"], &without(&["preset"])),
        when("prompt", &["confirm"], &preset_is("^[01]$")),
        when("prompt", &["choice"], &preset_is(r"^\+?0*[1-9][0-9]*$")),
        when("prompt", &["choices"], &preset_is(r"^\+?0*[1-9][0-9]*(-\+?0*[1-9][0-9]*)*$")),
    ];
    with(schema, "allOf", json!(rules))
}
