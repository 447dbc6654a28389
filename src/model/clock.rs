//! Time and chance, handed in: nothing in the pure half asks for either.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// A moment in UTC, in microseconds since 1970. As text it is RFC 3339; in the database a 64-bit integer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse::<jiff::Timestamp>().map(|at| Self(at.as_microsecond())).map_err(|e| e.to_string())
    }

    /// This moment and `span` more; stops at the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment and `span` less; stops at the beginning of time.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long it is from `earlier` until this moment; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{} µs since 1970", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Whether the moment can be relied on: who may be wrong about the time must not take work that waits for a time.
    fn is_sound(&self) -> bool {
        true
    }
}

/// Makes what must not be guessed or repeated.
pub trait Mint: Send {
    /// Fills `bytes` with cryptographically strong randomness.
    fn fill(&mut self, bytes: &mut [u8]);

    /// A UUID version 7 for a row made at `now`.
    fn uuid(&mut self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = u64::try_from(now.micros().max(0) / 1000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// A nonce of 16 bytes, the length that the DM 1.x sheet recommends (3.3 no. 8).
    fn nonce(&mut self) -> Vec<u8> {
        let mut nonce = vec![0; 16];
        self.fill(&mut nonce);
        nonce
    }

    /// `length` characters of the URL-safe base64 alphabet, six bits of chance each.
    fn token(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes.iter().filter_map(|b| ALPHABET.get(usize::from(b & 63))).map(|b| char::from(*b)).collect()
    }
}

/// Durations as people write them: `90s`, `5m`, `24h`, `30d`, also `1h 30m`. For serde's `with`.
pub mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Reads a duration.
    ///
    /// ```
    /// assert_eq!(scomo::model::clock::span::parse("1h 30m")?.as_secs(), 5400);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let span: jiff::Span = text.trim().parse().map_err(|e: jiff::Error| e.to_string())?;
        let exact = span
            .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
            .map_err(|_| "months and years have no fixed length; use days".to_owned())?;
        Duration::try_from(exact).map_err(|_| "a duration must not be negative".to_owned())
    }

    /// Writes a duration so that [`parse`] reads it back; whole seconds, else milliseconds.
    #[must_use]
    pub fn format(span: Duration) -> String {
        let seconds = span.as_secs();
        match seconds {
            _ if span.subsec_millis() > 0 => format!("{}ms", span.as_millis()),
            s if s > 0 && s.is_multiple_of(86_400) => format!("{}d", s / 86_400),
            s if s > 0 && s.is_multiple_of(3600) => format!("{}h", s / 3600),
            s if s > 0 && s.is_multiple_of(60) => format!("{}m", s / 60),
            s => format!("{s}s"),
        }
    }

    /// For `#[serde(with = "span")]`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(*span))
    }

    /// For `#[serde(with = "span")]`.
    ///
    /// # Errors
    /// If the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }

    /// The same for durations that may be absent: `#[serde(with = "span::maybe")]`.
    pub mod maybe {
        use std::time::Duration;

        use serde::{Deserialize, Deserializer, Serializer, de};

        /// For serde.
        ///
        /// # Errors
        /// The serializer's.
        pub fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
            match span {
                Some(span) => super::serialize(span, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// For serde.
        ///
        /// # Errors
        /// If the text is no duration.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| super::parse(&text).map_err(de::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_its_text() {
        let at = Timestamp::from_micros(1_700_000_000_123_456);
        assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
        assert!(Timestamp::parse("tomorrow").is_err());
    }

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("24h", 86_400), ("30d", 2_592_000), ("1h 30m", 5400)] {
            let span = span::parse(text).unwrap();
            assert_eq!(span.as_secs(), seconds, "{text}");
            assert_eq!(span::parse(&span::format(span)), Ok(span), "{text}");
        }
        assert!(span::parse("-5m").is_err() && span::parse("soon").is_err());
    }
}
