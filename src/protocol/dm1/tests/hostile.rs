//! Messages of valid syntax and no sense: the dialogue answers every one, within the device's bound, and never panics.

use proptest::prelude::*;

use super::*;
use crate::model::{
    digest::Digest,
    tree::{Branch, Leaf, Payload, PutHow},
};

/// One message of a device gone mad.
#[derive(Debug, Clone)]
struct Shot {
    header: String,
    body: String,
    jump: u32,
    wants: Vec<u8>,
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![4 => (0..12_u32).prop_map(|n| n.to_string()), 1 => Just(String::new()), 1 => "[a-z]{1,80}"]
}

fn uri() -> impl Strategy<Value = String> {
    let names =
        ["", ".", "./A", "A/B", "./A/B/C?prop=Type", "./DevInfo/Man", "DevInfo", "/", "./A//B/../C", "./%41", "./%"];
    prop_oneof![4 => prop::sample::select(names.to_vec()).prop_map(str::to_owned), 1 => "[./A-C%?]{0,300}"]
}

fn code() -> impl Strategy<Value = String> {
    let codes = [
        "200", "202", "212", "213", "214", "215", "216", "304", "401", "404", "405", "406", "407", "408", "413", "418",
        "424", "500", "507", "516", "1200", "", "x",
    ];
    prop::sample::select(codes.to_vec()).prop_map(str::to_owned)
}

fn item() -> impl Strategy<Value = String> {
    let metas =
        ["", "<Meta><Format>node</Format></Meta>", "<Meta><Format>b64</Format><Type>a</Type><Size>9</Size></Meta>"];
    let more = prop_oneof![3 => Just(""), 1 => Just("<MoreData/>")];
    (uri(), prop::sample::select(metas.to_vec()), "[a-z/]{0,60}", more, any::<bool>()).prop_map(
        |(uri, meta, data, more, source)| {
            let place = if source { "Source" } else { "Target" };
            format!("<Item><{place}><LocURI>{uri}</LocURI></{place}>{meta}<Data>{data}</Data>{more}</Item>")
        },
    )
}

fn command() -> impl Strategy<Value = String> {
    let items = || prop::collection::vec(item(), 0..4).prop_map(|items| items.concat());
    let names = ["Add", "Get", "Replace", "Results", "Exec", "Delete", "Copy", "Put", "Sequence", "Other"];
    let names_back = ["SyncHdr", "Get", "Add", "Replace", "Exec", "Delete", "Copy", "Alert", "Sequence", "Atomic", ""];
    let answered = prop::sample::select(names_back.to_vec());
    let alerts = prop::sample::select(&["1200", "1201", "1222", "1223", "1224", "1225", "1226", "7", ""][..]);
    let challenge = prop_oneof![3 => Just(String::new()), 1 => Just(chal("AAEC")), 1 => Just(chal("!"))];
    prop_oneof![
        6 => (id(), 0..6_u32, id(), answered, code(), challenge, items()).prop_map(|(cmd, msg, reference, name, code, chal, items)| format!(
            "<Status><CmdID>{cmd}</CmdID><MsgRef>{msg}</MsgRef><CmdRef>{reference}</CmdRef><Cmd>{name}</Cmd>{chal}<Data>{code}</Data>{items}</Status>"
        )),
        3 => (id(), id(), items()).prop_map(|(cmd, reference, items)| format!(
            "<Results><CmdID>{cmd}</CmdID><CmdRef>{reference}</CmdRef>{items}</Results>"
        )),
        3 => (id(), alerts, items()).prop_map(|(cmd, code, items)| format!("<Alert><CmdID>{cmd}</CmdID><Data>{code}</Data>{items}</Alert>")),
        3 => (id(), prop::sample::select(names.to_vec()), items()).prop_map(|(cmd, name, items)| format!("<{name}><CmdID>{cmd}</CmdID>{items}</{name}>")),
    ]
}

fn shot() -> impl Strategy<Value = Shot> {
    let cred =
        prop_oneof![1 => Just(String::new()), 4 => Just(BASIC.to_owned()), 1 => Just(BASIC.replace("ZGV2", "!!!!"))];
    let sizes = prop::sample::select(&["", "0", "511", "512", "900", "1400", "3000", "99999999999", "x"][..]);
    let body = (prop::collection::vec(command(), 0..12), any::<bool>());
    let jump = prop_oneof![5 => Just(1), 1 => 0..3_u32];
    (cred, sizes, body, jump, prop::collection::vec(0..16_u8, 0..4)).prop_map(
        |(cred, size, (commands, end), jump, wants)| Shot {
            header: format!("{cred}<Meta><MaxMsgSize>{size}</MaxMsgSize><MaxObjSize>{size}</MaxObjSize></Meta>"),
            body: format!("{}{}", commands.concat(), if end { "<Final/>" } else { "" }),
            jump,
            wants,
        },
    )
}

fn intent(number: u8) -> Intent {
    let payload = Payload { digest: Digest::of(b""), size: 5000, mime: "a/b".to_owned() };
    match number {
        0 => read_of("./A"),
        1 => exec("./A/Op"),
        2 => Intent::Delete { at: node("./A/B") },
        3 => Intent::PutBytes { at: node("./A/Data"), payload },
        4 => Intent::PutLeaf { at: node("./A/B"), leaf: Leaf::chr("x".repeat(700)), how: PutHow::Either },
        5 => Intent::PutSubtree { at: node("./A"), content: Branch::interior([("B", Branch::chr("v"))]) },
        6 => Intent::Group { atomic: false, members: vec![] },
        8 => Intent::Group { atomic: true, members: [2, 4, 9, 10].map(intent).to_vec() },
        9 => Intent::Copy { from: node("./A"), to: node("./A/B") },
        10 => Intent::MakeNode { at: node("./A/B") },
        11 => Intent::PutLeaf { at: node("./A/B"), leaf: Leaf::chr("x"), how: PutHow::Add },
        12 => Intent::Prompt(Prompt { choices: vec!["x".repeat(400); 3], ..ask(PromptKind::Choices, "?") }),
        13 => Intent::Guarded { ask: ask(PromptKind::Confirm, "?"), then: Box::new(intent(1)) },
        14 => Intent::Group { atomic: false, members: [0, 1, 2, 4, 9, 10, 11, 12].map(intent).to_vec() },
        7 => Intent::PutSubtree { at: node("./A"), content: Branch::Leaf(Leaf::null()) },
        _ => Intent::Discover { kind: ObjectKind::Scomo, hints: vec!["./A".to_owned(), String::new()] },
    }
}

/// What a message costs that says nothing but the first Status, and asks for more.
fn least(answer: &Answer) -> usize {
    let mut message = answer.message.clone();
    let reply = |c: &Command| match c {
        Command::Status(status) => status.cmd_ref == "0",
        Command::Alert(alert) => alert.data.starts_with("12"),
        _ => false,
    };
    message.body.commands.retain(reply);
    bytes(&message)
}

fn sane(talk: &Talk, answer: Answer) {
    let machine = talk.machine.as_ref().unwrap();
    let budget = machine.abilities.max_msg_size.unwrap_or(10_240).min(talk.limits.max_msg_size);
    let floor = least(&answer);
    assert!(answer.message.header.resp_uri.is_some());
    let Command::Status(first) = &answer.message.body.commands[0] else { panic!("{answer:?}") };
    assert_eq!(first.cmd_ref, "0");
    let range = answer.slot.as_ref().map_or(0..0, |s| s.range.clone());
    let message = answer.fill(&vec![7; usize::try_from(range.end - range.start).unwrap()]).unwrap();
    let most = usize::try_from(budget).unwrap().max(floor);
    assert!(bytes(&message) <= most, "{} > {most}", bytes(&message));
    assert_eq!(read(std::str::from_utf8(&xml::write(&message)).unwrap()), message);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_is_answered_within_bounds(shots in prop::collection::vec(shot(), 1..10), struct_data in any::<bool>()) {
        let mut talk = Talk::with_server_secret();
        talk.account_mut().scheme = Scheme::Basic;
        talk.quirks.struct_data = struct_data;
        let mut id = 0;
        for shot in shots {
            id += shot.jump;
            if talk.try_hear(&message(id, &shot.header, &shot.body)).is_err() {
                continue;
            }
            let _ = talk.want(shot.wants.into_iter().map(intent).collect());
            let answer = talk.answer();
            sane(&talk, answer);
        }
    }
}

#[test]
fn names_without_end_are_refused_or_left_out() {
    let mut talk = Talk::admitted();
    talk.answer();
    let long = "x".repeat(300);
    let stranger = message(2, "", "<Final/>").replace("IMEI:490154203237518", &long);
    assert_eq!(talk.try_hear(&stranger), Err(Violation::Header { element: "Source/LocURI" }));
    let put = format!("<Put><CmdID>{long}</CmdID></Put><{long}><CmdID>6</CmdID></{long}>");
    talk.hear(&message(2, "", &format!("{put}<Final/>")));
    assert!(bytes(&talk.answer().message) < 2000);
}

#[test]
fn statuses_beyond_the_device_s_bound_are_left_out() {
    let mut talk = Talk::admitted_with("<MaxMsgSize>2000</MaxMsgSize>", node_by_node());
    talk.answer();
    let alert = "<Alert><CmdID>5</CmdID><Data>1222</Data></Alert>";
    talk.hear(&message(2, "", &format!("{}<Final/>", alert.repeat(500))));
    let answer = talk.answer();
    assert!(bytes(&answer.message) <= 2000 && codes(&answer).len() > 5);
}

#[test]
fn an_ordinary_session_stays_small() {
    let mut talk = Talk::admitted();
    let names: Vec<String> = (0..100).map(|n| format!("Component{n:03}")).collect();
    let _ = talk.want(vec![read_of("./SCOMO/Inventory/Deployed")]);
    let answer = talk.answer();
    talk.hear(&respond(&answer.message, &mut |_: &Command| Reply::node(&names.join("/"))));
    talk.answer();
    let stored = serde_json::to_string(talk.machine.as_ref().unwrap()).unwrap();
    assert!(stored.len() < 16 << 10, "{}", stored.len());
}
