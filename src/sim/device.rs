//! A device: its tree, its account, what it has to tell, and at most one session. No I/O happens here.

mod life;
mod notices;
mod standard;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use self::{life::Life, notices::Notices};
use super::{
    auth::Nonces as Keys,
    chance::Seeded,
    dialect,
    dialogue::{Outgoing, Session, Turn},
    log::{Log, Posted},
    observer::{End, Event, Reason},
    profile::{Consent, Identity, Nonces, Profile},
    report,
    scomo::{Objects, Received, Work},
    snapshot::Snapshot,
    tree::{Node, Tree},
    trigger::Trigger,
    user,
};
use crate::{
    model::{clock::Mint, secret::Secret},
    wire::syncml::{Alert, limits::Limits, xml},
};

/// A simulated device.
pub struct Device {
    pub(super) profile: Arc<Profile>,
    pub(super) identity: Identity,
    pub(super) server_id: Option<String>,
    pub(super) keys: Keys,
    pub(super) mint: Seeded,
    pub(super) tree: Tree,
    pub(super) objects: Objects,
    pub(super) events: Vec<Event>,
    pub(super) log: Log,
    works: VecDeque<Work>,
    notices: Notices,
    life: Life,
    /// How many of the user's answers to prompts and to download agents were given.
    answers: usize,
    consents: usize,
    /// How long the user has taken since the last message.
    thinking: Duration,
    wanted: Option<Reason>,
    /// The nonce of both directions in the session that is wanted, if its notification resets them.
    resync: Option<&'static [u8]>,
    session: Option<Session>,
    /// Messages sent in all sessions.
    messages: u32,
}

/// A message that must reach the server.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where to.
    pub url: String,
    /// The body; a repeat has the same bytes.
    pub body: Vec<u8>,
    /// Its number over all sessions of the device, from 1.
    pub number: u32,
    /// How the session ends with it, whatever is answered; nothing if it goes on.
    pub last: Option<End>,
    /// How long the device takes before it sends it.
    pub pause: Duration,
}

/// What a server's answer leads to.
#[derive(Debug)]
pub enum Next {
    /// The session goes on.
    Send(Delivery),
    /// The session is over.
    Over(End),
}

impl Device {
    /// Device `number` of its profile; secrets that the profile leaves open are drawn from the seed, the same for each run.
    #[must_use]
    pub fn new(profile: &Arc<Profile>, number: u32, server_id: Option<String>, seed: &[u8; 32]) -> Self {
        let id = profile.id.fill(number);
        let mut mint = Seeded::branch(seed, &id);
        let auth = &profile.auth;
        let mut secret = |template: &Option<super::profile::Template>| {
            Secret::new(template.as_ref().map_or_else(|| mint.token(22), |t| t.fill(number)))
        };
        let (own, server_secret) = (secret(&auth.secret), secret(&auth.server_secret));
        let identity = Identity { id, user: auth.user.fill(number), secret: own, server_secret };
        let keys = match auth.nonces {
            Nonces::Registered => Keys::registered(&mut mint),
            Nonces::None => Keys::default(),
        };
        let mut tree = standard::tree(profile, &identity.id);
        let objects = Objects::build(profile, &mut tree);
        Self {
            profile: Arc::clone(profile),
            identity,
            server_id,
            keys,
            mint,
            tree,
            objects,
            events: Vec::new(),
            log: Log::default(),
            works: VecDeque::new(),
            notices: Notices::default(),
            life: Life::default(),
            answers: 0,
            consents: 0,
            thinking: Duration::ZERO,
            wanted: None,
            resync: None,
            session: None,
            messages: 0,
        }
    }

    /// DevId.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// What its profile says.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Takes a notification (DM 1.x sheet 8.1): a genuine one makes the device want a session. A trigger for the session that
    /// runs or is wanted already is the same trigger again.
    pub fn notify(&mut self, package0: &[u8]) {
        let ignored = match Trigger::read(package0) {
            _ if self.is_off() => Some("the device is off"),
            None => Some("malformed"),
            Some(t) if self.server_id.as_deref().is_some_and(|id| id != t.server_id) => Some("from another server"),
            Some(t) if self.is_about(t.session) => Some("the session is under way"),
            Some(t) => match self.believes(&t) {
                Belief::None => Some("its digest is wrong"),
                belief @ (Belief::Genuine | Belief::Afresh(_)) => {
                    self.wanted = Some(Reason::Notified(t.session));
                    self.resync = if let Belief::Afresh(nonce) = belief { Some(nonce) } else { None };
                    self.events.push(Event::Notified { session: t.session });
                    None
                }
            },
        };
        self.events.extend(ignored.map(|reason| Event::NotificationIgnored { reason }));
    }

    /// Makes the device want a session of its own accord.
    pub fn want_session(&mut self) {
        self.wanted = self.wanted.or(Some(Reason::Own));
    }

    /// Whether a session is wanted that can begin now.
    #[must_use]
    pub fn wants_session(&self) -> bool {
        self.wanted.is_some() && self.session.is_none() && !self.is_off()
    }

    /// Begins the session that is wanted, if one is and none runs.
    pub fn open(&mut self, server_url: &str) -> Option<Delivery> {
        if self.session.is_some() || self.is_off() {
            return None;
        }
        let reason = self.wanted.take()?;
        let resync = self.resync.take();
        if !self.notices.is_empty() {
            self.notices.tries = self.notices.tries.saturating_add(1);
        }
        let mut session = Session::new(self, reason, server_url, resync);
        self.events.push(Event::SessionOpened { session: session.id().to_owned(), reason });
        let first = session.first(self);
        self.session = Some(session);
        Some(self.deliver(first))
    }

    /// Takes the server's answer to the last message.
    pub fn receive(&mut self, answer: &[u8]) -> Next {
        let Some(mut session) = self.session.take() else {
            return if self.is_off() { self.vanish() } else { Next::Over(End::Broken) };
        };
        let limits = Limits { message_bytes: answer_limit(&self.profile), ..Limits::default() };
        let turn = match xml::read(answer, &limits) {
            Ok(_) if self.profile.faults.abort.contains(&self.messages.saturating_add(1)) => {
                Turn::Send(Box::new(session.abort(self, End::Broken)))
            }
            Ok(message) => session.handle(self, &message),
            Err(error) => Turn::Close(End::Nonsense { problem: error.to_string() }),
        };
        match turn {
            Turn::Send(_) if self.fails_to_answer() => self.vanish(),
            Turn::Send(out) => {
                self.session = Some(session);
                Next::Send(self.deliver(*out))
            }
            Turn::Close(end) => self.over(end),
        }
    }

    /// Ends the session from this side, because the server cannot be reached or was told so.
    pub fn hang_up(&mut self, end: End) -> Next {
        self.session = None;
        self.over(end)
    }

    /// The session that runs and how many messages it has sent.
    #[must_use]
    pub fn session(&self) -> Option<(&str, u32)> {
        self.session.as_ref().map(|s| (s.id(), s.sent()))
    }

    /// Whether an accepted operation waits that can begin now.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.session.is_none() && !self.works.is_empty() && !self.is_off()
    }

    /// Takes the next accepted operation; none while a session runs.
    pub fn take_work(&mut self) -> Option<Work> {
        if self.has_work() { self.works.pop_front() } else { None }
    }

    /// Notes that the download of an operation has ended well.
    pub fn downloaded(&mut self, work: &Work) {
        self.objects.downloaded(&mut self.tree, work);
    }

    /// Ends an operation and keeps its report for the next session, if it is to be reported at all; gives the result code,
    /// unless the operation is stuck or has left no trace.
    pub fn complete(&mut self, work: &Work, fetched: Option<Result<Received, u16>>) -> Option<u16> {
        self.finish(work, fetched).map(|(code, _)| code)
    }

    /// The same; gives the numbers of the alerts that report it too.
    pub(super) fn finish(&mut self, work: &Work, fetched: Option<Result<Received, u16>>) -> Option<(u16, Vec<u64>)> {
        let report = self.objects.complete(&mut self.tree, work, fetched)?;
        if let Some(ran) = self.log.ran(work.ran) {
            ran.code = Some(report.code);
        }
        self.events.push(Event::Executed {
            operation: work.operation,
            identifier: work.identifier.clone(),
            correlator: work.correlator.clone(),
            code: report.code,
        });
        let numbers = if work.silent.is_none() { self.keep_report(work.ran, &report) } else { Vec::new() };
        Some((report.code, numbers))
    }

    /// Whether reports or requests wait and are worth another session.
    #[must_use]
    pub fn has_reports(&self) -> bool {
        !self.notices.is_empty() && self.notices.tries < self.profile.network.report_tries
    }

    /// What the user says to the download agent.
    pub fn consents(&mut self) -> bool {
        let said = &self.profile.user.downloads;
        let consent = said.get(self.consents).or(said.last()).copied().unwrap_or_default();
        self.consents = self.consents.saturating_add(1);
        consent == Consent::Accept
    }

    /// Notes a status report to the download server.
    pub fn posted(&mut self, posted: Posted) {
        self.events.push(Event::Posted { code: posted.code, taken: posted.taken });
        self.log.post(posted);
    }

    /// What has happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Adds to what has happened.
    pub fn note(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Whether something of this probability happens to this device now.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.mint.happens(probability)
    }

    /// The device as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self)
    }

    /// The body of the request that registers the device with the admin API.
    #[must_use]
    pub fn record(&self, webhook: &str) -> serde_json::Value {
        use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
        let mut record = serde_json::json!({
            "id": self.identity.id,
            "user": self.identity.user,
            "secret": self.identity.secret.expose(),
            "server_secret": self.identity.server_secret.expose(),
            "scheme": match self.profile.auth.scheme { super::auth::Scheme::Basic => "basic", super::auth::Scheme::Md5 => "md5" },
            "addresses": { "webhook": webhook },
            "tags": self.profile.tags,
        });
        let nonces = [("nonce", self.keys.client.as_deref()), ("server_nonce", self.keys.newest_server())];
        for (key, nonce) in nonces {
            if let (Some(nonce), Some(record)) = (nonce, record.as_object_mut()) {
                record.insert(key.to_owned(), BASE64.encode(nonce).into());
            }
        }
        record
    }

    /// Keeps an accepted operation until the session is over.
    pub(super) fn accept(&mut self, work: Work) {
        let (operation, identifier, correlator) = (work.operation, work.identifier.clone(), work.correlator.clone());
        self.events.push(Event::Executing { operation, identifier, correlator });
        self.works.push_back(work);
    }

    /// Shows a prompt of the server to the user: the status and what was typed or chosen; nothing if the alert is no prompt.
    pub(super) fn prompted(&mut self, alert: &Alert) -> Option<(u16, Vec<String>)> {
        let reply = user::reply(&self.profile.user, alert, self.answers, self.profile.delays.user)?;
        self.answers = self.answers.saturating_add(usize::from(reply.used));
        self.thinking = self.thinking.saturating_add(reply.took);
        let (status, answer) = (reply.prompt.status, reply.prompt.answer.clone());
        self.events.push(Event::Prompted { prompt: reply.prompt.clone() });
        self.log.prompt(reply.prompt);
        Some((status, answer))
    }

    /// The node at `path`, unless this device does not have it.
    pub(super) fn node(&self, path: &str) -> Option<&Node> {
        self.tree.get(path).filter(|_| !self.objects.hides(path))
    }

    /// Whether a notification is genuine (DM 1.x sheet 8.1).
    fn believes(&self, trigger: &Trigger<'_>) -> Belief {
        let secret = self.identity.server_secret.expose();
        if trigger.is_genuine(secret, &self.keys.server_candidates()) {
            return Belief::Genuine;
        }
        let resync = self.profile.auth.resync.nonce().filter(|nonce| trigger.is_genuine(secret, &[nonce]));
        resync.map_or(Belief::None, Belief::Afresh)
    }

    fn is_about(&self, session: u16) -> bool {
        let wanted = self.wanted == Some(Reason::Notified(session));
        wanted || self.session.as_ref().is_some_and(|s| s.reason() == Reason::Notified(session))
    }

    fn deliver(&mut self, out: Outgoing) -> Delivery {
        self.messages = self.messages.saturating_add(1);
        let pause = std::mem::take(&mut self.thinking).saturating_add(self.profile.delays.message);
        let body = dialect::spell(report::write(&out.message), &self.profile.dialect);
        Delivery { url: out.url, body, number: self.messages, last: out.last, pause }
    }

    fn over(&mut self, end: End) -> Next {
        self.session = None;
        if self.has_reports() {
            self.want_session();
        }
        Next::Over(end)
    }
}

/// What a device makes of a notification.
enum Belief {
    /// Its digest is wrong.
    None,
    /// It is the server's.
    Genuine,
    /// It is the server's, and this is the nonce of both directions from now on.
    Afresh(&'static [u8]),
}

/// The largest answer that the device reads: what it announced, with room for servers that count a little differently.
pub(super) fn answer_limit(profile: &Profile) -> usize {
    let announced = usize::try_from(profile.limits.max_msg_size).unwrap_or(usize::MAX);
    announced.saturating_mul(2).clamp(1 << 16, 1 << 26)
}
