//! Several replicas on one database: every message may land on another, and one that stops leaves nothing behind that others wait
//! for.

mod drain;
mod driver;
mod leases;

use scomo::sim::Operation;
use serde_json::{Value, json};

use crate::support::{
    api::{download, on_component},
    database::Database,
    watch::until,
    world::{Plan, World},
};

const SCRIPT: &str = "org.example.hello.script";

/// What devices have and packages install.
const DEVICE: &str = r#"
network = { backoff = "10ms", tries = 8 }
[[device.scomo.component]]
id = "org.example.hello.script"
version = "1.1.0"
[device.scomo.installer."org.example.settings@2.0.0"]
components = [{ id = "org.example.settings.network", version = "2.0.0" }]
"#;

fn devices(count: u32, more: &str) -> String {
    format!("[[device]]\nid = \"dev-{{n}}\"\ncount = {count}\n{more}\n{DEVICE}")
}

/// Three replicas on PostgreSQL; `None` if there is none.
async fn three(test: &str, devices: &str) -> Option<World> {
    let Some(database) = Database::postgres().await else {
        crate::support::database::skipped(test);
        return None;
    };
    Some(Plan::of(database).devices(devices).beside(2).start().await)
}

/// Every device did it once, and was told so; every replica had its share of the messages.
async fn plays(test: &str, more: &str, ask: Value, ran: &[(Operation, u16)]) {
    let Some(world) = three(test, &devices(4, more)).await else { return };
    let ended = world.run("r", ask).await;
    assert_eq!(ended.counts.get("succeeded"), Some(&4), "{:#?}", ended.jobs);
    for device in world.fleet.ids() {
        assert_eq!(world.watch.executed(device), ran, "{device}");
    }
    let passed = world.gate.as_ref().unwrap().passed();
    assert!(passed.iter().all(|message| message.answers[0].0 == 200));
    for replica in [&world.server.device(), &world.others[0].device, &world.others[1].device] {
        let share = passed.iter().filter(|message| message.replica == *replica).count();
        assert!(share >= 2, "{replica} had {share} of {} messages", passed.len());
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_of_a_direct_delivery_may_land_on_another_replica() {
    let small = "limits = { max_msg_size = 4096 }";
    let ask = download("org.example.settings", "install", "direct");
    let test = "each_message_of_a_direct_delivery_may_land_on_another_replica";
    plays(test, small, ask, &[(Operation::Install, 1200)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_of_an_alternate_download_may_land_on_another_replica() {
    let ask = download("org.example.settings", "install", "alternate");
    let test = "each_message_of_an_alternate_download_may_land_on_another_replica";
    plays(test, "", ask, &[(Operation::DownloadInstall, 1200)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_of_an_operation_may_land_on_another_replica() {
    let ask = on_component("deactivate", SCRIPT);
    plays("each_message_of_an_operation_may_land_on_another_replica", "", ask, &[(Operation::Deactivate, 1200)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_of_a_list_of_commands_may_land_on_another_replica() {
    let ask = json!({ "kind": "command", "commands": [
        { "do": "get", "uri": "./DevDetail/FwV" },
        { "do": "add", "uri": "./Box" },
        { "do": "add", "uri": "./Box/Note", "format": "chr", "value": "first" },
        { "do": "get", "uri": "./Box/Note" },
    ] });
    plays("each_message_of_a_list_of_commands_may_land_on_another_replica", "", ask, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_requests_at_once_end_once_each() {
    let Some(world) = three("several_requests_at_once_end_once_each", &devices(6, "")).await else { return };
    let devices: Vec<&str> = world.fleet.ids().collect();
    let asks = [
        ("install", download("org.example.settings", "install", "auto")),
        ("deactivate", on_component("deactivate", SCRIPT)),
        ("inventory", json!({ "kind": "inventory" })),
    ];
    for (id, ask) in &asks {
        world.api.submit(id, &devices, ask.clone()).await;
    }
    for (id, _) in &asks {
        let ended = world.api.ended(id).await;
        assert_eq!(ended.counts.get("succeeded"), Some(&6), "{id}: {:#?}", ended.jobs);
    }
    world.fleet.idle().await;
    for device in &devices {
        let mut ran = world.watch.executed(device);
        ran.sort_unstable();
        assert_eq!(ran, [(Operation::Install, 1200), (Operation::Deactivate, 1200)], "{device}");
    }
    // What looked at the requests is cleared away after they were told.
    until("no work to be left over", async || {
        let left: Vec<(String,)> = world.database.rows("SELECT errand FROM due").await;
        left.is_empty().then_some(())
    })
    .await;
    world.end().await;
}
