//! `manifest.toml` to [`Manifest`], every error with its place.

use std::{collections::BTreeMap, str::FromStr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Component, Delivery, Manifest};
use crate::model::{clock::Timestamp, rule::Rule, version::Version};

/// What is wrong with a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {}{reason}", if key.is_empty() { String::new() } else { format!("`{key}`: ") })]
pub struct ManifestError {
    /// The manifest's file name, as the caller gave it.
    pub file: String,
    /// The key, such as `components[1].version`; empty where the error belongs to none.
    pub key: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to do, in words.
    pub reason: String,
}

const KEYS: [&str; 19] = [
    "format",
    "id",
    "version",
    "name",
    "description",
    "vendor",
    "env_type",
    "pkg_type",
    "install_params",
    "reboot",
    "not_before",
    "payload",
    "size",
    "sha256",
    "when",
    "on_request",
    "delivery",
    "components",
    "user_text",
];

/// Keys that a later version brings.
const LATER: [&str; 5] = ["requires", "conflicts", "supersedes", "blocks", "withdrawn"];

/// Reads a manifest.
pub(super) fn parse(text: &str, file: &str) -> Result<Manifest, Vec<ManifestError>> {
    let mut reader = Reader { text, file, errors: Vec::new() };
    if text.len() > Manifest::MOST_BYTES {
        reader.error(
            "",
            0,
            format!("a manifest has at most {} bytes, this one has {}", Manifest::MOST_BYTES, text.len()),
        );
        return Err(reader.errors);
    }
    let root = match DeTable::parse(text) {
        Ok(root) => root.into_inner(),
        Err(error) => {
            reader.error("", error.span().map_or(0, |span| span.start), error.message().to_owned());
            return Err(reader.errors);
        }
    };
    let manifest = reader.manifest(&Table { path: String::new(), at: 0, of: &root });
    let mut errors = reader.errors;
    errors.sort_by_key(|error| (error.line, error.column));
    match manifest {
        Some(manifest) if errors.is_empty() => Ok(manifest),
        Some(_) | None => Err(errors),
    }
}

/// The error of a value that could be read but does not hold.
pub(super) fn fault(text: &str, file: &str, key: &str, reason: String) -> ManifestError {
    let root = DeTable::parse(text).map(Spanned::into_inner).unwrap_or_default();
    let at = Table { path: String::new(), at: 0, of: &root }.get(key).map_or(0, |value| value.span().start);
    place(text, file, key, at, reason)
}

/// The error of a byte.
fn place(text: &str, file: &str, key: &str, at: usize, reason: String) -> ManifestError {
    let before = text.get(..at).unwrap_or_default();
    let (line, column) =
        (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
    ManifestError { file: file.to_owned(), key: key.to_owned(), line, column, reason }
}

/// A table of the manifest, its key and its place.
struct Table<'a> {
    path: String,
    at: usize,
    of: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.of.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }
}

/// Gathers errors, so that all of a manifest's are told at once.
struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    errors: Vec<ManifestError>,
}

impl Reader<'_> {
    fn manifest(&mut self, root: &Table<'_>) -> Option<Manifest> {
        self.known_keys(root, &KEYS);
        self.format(root);
        let id = self.required(root, "id");
        let version = self.required(root, "version").and_then(|version| self.version_in_a_path(root, version));
        let name = self.required_text(root, "name", 128);
        let payload = self.payload(root);
        let size = self.size(root);
        let sha256 = self.required(root, "sha256");
        let components = self.components(root);
        Some(Manifest {
            description: self.text(root, "description", 512),
            vendor: self.text(root, "vendor", 128),
            env_type: self.text(root, "env_type", 128),
            pkg_type: self.text(root, "pkg_type", 100),
            install_params: self.text(root, "install_params", 2048),
            reboot: self.text(root, "reboot", 64),
            not_before: self.moment(root, "not_before"),
            when: self.rule(root, "when"),
            on_request: self.flag(root, "on_request"),
            delivery: self.delivery(root),
            user_text: self.user_text(root),
            id: id?,
            version: version?,
            name: name?,
            payload: payload?,
            size: size?,
            sha256: sha256?,
            components: components?,
        })
    }

    fn known_keys(&mut self, table: &Table<'_>, known: &[&str]) {
        for key in table.of.keys() {
            let name = key.get_ref().as_ref();
            if table.path.is_empty() && LATER.contains(&name) {
                self.error(
                    name,
                    key.span().start,
                    "is not supported yet; leave it out until a later version brings it".to_owned(),
                );
            } else if !known.contains(&name) {
                self.error(
                    &table.key(name),
                    key.span().start,
                    format!("is no key here; there are {}", known.join(", ")),
                );
            }
        }
    }

    fn format(&mut self, root: &Table<'_>) {
        match root.get("format") {
            Some(value) if integer(value.get_ref()) == Some(1) => {}
            Some(value) => self.error("format", value.span().start, "this version reads `format = 1` only".to_owned()),
            None => {
                let _: Option<()> = self.missing(root, "format");
            }
        }
    }

    fn version_in_a_path(&mut self, root: &Table<'_>, version: Version) -> Option<Version> {
        let bad = version.as_str().chars().find(|c| !(c.is_ascii_alphanumeric() || "._-+~".contains(*c)));
        match bad {
            None if !version.as_str().starts_with('.') => Some(version),
            None => self.wrong(root, "version", "a package's version must not begin with a dot".to_owned()),
            Some(c) => self.wrong(
                root,
                "version",
                format!("a package's version names a folder: {c:?} is none of its letters, digits and . _ - + ~"),
            ),
        }
    }

    fn payload(&mut self, root: &Table<'_>) -> Option<String> {
        let name = self.required_text(root, "payload", 128)?;
        let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-+~".contains(c)) && !name.starts_with('.');
        if bare && name != "manifest.toml" {
            return Some(name);
        }
        self.wrong(
            root,
            "payload",
            "must be the bare name of a file beside the manifest: letters, digits and . _ - + ~".to_owned(),
        )
    }

    fn size(&mut self, root: &Table<'_>) -> Option<u64> {
        let Some(value) = root.get("size") else { return self.missing(root, "size") };
        match integer(value.get_ref()) {
            Some(size) if size > 0 => Some(size),
            Some(_) | None => self.wrong(root, "size", "must be the payload's number of bytes, 1 or more".to_owned()),
        }
    }

    fn delivery(&mut self, root: &Table<'_>) -> Delivery {
        match self.text(root, "delivery", 16).as_deref() {
            None | Some("auto") => Delivery::Auto,
            Some("direct") => Delivery::Direct,
            Some("alternate") => Delivery::Alternate,
            Some(other) => {
                let reason = format!("{other:?} is not one of auto, direct, alternate");
                self.wrong(root, "delivery", reason).unwrap_or_default()
            }
        }
    }

    fn flag(&mut self, table: &Table<'_>, key: &str) -> bool {
        let Some(value) = table.get(key) else { return false };
        value
            .get_ref()
            .as_bool()
            .or_else(|| self.wrong(table, key, "must be true or false".to_owned()))
            .unwrap_or(false)
    }

    /// A moment as a TOML date-time with an offset, or as text.
    fn moment(&mut self, table: &Table<'_>, key: &str) -> Option<Timestamp> {
        let value = table.get(key)?.get_ref();
        let text = value.as_datetime().map(ToString::to_string).or_else(|| value.as_str().map(str::to_owned));
        match text.and_then(|text| Timestamp::parse(&text).ok()) {
            Some(at) => Some(at),
            None => self.wrong(
                table,
                key,
                "must be a date and time with an offset, such as 2026-01-31T08:00:00Z".to_owned(),
            ),
        }
    }

    /// A rule; where the source shows it as it is, the error points into it.
    fn rule(&mut self, table: &Table<'_>, key: &str) -> Option<Rule> {
        let text = self.text(table, key, Rule::MOST_BYTES)?;
        let span = table.get(key)?.span();
        match Rule::parse(&text) {
            Ok(rule) => Some(rule),
            Err(error) => {
                let raw = self.text.get(span.start + 1..span.end.saturating_sub(1));
                let inside = error.column().filter(|_| raw == Some(text.as_str())).unwrap_or(0);
                let offset = text.chars().take(inside.saturating_sub(1)).map(char::len_utf8).sum::<usize>();
                let at = if inside == 0 { span.start } else { span.start + 1 + offset };
                self.error(&table.key(key), at, error.to_string());
                None
            }
        }
    }

    fn components(&mut self, root: &Table<'_>) -> Option<Vec<Component>> {
        let Some(value) = root.get("components") else { return self.missing(root, "components") };
        let items = value.get_ref().as_array().filter(|items| (1..=Manifest::MOST_COMPONENTS).contains(&items.len()));
        let Some(items) = items else {
            let reason = format!("must be 1 to {} tables, each written as [[components]]", Manifest::MOST_COMPONENTS);
            return self.wrong(root, "components", reason);
        };
        let read: Vec<_> = items.iter().enumerate().map(|(index, item)| self.component(index, item)).collect();
        let components: Vec<Component> = read.into_iter().collect::<Option<_>>()?;
        let double = |one: &Component| components.iter().filter(|other| other.id == one.id).count() > 1;
        match components.iter().find(|one| double(one)) {
            None => Some(components),
            Some(one) => self.wrong(root, "components", format!("component {} stands here twice", one.id)),
        }
    }

    fn component(&mut self, index: usize, item: &Spanned<DeValue<'_>>) -> Option<Component> {
        let path = format!("components[{index}]");
        let at = item.span().start;
        let Some(of) = item.get_ref().as_table() else {
            self.error(&path, at, "must be a table with id and version".to_owned());
            return None;
        };
        let table = Table { path, at, of };
        self.known_keys(&table, &["id", "version"]);
        let (id, version) = (self.required(&table, "id"), self.required(&table, "version"));
        Some(Component { id: id?, version: version? })
    }

    fn user_text(&mut self, root: &Table<'_>) -> BTreeMap<String, String> {
        let Some(value) = root.get("user_text") else { return BTreeMap::new() };
        let Some(of) = value.get_ref().as_table() else {
            return self
                .wrong(root, "user_text", "must be a table of texts by language tag".to_owned())
                .unwrap_or_default();
        };
        let table = Table { path: "user_text".to_owned(), at: value.span().start, of };
        let mut texts = BTreeMap::new();
        for key in of.keys() {
            let tag = key.get_ref().as_ref();
            if tag.is_empty() || tag.len() > 35 || !tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                self.error(&table.key(tag), key.span().start, "is no language tag, such as en or pt-BR".to_owned());
            } else if let Some(text) = self.text(&table, tag, 512) {
                texts.insert(tag.to_owned(), text);
            }
        }
        texts
    }

    /// A value that must be there and is parsed from text.
    fn required<T: FromStr<Err: ToString>>(&mut self, table: &Table<'_>, key: &str) -> Option<T> {
        let text = self.required_text(table, key, 4096)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => self.wrong(table, key, error.to_string()),
        }
    }

    /// A text that must be there.
    fn required_text(&mut self, table: &Table<'_>, key: &str, most: usize) -> Option<String> {
        if table.get(key).is_none() { self.missing(table, key) } else { self.text(table, key, most) }
    }

    /// A text of at most `most` bytes that is not empty and has no control character but line breaks.
    fn text(&mut self, table: &Table<'_>, key: &str, most: usize) -> Option<String> {
        let value = table.get(key)?.get_ref();
        match value.as_str() {
            None => self.wrong(table, key, format!("must be a string, not {}", value.type_str())),
            Some(text) if text.trim().is_empty() => self.wrong(table, key, "must not be empty".to_owned()),
            Some(text) if text.len() > most => {
                self.wrong(table, key, format!("has at most {most} bytes, this one has {}", text.len()))
            }
            Some(text) if text.chars().any(|c| c.is_control() && c != '\n') => {
                self.wrong(table, key, "must not contain control characters".to_owned())
            }
            Some(text) => Some(text.to_owned()),
        }
    }

    /// Notes that `key` of `table` is missing.
    fn missing<T>(&mut self, table: &Table<'_>, key: &str) -> Option<T> {
        self.error(&table.key(key), table.at, "is missing".to_owned());
        None
    }

    /// Notes what is wrong with the value of `key`.
    fn wrong<T>(&mut self, table: &Table<'_>, key: &str, reason: String) -> Option<T> {
        let at = table.get(key).map_or(table.at, |value| value.span().start);
        self.error(&table.key(key), at, reason);
        None
    }

    fn error(&mut self, key: &str, at: usize, reason: String) {
        self.errors.push(place(self.text, self.file, key, at, reason));
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
