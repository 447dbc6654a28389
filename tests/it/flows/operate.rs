//! 5.4.3: operations on what a device has.

use scomo::sim::Operation;
use serde_json::Value;

use super::{HELLO, HELLO_SCRIPT, device};
use crate::support::{
    api::{on_component, on_package},
    database::{Database, on_each_database},
    world::World,
};

const D1: &str = "dev-1";
const PKG_ID: &str = "org.example.hello@1.1.0";
const DELIVERED: &str = "[[device.scomo.package]]\nid = \"org.example.hello@1.1.0\"\ncontent = \"echo hello\"";

/// A device with the component, active or not.
fn deployed(active: bool) -> String {
    format!(
        "[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.1.0\"\nactive = {active}\npkg = \"{PKG_ID}\"\n\
         [[device.scomo.package]]\nid = \"{PKG_ID}\"\ninstalled = true\ncontent = \"echo hello\""
    )
}

/// Plays one operation, which must succeed with a report, and be done once.
async fn operate(db: Database, tables: &str, ask: Value, operation: Operation) -> World {
    let world = World::with(db, &device(1, tables)).await;
    let ended = world.run("r", ask).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(operation, 1200)]);
    assert_eq!(world.watch.transfers(D1), 0, "nothing is sent");
    world
}

on_each_database! {
    async fn f5_4_3_1_a_delivered_package_is_installed(db: Database) {
        let world = operate(db, DELIVERED, on_package("install", HELLO), Operation::Install).await;
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
        world.end().await;
    }

    async fn f5_4_3_1_a_component_is_removed(db: Database) {
        let ask = on_component("remove", HELLO_SCRIPT);
        let world = operate(db, &deployed(true), ask, Operation::RemoveComponent).await;
        assert_eq!(world.component(D1, HELLO_SCRIPT), None);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_3_1_a_delivered_package_is_installed_inactive() {
    let ask = on_package("install-inactive", HELLO);
    let world = operate(Database::sqlite(), DELIVERED, ask, Operation::InstallInactive).await;
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), false)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_3_1_a_package_is_removed() {
    let world = operate(Database::sqlite(), DELIVERED, on_package("remove", HELLO), Operation::RemovePackage).await;
    assert_eq!(world.tree(D1).package(PKG_ID), None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_3_1_a_component_is_activated() {
    let ask = on_component("activate", HELLO_SCRIPT);
    let world = operate(Database::sqlite(), &deployed(false), ask, Operation::Activate).await;
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_3_1_a_component_is_deactivated() {
    let ask = on_component("deactivate", HELLO_SCRIPT);
    let world = operate(Database::sqlite(), &deployed(true), ask, Operation::Deactivate).await;
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), false)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_in_the_status_of_the_exec_ends_the_job_in_one_session() {
    let every = "[device.scomo]\nsync = [\"RemoveComponent\", \"Activate\", \"Deactivate\", \"Install\"]";
    for (operation, done, before) in [
        ("remove", Operation::RemoveComponent, true),
        ("activate", Operation::Activate, false),
        ("deactivate", Operation::Deactivate, true),
    ] {
        let tables = format!("{every}\n{}", deployed(before));
        let world = operate(Database::sqlite(), &tables, on_component(operation, HELLO_SCRIPT), done).await;
        assert_eq!(world.watch.sessions(D1), 1, "{operation}: no session for a report");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_so_already_is_not_done_again() {
    let world = World::with(Database::sqlite(), &device(1, &deployed(true))).await;
    for (id, ask) in [
        ("activate", on_component("activate", HELLO_SCRIPT)),
        ("install", on_package("install", HELLO)),
        ("remove", on_component("remove", "org.example.absent")),
    ] {
        let ended = world.run(id, ask).await;
        assert_eq!(ended.outcome(), ("already_done", None), "{id}: {:#}", ended.job());
    }
    assert_eq!(world.watch.executed(D1), []);
    world.end().await;
}
