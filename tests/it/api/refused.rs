//! Bad requests: each is refused with its status, code and every pointer, and nothing is stored.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::service::{Service, but, read, request};

fn bad(members: &Value) -> Value {
    but(request("bad", &["IMEI:490154203237518"]), members)
}

/// What is wrong, and what must be said about it.
fn table() -> Vec<(Value, Vec<&'static str>)> {
    vec![
        (bad(&json!({ "colour": "red" })), vec!["/colour unknown_field"]),
        (bad(&json!({ "a/b~c": 1 })), vec!["/a~1b~0c unknown_field"]),
        (bad(&json!({ "package": { "id": "p", "verison": "1" } })), vec!["/package/verison unknown_field"]),
        (bad(&json!({ "action": "fly" })), vec!["/action unknown_value"]),
        (bad(&json!({ "action": 3 })), vec!["/action wrong_type"]),
        (bad(&json!({ "action": null })), vec!["/action missing_field"]),
        (bad(&json!({ "kind": "fly" })), vec!["/kind unknown_value"]),
        (bad(&json!({ "schema": "scomo.request/2" })), vec!["/schema unknown_value"]),
        (bad(&json!({ "request_id": "" })), vec!["/request_id invalid_name"]),
        (bad(&json!({ "request_id": "x".repeat(201) })), vec!["/request_id invalid_name"]),
        (bad(&json!({ "request_id": 7 })), vec!["/request_id wrong_type"]),
        (bad(&json!({ "source": "a\nb" })), vec!["/source invalid_name"]),
        (bad(&json!({ "priority": 10 })), vec!["/priority out_of_range"]),
        (bad(&json!({ "priority": 1.5 })), vec!["/priority out_of_range"]),
        (bad(&json!({ "priority": "high" })), vec!["/priority wrong_type"]),
        (bad(&json!({ "targets": {} })), vec!["/targets/devices missing_field"]),
        (bad(&json!({ "targets": null })), vec!["/targets missing_field"]),
        (bad(&json!({ "targets": { "devices": [] } })), vec!["/targets/devices empty"]),
        (bad(&json!({ "targets": { "devices": "IMEI:1" } })), vec!["/targets/devices wrong_type"]),
        (
            bad(&json!({ "targets": { "devices": ["a", 1, ""] } })),
            vec!["/targets/devices/1 wrong_type", "/targets/devices/2 invalid_name"],
        ),
        (
            bad(&json!({ "targets": { "devices": ["imei:490154203237518", "b", "490154203237518"] } })),
            vec!["/targets/devices/2 duplicate"],
        ),
        (bad(&json!({ "targets": { "devices": (0..10_001).collect::<Vec<_>>() } })), vec!["/targets/devices too_many"]),
        (bad(&json!({ "package": { "id": "a/b" } })), vec!["/package/id invalid_name"]),
        (bad(&json!({ "package": { "id": "p", "version": ">=" } })), vec!["/package/version invalid_version_rule"]),
        (bad(&json!({ "package": {} })), vec!["/package/id missing_field"]),
        (bad(&json!({ "package": "p" })), vec!["/package wrong_type"]),
    ]
}

fn more_of_it() -> Vec<(Value, Vec<&'static str>)> {
    let operation = |members: &Value| {
        let operation = json!({ "kind": "operation", "operation": "remove", "action": null });
        but(but(request("bad", &["a"]), &operation), members)
    };
    vec![
        (bad(&json!({ "delivery": "pigeon" })), vec!["/delivery unknown_value"]),
        (bad(&json!({ "allow_downgrade": "yes" })), vec!["/allow_downgrade wrong_type"]),
        (bad(&json!({ "notify": "loudly" })), vec!["/notify unknown_value"]),
        (bad(&json!({ "if_unknown_device": "guess" })), vec!["/if_unknown_device unknown_value"]),
        (bad(&json!({ "retry": { "limit": 101 } })), vec!["/retry/limit out_of_range"]),
        (bad(&json!({ "source": "device" })), vec!["/source unknown_value"]),
        (bad(&json!({ "retry": { "backoff": "soon" } })), vec!["/retry/backoff invalid_duration"]),
        (bad(&json!({ "retry": { "backoff": "48h" } })), vec!["/retry/backoff out_of_range"]),
        (bad(&json!({ "retry": { "jitter": true } })), vec!["/retry/jitter unknown_field"]),
        (bad(&json!({ "schedule": { "deadline": "2001-01-01T00:00:00Z" } })), vec!["/schedule/deadline past_deadline"]),
        (bad(&json!({ "schedule": { "deadline": "tomorrow" } })), vec!["/schedule/deadline invalid_time"]),
        (bad(&json!({ "schedule": { "deadline": 1 } })), vec!["/schedule/deadline wrong_type"]),
        (bad(&json!({ "operation": "remove" })), vec!["/operation misplaced_field"]),
        (bad(&json!({ "component": { "id": "c" } })), vec!["/component misplaced_field"]),
        (operation(&json!({ "component": { "id": "c" } })), vec!["/package misplaced_field"]),
        (operation(&json!({ "package": null })), vec!["/package missing_field"]),
        (operation(&json!({ "operation": "activate" })), vec!["/component missing_field", "/package misplaced_field"]),
        (operation(&json!({ "operation": "fly" })), vec!["/operation unknown_value"]),
        (operation(&json!({ "delivery": "auto" })), vec!["/delivery misplaced_field"]),
        (bad(&json!({ "kind": "inventory" })), vec!["/action misplaced_field", "/package misplaced_field"]),
        (bad(&json!({ "collect": ["tree"] })), vec!["/collect/0 unknown_value"]),
        (bad(&json!({ "collect_max_age": "3651d" })), vec!["/collect_max_age out_of_range"]),
        (
            bad(&json!({ "kind": "command" })),
            vec!["/action misplaced_field", "/commands missing_field", "/package misplaced_field"],
        ),
        (bad(&json!({ "commands": [] })), vec!["/commands misplaced_field"]),
        (json!([]), vec![" wrong_type"]),
        (json!("request"), vec![" wrong_type"]),
    ]
}

/// What the contract has and a later version brings; and all at once.
fn later() -> Vec<(Value, Vec<&'static str>)> {
    vec![
        (bad(&json!({ "kind": "bootstrap" })), vec!["/kind not_supported_yet"]),
        (
            bad(&json!({ "schedule": { "not_before": "2099-01-01T00:00:00Z" } })),
            vec!["/schedule/not_before never_opens"],
        ),
        (
            bad(&json!({ "schedule": { "window": { "cron": "0 2 * * *" } } })),
            vec!["/schedule/window/minutes missing_field", "/schedule/window/time_zone missing_field"],
        ),
        (bad(&json!({ "targets": { "devices": ["a"], "list": "l" } })), vec!["/targets/list misplaced_field"]),
        (bad(&json!({ "targets": { "devices": ["a"], "filter": "true" } })), vec!["/targets/filter misplaced_field"]),
        (
            bad(&json!({ "priority": -1, "action": "fly", "targets": { "devices": [] }, "window": 1,
                "schedule": { "deadline": "never" } })),
            vec![
                "/action unknown_value",
                "/priority out_of_range",
                "/schedule/deadline invalid_time",
                "/targets/devices empty",
                "/window unknown_field",
            ],
        ),
    ]
}

#[tokio::test]
async fn a_bad_request_is_told_every_fault_by_pointer_and_leaves_nothing() {
    let service = Service::start().await;
    for (body, expected) in table().into_iter().chain(more_of_it()).chain(later()) {
        let answer = service.post("/requests", &body).await;
        let (status, code, mut faults) = answer.problem();
        faults.sort();
        assert_eq!(
            (status, code, faults),
            (422, "invalid_input", expected.iter().map(ToString::to_string).collect()),
            "{body}"
        );
    }
    nothing_is_stored(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_request_at_all_is_refused_by_kind() {
    let service = Service::start().await;
    let post = |kind: &'static str, body: Vec<u8>| {
        read(service.call(Method::POST, "/requests").header(CONTENT_TYPE, kind).body(body))
    };
    let good = request("bad", &["a"]).to_string();
    for (kind, body, status, code) in [
        ("application/json", b"{".to_vec(), 400, "invalid_json"),
        ("application/json", Vec::new(), 400, "invalid_json"),
        ("application/json", b"{} {}".to_vec(), 400, "invalid_json"),
        ("application/json", b"{\"request_id\": \"\xff\"}".to_vec(), 400, "invalid_json"),
        ("application/json", "[".repeat(100_000).into_bytes(), 400, "invalid_json"),
        ("text/plain", good.clone().into_bytes(), 415, "unsupported_media_type"),
        ("", good.clone().into_bytes(), 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", b"a=b".to_vec(), 415, "unsupported_media_type"),
        ("application/json", format!("{good}{}", " ".repeat(1 << 20)).into_bytes(), 413, "too_large"),
    ] {
        let answer = post(kind, body).await;
        let (is, says, faults) = answer.problem();
        assert_eq!((is, says, faults.len()), (status, code, 0), "{kind} {}", answer.text);
    }
    let charset = post("application/json; charset=utf-8", b"{".to_vec()).await;
    assert_eq!(charset.problem().1, "invalid_json", "a parameter of the type changes nothing");
    assert!(charset.body["detail"].as_str().unwrap().contains("line 1 column"), "{}", charset.text);
    nothing_is_stored(&service).await;
    service.stop().await;
}

async fn nothing_is_stored(service: &Service) {
    assert_eq!(service.get("/requests/it/bad").await.problem().0, 404);
    assert_eq!(service.get("/jobs").await.body, json!({ "jobs": [] }));
    assert_eq!(service.get("/events?after=0").await.body, json!({ "events": [], "next": "0" }));
}
