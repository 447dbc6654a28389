//! What is published of the contract, against the service and the pages that tell of it.

use std::collections::{BTreeMap, BTreeSet};

use scomo::{
    contract::{
        control::Control,
        event::EventType,
        problem::Code,
        request::Request,
        schema::{DIALECT, bus, event, manifest, request},
    },
    model::{clock::Timestamp, id::RequestSource},
    server::{config, http::api::openapi},
};
use serde_json::{Value, json};
use syn::visit::{self, Visit};

use crate::{
    cli::run,
    support::{
        contract::{faults, is_event, is_request, part_of_the_api, validator},
        service::{Service, device, request as ask},
    },
};

const PAGE: &str = include_str!("../../docs/integration.md");

/// The blocks of a page in one language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let begin = format!("```{language}\n");
    page.split(begin.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// Holds an example against what it is an example of.
fn judge(example: &Value) -> &'static str {
    let has = |name: &str| example.get(name).is_some();
    let caller = RequestSource::parse("docs").unwrap();
    if has("kind") && has("targets") {
        is_request(example);
        Request::from_value(example, &caller, Timestamp::default()).unwrap();
        return "request";
    }
    if has("control") {
        assert_eq!(faults(&validator(&request::control()), example), Vec::<String>::new());
        Control::read(example.to_string().as_bytes(), &caller).unwrap();
        return "control";
    }
    if has("specversion") {
        is_event(example);
        return "event";
    }
    let (name, part) = match () {
        () if has("events") => {
            example["events"].as_array().unwrap().iter().for_each(is_event);
            ("page", "EventPage")
        }
        () if has("duplicates") => ("list", "TargetList"),
        () if has("counts") => ("answer", "RequestSummary"),
        () if has("pointer") || has("errors") => ("problem", "Problem"),
        () if has("changes") => ("inventory", "DeviceInventory"),
        () if has("items") => ("result", "JobResult"),
        () => panic!("nobody knows what this is: {example:#}"),
    };
    let faults = faults(&part_of_the_api(&format!("/components/schemas/{part}")), example);
    assert!(faults.is_empty(), "{faults:#?} in {example:#}");
    name
}

#[test]
fn the_examples_of_the_pages_are_of_the_contract() {
    let mut found = BTreeMap::<&str, usize>::new();
    let mut bodies = blocks(PAGE, "json");
    bodies.extend(blocks(include_str!("../../docs/errors.md"), "json"));
    let in_commands = blocks(PAGE, "sh").into_iter().flat_map(|block| block.split("-d '").skip(1));
    bodies.extend(in_commands.map(|rest| rest.split('\'').next().unwrap()));
    for body in bodies {
        let example: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {body}"));
        *found.entry(judge(&example)).or_default() += 1;
    }
    let least =
        [("request", 4), ("control", 1), ("page", 1), ("answer", 1), ("problem", 1), ("inventory", 1), ("result", 1)];
    for (kind, least) in least {
        assert!(found.get(kind).is_some_and(|count| *count >= least), "{kind}: {found:?}");
    }
}

#[test]
fn the_page_tells_of_every_event_and_of_every_member_of_its_data() {
    let (_, events) = PAGE.split_once("\n## Events\n").unwrap();
    let schema = event::event();
    for kind in EventType::all() {
        let name = kind.to_string();
        let told = events.contains(&format!("`{name}`"))
            || matches!(kind, EventType::Job(state) if state.is_terminal() && events.contains(&format!("`{state}`")));
        assert!(told, "{name} is not told of in docs/integration.md");
        let mut members = BTreeSet::new();
        members_of(&schema, &schema["$defs"][&name]["properties"]["data"], &mut members);
        for member in members {
            let mentions = [format!("`{member}`"), format!("\"{member}\"")];
            assert!(mentions.iter().any(|text| events.contains(text)), "{member} of {name} is not told of");
        }
    }
}

/// The names of the members of a schema, through references.
fn members_of(document: &Value, schema: &Value, names: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        members_of(document, document.pointer(&reference[1..]).unwrap(), names);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        members_of(document, part, names);
    }
    names.extend(schema["properties"].as_object().into_iter().flat_map(|members| members.keys().cloned()));
}

#[test]
fn the_page_of_errors_is_the_one_of_the_service() {
    for code in Code::ALL {
        assert!(include_str!("../../docs/errors.md").contains(&format!("| `{code}` | {} |", code.status())), "{code}");
    }
    assert!(PAGE.contains("](errors.md"), "the page of integration leads there");
}

#[test]
fn a_data_schema_names_what_the_data_is() {
    let schema = event::event();
    for kind in EventType::all() {
        let whole = &schema["$defs"][kind.to_string()];
        assert_eq!(whole["properties"]["dataschema"]["const"], kind.schema());
        let group = schema["$defs"][kind.schema()]["anyOf"].as_array().unwrap();
        let reference = format!("#/$defs/{kind}/properties/data");
        assert!(group.iter().any(|member| member["$ref"] == reference), "{kind} is not in {}", kind.schema());
    }
}

/// Every `$ref` of a document leads somewhere within it.
fn references_hold(document: &Value, within: &Value) {
    match within {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| name == "$ref") {
                    Some(reference) => {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    }
                    None => references_hold(document, member),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|member| references_hold(document, member)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_bus_is_described_as_it_is() {
    let document = bus::bus();
    assert_eq!(document["asyncapi"], "3.0.0");
    references_hold(&document, &document);
    let messages = document["components"]["messages"].as_object().unwrap();
    let keys: Vec<String> = EventType::all().into_iter().map(EventType::key).collect();
    assert_eq!(document["channels"]["events"]["parameters"]["key"]["enum"], json!(keys));
    for kind in EventType::all() {
        assert!(messages.contains_key(&kind.to_string()), "{kind}");
    }
    for (name, message) in messages {
        let schema =
            json!({ "$ref": "#/payload", "payload": message["payload"], "components": document["components"] });
        let built = jsonschema::draft202012::new(&schema);
        assert!(built.is_ok(), "the payload of {name}: {:?}", built.err());
    }
    let usual = config::Settings::load(None, &BTreeMap::new()).unwrap().bus;
    let names = [usual.exchange, usual.queue, usual.dead_queue, usual.events_exchange];
    assert_eq!(names, [bus::EXCHANGE, bus::QUEUE, bus::DEAD_QUEUE, bus::EVENTS_EXCHANGE]);
    let wrapped =
        validator(&json!({ "$ref": "#/components/schemas/RequestInCloudEvent", "components": document["components"] }));
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/oss", "type": "org.example.ask", "data": ask("r", &["d"]) });
    assert_eq!(faults(&wrapped, &event), Vec::<String>::new());
    assert!(!wrapped.is_valid(&json!({ "specversion": "1.0", "data": { "kind": "download" } })));
}

/// Path, method and role of each route, from the source of the router.
#[derive(Default)]
struct Routes(BTreeSet<(String, String, String)>);

impl<'ast> Visit<'ast> for Routes {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "route"
            && let Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. })) = call.args.first()
        {
            let mut handlers = Handlers { path: path.value(), role: None, found: &mut self.0 };
            handlers.visit_expr(&call.args[1]);
        }
        visit::visit_expr_method_call(self, call);
    }
}

struct Handlers<'r> {
    path: String,
    role: Option<String>,
    found: &'r mut BTreeSet<(String, String, String)>,
}

impl Handlers<'_> {
    fn method(&mut self, name: &str) {
        if ["get", "post", "put", "patch", "delete"].contains(&name) {
            let role = self.role.clone().unwrap_or_default();
            self.found.insert((self.path.clone(), name.to_owned(), role));
        }
    }
}

impl<'ast> Visit<'ast> for Handlers<'_> {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let syn::Expr::Path(function) = &*call.func else { return };
        let name = function.path.segments.last().unwrap().ident.to_string();
        if ["read", "submit", "publish", "operate"].contains(&name.as_str()) && function.path.segments.len() == 1 {
            let before = self.role.replace(name);
            visit::visit_expr_call(self, call);
            self.role = before;
            return;
        }
        self.method(&name);
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.method(&call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }
}

#[test]
fn every_route_is_described_with_its_role_and_nothing_else_is() {
    let source = std::fs::read_to_string("src/server/http/api.rs").unwrap();
    let mut routes = Routes::default();
    routes.visit_file(&syn::parse_file(&source).unwrap());
    routes.0.retain(|(path, ..)| path != "/openapi.json");
    let document = openapi::document();
    references_hold(&document, &document);
    let mut described = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            let role = call["security"][0]["token"][0].as_str().unwrap().to_owned();
            described.insert((path.strip_prefix(openapi::PREFIX).unwrap().to_owned(), method.clone(), role));
            assert!(names.insert(call["operationId"].as_str().unwrap()), "{} stands twice", call["operationId"]);
        }
    }
    assert_eq!(routes.0, described, "left the routes of src/server/http/api.rs, right those of openapi.rs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_answers_as_it_describes_itself() {
    let service = Service::start().await;
    let served = service.http().get(format!("{}/openapi.json", service.admin())).send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.json::<Value>().await.unwrap(), openapi::document());

    let answered = async |method: &str, path: &str, status: u16, answer: crate::support::service::Answer| {
        assert_eq!(answer.status, status, "{}", answer.text);
        let path = format!("{}{path}", openapi::PREFIX).replace('~', "~0").replace('/', "~1");
        let pointer = format!("/paths/{path}/{method}/responses/{status}/content/application~1json/schema");
        let faults = faults(&part_of_the_api(&pointer), &answer.body);
        assert!(faults.is_empty(), "{method} {path}: {faults:#?} in {:#}", answer.body);
    };
    let record = device("IMEI:1");
    assert_eq!(faults(&part_of_the_api("/components/schemas/DeviceInput"), &record), Vec::<String>::new());
    answered("post", "/devices", 201, service.post("/devices", &record).await).await;
    answered("patch", "/devices/{id}", 200, service.patch("/devices/IMEI:1", &json!({ "tags": ["x"] })).await).await;
    answered("get", "/devices/{id}", 200, service.get("/devices/IMEI:1").await).await;
    answered("get", "/devices", 200, service.get("/devices?limit=1").await).await;
    let asked = ask("r", &["IMEI:1", "unknown"]);
    answered("post", "/requests", 202, service.post("/requests", &asked).await).await;
    answered("post", "/requests", 200, service.post("/requests", &asked).await).await;
    answered("get", "/requests/{source}/{request_id}", 200, service.get("/requests/it/r").await).await;
    answered("get", "/requests", 200, service.get("/requests?source=it&request_id=r").await).await;
    let jobs = service.get("/jobs?device=IMEI:1").await;
    let job = jobs.body["jobs"][0]["job_id"].as_str().unwrap().to_owned();
    answered("get", "/jobs", 200, jobs).await;
    answered("get", "/jobs/{id}", 200, service.get(&format!("/jobs/{job}")).await).await;
    answered("get", "/jobs/{id}/why", 200, service.get(&format!("/jobs/{job}/why")).await).await;
    let select = json!({ "device": "IMEI:1", "package": { "id": "org.example.hello" } });
    answered("post", "/select", 200, service.post("/select", &select).await).await;
    let cancel = "/requests/{source}/{request_id}/cancel";
    answered("post", cancel, 200, service.post("/requests/it/r/cancel", &json!({})).await).await;
    answered("get", "/packages", 200, service.get("/packages").await).await;
    answered("get", "/packages/{id}", 200, service.get("/packages/org.example.hello").await).await;
    answered("get", "/packages/{id}/{version}", 200, service.get("/packages/org.example.hello/1.1.0").await).await;
    answered("get", "/dead", 200, service.get("/dead").await).await;
    service.until("/requests/it/r", |body| body["state"] == "completed").await;
    service.until("/events?limit=1000", |page| page["events"].as_array().is_some_and(|all| all.len() >= 4)).await;
    answered("get", "/events", 200, service.get("/events?limit=1000").await).await;
    let refused = service.get("/jobs/nobody").await;
    assert_eq!(faults(&part_of_the_api("/components/schemas/Problem"), &refused.body), Vec::<String>::new());
    service.stop().await;
}

#[test]
fn the_program_prints_every_schema() {
    let printed = |of: &str| {
        let ran = run(&["schema", of]);
        ran.ended(0, &[]);
        let shown = run(&["schema", of, "--json"]).json();
        assert_eq!(ran.text(), shown, "for people it is the same on many lines");
        shown
    };
    assert_eq!(printed("request"), request::request());
    assert_eq!(printed("control"), request::control());
    assert_eq!(printed("event"), event::event());
    assert_eq!(printed("manifest"), manifest::manifest());
    assert_eq!(printed("bus"), bus::bus());
    assert_eq!(printed("api"), openapi::document());
    assert_eq!(printed("config"), config::schema().unwrap());
    run(&["schema", "weather"]).ended(2, &["request", "manifest"]);
}

#[test]
fn the_settings_file_is_as_its_schema_says() {
    let schema = config::schema().unwrap();
    assert!(jsonschema::draft202012::meta::is_valid(&schema) && schema["$schema"] == DIALECT);
    let settings = validator(&schema);
    let read = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    assert_eq!(faults(&settings, &read(config::DEFAULTS)), Vec::<String>::new());
    for (good, text) in [
        (true, "[device]\nlisten = '0.0.0.0:8080'\nplain_http = true\npaths = ['/oma']"),
        (true, "[job.patience]\nanswer = '1h 30m'"),
        (true, "[[device_class]]\nname = 'acme'\n[device_class.dm]\nsize_unit = 'decoded'"),
        (false, "[device]\nlissten = 'x'"),
        (false, "[devices]\nlisten = 'x'"),
        (false, "[device]\nconnections = 'many'"),
        (false, "[admin]\nauth = 'password'"),
        (false, "[job.patience]\nanswer = 'soon'"),
        (false, "[[device_class]]\nname = 'a'\n[device_class.dm]\nsize_unti = 'decoded'"),
    ] {
        assert_eq!(settings.is_valid(&read(text)), good, "{text}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("scomo.toml");
        std::fs::write(&file, text).unwrap();
        let loaded = config::Settings::load(Some(&file), &BTreeMap::new());
        assert_eq!(loaded.is_ok(), good, "{text}: {:?}", loaded.err());
    }
    for (section, member) in [("bus", "prefetch"), ("retention", "events"), ("device_class", "match")] {
        let at = &schema["properties"][section];
        let members = if section == "device_class" { &at["items"]["properties"] } else { &at["properties"] };
        assert!(members[member]["description"].is_string() || section == "device_class", "{section}.{member}");
    }
}

#[test]
fn the_packages_that_ship_are_as_their_schema_says() {
    let schema = validator(&manifest::manifest());
    let mut seen = 0;
    for package in std::fs::read_dir("packages").unwrap().map(|entry| entry.unwrap().path()) {
        for version in std::fs::read_dir(package).unwrap().map(|entry| entry.unwrap().path()) {
            let Ok(text) = std::fs::read_to_string(version.join("manifest.toml")) else { continue };
            let manifest: toml::Table = toml::from_str(&text).unwrap();
            assert_eq!(faults(&schema, &serde_json::to_value(manifest).unwrap()), Vec::<String>::new());
            seen += 1;
        }
    }
    assert!(seen > 0);
}
