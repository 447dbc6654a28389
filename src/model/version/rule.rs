//! Which versions are wanted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Version, VersionError, token::begins_with};

/// Which versions are wanted: `>=2.1`, `2.1.*`, `>=1.0, <3`, `=1.2.3`, `2.1.0` (the same as `=2.1.0`), `*`.
///
/// Parts divided by commas must all hold. A pre-release is taken only by a rule that names one, so that `>=2.1` never ships `3.0-rc1`.
///
/// ```
/// use scomo::model::version::{Version, VersionRule};
///
/// let rule = VersionRule::parse(">=2.1, <3")?;
/// assert!(rule.matches(&Version::parse("2.1.0")?) && !rule.matches(&Version::parse("3.0")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionRule {
    text: String,
    parts: Vec<Part>,
}

/// Why a text is no version rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionRuleError {
    /// More than [`VersionRule::MOST_BYTES`].
    #[error("a version rule has at most {most} bytes, this one has {0}", most = VersionRule::MOST_BYTES)]
    TooLong(usize),
    /// A `*` elsewhere than at the end, or after an operator.
    #[error("{0:?} is no version rule: write `*`, or `*` as the last part as in `2.1.*`, without an operator")]
    Star(String),
    /// Something that is neither an operator of this language nor the beginning of a version.
    #[error("{0:?} is no version rule: the operators are >= > <= < =, and a version begins with a letter or a digit")]
    Operator(String),
    /// An operator without a valid version.
    #[error("{part:?} is no version rule: {error}")]
    Version {
        /// The part between commas.
        part: String,
        /// What is wrong with its version.
        error: VersionError,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    Below(Version),
    AtMost(Version),
    Exactly(Version),
    AtLeast(Version),
    Above(Version),
    Within(Version),
}

/// Makes a part of its version.
type Make = fn(Version) -> Part;

impl VersionRule {
    /// The longest rule in bytes.
    pub const MOST_BYTES: usize = 256;

    /// Reads a rule.
    ///
    /// # Errors
    /// [`VersionRuleError`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, VersionRuleError> {
        if text.len() > Self::MOST_BYTES {
            return Err(VersionRuleError::TooLong(text.len()));
        }
        let parts = text.split(',').map(|part| Part::parse(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The rule `*`: every version that is not a pre-release.
    #[must_use]
    pub fn any() -> Self {
        Self { text: "*".to_owned(), parts: vec![Part::Any] }
    }

    /// The rule that only `version` satisfies.
    #[must_use]
    pub fn exactly(version: &Version) -> Self {
        Self { text: format!("={version}"), parts: vec![Part::Exactly(version.clone())] }
    }

    /// Whether this version is wanted.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        let early = version.is_pre_release();
        (!early || self.takes_pre_releases()) && self.parts.iter().all(|part| part.holds(version))
    }

    /// Whether the rule names a pre-release, and so takes those that it matches.
    #[must_use]
    pub fn takes_pre_releases(&self) -> bool {
        self.parts.iter().any(Part::names_pre_release)
    }

    /// The rule as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Part {
    fn parse(part: &str) -> Result<Self, VersionRuleError> {
        if part == "*" {
            return Ok(Self::Any);
        }
        let operators: [(&str, Make); 6] = [
            (">=", Self::AtLeast),
            ("<=", Self::AtMost),
            ("==", Self::Exactly),
            (">", Self::Above),
            ("<", Self::Below),
            ("=", Self::Exactly),
        ];
        let within: Make = Self::Within;
        let exactly: Make = Self::Exactly;
        let (make, version) = operators
            .into_iter()
            .find_map(|(operator, make)| part.strip_prefix(operator).map(|rest| (make, rest.trim())))
            .or_else(|| part.strip_suffix(".*").map(|prefix| (within, prefix)))
            .unwrap_or((exactly, part));
        if version.contains('*') {
            return Err(VersionRuleError::Star(part.to_owned()));
        }
        if version.starts_with(|c: char| !c.is_alphanumeric()) {
            return Err(VersionRuleError::Operator(part.to_owned()));
        }
        let version = Version::parse(version);
        version.map(make).map_err(|error| VersionRuleError::Version { part: part.to_owned(), error })
    }

    fn holds(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::Below(bound) => version < bound,
            Self::AtMost(bound) => version <= bound,
            Self::Exactly(bound) => version == bound,
            Self::AtLeast(bound) => version >= bound,
            Self::Above(bound) => version > bound,
            Self::Within(prefix) => begins_with(version.parts().0, prefix.parts().0),
        }
    }

    fn names_pre_release(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Below(bound)
            | Self::AtMost(bound)
            | Self::Exactly(bound)
            | Self::AtLeast(bound)
            | Self::Above(bound)
            | Self::Within(bound) => bound.is_pre_release(),
        }
    }
}

impl fmt::Display for VersionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for VersionRule {
    type Err = VersionRuleError;

    fn from_str(text: &str) -> Result<Self, VersionRuleError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for VersionRule {
    type Error = VersionRuleError;

    fn try_from(text: String) -> Result<Self, VersionRuleError> {
        Self::parse(&text)
    }
}

impl From<VersionRule> for String {
    fn from(rule: VersionRule) -> Self {
        rule.text
    }
}
