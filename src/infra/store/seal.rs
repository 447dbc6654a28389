//! Secrets at rest: ChaCha20-Poly1305, bound to their row, under a list of keys.
//!
//! A sealed value is `1 | length of the key's id | key's id | nonce | ciphertext and tag`. Table, column and row key are the
//! associated data, so that a value opens nowhere but where it was put. Each row has a key of its own, derived from the listed one:
//! nonces are random, and no row is written often enough for two of its nonces to meet.
//!
//! The first key of the list seals, every key opens. To rotate, put a new key first and keep the old one until every row was
//! written again.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use uuid::Uuid;

use crate::{
    infra::system::SystemMint,
    model::{
        clock::Mint,
        secret::{Secret, SecretBytes},
    },
};

use super::{Error, SealedJson, Settings};

/// Layout of a sealed value.
const FORMAT: u8 = 1;

/// Why a secret or the key list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value was sealed with a key that is not on the list.
    #[error("it was sealed with the key `{0}`, which is not among the configured keys; add it to `secrets.keys`")]
    UnknownKey(String),
    /// The value is not what was sealed for this row, or the key of that id is another one now.
    #[error("it was changed, belongs to another row, or was sealed with another key `{0}`")]
    Tampered(String),
    /// The value is no sealed value.
    #[error("it is not a sealed value")]
    Malformed,
    /// A key of the list is not `ID:BASE64`.
    #[error("key {place}: {why}; a key is `ID:BASE64`, such as `2026a:` and what `openssl rand -base64 32` prints")]
    BadKey {
        /// Which key, counted from 1.
        place: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// No key is configured.
    #[error("no key is configured; set `secrets.keys` to [\"2026a:…\"] with what `openssl rand -base64 32` prints")]
    NoKey,
}

/// The keys, first the one that seals.
pub struct Keys(Vec<Key>);

struct Key {
    id: String,
    key: hmac::Key,
}

/// A column that rests encrypted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
}

/// One field of such a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    place: Place,
    row: Uuid,
}

impl Place {
    pub(super) const fn of(self, row: Uuid) -> Field {
        Field { place: self, row }
    }
}

impl Keys {
    /// Reads a list of `ID:BASE64`, each key 32 bytes.
    ///
    /// # Errors
    /// [`Error::Keys`] says which key is wrong and how.
    pub fn parse(keys: &[Secret]) -> Result<Self, Error> {
        let mut seen = BTreeSet::new();
        let mut list = Vec::new();
        for (place, text) in keys.iter().enumerate() {
            let bad = |why| Error::Keys(SealError::BadKey { place: place + 1, why });
            let key = Key::parse(text.expose()).map_err(bad)?;
            if !seen.insert(key.id.clone()) {
                return Err(bad("its id is used twice"));
            }
            list.push(key);
        }
        if list.is_empty() { Err(Error::Keys(SealError::NoKey)) } else { Ok(Self(list)) }
    }

    /// The configured keys; where none are, and the database is a file, those of the key file beside it (`scomo.db.key`), which
    /// is made if need be.
    ///
    /// # Errors
    /// [`Error::Keys`] and [`Error::KeyFile`].
    pub fn choose(configured: &[Secret], settings: &Settings) -> Result<Self, Error> {
        match settings.sqlite_file() {
            Some(database) if configured.is_empty() => Self::beside(&database),
            Some(_) | None => Self::parse(configured),
        }
    }

    /// The keys of the file beside a database file: one a line; empty lines and those that begin with `#` do not count.
    fn beside(database: &Path) -> Result<Self, Error> {
        let path = beside(database, "key");
        let doing = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| Error::KeyFile { path, doing, source }
        };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                Self::parse(&lines.map(|line| Secret::new(line.to_owned())).collect::<Vec<_>>())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let line = Self::fresh();
                create(&path, line.expose()).map_err(doing("created", &path))?;
                Self::parse(&[line])
            }
            Err(source) => Err(doing("read", &path)(source)),
        }
    }

    /// A new key in the form of the list.
    #[must_use]
    pub fn fresh() -> Secret {
        let mut key = [0; 32];
        SystemMint::new().fill(&mut key);
        Secret::new(format!("first:{}", STANDARD.encode(key)))
    }

    pub(super) fn seal_json(&self, field: &Field, value: &SealedJson) -> Result<Vec<u8>, Error> {
        self.seal(field, value.text().as_bytes()).map_err(|source| field.error(source))
    }

    pub(super) fn open_json(&self, field: &Field, sealed: &[u8]) -> Result<SealedJson, Error> {
        let opened = self.open(field, sealed).map_err(|source| field.error(source))?;
        let text = String::from_utf8(opened).map_err(|_| field.error(SealError::Malformed))?;
        Ok(SealedJson::stored(text))
    }

    fn seal(&self, field: &Field, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.0.first().ok_or(SealError::NoKey)?;
        let length = u8::try_from(key.id.len()).map_err(|_| SealError::Malformed)?;
        let mut nonce = [0; NONCE_LEN];
        SystemMint::new().fill(&mut nonce);
        let mut sealed = Vec::with_capacity(plain.len() + 64);
        sealed.extend([FORMAT, length]);
        sealed.extend(key.id.as_bytes());
        sealed.extend(nonce);
        let mut text = plain.to_vec();
        let (cipher, bound) = key.for_field(field)?;
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut text)
            .map_err(|_| SealError::Malformed)?;
        sealed.extend(text);
        Ok(sealed)
    }

    fn open(&self, field: &Field, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, nonce, text) = split(sealed).ok_or(SealError::Malformed)?;
        let key = self.0.iter().find(|key| key.id == id).ok_or_else(|| SealError::UnknownKey(id.to_owned()))?;
        let (cipher, bound) = key.for_field(field)?;
        let mut text = text.to_vec();
        let opened = cipher.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut text);
        opened.map(|plain| plain.to_vec()).map_err(|_| SealError::Tampered(id.to_owned()))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// The path beside a database file: `scomo.db` and `key` give `scomo.db.key`.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Id, nonce and ciphertext of a sealed value.
fn split(sealed: &[u8]) -> Option<(&str, [u8; NONCE_LEN], &[u8])> {
    let (format, rest) = sealed.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*length))?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
    (*format == FORMAT).then_some((std::str::from_utf8(id).ok()?, *nonce, text))
}

/// Makes a file that only its owner reads.
fn create(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "# Opens the secrets of the database beside it. Keep it, and keep it to yourself.\n{line}")?;
    file.sync_all()
}

impl Key {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (id, key) = text.trim().split_once(':').ok_or("it has no colon")?;
        if id.is_empty() || id.len() > 32 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err("its id must be 1 to 32 letters, digits, `-`, `_` or `.`");
        }
        let key = SecretBytes::new(STANDARD.decode(key.trim()).map_err(|_| "what follows the colon is not base64")?);
        if key.expose().len() != 32 {
            return Err("it must have 32 bytes");
        }
        Ok(Self { id: id.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()) })
    }

    /// The field's own key, and what binds a value to the field.
    fn for_field(&self, field: &Field) -> Result<(LessSafeKey, Vec<u8>), SealError> {
        let mut bound = format!("scomo.seal/1\0{}\0{}\0", field.place.table, field.place.column).into_bytes();
        bound.extend(field.row.as_bytes());
        let own = hmac::sign(&self.key, &bound);
        let own = UnboundKey::new(&CHACHA20_POLY1305, own.as_ref()).map_err(|_| SealError::Malformed)?;
        Ok((LessSafeKey::new(own), bound))
    }
}

impl Field {
    fn error(&self, source: SealError) -> Error {
        Error::Sealed { table: self.place.table, column: self.place.column, row: self.row, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { table: "device", column: "secrets" };

    fn key(id: &str, fill: u8) -> Secret {
        Secret::new(format!("{id}:{}", STANDARD.encode([fill; 32])))
    }

    fn field(row: u128) -> Field {
        PLACE.of(Uuid::from_u128(row))
    }

    #[test]
    fn what_was_sealed_opens_and_does_not_show() {
        let keys = Keys::parse(&[key("a", 1)]).unwrap();
        let sealed = keys.seal(&field(1), b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(keys.open(&field(1), &sealed).unwrap(), b"hunter2");
        assert_ne!(keys.seal(&field(1), b"hunter2").unwrap(), sealed);
    }

    #[test]
    fn a_value_opens_only_in_its_own_row_and_column() {
        let keys = Keys::parse(&[key("a", 1)]).unwrap();
        let sealed = keys.seal(&field(1), b"x").unwrap();
        let elsewhere = Place { table: "device", column: "facts" }.of(Uuid::from_u128(1));
        for other in [field(2), elsewhere] {
            assert_eq!(keys.open(&other, &sealed), Err(SealError::Tampered("a".to_owned())));
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let keys = Keys::parse(&[key("a", 1)]).unwrap();
        let sealed = keys.seal(&field(1), b"x").unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(keys.open(&field(1), &changed).is_err(), "byte {place}");
            assert!(keys.open(&field(1), &sealed[..place]).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn keys_rotate() {
        let old = Keys::parse(&[key("old", 1)]).unwrap();
        let both = Keys::parse(&[key("new", 2), key("old", 1)]).unwrap();
        let new = Keys::parse(&[key("new", 2)]).unwrap();
        let sealed = old.seal(&field(1), b"x").unwrap();
        assert_eq!(both.open(&field(1), &sealed).unwrap(), b"x");
        assert_eq!(new.open(&field(1), &sealed), Err(SealError::UnknownKey("old".to_owned())));
        assert_eq!(new.open(&field(1), &both.seal(&field(1), b"y").unwrap()).unwrap(), b"y");
    }

    #[test]
    fn a_key_that_is_none_says_why() {
        let why = |text: &str| match Keys::parse(&[key("a", 1), Secret::new(text.to_owned())]) {
            Err(Error::Keys(SealError::BadKey { place: 2, why })) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why("a"), "it has no colon");
        assert_eq!(why("b:!"), "what follows the colon is not base64");
        assert_eq!(why("b:AAAA"), "it must have 32 bytes");
        assert_eq!(why(key("a", 2).expose()), "its id is used twice");
        assert!(matches!(Keys::parse(&[]), Err(Error::Keys(SealError::NoKey))));
    }

    #[test]
    fn the_key_file_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("scomo.db");
        let sealed = Keys::beside(&database).unwrap().seal(&field(1), b"x").unwrap();
        assert_eq!(Keys::beside(&database).unwrap().open(&field(1), &sealed).unwrap(), b"x");
        let mode = fs::metadata(dir.path().join("scomo.db.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
