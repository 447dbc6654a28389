//! The exchange of the sheet's sections 13.1 to 13.5, message by message, and its smaller examples.

use super::*;
use crate::model::{device::DevInfo, tree::Branch};

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dialogue/", $name))
    };
}

fn says(answer: &Answer, file: &str) {
    assert_eq!(answer.message, read(file));
}

#[test]
fn the_worked_session_of_the_sheet_is_held_message_by_message() {
    let mut talk = Talk::with_server_secret();
    // The device has no credentials and is challenged.
    assert_eq!(talk.hear(file!("1-pkg1.xml")), []);
    says(&talk.answer(), file!("2-challenge.xml"));
    assert_eq!(talk.account_mut().nonces, Nonces::default(), "a challenge does not touch the account");
    // It proves itself, and challenges the server.
    let events = talk.hear(file!("3-pkg1-again.xml"));
    let info = DevInfo {
        dev_id: Some("IMEI:490154203237518".to_owned()),
        man: Some("Acme".to_owned()),
        model: Some("A1".to_owned()),
        dmv: Some("1.2".to_owned()),
        lang: Some("en-US".to_owned()),
    };
    let abilities = crate::model::device::Abilities { max_msg_size: Some(8192), max_obj_size: Some(65_536) };
    let opened = Event::Opened { server_initiated: true };
    assert_eq!(events, [opened, Event::Abilities(abilities), Event::DevInfo(info), Event::Ready]);
    assert_eq!(talk.want(vec![read_of("./DevDetail/FwV"), read_of("./DevDetail"), read_of("./Nope")]), []);
    says(&talk.answer(), file!("4-pkg2.xml"));
    assert_eq!(talk.account_mut().nonces.client, Some(nonce(0x10..0x20)));
    // The server is accepted; the device's tree is read on.
    let events = talk.hear(file!("5-pkg3.xml"));
    assert_eq!(outcomes(&events), [Outcome::Read(Branch::chr("A1-7.0.3")), Outcome::Missing]);
    says(&talk.answer(), file!("6-pkg4.xml"));
    assert_eq!(talk.account_mut().nonces.server, Some(nonce(0x08..0x10)));
    let events = talk.hear(file!("7-pkg3-again.xml"));
    let Some(Outcome::Read(tree)) = outcomes(&events).pop() else { panic!("{events:?}") };
    assert_eq!((tree.text("FwV"), tree.text("LrgObj"), tree.text("URI")), (Some("A1-7.0.3"), Some("true"), Some("")));
    // Nothing is left to say.
    let close = talk.answer();
    says(&close, file!("8-close.xml"));
    assert!(close.ends);
}

#[test]
fn a_package_in_two_messages_is_awaited() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A"), read_of("./B")]);
    assert_eq!(commands(&talk.answer()), ["Get ./A", "Get ./B"]);
    let status = |cmd_ref| {
        format!(
            "<Status><CmdID>{cmd_ref}</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>"
        )
    };
    let results = |cmd_ref, name: &str| {
        format!(
            "<Results><CmdID>7</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd_ref}</CmdRef><Item><Source><LocURI>./{name}</LocURI></Source><Data>{name}</Data></Item></Results>"
        )
    };
    let first = format!("{}{}{}{}", header_status(1, 212, ""), status(4), status(5), results(4, "A"));
    assert_eq!(talk.hear(&message(2, "", &first)), []);
    let next = talk.answer();
    assert_eq!((codes(&next), commands(&next)), (vec![200], vec!["Alert 1222".to_owned()]));
    assert!(!next.message.body.is_final && !next.ends);
    let alert = "<Status><CmdID>2</CmdID><MsgRef>2</MsgRef><CmdRef>2</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>";
    let rest = format!("{}{alert}{}<Final/>", header_status(2, 200, ""), results(5, "B"));
    let events = talk.hear(&message(3, "", &rest));
    assert_eq!(outcomes(&events), [Outcome::Read(Branch::chr("A")), Outcome::Read(Branch::chr("B"))]);
    assert_eq!(events.last(), Some(&Event::Ready));
    assert!(talk.answer().ends);
}

#[test]
fn an_abort_of_the_device_is_acknowledged_and_ends_the_session() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![exec("./SCOMO/Op")]);
    talk.answer();
    let body = format!("{}<Alert><CmdID>2</CmdID><Data>1223</Data></Alert><Final/>", header_status(1, 200, ""));
    let events = talk.hear(&message(2, "", &body));
    let unknown = Event::Outcome { ask: AskId(1), outcome: Outcome::Unknown };
    assert_eq!(events, [unknown, Event::Aborted]);
    let answer = talk.answer();
    assert_eq!((codes(&answer), commands(&answer), answer.ends), (vec![200, 200], vec![], true));
    assert_eq!(talk.try_hear(&message(3, "", "<Final/>")), Err(Violation::Over));
}

#[test]
fn the_server_can_abort() {
    let mut talk = Talk::admitted();
    let answer = talk.abort();
    assert_eq!((commands(&answer), answer.message.body.is_final), (vec!["Alert 1223".to_owned()], true));
    assert!(answer.ends);
    assert_eq!(talk.try_hear(&message(2, "", "<Final/>")), Err(Violation::Over));
}
