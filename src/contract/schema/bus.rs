//! The bus in AsyncAPI 3, as it is with its default names.

use serde_json::{Map, Value, json};

use super::{event, generator, request};
use crate::contract::{event::Event, problem::Problem};

/// The direct exchange that messages come to, under the keys `request` and `control`.
pub const EXCHANGE: &str = "scomo";
/// The queue that they are taken from.
pub const QUEUE: &str = "scomo.requests";
/// The queue that gets a copy of what was refused.
pub const DEAD_QUEUE: &str = "scomo.requests.dead";
/// The topic exchange that events go to.
pub const EVENTS_EXCHANGE: &str = "scomo.events";

const JSON: &str = "application/json";

/// The document.
#[must_use]
pub fn bus() -> Value {
    let mut generator = generator("/components/schemas");
    let told = event::told(&mut generator);
    let problem = generator.subschema_for::<Problem>().to_value();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Request".to_owned(), request::body());
    schemas.insert("Control".to_owned(), request::control_body());
    for (name, data) in [("RequestInCloudEvent", "Request"), ("ControlInCloudEvent", "Control")] {
        schemas.insert(name.to_owned(), wrapped(data));
    }
    let mut messages = incoming();
    messages.insert("deadLetter".to_owned(), dead_letter(&problem));
    let keys: Vec<String> = told.iter().map(|told| told.kind.key()).collect();
    for event::Told { kind, when, schema } in told {
        let name = kind.to_string();
        schemas.insert(name.clone(), schema);
        let payload = json!({ "$ref": format!("#/components/schemas/{name}") });
        messages.insert(
            name.clone(),
            json!({ "name": name, "summary": when, "contentType": Event::CONTENT_TYPE, "payload": payload }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": info(),
        "defaultContentType": JSON,
        "servers": { "broker": {
            "host": "localhost:5672", "protocol": "amqp", "protocolVersion": "0-9-1",
            "description": "The setting `bus.url`; `amqps` likewise.",
        } },
        "channels": channels(&keys),
        "operations": operations(),
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn info() -> Value {
    json!({
        "title": "scomo on the bus", "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "Apache-2.0" },
        "description": "Requests and controls come in, events go out, over AMQP 0-9-1. Every message is delivered at least once: \
            an event that comes again has the same id, a request that comes again has no second effect. The names of exchanges \
            and queues are settings; these are the defaults.",
    })
}

/// A message in a `CloudEvent`, structured JSON; members besides these are passed over.
fn wrapped(data: &str) -> Value {
    json!({
        "type": "object", "required": ["specversion", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "data": { "$ref": format!("#/components/schemas/{data}") },
        },
    })
}

fn incoming() -> Map<String, Value> {
    let message = |name: &str, schema: &str, kind: &str, summary: &str| {
        let payload = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let message = json!({ "name": name, "summary": summary, "contentType": kind, "payload": payload });
        (name.to_owned(), message)
    };
    Map::from_iter([
        message("request", "Request", JSON, "Asks for something on devices."),
        message("requestInCloudEvent", "RequestInCloudEvent", Event::CONTENT_TYPE, "The same in a CloudEvent."),
        message("control", "Control", JSON, "Changes what was asked."),
        message("controlInCloudEvent", "ControlInCloudEvent", Event::CONTENT_TYPE, "The same in a CloudEvent."),
    ])
}

fn dead_letter(problem: &Value) -> Value {
    json!({
        "name": "deadLetter",
        "summary": "What was refused, as it came; the header says why, as JSON.",
        "headers": {
            "type": "object", "required": ["x-scomo-error"],
            "properties": { "x-scomo-error": { "type": "string", "contentMediaType": JSON, "contentSchema": problem } },
        },
        "payload": { "description": "The body that was refused; of a long one the first mebibyte." },
    })
}

fn channels(keys: &[String]) -> Value {
    let exchange = |name: &str, kind: &str| {
        let exchange = json!({ "name": name, "type": kind, "durable": true, "autoDelete": false, "vhost": "/" });
        json!({ "amqp": { "is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0" } })
    };
    let queue = json!({ "name": DEAD_QUEUE, "durable": true, "exclusive": false, "autoDelete": false, "vhost": "/" });
    let messages = |names: &[&str]| -> Map<String, Value> {
        let refer = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/messages/{name}") }));
        names.iter().map(refer).collect()
    };
    let events: Vec<String> = keys.iter().map(|key| format!("scomo.{key}")).collect();
    json!({
        "requests": {
            "address": "request", "messages": messages(&["request", "requestInCloudEvent"]),
            "description": format!("Persistent, with publisher confirms; taken from the quorum queue `{QUEUE}`."),
            "bindings": exchange(EXCHANGE, "direct"),
        },
        "controls": {
            "address": "control", "messages": messages(&["control", "controlInCloudEvent"]),
            "description": "After the request that it is about was accepted.",
            "bindings": exchange(EXCHANGE, "direct"),
        },
        "events": {
            "address": "{key}",
            "parameters": { "key": { "enum": keys, "description": "The event's type without `scomo.`." } },
            "messages": messages(&events.iter().map(String::as_str).collect::<Vec<_>>()),
            "description": "Bind a queue with `request.*`, `job.*`, `device.*` or `#`. `message_id` is the event's id, \
                `correlation_id` the request's.",
            "bindings": exchange(EVENTS_EXCHANGE, "topic"),
        },
        "dead": {
            "address": DEAD_QUEUE, "messages": messages(&["deadLetter"]),
            "description": "A copy of each dead letter; `scomo dead` acts on the service's own.",
            "bindings": { "amqp": { "is": "queue", "queue": queue, "bindingVersion": "0.3.0" } },
        },
    })
}

fn operations() -> Value {
    let operation = |action: &str, channel: &str, summary: &str, bindings: Value| {
        json!({
            "action": action, "channel": { "$ref": format!("#/channels/{channel}") }, "summary": summary,
            "bindings": { "amqp": bindings },
        })
    };
    let takes = || json!({ "ack": true, "bindingVersion": "0.3.0" });
    let tells = || json!({ "deliveryMode": 2, "bindingVersion": "0.3.0" });
    json!({
        "takeRequest": operation("receive", "requests", "Acknowledged when what became of it is stored.", takes()),
        "takeControl": operation("receive", "controls", "Acknowledged when what became of it is stored.", takes()),
        "tellEvent": operation("send", "events", "Tried until the broker confirms it, under the same id.", tells()),
        "copyDeadLetter": operation("send", "dead", "Tried until the broker confirms it.", tells()),
    })
}
