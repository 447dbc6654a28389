//! The user of a device: what is said to alerts 1100 to 1104, and to the device's own questions (DM 1.x sheet 2.5, SCOMO sheet 6).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// The user of a device; `"none"`, `"accept"` and `"decline"` are short forms of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Whether there is a user interface; without, the server's alerts are answered with 406.
    pub ui: bool,
    /// What is said to alerts 1101 to 1104, in turn; the last answer is given from then on.
    pub answers: Vec<Answer>,
    /// What becomes of a text that is only shown, alert 1100.
    pub display: Display,
    /// What is said when the device itself asks before an operation, in turn; the last from then on. "No" is result 1401.
    pub operations: Vec<Consent>,
    /// What is said when the download agent asks, with a descriptor at hand; "no" is status report 902 and result 1401.
    pub downloads: Vec<Consent>,
    /// Whether a Sequence goes on after an alert that could not be shown (406).
    pub goes_on_without_ui: bool,
    /// The longest text that can be shown, in characters; a longer one is 416.
    pub max_text: Option<usize>,
}

/// What a user says to a prompt of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes; to an input or a choice, what the server proposes.
    Yes,
    /// No: 304; an input or a choice is cancelled, 214.
    No,
    /// The dialogue is closed: 214.
    Cancel,
    /// Nothing is said in time: what the server proposes (`DR`), else 408.
    Timeout,
    /// This is typed; to any other prompt it is a yes.
    Text(String),
    /// These are chosen, counted from 1; to any other prompt it is a yes.
    Choice(Vec<u16>),
    /// This status, whatever the prompt.
    Status(u16),
}

/// What becomes of a text that is only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Display {
    /// It is seen: 200.
    #[default]
    Seen,
    /// It is closed before its time: 214.
    Cancel,
    /// Nobody sees it: 408.
    Timeout,
}

/// What a user says to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Yes.
    #[default]
    Accept,
    /// No.
    Decline,
}

impl User {
    /// Nobody is there: operations run unasked.
    #[must_use]
    pub fn none() -> Self {
        Self { ui: false, ..Self::accepting() }
    }

    /// Somebody who says yes to everything.
    #[must_use]
    pub fn accepting() -> Self {
        Self {
            ui: true,
            answers: vec![Answer::Yes],
            display: Display::Seen,
            operations: vec![Consent::Accept],
            downloads: vec![Consent::Accept],
            goes_on_without_ui: true,
            max_text: None,
        }
    }

    /// Somebody who says no to everything.
    #[must_use]
    pub fn declining() -> Self {
        Self { answers: vec![Answer::No], operations: vec![Consent::Decline], ..Self::accepting() }
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let empty = |key| Err((key, "needs one answer at least".to_owned()));
        if self.answers.is_empty() {
            return empty("user.answers");
        }
        if self.operations.is_empty() {
            return empty("user.operations");
        }
        if self.downloads.is_empty() {
            return empty("user.downloads");
        }
        let odd = |answer: &&Answer| matches!(answer, Answer::Status(status) if !(200..=599).contains(status));
        if self.answers.iter().any(|answer| odd(&answer)) {
            return Err(("user.answers", "`status` is 200 to 599".to_owned()));
        }
        Ok(())
    }
}

impl Default for User {
    fn default() -> Self {
        Self::none()
    }
}

impl<'de> Deserialize<'de> for User {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UserVisitor)
    }
}

/// The table behind [`User`].
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    ui: bool,
    #[serde(deserialize_with = "one_or_more")]
    answers: Vec<Answer>,
    display: Display,
    #[serde(deserialize_with = "one_or_more")]
    operations: Vec<Consent>,
    #[serde(deserialize_with = "one_or_more")]
    downloads: Vec<Consent>,
    goes_on_without_ui: bool,
    max_text: Option<usize>,
}

impl Default for Table {
    fn default() -> Self {
        let User { ui, answers, display, operations, downloads, goes_on_without_ui, max_text } = User::accepting();
        Self { ui, answers, display, operations, downloads, goes_on_without_ui, max_text }
    }
}

struct UserVisitor;

impl<'de> Visitor<'de> for UserVisitor {
    type Value = User;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`none`, `accept`, `decline` or a table")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<User, E> {
        match text {
            "none" => Ok(User::none()),
            "accept" => Ok(User::accepting()),
            "decline" => Ok(User::declining()),
            _ => Err(E::unknown_variant(text, &["none", "accept", "decline"])),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<User, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        let Table { ui, answers, display, operations, downloads, goes_on_without_ui, max_text } = table;
        Ok(User { ui, answers, display, operations, downloads, goes_on_without_ui, max_text })
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnswerVisitor)
    }
}

/// The tables of [`Answer`].
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Given {
    Text(String),
    #[serde(deserialize_with = "one_or_more")]
    Choice(Vec<u16>),
    Status(u16),
}

struct AnswerVisitor;

impl<'de> Visitor<'de> for AnswerVisitor {
    type Value = Answer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`yes`, `no`, `cancel`, `timeout`, or a table with `text`, `choice` or `status`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Answer, E> {
        match text {
            "yes" => Ok(Answer::Yes),
            "no" => Ok(Answer::No),
            "cancel" => Ok(Answer::Cancel),
            "timeout" => Ok(Answer::Timeout),
            _ => Err(E::unknown_variant(text, &["yes", "no", "cancel", "timeout"])),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Answer, A::Error> {
        Ok(match Given::deserialize(MapAccessDeserializer::new(map))? {
            Given::Text(text) => Answer::Text(text),
            Given::Choice(numbers) => Answer::Choice(numbers),
            Given::Status(status) => Answer::Status(status),
        })
    }
}

/// One value, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Several<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Several<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one value or a list of them")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            T::deserialize(serde::de::value::StrDeserializer::new(text)).map(|one| vec![one])
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<T>, E> {
            T::deserialize(serde::de::value::I64Deserializer::new(number)).map(|one| vec![one])
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = seq.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_any(Several(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Device {
        user: User,
    }

    fn user(text: &str) -> User {
        toml::from_str::<Device>(text).unwrap().user
    }

    #[test]
    fn short_forms_are_tables() {
        assert_eq!(user("user = 'none'"), User::none());
        assert_eq!(user("[user]"), User::accepting());
        assert_eq!(user("user = 'decline'"), user("[user]\nanswers = 'no'\noperations = 'decline'"));
    }

    #[test]
    fn answers_are_given_in_turn_and_in_many_shapes() {
        let answers =
            "[user]\nanswers = ['yes', { text = 'Joe' }, { choice = 2 }, { choice = [1, 3] }, { status = 416 }]";
        let expected = vec![
            Answer::Yes,
            Answer::Text("Joe".to_owned()),
            Answer::Choice(vec![2]),
            Answer::Choice(vec![1, 3]),
            Answer::Status(416),
        ];
        assert_eq!(user(answers).answers, expected);
        assert_eq!(user("[user]\nanswers = { text = 'Joe' }").answers, [Answer::Text("Joe".to_owned())]);
    }

    #[test]
    fn what_is_no_answer_is_refused_by_name() {
        for (text, wanted) in [
            ("user = 'perhaps'", "perhaps"),
            ("user.answers = 'perhaps'", "perhaps"),
            ("user.answers = { smile = 1 }", "smile"),
            ("user.mood = 1", "mood"),
        ] {
            let error = toml::from_str::<Device>(text).map(|d| d.user).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
