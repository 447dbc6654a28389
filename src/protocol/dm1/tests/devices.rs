//! Ways of real clients (DM 1.x sheet 12, 16).

use super::*;
use crate::model::tree::Branch;

/// The events of the device's answer to a Get of `./A` (MsgRef 1, CmdRef 4).
fn told(body: &str) -> Vec<Event> {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A")]);
    talk.answer();
    talk.hear(&message(2, "", &format!("{body}<Final/>")))
}

#[test]
fn a_header_status_without_cmd_ref_and_in_odd_order_is_understood() {
    let header =
        "<Status><Data>212</Data><TargetRef>x</TargetRef><MsgRef>1</MsgRef><Cmd>SyncHdr</Cmd><CmdID>1</CmdID></Status>";
    let get = "<Status><Data>404</Data><Cmd>Get</Cmd><CmdRef>4</CmdRef><MsgRef>1</MsgRef><CmdID>1</CmdID></Status>";
    assert_eq!(
        told(&format!("{header}{get}")),
        [Event::Outcome { ask: AskId(1), outcome: Outcome::Missing }, Event::Ready]
    );
}

#[test]
fn results_without_references_and_with_a_nul_are_understood() {
    let get = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>";
    let bare = crate::wire::syncml::Results {
        items: vec![crate::wire::syncml::Item {
            data: Some(crate::wire::syncml::Data::Text("v\0".to_owned())),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A")]);
    talk.answer();
    let mut message = read(&message(2, "", &format!("{}{get}<Final/>", header_status(1, 212, ""))));
    message.body.commands.push(Command::Results(bare));
    let machine = talk.machine.clone().unwrap();
    let step = machine.handle(message, &talk.context(), &mut Numbered(0)).unwrap();
    assert_eq!(outcomes(&step.events), [Outcome::Read(Branch::chr("v"))]);
}

#[test]
fn results_with_command_level_meta_and_without_a_status_count() {
    let results =
        "<Results><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Get</Cmd><Meta><Format>Chr</Format></Meta>
        <SourceRef>./A</SourceRef><Item><Data>v</Data></Item></Results>";
    assert_eq!(outcomes(&told(results)), [Outcome::Read(Branch::chr("v"))]);
}

#[test]
fn answers_to_nothing_are_logged_and_do_no_harm() {
    let stray = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>77</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>
        <Results><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>77</CmdRef><Item><Source><LocURI>./Z</LocURI></Source></Item></Results>
        <Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Get</Cmd></Status>";
    let events = told(stray);
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Oddity(_))).count(), 3);
    assert_eq!(outcomes(&events), [Outcome::Unknown]);
}

#[test]
fn a_device_that_gives_no_sizes_is_spared() {
    let mut talk = Talk::admitted_with("<MaxMsgSize>0</MaxMsgSize><MaxObjSize>0</MaxObjSize>", node_by_node());
    let many = (0..500).map(|n| read_of(&format!("./A{n}/{}", "x".repeat(200)))).collect();
    let _ = talk.want(many);
    let answer = talk.answer();
    assert!((7000..=10_240).contains(&bytes(&answer.message)), "{}", bytes(&answer.message));
}
