//! What happened on the devices of a test, and waiting for it.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use scomo::sim::{Event, Observer, Operation};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

/// How long a test waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at that nobody tells of.
const LOOK: Duration = Duration::from_millis(5);

/// Everything that the devices did, in order.
#[derive(Default)]
pub(crate) struct Watch {
    seen: Mutex<Vec<(String, Event)>>,
    news: Notify,
}

impl Observer for Watch {
    fn told(&self, device: &str, event: &Event) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((device.to_owned(), event.clone()));
        self.news.notify_waiters();
    }
}

impl Watch {
    /// What one device did.
    pub(crate) fn of(&self, device: &str) -> Vec<Event> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(id, _)| id == device).map(|(_, event)| event.clone()).collect()
    }

    /// How often a device did such a thing.
    pub(crate) fn count(&self, device: &str, wanted: impl Fn(&Event) -> bool) -> usize {
        self.of(device).iter().filter(|event| wanted(event)).count()
    }

    /// The operations that ended on a device, with their result codes.
    pub(crate) fn executed(&self, device: &str) -> Vec<(Operation, u16)> {
        let code =
            |event| if let Event::Executed { operation, code, .. } = event { Some((operation, code)) } else { None };
        self.of(device).into_iter().filter_map(code).collect()
    }

    /// How many objects came in whole, over DM or by URL.
    pub(crate) fn transfers(&self, device: &str) -> usize {
        self.count(device, |event| matches!(event, Event::TransferFinished { .. }))
    }

    /// How many messages of a device were answered.
    pub(crate) fn messages(&self, device: &str) -> u32 {
        u32::try_from(self.count(device, |event| matches!(event, Event::Exchanged { .. }))).unwrap()
    }

    /// How many sessions a device opened.
    pub(crate) fn sessions(&self, device: &str) -> usize {
        self.count(device, |event| matches!(event, Event::SessionOpened { .. }))
    }

    /// Waits until a device did such a thing.
    pub(crate) async fn until(&self, device: &str, wanted: impl Fn(&Event) -> bool + Sync) {
        let seen = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if self.count(device, &wanted) > 0 {
                    return;
                }
                news.await;
            }
        };
        let seen = timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "{device} did not do it; it did {:#?}", self.of(device));
    }
}

/// Waits until `look` finds something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(LOOK).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited for {what} in vain"))
}
