//! What the user of a device does with a prompt of the server (DM 1.x sheet 2.5).

use std::time::Duration;

use super::{
    log::Prompt,
    profile::{Answer, Display, User},
};
use crate::wire::syncml::{Alert, Data, Item};

/// The longest that a server can make a user wait.
const LONGEST: Duration = Duration::from_mins(10);

/// What came of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status, and what was typed or chosen.
    pub(super) prompt: Prompt,
    /// How long it took.
    pub(super) took: Duration,
    /// Whether one of the user's answers was used up.
    pub(super) used: bool,
}

/// The kinds of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Display,
    Confirm,
    Input,
    One,
    Several,
}

/// The options of a prompt that a device looks at; others are skipped.
#[derive(Debug, Default)]
struct Options {
    shortest: Option<Duration>,
    longest: Option<Duration>,
    default: Option<String>,
    most: Option<usize>,
    input: Option<char>,
}

/// What `user` does with an alert 1100 to 1104, if it is one; `turn` is how many answers were given before.
pub(super) fn reply(user: &User, alert: &Alert, turn: usize, thinking: Duration) -> Option<Reply> {
    let code: u16 = alert.data.trim().parse().ok()?;
    let kind = match code {
        1100 => Kind::Display,
        1101 => Kind::Confirm,
        1102 => Kind::Input,
        1103 => Kind::One,
        1104 => Kind::Several,
        _ => return None,
    };
    let mut texts = alert.items.iter().map(text);
    let (first, shown) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    let choices: Vec<String> = texts.map(str::to_owned).collect();
    let mut prompt = Prompt {
        alert: code,
        options: first.to_owned(),
        text: shown.to_owned(),
        choices,
        status: 200,
        answer: Vec::new(),
    };
    if let Some(status) = refusal(user, kind, &prompt, alert.items.len()) {
        prompt.status = status;
        return Some(Reply { prompt, took: Duration::ZERO, used: false });
    }
    let options = Options::read(first);
    let took = options.time(thinking);
    let answer = user.answers.get(turn).or(user.answers.last()).unwrap_or(&Answer::Yes);
    let is_late = options.longest.is_some_and(|longest| thinking > longest);
    let answer = if is_late { &Answer::Timeout } else { answer };
    (prompt.status, prompt.answer) = match kind {
        Kind::Display => (shown_status(user.display), Vec::new()),
        Kind::Confirm => confirm(answer, &options),
        Kind::Input => input(answer, &options),
        Kind::One | Kind::Several => choose(answer, &options, prompt.choices.len(), kind == Kind::One),
    };
    Some(Reply { prompt, took, used: kind != Kind::Display })
}

/// Why a prompt is not shown: no user interface 406, items missing 412, too long 416.
fn refusal(user: &User, kind: Kind, prompt: &Prompt, items: usize) -> Option<u16> {
    let chooses = matches!(kind, Kind::One | Kind::Several);
    let longest = prompt.choices.iter().chain([&prompt.text]).map(|text| text.chars().count()).max().unwrap_or(0);
    if !user.ui {
        Some(406)
    } else if items < 2 || prompt.text.trim().is_empty() || chooses && prompt.choices.is_empty() {
        Some(412)
    } else if user.max_text.is_some_and(|most| longest > most) {
        Some(416)
    } else {
        None
    }
}

const fn shown_status(display: Display) -> u16 {
    match display {
        Display::Seen => 200,
        Display::Cancel => 214,
        Display::Timeout => 408,
    }
}

fn confirm(answer: &Answer, options: &Options) -> (u16, Vec<String>) {
    let status = match answer {
        Answer::Yes | Answer::Text(_) | Answer::Choice(_) => 200,
        Answer::No => 304,
        Answer::Cancel => 214,
        Answer::Timeout => match options.default.as_deref() {
            Some("1") => 200,
            Some("0") => 304,
            Some(_) | None => 408,
        },
        Answer::Status(status) => *status,
    };
    (status, Vec::new())
}

fn input(answer: &Answer, options: &Options) -> (u16, Vec<String>) {
    let proposed = options.default.clone();
    let typed = match answer {
        Answer::Text(text) => text.clone(),
        Answer::Yes | Answer::Choice(_) => proposed.unwrap_or_default(),
        Answer::No | Answer::Cancel => return (214, Vec::new()),
        Answer::Timeout => match proposed {
            Some(text) => text,
            None => return (408, Vec::new()),
        },
        Answer::Status(status) => return (*status, Vec::new()),
    };
    let typed = typed.chars().filter(|c| options.takes(*c)).take(options.most.unwrap_or(usize::MAX));
    (200, vec![typed.collect()])
}

fn choose(answer: &Answer, options: &Options, choices: usize, only_one: bool) -> (u16, Vec<String>) {
    let proposed = || -> Vec<u16> {
        let numbers = options.default.as_deref().unwrap_or_default().split('-');
        numbers.filter_map(|number| number.trim().parse().ok()).collect()
    };
    let numbers = match answer {
        Answer::Choice(numbers) => numbers.clone(),
        Answer::Yes | Answer::Text(_) => {
            let proposed = proposed();
            if proposed.is_empty() { vec![1] } else { proposed }
        }
        Answer::No | Answer::Cancel => return (214, Vec::new()),
        Answer::Timeout if proposed().is_empty() => return (408, Vec::new()),
        Answer::Timeout => proposed(),
        Answer::Status(status) => return (*status, Vec::new()),
    };
    let there = numbers.into_iter().filter(|number| (1..=choices).contains(&usize::from(*number)));
    let chosen: Vec<String> = there.take(if only_one { 1 } else { choices }).map(|n| n.to_string()).collect();
    if chosen.is_empty() { (214, chosen) } else { (200, chosen) }
}

impl Options {
    /// Reads `key=value` pairs joined by `&`, URL-encoded.
    fn read(text: &str) -> Self {
        let mut read = Self::default();
        let seconds = |value: &str| value.trim().parse().ok().map(Duration::from_secs);
        for (key, value) in url::form_urlencoded::parse(text.trim().as_bytes()) {
            match key.trim().to_ascii_uppercase().as_str() {
                "MINDT" => read.shortest = seconds(&value),
                "MAXDT" => read.longest = seconds(&value),
                "DR" => read.default = Some(value.into_owned()),
                "MAXLEN" => read.most = value.trim().parse().ok(),
                "IT" => read.input = value.trim().chars().next(),
                _ => {}
            }
        }
        read
    }

    /// How long a user takes who thinks so long: not less than `MINDT`, not more than `MAXDT`. One who does not think at all
    /// waits for nothing.
    fn time(&self, thinking: Duration) -> Duration {
        if thinking.is_zero() {
            return thinking;
        }
        let longest = self.longest.unwrap_or(LONGEST).min(LONGEST);
        thinking.min(longest).max(self.shortest.unwrap_or(Duration::ZERO).min(longest))
    }

    /// Whether a character can be typed (`IT`).
    fn takes(&self, c: char) -> bool {
        match self.input {
            Some('N' | 'D' | 'T') => c.is_ascii_digit(),
            Some('P') => c.is_ascii_digit() || "+psw".contains(c),
            Some('I') => c.is_ascii_digit() || c == '.',
            Some(_) | None => true,
        }
    }
}

fn text(item: &Item) -> &str {
    item.data.as_ref().and_then(Data::text).unwrap_or_default()
}
