//! Messages that are refused: kept, told, copied, and what an operator does with them.

use lapin::{BasicProperties, types::FieldTable};
use serde_json::{Value, json};

use crate::cli::run;
use crate::support::{
    broker::{Bus, Events},
    service::{Service, but, read, request},
    watch::until,
};

struct Stage {
    bus: Bus,
    events: Events,
    service: Service,
}

impl Stage {
    async fn set(test: &str) -> Option<Self> {
        let bus = Bus::find(test).await?;
        bus.prepare().await;
        let events = bus.listen("#").await;
        let service = Service::with(&bus.settings("")).await;
        Some(Self { bus, events, service })
    }

    async fn dead(&self) -> Vec<Value> {
        self.service.get("/dead").await.body["dead"].as_array().unwrap().clone()
    }

    async fn stop(self) {
        let queue = self.bus.queue();
        until("everything to be acknowledged", async || (self.bus.standing(&queue).await.0 == 0).then_some(())).await;
        self.service.stop().await;
        assert_eq!(self.bus.standing(&queue).await.0, 0, "nothing was given back");
    }
}

fn named(id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(id.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_is_kept_told_and_copied() {
    let Some(mut stage) = Stage::set("a_refused_request_is_kept_told_and_copied").await else { return };
    let asked = but(request("r", &["d"]), &json!({ "action": "explode" }));
    let mut headers = FieldTable::default();
    headers.insert("x-origin".into(), lapin::types::AMQPValue::LongString("desk\u{0} 7".into()));
    stage.bus.send("request", asked.to_string().as_bytes(), named("m-1").with_headers(headers)).await;

    let told = stage.events.next().await;
    assert_eq!((&told["type"], &told["subject"]), (&json!("scomo.request.rejected"), &json!("r")));
    assert_eq!(told["data"]["problem"]["errors"][0]["pointer"], "/action", "{told:#}");

    let copy = stage.bus.take(&stage.bus.dead_queue()).await;
    assert_eq!(serde_json::from_slice::<Value>(&copy.data).unwrap(), asked);
    let headers = copy.properties.headers().clone().unwrap();
    let error = headers.inner().get("x-scomo-error").unwrap().as_long_string().unwrap().to_string();
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error, told["data"]["problem"]);

    let dead = stage.dead().await;
    assert_eq!(dead.len(), 1);
    let id = dead[0]["id"].as_str().unwrap();
    assert_eq!(copy.properties.message_id().as_ref().unwrap().as_str(), id);
    let shown = stage.service.get(&format!("/dead/{id}")).await.body;
    assert_eq!((&shown["body"], &shown["message_id"], &shown["problem"]), (&asked, &json!("m-1"), &error));
    assert!(shown["headers"]["x-origin"].as_str().unwrap().starts_with("desk"), "{shown:#}");
    assert_eq!(stage.service.delete(&format!("/dead/{id}")).await.status, 204);
    assert_eq!(stage.service.get(&format!("/dead/{id}")).await.problem().1, "not_found");
    stage.stop().await;
}

fn is_rejected(event: &Value) -> bool {
    event["type"] == "scomo.request.rejected"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_messages_are_refused_and_hold_up_nothing() {
    let Some(mut stage) = Stage::set("hostile_messages_are_refused_and_hold_up_nothing").await else { return };
    let cloud = || BasicProperties::default().with_content_type("application/cloudevents+json".into());
    let deep = "[".repeat(100_000);
    let devices = |count: u32| (0..count).map(|n| format!("IMEI:35{n:013}")).collect::<Vec<_>>();
    let many = |count| but(request("many", &[]), &json!({ "targets": { "devices": devices(count) } }));
    let short: Vec<u32> = (0..100_000).collect();
    let short = but(request("short", &[]), &json!({ "targets": { "devices": short } }));
    let hostile: Vec<(&str, Vec<u8>, BasicProperties)> = vec![
        ("request", b"".to_vec(), named("empty\u{0}")),
        ("request", b"\xff\xfe\x00".to_vec(), named("bytes")),
        ("request", deep.into_bytes(), named("deep")),
        ("request", vec![b' '; 17 << 20], named("large")),
        ("request", many(1_000_000).to_string().into_bytes(), named("million")),
        ("request", short.to_string().into_bytes(), named("short")),
        ("request", b"null".to_vec(), cloud()),
        ("control", b"{}".to_vec(), named("control")),
        ("control", br#"{"control":"explode","request_id":"r","control_id":"c"}"#.to_vec(), named("odd")),
        ("control", br#"{"control":"cancel","request_id":"nobody","control_id":"c"}"#.to_vec(), named("nobody")),
    ];
    for (key, body, properties) in &hostile {
        stage.bus.send(key, body, properties.clone()).await;
    }
    stage.bus.ask(&request("good", &["unknown"])).await;
    stage.events.until_complete("good").await;
    // They are of other subjects: some may be told after the request is complete.
    let rejected = |events: &Events| events.seen.iter().filter(|(event, _)| is_rejected(event)).count();
    while rejected(&stage.events) < hostile.len() {
        stage.events.until(is_rejected).await;
    }
    assert_eq!(rejected(&stage.events), hostile.len());
    let dead = stage.dead().await;
    let code = |id: &str| {
        let found = dead.iter().find(|d| d["message_id"].as_str().unwrap_or_default().starts_with(id));
        found.unwrap_or_else(|| panic!("{id}: {dead:#?}"))["problem"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        ["empty", "bytes", "deep", "large", "control", "odd", "nobody"].map(code),
        ["invalid_json", "invalid_json", "invalid_json", "too_large", "invalid_input", "invalid_input", "not_found"]
    );
    let problem = |id: &str| dead.iter().find(|d| d["message_id"] == id).unwrap()["problem"].clone();
    for (id, code, faults) in [("million", "too_large", 0), ("short", "invalid_input", 1)] {
        let problem = problem(id);
        assert_eq!((&problem["code"], problem["errors"].as_array().map_or(0, Vec::len)), (&json!(code), faults));
        assert!(problem["detail"].as_str().unwrap().contains("upload a target list"), "{problem:#}");
    }
    let large = dead.iter().find(|d| d["message_id"] == "large").unwrap();
    assert_eq!(large["size"], 17 << 20);
    let again = format!("/dead/{}/requeue", large["id"].as_str().unwrap());
    assert_eq!(stage.service.post(&again, &json!({})).await.problem().1, "too_large", "only its beginning was kept");
    stage.stop().await;
}

/// A request whose body has exactly so many bytes.
fn of_size(id: &str, bytes: usize) -> Vec<u8> {
    let mut body = request(id, &["unknown"]).to_string().into_bytes();
    body.resize(bytes, b' ');
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_the_limit_is_taken_and_one_byte_more_is_not() {
    const MOST: usize = 1 << 20;
    let Some(mut stage) = Stage::set("a_body_of_the_limit_is_taken_and_one_byte_more_is_not").await else { return };
    stage.bus.send("request", &of_size("whole", MOST), named("whole")).await;
    stage.events.until_complete("whole").await;
    stage.bus.send("request", &of_size("over", MOST + 1), named("over")).await;
    let told = stage.events.until(|event| event["type"] == "scomo.request.rejected").await;
    let problem = &told["data"]["problem"];
    assert_eq!(problem["code"], "too_large");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("1048577") && detail.contains("1048576"), "{detail}");
    for (id, bytes, status) in [("whole-http", MOST, 202), ("over-http", MOST + 1, 413), ("huge", 17 << 20, 413)] {
        let call = stage.service.call(reqwest::Method::POST, "/requests").header("content-type", "application/json");
        let answer = read(call.body(of_size(id, bytes))).await;
        assert_eq!(answer.status, status, "{id}: {}", answer.text);
        if status == 413 {
            let (_, code, faults) = answer.problem();
            assert_eq!((code, faults.len()), ("too_large", 0));
            assert!(answer.body["detail"].as_str().unwrap().contains("1048576"), "{}", answer.text);
        }
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_content_under_the_same_identity_is_a_conflict() {
    let Some(mut stage) = Stage::set("other_content_under_the_same_identity_is_a_conflict").await else { return };
    stage.bus.ask(&request("r", &["unknown"])).await;
    stage.events.until_complete("r").await;
    stage.bus.ask(&but(request("r", &["unknown"]), &json!({ "priority": 9 }))).await;
    let told = stage.events.next().await;
    assert_eq!(told["type"], "scomo.request.conflict");
    assert_eq!(told["data"], json!({ "request_id": "r", "source": "it" }), "nothing of the first is said");
    let dead = stage.dead().await;
    assert_eq!(dead[0]["problem"]["code"], "request_conflict");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_message_that_comes_again_is_told_once() {
    let Some(mut stage) = Stage::set("a_refused_message_that_comes_again_is_told_once").await else { return };
    for id in ["m-1", "m-1", "m-2"] {
        stage.bus.send("request", b"{", named(id)).await;
    }
    stage.bus.ask(&request("last", &["unknown"])).await;
    stage.events.until_complete("last").await;
    let rejected = stage.events.seen.iter().filter(|(event, _)| event["type"] == "scomo.request.rejected");
    assert_eq!(rejected.count(), 2, "one for each message");
    assert_eq!(stage.dead().await.len(), 2);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_worked_off_from_the_command_line() {
    let Some(mut stage) = Stage::set("dead_letters_are_worked_off_from_the_command_line").await else { return };
    let server = stage.service.admin();
    let dead = |arguments: &[&str]| run(&[&["dead"], arguments, &["--server", &server]].concat());
    dead(&["list"]).ended(0, &["No dead letters."]);
    stage.bus.send("request", b"{", named("m-1")).await;
    stage.events.next().await;
    let listed = dead(&["list", "--json"]).json();
    let id = listed["dead"][0]["id"].as_str().unwrap();
    dead(&["list"]).ended(0, &[id, "m-1", "invalid_json"]);
    dead(&["show", id]).ended(0, &["m-1", "invalid_json", "ew=="]);
    dead(&["requeue", id]).ended(4, &["invalid_json"]);
    dead(&["drop", id]).ended(0, &[id, "is forgotten."]);
    dead(&["drop", id]).ended(4, &["not_found"]);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_handed_in_again() {
    let Some(mut stage) = Stage::set("a_dead_letter_is_handed_in_again").await else { return };
    // A request of the past is one that is refused now and would be refused again.
    let past = json!({ "schedule": { "deadline": "2001-01-01T00:00:00Z" } });
    stage.bus.send("request", but(request("late", &["unknown"]), &past).to_string().as_bytes(), named("late")).await;
    stage.events.next().await;
    let id = stage.dead().await[0]["id"].as_str().unwrap().to_owned();
    let refused = stage.service.post(&format!("/dead/{id}/requeue"), &json!({})).await;
    assert_eq!(refused.problem(), (422, "invalid_input", vec!["/schedule/deadline past_deadline".to_owned()]));
    assert_eq!(stage.dead().await.len(), 1, "it stays");
    assert_eq!(stage.service.post("/dead/nonsense/requeue", &json!({})).await.problem().1, "not_found");

    // As if this release took what the one that refused it did not.
    let good = request("late", &["unknown"]).to_string();
    stage.service.raw(&format!("UPDATE dead_letter SET body = CAST('{good}' AS BLOB), size = {}", good.len())).await;
    let taken = stage.service.post(&format!("/dead/{id}/requeue"), &json!({})).await;
    assert_eq!((taken.status, &taken.body["request_id"], &taken.body["jobs"]), (202, &json!("late"), &json!(1)));
    stage.events.until_complete("late").await;
    assert_eq!(stage.dead().await, Vec::<Value>::new());
    stage.stop().await;
}
