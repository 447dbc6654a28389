//! Requests: taken once, answered the same again, found by their sender's names, cancelled.

use std::time::Duration;

use scomo::{infra::system::SystemClock, model::clock::Clock as _};
use serde_json::{Value, json};

use crate::support::service::{Service, but, device, read, request};

#[tokio::test]
async fn a_request_is_accepted_once_and_answered_the_same_again() {
    let service = Service::start().await;
    service.post("/devices", &device("IMEI:490154203237518")).await;
    let asked = request("r-1", &["IMEI:490154203237518", "unknown"]);
    let first = service.post("/requests", &asked).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert_eq!(
        (&first.body["request_id"], &first.body["source"], &first.body["jobs"]),
        (&json!("r-1"), &json!("it"), &json!(2))
    );

    // The same content in another dress: members and devices in another order, defaults written out, spellings of a device.
    let same = [
        asked.clone(),
        but(asked.clone(), &json!({ "targets": { "devices": ["unknown", "490154203237518"] } })),
        but(
            asked.clone(),
            &json!({ "priority": 5, "delivery": "auto", "notify": "auto", "allow_downgrade": false,
            "if_unknown_device": "fail", "schema": null, "schedule": {}, "retry": {} }),
        ),
    ];
    for again in &same {
        let again = service.post("/requests", again).await;
        assert_eq!(again.status, 200, "{}", again.text);
        assert_eq!((&again.body["request_id"], &again.body["jobs"]), (&json!("r-1"), &json!(2)));
    }
    assert_eq!(service.get("/jobs").await.body["jobs"].as_array().unwrap().len(), 2, "one effect");
    let told = service.until("/events?after=0", |told| told["events"].as_array().is_some_and(|e| e.len() >= 2)).await;
    let accepted = told["events"].as_array().unwrap().iter().filter(|event| event["type"] == "scomo.request.accepted");
    assert_eq!(accepted.count(), 1);
    service.stop().await;
}

#[tokio::test]
async fn other_content_under_the_same_identity_is_a_conflict_that_tells_nothing_of_the_first() {
    let service = Service::start().await;
    let asked = request("r-1", &["first-device"]);
    assert_eq!(service.post("/requests", &asked).await.status, 202);
    for other in [
        but(asked.clone(), &json!({ "priority": 6 })),
        but(asked.clone(), &json!({ "package": { "id": "org.example.hello", "version": ">=1" } })),
        but(asked.clone(), &json!({ "targets": { "devices": ["first-device", "another"] } })),
        but(asked.clone(), &json!({ "schedule": { "deadline": "2099-01-01T00:00:00Z" } })),
    ] {
        let answer = service.post("/requests", &other).await;
        assert_eq!(answer.problem(), (409, "request_conflict", vec![]));
        assert!(!answer.text.contains("first-device"), "{}", answer.text);
    }
    // Another source may use the same id.
    let elsewhere =
        service.post("/requests", &but(asked.clone(), &json!({ "source": "elsewhere", "priority": 6 }))).await;
    assert_eq!(elsewhere.status, 202);
    assert_eq!(service.get("/jobs").await.body["jobs"].as_array().unwrap().len(), 2);
    service.stop().await;
}

#[tokio::test]
async fn an_expired_request_is_still_answered_as_it_was_the_first_time() {
    let service = Service::start().await;
    let soon = SystemClock.now().after(Duration::from_millis(700));
    let asked =
        but(request("brief", &["d"]), &json!({ "if_unknown_device": "wait", "schedule": { "deadline": soon } }));
    assert_eq!(service.post("/requests", &asked).await.status, 202);
    let over = service.until("/requests/it/brief", |request| request["state"] == "completed").await;
    assert_eq!(over["counts"], json!({ "expired": 1 }));
    assert_eq!(service.post("/requests", &asked).await.status, 200);
    service.stop().await;
}

#[tokio::test]
async fn a_request_is_found_by_whatever_its_sender_calls_it() {
    let service = Service::start().await;
    let names = [
        ("oss/campaigns", "2026/11/20 #1?x=1&y=%2F"),
        ("größer: ∞", "naïve 日本語 😀"),
        ("a b", "."),
        ("..", "../jobs"),
        ("%2e", "cancel"),
        ("\"quoted\"", "back\\slash;semi,colon+plus"),
    ];
    for (source, id) in names {
        let asked = but(request(id, &["d"]), &json!({ "source": source }));
        let accepted = service.post("/requests", &asked).await;
        assert_eq!(accepted.status, 202, "{}", accepted.text);

        let query = service.ask("requests", &[("source", source), ("request_id", id)]).await;
        assert_eq!((query.status, &query.body["request_id"], &query.body["source"]), (200, &json!(id), &json!(source)));
        let jobs = service.ask("jobs", &[("source", source), ("request", id)]).await;
        assert_eq!(jobs.body["jobs"].as_array().unwrap().len(), 1, "{source} {id}");

        // A path cannot hold the segments `.` and `..`: clients take them away.
        if ![source, id].iter().any(|name| [".", "..", "%2e"].contains(name)) {
            let path = read(service.http().get(service.url(&["requests", source, id]))).await;
            assert_eq!((path.status, &path.body["request_id"]), (200, &json!(id)), "{source} {id}");
            let cancel = service.url(&["requests", source, id, "cancel"]);
            assert_eq!(read(service.http().post(cancel)).await.status, 200);
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn a_request_is_shown_with_what_was_asked_and_where_its_jobs_stand() {
    let service = Service::start().await;
    service.post("/devices", &device("known")).await;
    service.post("/requests", &request("r", &["known", "unknown"])).await;
    let shown = service.get("/requests/it/r").await.body;
    assert_eq!((&shown["state"], &shown["jobs"]), (&json!("accepted"), &json!(2)));
    assert_eq!(shown["counts"], json!({ "failed": 1, "waiting": 1 }));
    assert!(shown["received_at"].is_string() && shown["completed_at"].is_null(), "{shown}");
    assert!(shown["asked"].to_string().contains("org.example.hello"), "{shown}");
    let jobs = shown["first_jobs"].as_array().unwrap();
    let failed = jobs.iter().find(|job| job["device"] == "unknown").unwrap();
    assert_eq!((&failed["state"], &failed["reason"]), (&json!("failed"), &json!("unknown_device")));
    for absent in ["/requests/it/other", "/requests/other/r", "/requests/it/", "/requests?source=it&request_id=nothing"]
    {
        assert_eq!(service.get(absent).await.problem().0, 404, "{absent}");
    }
    for incomplete in ["/requests", "/requests?source=it", "/requests?source=it&request_id=r&more=1"] {
        assert_eq!(service.get(incomplete).await.problem().1, "invalid_input", "{incomplete}");
    }
    service.stop().await;
}

#[tokio::test]
async fn cancelling_stops_what_has_not_ended_and_may_be_repeated() {
    let service = Service::start().await;
    service.post("/devices", &device("known")).await;
    let asked = but(request("r", &["known", "later"]), &json!({ "if_unknown_device": "wait" }));
    service.post("/requests", &asked).await;
    let cancelled = service.post("/requests/it/r/cancel", &json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["cancelled"]), (200, &json!(2)), "{}", cancelled.text);
    assert_eq!(cancelled.body["counts"], json!({ "cancelled": 2 }));
    let again = service.post("/requests/it/r/cancel", &json!({})).await;
    assert_eq!((again.status, &again.body["cancelled"]), (200, &json!(0)));
    let over = service.until("/requests/it/r", |request| request["state"] == "completed").await;
    assert!(over["completed_at"].is_string());
    let told = service.until("/events?after=0", |told| told["events"].as_array().is_some_and(|e| e.len() == 4)).await;
    let completed = told["events"].as_array().unwrap().iter().find(|e| e["type"] == "scomo.request.completed").unwrap();
    assert_eq!(
        (&completed["data"]["outcomes"]["cancelled"], &completed["data"]["outcomes"]["failed"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(service.post("/requests/it/nothing/cancel", &json!({})).await.problem().0, 404);
    service.stop().await;
}

#[tokio::test]
async fn the_largest_request_is_answered_at_once_and_taken_whole() {
    let service = Service::with("[limits]\nrequest_timeout = \"2m\"\n").await;
    let devices: Vec<String> = (0..10_000).map(|number| format!("IMEI:35{number:013}")).collect();
    let names: Vec<&str> = devices.iter().map(String::as_str).collect();
    let answer = service.post("/requests", &request("large", &names)).await;
    assert_eq!((answer.status, &answer.body["jobs"]), (202, &json!(10_000)), "{}", answer.text);
    assert_eq!(answer.body["fan_out"]["targets"], 10_000, "{}", answer.text);
    let over = service.until("/requests/it/large", |request| request["state"] == "completed").await;
    assert_eq!(over["counts"], json!({ "failed": 10_000 }));
    assert_eq!(over["fan_out"], json!({ "state": "done", "targets": 10_000, "made": 10_000 }));
    let Value::Array(shown) = &over["first_jobs"] else { panic!() };
    assert_eq!(shown.len(), 100);
    service.stop().await;
}

#[tokio::test]
async fn a_request_whose_jobs_were_cleared_away_answers_as_before() {
    let service = Service::start().await;
    let ask = request("r", &["nobody"]);
    let first = service.post("/requests", &ask).await;
    assert_eq!(first.status, 202, "{first:?}");
    let before = service.until("/requests/it/r", |body| body["state"] == "completed").await;
    assert_eq!(before["counts"], json!({ "failed": 1 }), "{before}");
    service.raw("DELETE FROM job; UPDATE request SET cleared_at = unixepoch() * 1000000").await;
    let after = service.get("/requests/it/r").await.body;
    for member in ["state", "jobs", "counts", "received_at", "completed_at"] {
        assert_eq!(after[member], before[member], "{member}: {after}");
    }
    let again = service.post("/requests", &ask).await;
    assert_eq!((again.status, &again.body["jobs"]), (200, &first.body["jobs"]), "{again:?}");
    let other = service.post("/requests", &request("r", &["somebody"])).await;
    assert_eq!(other.problem().1, "request_conflict");
    service.stop().await;
}
