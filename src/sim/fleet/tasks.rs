//! What runs: sessions and operations, a task a device and only while there is something to do.

use std::{future::Future, sync::Arc, time::Duration};

use super::{Inner, Slot};
use crate::sim::{
    device::{Delivery, Next},
    net,
    observer::{End, Event},
    profile::Ask,
};

impl Inner {
    /// A device by its id.
    pub(in crate::sim) fn slot(&self, id: &str) -> Option<Arc<Slot>> {
        self.slots.get(id).map(Arc::clone)
    }

    /// Takes a notification to its device; one that is delivered twice is one.
    pub(in crate::sim) fn notified(self: &Arc<Self>, slot: &Arc<Slot>, key: Option<&str>, package0: &[u8]) {
        {
            let mut state = slot.lock();
            if key.is_some() && state.notification.as_deref() == key {
                return;
            }
            state.notification = key.map(str::to_owned);
            state.device.notify(package0);
        }
        self.tell(slot);
        self.talk(slot);
    }

    /// Tells the observer what has happened on a device.
    pub(super) fn tell(&self, slot: &Slot) {
        let (id, events) = {
            let mut state = slot.lock();
            (state.device.id().to_owned(), state.device.take_events())
        };
        for event in &events {
            self.observer.told(&id, event);
        }
    }

    pub(super) fn tell_one(&self, slot: &Slot, event: Event) {
        slot.note(event);
        self.tell(slot);
    }

    /// Starts the task that holds a device's sessions, unless it runs or nothing is wanted.
    pub(super) fn talk(self: &Arc<Self>, slot: &Arc<Slot>) {
        let starts = {
            let mut state = slot.lock();
            let starts = !state.talking && state.device.wants_session();
            state.talking |= starts;
            starts
        };
        if starts {
            let (inner, slot) = (Arc::clone(self), Arc::clone(slot));
            self.spawn(async move { inner.sessions(&slot).await });
        }
    }

    /// Starts the task that runs a device's operations, unless it runs or there are none.
    fn work(self: &Arc<Self>, slot: &Arc<Slot>) {
        let starts = {
            let mut state = slot.lock();
            let starts = !state.working && state.device.has_work();
            state.working |= starts;
            starts
        };
        if starts {
            let (inner, slot) = (Arc::clone(self), Arc::clone(slot));
            self.spawn(async move { inner.operations(&slot).await });
        }
    }

    /// Lets a device ask for what its profile plans; what is asked at once is asked now. Waiting for later does not count as
    /// under way.
    pub(super) fn plan(self: &Arc<Self>, slot: &Arc<Slot>) {
        if std::mem::replace(&mut slot.lock().done.begun, true) {
            return;
        }
        for planned in slot.profile().ask.clone() {
            let (inner, slot) = (Arc::clone(self), Arc::clone(slot));
            let mut left = planned.times;
            if planned.when.0.is_zero() && left > 0 {
                left -= 1;
                inner.ask(&slot, &planned.ask());
            }
            if left == 0 {
                continue;
            }
            let asks = async move {
                let first = if left == planned.times { planned.when.0 } else { planned.every };
                net::pause(first).await;
                for at in 0..left {
                    net::pause(if at == 0 { Duration::ZERO } else { planned.every }).await;
                    inner.ask(&slot, &planned.ask());
                }
            };
            let stop = self.stop.clone();
            self.tasks.spawn(async move { stop.run_until_cancelled(asks).await });
        }
    }

    /// Lets a device ask for something.
    pub(super) fn ask(self: &Arc<Self>, slot: &Arc<Slot>, ask: &Ask) {
        slot.lock().device.ask(ask);
        self.talk(slot);
    }

    /// Runs a task that counts as under way until it ends or the fleet stops.
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        self.under_way.send_modify(|count| *count = count.saturating_add(1));
        let inner = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = inner.stop.cancelled() => {}
                () = task => {}
            }
            inner.under_way.send_modify(|count| *count = count.saturating_sub(1));
        });
    }

    /// Holds one session after the other, as long as the device wants any.
    async fn sessions(self: &Arc<Self>, slot: &Arc<Slot>) {
        let network = slot.profile().network.clone();
        let mut failed = 0_u32;
        loop {
            let first = {
                let mut state = slot.lock();
                let first = state.device.open(&self.server_url);
                state.talking = first.is_some();
                first
            };
            let Some(first) = first else { return };
            let end = self.session(slot, first).await;
            if end == End::Vanished {
                self.outage(slot).await;
            }
            self.work(slot);
            if end.is_regular() || end == End::Vanished {
                failed = 0;
            } else if slot.lock().device.wants_session() {
                failed = failed.saturating_add(1);
                net::wait(network.backoff, failed).await;
            }
        }
    }

    /// Waits until an outage is over, and until the device is itself again.
    pub(super) async fn outage(self: &Arc<Self>, slot: &Arc<Slot>) {
        self.tell(slot);
        let lasts = slot.lock().device.outage().unwrap_or_default();
        net::pause(lasts).await;
        slot.lock().device.come_back();
        self.tell(slot);
        self.talk(slot);
    }

    /// Holds one session.
    async fn session(&self, slot: &Slot, first: Delivery) -> End {
        let started = self.clock.now();
        let mut message = first;
        let mut last = (String::new(), 0);
        let end = loop {
            self.tell(slot);
            last = slot.lock().device.session().map_or(last, |(id, sent)| (id.to_owned(), sent));
            net::pause(message.pause).await;
            let answer = match self.connections.acquire().await {
                Ok(_permit) => net::exchange(&self.client, slot, &message).await,
                Err(_) => return End::Broken,
            };
            let next = match (answer, message.last.take()) {
                (_, Some(end)) => slot.lock().device.hang_up(end),
                (Err(problem), None) => slot.lock().device.hang_up(End::Lost { problem }),
                (Ok(answer), None) => {
                    let (sent, received) = (message.body.len(), answer.len());
                    let (session, messages) = last.clone();
                    self.tell_one(slot, Event::Exchanged { session, messages, sent, received });
                    slot.lock().device.receive(&answer)
                }
            };
            match next {
                Next::Send(next) => message = next,
                Next::Over(end) => break end,
            }
        };
        let took = self.clock.now().since(started);
        let (session, messages) = last;
        self.tell_one(slot, Event::SessionClosed { session, messages, took, end: end.clone() });
        end
    }

    /// Waits for a free connection first.
    pub(super) async fn limited<T>(&self, task: impl Future<Output = T> + Send) -> T {
        // The semaphore is never closed; without a permit the task would run all the same.
        let _permit = self.connections.acquire().await;
        task.await
    }
}
