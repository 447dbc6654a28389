//! `kind: "command"`: a list of commands on the device's tree.

use std::ops::RangeInclusive;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{OF_WORK, Work, texts};
use crate::{
    contract::problem::{
        Code,
        read::{Field, Object},
    },
    job::command::{Command, Commands, Grouping, Question, Uri},
    model::tree::{Format, Leaf, PromptInput, PromptKind, PromptOptions},
};

/// The most commands of a list.
pub(in crate::contract) const MOST_COMMANDS: usize = 64;
/// What all values and texts of a list may have together, in bytes.
pub(in crate::contract) const MOST_BYTES: usize = 64 * 1024;
/// The longest MIME type, and the longest choice or preset, in bytes.
pub(in crate::contract) const MOST_TYPE: usize = 127;
pub(in crate::contract) const MOST_CHOICE: usize = 255;
pub(in crate::contract) const MOST_CHOICES: usize = 32;
pub(in crate::contract) const SECONDS: RangeInclusive<u32> = 1..=86_400;
pub(in crate::contract) const LENGTHS: RangeInclusive<u32> = 1..=2048;

pub(in crate::contract) const GROUPS: [(&str, Grouping); 2] =
    [("atomic", Grouping::Atomic), ("sequence", Grouping::Sequence)];
pub(in crate::contract) const FORMATS: [(&str, Option<Format>); 10] = [
    ("chr", Some(Format::Chr)),
    ("int", Some(Format::Int)),
    ("bool", Some(Format::Bool)),
    ("bin", Some(Format::Bin)),
    ("xml", Some(Format::Xml)),
    ("date", Some(Format::Date)),
    ("time", Some(Format::Time)),
    ("float", Some(Format::Float)),
    ("null", Some(Format::Null)),
    ("node", None),
];
pub(in crate::contract) const PROMPTS: [(&str, PromptKind); 5] = [
    ("display", PromptKind::Display),
    ("confirm", PromptKind::Confirm),
    ("input", PromptKind::Input),
    ("choice", PromptKind::Choice),
    ("choices", PromptKind::Choices),
];
pub(in crate::contract) const INPUTS: [(&str, PromptInput); 6] = [
    ("text", PromptInput::Text),
    ("number", PromptInput::Number),
    ("date", PromptInput::Date),
    ("time", PromptInput::Time),
    ("phone", PromptInput::Phone),
    ("address", PromptInput::Address),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Add,
    Replace,
    Delete,
    Copy,
    Exec,
    Prompt,
}

const VERBS: [(&str, Verb); 7] = [
    ("get", Verb::Get),
    ("add", Verb::Add),
    ("replace", Verb::Replace),
    ("delete", Verb::Delete),
    ("copy", Verb::Copy),
    ("exec", Verb::Exec),
    ("prompt", Verb::Prompt),
];

/// Counts the bytes of values and texts, and tells once that there are too many.
struct Budget {
    used: usize,
}

impl Budget {
    fn take(&mut self, field: &Field<'_>, bytes: usize) -> bool {
        let before = self.used;
        self.used = self.used.saturating_add(bytes);
        let fits = self.used <= MOST_BYTES;
        if !fits && before <= MOST_BYTES {
            let detail = format!("with this the values and texts of the list have more than {MOST_BYTES} bytes");
            field.fault(Code::OutOfRange, detail);
        }
        fits
    }

    /// A text of at most so many bytes.
    fn text(&mut self, field: &Field<'_>, most: usize) -> Option<String> {
        let text = field.text()?;
        if text.len() > most {
            field.fault(Code::OutOfRange, format!("has {} bytes, at most {most} are taken", text.len()));
            return None;
        }
        self.take(field, text.len()).then(|| text.to_owned())
    }
}

pub(super) fn commands(root: &mut Object<'_>) -> Option<Work> {
    let others: Vec<&'static str> = OF_WORK.into_iter().filter(|name| !matches!(*name, "commands" | "group")).collect();
    root.misplaced(&others, "belongs to another `kind`");
    let group = root.get("group").map(|f| f.choice(&GROUPS, &[]));
    let members = root.need("commands").and_then(|f| f.list(MOST_COMMANDS));
    let (mut budget, mut list, mut good) = (Budget { used: 0 }, Vec::new(), true);
    let atomic = group == Some(Some(Grouping::Atomic));
    for member in members? {
        match member.object().and_then(|object| command(object, atomic, &mut budget)) {
            Some(command) => list.push(command),
            None => good = false,
        }
    }
    let group = match group {
        Some(read) => Some(read?),
        None => None,
    };
    good.then_some(Work::Command(Commands { list, group }))
}

fn command(mut object: Object<'_>, atomic: bool, budget: &mut Budget) -> Option<Command> {
    let field = object.need("do");
    let verb = field.as_ref().and_then(|f| f.choice(&VERBS, &[]));
    if let Some(field) = field.filter(|_| atomic && matches!(verb, Some(Verb::Get | Verb::Exec))) {
        field.fault(
            Code::MisplacedField,
            "cannot be all or nothing with others: a device runs no get and no exec in an atomic group",
        );
    }
    let uri = |object: &mut Object<'_>, name| object.need(name).and_then(|f| f.parsed::<Uri>(Code::InvalidName));
    let read = match verb {
        Some(Verb::Get) => uri(&mut object, "uri").map(|uri| Command::Get { uri }),
        Some(Verb::Delete) => uri(&mut object, "uri").map(|uri| Command::Delete { uri }),
        Some(Verb::Exec) => uri(&mut object, "uri").map(|uri| Command::Exec { uri }),
        Some(Verb::Copy) => {
            let (from, to) = (uri(&mut object, "from"), uri(&mut object, "to"));
            from.zip(to).map(|(from, to)| Command::Copy { from, to })
        }
        Some(Verb::Add) => {
            let (uri, leaf) = (uri(&mut object, "uri"), value(&mut object, true, budget));
            uri.zip(leaf).map(|(uri, leaf)| Command::Add { uri, leaf })
        }
        Some(Verb::Replace) => {
            let (uri, leaf) = (uri(&mut object, "uri"), value(&mut object, false, budget));
            uri.zip(leaf.flatten()).map(|(uri, leaf)| Command::Replace { uri, leaf })
        }
        Some(Verb::Prompt) => question(&mut object, budget).map(Command::Prompt),
        // Which members belong to it is not known.
        None => return None,
    };
    object.close();
    read
}

/// The leaf to be written; `Some(None)` for an interior node, where one may be made.
#[expect(clippy::option_option, reason = "outside whether it could be read, inside whether it is a leaf")]
fn value(object: &mut Object<'_>, may_be_node: bool, budget: &mut Budget) -> Option<Option<Leaf>> {
    let (format, mime, value) = (object.get("format"), object.get("type"), object.get("value"));
    let named = match &format {
        None => None,
        Some(field) => Some(field.choice(if may_be_node { &FORMATS } else { LEAVES }, &[])?),
    };
    let is_node = may_be_node && (named == Some(None) || (format.is_none() && value.is_none()));
    if is_node {
        let stray = [value, mime].into_iter().flatten();
        stray.for_each(|field| field.fault(Code::MisplacedField, "an interior node has none"));
        return Some(None);
    }
    let format = named.flatten().unwrap_or_default();
    let mime = match mime {
        Some(field) => Some(field.text_as(Code::InvalidName, media_type)?),
        None => None,
    };
    let text = match (value, format) {
        (None, Format::Null) => String::new(),
        (Some(field), Format::Null) => {
            field.fault(Code::MisplacedField, "a leaf of format `null` has none");
            return None;
        }
        (None, _) => {
            // Told as missing.
            drop(object.need("value"));
            return None;
        }
        (Some(field), format) => {
            let text = budget.text(&field, MOST_BYTES)?;
            well_formed(&field, format, &text).then_some(text)?
        }
    };
    Some(Some(Leaf { format, mime: mime.filter(|mime| mime != "text/plain"), text }))
}

/// The formats of a leaf.
const LEAVES: &[(&str, Option<Format>)] = FORMATS.split_at(9).0;

fn media_type(text: &str) -> Result<String, String> {
    let good = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && c != '/');
    let is_type = text.len() <= MOST_TYPE && text.split_once('/').is_some_and(|(one, other)| good(one) && good(other));
    if is_type { Ok(text.to_owned()) } else { Err(format!("must be a media type of at most {MOST_TYPE} bytes")) }
}

/// Whether a value is one of its format; if not, that is told.
fn well_formed(field: &Field<'_>, format: Format, text: &str) -> bool {
    let (good, code, wanted) = match format {
        Format::Int => (text.parse::<i64>().is_ok(), Code::UnknownValue, "a whole number"),
        Format::Bool => (matches!(text, "true" | "false"), Code::UnknownValue, "`true` or `false`"),
        Format::Float => (text.parse::<f64>().is_ok_and(f64::is_finite), Code::UnknownValue, "a number"),
        Format::Bin => (BASE64.decode(text).is_ok(), Code::InvalidBase64, "base64"),
        Format::Chr | Format::Xml | Format::Date | Format::Time | Format::Null => {
            let plain = !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
            (plain, Code::UnknownValue, "text without control characters")
        }
    };
    if !good {
        field.fault(code, format!("must be {wanted}, as a string"));
    }
    good
}

fn question(object: &mut Object<'_>, budget: &mut Budget) -> Option<Question> {
    let kind = object.need("prompt").and_then(|f| f.choice(&PROMPTS, &[]));
    let text = object.need("text").and_then(|f| texts(&f).filter(|texts| budget.take(&f, texts.bytes())));
    let is_choice = matches!(kind, Some(PromptKind::Choice | PromptKind::Choices));
    if kind.is_some() && !is_choice {
        object.misplaced(&["choices"], "belongs to `prompt` `choice` and `choices`");
    }
    if kind.is_some_and(|kind| kind != PromptKind::Input) {
        object.misplaced(&["max_length", "input", "hidden"], "belongs to `prompt` `input`");
    }
    let choices = if is_choice { object.need("choices").and_then(|f| choices(&f, budget)) } else { Some(Vec::new()) };
    let options = options(object, kind, choices.as_ref().map_or(0, Vec::len), budget);
    Some(Question { kind: kind?, text: text?, choices: choices?, options: options? })
}

fn choices(field: &Field<'_>, budget: &mut Budget) -> Option<Vec<String>> {
    let members: Vec<_> = field.list(MOST_CHOICES)?.iter().map(|m| shown(m, MOST_CHOICE, budget)).collect();
    members.into_iter().collect()
}

/// A text that a user sees.
fn shown(field: &Field<'_>, most: usize, budget: &mut Budget) -> Option<String> {
    let text = budget.text(field, most)?;
    if text.trim().is_empty() {
        field.fault(Code::Empty, "must say something");
        return None;
    }
    well_formed(field, Format::Chr, &text).then_some(text)
}

fn options(
    object: &mut Object<'_>,
    kind: Option<PromptKind>,
    choices: usize,
    budget: &mut Budget,
) -> Option<PromptOptions> {
    let min_seconds = optional(object.get("min_seconds"), |f| f.number(&SECONDS));
    let longest = object.get("max_seconds");
    let max_seconds = optional(longest.clone(), |f| f.number(&SECONDS));
    if let (Some(Some(least)), Some(Some(most)), Some(field)) = (min_seconds, max_seconds, longest)
        && most < least
    {
        field.fault(Code::OutOfRange, "must not be less than `min_seconds`");
    }
    let preset = optional(object.get("preset"), |f| preset(f, kind, choices, budget));
    let max_length = optional(object.get("max_length"), |f| f.number(&LENGTHS));
    let input = optional(object.get("input"), |f| f.choice(&INPUTS, &[]));
    let hidden = object.get("hidden").map_or(Some(false), |f| f.boolean());
    Some(PromptOptions {
        min_seconds: min_seconds?,
        max_seconds: max_seconds?,
        preset: preset?,
        max_length: max_length?,
        input: input?,
        hidden: hidden?,
    })
}

/// What is chosen or typed in beforehand.
fn preset(field: &Field<'_>, kind: Option<PromptKind>, choices: usize, budget: &mut Budget) -> Option<String> {
    let text = shown(field, MOST_CHOICE, budget)?;
    let exists = |number: &str| number.parse().is_ok_and(|n: usize| (1..=choices).contains(&n));
    let (good, wanted) = match kind {
        None | Some(PromptKind::Input) => (true, ""),
        Some(PromptKind::Display) => {
            field.fault(Code::MisplacedField, "what is only shown has no answer");
            return None;
        }
        Some(PromptKind::Confirm) => (matches!(text.as_str(), "0" | "1"), "`0` for no or `1` for yes"),
        Some(PromptKind::Choice) => (exists(&text), "the number of a choice, the first of which is 1"),
        Some(PromptKind::Choices) => (text.split('-').all(exists), "numbers of choices joined by `-`"),
    };
    if !good {
        field.fault(Code::UnknownValue, format!("must be {wanted}, as a string"));
    }
    good.then_some(text)
}

/// A member that may be absent.
#[expect(clippy::option_option, reason = "outside whether it could be read, inside whether it is there")]
fn optional<'a, T>(field: Option<Field<'a>>, read: impl FnOnce(&Field<'a>) -> Option<T>) -> Option<Option<T>> {
    match field {
        Some(field) => read(&field).map(Some),
        None => Some(None),
    }
}
