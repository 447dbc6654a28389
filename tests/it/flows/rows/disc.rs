//! T-DISC: where a device keeps its objects, and how it spells their nodes.

use scomo::sim::Operation;
use serde_json::json;

use super::{D1, HELLO_PKG, class, said, sent_to, targets, watched, watched_by, written};
use crate::{
    flows::{HELLO, HELLO_SCRIPT, device},
    support::{
        api::{download, on_component},
        database::Database,
        gate::Mode,
        world::Plan,
    },
};

const CODEC: &str = "org.example.codec";

/// A component in an object of its own.
fn elsewhere(root: &str, kind: &str, id: &str, version: &str) -> String {
    format!(
        "[[device.scomo_extra]]\nroot = \"{root}\"\ntype = \"{kind}\"\ncomponent = [{{ id = \"{id}\", version = \"{version}\" }}]\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_disc_1_the_root_is_found_through_its_type() {
    // An object of another kind that looks the same and has the component already.
    let world = watched(&elsewhere("./Apps", "org.example.apps:1.0", HELLO_SCRIPT, "1.1.0")).await;
    let ended = world.run("r", download(HELLO, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert!(targets(&said(&world), "Get").contains(&"./SCOMO?prop=Type".to_owned()));
    assert_eq!(world.api.get("devices/dev-1/inventory").await["roots"], json!(["./SCOMO"]));
    let roots: Vec<_> = world.tree(D1).components.iter().map(|c| c.root.clone()).collect();
    assert!(roots.contains(&"./SCOMO".to_owned()), "{roots:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_disc_2_a_root_of_another_name_is_worked_on_as_it_is_spelt() {
    let names = "names = { Download = \"download\", Inventory = \"inventory\", Delivered = \"delivered\", Deployed = \"deployed\" }";
    let world = watched(&format!("[device.scomo]\nroot = \"./SCM\"\n{names}")).await;
    let ended = world.run("r", download(HELLO, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    let exec = targets(&said(&world), "Exec");
    assert!(exec[0].starts_with("./SCM/inventory/delivered/") && exec.len() == 1, "{exec:?}");
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_disc_3_misspelt_operations_are_executed_under_the_names_that_they_have() {
    let spelt = "[device.scomo]\nchildren = \"device\"\n\
                 operation_names = { Deactivate = \"Deactive\", DownloadInstallInactive = \"DownlaodInstallInactive\" }";
    let world = watched(spelt).await;
    let ended = world.run("a", download(HELLO, "install-inactive", "alternate")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), false)));
    for operation in ["activate", "deactivate"] {
        let ended = world.run(operation, on_component(operation, HELLO_SCRIPT)).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{operation}: {:#}", ended.job());
    }
    let last = |uri: &String| uri.rsplit('/').next().unwrap().to_owned();
    let exec: Vec<_> = targets(&said(&world), "Exec").iter().map(last).collect();
    assert_eq!(exec, ["DownlaodInstallInactive", "Activate", "Deactive"]);
    world.end().await;
}

/// A depot with one package that says when the device shall start anew.
fn depot() -> tempfile::TempDir {
    let depot = tempfile::tempdir().unwrap();
    let folder = depot.path().join("org.example.hello/1.1.0");
    std::fs::create_dir_all(&folder).unwrap();
    let from = "packages/org.example.hello/1.1.0";
    std::fs::copy(format!("{from}/hello.sh"), folder.join("hello.sh")).unwrap();
    let manifest = std::fs::read_to_string(format!("{from}/manifest.toml")).unwrap();
    let manifest = manifest.replacen("[[components]]", "reboot = \"after\"\n[[components]]", 1);
    std::fs::write(folder.join("manifest.toml"), manifest).unwrap();
    depot
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_disc_4_the_nodes_of_1_1_are_written_where_the_device_shows_them() {
    let depot = depot();
    let held = "[[device.scomo.package]]\nid = \"org.example.other@1\"\ncontent = \"x\"";
    let newer = format!(
        "[device.scomo]\ntype = \"urn:oma:mo:oma-scomo:1.1\"\nextra = {{ CheckUpdateFreq = \"P1D\" }}\n\
         entry_extra = {{ Download = {{ Reboot = \"0\" }}, Delivered = {{ Reboot = \"0\" }} }}\n{held}"
    );
    for (tables, reboot) in [(newer.as_str(), Some("after")), (held, None)] {
        let plan = Plan::of(Database::sqlite()).devices(&device(1, tables)).packages(depot.path()).gate(Mode::Pass);
        let world = plan.start().await;
        let ended = world.run("r", download(HELLO, "install", "direct")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(written(&said(&world), "Reboot").as_deref(), reboot);
        assert_eq!(sent_to(&said(&world), "CheckUpdateFreq"), []);
        assert_eq!(world.tree(D1).package(HELLO_PKG).unwrap().state, Some(20));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_disc_5_a_device_without_the_object_gets_nothing() {
    let world = watched("[device.scomo]\npresent = false").await;
    let ended = world.run("r", download(HELLO, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("not_applicable", None), "{:#}", ended.job());
    assert_eq!(ended.job()["result"]["text"], "the device has no SCOMO management object");
    let written = [targets(&said(&world), "Add"), targets(&said(&world), "Replace"), targets(&said(&world), "Exec")];
    assert_eq!(written.concat(), Vec::<String>::new());
    assert!(world.api.get("devices/dev-1").await["no_scomo_at"].is_string());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_objects_are_read_each_and_a_component_is_worked_on_where_it_is() {
    // One that a list of the roots shows, and one that lies deeper: its class knows where.
    const CLASS: &str = class!("roots = [\"./SCOMO\", \"./Vendor/SCM\"]");
    let kind = "urn:oma:mo:oma-scomo:1.1";
    let more = elsewhere("./Second", kind, "org.example.second", "1") + &elsewhere("./Vendor/SCM", kind, CODEC, "2");
    let world = watched_by(CLASS, &[&more]).await;
    let ended = world.run("a", on_component("deactivate", CODEC)).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(Operation::Deactivate, 1200)]);
    assert!(targets(&said(&world), "Exec")[0].starts_with("./Vendor/SCM/Inventory/Deployed/"));
    let inventory = world.api.get("devices/dev-1/inventory").await;
    assert_eq!(inventory["roots"], json!(["./SCOMO", "./Second", "./Vendor/SCM"]));
    assert_eq!(
        super::listed(&world, D1, "components").await,
        super::pairs(&[("org.example.second", "active"), (CODEC, "inactive")])
    );
    // A package goes to one of them, whole.
    let ended = world.run("b", download(HELLO, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    let tree = world.tree(D1);
    let (package, component) = (tree.package(HELLO_PKG).unwrap(), tree.component(HELLO_SCRIPT).unwrap());
    assert_eq!(package.root, component.root);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_package_goes_to_the_object_that_has_its_component() {
    for (delivery, operation) in [("direct", Operation::Install), ("alternate", Operation::DownloadInstall)] {
        let second = elsewhere("./Second", "urn:oma:mo:oma-scomo:1.0", HELLO_SCRIPT, "1.0.0")
            + "[device.scomo_extra.installer.\"org.example.hello@1.1.0\"]\n\
               components = [{ id = \"org.example.hello.script\", version = \"1.1.0\" }]\n";
        let world = watched(&second).await;
        let ended = world.run("r", download(HELLO, "install", delivery)).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(world.watch.executed(D1), [(operation, 1200)]);
        assert!(targets(&said(&world), "Exec")[0].starts_with("./Second/"));
        let tree = world.tree(D1);
        let components: Vec<_> = tree.components.iter().map(|c| (c.root.as_str(), c.version.as_str())).collect();
        assert_eq!(components, [("./Second", "1.1.0")]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roots_of_a_device_are_looked_for_once() {
    let world = watched("").await;
    let looks = || targets(&said(&world), "Get").iter().filter(|uri| uri.ends_with("?prop=Type")).count();
    world.run("a", download(HELLO, "deliver", "direct")).await;
    let first = looks();
    assert!(first > 0);
    world.run("b", download(HELLO, "install", "direct")).await;
    assert_eq!(looks(), first);
    world.end().await;
}
