//! Watches the demo's devices: bars for people, counts for the table.

use std::collections::BTreeMap;

use tokio::sync::watch;

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
    /// Bytes of the packages that it received whole.
    pub(super) bytes: u64,
    /// SHA-256 of the last of them.
    pub(super) received: Option<Digest>,
    /// Sessions that it has open.
    open: u32,
}

/// The observer of the demo.
pub(super) struct Watch {
    shown: Option<Progress>,
    seen: watch::Sender<BTreeMap<String, Seen>>,
}

impl Watch {
    /// Shows progress only if someone watches; else the closing table is all.
    pub(super) fn new(output: Output) -> Self {
        Self { shown: output.watched().then(|| Progress::without_news(output)), seen: watch::Sender::default() }
    }

    /// What was seen of a device since the start.
    pub(super) fn seen(&self, device: &str) -> Seen {
        self.seen.borrow().get(device).copied().unwrap_or_default()
    }

    /// Waits until a device has no session open.
    pub(super) async fn quiet(&self, device: &str) {
        // The sender is ours, so the channel cannot be closed.
        let _ = self.seen.subscribe().wait_for(|all| all.get(device).is_none_or(|seen| seen.open == 0)).await;
    }

    /// A line above the bars, for people.
    pub(super) fn say(&self, text: &str) {
        if let Some(shown) = &self.shown {
            shown.say(text);
        }
    }

    /// Takes the bars away.
    pub(super) fn finish(&self) {
        if let Some(shown) = &self.shown {
            shown.finish();
        }
    }
}

impl Observer for Watch {
    fn told(&self, device: &str, event: &Event) {
        tracing::debug!(device.id = device, "{event:?}");
        self.seen.send_modify(|all| {
            let seen = all.entry(device.to_owned()).or_default();
            if let Event::Exchanged { .. } = event {
                seen.messages += 1;
            }
            if let Event::TransferFinished { held, .. } = event {
                seen.bytes += held.size;
                seen.received = Some(held.sha256);
            }
            if let Event::SessionOpened { .. } = event {
                seen.open += 1;
            }
            if let Event::SessionClosed { .. } = event {
                seen.open = seen.open.saturating_sub(1);
            }
        });
        if let Some(shown) = &self.shown {
            shown.told(device, event);
        }
    }
}
