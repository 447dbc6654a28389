//! Events out to a broker.

use serde_json::{Value, json};

use crate::support::{
    broker::Bus,
    service::{Service, request},
    watch::until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_carries_the_properties_of_the_contract() {
    let Some(bus) = Bus::find("an_event_carries_the_properties_of_the_contract").await else { return };
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings("")).await;
    service.post("/requests", &request("r", &["unknown"])).await;
    events.until_complete("r").await;
    for (event, properties) in &events.seen {
        let text = |text: &Option<lapin::types::ShortString>| text.as_ref().unwrap().as_str().to_owned();
        assert_eq!(text(properties.message_id()), event["id"].as_str().unwrap());
        assert_eq!(text(properties.correlation_id()), "r");
        assert_eq!(text(properties.content_type()), "application/cloudevents+json");
        assert_eq!(*properties.delivery_mode(), Some(2));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_no_queue_takes_is_kept_until_one_does() {
    let Some(bus) = Bus::find("an_event_that_no_queue_takes_is_kept_until_one_does").await else { return };
    let service = Service::with(&bus.settings("")).await;
    service.post("/requests", &request("r", &["unknown"])).await;
    let metrics = format!("http://{}/metrics", service.app.ops);
    until("the broker to return it", async || {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        text.contains("scomo_events_relayed_total{outcome=\"returned\"}").then_some(())
    })
    .await;
    let mut events = bus.listen("#").await;
    events.until_complete("r").await;
    let told: Vec<_> =
        events.seen.iter().filter(|(e, _)| e["subject"] == "r").map(|(e, _)| e["type"].clone()).collect();
    assert_eq!(told, ["scomo.request.accepted", "scomo.request.completed"], "in their order");
    until("the outbox to be empty", async || {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        text.contains("scomo_outbox_depth 0\n").then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_back_holds_back_nobody_else() {
    let Some(bus) = Bus::find("what_is_held_back_holds_back_nobody_else").await else { return };
    // Only the ends of jobs have a queue: the answers to requests come back each time.
    let mut events = bus.listen("job.*").await;
    let service = Service::with(&bus.settings("")).await;
    for n in 0..5 {
        service.post("/requests", &request(&format!("r{n}"), &["unknown"])).await;
    }
    let mut ended: Vec<Value> = Vec::new();
    for _ in 0..5 {
        ended.push(events.next().await["data"]["request_id"].clone());
    }
    ended.sort_by_key(ToString::to_string);
    assert_eq!(json!(ended), json!(["r0", "r1", "r2", "r3", "r4"]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_waiting_events_stop_requests_until_they_are_told() {
    let Some(bus) = Bus::find("too_many_waiting_events_stop_requests_until_they_are_told").await else { return };
    bus.prepare().await;
    let service = Service::with(&bus.settings("outbox_high_water = 2")).await;
    service.post("/requests", &request("r", &["unknown"])).await;
    until("requests to be turned away", async || {
        let answer = service.post("/requests", &request("other", &["unknown"])).await;
        (answer.status == 503).then(|| assert!(!answer.header("retry-after").is_empty()))
    })
    .await;
    until("the consumer to go", async || (bus.standing(&bus.queue()).await.1 == 0).then_some(())).await;
    bus.ask(&request("late", &["unknown"])).await;
    assert_eq!(service.get("/requests/it/late").await.status, 404);
    let mut events = bus.listen("#").await;
    events.until_complete("late").await;
    service.stop().await;
}
