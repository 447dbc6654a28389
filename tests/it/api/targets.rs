//! Target lists and filters: uploaded, named in requests, removed; and requests for more devices than one message names.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::service::{Answer, Service, but, device, read, request};

const LINES: &str = "application/x-ndjson";

async fn upload(service: &Service, name: &str, lines: &str) -> Answer {
    let call = service.call(Method::POST, &format!("/target-lists?name={name}")).header(CONTENT_TYPE, LINES);
    read(call.body(lines.to_owned())).await
}

fn numbered(devices: std::ops::Range<u32>) -> String {
    devices.map(|n| format!("\"IMEI:35{n:013}\"\n")).collect::<Vec<_>>().concat()
}

/// A request for these targets, whose devices are waited for.
fn to(targets: &Value, id: &str) -> Value {
    but(request(id, &[]), &json!({ "targets": targets, "if_unknown_device": "wait" }))
}

async fn spread(service: &Service, id: &str) -> Value {
    service.until(&format!("/requests/it/{id}"), |request| request["fan_out"]["state"] != "running").await
}

#[tokio::test]
async fn a_list_is_uploaded_shown_used_and_removed() {
    let service = Service::start().await;
    service.post("/devices", &device("IMEI:350000000000001")).await;
    let lines = "\"IMEI:350000000000001\"\n{\"device\": \"d2\"}\r\n\n  \"350000000000001\"\n\"d2\"\n\"d3\"";
    let made = upload(&service, "north%20fleet", lines).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let of_it = json!({ "name": "north fleet", "devices": 3, "duplicates": 2 });
    for (member, value) in of_it.as_object().unwrap() {
        assert_eq!(&made.body[member], value, "{}", made.text);
    }
    let key = made.body["list"].as_str().unwrap();
    for name in ["north%20fleet", key] {
        assert_eq!(service.get(&format!("/target-lists/{name}")).await.body, made.body);
    }
    assert_eq!(service.get("/target-lists").await.body, json!({ "target_lists": [made.body] }));
    assert_eq!(upload(&service, "north%20fleet", "\"d\"").await.problem().0, 409);

    let taken = service.post("/requests", &to(&json!({ "list": "north fleet" }), "r")).await;
    assert_eq!((taken.status, &taken.body["jobs"]), (202, &json!(3)), "{}", taken.text);
    let shown = spread(&service, "r").await;
    assert_eq!(shown["fan_out"], json!({ "state": "done", "targets": 3, "made": 3 }), "{shown:#}");
    assert_eq!(shown["counts"]["accepted"], 2, "of these there is no record: {shown:#}");
    assert_eq!(shown["asked"]["list"], "north fleet");
    let again = service.post("/requests", &to(&json!({ "list": "north fleet" }), "r")).await;
    assert_eq!((again.status, &again.body["jobs"]), (200, &json!(3)));
    let by_key = service.post("/requests", &to(&json!({ "list": key }), "by key")).await;
    assert_eq!((by_key.status, &by_key.body["jobs"]), (202, &json!(3)));

    assert_eq!(service.delete("/target-lists/north%20fleet").await.status, 204);
    assert_eq!(service.delete("/target-lists/north%20fleet").await.problem().1, "not_found");
    let gone = service.post("/requests", &to(&json!({ "list": "north fleet" }), "late")).await;
    assert_eq!(gone.problem(), (422, "invalid_input", vec!["/targets/list not_found".to_owned()]));
    assert_eq!(service.post("/requests", &to(&json!({ "list": "north fleet" }), "r")).await.status, 200, "as before");
    assert_eq!(upload(&service, "north%20fleet", "\"d\"").await.status, 201, "the name is free");
    service.stop().await;
}

#[tokio::test]
async fn a_list_without_a_name_is_called_by_its_key() {
    let service = Service::start().await;
    let call = service.call(Method::POST, "/target-lists").header(CONTENT_TYPE, "application/jsonl; charset=utf-8");
    let made = read(call.body("\"d\"")).await;
    assert_eq!((made.status, &made.body["name"]), (201, &made.body["list"]));
    let taken = service.post("/requests", &to(&json!({ "list": made.body["name"] }), "r")).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    service.stop().await;
}

#[tokio::test]
async fn an_upload_that_cannot_be_taken_is_refused_at_its_line_and_leaves_nothing() {
    let service = Service::with("[limits]\ntarget_list_devices = 5000\n").await;
    let long = format!("\"a\"\n\"{}\"\n", "x".repeat(3000));
    let endless = format!("\"a\"\n\"{}", "x".repeat(5000));
    let refused = [
        ("\"a\"\n\nb\n", "/2 invalid_json"),
        ("\"a\"\n[\"b\"]\n", "/1 invalid_json"),
        ("{\"device\": \"a\", \"colour\": 1}", "/0 invalid_json"),
        ("{}", "/0 invalid_json"),
        ("\"a\"\n\"\"\n\"b\"", "/1 invalid_name"),
        (&format!("\"{}\"", "x".repeat(256)), "/0 invalid_name"),
        (&long, "/1 too_large"),
        (&endless, "/1 too_large"),
        (&numbered(0..5001), " too_many"),
        ("", " empty"),
        ("\n \n", " empty"),
    ];
    for (lines, fault) in refused {
        let answer = upload(&service, "fleet", lines).await;
        assert_eq!(answer.problem(), (422, "invalid_input", vec![fault.to_owned()]), "{:.40}", answer.text);
    }
    assert!(upload(&service, "fleet", "\"a\"\nb").await.body["detail"].as_str().unwrap().contains("line 2"));
    let name = uuid::Uuid::from_u128(7).to_string();
    assert_eq!(upload(&service, &name, "\"a\"").await.problem().2, ["/name invalid_name"]);
    let json = service.call(Method::POST, "/target-lists").header(CONTENT_TYPE, "application/json").body("\"a\"");
    assert_eq!(read(json).await.problem().0, 415);
    assert_eq!(service.get("/target-lists").await.body, json!({ "target_lists": [] }));
    assert_eq!(upload(&service, "fleet", &numbered(0..5000)).await.status, 201, "as many as may be");
    service.stop().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_seen_by_nobody() {
    let service = Service::start().await;
    let first = numbered(0..4000);
    let pieces = futures_util::stream::iter([Ok(first), Err(std::io::Error::other("the cable is out"))]);
    let call = service.call(Method::POST, "/target-lists?name=fleet").header(CONTENT_TYPE, LINES);
    assert!(call.body(reqwest::Body::wrap_stream(pieces)).send().await.is_err());
    assert_eq!(service.get("/target-lists").await.body, json!({ "target_lists": [] }));
    assert_eq!(service.get("/target-lists/fleet").await.problem().0, 404);
    assert_eq!(upload(&service, "fleet", "\"d\"").await.body["devices"], 1, "it can be made anew");
    service.stop().await;
}

#[tokio::test]
async fn a_filter_is_a_rule_and_its_jobs_are_counted_when_they_are_made() {
    let service = Service::start().await;
    for (id, tags) in [("a", json!(["pilot"])), ("b", json!([])), ("c", json!(["pilot", "lab"]))] {
        assert_eq!(service.post("/devices", &but(device(id), &json!({ "tags": tags }))).await.status, 201);
    }
    let filter = json!({ "filter": "'pilot' in tags" });
    let taken = service.post("/requests", &to(&filter, "r")).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    assert!(taken.body["fan_out"]["targets"].is_null());
    let shown = spread(&service, "r").await;
    assert_eq!((&shown["jobs"], &shown["counts"]), (&json!(2), &json!({ "waiting": 2 })));
    assert_eq!(shown["fan_out"], json!({ "state": "done", "made": 2, "undecided": 0 }));
    let nobody = service.post("/requests", &to(&json!({ "filter": "dev.id == 'nobody'" }), "nobody")).await;
    assert_eq!(nobody.status, 202);
    let over = service.until("/requests/it/nobody", |request| request["state"] == "completed").await;
    assert_eq!((&over["jobs"], &over["counts"]), (&json!(0), &json!({})));
    let unknown = service.post("/requests", &to(&json!({ "filter": "dev.man == 'Acme'" }), "unknown")).await;
    assert_eq!(unknown.status, 202);
    assert_eq!(spread(&service, "unknown").await["fan_out"]["undecided"], 3, "they have not told");
    service.stop().await;
}

#[tokio::test]
async fn a_large_request_can_be_cancelled_whatever_has_become_of_it() {
    let service = Service::with("[limits]\nrequest_timeout = \"2m\"\n").await;
    assert_eq!(upload(&service, "fleet", &numbered(0..4000)).await.status, 201);
    assert_eq!(service.post("/requests", &to(&json!({ "list": "fleet" }), "r")).await.status, 202);
    let cancelled = service.post("/requests/it/r/cancel", &json!({})).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text);
    let over = service.until("/requests/it/r", |request| request["state"] == "completed").await;
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let (made, left) = (count(&over["fan_out"]["made"]), count(&over["fan_out"]["not_started"]));
    assert_eq!(
        (made + left, count(&over["jobs"]), count(&over["counts"]["cancelled"])),
        (4000, made, made),
        "{over:#}"
    );
    service.stop().await;
}

#[tokio::test]
async fn a_body_that_is_far_too_large_is_refused_in_one_sentence() {
    let service = Service::start().await;
    let million: Vec<String> = (0..1_000_000).map(|n| format!("IMEI:35{n:013}")).collect();
    let million = but(request("r", &[]), &json!({ "targets": { "devices": million } })).to_string();
    let short: Vec<u32> = (0..100_000).collect();
    let short = but(request("r", &[]), &json!({ "targets": { "devices": short } })).to_string();
    for (body, status, code, said) in [
        (million, 413, "too_large", "upload a target list"),
        (" ".repeat(17 << 20), 413, "too_large", "more than 1048576 bytes"),
        (short, 422, "invalid_input", "has 100000 members, at most 10000 are taken: a request names up to 10,000"),
    ] {
        let call = service.call(Method::POST, "/requests").header(CONTENT_TYPE, "application/json");
        let answer = read(call.body(body)).await;
        assert_eq!((answer.problem().0, answer.problem().1), (status, code), "{}", answer.text);
        assert!(answer.body["detail"].as_str().unwrap().contains(said), "{}", answer.text);
        assert!(answer.text.len() < 1000, "{}", answer.text.len());
    }
    let other =
        service.call(Method::POST, "/devices").header(CONTENT_TYPE, "application/json").body("x".repeat(2 << 20));
    assert_eq!(read(other).await.problem().1, "too_large");
    service.stop().await;
}
