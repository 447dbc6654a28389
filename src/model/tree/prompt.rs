//! Questions to a device's user, and answers.

use serde::{Deserialize, Serialize};

/// A question to the user of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// What kind of answer is wanted.
    pub kind: PromptKind,
    /// The text shown.
    pub text: String,
    /// The choices, for the kinds that have some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// How it is shown.
    #[serde(default)]
    pub options: PromptOptions,
}

/// How a [`Prompt`] is shown; the device decides what is left open (DM 1.x sheet 2.5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptOptions {
    /// For so many seconds at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_seconds: Option<u32>,
    /// For so many seconds at most; then the answer is `preset`, or there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_seconds: Option<u32>,
    /// What is chosen or typed in before the user does anything: `0` or `1` for yes or no, a text, or numbers of choices, the first
    /// of which is 1, joined by `-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The most characters of a typed text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// What may be typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<PromptInput>,
    /// Whether what is typed is kept from sight.
    pub hidden: bool,
}

/// What may be typed (DM 1.x sheet 2.5, `IT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptInput {
    /// Letters, digits and signs.
    Text,
    /// A number.
    Number,
    /// `DDMMYYYY`
    Date,
    /// `hhmmss`
    Time,
    /// A telephone number.
    Phone,
    /// An IPv4 address.
    Address,
}

/// The kinds of a [`Prompt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptKind {
    /// Text without an answer.
    Display,
    /// Yes or no.
    Confirm,
    /// A typed text.
    Input,
    /// One of the choices.
    Choice,
    /// Any number of the choices.
    Choices,
}

/// What a user answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes, or seen.
    Yes,
    /// No.
    No,
    /// Cancelled the dialogue.
    Cancelled,
    /// Nobody answered in time.
    TimedOut,
    /// Typed texts or numbers of choices.
    Given(Vec<String>),
}
