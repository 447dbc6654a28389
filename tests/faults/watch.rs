//! The devices' own logs: what happened on each, with its time.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use scomo::{
    infra::system::SystemClock,
    model::clock::{Clock as _, Timestamp},
    sim::{Event, Observer},
};

/// Everything that the devices of a round did, in order.
#[derive(Default)]
pub(crate) struct Watch(Mutex<BTreeMap<String, Vec<(Timestamp, Event)>>>);

impl Observer for Watch {
    fn told(&self, device: &str, event: &Event) {
        // Progress says nothing of what was done.
        if matches!(event, Event::TransferProgress { .. }) {
            return;
        }
        let at = SystemClock.now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(device.to_owned()).or_default().push((at, event.clone()));
    }
}

impl Watch {
    pub(crate) fn of(&self, device: &str) -> Vec<(Timestamp, Event)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(device).cloned().unwrap_or_default()
    }
}
