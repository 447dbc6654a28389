//! A replica that is told to stop: what it has begun is ended, what it has not is another's at once.

use scomo::{
    server::{app::App, config::Settings},
    sim::Operation,
};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{SCRIPT, devices, three};
use crate::support::{
    api::on_component,
    broker::Bus,
    database::Database,
    phone::{Phone, basic},
    service::{client, read, request, settings},
    watch::until,
    world::World,
};

/// Holds back every write to a table, as a database that is slow would.
async fn hold(world: &World, table: &str) -> PgConnection {
    let mut connection = PgConnection::connect(&world.database.settings.url).await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    let statement = format!("LOCK TABLE {table} IN SHARE MODE");
    connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_message_under_way_is_answered_by_a_replica_that_stops() {
    let test = "a_device_message_under_way_is_answered_by_a_replica_that_stops";
    let Some(mut world) = three(test, &devices(1, "")).await else { return };
    let record = json!({ "id": "raw", "user": "u", "secret": "s", "server_secret": "s2", "scheme": "basic" });
    world.api.add_device(record).await;
    let stopping = world.others.remove(0);
    let ready = format!("http://{}/readyz", stopping.ops);
    let mut held = hold(&world, "session").await;
    let mut phone = Phone::new(stopping.device, "raw");
    let asked = tokio::spawn(async move { phone.open(&basic("u", "s")).await });
    until("the message to wait for the database", async || {
        let waits: Vec<(bool,)> = world.database.rows("SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE NOT l.granted AND c.relname = 'session')").await;
        waits[0].0.then_some(())
    })
    .await;
    let ended = tokio::spawn(stopping.stop());
    let client = client();
    until("it to say that it drains", async || {
        let answer = read(client.get(&ready)).await;
        (answer.status == 503 && answer.body["phase"] == "draining").then_some(())
    })
    .await;
    held.execute("ROLLBACK").await.unwrap();
    assert_eq!(asked.await.unwrap().status, 200);
    ended.await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopped_replica_had_is_another_s_at_once() {
    let test = "what_a_stopped_replica_had_is_another_s_at_once";
    let Some(mut world) = three(test, &devices(8, "")).await else { return };
    let all: Vec<String> = world.fleet.ids().map(str::to_owned).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    world.api.submit("r", &all, on_component("deactivate", SCRIPT)).await;
    // In the midst of it; the gate goes on handing messages to it, and devices repeat those.
    world.others.pop().unwrap().stop().await;
    let ended = world.api.ended("r").await;
    assert_eq!(ended.counts.get("succeeded"), Some(&8), "{:#?}", ended.jobs);
    world.fleet.idle().await;
    for device in all {
        assert_eq!(world.watch.executed(device), [(Operation::Deactivate, 1200)], "{device}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_replica_holds_no_shard_of_the_outbox() {
    const TEST: &str = "a_stopped_replica_holds_no_shard_of_the_outbox";
    let Some(bus) = Bus::find(TEST).await else { return };
    let Some(database) = Database::postgres().await else { return crate::support::database::skipped(TEST) };
    let mut events = bus.listen("#").await;
    let folder = tempfile::tempdir().unwrap();
    let keys = database.keys[0].expose();
    let more = format!("{}[secrets]\nkeys = [{keys:?}]\n", bus.settings(""));
    let packages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packages");
    let settings = Settings { database: database.settings.clone(), ..settings(folder.path(), &packages, &more) };
    let (one, other) = (App::start(settings.clone()).await.unwrap(), App::start(settings).await.unwrap());
    let client = client();
    let submit = async |app: &App, id: &str| {
        let url = format!("http://{}/api/v1/requests", app.admin);
        assert_eq!(read(client.post(url).json(&request(id, &["unknown"]))).await.status, 202);
    };
    for number in 0..20 {
        submit(&one, &format!("a{number}")).await;
    }
    // With events still on their way.
    one.stop().await;
    for number in 0..20 {
        submit(&other, &format!("b{number}")).await;
    }
    let mut open: std::collections::BTreeSet<String> =
        ["a", "b"].iter().flat_map(|name| (0..20).map(move |number| format!("{name}{number}"))).collect();
    while !open.is_empty() {
        let event = events.until(|event| event["type"] == "scomo.request.completed").await;
        open.remove(event["subject"].as_str().unwrap());
    }
    other.stop().await;
    let held: Vec<(i64,)> = database.rows("SELECT shard FROM relay_lease WHERE token IS NOT NULL").await;
    assert_eq!(held, []);
}
