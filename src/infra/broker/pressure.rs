//! Whether the outbox has room.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether so many events wait for the bus that nothing new is taken in. Sessions never look at it. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Pressure(Arc<AtomicBool>);

impl Pressure {
    /// So many events wait, and so many are the mark; says whether that made a difference. It is high from the mark on, and no
    /// longer when a tenth of the mark has gone.
    #[must_use]
    pub fn measure(&self, waiting: u64, mark: u64) -> bool {
        let before = self.is_high();
        let high = if before { waiting > mark.saturating_sub(mark / 10) } else { waiting >= mark };
        self.0.store(high, Ordering::Relaxed);
        before != high
    }

    /// Whether nothing new is to be taken in.
    #[must_use]
    pub fn is_high(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_the_mark_and_falls_well_below_it() {
        let pressure = Pressure::default();
        let told: Vec<bool> = [0, 99, 100, 95, 91, 90, 99].map(|n| pressure.measure(n, 100)).into();
        assert_eq!(told, [false, false, true, false, false, true, false]);
        assert!(!pressure.is_high());
    }
}
