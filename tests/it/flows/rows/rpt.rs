//! T-RPT: how the end of an operation is told.

use scomo::{sim::Operation, wire::syncml::Command};
use serde_json::{Value, json};

use super::{D1, answered, codes, heard, history, named, said, watched, watched_by};
use crate::{
    flows::{HELLO, HELLO_SCRIPT, NETWORK, SETTINGS},
    support::{
        api::{Ended, download, on_component},
        database::Database,
        world::World,
    },
};

const COMPONENT: &str = "[[device.scomo.component]]\nid = \"org.example.hello.script\"\nversion = \"1.1.0\"";
const TYPE: &str = "urn:oma:at:scomo:1.0:OperationComplete";

/// Installs the package directly on a device that is like this.
async fn installed(tables: &str) -> (World, Ended) {
    let world = watched(tables).await;
    let ended = world.run("r", download(HELLO, "install", "direct")).await;
    (world, ended)
}

/// The events of alerts so far.
async fn told(world: &World) -> Vec<Value> {
    let page = world.api.get("events?after=0&limit=1000").await;
    let events = page["events"].as_array().unwrap().iter();
    events.filter(|event| event["type"] == "scomo.device.alert").cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_1_a_result_code_in_the_status_is_the_end() {
    let (world, ended) = installed("[device.scomo]\nsync = [\"Install\"]").await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(codes(&heard(&world), "Exec"), [1200]);
    assert_eq!((world.watch.sessions(D1), ended.told().contains(&"awaiting_report")), (1, false));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_2_a_failure_in_the_status_is_the_end() {
    let tables = format!(
        "[device.scomo]\nsync = [\"RemoveComponent\"]\n[[device.result]]\noperation = \"RemoveComponent\"\ncode = 1408\n{COMPONENT}"
    );
    let world = watched(&tables).await;
    let ended = world.run("r", on_component("remove", HELLO_SCRIPT)).await;
    assert_eq!(ended.outcome(), ("failed", Some(1408)), "{:#}", ended.job());
    assert_eq!(codes(&heard(&world), "Exec"), [1408]);
    assert_eq!((world.watch.sessions(D1), ended.told().contains(&"awaiting_report")), (1, false));
    assert!(world.component(D1, HELLO_SCRIPT).is_some());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_3_a_plain_200_is_success() {
    let (world, ended) = installed("[device.scomo]\nsync = [\"Install\"]\nsync_plain = true").await;
    assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
    assert_eq!(codes(&heard(&world), "Exec"), [200]);
    assert_eq!((world.watch.sessions(D1), ended.told().contains(&"awaiting_report")), (1, false));
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_4_an_exec_that_is_refused_is_not_waited_for() {
    for code in [403, 405, 425] {
        let (world, ended) = installed(&format!("[[device.result]]\noperation = \"Install\"\nrefuse = {code}")).await;
        assert_eq!(ended.outcome(), ("failed", None), "{code}: {:#}", ended.job());
        let result = &ended.job()["result"];
        assert_eq!((&result["class"], &result["device_code"]), (&json!("refused"), &json!(code)));
        assert_eq!((world.watch.sessions(D1), ended.told().contains(&"awaiting_report")), (1, false), "{code}");
        assert_eq!(world.component(D1, HELLO_SCRIPT), None);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_5_a_report_in_a_later_session_is_joined_by_its_correlator() {
    let (world, ended) = installed("report = { source = \"none\", identifier = \"none\" }").await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    let execs = named(&said(&world), "Exec");
    let [Command::Exec(exec)] = execs.as_slice() else { panic!("{execs:?}") };
    let with_report = |message: &&scomo::wire::syncml::Message| {
        message.body.commands.iter().any(|c| matches!(c, Command::Alert(alert) if alert.data == "1226"))
    };
    let heard = heard(&world);
    let report = heard.iter().find(with_report).unwrap();
    assert_eq!(report.header.msg_id, "1", "package 1");
    assert_ne!(report.header.session_id, heard[0].header.session_id);
    let alerts = named(std::slice::from_ref(report), "Alert");
    let correlators: Vec<_> = alerts
        .iter()
        .filter_map(|c| if let Command::Alert(alert) = c { alert.correlator.clone() } else { None })
        .collect();
    assert_eq!(Some(&correlators[0]), exec.correlator.as_ref());
    assert_eq!(answered(&world, TYPE), [200]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_6_a_report_without_a_correlator_is_joined_by_its_source() {
    for source in ["operation", "entry", "root"] {
        let tables = format!(
            "report = {{ correlator = \"omit\", identifier = \"none\", source = \"{source}\" }}\n\
             [[device.result]]\noperation = \"Install\"\ncode = 1406"
        );
        let (world, ended) = installed(&tables).await;
        assert_eq!(ended.outcome(), ("failed", Some(1406)), "{source}: {:#}", ended.job());
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_7_a_report_that_comes_again_is_answered_and_changes_nothing() {
    let (world, ended) = installed("report = { repeat = 1 }").await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    let again = |event: &scomo::sim::Event| matches!(event, scomo::sim::Event::Reported { .. });
    crate::support::watch::until("the second report", async || (world.watch.count(D1, again) == 2).then_some(())).await;
    world.fleet.idle().await;
    let operations = world.tree(D1).operations;
    assert_eq!((operations.len(), operations[0].answers.as_slice()), (1, [200, 200].as_slice()));
    // Nothing was told a second time, late results neither: events come in order, and a later one has come.
    assert_eq!(world.run("later", download(HELLO, "install", "direct")).await.outcome(), ("already_done", None));
    let kinds: Vec<Value> = world.api.events("r").await.into_iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "scomo.job.succeeded").count(), 1, "{kinds:?}");
    assert!(!kinds.contains(&json!("scomo.job.late_result")), "{kinds:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_8_several_components_are_told_together_or_apart_and_all_recorded() {
    for (how, alerts) in [("together", 1), ("apart", 3)] {
        let world = watched(&format!("report = {{ items = \"{how}\" }}")).await;
        let ended = world.run("r", download(SETTINGS, "install", "direct")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{how}: {:#}", ended.job());
        assert_eq!(answered(&world, TYPE), vec![200; alerts], "{how}");
        let told = told(&world).await;
        let told = told.iter().map(ToString::to_string).collect::<String>();
        for component in [NETWORK, "org.example.settings.display", "org.example.settings.logging"] {
            assert!(world.component(D1, component).is_some_and(|(_, active)| active), "{how}");
            assert!(told.contains(component), "{how}: {told}");
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_8_the_worst_result_of_several_components_counts_wherever_it_stands() {
    for (how, order) in [("together", [0, 1]), ("together", [1, 0]), ("apart", [0, 1]), ("apart", [1, 0])] {
        let both = [
            format!("{{ id = \"{HELLO_SCRIPT}\", version = \"1.1.0\" }}"),
            "{ id = \"org.example.other\", fails = 1405 }".to_owned(),
        ];
        let components = order.map(|at: usize| both[at].as_str()).join(", ");
        let device = format!(
            "[[device]]\nid = \"dev-1\"\nreport = {{ items = \"{how}\" }}\n\
             [device.scomo.installer.\"org.example.hello@1.1.0\"]\ncomponents = [{components}]"
        );
        let world = World::with(Database::sqlite(), &device).await;
        let ended = world.run("r", download(HELLO, "install", "direct")).await;
        assert_eq!(ended.outcome(), ("failed", Some(1405)), "{how} {order:?}: {:#}", ended.job());
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)), "the other half");
        let alerts: Vec<_> = told(&world).await.into_iter().map(|alert| alert["data"]["data"].to_string()).collect();
        let both_are_told = ["1200", "1405"].iter().all(|code| alerts.iter().any(|data| data.contains(code)));
        assert!(both_are_told, "{how} {order:?}: {alerts:?}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_9_the_older_alert_type_is_known() {
    let old = "Reversed-Domain-Name: org.openmobilealliance.dm.softwarecomponent.OperationComplete";
    let tables =
        format!("[device.scomo]\nalert_type = \"{old}\"\n[[device.result]]\noperation = \"Install\"\ncode = 1412");
    let (world, ended) = installed(&tables).await;
    assert_eq!(ended.outcome(), ("failed", Some(1412)), "{:#}", ended.job());
    assert_eq!(answered(&world, old), [200]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_10_a_result_is_read_in_whatever_shape_it_comes() {
    let shapes = ["escaped", "cdata", "elements", "integer", "integer-fumo"];
    let formats = [None, Some("xml"), Some("text/plain"), Some("text/xml"), Some("")];
    let mut devices = Vec::new();
    for (shape, format) in shapes.iter().flat_map(|shape| formats.map(|format| (shape, format))) {
        let format = format.map(|format| format!(", format = \"{format}\"")).unwrap_or_default();
        devices.push(format!(
            "report = {{ shape = \"{shape}\"{format} }}\n[[device.result]]\noperation = \"Install\"\ncode = 1406"
        ));
    }
    let tables: Vec<&str> = devices.iter().map(String::as_str).collect();
    let world = watched_by("", &tables).await;
    let ended = world.run("r", download(HELLO, "install", "direct")).await;
    assert_eq!(ended.jobs.len(), devices.len());
    for (number, tables) in (1..).zip(&devices) {
        let job = &ended.jobs[&format!("dev-{number}")];
        assert_eq!((&job["state"], &job["result"]["code"]), (&json!("failed"), &json!(1406)), "{tables}: {job:#}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_11_an_alert_of_an_unknown_type_is_refused_and_the_session_goes_on() {
    let foreign = "urn:example:at:weather";
    let (world, ended) = installed(&format!("report = {{ foreign = \"{foreign}\" }}")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((answered(&world, foreign), answered(&world, TYPE)), (vec![415], vec![200]));
    let told = told(&world).await;
    let known: Vec<_> = told
        .iter()
        .filter(|event| event["data"]["type"] == foreign)
        .map(|event| event["data"]["known"].clone())
        .collect();
    assert_eq!(known, [json!(false)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rpt_12_a_mark_says_nothing_of_success() {
    let (world, ended) = installed("report = { mark = \"fatal\" }").await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    world.end().await;
    let (world, ended) =
        installed("report = { mark = \"harmless\" }\n[[device.result]]\noperation = \"Install\"\ncode = 1412").await;
    assert_eq!(ended.outcome(), ("failed", Some(1412)), "{:#}", ended.job());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_in_the_session_of_its_exec_ends_the_job_there() {
    let (world, ended) = installed("report = { when = \"session\" }").await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#} {}", ended.job(), history(&world, "r").await);
    assert_eq!((world.watch.sessions(D1), answered(&world, TYPE)), (1, vec![200]));
    assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
    world.end().await;
}
