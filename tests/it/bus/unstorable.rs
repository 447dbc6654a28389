//! Messages that the database will never take: they hold up nothing, and are not forgotten.

use lapin::BasicProperties;
use serde_json::{Value, json};

use crate::support::{
    broker::Bus,
    service::{Service, request},
    watch::until,
};

/// What the database refuses from now on, as it would refuse a value that it cannot keep.
async fn refuse(service: &Service, table: &str, when: &str) {
    let trigger = format!(
        "CREATE TRIGGER no_{table} BEFORE INSERT ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'no such value'); END"
    );
    service.raw(&trigger).await;
}

fn named(id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(id.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_never_takes_is_a_dead_letter_and_its_neighbours_are_taken() {
    let Some(bus) = Bus::find("what_the_database_never_takes_is_a_dead_letter").await else { return };
    bus.prepare().await;
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings("")).await;
    refuse(&service, "request", "NEW.request_id = 'poison'").await;
    for id in ["one", "poison", "two"] {
        bus.send("request", request(id, &["unknown"]).to_string().as_bytes(), named(id)).await;
    }
    let rejected = events.until(|event| event["type"] == "scomo.request.rejected").await;
    assert_eq!((&rejected["subject"], &rejected["data"]["problem"]["code"]), (&json!("poison"), &json!("unstorable")));
    for id in ["one", "two"] {
        if !events.seen.iter().any(|(e, _)| e["type"] == "scomo.request.completed" && e["subject"] == id) {
            events.until_complete(id).await;
        }
    }
    until("everything to be acknowledged", async || (bus.standing(&bus.queue()).await.0 == 0).then_some(())).await;
    let dead = service.get("/dead").await.body;
    assert_eq!((&dead["dead"][0]["message_id"], dead["dead"].as_array().unwrap().len()), (&json!("poison"), 1));
    let by_http = service.post("/requests", &request("poison", &["unknown"])).await;
    assert_eq!(by_http.problem().1, "unstorable");
    service.stop().await;
    assert_eq!(bus.standing(&bus.queue()).await.0, 0, "nothing was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_cannot_be_kept_whole_is_kept_without_what_it_holds() {
    let Some(bus) = Bus::find("a_dead_letter_that_cannot_be_kept_whole").await else { return };
    bus.prepare().await;
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings("")).await;
    refuse(&service, "dead_letter", "length(NEW.body) > 0").await;
    bus.send("request", b"{", named("m")).await;
    let rejected = events.next().await;
    assert_eq!(rejected["data"]["problem"]["code"], "invalid_json", "{rejected:#}");
    let dead = service.get("/dead").await.body;
    assert_eq!((&dead["dead"][0]["size"], dead["dead"].as_array().unwrap().len()), (&json!(1), 1), "{dead:#}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_cannot_be_kept_at_all_goes_to_the_dead_queue() {
    let Some(bus) = Bus::find("a_dead_letter_that_cannot_be_kept_at_all").await else { return };
    bus.prepare().await;
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings("")).await;
    refuse(&service, "dead_letter", "TRUE").await;
    bus.send("request", b"{", named("m")).await;
    let copy = bus.take(&bus.dead_queue()).await;
    assert_eq!((copy.data.as_slice(), copy.properties.message_id().as_ref().unwrap().as_str()), (&b"{"[..], "m"));
    let headers = copy.properties.headers().clone().unwrap();
    let error = headers.inner().get("x-scomo-error").unwrap().as_long_string().unwrap().to_string();
    assert_eq!(serde_json::from_str::<Value>(&error).unwrap()["code"], "invalid_json");
    bus.ask(&request("after", &["unknown"])).await;
    events.until_complete("after").await;
    until("everything to be acknowledged", async || (bus.standing(&bus.queue()).await.0 == 0).then_some(())).await;
    service.stop().await;
}
