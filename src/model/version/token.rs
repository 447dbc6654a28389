//! The numbers and words of a version.

use std::cmp::Ordering;

/// Words that mark what comes before the release.
const EARLY: [&str; 7] = ["dev", "snapshot", "alpha", "beta", "pre", "preview", "rc"];

/// A piece of a version, in the order in which pieces compare.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    /// A word of [`EARLY`], by its place there.
    Early(usize),
    /// Digits without leading zeros; none is 0, and so is what is missing.
    Number(&'a str),
    /// Any other word.
    Word(&'a str),
}

impl Token<'_> {
    const MISSING: Self = Self::Number("");

    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Early(a), Self::Early(b)) => a.cmp(&b),
            (Self::Number(a), Self::Number(b)) => number_cmp(a, b),
            (Self::Word(a), Self::Word(b)) => {
                a.bytes().map(|c| c.to_ascii_lowercase()).cmp(b.bytes().map(|c| c.to_ascii_lowercase()))
            }
            (Self::Early(_), Self::Number(_) | Self::Word(_)) | (Self::Number(_), Self::Word(_)) => Ordering::Less,
            (Self::Number(_) | Self::Word(_), Self::Early(_)) | (Self::Word(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

/// Cuts a text into numbers and words.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let first = rest.chars().next()?;
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits || !c.is_alphanumeric()).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(if digits { Token::Number(piece.trim_start_matches('0')) } else { word(piece) })
    })
}

fn word(piece: &str) -> Token<'_> {
    EARLY.iter().position(|early| early.eq_ignore_ascii_case(piece)).map_or(Token::Word(piece), Token::Early)
}

/// Compares two texts piece by piece; what is missing counts as 0.
pub(super) fn release_cmp(one: &str, other: &str) -> Ordering {
    let (mut ours, mut theirs) = (tokens(one), tokens(other));
    loop {
        let order = match (ours.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => a.unwrap_or(Token::MISSING).order(b.unwrap_or(Token::MISSING)),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Whether `text` begins with the pieces of `prefix`; what is missing counts as 0.
pub(super) fn begins_with(text: &str, prefix: &str) -> bool {
    let mut pieces = tokens(text);
    tokens(prefix).all(|wanted| pieces.next().unwrap_or(Token::MISSING).order(wanted).is_eq())
}

/// Compares two pre-releases as semver does: identifier by identifier, numbers below words, the longer above its prefix.
pub(super) fn pre_release_cmp(one: &str, other: &str) -> Ordering {
    let (mut ours, mut theirs) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ours.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => number_cmp(a.trim_start_matches('0'), b.trim_start_matches('0')),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Compares digits without leading zeros as numbers.
fn number_cmp(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
