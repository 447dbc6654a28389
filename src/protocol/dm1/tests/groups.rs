//! Sequence and Atomic, and the question that guards an operation (DM 1.x sheet 1.7, 2.5; SCOMO sheet 11.6).

use super::*;
use crate::model::tree::{Answer, Branch, Leaf, PutHow};

fn add(uri: &str) -> Intent {
    Intent::PutLeaf { at: node(uri), leaf: Leaf::chr("v"), how: PutHow::Add }
}

fn delete(uri: &str) -> Intent {
    Intent::Delete { at: node(uri) }
}

fn sequence(members: Vec<Intent>) -> Intent {
    Intent::Group { atomic: false, members }
}

fn atomic(members: Vec<Intent>) -> Intent {
    Intent::Group { atomic: true, members }
}

fn guarded() -> Intent {
    let ask = ask(PromptKind::Confirm, "Remove the application Player?");
    Intent::Guarded { ask, then: Box::new(exec("./Op")) }
}

/// Runs one group, whose commands the device answers by name; 0 is no answer.
fn run(group: Intent, codes: &[(&str, u16)]) -> Outcome {
    let outcomes = Talk::admitted().run(vec![group], |command| {
        let code = codes.iter().find(|(name, _)| *name == command.name());
        Reply::code(code.unwrap_or_else(|| panic!("{command:?}")).1)
    });
    let [outcome] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    outcome.clone()
}

fn written() -> Outcome {
    Outcome::Written { skipped: vec![] }
}

#[test]
fn a_guarded_operation_is_the_sequence_of_the_sheet() {
    let mut talk = Talk::admitted();
    let options = PromptOptions {
        min_seconds: Some(10),
        max_seconds: Some(60),
        preset: Some("0".to_owned()),
        ..PromptOptions::default()
    };
    let ask = Prompt { options, ..ask(PromptKind::Confirm, "Remove the application Player?") };
    let at = node("./SCOMO/Inventory/Deployed/player/Operations/Remove");
    let exec = Intent::Exec { at, correlator: Correlator::parse("job-4713").unwrap() };
    let _ = talk.want(vec![Intent::Guarded { ask, then: Box::new(exec) }]);
    let answer = talk.answer();
    let example = read(include_str!("../../../../tests/data/dm1/scomo-confirm.xml"));
    // The example's message has no Statuses before it.
    let Some(Command::Sequence(said)) = answer.message.body.commands.last() else { panic!("{answer:?}") };
    let [Command::Sequence(meant)] = example.body.commands.as_slice() else { panic!("{example:?}") };
    let unnumbered = |command: &Command| match command.clone() {
        Command::Alert(alert) => Command::Alert(crate::wire::syncml::Alert { cmd_id: String::new(), ..alert }),
        Command::Exec(exec) => Command::Exec(crate::wire::syncml::Exec { cmd_id: String::new(), ..exec }),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        said.commands.iter().map(unnumbered).collect::<Vec<_>>(),
        meant.commands.iter().map(unnumbered).collect::<Vec<_>>()
    );
    let ids: Vec<_> = answer.message.body.commands.iter().chain(&said.commands).map(Command::cmd_id).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5", "6"], "each number once");
}

#[test]
fn a_guarded_operation_ends_as_user_and_device_say() {
    let ends = |alert, exec| run(guarded(), &[("Sequence", 200), ("Alert", alert), ("Exec", exec)]);
    assert_eq!(ends(200, 202), Outcome::Pending);
    assert_eq!(ends(200, 1200), Outcome::Done { code: 1200 });
    assert_eq!(ends(200, 405), Outcome::Refused { code: 405 });
    assert_eq!(ends(200, 0), Outcome::Unknown);
    assert_eq!(ends(200, 215), Outcome::Refused { code: 215 });
    for (code, answer) in [(304, Answer::No), (214, Answer::Cancelled), (408, Answer::TimedOut)] {
        assert_eq!(ends(code, 215), Outcome::Answered(answer.clone()));
        assert_eq!(ends(code, 0), Outcome::Answered(answer));
    }
    assert_eq!(ends(304, 202), Outcome::Pending, "the device did it in spite of the no");
}

#[test]
fn a_device_that_cannot_ask_says_so_or_does_it_all_the_same() {
    let ends = |alert, exec| run(guarded(), &[("Sequence", 200), ("Alert", alert), ("Exec", exec)]);
    assert_eq!(ends(406, 215), Outcome::Unsupported { code: Some(406) });
    assert_eq!(ends(406, 0), Outcome::Unsupported { code: Some(406) });
    assert_eq!(ends(406, 202), Outcome::Pending);
    assert_eq!(ends(406, 403), Outcome::Refused { code: 403 });
    assert_eq!(ends(412, 215), Outcome::Refused { code: 412 });
}

#[test]
fn a_device_that_knows_no_sequence_is_told_apart_from_one_that_refuses() {
    for code in [405, 406, 500, 501] {
        let silent = run(guarded(), &[("Sequence", code), ("Alert", 0), ("Exec", 0)]);
        assert_eq!(silent, Outcome::Unsupported { code: Some(code) });
        let alike = run(guarded(), &[("Sequence", code), ("Alert", code), ("Exec", code)]);
        assert_eq!(alike, Outcome::Unsupported { code: Some(code) });
        let group = run(sequence(vec![add("./A"), delete("./B")]), &[("Sequence", code), ("Add", 0), ("Delete", 0)]);
        assert_eq!(group, Outcome::Unsupported { code: Some(code) });
        let group = run(atomic(vec![add("./A"), delete("./B")]), &[("Atomic", code), ("Add", 0), ("Delete", 0)]);
        assert_eq!(group, Outcome::Unsupported { code: Some(code) });
    }
    let full = run(sequence(vec![add("./A")]), &[("Sequence", 413), ("Add", 0)]);
    assert_eq!(full, Outcome::Refused { code: 413 });
    let done = run(guarded(), &[("Sequence", 501), ("Alert", 200), ("Exec", 202)]);
    assert_eq!(done, Outcome::Pending, "it ran, whatever the device calls it");
}

#[test]
fn a_sequence_ends_member_by_member() {
    let members = vec![
        Intent::MakeNode { at: node("./A/Box") },
        add("./A/Box/Leaf"),
        Intent::PutLeaf { at: node("./A/Old"), leaf: Leaf::chr("w"), how: PutHow::Replace },
        Intent::Copy { from: node("./A/Old"), to: node("./A/New") },
        delete("./A/Old"),
        read_of("./A/New"),
        read_of("./A"),
        Intent::Prompt(ask(PromptKind::Input, "Name?")),
        exec("./A/Op"),
    ];
    let mut said = Vec::new();
    let outcomes = Talk::admitted().run(vec![sequence(members)], |command| {
        said.push(command.name().to_owned());
        match (command, target(command).as_str()) {
            (Command::Get(_), "./A") => Reply::node("Box/New"),
            (Command::Get(_), _) => Reply::leaf("w"),
            (Command::Alert(_), _) => Reply::given(200, &["Ada"]),
            (Command::Delete(_), _) => Reply::code(404),
            (Command::Copy(_), _) => Reply::code(406),
            (Command::Exec(_), _) => Reply::code(202),
            _ => Reply::code(200),
        }
    });
    assert_eq!(said, ["Sequence", "Add", "Add", "Replace", "Copy", "Delete", "Get", "Get", "Alert", "Exec"]);
    let null = || Branch::Leaf(Leaf::null());
    assert_eq!(
        outcomes,
        [Outcome::Grouped(vec![
            written(),
            written(),
            written(),
            Outcome::Unsupported { code: Some(406) },
            Outcome::Missing,
            Outcome::Read(Branch::chr("w")),
            Outcome::Read(Branch::interior([("Box", null()), ("New", null())])),
            Outcome::Answered(Answer::Given(vec!["Ada".to_owned()])),
            Outcome::Pending,
        ])]
    );
}

#[test]
fn what_follows_a_no_in_a_sequence_was_skipped() {
    let members = vec![Intent::Prompt(ask(PromptKind::Confirm, "?")), add("./A"), delete("./B")];
    let outcome = run(sequence(members), &[("Sequence", 200), ("Alert", 304), ("Add", 215), ("Delete", 215)]);
    let skipped = Outcome::Skipped { code: 215 };
    assert_eq!(outcome, Outcome::Grouped(vec![Outcome::Answered(Answer::No), skipped.clone(), skipped]));
}

#[test]
fn an_atomic_is_all_or_nothing() {
    let members = || vec![add("./A"), Intent::MakeNode { at: node("./B") }, delete("./C")];
    let outcome = run(atomic(members()), &[("Atomic", 200), ("Add", 200), ("Delete", 200)]);
    assert_eq!(outcome, Outcome::Grouped(vec![written(), written(), Outcome::Deleted]));
    for (undone, delete, ends) in [(216, 405, 405), (516, 425, 425)] {
        let outcome = run(atomic(members()), &[("Atomic", 507), ("Add", undone), ("Delete", delete)]);
        let skipped = Outcome::Skipped { code: undone };
        assert_eq!(outcome, Outcome::Grouped(vec![skipped.clone(), skipped, Outcome::Refused { code: ends }]));
    }
    let outcome = run(atomic(members()), &[("Atomic", 507), ("Add", 418), ("Delete", 215)]);
    let refused = Outcome::Refused { code: 418 };
    assert_eq!(outcome, Outcome::Grouped(vec![refused.clone(), refused, Outcome::Skipped { code: 215 }]));
}

#[test]
fn what_a_failed_atomic_claims_to_have_done_was_undone() {
    let outcome = run(atomic(vec![add("./A"), delete("./B")]), &[("Atomic", 507), ("Add", 200), ("Delete", 0)]);
    let undone = Outcome::Skipped { code: 507 };
    assert_eq!(outcome, Outcome::Grouped(vec![undone.clone(), undone]));
    let no = run(
        atomic(vec![add("./A"), Intent::Prompt(ask(PromptKind::Confirm, "?"))]),
        &[("Atomic", 507), ("Add", 216), ("Alert", 304)],
    );
    assert_eq!(no, Outcome::Grouped(vec![Outcome::Skipped { code: 216 }, Outcome::Answered(Answer::No)]));
}

#[test]
fn a_device_may_leave_out_the_status_of_the_group() {
    let outcome = run(atomic(vec![add("./A"), delete("./B")]), &[("Atomic", 0), ("Add", 200), ("Delete", 200)]);
    assert_eq!(outcome, Outcome::Grouped(vec![written(), Outcome::Deleted]));
    let outcome = run(sequence(vec![add("./A"), exec("./Op")]), &[("Sequence", 0), ("Add", 200), ("Exec", 0)]);
    assert_eq!(outcome, Outcome::Grouped(vec![written(), Outcome::Unknown]));
    let silent = run(sequence(vec![add("./A"), exec("./Op")]), &[("Sequence", 0), ("Add", 0), ("Exec", 0)]);
    assert_eq!(silent, Outcome::Unknown);
}

#[test]
fn what_has_no_place_in_a_group_is_told_at_once() {
    let put = Intent::PutSubtree { at: node("./A"), content: Branch::chr("v") };
    let groups = vec![
        sequence(vec![]),
        sequence(vec![put.clone()]),
        sequence(vec![guarded()]),
        sequence(vec![sequence(vec![add("./A")])]),
        atomic(vec![add("./A"), read_of("./A")]),
        atomic(vec![exec("./Op")]),
        Intent::Guarded { ask: ask(PromptKind::Confirm, "?"), then: Box::new(put) },
    ];
    let count = groups.len();
    let mut talk = Talk::admitted();
    assert_eq!(outcomes(&talk.want(groups)), vec![Outcome::Unsupported { code: None }; count]);
    assert!(talk.answer().ends);
}

#[test]
fn a_group_is_alone_in_its_message_and_must_fit_it() {
    let mut talk = Talk::admitted_with("<MaxMsgSize>1500</MaxMsgSize>", node_by_node());
    let large = Intent::PutLeaf { at: node("./A/1"), leaf: Leaf::chr("v".repeat(1000)), how: PutHow::Add };
    let events = talk.want(vec![sequence(vec![large, add("./A/2")]), sequence(vec![add("./B")]), read_of("./C")]);
    assert_eq!(outcomes(&events), [Outcome::Refused { code: 413 }]);
    let answer = talk.answer();
    assert_eq!(commands(&answer), ["Sequence "]);
    talk.hear(&respond(&answer.message, &mut |_: &Command| Reply::code(200)));
    assert_eq!(commands(&talk.answer()), ["Get ./C"]);
}

/// A session in which the server may be asked for credentials, and a group is out.
fn challenged(members: &str) -> (Talk, Vec<Event>) {
    let mut talk = Talk::admitted();
    talk.account_mut().server_secret = Some(Secret::new("srv-pw".to_owned()));
    let _ = talk.want(vec![sequence(vec![add("./A"), exec("./Op")])]);
    talk.answer();
    let challenge = header_status(1, 407, &chal("CAkKCwwNDg8="));
    let events = talk.hear(&message(2, "", &format!("{challenge}{members}<Final/>")));
    (talk, events)
}

fn status(cmd_ref: u32, cmd: &str, code: u16) -> String {
    format!(
        "<Status><CmdID>{cmd_ref}</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd><Data>{code}</Data></Status>"
    )
}

#[test]
fn a_group_that_waits_for_our_credentials_is_said_again_as_a_whole() {
    let refused = [status(4, "Sequence", 407), status(5, "Add", 407), status(6, "Exec", 407)].concat();
    for members in ["", &refused] {
        let (mut talk, events) = challenged(members);
        assert_eq!(outcomes(&events), []);
        let again = talk.answer();
        assert_eq!(commands(&again), ["Sequence "]);
        let events = talk.hear(&respond(&again.message, &mut |_: &Command| Reply::code(200)));
        assert_eq!(outcomes(&events), [Outcome::Grouped(vec![written(), Outcome::Done { code: 200 }])]);
        assert!(talk.answer().ends);
    }
}

#[test]
fn a_group_of_which_something_ran_is_not_said_again() {
    let (mut talk, events) = challenged(&status(5, "Add", 200));
    assert_eq!(outcomes(&events), [Outcome::Grouped(vec![written(), Outcome::Unknown])]);
    assert!(talk.answer().ends);
}

#[test]
fn a_group_that_is_lost_with_its_session_has_an_unknown_end() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![guarded()]);
    talk.answer();
    assert_eq!(outcomes(&talk.lost()), [Outcome::Unknown]);
}
