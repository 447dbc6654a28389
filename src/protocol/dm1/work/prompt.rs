//! Questions to the user: Alerts 1100 to 1104 and their answers (DM 1.x sheet 2.5).

use std::fmt::Write as _;

use super::good;
use crate::{
    model::tree::{Answer, Outcome, Prompt, PromptInput, PromptKind, PromptOptions},
    wire::syncml::{Alert, Data, Item},
};

/// Options first, then the text, then the choices, whose order numbers them from 1.
pub(super) fn alert(prompt: &Prompt, cmd_id: String) -> Alert {
    let text = |text: &str| Item { data: Some(Data::Text(text.to_owned())), ..Item::default() };
    let options = options(&prompt.options);
    let first = if options.is_empty() { Item::default() } else { text(&options) };
    let choices = prompt.choices.iter().map(|choice| text(choice));
    let items = [first, text(&prompt.text)].into_iter().chain(choices).collect();
    Alert { cmd_id, data: number(prompt.kind).to_owned(), correlator: None, items }
}

/// What the user said, by the status of the Alert and the texts of its Items.
pub(super) fn heard(prompt: &Prompt, code: u16, texts: Vec<String>) -> Outcome {
    match (code, prompt.kind) {
        (304, _) => Outcome::Answered(Answer::No),
        (214, _) => Outcome::Answered(Answer::Cancelled),
        (408, _) => Outcome::Answered(Answer::TimedOut),
        (405 | 406 | 501, _) => Outcome::Unsupported { code: Some(code) },
        (215, _) => Outcome::Refused { code },
        (200, PromptKind::Confirm) => Outcome::Answered(Answer::Yes),
        (_, PromptKind::Display) if good(code) => Outcome::Answered(Answer::Yes),
        (200, PromptKind::Input) => {
            Outcome::Answered(Answer::Given(vec![texts.into_iter().next().unwrap_or_default()]))
        }
        (200, PromptKind::Choice) => match chosen(prompt, &texts).as_slice() {
            [one] => Outcome::Answered(Answer::Given(vec![one.to_string()])),
            // Exactly one was to be chosen: this is no answer.
            [] | [_, ..] => Outcome::Refused { code },
        },
        (200, PromptKind::Choices) => {
            let numbers = chosen(prompt, &texts).iter().map(usize::to_string).collect();
            Outcome::Answered(Answer::Given(numbers))
        }
        (_, _) => Outcome::Refused { code },
    }
}

/// The numbers of choices that exist, each once, in their order; what else the device names is passed over.
fn chosen(prompt: &Prompt, texts: &[String]) -> Vec<usize> {
    let words = texts.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_digit()));
    let mut numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    numbers.retain(|number| (1..=prompt.choices.len()).contains(number));
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

const fn number(kind: PromptKind) -> &'static str {
    match kind {
        PromptKind::Display => "1100",
        PromptKind::Confirm => "1101",
        PromptKind::Input => "1102",
        PromptKind::Choice => "1103",
        PromptKind::Choices => "1104",
    }
}

/// `MINDT=10&MAXDT=60&DR=1`; empty if all is left to the device.
fn options(options: &PromptOptions) -> String {
    let PromptOptions { min_seconds, max_seconds, preset, max_length, input, hidden } = options;
    let number = |number: &Option<u32>| number.map(|n| n.to_string());
    let all = [
        ("MINDT", number(min_seconds)),
        ("MAXDT", number(max_seconds)),
        ("DR", preset.as_deref().map(encoded)),
        ("MAXLEN", number(max_length)),
        ("IT", input.map(|input| letter(input).to_owned())),
        ("ET", hidden.then(|| "P".to_owned())),
    ];
    let given = all.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?)));
    given.collect::<Vec<_>>().join("&")
}

const fn letter(input: PromptInput) -> &'static str {
    match input {
        PromptInput::Text => "A",
        PromptInput::Number => "N",
        PromptInput::Date => "D",
        PromptInput::Time => "T",
        PromptInput::Phone => "P",
        PromptInput::Address => "I",
    }
}

/// As in the query of a URL: `John+Doe`.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            // Writing to a String does not fail.
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
        out
    })
}
