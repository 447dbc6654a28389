//! Step 2: something may have to be done about a job. Its due row fires, its life says what follows, and where that is a
//! notification the device gets one.
//!
//! The session that a notification asks for is stored before it is sent, so that a device that is faster than the courier is
//! still matched; that it was sent is stored after, with the job's new state. A replica that dies in between notifies again: the
//! device opens one session.

use std::sync::Arc;

use crate::{
    contract::class::Classes,
    infra::{
        account,
        courier::{self, Notification as Parcel, Webhook},
        driver::{Errand, Failure, Poke},
        jobs::{self, Moving},
        known::Known,
        store::{
            Cursor, Page, Store, Unit, Write,
            device::DeviceRow,
            due::{Again, Due, Lease, Leased},
            job::{JobFilter, JobRow},
        },
        telemetry::{Metrics, chain},
    },
    job::{
        brake::{Pause, Subject},
        life::{Event, Hold, NotNotified, Policy, StateName},
        record::Notification,
    },
    model::{
        clock::{Clock, Mint, Timestamp},
        id::{DeviceKey, JobId},
        secret::Secret,
    },
    protocol::notification::{self, Trigger, UiMode},
};

/// Wakes devices.
pub struct Wake {
    /// State.
    pub store: Store,
    /// Device classes, for what a notification looks like.
    pub classes: Arc<Classes>,
    /// Carries notifications.
    pub courier: Webhook,
    /// The server identifier that devices know.
    pub server_id: String,
    /// The installation's patience.
    pub policy: Policy,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, one for each errand.
    pub mint: fn() -> Box<dyn Mint>,
    /// Counters.
    pub metrics: Metrics,
    /// Wakes the relay.
    pub told: Poke,
}

/// Everything a notification needs.
struct Letter {
    url: url::Url,
    session_id: u16,
    data: Vec<u8>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
enum NoLetter {
    #[error("the device's record has no webhook to notify it at")]
    Address,
    #[error("the device's record has no server_secret, without which a notification cannot be signed")]
    Secret,
    #[error("the notification cannot be built: {0}")]
    Trigger(#[from] notification::Error),
}

impl Errand for Wake {
    fn names(&self) -> &'static [&'static str] {
        &[jobs::DUE, jobs::REGISTERED]
    }

    async fn run(&self, due: Leased) -> Result<(), Failure> {
        if due.lease.errand == jobs::REGISTERED { self.welcome(due.lease).await } else { self.job(due).await }
    }
}

impl Wake {
    /// A device was registered: the jobs that waited for its record are looked at now. That it is an errand of the insert's own
    /// commit is what keeps them from being forgotten.
    async fn welcome(&self, lease: Lease) -> Result<(), Failure> {
        let now = self.clock.now();
        let mut unit = Unit::new("wake.registered", &lease.subject.to_string());
        if let Some(device) = self.store.device_by_key(DeviceKey::new(lease.subject)).await? {
            let (norm, state) = (device.device_id.normalised(), StateName::Accepted.to_string());
            let filter = JobFilter { request: None, device_norm: Some(&norm), state: Some(&state) };
            let mut page = Page::first(Page::MOST);
            loop {
                let rows = self.store.jobs(&device.tenant, filter, page).await?;
                let Some(last) = rows.last() else { break };
                page = Page::after(Cursor { at: last.created_at, key: last.id.uuid() }, Page::MOST);
                for row in rows {
                    let due = Due { errand: jobs::DUE, subject: row.id.uuid(), at: now };
                    unit.push(Write::DuePut { due, again: Again::Earlier });
                }
            }
        }
        unit.push(Write::DueDone(lease));
        self.store.commit(unit).await?;
        Ok(())
    }

    /// A job's due row fired.
    async fn job(&self, due: Leased) -> Result<(), Failure> {
        let Some(row) = self.store.job(JobId::new(due.lease.subject)).await? else {
            let _ = self.store.done(&due.lease).await?;
            return Ok(());
        };
        let now = self.clock.now();
        self.metrics.due_lag(now.since(due.at));
        let device = self.store.device(&row.tenant, &row.device_id.normalised()).await?;
        let busy = self.busy(&row).await?;
        let mut mint = (self.mint)();
        let row = JobRow { device: device.as_ref().map(|device| device.key), ..row };
        let mut job = Moving::of(row.clone())?;
        match (job.record.life.state().name(), &device) {
            (StateName::Accepted, Some(_)) => job.step(Event::Queued, now, &self.policy, busy, mint.as_mut()),
            // It was registered once, and was removed.
            (StateName::Waiting | StateName::Notified, None) => {
                job.step(Event::DeviceUnknown, now, &self.policy, busy, mint.as_mut());
            }
            (_, _) => {}
        }
        let what_now = self.held(&mut job, device.as_ref(), now).await?.unwrap_or(Event::Due);
        job.step(what_now, now, &self.policy, busy, mint.as_mut());
        if job.take_notify()
            && let Some(device) = device
        {
            job = self.notify(job, row, device, now, mint.as_mut()).await?;
        }
        self.commit(job, due.lease, now).await
    }

    /// A pause applies to a job that would notify its device: read just now, so that none is sent behind its back.
    async fn held(
        &self,
        job: &mut Moving,
        device: Option<&DeviceRow>,
        now: Timestamp,
    ) -> Result<Option<Event>, Failure> {
        let asks = matches!(
            job.record.life.state().name(),
            StateName::Waiting | StateName::Notified | StateName::AwaitingReport
        );
        if !asks || now >= job.record.life.deadline() {
            return Ok(None);
        }
        let pauses = self.store.pauses_on(&job.row().tenant, job.row().request).await?;
        let class = device.map(|device| {
            let facts = Known::of(device).unwrap_or_default().facts(device, None, now);
            self.classes.pick(&facts, device.class.as_deref()).name.as_str()
        });
        let subject = Subject { request: job.row().request, class, record: &job.record };
        let Some(pause) = Pause::first(&pauses, &subject) else { return Ok(None) };
        if job.record.life.held() != Some(pause.id) {
            job.note(now, format!("held back by {pause}"));
        }
        Ok(Some(Event::Held(Hold::Pause(pause.id))))
    }

    /// Another job holds the device.
    async fn busy(&self, row: &JobRow) -> Result<bool, Failure> {
        let known = self.store.known_devices(&row.tenant, &[row.device_id.normalised()]).await?;
        Ok(known.iter().any(|device| device.busy) && !row.active)
    }

    /// Sends a notification for `job`, which was moved from `row`, and moves it on by what came of that.
    async fn notify(
        &self,
        mut job: Moving,
        row: JobRow,
        device: DeviceRow,
        now: Timestamp,
        mint: &mut dyn Mint,
    ) -> Result<Moving, Failure> {
        let mut account = account::of(&device)?;
        let letter = match self.letter(&device, &mut account, mint) {
            Ok(letter) => letter,
            Err(why) => {
                job.note(now, format!("not notified: {why}"));
                job.step(Event::NotNotified(NotNotified::NoAddress), now, &self.policy, false, mint);
                return Ok(job);
            }
        };
        let mut job = self.announce(job, row, device, &account, letter.session_id, now).await?;
        let event = self.send(&job, &letter, now).await;
        let sent = event == Event::Notified;
        self.metrics.notification(if sent { "accepted" } else { "failed" });
        let how = if sent { "the device was notified" } else { "the notification did not get through" };
        job.note(now, format!("{how}, session {:X}", letter.session_id));
        job.step(event, now, &self.policy, false, mint);
        Ok(job)
    }

    /// Stores which session is asked for, before it is.
    async fn announce(
        &self,
        mut job: Moving,
        row: JobRow,
        mut device: DeviceRow,
        account: &crate::protocol::dm1::Account,
        session_id: u16,
        now: Timestamp,
    ) -> Result<Moving, Failure> {
        let mut unit = Unit::new("wake.announce", &row.device_id.normalised());
        let mut before = Moving::of(row)?;
        before.record.notification = Some(Notification { session_id, at: now });
        unit.writes.extend(before.writes(now, None)?);
        if account.nonces.resync && !account::of(&device)?.nonces.resync {
            device.secrets = account::sealed(account)?;
            device.updated_at = now;
            unit.push(Write::DevicePut(device));
        }
        self.store.commit(unit).await?;
        job.announced(Notification { session_id, at: now });
        Ok(job)
    }

    fn letter(
        &self,
        device: &DeviceRow,
        account: &mut crate::protocol::dm1::Account,
        mint: &mut dyn Mint,
    ) -> Result<Letter, NoLetter> {
        let address = device.addresses.get("webhook").ok_or(NoLetter::Address)?;
        let url = url::Url::parse(address).map_err(|_| NoLetter::Address)?;
        let secret: Secret = account.server_secret.clone().ok_or(NoLetter::Secret)?;
        let known = Known::of(device).unwrap_or_default();
        let facts = known.facts(device, None, self.clock.now());
        let class = self.classes.pick(&facts, device.class.as_deref());
        account.nonces.resync |= account.nonces.server.is_none();
        let stored = account.nonces.server.as_ref().map(|nonce| nonce.expose().to_vec());
        let nonce = stored.unwrap_or_else(|| class.dm.resync_nonce.bytes().to_vec());
        let session_id = session_id(mint);
        let server_id = account.server_user.clone().unwrap_or_else(|| self.server_id.clone());
        let data = Trigger::new(server_id, session_id, UiMode::Background).sign(&secret, &nonce)?;
        Ok(Letter { url, session_id, data })
    }

    async fn send(&self, job: &Moving, letter: &Letter, now: Timestamp) -> Event {
        let row = job.row();
        let key = format!("{}-{:04x}", row.id, letter.session_id);
        let parcel = Parcel {
            idempotency_key: &key,
            device: row.device_id.as_str(),
            session_id: letter.session_id,
            content_type: notification::MIME,
            data: &letter.data,
            expires: now.after(self.policy.answer),
        };
        let sent = self.courier.send(&letter.url, &parcel).await;
        log(row, letter.session_id, sent.as_ref().err());
        if sent.is_ok() { Event::Notified } else { Event::NotNotified(NotNotified::Trouble) }
    }

    async fn commit(&self, job: Moving, lease: Lease, now: Timestamp) -> Result<(), Failure> {
        let mut unit = Unit::new("wake.job", &job.row().device_id.normalised());
        let ended = job.is_over().then(|| job.record.life.state().name());
        let id = job.row().id;
        unit.writes = job.writes(now, Some(lease))?;
        self.store.commit(unit).await?;
        if let Some(state) = ended {
            self.metrics.job_ended(state.as_str());
            tracing::info!(job.id = %id, "Job is {state}");
        }
        self.told.poke();
        Ok(())
    }
}

/// A session id of a notification: 1 to FFFF (DM 1.x sheet 8.1).
fn session_id(mint: &mut dyn Mint) -> u16 {
    let mut bytes = [0; 2];
    mint.fill(&mut bytes);
    u16::from_be_bytes(bytes).max(1)
}

#[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
fn log(row: &JobRow, session_id: u16, error: Option<&courier::Error>) {
    let (job, device, session) = (row.id, &row.device_id, format!("{session_id:X}"));
    match error {
        None => tracing::info!(job.id = %job, device.id = %device, session.id = session, "Notified"),
        Some(error) => {
            tracing::warn!(job.id = %job, device.id = %device, session.id = session, error = chain(error), "Could not notify");
        }
    }
}
