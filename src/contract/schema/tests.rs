//! The schemas against the programs that read and write.

use std::collections::BTreeSet;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    contract::{
        control::Control,
        device::{DeviceInput, DevicePatch},
        problem::{Code, Problem, read::seen},
        request::Request,
    },
    model::{catalog::Manifest, clock::Timestamp, id::RequestSource},
};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap()
}

fn caller() -> RequestSource {
    RequestSource::parse("cli").unwrap()
}

fn read_request(value: &Value) -> Result<(), Problem> {
    Request::from_value(value, &caller(), NOW).map(drop)
}

fn read_control(value: &Value) -> Result<(), Problem> {
    Control::read(value.to_string().as_bytes(), &caller()).map(drop)
}

fn read_record(value: &Value) -> Result<(), Problem> {
    DeviceInput::read(value).map(drop)
}

fn read_patch(value: &Value) -> Result<(), Problem> {
    DevicePatch::read(value).map(drop)
}

fn read_manifest(value: &Value) -> Result<(), Problem> {
    let text = toml::to_string(value).map_err(|why| Problem::new(Code::WrongType, why.to_string()))?;
    let read = Manifest::parse(&text, "manifest.toml").map(drop);
    read.map_err(|errors| Problem::new(Code::InvalidInput, format!("{errors:?}")))
}

/// One good input of each shape.
fn requests() -> Vec<Value> {
    let of = |more: Value| merged(json!({ "request_id": "r", "targets": { "devices": ["IMEI:1", "d2"] } }), &more);
    vec![
        of(json!({ "kind": "download", "action": "install" })),
        of(json!({
            "schema": "scomo.request/1", "source": "oss/campaigns", "priority": 9, "kind": "download", "action": "deliver",
            "package": { "id": "org.example.player", "version": ">=2.1, <3" }, "delivery": "alternate",
            "allow_downgrade": true, "collect": ["devdetail", "inventory"], "collect_max_age": "24h",
            "schedule": { "deadline": "2030-01-01T00:00:00Z", "not_before": "2029-01-01T00:00:00Z",
                "window": { "cron": "0 2 * * mon-fri", "minutes": 120, "time_zone": "Europe/Paris" } },
            "failure_budget": { "failed": 10 }, "retry": { "limit": 3, "backoff": "5m" },
            "notify": "never", "confirm": { "text": { "en": "Install?", "pt-BR": "Sim?" }, "if_no_ui": "stop" },
            "if_unknown_device": "wait",
        })),
        of(json!({ "kind": "operation", "operation": "install", "package": { "id": "p" } })),
        of(json!({ "kind": "inventory", "targets": { "list": "north" } })),
        of(json!({ "kind": "inventory", "targets": { "filter": "dev.man == 'Acme'" } })),
        of(json!({ "kind": "operation", "operation": "activate", "component": { "id": "c/1" } })),
        of(json!({ "kind": "operation", "operation": "remove", "component": { "id": "c" }, "confirm": {} })),
        of(json!({ "kind": "operation", "operation": "remove", "package": { "id": "p", "version": "*" } })),
        of(json!({ "kind": "inventory", "collect": ["inventory"] })),
        of(json!({ "kind": "command", "group": "sequence", "commands": [
            { "do": "get", "uri": "./DevDetail/FwV" },
            { "do": "add", "uri": "./Box" },
            { "do": "add", "uri": "./Box/N", "format": "node" },
            { "do": "add", "uri": "./Box/Note", "value": "" },
            { "do": "replace", "uri": "./Box/Age", "format": "int", "value": "-7", "type": "text/plain" },
            { "do": "replace", "uri": "./Box/On", "format": "bool", "value": "true" },
            { "do": "replace", "uri": "./Box/F", "format": "float", "value": "1.5e3" },
            { "do": "replace", "uri": "./Box/B", "format": "bin", "value": "AQID" },
            { "do": "replace", "uri": "./Box/X", "format": "null" },
            { "do": "delete", "uri": "./Box" },
            { "do": "copy", "from": "./A", "to": "./B/C" },
            { "do": "exec", "uri": "./Reboot" },
            { "do": "prompt", "prompt": "display", "text": { "en": "Hello" }, "min_seconds": 1, "max_seconds": 5 },
            { "do": "prompt", "prompt": "confirm", "text": { "en": "Go?" }, "preset": "1" },
            { "do": "prompt", "prompt": "input", "text": { "en": "Who?" }, "preset": "me", "max_length": 9, "input": "text",
              "hidden": true },
            { "do": "prompt", "prompt": "choice", "text": { "en": "Which?" }, "choices": ["a", "b"], "preset": "2" },
            { "do": "prompt", "prompt": "choices", "text": { "en": "Which?" }, "choices": ["a", "b"], "preset": "1-2" },
        ] })),
        of(json!({ "kind": "command", "group": "atomic", "commands": [{ "do": "add", "uri": "./A", "value": "x" }] })),
    ]
}

fn controls() -> Vec<Value> {
    vec![
        json!({ "control": "cancel", "request_id": "r", "control_id": "c" }),
        json!({ "control": "pause", "request_id": "r", "source": "oss", "control_id": "c" }),
    ]
}

fn records() -> Vec<Value> {
    vec![
        json!({ "id": "IMEI:1", "user": "u", "secret": "s" }),
        json!({
            "id": "IMEI:1", "user": "u", "secret": "s", "server_secret": "t", "scheme": "basic", "nonce": "AQID",
            "server_nonce": "BAUG", "addresses": { "webhook": "https://example.org/wake" }, "class": "acme",
            "tags": ["lab", "eu"],
        }),
    ]
}

fn patches() -> Vec<Value> {
    vec![
        json!({}),
        json!({ "class": null, "addresses": { "webhook": null }, "tags": [], "user": "new", "secret": "s" }),
        json!({ "scheme": "md5", "server_secret": "t", "nonce": "AQID", "server_nonce": "BAUG", "class": "x" }),
    ]
}

fn manifests() -> Vec<Value> {
    let sha256 = "ab".repeat(32);
    let least = json!({
        "format": 1, "id": "org.example.player", "version": "2.1.0", "name": "Player", "payload": "player.tar.gz",
        "size": 262_144, "sha256": sha256, "components": [{ "id": "app", "version": "v2.1" }],
    });
    let more = json!({
        "description": "Plays\nthings", "vendor": "Acme", "env_type": "x", "pkg_type": "application/gzip",
        "install_params": "-q", "reboot": "1", "not_before": "2026-01-31T08:00:00Z", "when": "dev.man == 'Acme'",
        "on_request": true, "delivery": "direct", "user_text": { "en": "Install?" },
    });
    vec![least.clone(), merged(least, &more)]
}

/// What is read, by whom, and by which schema.
type Reader = (&'static str, fn() -> Value, fn() -> Vec<Value>, fn(&Value) -> Result<(), Problem>);

const READERS: [Reader; 5] = [
    ("request", request::request, requests, read_request),
    ("control", request::control, controls, read_control),
    ("record", device::record, records, read_record),
    ("patch", device::patch, patches, read_patch),
    ("manifest", manifest::manifest, manifests, read_manifest),
];

fn merged(mut one: Value, more: &Value) -> Value {
    one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    one
}

/// What a schema cannot say: the reader refuses it, and the schema says it in words.
fn is_beyond(problem: &Problem) -> bool {
    !problem.errors.is_empty()
        && problem.errors.iter().all(|fault| {
            let at = |end: &str| fault.pointer.ends_with(end);
            let bounds = ["/backoff", "/collect_max_age", "/max_seconds", "nonce"];
            // Devices in another spelling; the deadline; bits of base64 that stand for nothing.
            [Code::Duplicate, Code::PastDeadline, Code::InvalidBase64].contains(&fault.code)
                // Small languages, and the names of time zones.
                || [Code::InvalidRule, Code::InvalidCron, Code::InvalidTimeZone, Code::NeverOpens].contains(&fault.code)
                // Durations, and bounds of two members together.
                || (fault.code == Code::OutOfRange && bounds.into_iter().any(at))
                // The number of a choice that is not there.
                || (fault.code == Code::UnknownValue && at("/preset"))
                || (fault.code == Code::InvalidUrl && at("/webhook"))
        })
}

#[test]
fn every_schema_is_one() {
    for schema in [request::request(), request::control(), event::event(), manifest::manifest()] {
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{schema:#}");
        assert_eq!(schema["$schema"], DIALECT);
        assert!(schema["$id"].as_str().unwrap().starts_with("urn:scomo:schema:"));
        let text = schema.to_string();
        let odd: Vec<&str> = text.split("\"description\":").filter(|d| d.contains("[`") || d.contains("::")).collect();
        assert!(odd.is_empty(), "Rust's words: {odd:#?}");
    }
}

#[test]
fn what_is_meant_is_taken_by_schema_and_reader() {
    for (name, schema, samples, read) in READERS {
        let schema = validator(&schema());
        for sample in samples() {
            let faults: Vec<String> = schema.iter_errors(&sample).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{name}: {faults:?} in {sample:#}");
            read(&sample).unwrap_or_else(|why| panic!("{name}: {why} in {sample:#}"));
        }
    }
}

#[test]
fn schema_and_reader_know_the_same_members() {
    for (name, schema, samples, read) in READERS.into_iter().filter(|(name, ..)| *name != "manifest") {
        seen::take();
        for sample in samples() {
            read(&sample).unwrap();
        }
        let mut told = BTreeSet::new();
        members_of(&schema(), "", &mut told);
        assert_eq!(seen::take(), told, "{name}: left the reader's, right the schema's");
    }
}

fn members_of(schema: &Value, at: &str, told: &mut BTreeSet<String>) {
    let Some(schema) = schema.as_object() else { return };
    for (keyword, value) in schema {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(members)) => {
                for (name, member) in members.iter().filter(|(_, member)| **member != json!(false)) {
                    told.insert(format!("{at}/{name}"));
                    members_of(member, &format!("{at}/{name}"), told);
                }
            }
            ("items", member) => members_of(member, &format!("{at}/*"), told),
            ("allOf" | "anyOf" | "oneOf", Value::Array(list)) => list.iter().for_each(|s| members_of(s, at, told)),
            ("then", inner) => members_of(inner, at, told),
            _ => {}
        }
    }
}

fn refused(wrong: impl IntoIterator<Item = Value>) {
    let schema = validator(&request::request());
    for request in wrong {
        assert!(read_request(&request).is_err(), "the reader takes {request:#}");
        assert!(!schema.is_valid(&request), "the schema takes {request:#}");
    }
}

#[test]
fn what_is_wrong_is_refused_by_schema_and_reader() {
    let with = |more: Value| merged(requests().remove(0), &more);
    refused([
        with(json!({ "request_id": " " })),
        with(json!({ "request_id": "a\u{7}b" })),
        with(json!({ "request_id": "x".repeat(201) })),
        with(json!({ "schema": "scomo.request/2" })),
        with(json!({ "priority": 10 })),
        with(json!({ "priority": 1.5 })),
        with(json!({ "kind": "bootstrap" })),
        with(json!({ "targets": { "devices": [] } })),
        with(json!({ "targets": {} })),
        with(json!({ "targets": { "devices": ["a"], "list": "north" } })),
        with(json!({ "targets": { "list": " " } })),
        with(json!({ "schedule": { "window": { "cron": "0 2 * * *", "minutes": 0, "time_zone": "UTC" } } })),
        with(json!({ "schedule": { "window": { "cron": "0 2 * * *", "minutes": 60 } } })),
        with(json!({ "failure_budget": {} })),
        with(json!({ "targets": { "devices": ["a", "a"] } })),
        with(json!({ "operation": "remove" })),
        with(json!({ "package": { "id": "a/b" } })),
        with(json!({ "package": { "id": "a", "version": ">=" } })),
        with(json!({ "package": { "id": "a", "version": "1.*.2" } })),
        with(json!({ "collect": ["inventory", "inventory"] })),
        with(json!({ "collect": ["facts"] })),
        with(json!({ "collect_max_age": "soon" })),
        with(json!({ "collect_max_age": "-5m" })),
        with(json!({ "schedule": { "deadline": "tomorrow" } })),
        with(json!({ "retry": { "limit": 101 } })),
        with(json!({ "confirm": { "text": {} } })),
        with(json!({ "confirm": { "text": { "e n": "x" } } })),
        with(json!({ "confirm": { "text": { "en": "" } } })),
        with(json!({ "more": 1 })),
        with(json!({ "priority": null })),
    ]);
}

#[test]
fn what_is_wrong_with_commands_is_refused_by_schema_and_reader() {
    let command =
        |command: Value| merged(requests().pop().unwrap(), &json!({ "group": "sequence", "commands": [command] }));
    refused([
        command(json!({ "do": "fly" })),
        command(json!({ "do": "get" })),
        command(json!({ "do": "get", "uri": "DevDetail" })),
        command(json!({ "do": "get", "uri": "./a//b" })),
        command(json!({ "do": "get", "uri": "./a/../b" })),
        command(json!({ "do": "get", "uri": "./a/ b" })),
        command(json!({ "do": "get", "uri": "./a?list=x" })),
        command(json!({ "do": "get", "uri": format!(".{}", "/a".repeat(17)) })),
        command(json!({ "do": "get", "uri": "./a", "value": "x" })),
        command(json!({ "do": "add", "uri": "./a", "format": "node", "value": "x" })),
        command(json!({ "do": "add", "uri": "./a", "type": "text/plain" })),
        command(json!({ "do": "add", "uri": "./a", "format": "int", "value": "one" })),
        command(json!({ "do": "add", "uri": "./a", "format": "bin", "value": "A" })),
        command(json!({ "do": "add", "uri": "./a", "value": "x", "type": "text" })),
        command(json!({ "do": "replace", "uri": "./a" })),
        command(json!({ "do": "replace", "uri": "./a", "format": "node" })),
        command(json!({ "do": "replace", "uri": "./a", "format": "null", "value": "" })),
        command(json!({ "do": "prompt", "prompt": "choice", "text": { "en": "x" } })),
        command(json!({ "do": "prompt", "prompt": "input", "text": { "en": "x" }, "choices": ["a"] })),
        command(json!({ "do": "prompt", "prompt": "display", "text": { "en": "x" }, "preset": "1" })),
        command(json!({ "do": "prompt", "prompt": "confirm", "text": { "en": "x" }, "preset": "yes" })),
        command(json!({ "do": "prompt", "prompt": "confirm", "text": { "en": "x" }, "hidden": true })),
        merged(requests().pop().unwrap(), &json!({ "commands": [{ "do": "get", "uri": "./a" }] })),
        merged(requests().pop().unwrap(), &json!({ "collect": [] })),
        merged(requests().remove(8), &json!({ "collect": [] })),
        merged(requests().remove(5), &json!({ "package": { "id": "p" } })),
        json!({ "control": "explode" }),
        json!([]),
    ]);
}

#[test]
fn what_a_schema_cannot_say_is_all_that_the_reader_refuses_alone() {
    let with = |more: Value| merged(requests().remove(0), &more);
    let beyond = [
        with(json!({ "targets": { "devices": ["imei:490154203237518", "490154203237518"] } })),
        with(json!({ "retry": { "backoff": "48h" } })),
        merged(
            requests().pop().unwrap(),
            &json!({ "commands": [
            { "do": "prompt", "prompt": "display", "text": { "en": "x" }, "min_seconds": 9, "max_seconds": 8 } ] }),
        ),
    ];
    let schema = validator(&request::request());
    for request in beyond {
        assert!(schema.is_valid(&request), "{request:#}");
        assert!(is_beyond(&read_request(&request).unwrap_err()), "{request:#}");
    }
    // The reader knows more spellings of a duration; whose requests `device` are the intake decides.
    for request in [with(json!({ "collect_max_age": "PT5M" })), with(json!({ "source": "device" }))] {
        assert!(read_request(&request).is_ok() && !schema.is_valid(&request), "{request:#}");
    }
}

/// What may come in place of a member.
fn other() -> impl Strategy<Value = Value> {
    let words = "download operation inventory command install install-inactive deliver remove activate deactivate auto direct \
        alternate always never fail wait stop proceed devdetail get add replace delete copy exec prompt atomic sequence chr int \
        bool bin xml date time float null node display confirm input choice choices text number phone address cancel basic md5 x \
        ./A/B ./ . 0 1 3 1-2 AQID AQ 1e5 text/plain 5m 90s 2y 2030-01-01T00:00:00Z tomorrow >=1 * 1.* IMEI:1 https://a.b/c ftp://x";
    let words: Vec<Value> = words.split_whitespace().map(|word| json!(word)).collect();
    let odd =
        [json!(null), json!(true), json!(false), json!(0), json!(1), json!(10), json!(-1), json!(1.5), json!(100_000)];
    let texts = ["", " ", "a b", "a:b", "a\u{1}b", "\u{e9}", " x ", "a/b", "a@b", "2.1.0-rc1", "..", "é"]
        .map(|text| json!(text));
    let lists =
        [json!([]), json!(["x"]), json!(["x", "x"]), json!(["inventory"]), json!([1]), json!({}), json!({ "id": "x" })];
    let objects = [
        json!({ "en": "x" }),
        json!({ "e n": "x" }),
        json!({ "devices": ["x"] }),
        json!([{ "do": "get", "uri": "./A" }]),
    ];
    let all: Vec<Value> = words.into_iter().chain(odd).chain(texts).chain(lists).chain(objects).collect();
    proptest::sample::select(all)
}

/// Where a value has members that can be changed.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            all.push(at.clone());
            places(member, &at, all);
        }),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, member)| {
            all.push(format!("{at}/{i}"));
            places(member, &format!("{at}/{i}"), all);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts something else into a place, takes it away, or puts a member beside it.
fn change(value: &mut Value, place: proptest::sample::Index, how: u8, other: Value, name: &str) {
    let mut all = Vec::new();
    places(value, "", &mut all);
    if all.is_empty() {
        return;
    }
    let at = all[place.index(all.len())].clone();
    let (parent, key) = at.rsplit_once('/').unwrap();
    match (how, value.pointer_mut(parent).unwrap()) {
        (0, Value::Object(members)) => drop(members.remove(key)),
        (1, Value::Object(members)) => drop(members.insert(name.to_owned(), other)),
        _ => *value.pointer_mut(&at).unwrap() = other,
    }
}

const NAMES: [&str; 24] = [
    "source",
    "package",
    "component",
    "operation",
    "action",
    "delivery",
    "commands",
    "group",
    "collect",
    "confirm",
    "version",
    "deadline",
    "backoff",
    "if_no_ui",
    "value",
    "format",
    "type",
    "uri",
    "preset",
    "choices",
    "hidden",
    "class",
    "when",
    "more",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 4000 }))]

    #[test]
    fn schema_and_reader_agree_on_whatever_comes(
        reader in 0..READERS.len(),
        sample in any::<proptest::sample::Index>(),
        changes in prop::collection::vec((any::<proptest::sample::Index>(), 0..4_u8, other(), prop::sample::select(&NAMES[..])), 1..4),
    ) {
        let (name, _, samples, read) = READERS[reader];
        let samples = samples();
        let mut value = samples[sample.index(samples.len())].clone();
        for (place, how, other, member) in changes {
            change(&mut value, place, how, other, member);
        }
        let schema = CHECKED.with(|checked| checked[reader].is_valid(&value));
        match read(&value) {
            Ok(()) => prop_assert!(schema || is_wider(&value), "{name}: only the reader takes {value:#}"),
            Err(why) => prop_assert!(!schema || is_beyond(&why) || name == "manifest", "{name}: only the schema takes {value:#}: {why:?}"),
        }
    }
}

thread_local! {
    static CHECKED: Vec<Validator> = READERS.iter().map(|(_, schema, ..)| validator(&schema())).collect();
}

/// What the reader takes beyond the schema.
fn is_wider(value: &Value) -> bool {
    value["source"] == "device"
}
