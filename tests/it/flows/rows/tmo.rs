//! T-TMO: a report that never comes.

use std::time::Duration;

use scomo::sim::Operation;

use super::{D1, history, said, targets};
use crate::{
    flows::{HELLO, HELLO_SCRIPT, device},
    support::{
        api::{deadline, download, on_component, with},
        database::{Database, on_each_database},
        gate::Mode,
        world::{Plan, World},
    },
};

/// A device that says nothing of its first operation, and a server that waits for a moment only.
async fn silent(db: Database, how: &str, tables: &str) -> World {
    let tables = format!("[[device.result]]\nsilent = \"{how}\"\ntimes = 1\n{tables}");
    let plan = Plan::of(db).devices(&device(1, &tables)).gate(Mode::Pass);
    plan.tune(|settings| settings.job.patience.report = Duration::from_millis(200)).start().await
}

/// Whether the Status of a `Download` entry was asked for, and how often the inventory was read.
fn looks(world: &World) -> (bool, usize) {
    let gets = targets(&said(world), "Get");
    let status = gets.iter().any(|uri| uri.starts_with("./SCOMO/Download/") && uri.contains("/Status"));
    (status, gets.iter().filter(|uri| uri.starts_with("./SCOMO/Inventory")).count())
}

on_each_database! {
    async fn t_tmo_1_a_device_that_did_it_without_a_word_is_found_out(db: Database) {
        let world = silent(db, "done", "").await;
        let ended = world.run("r", download(HELLO, "install", "alternate")).await;
        assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
        let (status, inventories) = looks(&world);
        assert!(status && inventories > 1, "{inventories}");
        assert_eq!(world.watch.executed(D1).len(), 1, "it is not done twice");
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_tmo_1_a_device_whose_tree_shows_nothing_has_failed() {
    let world = silent(Database::sqlite(), "nothing", "").await;
    let ended = world.run("r", download(HELLO, "install", "alternate")).await;
    assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
    assert_eq!(ended.job()["result"]["class"], "silent");
    assert!(looks(&world).0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_tmo_1_a_status_of_failure_is_believed() {
    let forced = "code = 1405\nkeep_data = false";
    let world = silent(Database::sqlite(), "done", &format!("{forced}\n")).await;
    let ended = world.run("r", download(HELLO, "install", "alternate")).await;
    assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
    let result = &ended.job()["result"];
    assert_eq!((&result["class"], &result["retryable"]), (&"silent".into(), &true.into()));
    assert!(result["text"].as_str().unwrap().contains("the installation failed and the package was deleted"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_tmo_1_a_device_that_is_still_at_it_is_waited_for_until_the_deadline() {
    let world = silent(Database::sqlite(), "stuck", "").await;
    world.api.submit("r", &[D1], with(download(HELLO, "install", "alternate"), deadline(2500))).await;
    let ended = world.api.ended("r").await;
    assert_eq!(ended.outcome(), ("in_doubt", None), "{:#}", ended.job());
    let history = history(&world, "r").await;
    assert!(history.contains("the device is installing"), "{history}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_tmo_1_operations_on_components_are_judged_by_the_inventory() {
    let component = "[[device.scomo.component]]\nid = \"org.example.hello.script\"\nversion = \"1.1.0\"";
    for (how, state) in [("done", "succeeded"), ("nothing", "failed")] {
        let world = silent(Database::sqlite(), how, component).await;
        let ended = world.run("r", on_component("deactivate", HELLO_SCRIPT)).await;
        assert_eq!(ended.job()["state"], state, "{how}: {:#}", ended.job());
        let active = world.component(D1, HELLO_SCRIPT).unwrap().1;
        assert_eq!(active, how == "nothing");
        let executed = [(Operation::Deactivate, 1200)];
        assert_eq!(world.watch.executed(D1), if active { &[][..] } else { &executed[..] }, "{how}");
        world.end().await;
    }
}
