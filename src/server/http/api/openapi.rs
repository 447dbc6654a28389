//! The API's description of itself, in OpenAPI 3.1: `/openapi.json`, and `scomo schema api`.
//!
//! The table of calls stands beside the routes ([`routes`](super::routes)), and a test holds one against the other: path, method and
//! role. What calls take and give is told by the types that they read and write.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{dead, devices, events, jobs, packages, page, pauses, requests, select, targets};
use crate::{
    contract::{
        device::DeviceView,
        problem::Problem,
        schema::{self, device, request, with},
    },
    job::why::Why,
    model::catalog::Manifest,
    server::config::Role,
};

/// What every path of a call begins with.
pub const PREFIX: &str = "/api/v1";

const JSON: &str = "application/json";

/// `GET /openapi.json`, for whoever asks: it tells nothing that the source does not tell
pub(super) async fn read() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    ([(header::CONTENT_TYPE, JSON)], TEXT.as_str()).into_response()
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut table = Table { generator: schema::generator("/components/schemas"), paths: Map::new() };
    of_requests(&mut table);
    of_jobs(&mut table);
    of_devices(&mut table);
    of_target_lists(&mut table);
    of_pauses(&mut table);
    of_the_rest(&mut table);
    let problem = table.generator.subschema_for::<Problem>().to_value();
    let mut schemas = table.generator.take_definitions(true);
    let inputs = [
        ("Request", request::request()),
        ("DeviceInput", device::record()),
        ("DevicePatch", device::patch()),
        ("SelectionQuestion", device::question()),
        ("Pause", pauses::body()),
    ];
    schemas.extend(inputs.into_iter().map(|(name, schema)| (name.to_owned(), as_part(schema))));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "scomo", "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Requests in, jobs, devices, packages and events: the API of operators and of the systems that hand in \
                requests. Each call names the role that its token needs; without tokens only this machine is served.",
        },
        "jsonSchemaDialect": schema::DIALECT,
        "servers": [{ "url": "http://127.0.0.1:8081", "description": "The setting `admin.listen`." }],
        "paths": table.paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": { "Problem": {
                "description": "A refusal or a failure; each code stands in docs/errors.md.",
                "content": { Problem::CONTENT_TYPE: { "schema": problem } },
            } },
        },
    })
}

/// A document's schema as a part of this one.
fn as_part(mut schema: Value) -> Value {
    if let Value::Object(members) = &mut schema {
        members.remove("$schema");
        members.remove("$id");
    }
    schema
}

/// Any event, for the types that pass one on as it was written.
pub(super) struct Event;

impl JsonSchema for Event {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
        schema::event::any(generator).try_into().unwrap_or_default()
    }
}

/// The calls, as they are told.
struct Table {
    generator: SchemaGenerator,
    paths: Map<String, Value>,
}

/// A call that is being told; it stands in the table when it is dropped.
struct Call<'t> {
    table: &'t mut Table,
    path: String,
    method: &'static str,
    head: Value,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
}

impl Table {
    fn call(&mut self, method: &'static str, path: &str, role: Role, summary: &str) -> Call<'_> {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameter = |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
        let head = json!({
            "summary": summary, "operationId": operation_id(method, path), "security": [{ "token": [role.name()] }],
        });
        let problem = json!({ "$ref": "#/components/responses/Problem" });
        Call {
            parameters: names.map(parameter).collect(),
            table: self,
            path: format!("{PREFIX}{path}"),
            method,
            head,
            body: None,
            answers: Map::from_iter([("default".to_owned(), problem)]),
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut told = with(self.head.take(), "parameters", std::mem::take(&mut self.parameters));
        if let Some(body) = self.body.take() {
            told = with(told, "requestBody", body);
        }
        told = with(told, "responses", std::mem::take(&mut self.answers));
        let path = std::mem::take(&mut self.path);
        if let Value::Object(calls) = self.table.paths.entry(path).or_insert_with(|| json!({})) {
            calls.insert(self.method.to_owned(), told);
        }
    }
}

/// Such as `postRequestsCancel`, `getDevicesById`.
fn operation_id(method: &str, path: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or(("", word));
        first.to_uppercase() + rest
    };
    let words = path.split('/').filter(|part| !part.is_empty() && !part.starts_with('{'));
    let name: String = words.map(capital).collect();
    if !path.ends_with('}') {
        return format!("{method}{name}");
    }
    let parameters = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let named = parameters.map(|name| name.split('_').map(capital).collect::<String>());
    format!("{method}{name}By{}", named.collect::<Vec<_>>().join("And"))
}

impl Call<'_> {
    /// Takes the query parameters of a type.
    fn asks<T: JsonSchema>(mut self) -> Self {
        let schema = schema::asked::<T>();
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        self.parameters.extend(members.into_iter().map(|(name, schema)| {
            let required = required.contains(&Value::String(name.clone()));
            json!({ "name": name, "in": "query", "required": required, "schema": schema })
        }));
        self
    }

    /// Takes a body of this schema.
    fn takes(mut self, schema: &str) -> Self {
        let reference = json!({ "$ref": format!("#/components/schemas/{schema}") });
        self.body = Some(json!({ "required": true, "content": { JSON: { "schema": reference } } }));
        self
    }

    /// Takes lines of JSON.
    fn takes_lines(mut self, description: &str) -> Self {
        let schema = json!({ "type": "string", "description": description });
        self.body = Some(json!({ "required": true, "content": { "application/x-ndjson": { "schema": schema } } }));
        self
    }

    /// Answers with a type.
    fn gives<T: JsonSchema>(self, status: u16, description: &str) -> Self {
        self.gives_either::<T>(status, description, Map::new())
    }

    /// Answers with a type, or with other content if it is asked for.
    fn gives_either<T: JsonSchema>(mut self, status: u16, description: &str, mut content: Map<String, Value>) -> Self {
        let schema = self.table.generator.subschema_for::<T>().to_value();
        content.insert(JSON.to_owned(), json!({ "schema": schema }));
        self.answers.insert(status.to_string(), json!({ "description": description, "content": content }));
        self
    }

    /// Answers without a body.
    fn gives_nothing(mut self, status: u16, description: &str) -> Self {
        self.answers.insert(status.to_string(), json!({ "description": description }));
        self
    }
}

fn of_requests(table: &mut Table) {
    table
        .call("post", "/requests", Role::Submit, "Hands in a request")
        .takes("Request")
        .gives::<requests::Summary>(202, "It is stored.")
        .gives::<requests::Summary>(200, "It was stored before; the same answer as then.");
    table
        .call("get", "/requests", Role::Read, "A request by its names, for those that do not go well into a path")
        .asks::<requests::Wish>()
        .gives::<requests::View>(200, "How far it is.");
    table
        .call("get", "/requests/{source}/{request_id}", Role::Read, "A request")
        .gives::<requests::View>(200, "How far it is.");
    table
        .call(
            "post",
            "/requests/{source}/{request_id}/cancel",
            Role::Submit,
            "Cancels all its jobs that have not ended",
        )
        .gives::<requests::Cancelled>(200, "What this call stopped.");
    table
        .call(
            "post",
            "/requests/{source}/{request_id}/pause",
            Role::Submit,
            "Begins nothing new of it until it is resumed",
        )
        .gives::<requests::Summary>(200, "How far it is.");
    table
        .call("post", "/requests/{source}/{request_id}/resume", Role::Submit, "Lets a request go on that was paused")
        .gives::<requests::Summary>(200, "How far it is.");
}

fn of_target_lists(table: &mut Table) {
    table
        .call("post", "/target-lists", Role::Submit, "Uploads a target list")
        .asks::<targets::Naming>()
        .takes_lines("One device a line: its id as a JSON string, or an object with the member `device`.")
        .gives::<targets::View>(201, "It is whole.");
    table
        .call("get", "/target-lists", Role::Read, "The target lists, the newest first")
        .asks::<page::Wish>()
        .gives::<targets::Lists>(200, "A page of them.");
    table
        .call("get", "/target-lists/{name}", Role::Read, "A target list, by its name or key")
        .gives::<targets::View>(200, "How long it is.");
    table
        .call("delete", "/target-lists/{name}", Role::Submit, "Takes a target list out of sight")
        .gives_nothing(204, "No new request finds it; those that use it go on.");
}

fn of_pauses(table: &mut Table) {
    table
        .call("get", "/pauses", Role::Read, "What is paused, the newest first")
        .asks::<page::Wish>()
        .gives::<pauses::List>(200, "A page of them.");
    table
        .call("post", "/pauses", Role::Operate, "Pauses everything, a package, a class or a request")
        .takes("Pause")
        .gives::<pauses::View>(201, "It is paused.")
        .gives::<pauses::View>(200, "It was paused before, and stays so.");
    table
        .call("delete", "/pauses", Role::Operate, "Lets go on what was paused")
        .asks::<pauses::Named>()
        .gives::<pauses::View>(200, "The pause that is no more.");
}

fn of_jobs(table: &mut Table) {
    table
        .call("get", "/jobs", Role::Read, "Jobs, the newest first")
        .asks::<jobs::Wish>()
        .gives::<jobs::List>(200, "A page of them.");
    table.call("get", "/jobs/{id}", Role::Read, "A job").gives::<jobs::JobDetail>(200, "The job with its history.");
    table
        .call("get", "/jobs/{id}/why", Role::Read, "Why a job stands where it stands")
        .gives::<Why>(200, "In sentences, and what happens next.");
    table
        .call("post", "/jobs/{id}/cancel", Role::Operate, "Cancels a job")
        .gives::<jobs::JobDetail>(200, "The job, at its end.");
}

fn of_devices(table: &mut Table) {
    table
        .call("get", "/devices", Role::Read, "Devices, in the order in which they were registered")
        .asks::<page::Wish>()
        .gives::<devices::List>(200, "A page of them.");
    table
        .call("post", "/devices", Role::Operate, "Registers a device")
        .takes("DeviceInput")
        .gives::<DeviceView>(201, "The device, without its secrets.");
    table.call("get", "/devices/{id}", Role::Read, "A device").gives::<DeviceView>(200, "The device.");
    table
        .call("patch", "/devices/{id}", Role::Operate, "Changes a device, by a JSON merge patch")
        .takes("DevicePatch")
        .gives::<DeviceView>(200, "The device as it is now.");
    table
        .call("delete", "/devices/{id}", Role::Operate, "Forgets a device; what was under way on it is cancelled")
        .gives_nothing(204, "It is forgotten.");
    table
        .call("get", "/devices/{id}/inventory", Role::Read, "What a device holds, or held when it was told")
        .asks::<devices::Which>()
        .gives::<devices::Inventories>(200, "As it was read last; with `history=true` the newest first.");
}

fn of_the_rest(table: &mut Table) {
    table
        .call("get", "/dead", Role::Read, "Messages of the bus that were refused, the newest first")
        .asks::<page::Wish>()
        .gives::<dead::List>(200, "A page of them.");
    table.call("get", "/dead/{id}", Role::Read, "A dead letter").gives::<dead::View>(200, "With its body.");
    table.call("delete", "/dead/{id}", Role::Operate, "Drops a dead letter").gives_nothing(204, "It is forgotten.");
    table
        .call("post", "/dead/{id}/requeue", Role::Operate, "Hands a dead letter in again")
        .gives::<dead::Requeued>(202, "It is a request now.");
    table.call("get", "/packages", Role::Read, "The catalogue").gives::<packages::List>(200, "Every version.");
    table
        .call("get", "/packages/{id}", Role::Read, "The versions of a package")
        .gives::<packages::List>(200, "The highest first.");
    table
        .call("get", "/packages/{id}/{version}", Role::Read, "A version of a package")
        .gives::<Manifest>(200, "Its manifest.");
    table
        .call("post", "/select", Role::Read, "Which package a device would get, and why not the others")
        .takes("SelectionQuestion")
        .gives::<select::Answer>(200, "As the device is known now.");
    let stream = "Server-sent events: the cursor as `id`, the event as `data`.";
    let stream = json!({ "schema": { "type": "string", "description": stream } });
    table
        .call("get", "/events", Role::Read, "Events behind a cursor, as a page or, if asked for, as a stream")
        .asks::<events::Wish>()
        .gives_either::<events::Page>(
            200,
            "A page of them, or a stream that goes on.",
            Map::from_iter([("text/event-stream".to_owned(), stream)]),
        );
}
