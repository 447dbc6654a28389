//! Lists of commands on a device's tree (`kind: "command"`).

use serde_json::{Value, json};

use super::{HELLO_SCRIPT, device};
use crate::support::{
    api::with,
    database::{Database, on_each_database},
    phone::{Phone, basic},
    world::World,
};

const D1: &str = "dev-1";

fn commands(list: Value) -> Value {
    json!({ "kind": "command", "commands": list })
}

fn grouped(group: &str, list: Value) -> Value {
    json!({ "kind": "command", "commands": list, "group": group })
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
    device(1, &format!("{tables}\n[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.1.0\"\nactive = true"))
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
            { "do": "add", "uri": "./Vendor" },
            { "do": "add", "uri": "./Vendor/Note", "format": "chr", "value": "first" },
            { "do": "replace", "uri": "./Vendor/Note", "value": "second" },
            { "do": "copy", "from": "./Vendor/Note", "to": "./Vendor/Copy" },
            { "do": "delete", "uri": "./Vendor/Note" },
            { "do": "get", "uri": "./Vendor" },
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
            { "do": "add", "uri": "./Vendor" },
            { "do": "replace", "uri": "./Vendor/Nothing", "value": "x" },
            { "do": "add", "uri": "./Vendor/Note", "value": "x" },
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
            { "do": "add", "uri": "./Vendor" },
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
            { "do": "add", "uri": "./Vendor" },
        ]);
        let ended = world.run("r", with(commands(list), json!({ "retry": { "limit": 3, "backoff": "1s" } }))).await;
        assert_eq!(ended.outcome(), ("failed", Some(1405)), "{:#}", ended.job());
        assert_eq!((outcomes(ended.job()), &ended.job()["attempt"]), (vec!["failed", "skipped"], &json!(1)));
        assert_eq!(world.watch.executed(D1).len(), 1);
        world.end().await;
    }

    async fn a_user_may_allow_or_decline_the_rest(db: Database) {
        for (user, state, ends) in
            [("accept", "succeeded", ["answered", "done"]), ("decline", "declined", ["answered", "skipped"])]
        {
            let db = db.again().await;
            let world = World::with(db, &device(1, &format!("user = \"{user}\""))).await;
            let list = json!([prompt("confirm"), { "do": "add", "uri": "./Vendor" }]);
            for (id, ask) in [("alone", commands(list.clone())), ("grouped", grouped("sequence", list))] {
                let ended = world.run(id, ask).await;
                // The second list finds the node that the first one made.
                if (user, id) == ("accept", "grouped") {
                    assert_eq!(outcomes(ended.job()), ["answered", "failed"]);
                    assert_eq!(ended.job()["result"]["device_code"], 418);
                    continue;
                }
                assert_eq!((ended.outcome(), outcomes(ended.job())), ((state, None), ends.to_vec()), "{:#}", ended.job());
            }
            world.end().await;
        }
    }

    async fn an_atomic_list_is_all_or_nothing(db: Database) {
        let world = World::with(db, &device(1, "")).await;
        let list = json!([
            { "do": "add", "uri": "./Vendor" },
            { "do": "add", "uri": "./Vendor/Note", "value": "x" },
            { "do": "delete", "uri": "./DevInfo/DevId" },
        ]);
        let ended = world.run("r", grouped("atomic", list)).await;
        assert_eq!(ended.outcome(), ("failed", None), "{:#}", ended.job());
        assert_eq!(outcomes(ended.job()), ["skipped", "skipped", "failed"]);
        assert_eq!(ended.job()["result"]["items"][0]["status"], 216);
        let there = world.run("there", commands(json!([{ "do": "get", "uri": "./Vendor" }]))).await;
        assert_eq!(there.job()["result"]["device_code"], 404, "nothing of it was kept");
        let list = json!([
            { "do": "add", "uri": "./Vendor" },
            { "do": "add", "uri": "./Vendor/Note", "value": "x" },
        ]);
        let ended = world.run("again", grouped("atomic", list)).await;
        assert_eq!((ended.outcome(), outcomes(ended.job())), (("succeeded", None), vec!["done", "done"]));
        world.end().await;
    }
}
