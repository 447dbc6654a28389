//! 5.4.2: a package is downloaded by URL.

use scomo::sim::Operation;

use super::{HELLO, HELLO_SCRIPT, HELLO_SHA256, NETWORK, SETTINGS, SETTINGS_SHA256, SINE, SINE_SHA256, device, plain};
use crate::support::{
    api::{download, with},
    database::{Database, on_each_database},
    gate::Mode,
    world::{Plan, World},
};
use serde_json::json;

const D1: &str = "dev-1";
const PACKAGE_CLASS: &str =
    "[[device_class]]\nname = \"plain\"\nmatch = \"dev.mod == 'A1'\"\n[device_class.scomo]\nalternate = \"package\"\n";

on_each_database! {
    async fn f5_4_2_1_a_package_is_fetched_by_descriptor_and_installed(db: Database) {
        let world = World::with(db, &plain()).await;
        let ended = world.run("r", download(SETTINGS, "install", "alternate")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(ended.job()["delivery"], "alternate");
        assert_eq!(world.watch.executed(D1), [(Operation::DownloadInstall, 1200)]);
        assert!(world.component(D1, NETWORK).unwrap().1);
        assert_eq!(world.held(D1, "org.example.settings@2.0.0").unwrap(), SETTINGS_SHA256);
        let reason = world.api.job("r").await["delivery_reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("alternate download is asked for") && reason.contains("descriptor"), "{reason}");
        world.end().await;
    }

    async fn f5_4_2_1_the_package_itself_is_fetched_where_the_class_says_so(db: Database) {
        let world = Plan::of(db).devices(&plain()).settings(PACKAGE_CLASS).start().await;
        let ended = world.run("r", download(HELLO, "deliver", "alternate")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(world.watch.executed(D1), [(Operation::Download, 1200)]);
        assert_eq!(world.held(D1, "org.example.hello@1.1.0").unwrap(), HELLO_SHA256);
        assert_eq!(world.component(D1, HELLO_SCRIPT), None);
        let reason = world.api.job("r").await["delivery_reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("the package itself") && reason.contains("device class"), "{reason}");
        world.end().await;
    }

    async fn f5_4_2_1_a_download_that_breaks_is_resumed(db: Database) {
        let broken = device(1, "[device.faults]\nbreak_transfer = 70000");
        let world = Plan::of(db).devices(&broken).gate(Mode::Pass).start().await;
        let ended = world.run("r", download(SINE, "deliver", "alternate")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(world.held(D1, "org.example.sine@1.0.0").unwrap(), SINE_SHA256);
        assert_eq!(world.watch.executed(D1), [(Operation::Download, 1200)]);
        assert_eq!(world.gate.as_ref().unwrap().ranges(), ["bytes=70000-"]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_2_1_a_big_package_goes_by_url_to_a_device_without_large_objects() {
    let world = World::with(Database::sqlite(), &device(1, "[device.devdetail]\nlrgobj = false")).await;
    let ended = world.run("r", download(SINE, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(ended.job()["delivery"], "alternate");
    let reason = world.api.job("r").await["delivery_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("takes no large objects"), "{reason}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_2_1_a_package_above_max_obj_size_goes_by_url() {
    let world = World::with(Database::sqlite(), &device(1, "[device.limits]\nmax_obj_size = 100000")).await;
    let ended = world.run("r", download(SINE, "deliver", "auto")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(ended.job()["delivery"], "alternate");
    let reason = world.api.job("r").await["delivery_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("MaxObjSize"), "{reason}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_2_1_the_install_notify_of_the_device_is_noted() {
    let world = World::with(Database::sqlite(), &plain()).await;
    world.run("r", download(SETTINGS, "install", "alternate")).await;
    let noted: Vec<(Option<String>,)> = world.database.rows("SELECT notify_status FROM download_grant").await;
    assert_eq!(noted, [(Some("900 Success".to_owned()),)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_install_notify_is_held_against_the_report_which_counts() {
    for (posted, notify) in [
        ("902 User Cancelled", json!({ "status": 902, "plausible": false })),
        ("902 User Cancelled; 900 Success", json!({ "status": 900, "plausible": true })),
    ] {
        let slow = device(1, "[device.delays]\noperation = \"400ms\"");
        let world = Plan::of(Database::sqlite()).devices(&slow).settings(PACKAGE_CLASS).start().await;
        world.api.submit("r", &[D1], download(HELLO, "install", "alternate")).await;
        world.api.until_state("r", "awaiting_report").await;
        let sql = format!("UPDATE download_grant SET notify_status = '{posted}' RETURNING notify_status");
        let set: Vec<(String,)> = world.database.rows(&sql).await;
        assert_eq!(set.len(), 1);
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "the report is what counts: {:#}", ended.job());
        assert_eq!(ended.job()["result"]["notify"], notify, "{:#}", ended.job());
        let history = world.api.job("r").await["history"].to_string();
        let doubt = "the device posted 902 of its download, which does not go with 1200";
        assert_eq!(history.contains(doubt), notify["plausible"] == false, "{history}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_ends_with_its_job() {
    let world = Plan::of(Database::sqlite()).devices(&plain()).gate(Mode::Pass).start().await;
    world.run("r", download(HELLO, "deliver", "alternate")).await;
    let said: Vec<_> = world.gate.as_ref().unwrap().passed();
    let text: String = said.iter().map(|p| String::from_utf8_lossy(&p.answers[0].1).into_owned()).collect();
    let at = text.find("/dd/").unwrap();
    let token: String = text[at + 4..].chars().take_while(char::is_ascii_alphanumeric).collect();
    for path in [format!("dd/{token}"), format!("dl/{token}/hello.sh")] {
        let answer = reqwest::get(format!("http://{}/{path}", world.server.device())).await.unwrap();
        assert!([404, 410].contains(&answer.status().as_u16()), "{path}: {}", answer.status());
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_descriptor_failed_the_package_itself_is_tried() {
    let tables = "[[device.result]]\noperation = \"DownloadInstall\"\ncode = 1402\ntimes = 1";
    let world = World::with(Database::sqlite(), &device(1, tables)).await;
    let ask = with(download(HELLO, "install", "alternate"), json!({ "retry": { "limit": 1, "backoff": "1s" } }));
    let ended = world.run("r", ask).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(ended.job()["attempt"], 2);
    assert_eq!(world.watch.executed(D1), [(Operation::DownloadInstall, 1402), (Operation::DownloadInstall, 1200)]);
    let reason = world.api.job("r").await["delivery_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("since a descriptor failed before"), "{reason}");
    world.end().await;
}

/// A device that makes its entries itself and offers these operations only.
fn offering(operations: &str) -> String {
    device(1, &format!("[device.scomo]\nchildren = \"device\"\noperations = [{operations}]"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_delivered_package_cannot_be_installed_it_is_fetched_by_url() {
    let world = World::with(Database::sqlite(), &offering("\"DownloadInstall\", \"RemovePackage\"")).await;
    let ended = world.run("r", download(HELLO, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((&ended.job()["delivery"], &ended.job()["attempt"]), (&json!("alternate"), &json!(1)));
    let history = world.api.job("r").await["history"].to_string();
    assert!(history.contains("does not offer Install on this node: another way is looked for"), "{history}");
    assert_eq!(world.watch.executed(D1), [(Operation::DownloadInstall, 1200)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_request_allows_no_other_way_the_device_is_not_capable() {
    for (operations, delivery) in [("\"DownloadInstall\"", "direct"), ("\"Install\"", "alternate")] {
        let world = World::with(Database::sqlite(), &offering(operations)).await;
        let ended = world.run("r", download(HELLO, "install", delivery)).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        assert_eq!(ended.job()["result"]["class"], "incapable");
        assert_eq!(world.watch.executed(D1), []);
        world.end().await;
    }
}
