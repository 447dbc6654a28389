//! What is asked of a device for the choice of a package: clauses 5.4.1.3, 5.4.2.3 and 5.4.3.3, where DevDetail or the inventory lead
//! to another choice than DevInfo alone.

use std::fmt::Write as _;

use scomo::{model::digest::Digest, sim::Operation};
use serde_json::{Value, json};

use super::{SETTINGS, device};
use crate::support::{
    api::{download, on_package, with},
    database::{Database, on_each_database},
    gate::Mode,
    world::{Plan, World},
};

const D1: &str = "dev-1";
const D2: &str = "dev-2";
/// What reads DevDetail as a whole.
const DETAIL: &str = "./DevDetail?list";
/// What reads the inventory.
const INVENTORY: &str = "./SCOMO/Inventory?list";
const RADIO: &str = "org.example.radio";
/// DevInfo alone decides for 1.0; 2.0 and 3.0 hang on what has to be asked.
const BY_FIRMWARE: [(&str, &str, &str); 2] =
    [(RADIO, "1.0", "dev.man == 'Acme'"), (RADIO, "2.0", "version(detail.fwv) >= version('7.0')")];
const BY_INVENTORY: [(&str, &str, &str); 2] =
    [(RADIO, "1.0", "dev.man == 'Acme'"), (RADIO, "2.0", "installed.exists(c, c.id == 'org.example.codec')")];
const CODEC: &str = "[[device.scomo.component]]\nid = \"org.example.codec\"\nversion = \"1.0\"";

/// A depot with these packages: id, version, rule. Each installs a component of its own name.
fn depot(packages: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let depot = tempfile::tempdir().unwrap();
    for (id, version, when) in packages {
        let (folder, payload) = (depot.path().join(id).join(version), format!("{id} {version}"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut manifest = format!(
            "format = 1\nid = \"{id}\"\nversion = \"{version}\"\nname = \"Radio\"\npayload = \"p.bin\"\nsize = {}\nsha256 = \"{}\"\n",
            payload.len(),
            Digest::of(payload.as_bytes()),
        );
        if !when.is_empty() {
            writeln!(manifest, "when = \"{when}\"").unwrap();
        }
        writeln!(manifest, "[[components]]\nid = \"{id}\"\nversion = \"{version}\"").unwrap();
        std::fs::write(folder.join("manifest.toml"), manifest).unwrap();
        std::fs::write(folder.join("p.bin"), payload).unwrap();
    }
    depot
}

/// Two devices that are alike, a gate that sees what they are asked, and these packages.
async fn twins(db: Database, tables: &str, packages: &[(&str, &str, &str)]) -> (World, tempfile::TempDir) {
    let depot = depot(packages);
    let devices = device(1, tables) + &device(2, tables);
    let world = Plan::of(db).devices(&devices).packages(depot.path()).gate(Mode::Pass).start().await;
    (world, depot)
}

/// How many commands named this node, in all messages so far.
fn asked(world: &World, uri: &str) -> usize {
    let passed = world.gate.as_ref().unwrap().passed();
    let texts = passed.iter().map(|message| String::from_utf8(message.answers[0].1.clone()).unwrap());
    texts.map(|text| text.matches(&format!("<Target><LocURI>{uri}")).count()).sum()
}

fn version(world: &World, device: &str) -> Option<String> {
    world.component(device, RADIO).map(|(version, _)| version)
}

/// One device is asked for nothing, its twin for `source`: the versions that they get.
async fn both(
    db: Database,
    tables: &str,
    packages: &[(&str, &str, &str)],
    source: &str,
    delivery: &str,
) -> (Option<String>, Option<String>) {
    let (world, _depot) = twins(db, tables, packages).await;
    let ask = |collect: Value| with(download(RADIO, "install", delivery), json!({ "collect": collect }));
    let blind = world.run_on("blind", &[D1], ask(json!([]))).await;
    assert_eq!(blind.outcome(), ("succeeded", Some(1200)), "{:#}", blind.job());
    assert_eq!((asked(&world, DETAIL), blind.job()["delivery"].as_str()), (0, Some(delivery)));
    let refused = world.api.job("blind").await["refused"].to_string();
    let fact = if source == "devdetail" { "detail.fwv" } else { "installed" };
    assert!(refused.contains(fact), "the refusal says what was missing: {refused}");
    let seeing = world.run_on("seeing", &[D2], ask(json!([source]))).await;
    assert_eq!(seeing.outcome(), ("succeeded", Some(1200)), "{:#}", seeing.job());
    let versions = (version(&world, D1), version(&world, D2));
    world.end().await;
    versions
}

fn versions(one: &str, two: &str) -> (Option<String>, Option<String>) {
    (Some(one.to_owned()), Some(two.to_owned()))
}

on_each_database! {
    async fn f5_4_1_3_dev_detail_leads_to_another_package_than_dev_info_alone(db: Database) {
        assert_eq!(both(db, "", &BY_FIRMWARE, "devdetail", "direct").await, versions("1.0", "2.0"));
    }

    async fn f5_4_2_3_the_inventory_leads_to_another_package_than_dev_info_alone(db: Database) {
        assert_eq!(both(db, CODEC, &BY_INVENTORY, "inventory", "alternate").await, versions("1.0", "2.0"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_1_3_the_inventory_leads_to_another_package_than_dev_info_alone() {
    assert_eq!(both(Database::sqlite(), CODEC, &BY_INVENTORY, "inventory", "direct").await, versions("1.0", "2.0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_2_3_dev_detail_leads_to_another_package_than_dev_info_alone() {
    assert_eq!(both(Database::sqlite(), "", &BY_FIRMWARE, "devdetail", "alternate").await, versions("1.0", "2.0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_1_3_without_a_name_the_inventory_says_which_package_is_meant() {
    let packages = [("org.example.aaa", "1.0", "dev.man == 'Acme'"), (RADIO, "2.0", "")];
    let old = format!("[[device.scomo.component]]\nid = \"{RADIO}\"\nversion = \"1.0\"");
    let (world, _depot) = twins(Database::sqlite(), &old, &packages).await;
    let ask = |collect: Value| json!({ "kind": "download", "action": "install", "collect": collect });
    let blind = world.run_on("blind", &[D1], ask(json!([]))).await;
    assert_eq!(blind.job()["package"]["id"], "org.example.aaa", "{:#}", blind.job());
    let seeing = world.run_on("seeing", &[D2], ask(json!(["inventory"]))).await;
    assert_eq!(seeing.job()["package"]["id"], RADIO, "{:#}", seeing.job());
    assert_eq!((version(&world, D1), version(&world, D2)), versions("1.0", "2.0"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_3_3_the_inventory_says_which_version_of_a_package_an_operation_is_on() {
    let held = |number: u32, version: &str| {
        device(number, &format!("[[device.scomo.package]]\nid = \"{RADIO}@{version}\"\ncontent = \"x\""))
    };
    let depot = depot(&[(RADIO, "1.0", ""), (RADIO, "2.0", "")]);
    let devices = held(1, "2.0") + &held(2, "1.0");
    let plan = Plan::of(Database::sqlite()).devices(&devices).packages(depot.path()).gate(Mode::Pass);
    let world = plan.start().await;
    let question = json!({ "device": D2, "package": { "id": RADIO }, "action": "deliver" });
    let alone = world.api.post("select", &question).await.body;
    assert_eq!(alone["package"]["version"], "2.0", "by DevInfo alone: {alone:#}");
    let ask = with(on_package("install", RADIO), json!({ "collect": ["devdetail", "inventory"] }));
    let ended = world.run("r", ask).await;
    assert_eq!(ended.counts["succeeded"], 2, "{ended:#?}");
    assert_eq!((version(&world, D1), version(&world, D2)), versions("2.0", "1.0"));
    assert_eq!(asked(&world, DETAIL), 2, "named, so read, though nothing needs it");
    for device in [D1, D2] {
        assert_eq!(world.watch.executed(device), [(Operation::Install, 1200)]);
        assert_eq!(world.api.get(&format!("devices/{device}")).await["dev_detail"]["fwv"], "7.0.3");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_3_3_dev_detail_says_which_of_the_packages_held_an_operation_is_on() {
    let held = |version: &str| format!("[[device.scomo.package]]\nid = \"{RADIO}@{version}\"\ncontent = \"x\"\n");
    let (world, _depot) = twins(Database::sqlite(), &(held("1.0") + &held("2.0")), &BY_FIRMWARE).await;
    let ask = |collect: Value| with(on_package("install", RADIO), json!({ "collect": collect }));
    assert_eq!(world.run_on("blind", &[D1], ask(json!([]))).await.outcome(), ("succeeded", Some(1200)));
    assert_eq!(asked(&world, DETAIL), 0);
    let history = world.api.job("blind").await["history"].to_string();
    assert!(history.contains("2.0 was refused") && history.contains("detail.fwv"), "{history}");
    assert_eq!(world.run_on("seeing", &[D2], ask(json!(["devdetail"]))).await.outcome(), ("succeeded", Some(1200)));
    assert_eq!((version(&world, D1), version(&world, D2)), versions("1.0", "2.0"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_turns_out_to_need_is_read_and_both_sources_together() {
    let both = "version(detail.fwv) >= version('7.0') && installed.exists(c, c.id == 'org.example.codec')";
    let (world, _depot) = twins(Database::sqlite(), CODEC, &[(RADIO, "1.0", ""), (RADIO, "2.0", both)]).await;
    for (device, source, missing, known) in
        [(D1, "inventory", "detail.fwv", "installed"), (D2, "devdetail", "installed", "detail.fwv")]
    {
        let ask = with(download(RADIO, "deliver", "direct"), json!({ "collect": [source] }));
        let ended = world.run_on(source, &[device], ask).await;
        assert_eq!(ended.job()["package"]["version"], "1.0", "{:#}", ended.job());
        let refused = world.api.job(source).await["refused"][0]["text"].to_string();
        assert!(refused.contains(missing) && !refused.contains(known), "{refused}");
        let ended = world.run_on(device, &[device], download(RADIO, "install", "direct")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(version(&world, device).as_deref(), Some("2.0"));
    }
    assert_eq!(asked(&world, DETAIL), 2, "once of each device: what was read for the one job is fresh for the next");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_and_young_enough_is_not_asked_again_and_what_is_too_old_is() {
    let (world, _depot) = twins(Database::sqlite(), "", &BY_FIRMWARE).await;
    let ask = |action: &str, age: &str| {
        let more = json!({ "collect": ["devdetail", "inventory"], "collect_max_age": age });
        with(download(RADIO, action, "direct"), more)
    };
    let first = world.run_on("first", &[D1], ask("deliver", "1h")).await;
    assert_eq!(first.outcome(), ("succeeded", None), "{:#}", first.job());
    assert_eq!(asked(&world, DETAIL), 1);
    let before = asked(&world, INVENTORY);
    let second = world.run_on("second", &[D1], ask("install", "1h")).await;
    assert_eq!(second.outcome(), ("succeeded", Some(1200)), "{:#}", second.job());
    let history = world.api.job("second").await["history"].to_string();
    assert!(history.contains("is not read again"), "{history}");
    assert_eq!((asked(&world, DETAIL), asked(&world, INVENTORY)), (1, before + 1), "read back alone");
    let third = world.run_on("third", &[D1], ask("install", "0s")).await;
    assert_eq!(third.outcome(), ("already_done", None), "{:#}", third.job());
    assert_eq!((asked(&world, DETAIL), asked(&world, INVENTORY)), (2, before + 2), "all of it anew");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_age_the_inventory_is_read_anew_in_each_session() {
    let (world, _depot) = twins(Database::sqlite(), "", &[(RADIO, "1.0", "")]).await;
    assert_eq!(world.run_on("a", &[D1], download(RADIO, "install", "direct")).await.outcome().0, "succeeded");
    let before = asked(&world, INVENTORY);
    assert_eq!(world.run_on("b", &[D1], download(RADIO, "install", "direct")).await.outcome().0, "already_done");
    assert_eq!(asked(&world, INVENTORY), before + 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dir_4_a_device_that_may_not_be_asked_for_large_objects_fetches_by_url() {
    let small = "[device.limits]\nmax_msg_size = 2048";
    let world = Plan::of(Database::sqlite()).devices(&device(1, small)).gate(Mode::Pass).start().await;
    let blind = with(download(SETTINGS, "deliver", "auto"), json!({ "collect": [] }));
    let ended = world.run("blind", blind).await;
    assert_eq!((ended.outcome().0, &ended.job()["delivery"]), ("succeeded", &json!("alternate")), "{:#}", ended.job());
    assert_eq!(asked(&world, DETAIL), 0);
    world.end().await;
}
