//! What a device asks for, and what it says of its own accord (rows T-CI of the matrix).

use std::time::Duration;

use scomo::{
    infra::store::{Json, Write, device::InventoryRow, job::JobRow},
    model::digest::Digest,
};
use serde_json::{Value, json};

use super::stage::{DEVICE, Stage, commands, report, status};

const ALLOWED: &str = "[[device_class]]\nname = \"asks\"\nmatch = \"dev.man == 'Acme'\"\n\
                       [device_class.scomo]\nrequests = [\"user\", \"update\"]\nrequests_per_hour = 3\n";
const USER: &str = "org.openmobilealliance.dm.softwarecomponent.userrequest";

/// An alert of the command number `id`.
fn alert(id: u32, r#type: &str, source: &str, data: &str) -> String {
    let source = if source.is_empty() { String::new() } else { format!("<Source><LocURI>{source}</LocURI></Source>") };
    format!(
        "<Alert><CmdID>{id}</CmdID><Data>1226</Data><Item>{source}<Meta>\
         <Type xmlns='syncml:metinf'>Reversed-Domain-Name: {type}</Type><Format xmlns='syncml:metinf'>chr</Format></Meta>\
         <Data>{data}</Data></Item></Alert>"
    )
}

fn record(job: &JobRow) -> Value {
    job.body.read().unwrap()
}

async fn ready() -> Stage {
    let stage = Stage::with(ALLOWED).await;
    stage.register().await;
    stage
}

#[tokio::test]
async fn t_ci_1_a_user_request_is_work_of_this_session_and_answered_200() {
    let stage = ready().await;
    let answer = stage.open("1", &alert(9, USER, "", "")).await;
    assert_eq!(status(&answer, "9"), [200]);
    assert!(!commands(&answer).is_empty(), "it is taken up at once");
    let told = ["scomo.device.alert", "scomo.request.accepted", "scomo.job.in_session"];
    assert_eq!(stage.told().await, told);
    let events = stage.events().await;
    assert_eq!((&events[1]["data"]["source"], &events[1]["data"]["jobs"]), (&json!("device"), &json!(1)));
    let job = stage.jobs().await.remove(0);
    let record = record(&job);
    assert_eq!((&record["source"], &record["order"]["on_request"]), (&json!("device"), &json!(true)));
    assert_eq!((job.device_id.as_str(), job.state.as_str()), (DEVICE, "in_session"));
    let request = stage.store.request(job.request).await.unwrap().unwrap();
    assert_eq!(request.request_id.as_str(), events[1]["data"]["request_id"]);
    stage.refuse_to_the_end(answer).await;
    assert_eq!(stage.told().await[3..], ["scomo.job.not_applicable"]);
}

#[tokio::test]
async fn t_ci_1_a_request_that_the_class_does_not_allow_is_answered_202_and_forgotten() {
    let stage = ready().await;
    let device = USER.replace("userrequest", "devicerequest");
    let answer = stage.open("1", &alert(9, &device, "./SCM", "org.example.hello")).await;
    assert_eq!((status(&answer, "9"), commands(&answer).len()), (vec![202], 0));
    assert_eq!((stage.told().await, stage.jobs().await.len()), (vec!["scomo.device.alert".to_owned()], 0));
    let nobody = Stage::set().await;
    nobody.register().await;
    assert_eq!(status(&nobody.open("1", &alert(9, USER, "", "")).await, "9"), [202], "none is the default");
}

#[tokio::test]
async fn t_ci_2_a_plain_session_runs_queued_work_and_invents_none() {
    let stage = ready().await;
    let nothing = stage.open("1", "").await;
    assert_eq!((commands(&nothing).len(), stage.jobs().await.len()), (0, 0));
    let queued = stage.ask("r", &json!({})).await;
    assert!(!commands(&stage.open("2", "").await).is_empty());
    assert_eq!((stage.state(&queued).await, stage.jobs().await.len()), ("in_session".to_owned(), 1));
}

#[tokio::test]
async fn a_request_that_is_made_again_while_its_job_lives_is_one() {
    let stage = ready().await;
    let both = alert(9, USER, "", "") + &alert(10, USER, "./SCM", "");
    let answer = stage.open("1", &both).await;
    assert_eq!((status(&answer, "9"), status(&answer, "10")), (vec![200], vec![200]));
    let again = stage.open("2", &alert(9, USER, "", "")).await;
    assert_eq!((status(&again, "9"), stage.jobs().await.len()), (vec![200], 1));
    stage.refuse_to_the_end(again).await;
    stage.open("3", &alert(9, USER, "", "")).await;
    assert_eq!(stage.jobs().await.len(), 2, "its job had ended");
}

#[tokio::test]
async fn a_request_that_meets_another_job_is_queued_and_taken_up_after_it() {
    let stage = ready().await;
    let other = stage.ask("r", &json!({})).await;
    let answer = stage.open("1", &alert(9, USER, "", "org.example.adder")).await;
    assert_eq!(status(&answer, "9"), [202]);
    let asked = stage.jobs().await.remove(1);
    assert_eq!((stage.state(&other).await, asked.state.as_str()), ("in_session".to_owned(), "waiting"));
    stage.refuse_to_the_end(answer).await;
    assert_eq!(
        (stage.state(&other).await, stage.state(&asked).await),
        ("not_applicable".to_owned(), "not_applicable".to_owned()),
        "both were worked on in this session"
    );
}

#[tokio::test]
async fn a_request_whose_message_ends_the_job_in_hand_is_taken_up_in_that_message() {
    let stage = ready().await;
    let list = json!({ "kind": "command", "commands": [{ "do": "get", "uri": "./A" }], "retry": { "limit": 0 } });
    let other = stage.ask("r", &list).await;
    let mut asked = stage.open("1", "").await;
    let answer = loop {
        let reply = super::stage::read(&stage.refuse_with(&asked, &alert(90, USER, "", "")).await);
        if stage.state(&other).await == "failed" {
            break reply;
        }
        assert_eq!(status(&reply, "90"), [202], "the other job is in hand");
        asked = reply;
    };
    assert_eq!((status(&answer, "90"), stage.jobs().await.len()), (vec![200], 2));
    assert!(!commands(&answer).is_empty());
}

#[tokio::test]
async fn a_package_is_asked_for_by_name_and_a_vendors_own_data_names_none() {
    for (data, package, on_request) in [
        ("org.example.hello@1.0.0", json!({ "id": "org.example.hello", "version": "1.0.0" }), Value::Null),
        ("com.vendor.unheard-of", json!({ "id": "com.vendor.unheard-of" }), Value::Null),
        ("1", Value::Null, json!(true)),
        ("", Value::Null, json!(true)),
    ] {
        let stage = ready().await;
        stage.open("1", &alert(9, USER, "./SCM", data)).await;
        let order = record(&stage.jobs().await[0])["order"].clone();
        assert_eq!((&order["package"], &order["on_request"]), (&package, &on_request), "{data}");
    }
}

#[tokio::test]
async fn an_operation_node_asks_for_that_operation() {
    let inventory = json!({ "packages": [{ "node": "X1", "pkg_id": "org.example.hello@1.1.0" }], "components": [] });
    for (source, order) in [
        (
            "./SCM/Download/X/Operations/Download",
            json!({ "kind": "download", "action": "deliver", "delivery": "auto",
            "allow_downgrade": false, "on_request": true }),
        ),
        (
            "./SCM/Inventory/Delivered/X1/Operations/Remove",
            json!({ "kind": "package_operation", "operation": "remove",
            "package": { "id": "org.example.hello", "version": "1.1.0" },
            "pkg_ids": ["org.example.hello@1.1.0", "org.example.hello"] }),
        ),
        (
            "./SCM/Inventory/Deployed/org.example.c/Operations/Activate",
            json!({ "kind": "component_operation",
            "operation": "activate", "component": "org.example.c" }),
        ),
    ] {
        let stage = Stage::with(ALLOWED).await;
        let device = stage.register().await;
        let (body, digest) = (Json::of("test", &inventory).unwrap(), Digest::of(b""));
        stage.put(Write::InventoryPut(InventoryRow { device: device.key, body, digest, read_at: stage.now() })).await;
        let answer = stage.open("1", &alert(9, USER, source, "")).await;
        assert_eq!(status(&answer, "9"), [200], "{source}");
        assert_eq!(record(&stage.jobs().await[0])["order"], order, "{source}");
    }
    let stage = ready().await;
    let answer = stage.open("1", &alert(9, USER, "./SCM/Download/X/Operations/Explode", "")).await;
    assert_eq!((status(&answer, "9"), stage.jobs().await.len()), (vec![202], 0));
}

#[tokio::test]
async fn a_device_that_asks_too_often_has_to_wait() {
    let stage = ready().await;
    let many: String = (0..6).map(|n| alert(10 + n, USER, "", &format!("org.example.p{n}"))).collect();
    let answer = stage.open("1", &many).await;
    assert_eq!(stage.jobs().await.len(), 3);
    assert_eq!(
        (status(&answer, "10"), status(&answer, "11"), status(&answer, "15")),
        (vec![200], vec![202], vec![202])
    );
    stage.refuse_to_the_end(answer).await;
    stage.open("2", &alert(9, USER, "", "")).await;
    assert_eq!(stage.jobs().await.len(), 3);
    stage.db.clock.forward(Duration::from_mins(61));
    stage.open("3", &alert(9, USER, "", "")).await;
    assert_eq!(stage.jobs().await.len(), 4);
}

#[tokio::test]
async fn every_alert_of_a_device_that_proved_itself_is_told_on() {
    let stage = ready().await;
    let foreign = alert(9, "com.vendor.battery", "./Battery", "12");
    let event = "<Alert><CmdID>10</CmdID><Data>1224</Data><Item><Meta><Type xmlns='syncml:metinf'>com.vendor.login</Type>\
                 </Meta><Data>user</Data></Item></Alert>";
    let answer = stage.open("A1", &(foreign.clone() + event)).await;
    assert_eq!((status(&answer, "9"), status(&answer, "10")), (vec![415], vec![200]));
    let events = stage.events().await;
    assert_eq!(
        events[0]["data"],
        json!({ "device": DEVICE, "alert": 1226, "type": "com.vendor.battery", "source": "./Battery", "format": "chr",
            "data": "12", "known": false, "session": "A1" })
    );
    assert_eq!((&events[0]["type"], &events[0]["subject"]), (&json!("scomo.device.alert"), &json!(DEVICE)));
    assert_eq!((&events[1]["data"]["alert"], &events[1]["data"]["data"]), (&json!(1224), &json!("user")));
    stage.post(&super::stage::first("7", "wrong", &foreign), None).await;
    assert_eq!(stage.told().await.len(), 2, "nothing of a device that did not prove itself");
    let many: String = (0..40).map(|n| alert(10 + n, "com.vendor.battery", "", "12")).collect();
    stage.open("8", &many).await;
    assert_eq!(stage.told().await.len(), 2 + 32);
}

#[tokio::test]
async fn t_rpt_7_a_report_told_twice_is_answered_200_twice_and_has_one_effect() {
    let stage = ready().await;
    let job = stage.ask("r", &json!({ "retry": { "limit": 3, "backoff": "2h" } })).await;
    super::sent_an_exec(&stage, &job, "c0rrelator").await;
    stage.step(&job, [scomo::job::life::Event::SessionOpened, scomo::job::life::Event::Cancel]).await;
    let twice = report("c0rrelator", 1200) + &report("c0rrelator", 1200).replace("<CmdID>3<", "<CmdID>4<");
    let answer = stage.open("1", &twice).await;
    assert_eq!((status(&answer, "3"), status(&answer, "4")), (vec![200], vec![200]));
    let late = stage.told().await.into_iter().filter(|kind| kind == "scomo.job.late_result").count();
    assert_eq!(late, 1);
}

#[tokio::test]
async fn t_rpt_8_of_two_reports_in_one_message_the_worse_counts_whatever_their_order() {
    for codes in [[1200, 1405], [1405, 1200]] {
        let stage = ready().await;
        let job = stage.ask("r", &json!({})).await;
        super::sent_an_exec(&stage, &job, "c0rrelator").await;
        stage.step(&job, [scomo::job::life::Event::SessionOpened, scomo::job::life::Event::Cancel]).await;
        let second = report("c0rrelator", codes[1]).replace("<CmdID>3<", "<CmdID>4<");
        stage.open("1", &(report("c0rrelator", codes[0]) + &second)).await;
        let events = stage.events().await;
        let late: Vec<&Value> = events.iter().filter(|e| e["type"] == "scomo.job.late_result").collect();
        assert_eq!(late.len(), 1);
        assert_eq!(late[0]["data"]["result"]["code"], 1405, "{codes:?}");
    }
}
