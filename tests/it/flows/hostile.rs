//! What a device may not say, as raw bytes: it gets the answer that the sheet says, nothing falls over, and the session goes on.

use std::fmt::Write as _;

use scomo::wire::syncml::Command;
use serde_json::json;

use super::HELLO;
use crate::support::{
    api::download,
    database::{Database, on_each_database},
    phone::{Answer, Phone, basic, cred},
    watch::until,
    world::World,
};

const RAW: &str = "raw";

/// A server that has a job for the device `raw`.
async fn world(db: Database) -> World {
    let world = World::with(db, "").await;
    world.api.add_device(json!({ "id": RAW, "user": "raw-user", "secret": "pw", "scheme": "basic" })).await;
    world.api.submit("r", &[RAW], download(HELLO, "install", "auto")).await;
    world
}

fn proof() -> String {
    basic("raw-user", "pw")
}

/// A device in a session in which the server has just asked something.
async fn in_session(world: &World) -> Phone {
    let mut phone = Phone::new(world.server.device(), RAW);
    let answer = phone.open(&proof()).await;
    assert_eq!(codes(&answer)[0], ("0".to_owned(), "212".to_owned()));
    assert!(answer.wants() > 0, "the server has work for the device");
    phone
}

/// Goes on with the session as a device without a SCOMO object: the job's end shows that nothing was lost.
async fn goes_on(world: &World, phone: &mut Phone) {
    let mut rounds = 0;
    while phone.answer(404, "").await.wants() > 0 {
        rounds += 1;
        assert!(rounds < 20, "the session has no end");
    }
    let ended = world.api.ended("r").await;
    assert_eq!(ended.outcome(), ("not_applicable", None), "{:#}", ended.job());
    assert_eq!(ended.told(), ["in_session", "not_applicable"], "one session");
}

fn codes(answer: &Answer) -> Vec<(String, String)> {
    answer.statuses()
}

fn code_of(answer: &Answer, cmd_ref: &str) -> Option<String> {
    codes(answer).into_iter().find(|(id, _)| id == cmd_ref).map(|(_, code)| code)
}

on_each_database! {
    async fn what_is_no_message_is_refused_and_harms_no_session(db: Database) {
        let world = world(db).await;
        let mut phone = in_session(&world).await;
        let whole = phone.message(2, "", "<Final/>");
        let foreign = whole.replace("SYNCML:SYNCML1.2", "http://www.w3.org/1999/xhtml");
        let cases: [(&str, Vec<u8>); 8] = [
            ("not XML", b"device=raw&hello=world".to_vec()),
            ("nothing", Vec::new()),
            ("not UTF-8", vec![b'<', 0xFF, 0xFE, b'>']),
            ("truncated", whole.as_bytes()[..whole.len() / 2].to_vec()),
            ("foreign namespace", foreign.into_bytes()),
            ("entities", format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{}", whole.replace("DM/1.2", "&a;")).into_bytes()),
            ("no MsgID", whole.replace("<MsgID>2</MsgID>", "").into_bytes()),
            ("MsgID 0", whole.replace("<MsgID>2</MsgID>", "<MsgID>0</MsgID>").into_bytes()),
        ];
        for (what, body) in cases {
            let answer = phone.post(body).await;
            assert_eq!(answer.status, 400, "{what}: {}", String::from_utf8_lossy(&answer.body));
        }
        goes_on(&world, &mut phone).await;
        world.end().await;
    }

    async fn ten_megabytes_of_nesting_are_refused_at_once(db: Database) {
        let world = world(db).await;
        let mut phone = in_session(&world).await;
        // The server reads no further than it must: a device that goes on writing may find the line cut instead of the answer.
        let flood = phone.try_post("<a>".repeat(10_000_000 / 3)).await;
        assert!(flood.as_ref().map_or(true, |answer| answer.status == 413), "{flood:?}");
        let under_the_size = phone.message(2, "", &"<a>".repeat(300_000));
        let answer = tokio::time::timeout(std::time::Duration::from_secs(5), phone.post(under_the_size)).await.unwrap();
        assert_eq!(answer.status, 400);
        let wide = phone.message(2, "", &"<a/>".repeat(200_000));
        assert_eq!(phone.post(wide).await.status, 400);
        goes_on(&world, &mut phone).await;
        world.end().await;
    }

    async fn nobody_speaks_in_a_session_whose_url_he_does_not_know(db: Database) {
        let world = world(db).await;
        let mut phone = in_session(&world).await;
        let stranger = Phone::new(world.server.device(), RAW);
        let answer = stranger.post(stranger.message(2, "", "<Final/>")).await;
        assert_eq!(code_of(&answer, "0").as_deref(), Some("407"), "device and SessionID alone prove nothing");
        assert_eq!(answer.wants(), 0);
        goes_on(&world, &mut phone).await;
        world.end().await;
    }

    async fn an_unknown_command_gets_406_and_the_session_goes_on(db: Database) {
        let world = world(db).await;
        let mut phone = in_session(&world).await;
        let strange = "<Search><CmdID>77</CmdID><Data>x</Data></Search><Get><CmdID>78</CmdID><Item><Target><LocURI>./A</LocURI></Target></Item></Get>\
                       <Alert><CmdID>79</CmdID><Data>1224</Data><Item><Data>x</Data></Item></Alert><Alert><CmdID>80</CmdID><Data>moo</Data></Alert>";
        let answer = phone.answer(404, strange).await;
        let told = |id: &str| code_of(&answer, id).unwrap_or_default();
        assert_eq!([told("77"), told("78"), told("79"), told("80")], ["406", "405", "406", "400"]);
        goes_on(&world, &mut phone).await;
        world.end().await;
    }

    async fn a_msg_id_that_jumps_is_accepted_and_one_that_falls_is_not(db: Database) {
        let world = world(db).await;
        let mut phone = in_session(&world).await;
        phone.msg_id = 6;
        let answer = phone.answer(404, "").await;
        assert_eq!((answer.status, phone.msg_id), (200, 7));
        let old = phone.post(phone.message(3, "", "<Final/>")).await;
        assert_eq!(old.status, 400, "{}", String::from_utf8_lossy(&old.body));
        let same = phone.post(phone.message(7, "", "<Alert><CmdID>9</CmdID><Data>1222</Data></Alert><Final/>")).await;
        assert_eq!(same.status, 400, "another message under the last MsgID is no repeat");
        phone.hear(&answer);
        goes_on(&world, &mut phone).await;
        world.end().await;
    }

    async fn without_credentials_there_is_a_challenge_and_then_the_session(db: Database) {
        let world = world(db).await;
        let mut phone = Phone::new(world.server.device(), RAW);
        let answer = phone.open("").await;
        assert_eq!(codes(&answer), [("0", "407"), ("1", "407"), ("2", "407")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(answer.wants(), 0, "nothing is asked of a stranger");
        let challenge = |command| if let Command::Status(status) = command { status.chal } else { None };
        let chal = answer.message().body.commands.into_iter().find_map(challenge);
        assert_eq!(chal.unwrap().meta.r#type.as_deref(), Some("syncml:auth-basic"));
        assert_eq!(world.api.job("r").await["state"], "waiting", "the job is not touched");
        let answer = phone.open(&proof()).await;
        assert_eq!(code_of(&answer, "0").as_deref(), Some("212"));
        goes_on(&world, &mut phone).await;
        world.end().await;
    }

    async fn wrong_credentials_end_the_session_after_a_few_times(db: Database) {
        let world = world(db).await;
        let mut phone = Phone::new(world.server.device(), RAW);
        let wrong = basic("raw-user", "guess");
        let mut challenged = 0;
        loop {
            let answer = phone.open(&wrong).await;
            if answer.status == 400 {
                break;
            }
            assert_eq!(code_of(&answer, "0").as_deref(), Some("401"));
            challenged += 1;
            assert!(challenged < 10, "guessing goes on for ever");
        }
        assert!(challenged >= 2, "once more after a stale nonce");
        let late = phone.open(&proof()).await;
        assert_eq!(late.status, 400, "the session is over");
        assert_eq!(world.api.job("r").await["state"], "waiting");
        let mut phone = in_session(&world).await;
        goes_on(&world, &mut phone).await;
        world.end().await;
    }

    async fn a_first_message_is_a_repeat_for_five_minutes_and_while_it_is_the_last(db: Database) {
        let world = world(db).await;
        let mut phone = Phone::new(world.server.device(), RAW);
        let first = phone.message(1, &proof(), &Phone::pkg1());
        let answer = phone.post(first.clone()).await;
        let sid = |answer: &Answer| answer.message().header.resp_uri.unwrap();
        let repeat = phone.post(first.clone()).await;
        assert_eq!(answer.body, repeat.body, "a repeat");
        let five_minutes = "UPDATE session SET updated_at = updated_at - 301000000";
        world.database.raw(five_minutes).await;
        let anew = phone.post(first.clone()).await;
        assert_ne!(sid(&anew), sid(&answer), "older: SessionIDs repeat on real devices");
        phone.msg_id = 1;
        phone.hear(&anew);
        phone.answer(404, "").await;
        let third = Phone::new(world.server.device(), RAW).post(first).await;
        assert!(third.status == 200 && sid(&third) != sid(&anew), "not the last message any more");
        phone.msg_id = 1;
        phone.hear(&third);
        let mut rounds = 0;
        while phone.answer(404, "").await.wants() > 0 {
            rounds += 1;
            assert!(rounds < 20);
        }
        assert_eq!(world.api.ended("r").await.outcome(), ("not_applicable", None));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_sends_no_final_is_asked_for_the_rest() {
    let world = world(Database::sqlite()).await;
    let mut phone = Phone::new(world.server.device(), RAW);
    let answer = phone.say(&proof(), "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>").await;
    let alert = |command| if let Command::Alert(alert) = command { Some(alert.data) } else { None };
    let alerts: Vec<_> = answer.message().body.commands.into_iter().filter_map(alert).collect();
    assert_eq!(alerts, ["1222"]);
    assert!(!answer.message().body.is_final);
    let rest = Phone::pkg1().replace("<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>", "");
    assert!(phone.say("", &rest).await.wants() > 0);
    goes_on(&world, &mut phone).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_aborts_leaves_the_job_to_the_next_session() {
    let world = world(Database::sqlite()).await;
    let mut phone = in_session(&world).await;
    let answer = phone.answer(404, "<Alert><CmdID>60</CmdID><Data>1223</Data></Alert>").await;
    assert_eq!((code_of(&answer, "60").as_deref(), answer.wants()), (Some("200"), 0));
    let job =
        until("the job to be put back", async || Some(world.api.job("r").await).filter(|j| j["state"] == "waiting"))
            .await;
    assert_eq!(job["attempt"], 1);
    let mut phone = Phone::new(world.server.device(), RAW);
    phone.session = "A8".to_owned();
    phone.open(&proof()).await;
    let mut rounds = 0;
    while phone.answer(404, "").await.wants() > 0 {
        rounds += 1;
        assert!(rounds < 20);
    }
    assert_eq!(world.api.ended("r").await.told(), ["in_session", "in_session", "not_applicable"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unauthenticated_first_message_does_not_end_a_session() {
    let world = world(Database::sqlite()).await;
    let mut phone = in_session(&world).await;
    let stranger = Phone::new(world.server.device(), RAW);
    for cred in [String::new(), basic("raw-user", "guess"), cred("syncml:auth-md5", "AAAA")] {
        let answer = stranger.post(stranger.message(1, &cred, &Phone::pkg1())).await;
        assert!(["401", "407"].contains(&code_of(&answer, "0").unwrap().as_str()));
    }
    goes_on(&world, &mut phone).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_not_served_is_told_so() {
    let world = world(Database::sqlite()).await;
    for (from, to, code) in [("DM/1.2", "DM/9.9", "513"), ("<VerDTD>1.2", "<VerDTD>7.0", "505")] {
        let phone = Phone::new(world.server.device(), RAW);
        let message = phone.message(1, &proof(), &Phone::pkg1()).replace(from, to);
        let answer = phone.post(message).await;
        assert_eq!(code_of(&answer, "0").as_deref(), Some(code));
        assert_eq!(answer.wants(), 0);
    }
    assert_eq!(world.api.job("r").await["state"], "waiting");
    let mut phone = in_session(&world).await;
    goes_on(&world, &mut phone).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generic_alerts_of_foreign_types_get_415_and_the_session_goes_on() {
    let world = world(Database::sqlite()).await;
    let mut phone = in_session(&world).await;
    let mut alerts = String::new();
    for (id, kind) in [(50, "urn:example:unheard-of"), (51, "urn:oma:at:scomo:1.0:OperationComplete")] {
        write!(
            alerts,
            "<Alert><CmdID>{id}</CmdID><Data>1226</Data><Item><Source><LocURI>./SCOMO</LocURI></Source><Meta><Type xmlns=\"syncml:metinf\">{kind}</Type>\
             <Format xmlns=\"syncml:metinf\">chr</Format></Meta><Data>1200</Data></Item></Alert>"
        )
        .unwrap();
    }
    let answer = phone.answer(404, &alerts).await;
    assert_eq!((code_of(&answer, "50").as_deref(), code_of(&answer, "51").as_deref()), (Some("415"), Some("200")));
    goes_on(&world, &mut phone).await;
    world.end().await;
}
