//! Rules over the facts of a device, in the Common Expression Language (CEL); the only user of the `cel` crate.
//!
//! A rule decides to which devices a package applies (`when`) and which devices belong to a class. `docs/packages.md` describes the
//! language: the facts, `version()`, and the bounds.
//!
//! Hostile text can abort a process through the CEL parser, so the text is bounded before it is parsed (`bounds`: length, tokens,
//! nesting, and a narrow set of characters). What it may name is checked once parsed (`check`: facts, functions, two nested loops),
//! so a misspelt fact is refused when the rule is loaded. What it may cost is computed before each evaluation.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::device::Facts;

mod bounds;
mod check;
mod fact;
mod language;

pub use fact::{FactName, FactSource};

/// A rule, parsed and checked; cheap to clone. As text, in JSON too, it is what was given.
///
/// ```
/// use scomo::model::{device::{DevInfo, Facts}, rule::{Rule, Verdict}};
///
/// let rule = Rule::parse("dev.man == 'Acme' && version(detail.fwv) >= version('3.0')")?;
/// let man = |man: &str| DevInfo { man: Some(man.to_owned()), ..DevInfo::default() };
/// let device = |info| Facts {
///     id: "IMEI:490154203237518".parse().unwrap(),
///     info, detail: None, installed: None, user_agent: None, tags: vec![], abilities: Default::default(),
/// };
/// assert_eq!(rule.eval(&device(man("Other"))), Verdict::No);
/// // Nobody has read DevDetail yet: not false, but undecided.
/// assert!(matches!(rule.eval(&device(man("Acme"))), Verdict::Undecided { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule(Arc<Parsed>);

struct Parsed {
    text: String,
    program: cel::Program,
}

/// What a rule says of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// It reads facts that the device has not told, and its answer hangs on them.
    Undecided {
        /// Those facts. [`FactName::source`] says what would have to be read; a fact whose source was read and that is missing all
        /// the same will not come by reading again.
        missing: BTreeSet<FactName>,
    },
    /// It cannot be evaluated: a number compared with a text, a result that is no bool, too much work.
    Broken {
        /// What is wrong, in words.
        why: String,
    },
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// More than [`Rule::MOST_BYTES`].
    #[error("a rule has at most {most} bytes, this one has {0}", most = Rule::MOST_BYTES)]
    TooLong(usize),
    /// More than [`Rule::MOST_TOKENS`].
    #[error("a rule has at most {most} words and signs", most = Rule::MOST_TOKENS)]
    TooManyTokens,
    /// Deeper than [`Rule::MOST_NESTING`].
    #[error("column {column}: brackets, operators and `.` nest more than {most} deep here", most = Rule::MOST_NESTING)]
    TooDeep {
        /// Where, in characters from 1.
        column: usize,
    },
    /// A character or a kind of text that rules do not have.
    #[error("column {column}: {what}")]
    Text {
        /// Where, in characters from 1.
        column: usize,
        /// What is wrong, in words.
        what: String,
    },
    /// Not an expression.
    #[error("column {column}: {what}")]
    Syntax {
        /// Where, in characters from 1.
        column: usize,
        /// The parser's words.
        what: String,
    },
    /// Deeper than [`Rule::MOST_DEPTH`] once parsed.
    #[error("operators and brackets stand more than {most} deep in one another; write it flatter", most = Rule::MOST_DEPTH)]
    TooDeepTree,
    /// The system has no thread for the parser.
    #[error("no thread could be started to parse the rule; try again when the system is less busy")]
    NoThread,
    /// A name that is neither a fact nor bound by a loop, or a fact that is used as it cannot be.
    #[error(
        "{name:?} is no fact; there are dev.{{id,man,mod,dmv,lang}}, detail.{{devtyp,oem,fwv,swv,hwv,lrgobj}}, installed, ua and tags"
    )]
    UnknownFact {
        /// The name as it stands in the rule.
        name: String,
    },
    /// A function that rules do not have.
    #[error("{name:?} is no function of rules; there are {}", check::FUNCTIONS.join(", "))]
    UnknownFunction {
        /// The name as it stands in the rule.
        name: String,
    },
    /// A map or a message is built, which rules have no use for.
    #[error("a rule builds no maps")]
    Map,
    /// A loop (`exists`, `all`, `exists_one`, `map`, `filter`) stands in a loop in a loop, or runs over something else than
    /// `installed`, `tags`, a written list or another loop's result.
    #[error(
        "loops nest at most two deep and run over installed, tags, a written list or what `map` or `filter` made of those"
    )]
    Loop,
}

impl Rule {
    /// The longest rule in bytes.
    pub const MOST_BYTES: usize = 4096;
    /// The most words and signs of a rule.
    pub const MOST_TOKENS: usize = 512;
    /// How deep brackets, operators and member accesses may nest; a bracket counts for four.
    pub const MOST_NESTING: usize = 64;
    /// How deep the parsed rule may be; the evaluator takes up to 40 KiB of its caller's stack for each level.
    pub const MOST_DEPTH: usize = 24;
    /// The most steps of one evaluation, estimated from the sizes of the lists; above it the rule is [`Verdict::Broken`].
    pub const MOST_STEPS: u64 = 200_000;

    /// Parses and checks a rule.
    ///
    /// # Errors
    /// [`RuleError`] says which bound was broken or what is not understood, and where.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        bounds::check(text)?;
        let program = language::compile(text)?;
        check::check(program.expression())?;
        Ok(Self(Arc::new(Parsed { text: text.to_owned(), program })))
    }

    /// What the rule says of a device with these facts.
    #[must_use]
    pub fn eval(&self, facts: &Facts) -> Verdict {
        let program = &self.0.program;
        let steps = check::steps(program.expression(), facts);
        if steps > Self::MOST_STEPS {
            return Verdict::Broken {
                why: format!("it would take {steps} steps on this device, {} are allowed", Self::MOST_STEPS),
            };
        }
        language::eval(program, facts)
    }

    /// The rule as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl RuleError {
    /// Where in the rule's first line the error is, in characters from 1; absent where it concerns the whole.
    #[must_use]
    pub const fn column(&self) -> Option<usize> {
        match self {
            Self::TooDeep { column } | Self::Text { column, .. } | Self::Syntax { column, .. } => Some(*column),
            Self::TooLong(_)
            | Self::TooManyTokens
            | Self::NoThread
            | Self::TooDeepTree
            | Self::UnknownFact { .. }
            | Self::UnknownFunction { .. }
            | Self::Map
            | Self::Loop => None,
        }
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Rule {}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({:?})", self.0.text)
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        Self::parse(&text)
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.0.text.clone()
    }
}

#[cfg(test)]
mod tests;
