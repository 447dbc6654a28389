//! T-OP: operations on what a device has. Whatever it reports, its inventory is read again.

use scomo::{sim::Operation, wire::syncml::Command};
use serde_json::Value;

use super::{D1, HELLO_PKG, flat, items, listed, pairs, said, watched};
use crate::{
    flows::{HELLO, HELLO_SCRIPT},
    support::{
        api::{on_component, on_package},
        world::World,
    },
};

/// The package in a state, and its component if it is installed.
fn having(installed: bool, active: bool) -> String {
    let package =
        format!("[[device.scomo.package]]\nid = \"{HELLO_PKG}\"\ninstalled = {installed}\ncontent = \"echo hello\"\n");
    let component = format!(
        "[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.1.0\"\nactive = {active}\npkg = \"{HELLO_PKG}\""
    );
    if installed { package + &component } else { package }
}

/// Plays one operation, whose report must be success, and which must be followed by a look at the inventory.
async fn operated(tables: &str, ask: Value, operation: Operation) -> World {
    let world = watched(tables).await;
    let ended = world.run("r", ask).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(operation, 1200)]);
    let after = flat(&said(&world)).into_iter().skip_while(|command| !matches!(command, Command::Exec(_)));
    let gets = after.filter(|command| command.name() == "Get");
    let uris: Vec<_> = gets.flat_map(|get| items(&get).to_vec()).map(|item| item.target_uri().to_owned()).collect();
    assert!(uris.iter().any(|uri| uri.starts_with("./SCOMO/Inventory")), "{uris:?}");
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_op_1_activate_and_the_state_is_read_again() {
    let world = operated(&having(true, false), on_component("activate", HELLO_SCRIPT), Operation::Activate).await;
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    assert_eq!(listed(&world, D1, "components").await, pairs(&[(HELLO_SCRIPT, "active")]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_op_2_deactivate_and_the_state_is_read_again() {
    let world = operated(&having(true, true), on_component("deactivate", HELLO_SCRIPT), Operation::Deactivate).await;
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), false)));
    assert_eq!(listed(&world, D1, "components").await, pairs(&[(HELLO_SCRIPT, "inactive")]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_op_3_remove_a_component_and_its_row_is_closed() {
    let world = operated(&having(true, true), on_component("remove", HELLO_SCRIPT), Operation::RemoveComponent).await;
    assert_eq!(world.component(D1, HELLO_SCRIPT), None);
    assert_eq!(listed(&world, D1, "components").await, []);
    assert_eq!(listed(&world, D1, "packages").await, pairs(&[(HELLO_PKG, "installed")]), "its package stays");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_op_4_remove_a_package_and_its_components_are_untouched() {
    let world = operated(&having(true, true), on_package("remove", HELLO), Operation::RemovePackage).await;
    assert_eq!(world.tree(D1).package(HELLO_PKG), None);
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    assert_eq!(listed(&world, D1, "packages").await, []);
    assert_eq!(listed(&world, D1, "components").await, pairs(&[(HELLO_SCRIPT, "active")]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_op_5_install_what_was_delivered_active_or_inactive() {
    for (word, operation, active) in
        [("install", Operation::Install, true), ("install-inactive", Operation::InstallInactive, false)]
    {
        let world = operated(&having(false, false), on_package(word, HELLO), operation).await;
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), active)));
        let state = if active { "active" } else { "inactive" };
        assert_eq!(listed(&world, D1, "components").await, pairs(&[(HELLO_SCRIPT, state)]));
        assert_eq!(listed(&world, D1, "packages").await, pairs(&[(HELLO_PKG, "installed")]));
        assert_eq!(world.watch.transfers(D1), 0, "nothing is sent");
        world.end().await;
    }
}
