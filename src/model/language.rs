//! Texts for users in several languages.

use std::collections::BTreeMap;

/// A text by language tag (`en`, `pt-BR`).
pub type Texts = BTreeMap<String, String>;

/// The text for a device whose language is `tag`: by the whole tag, then by its primary subtag, then in English, then the first
/// there is. Letter case is ignored, `_` is as good as `-`.
#[must_use]
pub fn choose<'t>(texts: &'t Texts, tag: Option<&str>) -> Option<&'t str> {
    let plain = |tag: &str| tag.trim().replace('_', "-").to_ascii_lowercase();
    let find = |wanted: &str| texts.iter().find(|(tag, _)| plain(tag) == wanted).map(|(_, text)| text.as_str());
    let tag = tag.map(plain).unwrap_or_default();
    let primary = tag.split('-').next().unwrap_or_default();
    let first = || texts.values().next().map(String::as_str);
    find(&tag).or_else(|| find(primary)).or_else(|| find("en")).or_else(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_language_is_spoken() {
        let texts: Texts = [("de", "Ja?"), ("en", "Yes?"), ("pt", "Sim?"), ("pt-BR", "Sim, né?")]
            .map(|(t, v)| (t.into(), v.into()))
            .into();
        for (tag, text) in [
            (Some("pt-br"), "Sim, né?"),
            (Some("pt_BR"), "Sim, né?"),
            (Some("pt-PT"), "Sim?"),
            (Some(" DE "), "Ja?"),
            (Some("fr"), "Yes?"),
            (Some(""), "Yes?"),
            (None, "Yes?"),
        ] {
            assert_eq!(choose(&texts, tag), Some(text), "{tag:?}");
        }
        let only: Texts = [("fr".to_owned(), "Oui ?".to_owned())].into();
        assert_eq!(choose(&only, Some("de")), Some("Oui ?"));
        assert_eq!(choose(&Texts::new(), Some("de")), None);
    }
}
