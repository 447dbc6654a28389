//! Watches the demo's devices: bars for people, counts for the table.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    cli::{Output, Progress},
    model::digest::Digest,
    sim::{Event, Observer},
};

/// What was seen of one device.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// Messages that it sent and that were answered.
    pub(super) messages: u64,
    /// The last package that it received whole: SHA-256 and size.
    pub(super) held: Option<(Digest, u64)>,
}

/// The observer of the demo.
pub(super) struct Watch {
    shown: Option<Progress>,
    seen: Mutex<BTreeMap<String, Seen>>,
}

impl Watch {
    /// Shows progress only if someone watches; else the closing table is all.
    pub(super) fn new(output: Output) -> Self {
        Self { shown: output.watched().then(|| Progress::new(output)), seen: Mutex::default() }
    }

    /// What was seen of a device since the start.
    pub(super) fn seen(&self, device: &str) -> Seen {
        self.lock().get(device).copied().unwrap_or_default()
    }

    /// Takes the bars away.
    pub(super) fn finish(&self) {
        if let Some(shown) = &self.shown {
            shown.finish();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watch {
    fn told(&self, device: &str, event: &Event) {
        {
            let mut all = self.lock();
            let seen = all.entry(device.to_owned()).or_default();
            if let Event::Exchanged { .. } = event {
                seen.messages += 1;
            }
            if let Event::TransferFinished { held, .. } = event {
                seen.held = Some((held.sha256, held.size));
            }
        }
        if let Some(shown) = &self.shown {
            shown.told(device, event);
        }
    }
}
