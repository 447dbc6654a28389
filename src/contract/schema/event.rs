//! Events: the envelope of each type with the data that it carries.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{
    document, generator,
    part::{self, members},
};
use crate::{
    contract::event::{
        DeviceAlert, DeviceInventory, EventType, JobData, LateResult, PackageHeld, RequestAccepted, RequestCompleted,
        RequestConflict, RequestPaused, RequestRejected, RequestResumed,
    },
    job::life::StateName,
    model::id::{EventId, JobId, Tenant},
};

/// A type of events, as documents tell of it.
pub(super) struct Told {
    pub(super) kind: EventType,
    /// When it is told, a sentence.
    pub(super) when: &'static str,
    /// The whole event.
    pub(super) schema: Value,
}

/// The schema of every event. Consumers pass over members that they do not know: later versions have more.
#[must_use]
pub fn event() -> Value {
    let mut generator = generator("/$defs");
    let all = told(&mut generator);
    let mut defs = generator.take_definitions(true);
    let names: Vec<String> = all.iter().map(|told| told.kind.to_string()).collect();
    defs.extend(all.into_iter().map(|told| (told.kind.to_string(), told.schema)));
    defs.extend(data_schemas());
    let choices: Vec<Value> = names.iter().map(|name| json!({ "$ref": format!("#/$defs/{name}") })).collect();
    document("event", "Event", json!({ "oneOf": choices, "$defs": defs }))
}

/// Any event, in a document of which `generator` gathers the parts.
#[must_use]
pub fn any(generator: &mut SchemaGenerator) -> Value {
    json!({ "oneOf": told(generator).into_iter().map(|told| told.schema).collect::<Vec<_>>() })
}

/// Every type, with the schema of the whole event.
pub(super) fn told(generator: &mut SchemaGenerator) -> Vec<Told> {
    let told = |kind| Some(Told { kind, when: when(kind), schema: whole(kind, &data(kind, generator)?) });
    EventType::all().into_iter().filter_map(told).collect()
}

/// What `dataschema` names: any data of its group.
fn data_schemas() -> Map<String, Value> {
    let mut groups: Map<String, Value> = Map::new();
    for kind in EventType::all() {
        let data = json!({ "$ref": format!("#/$defs/{kind}/properties/data") });
        let group = groups.entry(kind.schema()).or_insert_with(|| json!({ "anyOf": [] }));
        if let Some(Value::Array(list)) = group.get_mut("anyOf") {
            list.push(data);
        }
    }
    groups
}

fn when(kind: EventType) -> &'static str {
    match kind {
        EventType::RequestAccepted => "A request was stored.",
        EventType::RequestRejected => "A message of the bus was refused; it is a dead letter.",
        EventType::RequestConflict => "A message of the bus had the identity of another request.",
        EventType::RequestCompleted => "All jobs of a request have ended, once.",
        EventType::RequestPaused => "A request was paused: nothing new of it is begun.",
        EventType::RequestResumed => "A request that was paused goes on.",
        EventType::PackagePaused => "A package was paused, in one version or in all.",
        EventType::PackageResumed => "A package that was paused goes on.",
        EventType::Job(StateName::Accepted) => "The job was stored.",
        EventType::Job(StateName::Waiting) => "The job waits for its device.",
        EventType::Job(StateName::Notified) => "The courier took a notification for the device.",
        EventType::Job(StateName::InSession) => "The device opened a session for the job.",
        EventType::Job(StateName::AwaitingReport) => "The device works on it and will report.",
        EventType::Job(StateName::AwaitingUser) => "The device asks its user.",
        EventType::Job(StateName::Over(outcome)) => outcome.meaning(),
        EventType::JobProgress => "Bytes moved.",
        EventType::JobLateResult => "A result came after the job's end, which stays.",
        EventType::DeviceAlert => "A device that proved itself sent a generic alert or a client event.",
        EventType::DeviceInventory => "A device's inventory is another than told last, or was asked for.",
    }
}

/// The schema of the data; none of a type that is not told yet.
fn data(kind: EventType, generator: &mut SchemaGenerator) -> Option<Value> {
    fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
        generator.subschema_for::<T>().to_value()
    }
    Some(match kind {
        EventType::RequestAccepted => of::<RequestAccepted>(generator),
        EventType::RequestRejected => of::<RequestRejected>(generator),
        EventType::RequestConflict => of::<RequestConflict>(generator),
        EventType::RequestCompleted => of::<RequestCompleted>(generator),
        EventType::RequestPaused => of::<RequestPaused>(generator),
        EventType::RequestResumed => of::<RequestResumed>(generator),
        EventType::PackagePaused | EventType::PackageResumed => of::<PackageHeld>(generator),
        EventType::Job(state) => {
            let required: &[&str] = if state.is_terminal() { &["result"] } else { &[] };
            let here = json!({ "properties": { "state": { "const": state.as_str() } }, "required": required });
            json!({ "allOf": [of::<JobData>(generator), here] })
        }
        EventType::JobLateResult => of::<LateResult>(generator),
        EventType::DeviceAlert => of::<DeviceAlert>(generator),
        EventType::DeviceInventory => of::<DeviceInventory>(generator),
        EventType::JobProgress => return None,
    })
}

fn whole(kind: EventType, data: &Value) -> Value {
    let inline = |schema: schemars::Schema| schema.to_value();
    let mut none = generator("/$defs");
    let (uuid, tenant) = (inline(EventId::json_schema(&mut none)), inline(Tenant::json_schema(&mut none)));
    let of_job = matches!(kind, EventType::Job(_) | EventType::JobProgress | EventType::JobLateResult);
    let subject =
        if of_job { inline(JobId::json_schema(&mut none)) } else { json!({ "type": "string", "minLength": 1 }) };
    let mut properties = members([
        ("specversion", json!({ "const": "1.0" })),
        ("id", part::told(uuid, "The same through every redelivery.")),
        ("type", json!({ "const": kind.to_string() })),
        ("source", json!({ "type": "string", "format": "uri-reference", "minLength": 1 })),
        ("subject", subject),
        ("time", json!({ "type": "string", "format": "date-time" })),
        ("tenant", tenant),
        ("datacontenttype", json!({ "const": "application/json" })),
        ("dataschema", json!({ "const": kind.schema() })),
        ("data", data.clone()),
    ]);
    let mut required =
        vec!["specversion", "id", "type", "source", "time", "tenant", "datacontenttype", "dataschema", "data"];
    if of_job {
        let told = "Rises with each event of the job: drop what is not above the last one seen.";
        let sequence = json!({ "type": "integer", "minimum": 1, "description": told });
        properties.insert("sequence".to_owned(), sequence);
        required.push("sequence");
    }
    if kind != EventType::RequestRejected {
        required.push("subject"); // of a refused message it may be that nobody could read its id
    }
    json!({ "type": "object", "description": when(kind), "properties": properties, "required": required })
}
