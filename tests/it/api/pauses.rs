//! Pauses: ordered, listed, lifted, and refused by name.

use serde_json::{Value, json};

use crate::support::service::{Service, request};

#[tokio::test]
async fn a_pause_stands_until_it_is_lifted_and_is_told_with_who_and_why() {
    let service = Service::with("[[device_class]]\nname = \"acme\"\n").await;
    let mut asked = request("r/1", &["unknown"]);
    asked["if_unknown_device"] = json!("wait");
    service.post("/requests", &asked).await;
    assert_eq!(service.get("/pauses").await.body, json!({ "pauses": [] }));
    let wishes = [
        (json!({ "scope": "all" }), "scope=all"),
        (
            json!({ "scope": "package", "value": "org.example.player@2.1" }),
            "scope=package&value=org.example.player@2.1",
        ),
        (json!({ "scope": "class", "value": "acme" }), "scope=class&value=acme"),
        (json!({ "scope": "request", "value": "r/1", "source": "it" }), "scope=request&value=r%2F1&source=it"),
    ];
    for (wish, _) in &wishes {
        let made = service.post("/pauses", wish).await;
        assert_eq!(made.status, 201, "{}", made.text);
        for member in ["scope", "value", "source"] {
            assert_eq!(made.body.get(member), wish.get(member), "{}", made.text);
        }
        let mut again = wish.clone();
        again["reason"] = json!("another");
        let again = service.post("/pauses", &again).await;
        assert_eq!((again.status, &again.body), (200, &made.body), "it stays as it was");
    }
    let page = service.get("/pauses?limit=3").await.body;
    assert_eq!(page["pauses"].as_array().unwrap().len(), 3);
    let rest = service.get(&format!("/pauses?limit=3&after={}", page["next"].as_str().unwrap())).await.body;
    assert_eq!((&rest["pauses"][0]["scope"], &rest["pauses"][0]["by"]), (&json!("all"), &json!("local")));
    for (_, query) in &wishes {
        assert_eq!(service.delete(&format!("/pauses?{query}")).await.status, 200, "{query}");
        assert_eq!(service.delete(&format!("/pauses?{query}")).await.problem().0, 404, "{query}");
    }
    service.stop().await;
}

#[tokio::test]
async fn what_cannot_be_paused_is_refused_with_its_place() {
    let service = Service::start().await;
    let refused: [(Value, &[&str]); 8] = [
        (json!({}), &["/scope missing_field"]),
        (json!({ "scope": "world" }), &["/scope unknown_value"]),
        (json!({ "scope": "all", "value": "x" }), &["/value misplaced_field"]),
        (json!({ "scope": "package" }), &["/value missing_field"]),
        (json!({ "scope": "package", "value": "a b@" }), &["/value invalid_name"]),
        (json!({ "scope": "class", "value": "acme" }), &["/value unknown_value"]),
        (json!({ "scope": "request", "value": "r" }), &["/source missing_field"]),
        (json!({ "scope": "all", "reason": " ", "until": 1 }), &["/reason invalid_text"]),
    ];
    for (body, faults) in refused {
        let answer = service.post("/pauses", &body).await;
        let (status, code, found) = answer.problem();
        assert_eq!(
            (status, code, found),
            (422, "invalid_input", faults.iter().map(ToString::to_string).collect()),
            "{body}"
        );
    }
    let unknown = json!({ "scope": "request", "value": "r", "source": "it" });
    assert_eq!(service.post("/pauses", &unknown).await.problem().0, 404);
    assert_eq!(service.delete("/pauses?scope=world").await.problem().0, 422);
    assert_eq!(service.delete("/pauses?scope=all&colour=red").await.problem().0, 422);
    assert_eq!(service.get("/pauses").await.body, json!({ "pauses": [] }));
    service.stop().await;
}

#[tokio::test]
async fn a_request_is_paused_and_resumed_by_its_sender_as_often_as_it_likes() {
    let service = Service::start().await;
    let mut asked = request("r", &["unknown"]);
    asked["if_unknown_device"] = json!("wait");
    service.post("/requests", &asked).await;
    for _ in 0..2 {
        let paused = service.post("/requests/it/r/pause", &json!({})).await;
        assert_eq!((paused.status, &paused.body["paused"]["by"]), (200, &json!("local")), "{}", paused.text);
    }
    assert_eq!(service.get("/pauses").await.body["pauses"].as_array().unwrap().len(), 1);
    for _ in 0..2 {
        let resumed = service.post("/requests/it/r/resume", &json!({})).await;
        assert_eq!((resumed.status, resumed.body.get("paused")), (200, None), "{}", resumed.text);
    }
    let of = |page: &Value, kind: &str| page["events"].as_array().unwrap().iter().any(|event| event["type"] == kind);
    let events = service.until("/events?after=0", |page| of(page, "scomo.request.resumed")).await;
    let count = |kind: &str| events["events"].as_array().unwrap().iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("scomo.request.paused"), count("scomo.request.resumed")), (1, 1), "{events:#}");
    service.post("/requests/it/r/cancel", &json!({})).await;
    service.until("/requests/it/r", |request| request["state"] == "completed").await;
    let late = service.post("/requests/it/r/pause", &json!({})).await;
    assert_eq!((late.status, late.body.get("paused")), (200, None), "there is nothing to hold back");
    assert_eq!(service.post("/requests/it/nobody/pause", &json!({})).await.problem().0, 404);
    service.stop().await;
}
