//! Device records: secrets go in and never come out; every fault has its pointer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::service::{Service, but, device, read, request};

const SECRETS: [&str; 4] = ["pw-of-the-device", "pw-of-the-server", "bm9uY2Utb2YtY2xpZW50", "bm9uY2Utb2Ytc2VydmVy"];

fn full() -> Value {
    but(
        device("IMEI:490154203237518"),
        &json!({ "scheme": "basic", "nonce": SECRETS[2], "server_nonce": SECRETS[3], "class": "acme", "tags": ["lab", "eu"],
            "addresses": { "webhook": "http://127.0.0.1:9/wake" } }),
    )
}

async fn service() -> Service {
    Service::with("[[device_class]]\nname = \"acme\"\n").await
}

fn hides_secrets(text: &str) {
    for secret in SECRETS.iter().chain(&["nonce-of-client", "nonce-of-server", "\"secret\"", "nonce\""]) {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn a_record_is_made_shown_changed_and_forgotten_and_tells_no_secret() {
    let service = service().await;
    let made = service.post("/devices", &full()).await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"), "{}", made.text);
    for (member, expected) in [
        ("id", json!("IMEI:490154203237518")),
        ("tenant", json!("default")),
        ("user", json!("user-IMEI-490154203237518")),
        ("scheme", json!("basic")),
        ("addresses", json!({ "webhook": "http://127.0.0.1:9/wake" })),
        ("class", json!("acme")),
        ("tags", json!(["eu", "lab"])),
    ] {
        assert_eq!(made.body[member], expected, "{member}");
    }
    let shown = service.get("/devices/IMEI:490154203237518").await;
    assert_eq!((shown.status, &shown.body), (200, &made.body));
    assert_eq!(service.get("/devices/490154203237518").await.body, made.body, "in any spelling");

    let patch = json!({ "user": "other", "secret": "pw-of-the-device", "server_secret": "pw-of-the-server", "nonce": SECRETS[2],
        "server_nonce": SECRETS[3], "scheme": "md5", "class": null, "tags": [], "addresses": { "webhook": null } });
    let changed = service.patch("/devices/IMEI:490154203237518", &patch).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!((&changed.body["user"], &changed.body["scheme"]), (&json!("other"), &json!("md5")));
    assert!(changed.body["class"].is_null() && changed.body["addresses"] == json!({}), "{}", changed.text);
    let list = service.get("/devices").await;
    assert_eq!(list.body["devices"][0], changed.body);
    for answer in [&made, &shown, &changed, &list] {
        hides_secrets(&answer.text);
    }

    let gone = service.delete("/devices/IMEI:490154203237518").await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(service.delete("/devices/IMEI:490154203237518").await.problem().0, 404);
    assert_eq!(service.get("/devices/IMEI:490154203237518").await.problem().0, 404);
    assert_eq!(service.post("/devices", &full()).await.status, 201, "and may come again");
    service.stop().await;
}

#[tokio::test]
async fn a_device_is_registered_once_in_whatever_spelling() {
    let service = service().await;
    assert_eq!(service.post("/devices", &device("IMEI:490154203237518")).await.status, 201);
    for id in ["IMEI:490154203237518", "imei:490154203237518", "490154203237518", " IMEI:490154203237518 "] {
        assert_eq!(service.post("/devices", &device(id)).await.problem(), (409, "already_exists", vec![]), "{id}");
    }
    service.stop().await;
}

#[tokio::test]
async fn every_fault_of_a_record_has_its_pointer_and_repeats_no_secret() {
    let service = service().await;
    let bad = |members: &Value| but(full(), members);
    for (body, expected) in [
        (bad(&json!({ "id": null })), vec!["/id missing_field"]),
        (bad(&json!({ "id": "" })), vec!["/id invalid_name"]),
        (bad(&json!({ "user": null, "secret": null })), vec!["/secret missing_field", "/user missing_field"]),
        (bad(&json!({ "user": "a:b" })), vec!["/user invalid_name"]),
        (bad(&json!({ "secret": "" })), vec!["/secret invalid_name"]),
        (bad(&json!({ "secret": ["pw-of-the-device"] })), vec!["/secret wrong_type"]),
        (bad(&json!({ "scheme": "mac" })), vec!["/scheme not_supported_yet"]),
        (bad(&json!({ "scheme": "tls" })), vec!["/scheme not_supported_yet"]),
        (bad(&json!({ "scheme": "dm2" })), vec!["/scheme not_supported_yet"]),
        (bad(&json!({ "scheme": "none" })), vec!["/scheme unknown_value"]),
        (bad(&json!({ "nonce": "pw-of-the-device" })), vec!["/nonce invalid_base64"]),
        (bad(&json!({ "server_nonce": "" })), vec!["/server_nonce out_of_range"]),
        (bad(&json!({ "addresses": { "webhook": "ftp://x" } })), vec!["/addresses/webhook invalid_url"]),
        (bad(&json!({ "addresses": { "webhook": "nowhere" } })), vec!["/addresses/webhook invalid_url"]),
        (
            bad(&json!({ "addresses": { "msisdn": "+1", "sip": "s" } })),
            vec!["/addresses/msisdn not_supported_yet", "/addresses/sip not_supported_yet"],
        ),
        (bad(&json!({ "addresses": { "fax": "1" } })), vec!["/addresses/fax unknown_field"]),
        (bad(&json!({ "addresses": [] })), vec!["/addresses wrong_type"]),
        (bad(&json!({ "tenant": "other" })), vec!["/tenant misplaced_field"]),
        (bad(&json!({ "tags": ["a", "a"] })), vec!["/tags/1 duplicate"]),
        (bad(&json!({ "tags": "a" })), vec!["/tags wrong_type"]),
        (bad(&json!({ "colour": 1, "id": 7 })), vec!["/colour unknown_field", "/id wrong_type"]),
        (json!(null), vec![" wrong_type"]),
    ] {
        let answer = service.post("/devices", &body).await;
        let (status, code, mut faults) = answer.problem();
        faults.sort();
        assert_eq!(
            (status, code, faults),
            (422, "invalid_input", expected.iter().map(ToString::to_string).collect()),
            "{body}"
        );
        assert!(!answer.text.contains("pw-of-the-device"), "{}", answer.text);
    }
    assert_eq!(service.get("/devices").await.body, json!({ "devices": [] }));
    service.stop().await;
}

#[tokio::test]
async fn a_change_that_cannot_be_taken_changes_nothing() {
    let service = service().await;
    let made = service.post("/devices", &full()).await.body;
    for (patch, expected) in [
        (json!({ "id": "other" }), "/id misplaced_field"),
        (json!({ "tenant": "other" }), "/tenant misplaced_field"),
        (json!({ "user": null }), "/user wrong_type"),
        (json!({ "user": "fine", "scheme": "mac" }), "/scheme not_supported_yet"),
        (json!({ "colour": 1, "user": "fine" }), "/colour unknown_field"),
    ] {
        let answer = service.patch("/devices/IMEI:490154203237518", &patch).await;
        assert_eq!(answer.problem(), (422, "invalid_input", vec![expected.to_owned()]), "{patch}");
    }
    assert_eq!(service.patch("/devices/other", &json!({ "user": "u" })).await.problem().0, 404);
    assert_eq!(service.get("/devices/IMEI:490154203237518").await.body, made);
    service.stop().await;
}

/// Else a typo in a class would only show as odd behaviour of the device, weeks later.
#[tokio::test]
async fn a_class_that_the_settings_do_not_have_is_refused() {
    let service = service().await;
    let unknown = but(full(), &json!({ "class": "amce" }));
    assert_eq!(
        service.post("/devices", &unknown).await.problem(),
        (422, "invalid_input", vec!["/class unknown_value".to_owned()])
    );
    service.stop().await;
}

#[tokio::test]
async fn pages_show_every_device_once() {
    let service = service().await;
    for number in 0..7 {
        assert_eq!(service.post("/devices", &device(&format!("IMEI:35{number:013}"))).await.status, 201);
    }
    let (mut seen, mut path) = (Vec::new(), "/devices?limit=3".to_owned());
    loop {
        let page = service.get(&path).await.body;
        seen.extend(page["devices"].as_array().unwrap().iter().map(|device| device["id"].to_string()));
        match page["next"].as_str() {
            Some(next) => path = format!("/devices?limit=3&after={next}"),
            None => break,
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((all, seen.len()), (7, 7));
    assert_eq!(service.get("/devices?limit=0").await.problem().2, ["/limit out_of_range"]);
    service.stop().await;
}

#[tokio::test]
async fn a_device_with_odd_characters_in_its_name_is_reached_by_path() {
    let service = service().await;
    for id in ["urn:uuid:5C0E0000-0000-4000-8000-000000000001", "MAC/02:00 ?#%", "größe 😀", "a//b"] {
        let made = service.post("/devices", &device(id)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let url = service.url(&["devices", id]);
        let shown = read(service.http().get(url.clone())).await;
        assert_eq!((shown.status, &shown.body["id"]), (200, &json!(id)));
        let changed = read(service.http().patch(url.clone()).json(&json!({ "tags": ["odd"] }))).await;
        assert_eq!((changed.status, &changed.body["tags"]), (200, &json!(["odd"])));
        assert_eq!(read(service.http().request(Method::DELETE, url)).await.status, 204);
    }
    service.stop().await;
}

#[tokio::test]
async fn what_was_under_way_on_a_forgotten_device_ends_as_cancelled() {
    let service = service().await;
    service.post("/devices", &full()).await;
    service.post("/requests", &but(request("r", &["IMEI:490154203237518"]), &json!({ "notify": "never" }))).await;
    assert_eq!(service.delete("/devices/IMEI:490154203237518").await.status, 204);
    let over = service.until("/requests/it/r", |request| request["state"] == "completed").await;
    assert_eq!(over["counts"], json!({ "cancelled": 1 }));
    let job = service.get("/jobs").await.body["jobs"][0]["job_id"].as_str().unwrap().to_owned();
    let job = service.get(&format!("/jobs/{job}")).await;
    assert!(job.body["history"].to_string().contains("local removed its device"), "{}", job.text);
    service.stop().await;
}
