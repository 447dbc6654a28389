//! The real clock and real randomness: the one place that asks the machine for either.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

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

/// The clock that all replicas share: the database's, carried on between two looks at it by what no operator sets, the time since
/// the machine started. A machine whose own clock is stepped goes on with the right time.
#[derive(Debug)]
pub struct SharedClock {
    origin: Instant,
    /// The moment of `origin`, in microseconds since 1970.
    base: AtomicI64,
}

/// So far the machine's clock may be from the shared one, in microseconds.
const TOLERANCE: i64 = 2_000_000;
/// A look at the database's clock that took longer tells nothing.
const SLOWEST: Duration = Duration::from_secs(1);

impl Default for SharedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedClock {
    /// Begins with the machine's time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that everybody else asks")]
    pub fn new() -> Self {
        Self { origin: Instant::now(), base: AtomicI64::new(SystemClock.now().micros()) }
    }

    /// Time since the clock was made, on which a look is measured.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The database said `told` to a question that was asked at `asked` by [`SharedClock::elapsed`] and has just been answered.
    /// What lies within the uncertainty of the look changes nothing, so that the time does not go to and fro.
    pub fn correct(&self, told: Timestamp, asked: Duration) {
        let took = self.elapsed().saturating_sub(asked);
        if took > SLOWEST {
            return;
        }
        let found = told.micros().saturating_sub(micros(asked + took / 2));
        let off = found.saturating_sub(self.base.load(Ordering::Relaxed));
        if off.abs() > micros(took / 2).saturating_add(1000) {
            self.base.store(found, Ordering::Relaxed);
        }
    }

    /// How far the machine's clock is before the shared one, in microseconds; negative if it is behind.
    #[must_use]
    pub fn offset(&self) -> i64 {
        SystemClock.now().micros().saturating_sub(self.now().micros())
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.base.load(Ordering::Relaxed).saturating_add(micros(self.elapsed())))
    }

    /// Not while the machine's clock differs: then nobody knows which of the two is wrong.
    fn is_sound(&self) -> bool {
        self.offset().abs() <= TOLERANCE
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
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
    fn the_shared_clock_follows_what_the_database_says() {
        let clock = SharedClock::new();
        assert!(clock.is_sound());
        let (asked, there) = (clock.elapsed(), SystemClock.now().after(Duration::from_mins(10)));
        clock.correct(there, asked);
        let now = clock.now();
        assert!(now >= there && now.since(there) < Duration::from_secs(1), "{now} {there}");
        assert!(!clock.is_sound(), "the machine is ten minutes behind");
        assert!(clock.offset() < -599_000_000);
        clock.correct(SystemClock.now(), clock.elapsed());
        assert!(clock.is_sound());
    }

    #[test]
    fn a_look_that_took_too_long_tells_nothing() {
        let clock = SharedClock::new();
        clock.base.fetch_sub(5_000_000, Ordering::Relaxed);
        let slow = SharedClock { origin: clock.origin.checked_sub(SLOWEST * 2).unwrap(), base: clock.base };
        let before = slow.base.load(Ordering::Relaxed);
        slow.correct(SystemClock.now(), Duration::ZERO);
        assert_eq!(slow.base.load(Ordering::Relaxed), before);
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let mut mint = SystemMint::new();
        assert_ne!(mint.token(22), mint.token(22));
    }
}
