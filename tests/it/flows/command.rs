//! Lists of commands on a device's tree (`kind: "command"`).

use scomo::wire::syncml::Command;
use serde_json::{Value, json};

use super::{HELLO_SCRIPT, device};
use crate::support::{
    api::with,
    database::{Database, on_each_database},
    phone::{Phone, basic},
    world::World,
};

const D1: &str = "dev-1";
/// A device that says what the test wants.
const RAW: &str = "raw";

fn commands(list: Value) -> Value {
    let mut ask = json!({ "kind": "command" });
    ask["commands"] = list;
    ask
}

fn grouped(group: &str, list: Value) -> Value {
    with(commands(list), json!({ "group": group }))
}

/// The outcome of each item.
fn outcomes(job: &Value) -> Vec<&str> {
    let items = job["result"]["items"].as_array().unwrap_or_else(|| panic!("{job:#}"));
    items.iter().map(|item| item["outcome"].as_str().unwrap()).collect()
}

fn prompt(kind: &str) -> Value {
    json!({ "do": "prompt", "prompt": kind, "text": { "en": "Well?" }, "max_seconds": 30 })
}

/// A device with an active component, which its operations may be run on.
fn deployed(tables: &str) -> String {
    device(
        1,
        &format!("{tables}\n[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.1.0\"\nactive = true"),
    )
}

/// Where the only component of a device stands in its tree.
async fn component(world: &World) -> String {
    let get = json!({ "do": "get", "uri": "./SCOMO/Inventory/Deployed" });
    let ended = world.run("where", commands(json!([get]))).await;
    let children = &ended.job()["result"]["items"][0]["value"]["children"];
    let name = children.as_object().unwrap_or_else(|| panic!("{:#}", ended.job())).keys().next().unwrap();
    format!("./SCOMO/Inventory/Deployed/{name}")
}

on_each_database! {
    async fn a_list_is_done_in_order_with_a_result_for_each(db: Database) {
        let world = World::with(db, &device(1, "")).await;
        let list = json!([
            { "do": "get", "uri": "./DevDetail/FwV" },
            { "do": "add", "uri": "./Box" },
            { "do": "add", "uri": "./Box/Note", "format": "chr", "value": "first" },
            { "do": "replace", "uri": "./Box/Note", "value": "second" },
            { "do": "copy", "from": "./Box/Note", "to": "./Box/Copy" },
            { "do": "delete", "uri": "./Box/Note" },
            { "do": "get", "uri": "./Box" },
        ]);
        let ended = world.run("r", commands(list)).await;
        assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
        assert_eq!(outcomes(ended.job()), vec!["done"; 7]);
        let items = &ended.job()["result"]["items"];
        assert_eq!(items[0]["value"]["format"], "chr");
        assert!(!items[0]["value"]["value"].as_str().unwrap().is_empty());
        assert_eq!(items[6]["value"], json!({ "children": { "Copy": { "format": "chr", "value": "second" } } }));
        let shown = world.api.job("r").await;
        assert_eq!((&shown["result"]["items"], &shown["order"]["kind"]), (items, &json!("command")));
        assert_eq!(world.watch.sessions(D1), 1);
        world.end().await;
    }

    async fn a_list_stops_at_the_first_command_that_the_device_refuses(db: Database) {
        let world = World::with(db, &device(1, "")).await;
        let list = json!([
            { "do": "add", "uri": "./Box" },
            { "do": "replace", "uri": "./Box/Nothing", "value": "x" },
            { "do": "add", "uri": "./Box/Note", "value": "x" },
        ]);
        let ended = world.run("r", with(commands(list), json!({ "retry": { "limit": 3, "backoff": "1s" } }))).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        assert_eq!(outcomes(ended.job()), ["done", "failed", "skipped"]);
        let result = &ended.job()["result"];
        assert_eq!((&result["class"], &result["device_code"]), (&json!("refused"), &json!(404)));
        assert_eq!((&result["retryable"], &ended.job()["attempt"]), (&json!(false), &json!(1)), "something was added");
        assert_eq!(result["items"][1]["status"], 404);
        world.end().await;
    }

    async fn an_operation_is_awaited_and_its_report_is_its_result(db: Database) {
        let world = World::with(db, &deployed("")).await;
        let at = component(&world).await;
        let list = json!([
            { "do": "exec", "uri": format!("{at}/Operations/Deactivate") },
            { "do": "add", "uri": "./Box" },
        ]);
        let ended = world.run("r", commands(list)).await;
        assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
        assert!(ended.told().contains(&"awaiting_report"), "{:?}", ended.told());
        assert_eq!(outcomes(ended.job()), ["done", "done"]);
        let item = &ended.job()["result"]["items"][0];
        assert_eq!(item["status"], 1200);
        assert!(item["text"].as_str().unwrap().contains("1200"), "{item:#}");
        assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), false)));
        world.end().await;
    }

    async fn an_operation_that_fails_stops_the_list(db: Database) {
        let forced = "[[device.result]]\noperation = \"Deactivate\"\ncode = 1405";
        let world = World::with(db, &deployed(forced)).await;
        let at = component(&world).await;
        let list = json!([
            { "do": "exec", "uri": format!("{at}/Operations/Deactivate") },
            { "do": "add", "uri": "./Box" },
        ]);
        let ended = world.run("r", with(commands(list), json!({ "retry": { "limit": 3, "backoff": "1s" } }))).await;
        assert_eq!(ended.outcome(), ("failed", Some(1405)), "{:#}", ended.job());
        assert_eq!((outcomes(ended.job()), &ended.job()["attempt"]), (vec!["failed", "skipped"], &json!(1)));
        assert_eq!(world.watch.executed(D1).len(), 1);
        world.end().await;
    }

    async fn a_user_may_allow_or_decline_the_rest(db: Database) {
        let devices = [(1, "accept"), (2, "decline"), (3, "none")];
        let devices = devices.map(|(number, user)| device(number, &format!("user = \"{user}\"")));
        let world = World::with(db, &devices.concat()).await;
        for (name, group) in [("Alone", json!({})), ("Grouped", json!({ "group": "sequence" }))] {
            let list = json!([prompt("confirm"), { "do": "add", "uri": format!("./{name}") }]);
            let ended = world.run(name, with(commands(list), group)).await;
            let end = |device: &str| (ended.jobs[device]["state"].as_str().unwrap(), outcomes(&ended.jobs[device]));
            assert_eq!(end("dev-1"), ("succeeded", vec!["answered", "done"]));
            assert_eq!(end("dev-2"), ("declined", vec!["answered", "skipped"]));
            assert_eq!(ended.jobs["dev-2"]["result"]["items"][0]["value"], json!({ "answer": "no" }));
            assert!(ended.states["dev-2"].iter().any(|state| state == "awaiting_user"), "{:?}", ended.states);
            // A refused question does not stop a Sequence.
            assert_eq!(end("dev-3"), ("failed", vec!["failed", if name == "Alone" { "skipped" } else { "done" }]));
            assert_eq!(ended.jobs["dev-3"]["result"]["class"], "incapable");
        }
        world.end().await;
    }

    async fn an_atomic_list_is_all_or_nothing(db: Database) {
        let world = World::with(db, &device(1, "")).await;
        let list = json!([
            { "do": "add", "uri": "./Box" },
            { "do": "add", "uri": "./Box/Note", "value": "x" },
            { "do": "delete", "uri": "./DevInfo/DevId" },
        ]);
        let ended = world.run("r", grouped("atomic", list)).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        assert_eq!(outcomes(ended.job()), ["skipped", "skipped", "failed"]);
        assert_eq!(ended.job()["result"]["items"][0]["status"], 216);
        let there = world.run("there", commands(json!([{ "do": "get", "uri": "./Box" }]))).await;
        assert_eq!(there.job()["result"]["device_code"], 404, "nothing of it was kept");
        let list = json!([
            { "do": "add", "uri": "./Box" },
            { "do": "add", "uri": "./Box/Note", "value": "x" },
        ]);
        let ended = world.run("again", grouped("atomic", list)).await;
        assert_eq!((ended.outcome(), outcomes(ended.job())), (("succeeded", None), vec!["done", "done"]));
        world.end().await;
    }

    async fn an_operation_whose_session_was_lost_is_not_run_again(db: Database) {
        let world = World::with(db, "").await;
        world.api.add_device(json!({ "id": RAW, "user": "raw-user", "secret": "pw", "scheme": "basic" })).await;
        let list = json!([{ "do": "exec", "uri": "./Vendor/Op" }, { "do": "delete", "uri": "./Vendor/Old" }]);
        world.api.submit("r", &[RAW], commands(list)).await;
        let proof = basic("raw-user", "pw");
        let mut phone = Phone::new(world.server.device(), RAW);
        let said = phone.open(&proof).await.message().body.commands;
        let exec = said.into_iter().find_map(|c| if let Command::Exec(exec) = c { Some(exec) } else { None }).unwrap();
        // Its answer is lost; the device comes again, and again with a report of its own kind.
        let mut phone = Phone::new(world.server.device(), RAW);
        phone.session = "B1".to_owned();
        assert_eq!(phone.open(&proof).await.wants(), 0, "the operation may be under way");
        assert_eq!(world.api.job("r").await["state"], "awaiting_report");
        let mut phone = Phone::new(world.server.device(), RAW);
        phone.session = "B2".to_owned();
        let alert = format!(
            "<Alert><CmdID>7</CmdID><Data>1226</Data><Correlator>{}</Correlator><Item><Meta><Type>com.vendor.done</Type>\
             <Format>chr</Format></Meta><Data>all is well</Data></Item></Alert><Final/>",
            exec.correlator.unwrap()
        );
        let answer = phone.say(&proof, &Phone::pkg1().replace("<Final/>", &alert)).await;
        assert!(answer.statuses().contains(&("7".to_owned(), "200".to_owned())), "{:?}", answer.statuses());
        assert_eq!(answer.wants(), 1, "the list goes on");
        phone.answer(404, "").await;
        let ended = world.api.ended("r").await;
        assert_eq!((ended.outcome(), outcomes(ended.job())), (("succeeded", None), vec!["done", "done"]));
        assert_eq!(ended.job()["result"]["items"][0]["text"], "all is well");
        world.end().await;
    }

    async fn a_question_whose_answer_was_lost_leaves_the_job_in_doubt(db: Database) {
        let world = World::with(db, "").await;
        world.api.add_device(json!({ "id": RAW, "user": "raw-user", "secret": "pw", "scheme": "basic" })).await;
        let list = json!([prompt("input"), { "do": "delete", "uri": "./Vendor/Old" }]);
        world.api.submit("r", &[RAW], commands(list)).await;
        let proof = basic("raw-user", "pw");
        assert_eq!(Phone::new(world.server.device(), RAW).open(&proof).await.wants(), 1);
        let mut phone = Phone::new(world.server.device(), RAW);
        phone.session = "B1".to_owned();
        assert_eq!(phone.open(&proof).await.wants(), 0);
        let ended = world.api.ended("r").await;
        assert_eq!((ended.outcome(), outcomes(ended.job())), (("in_doubt", None), vec!["unknown", "skipped"]));
        world.end().await;
    }

    async fn what_is_done_so_far_is_told_when_a_list_is_cancelled(db: Database) {
        let world = World::with(db, "").await;
        world.api.add_device(json!({ "id": RAW, "user": "raw-user", "secret": "pw", "scheme": "basic" })).await;
        let list = json!([{ "do": "delete", "uri": "./A" }, { "do": "exec", "uri": "./B" }, { "do": "get", "uri": "./C" }]);
        world.api.submit("r", &[RAW], commands(list)).await;
        let mut phone = Phone::new(world.server.device(), RAW);
        phone.open(&basic("raw-user", "pw")).await;
        phone.answer(200, "").await;
        world.api.cancel("r").await;
        let ended = world.api.ended("r").await;
        assert_eq!((ended.outcome(), outcomes(ended.job())), (("cancelled", None), vec!["done", "unknown", "skipped"]));
        world.end().await;
    }
}
