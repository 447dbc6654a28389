//! Versions, compared leniently.
//!
//! Devices and vendors write versions as they like: `2.1.0-rc1`, `v2.1`, `10.0.22631.2506`, `A1-7.0.3`. A [`Version`] keeps its text
//! byte for byte and has one total order, told in `docs/packages.md`:
//!
//! 1. A leading `v` before a digit and, where the text begins with a number, everything after the first `+` are passed over.
//! 2. Where the text begins with a number, the first `-` begins a pre-release, compared as semver says and below the release.
//! 3. The rest is cut into numbers and words at every other character and at each change between digits and letters. Position by
//!    position, numbers compare as numbers of any length and words as text without regard to letter case; what is missing counts as 0
//!    (`2.1` is `2.1.0`); a word is above every number, but `dev`, `snapshot`, `alpha`, `beta`, `pre`, `preview` and `rc` are below 0.
//!
//! Two texts may be one version (`2.1`, `v2.1.0`): equality is that of the order. Where both texts are semver, the order is semver's.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

mod rule;
mod token;

pub use rule::{VersionRule, VersionRuleError};
use token::{Token, pre_release_cmp, tokens};

/// A version as its owner writes it; compared as the module says.
///
/// ```
/// use scomo::model::version::Version;
///
/// let (old, new) = (Version::parse("A1-7.0.3")?, Version::parse("A1-7.0.10")?);
/// assert!(old < new);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing but white space.
    #[error("a version must not be empty")]
    Empty,
    /// More than [`Version::MOST_BYTES`].
    #[error("a version has at most {most} bytes, this one has {0}", most = Version::MOST_BYTES)]
    TooLong(usize),
    /// A control character, or white space at either end.
    #[error("a version must not contain {0:?} here")]
    Character(char),
}

impl Version {
    /// The longest version in bytes.
    pub const MOST_BYTES: usize = 64;

    /// Takes a version as it is.
    ///
    /// # Errors
    /// [`VersionError`] says which bound was broken.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.trim().is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > Self::MOST_BYTES {
            return Err(VersionError::TooLong(text.len()));
        }
        let ends = [text.chars().next(), text.chars().next_back()];
        let bad = text.chars().find(|c| c.is_control());
        match bad.or_else(|| ends.into_iter().flatten().find(|c| c.is_whitespace())) {
            Some(c) => Err(VersionError::Character(c)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a pre-release: `2.1.0-rc1`, `2.1rc1`, `A1-7.0-beta`. A [`VersionRule`] takes those only if it names one.
    #[must_use]
    pub fn is_pre_release(&self) -> bool {
        let (release, pre) = self.parts();
        pre.is_some() || tokens(release).any(|t| matches!(t, Token::Early(_)))
    }

    /// The part that is cut into numbers and words, and the pre-release.
    fn parts(&self) -> (&str, Option<&str>) {
        let text = self.0.as_str();
        let text = match text.strip_prefix(['v', 'V']) {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
            Some(_) | None => text,
        };
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return (text, None);
        }
        let text = text.split_once('+').map_or(text, |(before, _)| before);
        match text.split_once('-') {
            Some((release, pre)) if !pre.is_empty() => (release, Some(pre)),
            Some((release, _)) => (release, None),
            None => (text, None),
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((ours, our_pre), (theirs, their_pre)) = (self.parts(), other.parts());
        token::release_cmp(ours, theirs).then_with(|| match (our_pre, their_pre) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(ours), Some(theirs)) => pre_release_cmp(ours, theirs),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        Self::parse(&text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

#[cfg(test)]
mod tests;
