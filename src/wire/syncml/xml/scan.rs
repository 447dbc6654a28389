//! A document as a flat run of steps, every bound checked on the way: what the readers of this folder stand on.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::{Error, Place};
use crate::wire::syncml::limits::Limits;

/// No setting allows more nesting than this: groups are read by recursion.
const DEPTH_MAX: usize = 128;

/// What comes next inside an element.
pub(in crate::wire) enum Step<'a> {
    /// A start tag, by its local name.
    Open(&'a str),
    /// A piece of character content, resolved.
    Text(Cow<'a, str>),
    /// The end of the innermost open element.
    Close,
}

/// The root element.
pub(in crate::wire) struct Root<'a> {
    /// Its local name.
    pub(in crate::wire) name: &'a str,
    /// Its namespace; empty if it has none.
    pub(in crate::wire) namespace: String,
}

/// Reads one document of text.
pub(in crate::wire) struct Scanner<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    limits: Limits,
    /// The open elements, outermost first.
    path: Vec<&'a str>,
    /// Where the last event begins.
    start: usize,
    elements: usize,
    commands: usize,
}

impl<'a> Scanner<'a> {
    /// Starts on a text that [`decode`] has made.
    pub(in crate::wire) fn new(text: &'a str, limits: &Limits) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { text, reader, limits: *limits, path: Vec::new(), start: 0, elements: 0, commands: 0 }
    }

    /// Skips what may stand before the root element, and opens it.
    pub(in crate::wire) fn root(&mut self) -> Result<Root<'a>, Error> {
        loop {
            let event = self.event()?;
            if let Event::Start(tag) = &event {
                return Ok(Root { namespace: namespace(tag), name: self.open(tag)? });
            }
            self.outside(&event)?;
        }
    }

    /// Checks that nothing follows the root element.
    pub(in crate::wire) fn finish(&mut self) -> Result<(), Error> {
        loop {
            let event = self.event()?;
            if matches!(event, Event::Eof) {
                return Ok(());
            }
            self.outside(&event)?;
        }
    }

    /// Hands each child element to `child`, which must consume it, until the open element is closed. Text between is ignored.
    pub(in crate::wire) fn children<F>(&mut self, mut child: F) -> Result<(), Error>
    where
        F: FnMut(&mut Self, &'a str) -> Result<(), Error>,
    {
        loop {
            match self.step()? {
                Step::Open(name) => child(self, name)?,
                Step::Text(_) => {}
                Step::Close => return Ok(()),
            }
        }
    }

    /// Consumes the open element.
    pub(in crate::wire) fn skip(&mut self) -> Result<(), Error> {
        let depth = self.path.len();
        while self.path.len() >= depth {
            self.step()?;
        }
        Ok(())
    }

    /// Consumes the open element; its own text, trimmed.
    pub(in crate::wire) fn field(&mut self) -> Result<String, Error> {
        let mut out = String::new();
        loop {
            match self.step()? {
                Step::Open(_) => self.skip()?,
                Step::Text(piece) => out.push_str(&piece),
                Step::Close => break,
            }
        }
        let trimmed = out.trim_matches(is_space);
        Ok(if trimmed.len() == out.len() { out } else { trimmed.to_owned() })
    }

    /// As [`Self::field`], nothing if it is empty.
    pub(in crate::wire) fn optional(&mut self) -> Result<Option<String>, Error> {
        Ok(Some(self.field()?).filter(|text| !text.is_empty()))
    }

    /// Consumes the open element; its content to the last white space, element content as the markup it is.
    pub(in crate::wire) fn content(&mut self) -> Result<String, Error> {
        let from = self.position();
        let depth = self.path.len();
        let mut out = String::new();
        let mut markup = false;
        while self.path.len() >= depth {
            match self.step()? {
                Step::Open(_) => markup = true,
                Step::Text(piece) => out.push_str(&piece),
                Step::Close => {}
            }
        }
        Ok(if markup { self.text.get(from..self.start).unwrap_or_default().to_owned() } else { out })
    }

    /// Counts one command against the bound.
    pub(in crate::wire) fn count_command(&mut self) -> Result<(), Error> {
        self.commands += 1;
        self.bound("commands", self.commands, self.limits.commands)
    }

    fn step(&mut self) -> Result<Step<'a>, Error> {
        loop {
            match self.event()? {
                Event::Start(tag) => return self.open(&tag).map(Step::Open),
                Event::End(_) => {
                    self.path.pop();
                    return Ok(Step::Close);
                }
                Event::Text(text) => return Ok(Step::Text(text.into_inner())),
                Event::CData(text) => return Ok(Step::Text(text.into_inner())),
                Event::GeneralRef(reference) => return self.resolve(&reference).map(Step::Text),
                // An empty element never comes as such: the reader splits it.
                Event::Empty(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::DocType(_) => return Err(Error::Doctype { at: self.place() }),
                Event::Eof => return Err(Error::Unfinished { at: self.place() }),
            }
        }
    }

    fn event(&mut self) -> Result<Event<'a>, Error> {
        self.start = self.position();
        self.reader.read_event().map_err(|source| {
            let offset = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
            Error::Malformed { at: Place { offset, inside: self.inside() }, source }
        })
    }

    /// Judges an event before or after the root element.
    fn outside(&self, event: &Event<'_>) -> Result<(), Error> {
        match event {
            Event::Text(text) if text.chars().all(|c| is_space(c) || c == '\0') => Ok(()),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => Ok(()),
            Event::DocType(_) => Err(Error::Doctype { at: self.place() }),
            Event::Eof => Err(Error::Unfinished { at: self.place() }),
            Event::Text(_)
            | Event::Start(_)
            | Event::End(_)
            | Event::Empty(_)
            | Event::CData(_)
            | Event::GeneralRef(_) => Err(Error::Stray { at: self.place() }),
        }
    }

    /// Enters an element: counts it, its depth and its attributes, and gives its local name.
    fn open(&mut self, tag: &BytesStart<'a>) -> Result<&'a str, Error> {
        let (whole, local) = (tag.name().into_inner().len(), tag.local_name().into_inner().len());
        let end = self.start + 1 + whole;
        let name = self.text.get(end - local..end).unwrap_or_default();
        if !is_name(name) {
            return Err(Error::Name { at: self.place() });
        }
        self.path.push(name);
        self.elements += 1;
        self.bound("elements", self.elements, self.limits.elements)?;
        self.bound("levels of nesting", self.path.len(), self.limits.depth.min(DEPTH_MAX))?;
        if !tag.attributes_raw().is_empty() {
            self.attributes(tag)?;
        }
        Ok(name)
    }

    fn attributes(&self, tag: &BytesStart<'a>) -> Result<(), Error> {
        for (index, attribute) in tag.attributes().enumerate() {
            self.bound("attributes", index + 1, self.limits.attributes)?;
            attribute.map_err(|source| Error::Malformed { at: self.place(), source: source.into() })?;
        }
        Ok(())
    }

    fn resolve(&self, reference: &BytesRef<'a>) -> Result<Cow<'a, str>, Error> {
        let character = reference.resolve_char_ref().map_err(|source| Error::Malformed { at: self.place(), source })?;
        if let Some(character) = character {
            return Ok(Cow::Owned(character.to_string()));
        }
        resolve_predefined_entity(reference)
            .map(Cow::Borrowed)
            .ok_or_else(|| Error::Entity { name: clip(reference), at: self.place() })
    }

    fn bound(&self, what: &'static str, count: usize, max: usize) -> Result<(), Error> {
        if count > max { Err(Error::TooMany { what, max, at: self.place() }) } else { Ok(()) }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn place(&self) -> Place {
        Place { offset: self.start, inside: self.inside() }
    }

    /// The path of open elements, its outer part left out when it is long.
    fn inside(&self) -> String {
        let hidden = self.path.len().saturating_sub(6);
        let names = self.path.iter().skip(hidden).map(|name| clip(name));
        let outer = (hidden > 0).then(|| "…".to_owned());
        outer.into_iter().chain(names).collect::<Vec<_>>().join("/")
    }
}

/// The text of a document: UTF-8 with or without a byte order mark, or UTF-16 with one. What an XML declaration says is not asked.
pub(in crate::wire) fn decode<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, Error> {
    if bytes.len() > limits.message_bytes {
        return Err(Error::TooLarge { bytes: bytes.len(), max: limits.message_bytes });
    }
    match bytes {
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest, 3),
        _ => utf8(bytes, 0),
    }
}

fn utf8(bytes: &[u8], skipped: usize) -> Result<Cow<'_, str>, Error> {
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|e| Error::Encoding { encoding: "UTF-8", offset: skipped + e.valid_up_to() })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Error> {
    let wrong = |text: &str| Error::Encoding { encoding: "UTF-16", offset: text.len() };
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(wrong(&text)),
        }
    }
    if odd.is_empty() { Ok(text) } else { Err(wrong(&text)) }
}

/// The namespace that the tag's own attributes bind its prefix to.
fn namespace(tag: &BytesStart<'_>) -> String {
    let name = tag.name();
    let key = name.prefix().map_or_else(|| "xmlns".to_owned(), |prefix| format!("xmlns:{}", prefix.into_inner()));
    let found = tag.attributes().flatten().find(|attribute| attribute.key.into_inner() == key);
    found.and_then(|a| a.normalized_value(XmlVersion::Implicit1_0).ok()).unwrap_or_default().into_owned()
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Whether a local name can stand in a tag again: XML's rule for ASCII, anything beyond it.
fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || !c.is_ascii())
}

/// A name from outside, short enough for an error.
fn clip(name: &str) -> String {
    name.chars().take(32).collect()
}
