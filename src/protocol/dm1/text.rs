//! Reading what devices write, leniently (DM 1.x sheet 12.2).

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{model::secret::SecretBytes, wire::syncml::Data};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A nonce of this session. It must survive in the stored session, so unlike passwords it can be serialised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nonce(pub(super) SecretBytes);

impl Nonce {
    /// The longest one that is taken from a device, in bytes.
    const MOST: usize = 256;

    /// Reads `NextNonce`; nothing if it is not base64 or too long. Empty is a nonce of no bytes.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = base64(text).filter(|b| b.len() <= Self::MOST)?;
        Some(Self(SecretBytes::new(bytes)))
    }

    /// As `NextNonce` carries it.
    pub(super) fn wire(&self) -> String {
        STANDARD.encode(self.0.expose())
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.wire())
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(|_| de::Error::custom("a nonce is base64"))?;
        Ok(Self(SecretBytes::new(bytes)))
    }
}

/// Base64 with line breaks or without padding (12.2 no. 13).
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    LENIENT.decode(text).ok()
}

/// Text of `Data`: bytes as base64, a NUL at the end dropped (sheet 16 no. 6).
pub(super) fn of_data(data: Option<Data>) -> Option<String> {
    match data? {
        Data::Text(mut text) => {
            text.truncate(text.trim_end_matches('\0').len());
            Some(text)
        }
        Data::Bytes(bytes) => Some(STANDARD.encode(bytes)),
    }
}

/// A URI in one form: no white space around it, no `./` in front, no `/` behind (sheet 6.1).
pub(super) fn plain_uri(uri: &str) -> &str {
    let uri = uri.trim();
    let uri = uri.strip_prefix("./").unwrap_or(uri);
    uri.trim_matches('/')
}

/// Whether two URIs mean the same node: exactly, else with letter case and percent-encoding levelled, which is for reading replies
/// only.
pub(super) fn same_uri(one: &str, other: &str) -> bool {
    let (one, other) = (plain_uri(one), plain_uri(other));
    one == other || levelled(one) == levelled(other)
}

/// A URI without its `?prop=` or `?list=`.
pub(super) fn without_query(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(path, _)| path)
}

/// What of `uri` lies below `top`; empty for `top` itself, nothing for what is elsewhere.
pub(super) fn below<'a>(top: &str, uri: &'a str) -> Option<&'a str> {
    let (top, uri) = (plain_uri(top), plain_uri(uri));
    if top == "." || top.is_empty() {
        return Some(if uri == "." { "" } else { uri });
    }
    if same_uri(top, uri) {
        return Some("");
    }
    let depth = top.split('/').count();
    let cut = uri.match_indices('/').nth(depth.checked_sub(1)?).map(|(at, _)| at)?;
    let (head, tail) = uri.split_at(cut);
    same_uri(top, head).then(|| tail.trim_start_matches('/'))
}

/// `text`, if it is not longer than `most` bytes.
pub(super) fn bounded(text: &str, most: usize) -> Option<String> {
    (text.len() <= most).then(|| text.to_owned())
}

/// `text`, with no more than `most` bytes of it.
pub(super) fn cut(mut text: String, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

fn levelled(uri: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let coded = match (first, tail) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, after)),
            _ => None,
        };
        let (byte, after) = coded.unwrap_or((*first, tail));
        out.push(byte.to_ascii_lowercase());
        rest = after;
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_meet_whatever_their_spelling() {
        assert!(same_uri("./SCOMO/Download", " SCOMO/Download/ ") && same_uri("./scm/a%20b", "SCM/A b"));
        assert!(!same_uri("./A", "./B"));
        assert_eq!(below("./SCOMO", "SCOMO/Inventory/Delivered"), Some("Inventory/Delivered"));
        assert_eq!(below("./SCOMO", "./scomo"), Some(""));
        assert_eq!(below("./SCOMO/A", "./SCOMO"), None);
        assert_eq!(below("./SCO", "./SCOMO/A"), None);
        assert_eq!(below(".", "./A/B"), Some("A/B"));
    }

    #[test]
    fn base64_is_read_with_breaks_and_without_padding() {
        assert_eq!(base64("AAEC\n AwQF\r\nBgc"), Some((0..8).collect()));
        assert_eq!(base64("not base64!"), None);
    }

    #[test]
    fn a_nonce_is_stored_and_never_printed() {
        let nonce = Nonce::read("AAECAwQFBgc=").unwrap();
        let text = serde_json::to_string(&nonce).unwrap();
        assert_eq!(serde_json::from_str::<Nonce>(&text).unwrap(), nonce);
        assert!(!format!("{nonce:?}").contains("AAEC"));
        assert_eq!(Nonce::read("not base64!"), None);
    }
}
