//! A crowd at one door is not felt at the others.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{HELLO, HELLO_SHA256, plain};
use crate::support::{
    api::{download, with},
    database::{Database, skipped},
    watch::until,
    world::Plan,
};

/// How many statements wait for a lock in this database.
async fn waiting(url: &str) -> i64 {
    let mut look = PgConnection::connect(url).await.unwrap();
    let count = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database =
        (SELECT oid FROM pg_database WHERE datname = current_database())";
    sqlx::query_scalar(count).fetch_one(&mut look).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_served_while_the_api_has_no_connection_left() {
    let Some(db) = Database::postgres().await else {
        return skipped("a_device_is_served_while_the_api_has_no_connection_left");
    };
    let url = db.settings.url.clone();
    let plan = Plan::of(db).devices(&plain()).tune(|settings| {
        settings.database.admin.connections = 2;
        settings.database.acquire_timeout = Duration::from_millis(300);
        settings.database.lock_timeout = Duration::ZERO;
    });
    let world = plan.start().await;
    let ask = with(download(HELLO, "deliver", "direct"), json!({ "notify": "never" }));
    world.api.submit("r", &["dev-1"], ask).await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE package IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let base = format!("http://{}/api/v1", world.server.admin());
    let client = reqwest::Client::new();
    let crowd: Vec<_> = (0..2).map(|_| tokio::spawn(client.get(format!("{base}/packages")).send())).collect();
    until("the crowd to hold the API's connections", async || (waiting(&url).await >= 2).then_some(())).await;
    assert_eq!(client.get(format!("{base}/devices")).send().await.unwrap().status(), 503);

    world.fleet.device("dev-1").unwrap().start_session();
    until("the package to be there", async || world.held("dev-1", "org.example.hello@1.1.0")).await;
    world.fleet.idle().await;
    assert_eq!(world.held("dev-1", "org.example.hello@1.1.0").as_deref(), Some(HELLO_SHA256));
    assert_eq!(waiting(&url).await, 2, "the crowd has waited all the time");

    other.execute("ROLLBACK").await.unwrap();
    for one in crowd {
        assert_eq!(one.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(world.api.ended("r").await.outcome().0, "succeeded");
    world.end().await;
}
