//! The broker or the database goes, and comes back.

use std::{collections::BTreeMap, net::SocketAddr};

use lapin::types::AMQPValue;
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use url::Url;

use crate::support::{
    broker::{Bus, Events, Node, url},
    cable::Cable,
    database::{Database, skipped},
    service::{Service, request, settings},
    watch::until,
};

/// A cable to the broker of a URL, and the URL by way of it.
async fn cable(direct: &str) -> (Cable, String) {
    let mut url = Url::parse(direct).unwrap();
    let target: SocketAddr = format!("127.0.0.1:{}", url.port().unwrap()).parse().unwrap();
    let cable = Cable::to(target).await;
    url.set_port(Some(cable.address.port())).unwrap();
    (cable, url.to_string())
}

/// The same to PostgreSQL, which tests reach by a socket in the file system.
async fn cable_to_database(direct: &str) -> (Cable, String) {
    let mut url = Url::parse(direct).unwrap();
    let folder = url.query_pairs().find(|(name, _)| name == "host").map(|(_, folder)| folder.into_owned());
    let Some(folder) = folder else { return cable(direct).await };
    let cable = Cable::to_socket(std::path::Path::new(&folder).join(".s.PGSQL.5432")).await;
    url.set_query(None);
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(cable.address.port())).unwrap();
    (cable, url.to_string())
}

/// Every id of the accepted and completed events of each request; a redelivery has the same.
fn ids(events: &Events) -> BTreeMap<(String, String), Vec<String>> {
    let mut ids: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (event, _) in &events.seen {
        let text = |at: &str| event[at].as_str().unwrap().to_owned();
        let known = ids.entry((text("subject"), text("type"))).or_default();
        if !known.contains(&text("id")) {
            known.push(text("id"));
        }
    }
    ids
}

fn is_complete(event: &Value) -> bool {
    event["type"] == "scomo.request.completed"
}

/// Takes events until so many requests are complete.
async fn complete(events: &mut Events, count: usize) {
    let done = |events: &Events| {
        let complete = events.seen.iter().filter(|(event, _)| is_complete(event));
        complete.map(|(event, _)| event["subject"].to_string()).collect::<std::collections::BTreeSet<_>>().len()
    };
    while done(events) < count {
        events.next().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cable_that_is_cut_loses_nothing_and_tells_nothing_twice() {
    const TEST: &str = "a_cable_that_is_cut_loses_nothing_and_tells_nothing_twice";
    let Some(direct) = url(TEST) else { return };
    let (cable, by_cable) = cable(&direct).await;
    let bus = Bus::at(&direct).await;
    bus.prepare().await;
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings_at(&by_cable, "prefetch = 10")).await;
    for n in 0..120 {
        bus.ask(&request(&format!("r{n}"), &["unknown"])).await;
        if n % 30 == 10 {
            cable.cut();
        }
        if n % 30 == 20 {
            cable.mend();
        }
    }
    complete(&mut events, 120).await;
    for (of, ids) in ids(&events) {
        assert_eq!(ids.len(), 1, "{of:?} was told under {ids:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_gets_every_event_under_its_own_id() {
    if url("a_broker_that_restarts_gets_every_event_under_its_own_id").is_none() {
        return;
    }
    let node = Node::start();
    let mut bus = Bus::at(&node.url).await.kept();
    bus.prepare().await;
    let heard = bus.heard("#").await;
    let mut events = Events::of(bus.consume(&heard).await);
    let service = Service::with(&bus.settings("")).await;
    bus.ask(&request("before", &["unknown"])).await;
    events.until_complete("before").await;
    node.halt();
    for n in 0..20 {
        let answer = service.post("/requests", &request(&format!("r{n}"), &["unknown"])).await;
        assert_eq!(answer.status, 202, "requests by HTTP go on");
    }
    node.again();
    bus.again().await;
    events.again(&bus, &heard).await;
    bus.ask(&request("after", &["unknown"])).await;
    complete(&mut events, 22).await;
    for (of, ids) in ids(&events) {
        assert_eq!(ids.len(), 1, "{of:?} was told under {ids:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_nothing_gives_a_message_back_once() {
    let Some(bus) = Bus::find("a_database_that_takes_nothing_gives_a_message_back_once").await else { return };
    bus.prepare().await;
    let mut events = bus.listen("#").await;
    let dir = tempfile::tempdir().unwrap();
    let packages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packages");
    let more = format!("[database]\nacquire_timeout = \"200ms\"\n{}", bus.settings(""));
    let app = scomo::server::app::App::start(settings(dir.path(), &packages, &more)).await.unwrap();
    until("the consumer to come", async || (bus.standing(&bus.queue()).await.1 == 1).then_some(())).await;

    let file = format!("sqlite://{}", dir.path().join("scomo.db").display());
    let mut lock = SqliteConnection::connect(&file).await.unwrap();
    lock.execute("BEGIN IMMEDIATE").await.unwrap();
    bus.ask(&request("r", &["unknown"])).await;
    until("the consumer to go", async || (bus.standing(&bus.queue()).await == (1, 0)).then_some(())).await;
    let metrics = reqwest::get(format!("http://{}/metrics", app.ops)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("scomo_intake_paused 1\n"), "{metrics}");
    let waiting = bus.look(&bus.queue()).await.unwrap();
    let headers = waiting.properties.headers().clone().unwrap();
    let deliveries = headers.inner().get("x-delivery-count").unwrap();
    assert_eq!(deliveries.as_long_long_int(), Some(1), "{deliveries:?}");
    waiting
        .delivery
        .acker
        .nack(lapin::options::BasicNackOptions { requeue: true, ..Default::default() })
        .await
        .unwrap();

    lock.execute("ROLLBACK").await.unwrap();
    events.until_complete("r").await;
    let accepted = events.seen.iter().filter(|(event, _)| event["type"] == "scomo.request.accepted");
    assert_eq!(accepted.count(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_is_away_costs_each_message_one_delivery_and_nothing_else() {
    const TEST: &str = "a_postgresql_that_is_away_costs_each_message_one_delivery_and_nothing_else";
    let Some(bus) = Bus::find(TEST).await else { return };
    let Some(database) = Database::postgres().await else { return skipped(TEST) };
    let (cable, by_cable) = cable_to_database(&database.settings.url).await;
    bus.prepare().await;
    let mut events = bus.listen("request.*").await;
    let dir = tempfile::tempdir().unwrap();
    let packages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packages");
    let keys = format!("[secrets]\nkeys = [{:?}]\n", database.keys[0].expose());
    let mut settings = settings(dir.path(), &packages, &(keys + &bus.settings("prefetch = 10")));
    settings.database.url = by_cable;
    settings.database.acquire_timeout = std::time::Duration::from_secs(1);
    let app = scomo::server::app::App::start(settings).await.unwrap();
    bus.ask(&request("before", &["unknown"])).await;
    events.until_complete("before").await;

    cable.cut();
    for n in 0..30 {
        bus.ask(&request(&format!("r{n}"), &["unknown"])).await;
    }
    let metrics = format!("http://{}/metrics", app.ops);
    until("the consumer to pause", async || {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        let gone = bus.standing(&bus.queue()).await == (30, 0);
        (gone && text.contains("scomo_intake_paused 1\n")).then_some(())
    })
    .await;
    for _ in 0..30 {
        let waiting = bus.look(&bus.queue()).await.unwrap();
        let headers = waiting.properties.headers().clone().unwrap_or_default();
        let deliveries = headers.inner().get("x-delivery-count").and_then(AMQPValue::as_long_long_int).unwrap_or(0);
        assert!(deliveries <= 1, "given back {deliveries} times in one outage");
    }
    let mut bus = bus;
    bus.again().await; // gives back what was looked at
    let heard = format!("{}.heard", bus.name);
    events.again(&bus, &heard).await;
    cable.mend();
    complete(&mut events, 31).await;
    for (of, ids) in ids(&events) {
        assert_eq!(ids.len(), 1, "{of:?} was told under {ids:?}");
    }
    until("everything to be acknowledged", async || (bus.standing(&bus.queue()).await.0 == 0).then_some(())).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_with_an_alarm_stops_no_request_and_no_event_is_lost() {
    if url("a_broker_with_an_alarm_stops_no_request_and_no_event_is_lost").is_none() {
        return;
    }
    let node = Node::start();
    let bus = Bus::at(&node.url).await.kept();
    bus.prepare().await;
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings("")).await;
    service.post("/requests", &request("before", &["unknown"])).await;
    events.until_complete("before").await;
    node.memory("0");
    let metrics = format!("http://{}/metrics", service.app.ops);
    for n in 0..20 {
        let answer = service.post("/requests", &request(&format!("r{n}"), &["unknown"])).await;
        assert_eq!(answer.status, 202, "requests by HTTP go on");
    }
    until("the alarm to be noticed", async || {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        (text.contains("scomo_bus_blocked 1\n") && !text.contains("scomo_outbox_depth 0\n")).then_some(())
    })
    .await;
    node.memory("0.6");
    complete(&mut events, 21).await;
    for (of, ids) in ids(&events) {
        assert_eq!(ids.len(), 1, "{of:?} was told under {ids:?}");
    }
    until("the alarm to be over", async || {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        text.contains("scomo_bus_blocked 0\n").then_some(())
    })
    .await;
    service.stop().await;
}
