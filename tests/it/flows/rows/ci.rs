//! T-CI: work that exists because the device asked for it, and sessions that the device opens.

use scomo::sim::{Ask, Event, Operation};
use serde_json::{Value, json};

use super::{D1, answered, class, heard, said, targets, watched_by};
use crate::{
    flows::{HELLO, HELLO_SCRIPT, NETWORK, SETTINGS},
    support::{
        api::{Ended, download, with},
        database::{Database, on_each_database},
        gate::Mode,
        watch::until,
        world::{Plan, World},
    },
};

/// What this class's devices may ask for.
const ALLOWED: &str = class!("requests = [\"user\", \"device\", \"update\"]");
const COMPONENT: &str = "[[device.scomo.component]]\nid = \"org.example.hello.script\"\nversion = \"1.1.0\"";

/// The full Type of an alert that asks.
fn kind(suffix: &str) -> String {
    Ask::new(suffix).full_type()
}

/// The events of this type so far.
async fn told(world: &World, kind: &str) -> Vec<Value> {
    let page = world.api.get("events?after=0&limit=1000").await;
    page["events"].as_array().unwrap().iter().filter(|event| event["type"] == kind).cloned().collect()
}

/// Waits for the end of the only request that the device made.
async fn wished(world: &World) -> Ended {
    let of_device = |event: &Value| event["data"]["source"] == "device";
    let accepted = until("a request of the device", async || {
        told(world, "scomo.request.accepted").await.into_iter().find(of_device)
    })
    .await;
    let request = accepted["data"]["request_id"].as_str().unwrap();
    let ended = world.api.ended(request).await;
    world.fleet.idle().await;
    assert_eq!(told(world, "scomo.request.accepted").await.len(), 1, "nobody else asked");
    let job = &world.api.get(&format!("jobs?source=device&request={request}")).await["jobs"][0];
    assert_eq!((&job["job_id"], &job["source"]), (&ended.job()["job_id"], &json!("device")));
    let alerts = told(world, "scomo.device.alert").await;
    assert_eq!((&alerts[0]["data"]["known"], &alerts[0]["subject"]), (&json!(true), &json!(D1)));
    ended
}

on_each_database! {
    async fn f5_4_1_2_t_ci_1_a_package_that_the_user_asked_for_is_delivered_in_the_same_session(db: Database) {
        let asks = "[[device.ask]]\ntype = \"UserRequest\"\ndata = \"org.example.hello\"";
        let plan = Plan::of(db).devices(&crate::flows::device(1, asks)).settings(ALLOWED).gate(Mode::Pass);
        let world = plan.start().await;
        let ended = wished(&world).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!((&ended.job()["delivery"], ended.told()[0]), (&json!("direct"), "in_session"));
        assert_eq!(answered(&world, &kind("UserRequest")), [200]);
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
        assert_eq!(world.watch.count(D1, |event| matches!(event, Event::Notified { .. })), 0, "nobody woke it");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_2_2_t_ci_1_an_update_check_gets_the_best_package_on_offer_by_url() {
    // Only two packages are on offer to those who name none, and the device has one of them.
    let asks = format!("[device.devdetail]\nlrgobj = false\n[[device.ask]]\ntype = \"UpdateCheck\"\n{COMPONENT}");
    let world = watched_by(ALLOWED, &[&asks]).await;
    let ended = wished(&world).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(ended.job()["package"]["id"], SETTINGS, "{:#}", ended.job());
    assert_eq!(answered(&world, &kind("UpdateCheck")), [200]);
    assert!(world.component(D1, NETWORK).unwrap().1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_2_2_t_ci_1_an_operation_that_downloads_is_asked_for_by_its_node() {
    let source = "./SCOMO/Download/x/Operations/DownloadInstallInactive";
    let asks = format!("[[device.ask]]\ntype = \"DeviceRequest\"\nsource = \"{source}\"\ndata = \"{HELLO}\"");
    let big = format!("[device.devdetail]\nlrgobj = false\n[device.limits]\nmax_msg_size = 2048\n{asks}");
    let world = watched_by(ALLOWED, &[&big]).await;
    let ended = wished(&world).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), false)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_4_3_2_t_ci_1_an_operation_that_the_device_asked_for_by_its_node_is_executed() {
    for (operation, expected, left) in [
        ("Deactivate", Operation::Deactivate, Some(("1.1.0".to_owned(), false))),
        ("Remove", Operation::RemoveComponent, None),
    ] {
        let source = format!("./SCOMO/Inventory/Deployed/{HELLO_SCRIPT}/Operations/{operation}");
        let asks = format!("{COMPONENT}\n[[device.ask]]\ntype = \"DeviceRequest\"\nsource = \"{source}\"");
        let world = watched_by(ALLOWED, &[&asks]).await;
        let ended = wished(&world).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(world.watch.executed(D1), [(expected, 1200)]);
        assert_eq!(targets(&said(&world), "Exec"), [source]);
        assert_eq!(world.component(D1, HELLO_SCRIPT), left);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ci_1_what_the_class_does_not_allow_is_answered_202_and_makes_no_work() {
    let asks = "[[device.ask]]\ntype = \"DeviceRequest\"\ndata = \"org.example.hello\"";
    for settings in ["", class!("requests = [\"user\"]")] {
        let world = watched_by(settings, &[asks]).await;
        let alert = until("the alert", async || told(&world, "scomo.device.alert").await.pop()).await;
        assert_eq!(alert["data"]["type"], kind("DeviceRequest"));
        world.fleet.idle().await;
        assert_eq!(answered(&world, &kind("DeviceRequest")), [202]);
        assert_eq!(told(&world, "scomo.request.accepted").await, Vec::<Value>::new());
        assert_eq!(world.api.get("jobs").await["jobs"], json!([]));
        let asked = world.tree(D1).asks;
        assert_eq!((asked.len(), asked[0].sent, asked[0].status), (1, 1, Some(202)), "it is not asked again");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ci_1_a_request_beside_other_work_is_answered_202_and_done_after_it() {
    let world = watched_by(ALLOWED, &[""]).await;
    let ask = with(download(SETTINGS, "install", "direct"), json!({ "notify": "never" }));
    world.api.submit("queued", &[D1], ask).await;
    world.fleet.device(D1).unwrap().ask(&Ask::new("UserRequest").about(HELLO));
    let queued = world.api.ended("queued").await;
    assert_eq!(queued.outcome(), ("succeeded", Some(1200)), "{:#}", queued.job());
    let accepted = told(&world, "scomo.request.accepted").await;
    let own = accepted.iter().find(|event| event["data"]["source"] == "device").unwrap();
    let ended = world.api.ended(own["data"]["request_id"].as_str().unwrap()).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(answered(&world, &kind("UserRequest")), [202]);
    world.fleet.idle().await;
    assert!(world.component(D1, NETWORK).is_some() && world.component(D1, HELLO_SCRIPT).is_some());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_ci_2_a_session_that_the_device_opens_runs_queued_work_and_makes_none() {
    let world = watched_by(ALLOWED, &[""]).await;
    let device = world.fleet.device(D1).unwrap();
    device.start_session();
    world.watch.until(D1, |event| matches!(event, Event::SessionClosed { .. })).await;
    world.fleet.idle().await;
    assert_eq!(world.api.get("jobs").await["jobs"], json!([]));
    assert_eq!(targets(&said(&world), "Exec"), Vec::<String>::new());
    let ask = with(download(HELLO, "install", "direct"), json!({ "notify": "never" }));
    world.api.submit("r", &[D1], ask).await;
    device.start_session();
    let ended = world.api.ended("r").await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    world.fleet.idle().await;
    assert_eq!(world.watch.count(D1, |event| matches!(event, Event::Notified { .. })), 0, "nobody woke it");
    assert!(super::alerts(&heard(&world)).contains(&"1201".to_owned()));
    assert_eq!(world.api.get("jobs").await["jobs"].as_array().unwrap().len(), 1);
    world.end().await;
}
