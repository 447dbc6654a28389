//! Identifiers, one type per noun, so that a job's id is never taken for a session's.
//!
//! Two families: ids that this service mints (UUID version 7, never used as an order) and names that others give (tenants,
//! devices, packages, requests), which are parsed once at the edge and bounded there.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty or only white space.
    #[error("a {what} must not be empty")]
    Empty {
        /// Which noun was parsed.
        what: &'static str,
    },
    /// The name has more bytes than the noun allows.
    #[error("a {what} has at most {most} bytes, this one has {found}")]
    TooLong {
        /// Which noun was parsed.
        what: &'static str,
        /// The bound in bytes.
        most: usize,
        /// What was given.
        found: usize,
    },
    /// The name holds a character that the noun forbids.
    #[error("a {what} must not contain {found:?}")]
    Character {
        /// Which noun was parsed.
        what: &'static str,
        /// The first offending character.
        found: char,
    },
}

macro_rules! minted {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes an id that a [`Mint`](crate::model::clock::Mint) made or the database kept.
            #[must_use]
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The bare UUID, for the database.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

minted! {
    /// One device's share of a request.
    JobId;
    /// The row of a request; what its sender calls it is the [`RequestId`].
    RequestKey;
    /// A pause of the brake.
    PauseId;
    /// The row of a device; what it calls itself is the [`DeviceId`].
    DeviceKey;
    /// The row of a session; what the wire calls it is the [`DmSessionId`].
    SessionKey;
    /// An event, the same through every redelivery.
    EventId;
    /// The row of a download grant; its secret name in the URL is random and separate.
    GrantId;
    /// A message of the bus that was refused.
    DeadLetterId;
    /// The row of a target list; what its owner calls it is the [`ListName`].
    ListKey;
}

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $most:literal, $bad:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest one in bytes.
            pub const MOST_BYTES: usize = $most;

            /// Checks and takes a name; white space around it is dropped.
            ///
            /// # Errors
            /// [`NameError`] says which bound was broken.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let text = text.trim();
                if text.is_empty() {
                    return Err(NameError::Empty { what: $what });
                }
                if text.len() > $most {
                    return Err(NameError::TooLong { what: $what, most: $most, found: text.len() });
                }
                let bad: fn(char) -> bool = $bad;
                match text.chars().find(|c| c.is_control() || bad(*c)) {
                    Some(found) => Err(NameError::Character { what: $what, found }),
                    None => Ok(Self(text.to_owned())),
                }
            }

            /// The name as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )+};
}

named! {
    /// Whose data a row is; leads every natural key.
    Tenant, "tenant", 64, |c| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    /// What the sender of a request calls it; unique per tenant and source.
    RequestId, "request id", 200, |_| false;
    /// Who sent a request.
    RequestSource, "source", 200, |_| false;
    /// A device as `./DevInfo/DevId` names it (`IMEI:…`, `urn:uuid:…`), byte for byte. Compare with [`DeviceId::normalised`].
    DeviceId, "device id", 255, |_| false;
    /// A target list, as its owner calls it.
    ListName, "target list name", 200, |_| false;
    /// A delivery package; becomes a folder of the catalogue and a part of URLs, so its alphabet is narrow.
    PackageId, "package id", 128, |c| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    /// A deployment component as `Inventory/Deployed/<X>/ID` names it.
    ComponentId, "component id", 255, |_| false;
    /// The text in the `SessionID` element: opaque, repeated by real devices, never a global key (DM 1.x sheet 1.5).
    DmSessionId, "SessionID", 64, |_| false;
    /// Ties an Exec to its report; at most 22 ASCII characters, one per attempt, never the job's id.
    Correlator, "correlator", 22, |c| !c.is_ascii_graphic();
}

impl RequestSource {
    /// The source of work that a device asked for itself.
    #[must_use]
    pub fn device() -> Self {
        Self("device".to_owned())
    }
}

impl Tenant {
    /// The tenant of an installation that knows only one.
    pub const DEFAULT: &str = "default";
}

impl Default for Tenant {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl DeviceId {
    /// The form under which two spellings of one device are the same (DM 1.x sheet 12.2 no. 8): `imei:…`, `IMEI:…` and the bare
    /// digits of an IMEI give `IMEI:…`; a UUID is lower case; all else is kept.
    #[must_use]
    pub fn normalised(&self) -> String {
        let text = self.0.trim();
        if (14..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
            return format!("IMEI:{text}");
        }
        match text.split_once(':') {
            Some((scheme, rest)) if ["imei", "meid", "esn", "mac"].contains(&scheme.to_ascii_lowercase().as_str()) => {
                format!("{}:{}", scheme.to_ascii_uppercase(), rest.to_ascii_uppercase())
            }
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("urn") || scheme.eq_ignore_ascii_case("uuid") => {
                text.to_ascii_lowercase()
            }
            _ => text.to_owned(),
        }
    }
}

impl DmSessionId {
    /// Whether this is the session that a notification with the 16-bit id `notified` asked for: hexadecimal in either case and
    /// with leading zeros, else decimal, as older clients send it (DM 1.x sheet 1.5).
    #[must_use]
    pub fn answers(&self, notified: u16) -> bool {
        u16::from_str_radix(&self.0, 16) == Ok(notified) || self.0.parse() == Ok(notified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_device_meet() {
        let norm = |text| DeviceId::parse(text).unwrap().normalised();
        assert_eq!(norm("imei:490154203237518"), "IMEI:490154203237518");
        assert_eq!(norm(" 490154203237518 "), "IMEI:490154203237518");
        assert_eq!(norm("urn:UUID:AB"), "urn:uuid:ab");
        assert_eq!(norm("Vendor-7"), "Vendor-7");
    }

    #[test]
    fn a_session_is_matched_whatever_way_the_client_writes_its_number() {
        let answers = |text| DmSessionId::parse(text).unwrap().answers(0xA7);
        assert!(answers("A7") && answers("00a7") && answers("167"));
        assert!(!answers("A8") && !answers("session"));
    }

    #[test]
    fn a_name_says_which_bound_it_broke() {
        assert_eq!(PackageId::parse("a/b"), Err(NameError::Character { what: "package id", found: '/' }));
        assert_eq!(Correlator::parse(" "), Err(NameError::Empty { what: "correlator" }));
        assert!(matches!(Correlator::parse(&"c".repeat(23)), Err(NameError::TooLong { most: 22, .. })));
    }
}
