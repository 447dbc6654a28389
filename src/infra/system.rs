//! The real clock and real randomness: the one place that asks the machine for either.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};

use crate::model::clock::{Clock, Mint, Timestamp};

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that everybody else asks")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The randomness of the operating system.
#[derive(Debug, Clone)]
pub struct SystemMint(SystemRandom);

impl Default for SystemMint {
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl SystemMint {
    /// A mint; costs nothing to make.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Mint for SystemMint {
    /// # Panics
    /// If the operating system has no randomness to give: every nonce and token made without it could be guessed.
    fn fill(&mut self, bytes: &mut [u8]) {
        assert!(self.0.fill(bytes).is_ok(), "the operating system gives no randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_in_this_century() {
        assert!(SystemClock.now() > Timestamp::parse("2024-01-01T00:00:00Z").unwrap());
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let mut mint = SystemMint::new();
        assert_ne!(mint.token(22), mint.token(22));
    }
}
