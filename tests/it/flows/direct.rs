//! 5.4.1: a package is downloaded over DM.

use scomo::sim::Operation;

use super::{
    HELLO, HELLO_SCRIPT, HELLO_SHA256, NETWORK, SETTINGS, SETTINGS_SHA256, SINE, SINE_SHA256, SINE_TABLE, device, plain,
};
use crate::support::{
    api::download,
    database::{Database, on_each_database},
    world::World,
};

const D1: &str = "dev-1";

on_each_database! {
    async fn f5_4_1_1_a_package_is_delivered_in_one_message(db: Database) {
        let world = World::with(db, &plain()).await;
        let ended = world.run("r", download(HELLO, "deliver", "auto")).await;
        assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
        assert_eq!(ended.job()["delivery"], "direct");
        assert_eq!(world.held(D1, "org.example.hello@1.1.0").unwrap(), HELLO_SHA256);
        assert_eq!(world.component(D1, HELLO_SCRIPT), None, "delivered only");
        assert_eq!(world.watch.executed(D1), [], "writing the bytes is all");
        assert!(world.watch.messages(D1) < 10, "one message carried it whole");
        world.end().await;
    }

    async fn f5_4_1_1_a_package_is_delivered_in_chunks(db: Database) {
        let world = World::with(db, &plain()).await;
        let ended = world.run("r", download(SINE, "deliver", "direct")).await;
        assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
        assert_eq!(world.held(D1, "org.example.sine@1.0.0").unwrap(), SINE_SHA256);
        assert!(world.watch.messages(D1) > 20, "a quarter of a megabyte takes many messages of 16 KiB");
        world.end().await;
    }

    async fn f5_4_1_1_a_package_is_delivered_in_one_message_and_installed(db: Database) {
        let world = World::with(db, &plain()).await;
        let ended = world.run("r", download(HELLO, "install", "auto")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
        assert_eq!(ended.told().last(), Some(&"succeeded"));
        assert!(ended.told().contains(&"awaiting_report"), "{:?}", ended.told());
        world.end().await;
    }

    async fn f5_4_1_1_a_package_is_delivered_in_chunks_and_installed(db: Database) {
        let world = World::with(db, &plain()).await;
        let ended = world.run("r", download(SINE, "install", "auto")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(world.component(D1, SINE_TABLE), Some(("1.0.0".to_owned(), true)));
        assert_eq!(world.held(D1, "org.example.sine@1.0.0").unwrap(), SINE_SHA256);
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
        world.end().await;
    }
}

/// One flow on one device that is special in some way.
async fn plays(tables: &str, package: &str, component: &str, pkg_id: &str, sha256: &str) -> World {
    let world = World::with(Database::sqlite(), &device(1, tables)).await;
    let ended = world.run("r", download(package, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.held(D1, pkg_id).unwrap(), sha256);
    assert!(world.component(D1, component).unwrap().1);
    assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
    world
}

async fn plays_hello(tables: &str) -> World {
    plays(tables, HELLO, HELLO_SCRIPT, "org.example.hello@1.1.0", HELLO_SHA256).await
}

async fn plays_settings(tables: &str) -> World {
    plays(tables, SETTINGS, NETWORK, "org.example.settings@2.0.0", SETTINGS_SHA256).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_with_small_messages_gets_many_chunks() {
    let world = plays_settings("[device.limits]\nmax_msg_size = 2048").await;
    assert!(world.watch.messages(D1) > 10, "{}", world.watch.messages(D1));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_prove_themselves_with_basic() {
    plays_hello("[device.auth]\nscheme = \"basic\"").await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_contact_with_md5_begins_with_a_challenge() {
    for resync in ["zero", "literal"] {
        let class =
            format!("[[device_class]]\nname = \"c\"\nmatch = \"true\"\n[device_class.dm]\nresync_nonce = \"{resync}\"");
        let auth = format!("[device.auth]\nnonces = \"none\"\nresync = \"{resync}\"\nfirst_cred = false");
        let plan = crate::support::world::Plan::of(Database::sqlite()).devices(&device(1, &auth)).settings(&class);
        let world = plan.start().await;
        let ended = world.run("r", download(HELLO, "install", "direct")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{resync}: {:#}", ended.job());
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_challenges_first_and_keeps_no_nonce_is_served() {
    plays_hello("[device.auth]\nfirst_cred = false").await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_wants_no_proof_is_served() {
    plays_hello("[device.auth]\nserver_auth = \"none\"").await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_that_the_device_made_are_replaced() {
    plays_hello("[device.scomo]\nchildren = \"device\"").await.end().await;
    plays_settings("[device.scomo]\nchildren = \"device\"\n[device.limits]\nmax_msg_size = 2048").await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_lists_no_subtrees_is_read_node_by_node() {
    plays_hello("[device.scomo]\nstruct_data = false").await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_with_one_entry_for_downloads_gets_it_reused() {
    plays_hello("[device.scomo]\nfixed = [\"RB_DP\"]").await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_counts_decoded_bytes_gets_the_object_once_more() {
    let world = plays_settings("[device.limits]\nmax_msg_size = 4096\nsize_unit = \"decoded\"").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_splits_its_packages_is_asked_for_the_rest() {
    plays_hello("[device.limits]\ncommands_per_message = 2").await.end().await;
}
