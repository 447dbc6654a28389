//! Pauses between attempts.

use std::time::Duration;

use crate::model::clock::Mint;

/// The first pause, and the longest.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// Growing pauses with jitter, so that replicas that lost the same broker do not come back at the same moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure: between half and the whole of what doubles with each.
    pub fn pause(&mut self, mint: &mut dyn Mint) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let mut chance = [0];
        mint.fill(&mut chance);
        let [chance] = chance;
        whole / 2 + (whole / 2) * u32::from(chance) / 255
    }

    /// It went well.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Same(u8);

    impl Mint for Same {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let mut pauses = || (0..10).map(|_| backoff.pause(&mut Same(255)).as_millis()).collect::<Vec<_>>();
        assert_eq!(pauses(), [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
        backoff.reset();
        assert_eq!(backoff.pause(&mut Same(0)), Duration::from_millis(125), "chance halves it at most");
    }
}
