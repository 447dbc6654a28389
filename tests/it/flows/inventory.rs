//! Requests that only collect, what is kept of inventories, and what is told of them.

use serde_json::{Value, json};

use super::{HELLO, HELLO_SCRIPT, device, plain};
use crate::support::{
    api::{download, with},
    database::{Database, on_each_database},
    gate::Mode,
    world::{Plan, World},
};

const D1: &str = "dev-1";
const FULL: &str = r#"
[[device.scomo.package]]
id = "org.example.player@2.1.0"
installed = true
content = "p"
[[device.scomo.package]]
id = "org.example.codec@1.0"
content = "c"
[[device.scomo.component]]
id = "org.example.player.app"
version = "2.1.0"
pkg = "org.example.player@2.1.0"
[[device.scomo.component]]
id = "org.example.player.skin"
version = "1.3"
active = false
pkg = "org.example.player@2.1.0"
[[device.scomo.component]]
id = "factory.clock"
"#;

fn collect() -> Value {
    json!({ "kind": "inventory" })
}

/// The events of inventories so far.
async fn told(world: &World) -> Vec<Value> {
    let page = world.api.get("events?after=0&limit=1000").await;
    let events = page["events"].as_array().unwrap().iter();
    events.filter(|event| event["type"] == "scomo.device.inventory").cloned().collect()
}

fn ids<'v>(list: &'v Value, member: &str) -> Vec<&'v str> {
    list.as_array().unwrap().iter().map(|entry| entry[member].as_str().unwrap()).collect()
}

on_each_database! {
    async fn t_inv_1_an_inventory_is_read_stored_and_told(db: Database) {
        let world = World::with(db, &device(1, FULL)).await;
        let ended = world.run("r", collect()).await;
        assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
        let inventory = world.api.get("devices/dev-1/inventory").await;
        assert_eq!(inventory["roots"], json!(["./SCOMO"]));
        assert_eq!(ids(&inventory["packages"], "id"), ["org.example.codec@1.0", "org.example.player@2.1.0"]);
        assert_eq!(ids(&inventory["packages"], "state"), ["delivered", "installed"]);
        let components: Vec<_> = inventory["components"].as_array().unwrap().iter()
            .map(|c| (c["id"].as_str().unwrap(), c["state"].as_str().unwrap(), c["pkg"].as_str())).collect();
        assert_eq!(components, [
            ("factory.clock", "active", None),
            ("org.example.player.app", "active", Some("org.example.player@2.1.0")),
            ("org.example.player.skin", "inactive", Some("org.example.player@2.1.0")),
        ]);
        let device = world.api.get("devices/dev-1").await;
        assert_eq!((&device["dev_detail"]["fwv"], device["installed"].as_array().unwrap().len()), (&json!("7.0.3"), 3));
        let told = told(&world).await;
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!((&told[0]["subject"], told[0].get("sequence")), (&json!(D1), None));
        assert_eq!(told[0]["dataschema"], "urn:scomo:schema:device-event:1");
        let data = &told[0]["data"];
        assert_eq!((&data["device"], &data["digest"]), (&json!(D1), &inventory["digest"]));
        assert_eq!(data["components"], inventory["components"]);
        assert_eq!(data["changes"].as_array().unwrap().len(), 5, "all is new: {data:#}");
        world.end().await;
    }

    async fn an_inventory_is_told_when_it_differs_and_kept_each_time(db: Database) {
        let world = World::with(db, &plain()).await;
        assert_eq!(world.run("a", download(HELLO, "deliver", "direct")).await.outcome().0, "succeeded");
        assert_eq!(world.run("b", download(HELLO, "install", "direct")).await.outcome().0, "succeeded");
        assert_eq!(world.run("c", download(HELLO, "install", "direct")).await.outcome().0, "already_done");
        let told = told(&world).await;
        let last = &told.last().unwrap()["data"];
        let change = last["changes"].as_array().unwrap().iter().find(|c| c["kind"] == "component");
        let change = change.unwrap_or_else(|| panic!("{told:#?}"));
        assert_eq!((&change["change"], &change["id"], &change["state"]), (&json!("added"), &json!(HELLO_SCRIPT), &json!("active")));
        let unchanged = told.len();
        let history = world.api.get("devices/dev-1/inventory?history=true").await;
        let kept = history["inventories"].as_array().unwrap();
        assert_eq!(kept.len(), unchanged, "{history:#}");
        assert_eq!(kept[0]["digest"], last["digest"], "newest first");
        assert!(kept.last().unwrap()["packages"].as_array().unwrap().is_empty(), "as it was before anything came");
        // Who asks for the inventory is always told, and nothing is kept twice.
        assert_eq!(world.run("d", collect()).await.outcome().0, "succeeded");
        let again = self::told(&world).await;
        assert_eq!((again.len(), &again.last().unwrap()["data"]["changes"]), (unchanged + 1, &json!([])));
        let history = world.api.get("devices/dev-1/inventory?history=true").await;
        assert_eq!(history["inventories"].as_array().unwrap().len(), unchanged);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_inv_2_an_empty_inventory_is_no_error() {
    let world = World::with(Database::sqlite(), &plain()).await;
    let ended = world.run("r", with(collect(), json!({ "collect": ["inventory"] }))).await;
    assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
    let inventory = world.api.get("devices/dev-1/inventory").await;
    assert_eq!((&inventory["packages"], &inventory["components"]), (&json!([]), &json!([])));
    assert_eq!(told(&world).await.len(), 1);
    assert_eq!(world.api.get("devices/dev-1").await.get("dev_detail"), None, "it was not asked for");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_detail_alone_is_read_without_looking_at_the_inventory() {
    let plan = Plan::of(Database::sqlite()).devices(&plain()).gate(Mode::Pass);
    let world = plan.start().await;
    let ended = world.run("r", with(collect(), json!({ "collect": ["devdetail"] }))).await;
    assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
    assert_eq!(world.api.get("devices/dev-1").await["dev_detail"]["oem"], "Acme");
    let passed = world.gate.as_ref().unwrap().passed();
    assert!(!passed.iter().any(|m| String::from_utf8_lossy(&m.answers[0].1).contains("SCOMO/")));
    assert_eq!(told(&world).await, Vec::<Value>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_young_enough_is_told_without_being_read() {
    let world = World::with(Database::sqlite(), &device(1, FULL)).await;
    let ask = || with(collect(), json!({ "collect_max_age": "1h" }));
    assert_eq!(world.run("a", ask()).await.outcome(), ("succeeded", None));
    let messages = world.watch.messages(D1);
    assert_eq!(world.run("b", ask()).await.outcome(), ("succeeded", None));
    assert!(world.watch.messages(D1) - messages < messages, "{messages}");
    let told = told(&world).await;
    assert_eq!((told.len(), &told[1]["data"]["read_at"]), (2, &told[0]["data"]["read_at"]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_disc_4_an_object_of_1_1_is_read_as_one_of_1_0() {
    let tables = format!("[device.scomo]\ntype = \"urn:oma:mo:oma-scomo:1.1\"\nroot = \"./Software\"\n{FULL}");
    let world = World::with(Database::sqlite(), &device(1, &tables)).await;
    assert_eq!(world.run("r", collect()).await.outcome(), ("succeeded", None));
    assert_eq!(world.api.get("devices/dev-1/inventory").await["roots"], json!(["./Software"]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_disc_5_a_device_without_the_object_is_not_capable_and_that_is_remembered() {
    let tables = "[device.scomo]\nroot = \"./Apps\"\ntype = \"org.example.apps:1.0\"";
    let plan = Plan::of(Database::sqlite()).devices(&device(1, tables)).gate(Mode::Pass);
    let world = plan.start().await;
    let looked = || {
        let passed = world.gate.as_ref().unwrap().passed();
        passed.iter().filter(|m| String::from_utf8_lossy(&m.answers[0].1).contains("?prop=Type")).count()
    };
    let ended = world.run("a", collect()).await;
    assert_eq!(ended.outcome(), ("not_applicable", None), "{:#}", ended.job());
    assert!(ended.job()["result"]["text"].as_str().unwrap().contains("no SCOMO management object"));
    let times = looked();
    assert!(times > 0);
    assert_eq!(world.run("b", download(HELLO, "install", "auto")).await.outcome(), ("not_applicable", None));
    assert_eq!(looked(), times, "nobody looked again");
    assert_eq!(world.run("c", collect()).await.outcome(), ("not_applicable", None));
    assert!(looked() > times, "who asks for the inventory has it looked for");
    let device = world.api.get("devices/dev-1").await;
    assert_eq!(device["dev_detail"]["fwv"], "7.0.3", "what it has was read");
    assert!(device["no_scomo_at"].is_string(), "{device:#}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_disc_2_t_inv_1_lower_case_names_are_found_once_and_remembered() {
    let names = "names = { Download = \"download\", Inventory = \"inventory\", Delivered = \"delivered\", Deployed = \"deployed\" }";
    let tables = format!("[device.scomo]\nroot = \"./SCM\"\n{names}\n{FULL}");
    let plan = Plan::of(Database::sqlite()).devices(&device(1, &tables)).gate(Mode::Pass);
    let world = plan.start().await;
    assert_eq!(world.run("a", collect()).await.outcome(), ("succeeded", None));
    let inventory = world.api.get("devices/dev-1/inventory").await;
    assert_eq!(inventory["components"].as_array().unwrap().len(), 3, "{inventory:#}");
    let odd = |world: &World| {
        let passed = world.gate.as_ref().unwrap().passed();
        passed.iter().filter(|m| String::from_utf8_lossy(&m.answers[0].1).contains("./SCM/Inventory")).count()
    };
    let once = odd(&world);
    assert!(once > 0);
    assert_eq!(world.run("b", download(HELLO, "install", "alternate")).await.outcome(), ("succeeded", Some(1200)));
    assert_eq!(odd(&world), once, "its own names are known by now");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_was_never_read_has_no_inventory() {
    let world = World::with(Database::sqlite(), &plain()).await;
    let url = format!("http://{}/api/v1/devices/dev-1/inventory", world.server.admin());
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().contains("none was read yet"));
    let history = world.api.get("devices/dev-1/inventory?history=true").await;
    assert_eq!(history, json!({ "device": D1, "inventories": [] }));
    world.end().await;
}
