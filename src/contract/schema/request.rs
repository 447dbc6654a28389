//! Requests and controls. A member is added here in one place, and in the reader in another: a test finds what only one of them has.

mod command;

use serde_json::{Value, json};

use super::{
    document,
    part::{closed, duration, number, or, texts, told, when, with, without, words},
};
use crate::{
    contract::{
        control::ACTS,
        request::{
            Request,
            parse::{
                ACTIONS, AGE, BACKOFF, DELIVERIES, FAILURES, IF_NO_UI, KINDS, NOTIFIES, OF_WORK, OPERATIONS,
                PRIORITIES, RETRIES, SOURCES, UNKNOWN_DEVICE, WINDOW,
            },
        },
    },
    job::{retry::RetryRule, window::Cron},
    model::{
        clock::span,
        id::{ComponentId, DeviceId, ListName, PackageId, RequestId, RequestSource},
        rule::Rule,
        schema::{NAME, NARROW, VERSION_RULE, name},
        version::VersionRule,
    },
};

/// The schema of a request (`scomo.request/1`).
#[must_use]
pub fn request() -> Value {
    document("request", "Request", body())
}

/// The schema of a control.
#[must_use]
pub fn control() -> Value {
    document("control", "Control", control_body())
}

/// A request, to be put into another document.
pub(super) fn body() -> Value {
    let schema = closed(
        [
            ("schema", json!({ "const": Request::SCHEMA, "description": "The version of the contract." })),
            ("request_id", told(id(), "What the sender calls it; with tenant and source its identity.")),
            ("source", source()),
            ("priority", or(told(number(&PRIORITIES), "9 goes before 0."), Request::DEFAULT_PRIORITY)),
            ("kind", told(words(&KINDS), "What is to be done on each device.")),
            ("targets", targets()),
            ("package", told(package(), "Absent for `download`: the best match among what applies.")),
            ("component", told(component(), "What an operation is on, if not on a package.")),
            ("operation", told(words(&OPERATIONS), "Kind `operation`: which.")),
            ("action", told(words(&ACTIONS), "Kind `download`: the end wanted.")),
            ("delivery", or(told(words(&DELIVERIES), "Kind `download`: the way of the payload."), "auto")),
            (
                "allow_downgrade",
                or(told(boolean(), "Kind `download`: an older version may replace a newer one."), false),
            ),
            ("commands", command::list()),
            ("group", told(command::group(), "Kind `command`: say the list as one; absent: one after the other.")),
            ("collect", told(sources(), "What may and shall be read of the device.")),
            ("collect_max_age", duration(&AGE)),
            ("schedule", schedule()),
            ("retry", retry()),
            ("failure_budget", failure_budget()),
            ("notify", or(told(words(&NOTIFIES), "Whether devices are asked to open a session."), "auto")),
            ("confirm", confirm()),
            (
                "if_unknown_device",
                or(told(words(&UNKNOWN_DEVICE), "What becomes of a device without a record."), "fail"),
            ),
        ],
        &["request_id", "kind", "targets"],
    );
    with(schema, "allOf", by_kind())
}

pub(super) fn control_body() -> Value {
    closed(
        [
            ("control", told(words(&ACTS), "What is to be done with the request.")),
            ("request_id", told(id(), "Which request.")),
            ("source", source()),
            ("control_id", told(id(), "What the sender calls this change; shown in the history of the jobs.")),
        ],
        &["control", "request_id", "control_id"],
    )
}

/// What belongs to one kind and not to another.
fn by_kind() -> Value {
    let only = |kind: &str, members: &[&str], more: &[&str]| {
        let others: Vec<&str> = OF_WORK.into_iter().filter(|name| !members.contains(name)).collect();
        when("kind", &[kind], &without(&[others.as_slice(), more].concat()))
    };
    let needs = |kind: &str, required: &[&str]| when("kind", &[kind], &json!({ "required": required }));
    let of_package = json!({ "required": ["package"], "properties": { "component": false } });
    let of_component = json!({ "required": ["component"], "properties": { "package": false } });
    json!([
        only("download", &["package", "action", "delivery", "allow_downgrade"], &[]),
        needs("download", &["action"]),
        only("operation", &["operation", "package", "component"], &[]),
        needs("operation", &["operation"]),
        when("operation", &["install", "install-inactive"], &of_package),
        when("operation", &["activate", "deactivate"], &of_component),
        when("operation", &["remove"], &json!({ "oneOf": [&of_package, &of_component] })),
        only("inventory", &[], &["confirm"]),
        when("kind", &["inventory"], &json!({ "properties": { "collect": { "minItems": 1 } } })),
        only("command", &["commands", "group"], &["confirm", "collect", "collect_max_age"]),
        needs("command", &["commands"]),
        command::atomic(),
    ])
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn id() -> Value {
    name(NAME, RequestId::MOST_BYTES)
}

fn source() -> Value {
    let schema = told(name(NAME, RequestSource::MOST_BYTES), "Who sent it; absent: the name of the caller.");
    with(schema, "not", json!({ "const": RequestSource::device().as_str() }))
}

fn targets() -> Value {
    let devices = json!({
        "type": "array", "minItems": 1, "maxItems": Request::MOST_DEVICES, "uniqueItems": true,
        "items": name(NAME, DeviceId::MOST_BYTES),
        "description": "Device ids as in DevInfo/DevId, each device once in whatever spelling.",
    });
    let list = told(name(NAME, ListName::MOST_BYTES), "A target list that was uploaded before, by its name or key.");
    let filter = json!({
        "type": "string", "minLength": 1, "maxLength": Rule::MOST_BYTES,
        "description": "CEL over what the registered devices told last.",
    });
    let ways = ["devices", "list", "filter"].map(|way| json!({ "required": [way] }));
    let schema = with(closed([("devices", devices), ("list", list), ("filter", filter)], &[]), "oneOf", json!(ways));
    told(schema, "The devices, each of which gets a job.")
}

pub(super) fn package() -> Value {
    let rule = json!({
        "type": "string", "maxLength": VersionRule::MOST_BYTES, "pattern": VERSION_RULE,
        "description": "Such as `>=2.1`, `2.1.*`, `>=1.0, <3` or `=1.2.3`.",
    });
    closed([("id", name(NARROW, PackageId::MOST_BYTES)), ("version", rule)], &["id"])
}

fn component() -> Value {
    closed([("id", name(NAME, ComponentId::MOST_BYTES))], &["id"])
}

fn sources() -> Value {
    json!({ "type": "array", "uniqueItems": true, "maxItems": SOURCES.len(), "items": words(&SOURCES) })
}

fn schedule() -> Value {
    let deadline = json!({
        "type": "string", "format": "date-time",
        "description": "When all jobs end at the latest, RFC 3339, in the future; absent: `job.default_deadline` from now.",
    });
    let not_before = json!({
        "type": "string", "format": "date-time", "description": "Before, devices are left in peace; RFC 3339.",
    });
    closed([("deadline", deadline), ("not_before", not_before), ("window", window())], &[])
}

fn window() -> Value {
    let cron = json!({
        "type": "string", "minLength": 1, "maxLength": Cron::MOST_BYTES,
        "description": "When it opens: minute, hour, day of the month, month, day of the week.",
    });
    let time_zone =
        json!({ "type": "string", "minLength": 1, "description": "Whose clock, as in `Europe/Paris` (IANA)." });
    let minutes = told(number(&WINDOW), "How long it stays open.");
    let schema =
        closed([("cron", cron), ("minutes", minutes), ("time_zone", time_zone)], &["cron", "minutes", "time_zone"]);
    told(schema, "Outside of it devices are left in peace.")
}

fn failure_budget() -> Value {
    let failed =
        told(number(&FAILURES), "Jobs that may end as failed or in doubt; with one more the request is paused.");
    closed([("failed", failed)], &["failed"])
}

fn retry() -> Value {
    let usual = RetryRule::default();
    let limit = or(told(number(&RETRIES), "Attempts after the first."), usual.limit);
    let backoff = or(duration(&BACKOFF), span::format(usual.backoff));
    told(closed([("limit", limit), ("backoff", backoff)], &[]), "How failed attempts are repeated.")
}

fn confirm() -> Value {
    let no_ui = or(told(words(&IF_NO_UI), "What becomes of a device that cannot ask."), "stop");
    let schema = closed([("text", texts()), ("if_no_ui", no_ui)], &[]);
    told(schema, "Kinds `download` and `operation`: the device's user is asked before anything is done.")
}
