//! The demo on the parts of production.

use tokio::task::spawn_blocking;

use super::{Ran, program};
use crate::support::{
    broker,
    database::{Database, skipped},
};

/// Plays everything on this database and this broker, and gives the number of rows.
async fn plays(database: &str, broker: &str) -> usize {
    let mut command = program(&["demo", "--json"]);
    command.env("SCOMO__DATABASE__URL", database).env("SCOMO__BUS__URL", broker);
    let played = spawn_blocking(move || Ran::of(command.output().unwrap())).await.unwrap();
    assert_eq!((played.code, played.err.as_str()), (0, ""), "{played:?}");
    let told = played.json();
    let flows = told["flows"].as_array().unwrap();
    assert!(flows.iter().all(|flow| flow["ok"] == true), "{told:#}");
    flows.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_plays_the_same_on_postgresql_and_rabbitmq_and_again_on_the_same() {
    const TEST: &str = "the_demo_plays_the_same_on_postgresql_and_rabbitmq_and_again_on_the_same";
    let Some(broker) = broker::url(TEST) else { return };
    let Some(database) = Database::postgres().await else { return skipped(TEST) };
    let embedded = spawn_blocking(|| super::run(&["demo", "--json"]).json()).await.unwrap();
    let rows = embedded["flows"].as_array().unwrap().len();
    for _ in 0..2 {
        assert_eq!(plays(&database.settings.url, &broker).await, rows);
    }
    let count = async |table: &str| database.rows::<(i64,)>(&format!("SELECT COUNT(*) FROM {table}")).await[0].0;
    assert!(count("job").await >= 2 * i64::try_from(rows).unwrap(), "all of it was kept there");
    assert_eq!(count("event").await, 0, "nothing was told by the embedded bus");
}
