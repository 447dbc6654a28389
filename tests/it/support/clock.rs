//! A clock that a test sets.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use scomo::model::clock::{Clock, Timestamp};

/// Stands still until it is moved.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn at(text: &str) -> Self {
        Self(AtomicI64::new(Timestamp::parse(text).unwrap().micros()))
    }

    pub(crate) fn forward(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}
