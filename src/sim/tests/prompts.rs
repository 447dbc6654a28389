use super::*;
use crate::sim::Prompt;

/// What the device says to these prompts in one message: status, and what was typed or chosen.
fn answers(bench: &mut Bench, prompts: &[(u32, &[&str])]) -> Vec<(u16, Vec<String>)> {
    let alerts: String = (2..).zip(prompts).map(|(id, (code, texts))| prompt(id, *code, texts)).collect();
    bench.say(&format!("{alerts}<Final/>"));
    let texts = |s: &Status| s.items.iter().map(|i| i.data.as_ref().and_then(Data::text).unwrap().to_owned()).collect();
    statuses(&bench.sent)[1..].iter().map(|s| (s.code().unwrap(), texts(s))).collect()
}

fn said(code: u16, texts: &[&str]) -> (u16, Vec<String>) {
    (code, texts.iter().map(|text| (*text).to_owned()).collect())
}

const CONFIRM: (u32, &[&str]) = (1101, &["MINDT=10&MAXDT=60", "Install?"]);

#[test]
fn each_kind_of_prompt_is_answered_in_turn_and_kept() {
    let mut bench = Bench::open(
        "[device.user]\nanswers = ['yes', 'no', { text = 'Joe 7' }, { choice = 2 }, { choice = [3, 1, 9] }, 'cancel']",
    );
    let all: &[(u32, &[&str])] = &[
        (1100, &["", "Hello"]),
        CONFIRM,
        CONFIRM,
        (1102, &["MAXLEN=3", "Name?"]),
        (1103, &["", "Which?", "red", "green"]),
        (1104, &["", "Which?", "red", "green", "blue"]),
        CONFIRM,
        CONFIRM,
    ];
    let expected = [
        said(200, &[]),
        said(200, &[]),
        said(304, &[]),
        said(200, &["Joe"]),
        said(200, &["2"]),
        said(200, &["3", "1"]),
        said(214, &[]),
        said(214, &[]),
    ];
    assert_eq!(answers(&mut bench, all), expected);
    let prompts = bench.device.snapshot().prompts;
    let choice = Prompt {
        alert: 1103,
        options: String::new(),
        text: "Which?".to_owned(),
        choices: vec!["red".to_owned(), "green".to_owned()],
        status: 200,
        answer: vec!["2".to_owned()],
    };
    assert_eq!((prompts.len(), &prompts[4]), (8, &choice));
    let shown = bench.device.take_events();
    assert_eq!(shown.iter().filter(|e| matches!(e, crate::sim::Event::Prompted { .. })).count(), 8);
}

#[test]
fn silence_is_what_the_server_proposes_or_a_timeout() {
    let mut bench = Bench::open("user.answers = 'timeout'");
    let all: &[(u32, &[&str])] = &[
        (1101, &["DR=1", "Install?"]),
        (1101, &["DR=0&NEW=1", "Install?"]),
        (1101, &["", "Install?"]),
        (1102, &["DR=John+D%C3%B6&IT=A", "Name?"]),
        (1102, &["", "Name?"]),
        (1103, &["DR=2", "Which?", "a", "b"]),
        (1104, &["DR=1-2", "Which?", "a", "b"]),
        (1104, &["", "Which?", "a", "b"]),
    ];
    let expected = [
        said(200, &[]),
        said(304, &[]),
        said(408, &[]),
        said(200, &["John Dö"]),
        said(408, &[]),
        said(200, &["2"]),
        said(200, &["1", "2"]),
        said(408, &[]),
    ];
    assert_eq!(answers(&mut bench, all), expected);
}

#[test]
fn what_cannot_be_shown_is_refused_with_the_reason() {
    let all: &[(u32, &[&str])] = &[CONFIRM, (1101, &["no options"]), (1103, &["", "no choices"]), (1105, &["", "x"])];
    let codes = |profile: &str| {
        let said = answers(&mut Bench::open(profile), all);
        said.into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    assert_eq!(codes("user = 'accept'"), [200, 412, 412, 406]);
    assert_eq!(codes("user = 'none'"), [406; 4]);
    assert_eq!(codes("user.max_text = 5"), [416, 412, 412, 406]);
}

#[test]
fn only_what_the_input_type_allows_can_be_typed() {
    let typed = |input: &str| {
        let mut bench = Bench::open("user.answers = { text = '+1p 2.3' }");
        answers(&mut bench, &[(1102, &[&format!("IT={input}"), "Type"])])[0].1[0].clone()
    };
    assert_eq!([typed("N"), typed("P"), typed("I"), typed("A")], ["123", "+1p23", "12.3", "+1p 2.3"]);
}

#[test]
fn thinking_takes_time_within_the_bounds_of_the_prompt() {
    let pause = |user: &str, options: &str| {
        let mut bench = Bench::open(&format!("delays = {{ user = '{user}', message = '1s' }}\nuser = 'accept'"));
        let Next::Send(next) = bench.answer("", &format!("{}<Final/>", prompt(2, 1101, &[options, "Install?"]))) else {
            panic!("the session ended")
        };
        (next.pause.as_secs(), statuses(&read(&next))[1].code().unwrap())
    };
    assert_eq!(pause("5s", "MINDT=2&MAXDT=9"), (6, 200));
    assert_eq!(pause("5s", "MINDT=7&MAXDT=9"), (8, 200));
    assert_eq!(pause("5s", "MAXDT=3"), (4, 408));
    assert_eq!(pause("5s", "MAXDT=3&DR=1"), (4, 200));
    assert_eq!(pause("1s", "MINDT=999999999999"), (601, 200));
    assert_eq!(pause("0s", "MINDT=7"), (1, 200));
}

#[test]
fn a_no_guards_the_rest_of_a_sequence_and_a_missing_screen_if_so_made() {
    let run = |user: &str| {
        let mut bench = Bench::open(user);
        let guarded = format!("{}{}", prompt(4, 1101, &["", "Sure?"]), put("Add", 5, "./Vendor/A", "chr", "1"));
        bench.say(&format!("<Sequence><CmdID>3</CmdID>{guarded}</Sequence><Final/>"));
        (bench.codes()[2..].to_vec(), bench.text("Vendor/A").to_owned())
    };
    assert_eq!(run("user.answers = 'no'"), (vec![304, 215], String::new()));
    assert_eq!(run("user.answers = 'cancel'"), (vec![214, 215], String::new()));
    assert_eq!(run("user = 'none'"), (vec![406, 200], "1".to_owned()));
    assert_eq!(run("user = { ui = false, goes_on_without_ui = false }"), (vec![406, 215], String::new()));
}

#[test]
fn the_device_asks_before_operations_and_hears_answers_in_turn() {
    let mut bench = Bench::open(
        "user.operations = ['decline', 'accept']\nscomo.component = [{ id = 'a' }]\nscomo.sync = ['Deactivate']",
    );
    let exec = exec(2, "./SCOMO/Inventory/Deployed/a/Operations/Deactivate");
    bench.say(&format!("{exec}<Final/>"));
    assert_eq!(bench.codes()[1], 1401);
    bench.say(&format!("{exec}<Final/>"));
    assert_eq!(bench.codes()[1], 1200);
}
