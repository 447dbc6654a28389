//! One text in several languages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A text by language tag (RFC 5646), at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Texts(BTreeMap<String, String>);

/// Why texts are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextsError {
    /// There is none.
    #[error("must hold at least one text by language tag")]
    Empty,
    /// More than [`Texts::MOST`].
    #[error("holds {0} languages, at most {most} are taken", most = Texts::MOST)]
    TooMany(usize),
    /// A tag that no device could have.
    #[error("{0:?} is no language tag such as `en` or `pt-BR`")]
    Tag(String),
    /// A text that cannot be shown.
    #[error("the text in {0:?} must have 1 to {most} characters, none of them a control character", most = Texts::MOST_CHARS)]
    Text(String),
}

impl Texts {
    /// The most languages.
    pub const MOST: usize = 64;
    /// The longest text, in characters.
    pub const MOST_CHARS: usize = 500;

    /// Takes the texts by their tags.
    ///
    /// # Errors
    /// The first tag or text that is unfit.
    pub fn new(texts: BTreeMap<String, String>) -> Result<Self, TextsError> {
        if texts.is_empty() {
            return Err(TextsError::Empty);
        }
        if texts.len() > Self::MOST {
            return Err(TextsError::TooMany(texts.len()));
        }
        texts.iter().try_for_each(|(tag, text)| Self::check(tag, text))?;
        Ok(Self(texts))
    }

    /// Whether a text may stand under a tag.
    ///
    /// # Errors
    /// [`TextsError::Tag`] or [`TextsError::Text`].
    pub fn check(tag: &str, text: &str) -> Result<(), TextsError> {
        let length = text.trim().chars().count();
        match () {
            () if !is_tag(tag) => Err(TextsError::Tag(tag.to_owned())),
            () if length == 0 || length > Self::MOST_CHARS || text.chars().any(|c| c.is_control() && c != '\n') => {
                Err(TextsError::Text(tag.to_owned()))
            }
            () => Ok(()),
        }
    }

    /// How long all texts are together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.values().map(String::len).sum()
    }

    /// The text for a device of this language (`DevInfo/Lang`): in the very language, in the same without its region, in English,
    /// else the first.
    #[must_use]
    pub fn pick(&self, language: Option<&str>) -> &str {
        let wanted = language.unwrap_or_default().trim().replace('_', "-");
        let primary = wanted.split('-').next().unwrap_or_default().to_owned();
        let exact = |tag: &str| self.0.iter().find(|(t, _)| t.eq_ignore_ascii_case(tag)).map(|(_, text)| text);
        let kin = |tag: &str| {
            let same = |t: &str| t.split('-').next().is_some_and(|p| p.eq_ignore_ascii_case(tag));
            self.0.iter().find(|(t, _)| !tag.is_empty() && same(t)).map(|(_, text)| text)
        };
        let found = exact(&wanted).or_else(|| exact(&primary)).or_else(|| kin(&primary)).or_else(|| exact("en"));
        found.or_else(|| self.0.values().next()).map_or("", String::as_str)
    }
}

impl TryFrom<BTreeMap<String, String>> for Texts {
    type Error = TextsError;

    fn try_from(texts: BTreeMap<String, String>) -> Result<Self, TextsError> {
        Self::new(texts)
    }
}

fn is_tag(tag: &str) -> bool {
    let part = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    tag.len() <= 35 && tag.split('-').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(of: &[(&str, &str)]) -> Result<Texts, TextsError> {
        Texts::new(of.iter().map(|(tag, text)| ((*tag).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_device_is_spoken_to_in_its_language_or_what_comes_next_to_it() {
        let texts = texts(&[("de", "Ja?"), ("en", "Yes?"), ("pt-BR", "Sim?")]).unwrap();
        assert_eq!(texts.pick(Some("de")), "Ja?");
        assert_eq!(texts.pick(Some("de_AT")), "Ja?");
        assert_eq!(texts.pick(Some("PT-pt")), "Sim?");
        assert_eq!(texts.pick(Some("fi")), "Yes?");
        assert_eq!(texts.pick(None), "Yes?");
    }

    #[test]
    fn without_english_the_first_is_better_than_none() {
        assert_eq!(texts(&[("de", "Ja?"), ("fr", "Oui ?")]).unwrap().pick(Some("fi")), "Ja?");
    }

    #[test]
    fn texts_that_cannot_be_shown_are_refused() {
        assert_eq!(texts(&[]), Err(TextsError::Empty));
        assert_eq!(texts(&[("e n", "x")]), Err(TextsError::Tag("e n".to_owned())));
        assert_eq!(texts(&[("en", " ")]), Err(TextsError::Text("en".to_owned())));
        assert_eq!(texts(&[("en", "a\u{7}")]), Err(TextsError::Text("en".to_owned())));
        assert!(texts(&[("en", &"x".repeat(501))]).is_err());
        assert!(serde_json::from_str::<Texts>(r#"{"": "x"}"#).is_err());
    }
}
