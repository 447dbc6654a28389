//! A device: its tree, its account, what it has to tell, and at most one session. No I/O happens here.

use std::{collections::VecDeque, sync::Arc};

use super::{
    auth::Nonces as Keys,
    chance::Seeded,
    dialogue::{Outgoing, Session, Turn},
    observer::{End, Event, Reason},
    operation::Area,
    profile::{Identity, Nonces, Profile},
    scomo::{Object, Received, Report, Work},
    snapshot::Snapshot,
    tree::{Node, Tree},
    trigger::Trigger,
};
use crate::{
    model::{clock::Mint, secret::Secret},
    wire::syncml::{limits::Limits, xml},
};

/// The most reports that go into one message.
const REPORTS_A_SESSION: usize = 50;

/// A simulated device.
pub struct Device {
    pub(super) profile: Arc<Profile>,
    pub(super) identity: Identity,
    pub(super) server_id: Option<String>,
    pub(super) keys: Keys,
    pub(super) mint: Seeded,
    pub(super) tree: Tree,
    pub(super) object: Object,
    pub(super) events: Vec<Event>,
    works: VecDeque<Work>,
    reports: VecDeque<(u64, Report)>,
    report_number: u64,
    report_tries: u32,
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
        let mut tree = standard_tree(profile, &identity.id);
        let object = Object::build(profile, &mut tree);
        Self {
            profile: Arc::clone(profile),
            identity,
            server_id,
            keys,
            mint,
            tree,
            object,
            events: Vec::new(),
            works: VecDeque::new(),
            reports: VecDeque::new(),
            report_number: 0,
            report_tries: 0,
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
        self.wanted.is_some() && self.session.is_none()
    }

    /// Begins the session that is wanted, if one is and none runs.
    pub fn open(&mut self, server_url: &str) -> Option<Delivery> {
        if self.session.is_some() {
            return None;
        }
        let reason = self.wanted.take()?;
        let resync = self.resync.take();
        if !self.reports.is_empty() {
            self.report_tries = self.report_tries.saturating_add(1);
        }
        let mut session = Session::new(self, reason, server_url, resync);
        self.events.push(Event::SessionOpened { session: session.id().to_owned(), reason });
        let first = session.first(self);
        self.session = Some(session);
        Some(self.deliver(first))
    }

    /// Takes the server's answer to the last message.
    pub fn receive(&mut self, answer: &[u8]) -> Next {
        let Some(mut session) = self.session.take() else { return Next::Over(End::Broken) };
        let limits = Limits { message_bytes: answer_limit(&self.profile), ..Limits::default() };
        let turn = match xml::read(answer, &limits) {
            Ok(_) if self.profile.faults.abort.contains(&self.messages.saturating_add(1)) => {
                Turn::Send(Box::new(session.abort(self, End::Broken)))
            }
            Ok(message) => session.handle(self, &message),
            Err(error) => Turn::Close(End::Nonsense { problem: error.to_string() }),
        };
        match turn {
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
        self.session.is_none() && !self.works.is_empty()
    }

    /// Takes the next accepted operation; none while a session runs.
    pub fn take_work(&mut self) -> Option<Work> {
        if self.session.is_some() { None } else { self.works.pop_front() }
    }

    /// Notes that the download of an operation has ended well.
    pub fn downloaded(&mut self, work: &Work) {
        self.object.downloaded(&mut self.tree, work);
    }

    /// Ends an operation and keeps its report for the next session; gives the result code.
    pub fn complete(&mut self, work: &Work, fetched: Option<Result<Received, u16>>) -> u16 {
        let report = self.object.complete(&mut self.tree, work, fetched);
        let code = report.code;
        let (operation, identifier) = (work.operation, work.identifier.clone());
        self.events.push(Event::Executed { operation, identifier, code });
        self.report_number = self.report_number.saturating_add(1);
        self.reports.push_back((self.report_number, report));
        self.report_tries = 0;
        code
    }

    /// Whether reports wait and are worth another session.
    #[must_use]
    pub fn has_reports(&self) -> bool {
        !self.reports.is_empty() && self.report_tries < self.profile.network.report_tries
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

    /// The reports that go into a first message.
    pub(super) fn reports(&self) -> Vec<(u64, Report)> {
        self.reports.iter().take(REPORTS_A_SESSION).cloned().collect()
    }

    /// The server's status for a report: whatever it says, it has it now.
    pub(super) fn reported(&mut self, number: u64, status: u16) {
        if let Some(at) = self.reports.iter().position(|(n, _)| *n == number) {
            let report = self.reports.remove(at);
            self.events.extend(report.map(|(_, r)| Event::Reported { code: r.code, status }));
            self.report_tries = 0;
        }
    }

    /// Keeps an accepted operation until the session is over.
    pub(super) fn accept(&mut self, work: Work) {
        let (operation, identifier) = (work.operation, work.identifier.clone());
        self.events.push(Event::Executing { operation, identifier });
        self.works.push_back(work);
    }

    /// Where each list of the SCOMO object is.
    pub(super) fn area(&self, area: Area) -> &str {
        self.object.layout().area(area)
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
        Delivery { url: out.url, body: xml::write(&out.message), number: self.messages, last: out.last }
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

/// DevInfo, DevDetail and a place for anything else (DM 1.x sheet 7).
fn standard_tree(profile: &Profile, id: &str) -> Tree {
    let mut tree = Tree::new();
    tree.put("DevInfo", Node::interior("urn:oma:mo:oma-dm-devinfo:1.0"));
    let info = &profile.devinfo;
    let leaves = [("DevId", id), ("Man", &info.man), ("Mod", &info.r#mod), ("DmV", &info.dmv), ("Lang", &info.lang)];
    for (name, text) in &leaves {
        tree.put(&format!("DevInfo/{name}"), Node::chr(*text));
    }
    for (name, text) in &info.ext {
        tree.put(&format!("DevInfo/Ext/{name}"), Node::chr(text.as_str()));
    }
    let detail = &profile.devdetail;
    tree.put("DevDetail", Node::interior("urn:oma:mo:oma-dm-devdetail:1.0"));
    let leaves = [
        ("DevTyp", &detail.devtyp),
        ("OEM", &detail.oem),
        ("FwV", &detail.fwv),
        ("SwV", &detail.swv),
        ("HwV", &detail.hwv),
    ];
    for (name, text) in &leaves {
        tree.put(&format!("DevDetail/{name}"), Node::chr(text.as_str()));
    }
    tree.put("DevDetail/LrgObj", Node::leaf("bool", detail.lrgobj.to_string()));
    let limits = [("MaxDepth", detail.max_depth), ("MaxTotLen", detail.max_tot_len), ("MaxSegLen", detail.max_seg_len)];
    for (name, limit) in &limits {
        tree.put(&format!("DevDetail/URI/{name}"), Node::chr(limit.to_string()));
    }
    tree.put("Vendor", Node::interior(""));
    tree
}
