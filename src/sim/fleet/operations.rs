//! What runs between sessions: the operations that a device has accepted, their downloads, and the status reports of both.

use std::sync::Arc;

use super::{Inner, Slot};
use crate::{
    sim::{
        log::Posted,
        net,
        observer::Event,
        profile::{After, Aftermath, Profile, Send, Silence, Stage},
        scomo::Work,
        transfer::{Transfer, body},
    },
    wire::descriptor::InstallNotify,
};

impl Inner {
    /// Runs one operation after the other.
    pub(super) async fn operations(self: &Arc<Self>, slot: &Arc<Slot>) {
        let delays = slot.profile().delays.clone();
        loop {
            let work = {
                let mut state = slot.lock();
                let work = state.device.take_work();
                state.working = work.is_some();
                work
            };
            let Some(mut work) = work else { return };
            net::pause(delays.operation).await;
            if self.survives(slot, &mut work, Stage::Start).await {
                self.operation(slot, &mut work).await;
            }
            net::pause(delays.report.saturating_add(work.late)).await;
            {
                let mut state = slot.lock();
                if state.device.has_reports() {
                    state.device.want_session();
                }
            }
            self.talk(slot);
        }
    }

    /// Lets an outage come, if one comes here; whether the operation goes on after it.
    async fn survives(self: &Arc<Self>, slot: &Arc<Slot>, work: &mut Work, stage: Stage) -> bool {
        let then = slot.lock().device.strikes(work, stage);
        let Some(then) = then else { return true };
        if then == Aftermath::Lost {
            slot.lock().device.forget(work);
        }
        self.outage(slot).await;
        match then {
            Aftermath::Resume => true,
            Aftermath::Silent => {
                work.silent = work.silent.or(Some(Silence::Done));
                true
            }
            Aftermath::Lost => false,
        }
    }

    async fn operation(self: &Arc<Self>, slot: &Arc<Slot>, work: &mut Work) {
        let Some(url) = work.url.clone() else {
            slot.lock().device.complete(work, None);
            return self.tell(slot);
        };
        let profile = slot.profile();
        let tell = |event| self.tell_one(slot, event);
        let consents = || slot.lock().device.consents();
        let forced = || slot.next_answer(&profile.faults.download_status);
        let transfer = Transfer {
            client: &self.client,
            user_agent: &profile.user_agent,
            tries: profile.network.tries,
            backoff: profile.network.backoff,
            storage: profile.limits.storage,
            types: &profile.limits.types,
            break_at: profile.faults.break_transfer.filter(|_| !std::mem::replace(&mut slot.lock().done.broke, true)),
            consents: &consents,
            forced: &forced,
            tell: &tell,
        };
        let early = profile.notify.after == After::Download;
        let (outcome, report, notify) = match self.limited(transfer.fetch(&url)).await {
            Ok(fetched) => {
                slot.lock().device.downloaded(work);
                if early {
                    self.notify(slot, &profile, &transfer, fetched.notify.as_deref(), InstallNotify::SUCCESS).await;
                }
                net::pause(profile.delays.install).await;
                if !self.survives(slot, work, Stage::Install).await {
                    return;
                }
                (Ok(fetched.received), InstallNotify::SUCCESS, fetched.notify.filter(|_| !early))
            }
            Err(failure) => {
                tell(Event::TransferFailed { what: url, reason: failure.reason });
                (Err(failure.code), failure.report, failure.notify)
            }
        };
        let was_stored = outcome.is_ok();
        let code = slot.lock().device.complete(work, Some(outcome));
        self.tell(slot);
        // What never ends or leaves no trace is not reported anywhere.
        let Some(code) = code else { return };
        let report = if was_stored && code >= 1300 { InstallNotify::DEVICE_ABORTED } else { report };
        self.notify(slot, &profile, &transfer, notify.as_deref(), report).await;
    }

    /// Posts the status report, if the descriptor wants one and the profile sends it (SCOMO sheet 7.4).
    async fn notify(
        &self,
        slot: &Slot,
        profile: &Profile,
        transfer: &Transfer<'_>,
        url: Option<&str>,
        report: InstallNotify,
    ) {
        let how = &profile.notify;
        let wanted = match how.send {
            Send::Always => true,
            Send::Success => report.is_success(),
            Send::Never => false,
        };
        let Some(url) = url.filter(|_| wanted) else { return };
        let first = how.code.unwrap_or_else(|| report.code());
        for code in std::iter::once(first).chain(how.again) {
            let body = body(code, how.body);
            let outcome = self.limited(transfer.report(url, &body, how.content_type.as_deref())).await;
            slot.lock().device.posted(Posted { code, body, taken: outcome.is_ok() });
            self.tell(slot);
            if let Err(problem) = outcome {
                self.tell_one(
                    slot,
                    Event::Trouble { what: format!("the status report {code} was not taken: {problem}") },
                );
            }
        }
    }
}
