//! T-INV: inventories, whatever devices leave out of them.

use scomo::sim::Operation;

use super::{D1, HELLO_PKG, listed, pairs, watched};
use crate::{
    flows::{HELLO, HELLO_SCRIPT},
    support::api::{download, on_component},
};

/// The package, installed, and its component.
fn installed(scomo: &str, active: bool) -> String {
    format!(
        "[device.scomo]\n{scomo}\n[[device.scomo.package]]\nid = \"{HELLO_PKG}\"\ninstalled = true\ncontent = \"x\"\n\
         [[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.1.0\"\nactive = {active}\npkg = \"{HELLO_PKG}\""
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_inv_3_a_state_that_is_text_is_read_as_the_number_it_is() {
    let world = watched(&installed("state_format = \"chr\"", false)).await;
    let ended = world.run("a", on_component("activate", HELLO_SCRIPT)).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(listed(&world, D1, "packages").await, pairs(&[(HELLO_PKG, "installed")]));
    assert_eq!(listed(&world, D1, "components").await, pairs(&[(HELLO_SCRIPT, "active")]));
    for (id, ask) in [("b", on_component("activate", HELLO_SCRIPT)), ("c", download(HELLO, "install", "auto"))] {
        let ended = world.run(id, ask).await;
        assert_eq!(ended.outcome(), ("already_done", None), "{:#}", ended.job());
    }
    assert_eq!(world.watch.executed(D1), [(Operation::Activate, 1200)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_inventory_does_not_tell_is_never_taken_for_done() {
    for (without, ask, done) in [
        ("\"Version\", \"PkgIDRef\"", download(HELLO, "install", "direct"), Operation::Install),
        ("\"State\"", on_component("activate", HELLO_SCRIPT), Operation::Activate),
    ] {
        // The component alone, from a package that is not told.
        let tables = format!(
            "[device.scomo]\nwithout = [{without}]\n[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.1.0\""
        );
        let world = watched(&tables).await;
        let ended = world.run("r", ask).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{without}: {:#}", ended.job());
        assert_eq!(world.watch.executed(D1), [(done, 1200)], "{without}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_an_unknown_package_counts_by_its_version() {
    let own = |version: &str| {
        format!("[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"{version}\"\npkg = \"-1\"")
    };
    for (version, outcome) in [("1.1.0", ("already_done", None)), ("1.0.9", ("succeeded", Some(1200)))] {
        let world = watched(&own(version)).await;
        let ended = world.run("r", download(HELLO, "install", "direct")).await;
        assert_eq!(ended.outcome(), outcome, "{version}: {:#}", ended.job());
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
        world.end().await;
    }
}
