//! Reads JSON into types and collects every fault on the way, each with its JSON Pointer.
//!
//! A reader returns `None` where it noted a fault; only [`Faults::into_result`] decides whether the whole was good.

use std::{cell::RefCell, collections::BTreeSet, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use serde_json::{Map, Value};

use super::{Code, Fault, Problem};
use crate::model::clock::{Timestamp, span};

/// The faults found so far; further ones than [`Faults::MOST`] are passed over.
#[derive(Debug, Default)]
pub struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// How many faults are told at most.
    pub const MOST: usize = 100;

    /// Notes a fault.
    pub fn add(&self, fault: Fault) {
        let mut faults = self.0.borrow_mut();
        if faults.len() < Self::MOST {
            faults.push(fault);
        }
    }

    /// Whether no fault was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The value, if it could be read and nothing was wrong.
    ///
    /// # Errors
    /// A problem that lists every fault.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            Some(_) | None => Err(Problem::invalid(self.0.into_inner())),
        }
    }
}

/// Reads a JSON text of at most `most` bytes.
///
/// # Errors
/// [`Code::TooLarge`] or [`Code::InvalidJson`].
pub fn json(bytes: &[u8], most: usize) -> Result<Value, Problem> {
    if bytes.len() > most {
        return Err(Problem::new(
            Code::TooLarge,
            format!("the body has {} bytes, at most {most} are taken", bytes.len()),
        ));
    }
    serde_json::from_slice(bytes).map_err(|e| Problem::new(Code::InvalidJson, e.to_string()))
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    at: String,
    value: &'a Value,
    faults: &'a Faults,
}

impl<'a> Field<'a> {
    /// The whole input.
    #[must_use]
    pub const fn root(value: &'a Value, faults: &'a Faults) -> Self {
        Self { at: String::new(), value, faults }
    }

    /// Notes a fault here.
    pub fn fault(&self, code: Code, detail: impl Into<String>) {
        self.faults.add(Fault::new(self.at.clone(), code, detail));
    }

    /// Whether it is null, which clears a member in a patch and is a fault elsewhere.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// A text.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.typed("a string", Value::as_str)
    }

    /// A text that `T` parses; `code` names the fault if it does not.
    #[must_use]
    pub fn parsed<T: FromStr<Err: Display>>(&self, code: Code) -> Option<T> {
        self.text_as(code, |text| text.parse::<T>().map_err(|e| e.to_string()))
    }

    /// A text that `read` parses; `code` names the fault if it does not.
    #[must_use]
    pub fn text_as<T>(&self, code: Code, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        read(self.text()?).map_err(|detail| self.fault(code, detail)).ok()
    }

    /// True or false.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        self.typed("true or false", Value::as_bool)
    }

    /// A whole number within bounds.
    #[must_use]
    pub fn number<T: TryFrom<u64> + Display + PartialOrd>(&self, range: &RangeInclusive<T>) -> Option<T> {
        let _: &serde_json::Number = self.typed("a whole number", Value::as_number)?;
        let number = self.value.as_u64().and_then(|n| T::try_from(n).ok()).filter(|n| range.contains(n));
        if number.is_none() {
            self.fault(Code::OutOfRange, format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// A moment, RFC 3339.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.text_as(Code::InvalidTime, Timestamp::parse)
    }

    /// A duration within bounds.
    #[must_use]
    pub fn duration(&self, range: &RangeInclusive<Duration>) -> Option<Duration> {
        let found = self.text_as(Code::InvalidDuration, span::parse)?;
        if !range.contains(&found) {
            let (least, most) = (span::format(*range.start()), span::format(*range.end()));
            self.fault(Code::OutOfRange, format!("must be from {least} to {most}"));
            return None;
        }
        Some(found)
    }

    /// One of a closed set of words; `later` are words of the contract that come with a later version.
    #[must_use]
    pub fn choice<T: Copy>(&self, words: &[(&str, T)], later: &[&str]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            if later.contains(&text) {
                self.fault(Code::NotSupportedYet, format!("`{text}` is not supported yet; now: {known}"));
            } else {
                let hint = hint(text, words.iter().map(|(word, _)| *word));
                self.fault(Code::UnknownValue, format!("`{}` is not one of {known}{hint}", shorten(text)));
            }
        }
        found
    }

    /// A list of at most `most` members, at least one.
    #[must_use]
    pub fn list(&self, most: usize) -> Option<Vec<Self>> {
        self.list_or(most, "")
    }

    /// The same; `instead` says of a longer one what to do, and completes a sentence that begins with what this is a member of.
    #[must_use]
    pub fn list_or(&self, most: usize, instead: &str) -> Option<Vec<Self>> {
        let members = self.typed("a list", Value::as_array)?;
        if members.is_empty() {
            self.fault(Code::Empty, "must have at least one member");
            return None;
        }
        if members.len() > most {
            let instead = if instead.is_empty() { String::new() } else { format!(": a request {instead}") };
            self.fault(Code::TooMany, format!("has {} members, at most {most} are taken{instead}", members.len()));
            return None;
        }
        let member = |(i, value)| Self { at: format!("{}/{i}", self.at), value, faults: self.faults };
        Some(members.iter().enumerate().map(member).collect())
    }

    /// Whether it is a list without members, for the lists that may be.
    #[must_use]
    pub fn is_empty_list(&self) -> bool {
        self.value.as_array().is_some_and(Vec::is_empty)
    }

    /// An object, to be read member by member.
    #[must_use]
    pub fn object(&self) -> Option<Object<'a>> {
        let map = self.typed("an object", Value::as_object)?;
        Some(Object { at: self.at.clone(), map, known: BTreeSet::new(), faults: self.faults })
    }

    /// Texts by name, at least one and at most `most`: such as a text for each language.
    #[must_use]
    pub fn texts(&self, most: usize) -> Option<Vec<(&'a str, Self)>> {
        let members = self.typed("an object", Value::as_object)?;
        if members.is_empty() {
            self.fault(Code::Empty, "must have at least one member");
            return None;
        }
        if members.len() > most {
            self.fault(Code::TooMany, format!("has {} members, at most {most} are taken", members.len()));
            return None;
        }
        let member = |(name, value): (&'a String, &'a Value)| {
            (name.as_str(), Self { at: format!("{}/{}", self.at, escape(name)), value, faults: self.faults })
        };
        Some(members.iter().map(member).collect())
    }

    fn typed<T>(&self, wanted: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let found = read(self.value);
        if found.is_none() {
            let is = match self.value {
                Value::Null => "null",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                Value::String(_) => "a string",
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
            };
            self.fault(Code::WrongType, format!("must be {wanted}, is {is}"));
        }
        found
    }
}

/// An object of which each member is asked for by name; [`Object::close`] refuses the others.
#[derive(Debug)]
pub struct Object<'a> {
    at: String,
    map: &'a Map<String, Value>,
    known: BTreeSet<&'static str>,
    faults: &'a Faults,
}

impl<'a> Object<'a> {
    /// A member, if it is there.
    pub fn get(&mut self, name: &'static str) -> Option<Field<'a>> {
        #[cfg(test)]
        seen::note(&self.at, name);
        self.find(name)
    }

    fn find(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.insert(name);
        let value = self.map.get(name)?;
        Some(Field { at: format!("{}/{name}", self.at), value, faults: self.faults })
    }

    /// A member that must be there.
    pub fn need(&mut self, name: &'static str) -> Option<Field<'a>> {
        let field = self.get(name);
        if field.is_none() {
            self.faults.add(Fault::new(
                format!("{}/{name}", self.at),
                Code::MissingField,
                format!("`{name}` is required"),
            ));
        }
        field
    }

    /// Refuses members that the contract has and this version does not do yet.
    pub fn later(&mut self, names: &[&'static str]) {
        self.refuse(names, Code::NotSupportedYet, "is not supported yet");
    }

    /// Refuses members that exist but contradict others; `why` completes a sentence that begins with the member's name.
    pub fn misplaced(&mut self, names: &[&'static str], why: &str) {
        self.refuse(names, Code::MisplacedField, why);
    }

    /// Refuses every member that was never asked for.
    pub fn close(self) {
        for name in self.map.keys().filter(|name| !self.known.contains(name.as_str())) {
            let hint = hint(name, self.known.iter().copied());
            let detail = format!("`{}` is not a field here{hint}", shorten(name));
            self.faults.add(Fault::new(format!("{}/{}", self.at, escape(name)), Code::UnknownField, detail));
        }
    }

    fn refuse(&mut self, names: &[&'static str], code: Code, why: &str) {
        for name in names {
            if let Some(field) = self.find(name) {
                field.fault(code, format!("`{name}` {why}"));
            }
        }
    }
}

/// Which members were asked for, to be held against the schemas.
#[cfg(test)]
pub(in crate::contract) mod seen {
    use std::{cell::RefCell, collections::BTreeSet, mem};

    thread_local! { static SEEN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) } }

    pub(super) fn note(at: &str, name: &str) {
        let at = at.split('/').map(|part| if part.parse::<usize>().is_ok() { "*" } else { part });
        let at = at.collect::<Vec<_>>().join("/");
        SEEN.with_borrow_mut(|seen| seen.insert(format!("{at}/{name}")));
    }

    /// Those that this thread asked for since the last time.
    pub(in crate::contract) fn take() -> BTreeSet<String> {
        SEEN.with_borrow_mut(mem::take)
    }
}

/// A member name inside a JSON Pointer (RFC 6901 section 3), cut where a hostile one would swell the answer.
fn escape(name: &str) -> String {
    shorten(name).replace('~', "~0").replace('/', "~1")
}

fn shorten(text: &str) -> String {
    const MOST: usize = 64;
    if text.chars().count() > MOST { text.chars().take(MOST).chain(['…']).collect() } else { text.to_owned() }
}

/// The closest known word, if one is close.
fn hint<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> String {
    if word.len() > 64 {
        return String::new();
    }
    let near = known.map(|k| (distance(word, k), k)).filter(|(d, k)| *d <= 2.min(k.len() / 2)).min();
    near.map(|(_, k)| format!("; did you mean `{k}`?")).unwrap_or_default()
}

/// Levenshtein's distance in characters, letter case passed over.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, c) in one.to_lowercase().chars().enumerate() {
        let (mut next, mut left) = (vec![i + 1], i + 1);
        for (d, (diagonal, up)) in other.iter().zip(row.iter().zip(row.iter().skip(1))) {
            left = (diagonal + usize::from(*d != c)).min(left + 1).min(up + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(value: &Value, read: impl FnOnce(&mut Object<'_>)) -> Vec<(String, Code, String)> {
        let faults = Faults::default();
        let mut object = Field::root(value, &faults).object().unwrap();
        read(&mut object);
        object.close();
        faults.0.into_inner().into_iter().map(|f| (f.pointer, f.code, f.detail)).collect()
    }

    #[test]
    fn a_misspelt_member_is_refused_with_a_hint() {
        let found = faults(&json!({ "pririty": 3, "a/b~": 1 }), |o| drop(o.get("priority")));
        assert_eq!(
            found,
            [
                ("/a~1b~0".to_owned(), Code::UnknownField, "`a/b~` is not a field here".to_owned()),
                (
                    "/pririty".to_owned(),
                    Code::UnknownField,
                    "`pririty` is not a field here; did you mean `priority`?".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn every_reader_names_what_it_wanted() {
        let value = json!({ "n": 10, "f": 1.5, "s": 1, "t": "noon", "d": "2y", "w": "instal", "l": [], "x": null });
        let found = faults(&value, |o| {
            for name in ["n", "f"] {
                assert_eq!(o.need(name).unwrap().number(&(0..=9_u8)), None);
            }
            assert_eq!(o.need("s").unwrap().text(), None);
            assert_eq!(o.need("t").unwrap().time(), None);
            assert_eq!(o.need("d").unwrap().duration(&(Duration::ZERO..=Duration::from_secs(1))), None);
            assert_eq!(o.need("w").unwrap().choice(&[("install", 1)], &[]), None);
            assert!(o.need("l").unwrap().list(3).is_none());
            assert_eq!(o.need("x").unwrap().boolean(), None);
            assert!(o.need("gone").is_none());
        });
        let said: Vec<_> = found.iter().map(|(at, code, detail)| format!("{at} {code} {detail}")).collect();
        assert_eq!(said[0], "/n out_of_range must be a whole number from 0 to 9");
        assert_eq!(said[1], "/f out_of_range must be a whole number from 0 to 9");
        assert_eq!(said[2], "/s wrong_type must be a string, is a number");
        assert!(said[3].starts_with("/t invalid_time "), "{}", said[3]);
        assert!(said[4].starts_with("/d invalid_duration "), "{}", said[4]);
        assert_eq!(said[5], "/w unknown_value `instal` is not one of `install`; did you mean `install`?");
        assert_eq!(said[6], "/l empty must have at least one member");
        assert_eq!(said[7], "/x wrong_type must be true or false, is null");
        assert_eq!(said[8], "/gone missing_field `gone` is required");
    }

    #[test]
    fn hostile_text_is_refused_before_it_costs() {
        assert_eq!(json(&[b' '; 11], 10).unwrap_err().code, Code::TooLarge);
        assert_eq!(json(b"{", 10).unwrap_err().code, Code::InvalidJson);
        assert_eq!(json("[".repeat(100_000).as_bytes(), 1 << 20).unwrap_err().code, Code::InvalidJson);
        let many = Value::Object((0..5000).map(|i| (format!("{i:0>1000}"), Value::Null)).collect());
        let found = faults(&many, |_| ());
        assert!(found.len() == Faults::MOST && found.iter().all(|(at, _, detail)| at.len() + detail.len() < 400));
    }
}
