//! Questions to the user: Alerts 1100 to 1104 (DM 1.x sheet 2.5).

use super::*;
use crate::{
    model::tree::{Answer, PromptInput},
    wire::syncml::Data,
};

/// Asks one question that the device answers so.
fn answered(prompt: Prompt, reply: &Reply) -> Outcome {
    let outcomes = Talk::admitted().run(vec![Intent::Prompt(prompt)], |_| reply.clone());
    let [outcome] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    outcome.clone()
}

/// The alert that a question becomes: its code, and the data of its items.
fn asked(prompt: Prompt) -> (String, Vec<Option<String>>) {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![Intent::Prompt(prompt)]);
    let answer = talk.answer();
    let Some(Command::Alert(alert)) = answer.message.body.commands.last() else { panic!("{answer:?}") };
    let text = |item: &crate::wire::syncml::Item| item.data.as_ref().and_then(Data::text).map(str::to_owned);
    (alert.data.clone(), alert.items.iter().map(text).collect())
}

fn given(texts: &[&str]) -> Outcome {
    Outcome::Answered(Answer::Given(texts.iter().map(|t| (*t).to_owned()).collect()))
}

fn with_choices(kind: PromptKind) -> Prompt {
    let choices = ["Now", "Tonight", "Never"].map(str::to_owned).to_vec();
    Prompt { choices, ..ask(kind, "When?") }
}

#[test]
fn a_question_is_an_alert_of_options_text_and_choices() {
    let texts = |texts: &[&str]| texts.iter().map(|t| Some((*t).to_owned())).collect::<Vec<_>>();
    let kinds = [
        (PromptKind::Display, "1100"),
        (PromptKind::Confirm, "1101"),
        (PromptKind::Input, "1102"),
        (PromptKind::Choice, "1103"),
        (PromptKind::Choices, "1104"),
    ];
    for (kind, code) in kinds {
        assert_eq!(asked(ask(kind, "Well?")), (code.to_owned(), vec![None, Some("Well?".to_owned())]));
    }
    let options = PromptOptions { preset: Some("2-3".to_owned()), ..PromptOptions::default() };
    let (_, items) = asked(Prompt { options, ..with_choices(PromptKind::Choices) });
    assert_eq!(items, texts(&["DR=2-3", "When?", "Now", "Tonight", "Never"]));
}

#[test]
fn every_option_is_told_and_what_is_free_text_is_encoded() {
    let options = PromptOptions {
        min_seconds: Some(10),
        max_seconds: Some(60),
        preset: Some("John & Zoë".to_owned()),
        max_length: Some(20),
        input: Some(PromptInput::Text),
        hidden: true,
    };
    let (_, items) = asked(Prompt { options, ..ask(PromptKind::Input, "Name?") });
    assert_eq!(items[0].as_deref(), Some("MINDT=10&MAXDT=60&DR=John+%26+Zo%C3%AB&MAXLEN=20&IT=A&ET=P"));
    let letters = [
        (PromptInput::Number, "IT=N"),
        (PromptInput::Date, "IT=D"),
        (PromptInput::Time, "IT=T"),
        (PromptInput::Phone, "IT=P"),
        (PromptInput::Address, "IT=I"),
    ];
    for (input, option) in letters {
        let options = PromptOptions { input: Some(input), ..PromptOptions::default() };
        assert_eq!(asked(Prompt { options, ..ask(PromptKind::Input, "?") }).1[0].as_deref(), Some(option));
    }
}

#[test]
fn a_yes_a_no_and_all_that_is_neither() {
    for (code, outcome) in [
        (200, Outcome::Answered(Answer::Yes)),
        (304, Outcome::Answered(Answer::No)),
        (214, Outcome::Answered(Answer::Cancelled)),
        (408, Outcome::Answered(Answer::TimedOut)),
        (406, Outcome::Unsupported { code: Some(406) }),
        (202, Outcome::Refused { code: 202 }),
        (215, Outcome::Refused { code: 215 }),
        (412, Outcome::Refused { code: 412 }),
        (416, Outcome::Refused { code: 416 }),
        (0, Outcome::Unknown),
    ] {
        assert_eq!(answered(ask(PromptKind::Confirm, "Now?"), &Reply::code(code)), outcome);
    }
    assert_eq!(answered(ask(PromptKind::Display, "Look"), &Reply::code(200)), Outcome::Answered(Answer::Yes));
}

#[test]
fn what_is_typed_comes_in_the_items_of_the_status() {
    let typed = |texts: &[&str]| answered(ask(PromptKind::Input, "Name?"), &Reply::given(200, texts));
    assert_eq!(typed(&["Ada Lovelace"]), given(&["Ada Lovelace"]));
    assert_eq!(typed(&[]), given(&[""]), "nothing was typed");
    let Outcome::Answered(Answer::Given(long)) = typed(&[&"ä".repeat(5000)]) else { panic!() };
    assert_eq!(long[0].len(), 2048, "bounded");
}

#[test]
fn choices_are_told_by_number_and_only_those_that_exist_count() {
    let one = |texts: &[&str]| answered(with_choices(PromptKind::Choice), &Reply::given(200, texts));
    assert_eq!(one(&[" 2 "]), given(&["2"]));
    for wrong in [&["1", "2"][..], &["4"], &["0"], &[], &["Now"], &["99999999999999999999999"]] {
        assert_eq!(one(wrong), Outcome::Refused { code: 200 }, "{wrong:?}");
    }
    let many = |texts: &[&str]| answered(with_choices(PromptKind::Choices), &Reply::given(200, texts));
    assert_eq!(many(&["3", "1", "3", "7"]), given(&["1", "3"]));
    assert_eq!(many(&["2-3"]), given(&["2", "3"]));
    assert_eq!(many(&[]), given(&[]));
    assert_eq!(many(&["1"; 500]), given(&["1"]), "bounded");
}

#[test]
fn choices_may_come_in_a_status_each() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![Intent::Prompt(with_choices(PromptKind::Choices))]);
    talk.answer();
    let status = |choice: u32| {
        format!(
            "<Status><CmdID>{choice}</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Alert</Cmd><Data>200</Data>
             <Item><Data>{choice}</Data></Item></Status>"
        )
    };
    let body = format!("{}{}{}<Final/>", header_status(1, 212, ""), status(1), status(3));
    assert_eq!(outcomes(&talk.hear(&message(2, "", &body))), [given(&["1", "3"])]);
}

#[test]
fn nothing_else_is_in_the_message_of_a_question() {
    let mut talk = Talk::admitted();
    let question = || Intent::Prompt(ask(PromptKind::Confirm, "Well?"));
    let _ = talk.want(vec![read_of("./A"), question(), question(), Intent::Delete { at: node("./A") }]);
    let mut said = Vec::new();
    let mut answer = talk.answer();
    while !answer.ends {
        said.push(commands(&answer).join(", "));
        talk.hear(&respond(&answer.message, &mut |_: &Command| Reply::code(200)));
        answer = talk.answer();
    }
    assert_eq!(said, ["Get ./A", "Alert 1101", "Alert 1101", "Delete ./A"]);
}

#[test]
fn a_question_is_asked_again_when_the_device_first_wants_our_credentials() {
    let mut talk = Talk::admitted();
    talk.account_mut().server_secret = Some(Secret::new("srv-pw".to_owned()));
    let _ = talk.want(vec![Intent::Prompt(ask(PromptKind::Confirm, "Well?"))]);
    assert_eq!(commands(&talk.answer()), ["Alert 1101"]);
    let challenge = header_status(1, 407, &chal("CAkKCwwNDg8="));
    assert_eq!(outcomes(&talk.hear(&message(2, "", &format!("{challenge}<Final/>")))), []);
    let again = talk.answer();
    assert_eq!(commands(&again), ["Alert 1101"]);
    let events = talk.hear(&respond(&again.message, &mut |_: &Command| Reply::code(304)));
    assert_eq!(outcomes(&events), [Outcome::Answered(Answer::No)]);
}
