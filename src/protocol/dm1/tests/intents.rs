//! How intents are said, with the fall-backs that real devices need (DM 1.x sheet 6, SCOMO sheet 1.1).

use super::*;
use crate::model::tree::{Branch, Format, Leaf, PutHow};

fn discover(hints: &[&str]) -> Intent {
    Intent::Discover { kind: ObjectKind::Scomo, hints: hints.iter().map(|h| (*h).to_owned()).collect() }
}

fn roots(outcomes: &[Outcome]) -> Vec<&str> {
    let [Outcome::Found(found)] = outcomes else { panic!("{outcomes:?}") };
    found.iter().map(|i| i.name.as_str()).collect()
}

fn item(uri: &str, format: &str, data: &str) -> String {
    let meta = if format.is_empty() { String::new() } else { format!("<Meta><Format>{format}</Format></Meta>") };
    let data = if format == "node" { String::new() } else { format!("<Data>{data}</Data>") };
    format!("<Item><Source><LocURI>{uri}</LocURI></Source>{meta}{data}</Item>")
}

fn put(content: Branch) -> Intent {
    Intent::PutSubtree { at: node("./SCOMO/Download/X1"), content }
}

fn little_tree() -> Branch {
    let bin = Leaf { format: Format::Bin, mime: Some("application/gzip".to_owned()), text: "AAEC".to_owned() };
    Branch::interior([
        ("PkgID", Branch::chr("p")),
        ("Operations", Branch::interior([("Download", Branch::Leaf(Leaf::null()))])),
        ("Data", Branch::Leaf(bin)),
    ])
}

#[test]
fn roots_are_found_by_their_type() {
    let device = |command: &Command| match target(command).as_str() {
        "." => Reply::node("DevInfo/SCM/Other/SCOMO"),
        "./SCM?prop=Type" => Reply::leaf("urn:oma:mo:oma-scomo:1.0"),
        "./SCOMO?prop=Type" => Reply::leaf("org.example/1.0/thing"),
        "./DevInfo?prop=Type" => Reply::code(406),
        other => panic!("{other}"),
    };
    let device = |c: &Command| if target(c).starts_with("./Other") { Reply::code(404) } else { device(c) };
    assert_eq!(roots(&Talk::admitted().run(vec![discover(&["./SCOMO"])], device)), ["./SCM"]);
}

#[test]
fn hints_are_asked_where_the_roots_cannot_be_listed() {
    let device = |command: &Command| match target(command).as_str() {
        "./SCOMO?prop=Type" => Reply::leaf("urn:oma:mo:oma-scomo:1.0"),
        "." => Reply::code(405),
        _ => Reply::code(404),
    };
    assert_eq!(roots(&Talk::admitted().run(vec![discover(&["./SCOMO", "SCM"])], device)), ["./SCOMO"]);
}

#[test]
fn a_hint_without_a_type_counts_by_its_children() {
    for told in [Reply::code(406), Reply::leaf("")] {
        let device = |command: &Command| match target(command).as_str() {
            "." => Reply::node("scm/Vendor"),
            "./scm" => Reply::node("download/inventory"),
            "./Vendor/SCOMO" => Reply::node("Something"),
            uri if uri.ends_with("?prop=Type") => told.clone(),
            other => panic!("{other}"),
        };
        assert_eq!(roots(&Talk::admitted().run(vec![discover(&["./SCM", "./Vendor/SCOMO"])], device)), ["./scm"]);
    }
}

#[test]
fn a_device_without_the_object_has_no_root() {
    let device = |command: &Command| if target(command) == "." { Reply::node("DevInfo") } else { Reply::leaf("x") };
    assert!(roots(&Talk::admitted().run(vec![discover(&["./SCOMO"])], device)).is_empty());
}

#[test]
fn a_device_that_refuses_to_be_looked_at_does_not_say_that_it_lacks_the_object() {
    for code in [401, 403, 405, 500] {
        let outcomes = Talk::admitted().run(vec![discover(&["./SCOMO"])], |_: &Command| Reply::code(code));
        assert_eq!(outcomes, [Outcome::Refused { code }]);
    }
    let unlisted = |command: &Command| Reply::code(if target(command) == "." { 403 } else { 404 });
    assert!(roots(&Talk::admitted().run(vec![discover(&["./SCOMO", "./SCM"])], unlisted)).is_empty(), "404 says so");
    assert_eq!(Talk::admitted().run(vec![discover(&[])], unlisted), [Outcome::Refused { code: 403 }], "no hint");
    let listed = |command: &Command| if target(command) == "." { Reply::node("SCOMO/Other") } else { Reply::code(405) };
    assert_eq!(Talk::admitted().run(vec![discover(&["./SCOMO"])], listed), [Outcome::Refused { code: 405 }]);
}

#[test]
fn a_subtree_is_read_at_once_where_the_device_can() {
    let items = [
        item("./SCOMO/Inventory/D/1/ID", "", "app"),
        item("SCOMO", "node", ""),
        item("./SCOMO/Inventory", "node", ""),
        item("./SCOMO/Inventory/D/1/Data", "b64", "AAEC"),
        item("./Elsewhere", "", "x"),
    ];
    let mut gets = 0;
    let device = |command: &Command| {
        gets += 1;
        assert_eq!(target(command), "./SCOMO?list=StructData");
        Reply { code: 200, items: items.concat() }
    };
    let outcomes = Talk::admitted_with("", Quirks::default()).run(vec![read_of("./SCOMO")], device);
    let bin = Leaf { format: Format::Bin, mime: None, text: "AAEC".to_owned() };
    let one = Branch::interior([("ID", Branch::chr("app")), ("Data", Branch::Leaf(bin))]);
    let tree = Branch::interior([("Inventory", Branch::interior([("D", Branch::interior([("1", one)]))]))]);
    assert_eq!((outcomes, gets), (vec![Outcome::Read(tree)], 1));
}

#[test]
fn a_device_that_knows_no_lists_is_asked_for_one_only_once() {
    for refusal in [Reply::code(406), Reply::code(405), Reply::code(500), Reply::node("C/a%20b/Gone/Op")] {
        let mut lists = 0;
        let device = |command: &Command| match target(command).as_str() {
            uri if uri.contains("?list=") => {
                lists += 1;
                refusal.clone()
            }
            "./A" | "./B" => Reply::node("C/a%20b/Gone/Op"),
            uri if uri.ends_with("/C") => Reply::node(""),
            uri if uri.ends_with("/a%20b") => Reply::leaf("v"),
            uri if uri.ends_with("/Gone") => Reply::code(404),
            uri if uri.ends_with("/Op") => Reply::code(405),
            other => panic!("{other}"),
        };
        let mut talk = Talk::admitted_with("", Quirks::default());
        let delete = Intent::Delete { at: node("./A/C") };
        let outcomes = talk.run(vec![read_of("./A"), delete, read_of("./B")], device);
        let null = Branch::Leaf(Leaf::null());
        let tree = [("C", Branch::Interior(Vec::new())), ("a%20b", Branch::chr("v")), ("Op", null)];
        let tree = Outcome::Read(Branch::interior(tree));
        assert_eq!((outcomes, lists), (vec![tree.clone(), Outcome::Deleted, tree], 1));
    }
}

#[test]
fn a_missing_or_forbidden_top_is_told() {
    for (code, outcome) in [
        (404, Outcome::Missing),
        (406, Outcome::Unsupported { code: Some(406) }),
        (425, Outcome::Refused { code: 425 }),
    ] {
        assert_eq!(Talk::admitted().run(vec![read_of("./A")], |_| Reply::code(code)), [outcome]);
    }
}

#[test]
fn a_tree_without_end_is_not_read() {
    let deep = |_: &Command| Reply::node("x");
    assert_eq!(Talk::admitted().run(vec![read_of("./A")], deep), [Outcome::Refused { code: 413 }]);
    let wide = |_: &Command| Reply::node(&vec!["x"; 6000].join("/"));
    assert_eq!(Talk::admitted().run(vec![read_of("./A")], wide), [Outcome::Refused { code: 413 }]);
}

#[test]
fn readers_share_messages_within_the_device_s_bound() {
    let meta = "<MaxMsgSize>2000</MaxMsgSize>";
    let mut talk = Talk::admitted_with(meta, node_by_node());
    let names: Vec<String> = (0..40).map(|n| format!("Leaf{n:02}")).collect();
    let mut messages = 0;
    let _ = talk.want(vec![read_of("./A"), read_of("./B")]);
    let mut answer = talk.answer();
    let mut events = Vec::new();
    while !answer.ends {
        assert!(bytes(&answer.message) <= 2000, "{}", bytes(&answer.message));
        messages += 1;
        let mut device =
            |c: &Command| if target(c).len() == 3 { Reply::node(&names.join("/")) } else { Reply::leaf("v") };
        events.extend(talk.hear(&respond(&answer.message, &mut device)));
        answer = talk.answer();
    }
    let full = |o: &Outcome| matches!(o, Outcome::Read(tree) if tree.children().len() == 40);
    assert!(outcomes(&events).iter().filter(|o| full(o)).count() == 2 && messages < 20, "{messages}");
}

#[test]
fn the_answer_finds_its_question_even_when_the_device_numbers_wrongly() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A"), read_of("./B")]);
    talk.answer();
    let status = |cmd_ref| {
        format!(
            "<Status><CmdID>1</CmdID><MsgRef>9</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>get</Cmd><Data>200</Data></Status>"
        )
    };
    let results = |uri: &str, value: &str| format!("<Results><CmdID>2</CmdID>{}</Results>", item(uri, "", value));
    let body = format!(
        "{}{}{}{}{}<Final/>",
        header_status(1, 212, ""),
        status(4),
        status(5),
        results("B", "b"),
        results("a", "a\u{20}")
    );
    let events = talk.hear(&message(2, "", &body));
    assert_eq!(outcomes(&events), [Outcome::Read(Branch::chr("a ")), Outcome::Read(Branch::chr("b"))]);
}

#[test]
fn results_that_all_name_the_first_command_are_told_apart_by_their_uri() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A"), read_of("./B")]);
    talk.answer();
    let both = ["A", "B"].map(|name| {
        let item = item(name, "", name);
        format!("<Results><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef>{item}</Results>")
    });
    let events = talk.hear(&message(2, "", &format!("{}<Final/>", both.concat())));
    assert_eq!(outcomes(&events), [Outcome::Read(Branch::chr("A")), Outcome::Read(Branch::chr("B"))]);
}

#[test]
fn a_subtree_is_written_parents_first() {
    let mut said = Vec::new();
    let mut talk = Talk::admitted();
    let outcomes = talk.run(vec![put(little_tree())], |command| {
        let Command::Add(add) = command else { panic!("{command:?}") };
        let meta = &add.items[0].meta;
        said.push((
            target(command).replace("./SCOMO/Download/X1", ""),
            meta.format.clone().unwrap(),
            add.items[0].data.is_some(),
        ));
        Reply::code(200)
    });
    assert_eq!(outcomes, [Outcome::Written { skipped: vec![] }]);
    let said: Vec<_> = said.iter().map(|(path, format, data)| (path.as_str(), format.as_str(), *data)).collect();
    let expected = [
        ("", "node", false),
        ("/PkgID", "chr", true),
        ("/Operations", "node", false),
        ("/Operations/Download", "null", false),
    ];
    assert_eq!(said, [expected.as_slice(), &[("/Data", "b64", true)]].concat());
}

#[test]
fn what_exists_is_overwritten_and_what_the_device_keeps_is_skipped() {
    let device = |command: &Command| {
        let uri = target(command);
        match command {
            Command::Add(_) if uri.ends_with("/Operations/Download") => Reply::code(405),
            Command::Add(_) => Reply::code(418),
            Command::Replace(_) if uri.ends_with("/PkgID") => Reply::code(200),
            Command::Replace(_) if uri.ends_with("/Data") => Reply::code(425),
            other => panic!("{other:?}"),
        }
    };
    let skipped = vec![("Operations/Download".to_owned(), 405), ("Data".to_owned(), 425)];
    assert_eq!(Talk::admitted().run(vec![put(little_tree())], device), [Outcome::Written { skipped }]);
}

#[test]
fn a_leaf_that_the_device_made_is_replaced_even_where_it_may_not_be_added() {
    let device = |command: &Command| match command {
        Command::Add(_) if target(command).ends_with("/X1") => Reply::code(418),
        Command::Add(_) => Reply::code(405),
        Command::Replace(_) => Reply::code(if target(command).ends_with("/Data") { 405 } else { 200 }),
        other => panic!("{other:?}"),
    };
    let skipped = ["Operations", "Operations/Download", "Data"].map(|path| (path.to_owned(), 405)).to_vec();
    assert_eq!(Talk::admitted().run(vec![put(little_tree())], device), [Outcome::Written { skipped }]);
}

#[test]
fn an_entry_that_may_not_be_made_may_be_there() {
    let outcome = |there: bool| {
        let device = move |command: &Command| match command {
            Command::Replace(_) if there && target(command).ends_with("/PkgID") => Reply::code(200),
            Command::Add(_) | Command::Replace(_) => Reply::code(405),
            other => panic!("{other:?}"),
        };
        Talk::admitted().run(vec![put(little_tree())], device)
    };
    assert!(matches!(outcome(true).as_slice(), [Outcome::Written { skipped }] if skipped.len() == 3));
    assert_eq!(outcome(false), [Outcome::Refused { code: 405 }]);
}

#[test]
fn parents_are_made_where_the_device_makes_none() {
    let below = Instance { kind: ObjectKind::Scomo, name: "./SCOMO".to_owned() }.node("Inventory/Delivered/X1");
    let put = || Intent::PutSubtree { at: below.clone(), content: little_tree() };
    let mut there = vec!["./SCOMO".to_owned()];
    let device = |command: &Command| {
        let Command::Add(_) = command else { panic!("{command:?}") };
        let uri = target(command);
        let above = uri.rsplit_once('/').unwrap().0.to_owned();
        if there.contains(&uri) {
            Reply::code(418)
        } else if there.contains(&above) {
            there.push(uri);
            Reply::code(201)
        } else {
            Reply::code(404)
        }
    };
    assert_eq!(Talk::admitted().run(vec![put()], device), [Outcome::Written { skipped: vec![] }]);
    assert!(there.contains(&"./SCOMO/Inventory/Delivered/X1/Operations/Download".to_owned()), "{there:?}");
    let mut root_added = false;
    let outcomes = Talk::admitted().run(vec![put()], |command| {
        root_added |= target(command) == "./SCOMO";
        Reply::code(404)
    });
    assert_eq!((outcomes.as_slice(), root_added), ([Outcome::Refused { code: 404 }].as_slice(), false));
}

#[test]
fn a_device_that_runs_commands_in_another_order_is_given_a_second_chance() {
    let mut there = false;
    let device = |command: &Command| {
        let parent = target(command).ends_with("X1");
        let code = if parent || there { 200 } else { 404 };
        there |= target(command).ends_with("/Data");
        Reply::code(code)
    };
    assert_eq!(Talk::admitted().run(vec![put(little_tree())], device), [Outcome::Written { skipped: vec![] }]);
}

#[test]
fn a_subtree_whose_top_is_refused_is_refused() {
    for code in [404, 405, 420, 425, 500] {
        let outcomes = Talk::admitted().run(vec![put(little_tree())], |_| Reply::code(code));
        assert_eq!(outcomes, [Outcome::Refused { code }]);
    }
}

#[test]
fn a_leaf_is_replaced_and_added_if_it_is_not_there() {
    let leaf = || Intent::PutLeaf { at: node("./A/Leaf"), leaf: Leaf::chr("v"), how: PutHow::Either };
    let mut said = Vec::new();
    let outcomes = Talk::admitted().run(vec![leaf()], |command| {
        said.push(command.name().to_owned());
        Reply::code(if said.len() == 1 { 404 } else { 200 })
    });
    assert_eq!(
        (outcomes, said.as_slice()),
        (vec![Outcome::Written { skipped: vec![] }], &["Replace".to_owned(), "Add".to_owned()][..])
    );
    let outcomes =
        Talk::admitted().run(vec![leaf()], |command| Reply::code(if command.name() == "Add" { 418 } else { 404 }));
    assert_eq!(outcomes, [Outcome::Refused { code: 404 }]);
}

#[test]
fn a_deletion_tells_whether_there_was_something() {
    let delete = || vec![Intent::Delete { at: node("./A") }];
    for (code, outcome) in [(200, Outcome::Deleted), (404, Outcome::Missing), (405, Outcome::Refused { code: 405 })] {
        assert_eq!(Talk::admitted().run(delete(), |_| Reply::code(code)), [outcome]);
    }
}

#[test]
fn an_operation_ends_at_once_or_later_or_not_at_all() {
    for (code, outcome) in [
        (202, Outcome::Pending),
        (200, Outcome::Done { code: 200 }),
        (1200, Outcome::Done { code: 1200 }),
        (1408, Outcome::Done { code: 1408 }),
        (403, Outcome::Refused { code: 403 }),
        (406, Outcome::Refused { code: 406 }),
    ] {
        let outcomes = Talk::admitted().run(vec![exec("./Op")], |command| {
            assert!(matches!(command, Command::Exec(e) if e.correlator.as_deref() == Some("c1")));
            Reply::code(code)
        });
        assert_eq!(outcomes, [outcome]);
    }
}

#[test]
fn an_operation_waits_for_everything_before_it() {
    let mut talk = Talk::admitted();
    let leaf = |name: &str| Intent::PutLeaf { at: node(name), leaf: Leaf::chr("v"), how: PutHow::Either };
    let _ = talk.want(vec![leaf("./A/1"), leaf("./A/2"), exec("./A/Op"), read_of("./A")]);
    let answer = talk.answer();
    assert_eq!(commands(&answer), ["Replace ./A/1", "Replace ./A/2"]);
    talk.hear(&respond(&answer.message, &mut |_: &Command| Reply::code(200)));
    let answer = talk.answer();
    assert_eq!(commands(&answer), ["Exec ./A/Op"]);
    talk.hear(&respond(&answer.message, &mut |_: &Command| Reply::code(202)));
    assert_eq!(commands(&talk.answer()), ["Get ./A"]);
}

#[test]
fn writes_to_one_place_are_not_told_together() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![
        Intent::Delete { at: node("./A/1") },
        Intent::PutLeaf { at: node("./A/1/B"), leaf: Leaf::chr("v"), how: PutHow::Either },
    ]);
    assert_eq!(commands(&talk.answer()), ["Delete ./A/1"]);
}

#[test]
fn a_leaf_that_must_be_new_or_must_be_there_gets_one_command() {
    for (how, name, refusal) in [(PutHow::Add, "Add", 418), (PutHow::Replace, "Replace", 404)] {
        let leaf = || vec![Intent::PutLeaf { at: node("./A/Leaf"), leaf: Leaf::chr("v"), how }];
        let mut said = Vec::new();
        let outcomes = Talk::admitted().run(leaf(), |command| {
            said.push(format!("{} {}", command.name(), target(command)));
            Reply::code(refusal)
        });
        assert_eq!(outcomes, [Outcome::Refused { code: refusal }]);
        assert_eq!(said, [format!("{name} ./A/Leaf")]);
        assert_eq!(Talk::admitted().run(leaf(), |_| Reply::code(200)), [Outcome::Written { skipped: vec![] }]);
    }
}

#[test]
fn an_interior_node_is_made_where_there_is_none() {
    let make = || vec![Intent::MakeNode { at: node("./A/Box") }];
    let outcomes = Talk::admitted().run(make(), |command| {
        let Command::Add(add) = command else { panic!("{command:?}") };
        assert_eq!((add.items[0].meta.format.as_deref(), &add.items[0].data), (Some("node"), &None));
        Reply::code(201)
    });
    assert_eq!(outcomes, [Outcome::Written { skipped: vec![] }]);
    assert_eq!(Talk::admitted().run(make(), |_| Reply::code(418)), [Outcome::Refused { code: 418 }]);
}

#[test]
fn a_leaf_is_copied_by_devices_that_can() {
    let copy = || vec![Intent::Copy { from: node("./A/1"), to: node("./A/2") }];
    for (code, outcome) in [
        (200, Outcome::Written { skipped: vec![] }),
        (403, Outcome::Refused { code: 403 }),
        (405, Outcome::Refused { code: 405 }),
        (406, Outcome::Unsupported { code: Some(406) }),
        (501, Outcome::Unsupported { code: Some(501) }),
    ] {
        let outcomes = Talk::admitted().run(copy(), |command| {
            let Command::Copy(copy) = command else { panic!("{command:?}") };
            assert_eq!((copy.items[0].source_uri(), copy.items[0].target_uri()), ("./A/1", "./A/2"));
            Reply::code(code)
        });
        assert_eq!(outcomes, [outcome]);
    }
}

#[test]
fn a_command_that_fits_into_no_message_is_refused_and_the_rest_goes_on() {
    let mut talk = Talk::admitted_with("<MaxMsgSize>1500</MaxMsgSize>", node_by_node());
    let large = Intent::PutLeaf { at: node("./A/1"), leaf: Leaf::chr("v".repeat(1500)), how: PutHow::Either };
    assert_eq!(outcomes(&talk.want(vec![large, read_of("./B")])), [Outcome::Refused { code: 413 }]);
    assert_eq!(commands(&talk.answer()), ["Get ./B"]);
}

#[test]
fn a_command_without_an_answer_has_an_unknown_end() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![exec("./Op")]);
    talk.answer();
    let events = talk.hear(&message(2, "", &format!("{}<Final/>", header_status(1, 200, ""))));
    assert_eq!(outcomes(&events), [Outcome::Unknown]);
    assert!(talk.answer().ends);
}
