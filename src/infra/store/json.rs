//! Values that the store keeps without knowing them.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::model::{digest::Digest, secret::Secret};

use super::Error;

/// A JSON text: somebody else's value, kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Writes a value; `what` names it in the error.
    ///
    /// # Errors
    /// [`Error::Json`] if the value has no JSON form.
    pub fn of<T: Serialize + ?Sized>(what: &'static str, value: &T) -> Result<Self, Error> {
        serde_json::to_string(value).map(Self).map_err(|source| Error::Json { what, source })
    }

    /// Reads the value.
    ///
    /// # Errors
    /// If the text does not hold such a value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) const fn stored(text: String) -> Self {
        Self(text)
    }
}

impl Default for Json {
    /// The empty object.
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

/// A JSON text that rests encrypted and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedJson(Secret);

impl SealedJson {
    /// Writes a value; `what` names it in the error.
    ///
    /// # Errors
    /// [`Error::Json`] if the value has no JSON form.
    pub fn of<T: Serialize + ?Sized>(what: &'static str, value: &T) -> Result<Self, Error> {
        Json::of(what, value).map(|json| Self(Secret::new(json.0)))
    }

    /// Reads the value.
    ///
    /// # Errors
    /// If the text does not hold such a value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.expose())
    }

    pub(super) fn text(&self) -> &str {
        self.0.expose()
    }

    pub(super) fn stored(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl Default for SealedJson {
    /// The empty object.
    fn default() -> Self {
        Self::stored("{}".to_owned())
    }
}

impl fmt::Debug for SealedJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedJson(…)")
    }
}

/// A digest as its column keeps it.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, &'static str> {
    bytes.try_into().map(Digest::from_bytes).map_err(|_| "it is not 32 bytes long")
}

/// A list of ids for a statement that looks for many rows at once.
pub(super) fn uuids(ids: impl Iterator<Item = Uuid>) -> Result<String, Error> {
    let ids: Vec<String> = ids.map(|id| id.simple().to_string()).collect();
    serde_json::to_string(&ids).map_err(|source| Error::Json { what: "ids", source })
}

/// A number of bytes as its column keeps it.
pub(super) fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
