//! Requests from a broker.

use lapin::BasicProperties;
use serde_json::{Value, json};

use crate::support::{
    broker::Bus,
    service::{Service, but, request},
    watch::until,
};

/// Names nobody; a request like this is complete at once.
fn simple(id: &str) -> Value {
    request(id, &["unknown"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_taken_as_batches_and_acknowledged() {
    let Some(bus) = Bus::find("what_waits_is_taken_as_batches_and_acknowledged").await else { return };
    bus.prepare().await;
    for n in 0..200 {
        bus.ask(&simple(&format!("r{n}"))).await;
    }
    let mut events = bus.listen("request.*").await;
    let service = Service::with(&bus.settings("prefetch = 50")).await;
    for _ in 0..400 {
        events.next().await; // accepted and completed, each once
    }
    until("the queue to be empty", async || (bus.standing(&bus.queue()).await.0 == 0).then_some(())).await;
    let metrics = reqwest::get(format!("http://{}/metrics", service.app.ops)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("scomo_requests_total{verdict=\"accepted\"} 200"), "{metrics}");
    service.stop().await;
    assert_eq!(bus.standing(&bus.queue()).await, (0, 0), "nothing was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_event_and_a_bare_request_are_the_same() {
    let Some(bus) = Bus::find("a_cloud_event_and_a_bare_request_are_the_same").await else { return };
    bus.prepare().await;
    let mut events = bus.listen("request.*").await;
    let service = Service::with(&bus.settings("source = \"mq\"")).await;
    let asked = but(simple("r"), &json!({ "source": null }));
    bus.ask(&asked).await;
    let wrapped =
        json!({ "specversion": "1.0", "id": "1", "source": "/oss", "type": "org.example.ask", "data": asked });
    let kind = BasicProperties::default().with_content_type("application/cloudevents+json".into());
    bus.send("request", wrapped.to_string().as_bytes(), kind).await;
    bus.ask(&simple("last")).await;
    events.until_complete("last").await;
    let of_r: Vec<_> = events.seen.iter().filter(|(event, _)| event["subject"] == "r").collect();
    let told: Vec<_> = of_r.iter().map(|(event, _)| event["type"].as_str().unwrap()).collect();
    assert_eq!(told[0], "scomo.request.accepted");
    assert_eq!(told.iter().filter(|kind| **kind == "scomo.request.accepted").count(), 1, "{told:?}");
    assert_eq!(of_r[0].0["data"]["source"], "mq", "the setting names who did not say");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_cancels_a_request() {
    let Some(bus) = Bus::find("a_control_cancels_a_request").await else { return };
    bus.prepare().await;
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings("")).await;
    bus.ask(&but(simple("r"), &json!({ "if_unknown_device": "wait" }))).await;
    let control = json!({ "control": "cancel", "request_id": "r", "source": "it", "control_id": "c-1" });
    bus.send("control", control.to_string().as_bytes(), BasicProperties::default()).await;
    let ended = events.until_complete("r").await;
    assert_eq!(ended["data"]["outcomes"]["cancelled"], 1, "{ended:#}");
    let jobs = service.get("/jobs?request=r&source=it").await.body;
    let job = service.get(&format!("/jobs/{}", jobs["jobs"][0]["job_id"].as_str().unwrap())).await.body;
    assert!(job["history"].to_string().contains("control c-1 asked to cancel it"), "{job:#}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controls_pause_a_request_and_let_it_go_on_however_often_they_come() {
    let Some(bus) = Bus::find("controls_pause_a_request_and_let_it_go_on_however_often_they_come").await else {
        return;
    };
    bus.prepare().await;
    let mut events = bus.listen("request.*").await;
    let service = Service::with(&bus.settings("")).await;
    bus.ask(&but(simple("r"), &json!({ "if_unknown_device": "wait" }))).await;
    let send = async |control: &str, id: &str| {
        let control = json!({ "control": control, "request_id": "r", "source": "it", "control_id": id });
        bus.send("control", control.to_string().as_bytes(), BasicProperties::default()).await;
    };
    send("pause", "c-1").await;
    send("pause", "c-1").await;
    let paused = events.until(|event| event["type"] == "scomo.request.paused").await;
    assert_eq!((&paused["data"]["by"], &paused["subject"]), (&json!("control c-1"), &json!("r")), "{paused:#}");
    let shown = service.until("/requests/it/r", |request| request.get("paused").is_some()).await;
    assert_eq!(shown["paused"]["by"], "control c-1");
    send("resume", "c-2").await;
    send("resume", "c-2").await;
    let resumed = events.until(|event| event["type"] == "scomo.request.resumed").await;
    assert_eq!(resumed["data"]["by"], "control c-2", "{resumed:#}");
    send("cancel", "c-3").await;
    let ended = events.until_complete("r").await;
    assert_eq!(ended["data"]["outcomes"]["cancelled"], 1, "{ended:#}");
    let told = |kind: &str| events.seen.iter().filter(|(event, _)| event["type"] == kind).count();
    assert_eq!((told("scomo.request.paused"), told("scomo.request.resumed")), (1, 1));
    service.stop().await;
}
