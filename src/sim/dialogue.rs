//! The device's side of an OMA DM 1.2 session (DM 1.x sheets 1 to 4), written from the specification.

mod answers;
mod commands;
mod large;
mod package;

use std::collections::{BTreeMap, VecDeque};

use self::{answers::Outbound, commands::Run, large::Large};
use super::{
    auth::{self, Proof, Scheme},
    device::Device,
    observer::{End, Reason},
    profile::{ServerAuth, SessionIds},
};
use crate::{
    model::{clock::Mint, id::DmSessionId},
    wire::syncml::{Chal, Command, Header, Message, Status},
};

/// How often either side may fail to prove itself in one session.
const ATTEMPTS: u32 = 3;

/// A message on its way out.
pub(super) struct Outgoing {
    /// Where to: the server's RespURI, if it gave one.
    pub(super) url: String,
    /// The message.
    pub(super) message: Message,
    /// How the session ends with it, if it does.
    pub(super) last: Option<End>,
}

/// What an answer leads to.
pub(super) enum Turn {
    /// The session goes on.
    Send(Box<Outgoing>),
    /// It is over.
    Close(End),
}

/// A session.
pub(super) struct Session {
    id: String,
    reason: Reason,
    url: String,
    sent: u32,
    server_max_msg: Option<usize>,
    server_max_obj: Option<usize>,
    standing: Standing,
    trusted: bool,
    /// What the server must prove itself with, if it was challenged in this session.
    server_nonce: Option<Vec<u8>>,
    server_failures: u32,
    /// What of this package is still to be sent.
    waiting: VecDeque<Outbound>,
    /// Whether the last of it carries Final.
    waiting_final: bool,
    large: Option<Large>,
    /// Which report each alert carried, by MsgID and CmdID.
    reported: BTreeMap<(String, String), u64>,
}

/// How the device stands with the server (DM 1.x sheet 3.3).
#[derive(Debug, Clone)]
struct Standing {
    scheme: Scheme,
    /// What the next digest uses; none: there is nothing to make one of.
    nonce: Option<Vec<u8>>,
    /// Whether the next message carries credentials.
    proves: bool,
    failures: u32,
}

impl Standing {
    /// Whether there is what credentials are made of.
    fn can_prove(&self) -> bool {
        self.scheme == Scheme::Basic || self.nonce.is_some()
    }
}

impl Session {
    /// A session that has sent nothing yet; `resync` is the nonce of both directions, if the notification reset them.
    pub(super) fn new(device: &mut Device, reason: Reason, server_url: &str, resync: Option<&[u8]>) -> Self {
        let style = device.profile.dialect.session_ids;
        let number = match reason {
            Reason::Notified(id) => id,
            Reason::Own if style == SessionIds::Same => 1,
            Reason::Own => {
                let mut id = [0; 2];
                device.mint.fill(&mut id);
                u16::from_be_bytes(id).max(1)
            }
        };
        let id = match style {
            SessionIds::Upper | SessionIds::Same => format!("{number:X}"),
            SessionIds::Lower => format!("{number:x}"),
            SessionIds::Decimal => number.to_string(),
        };
        let auth = &device.profile.auth;
        let resync = resync.map(<[u8]>::to_vec);
        let nonce = resync.clone().or_else(|| device.keys.client.clone());
        let proves = auth.first_cred && (auth.scheme == Scheme::Basic || nonce.is_some());
        Self {
            id,
            reason,
            url: server_url.to_owned(),
            sent: 0,
            server_max_msg: None,
            server_max_obj: None,
            standing: Standing { scheme: auth.scheme, nonce, proves, failures: 0 },
            trusted: auth.server_auth == ServerAuth::None,
            server_nonce: resync,
            server_failures: 0,
            waiting: VecDeque::new(),
            waiting_final: true,
            large: None,
            reported: BTreeMap::new(),
        }
    }

    /// The SessionID.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What it is for.
    pub(super) const fn reason(&self) -> Reason {
        self.reason
    }

    /// How many messages the device has sent.
    pub(super) const fn sent(&self) -> u32 {
        self.sent
    }

    /// The first message: package 1.
    pub(super) fn first(&mut self, device: &mut Device) -> Outgoing {
        self.waiting = answers::package1(device, self.reason).into();
        self.flush(device, None)
    }

    /// Alert 1223 in the place of what else would be sent (DM 1.x sheet 2.3).
    pub(super) fn abort(&mut self, device: &Device, end: End) -> Outgoing {
        self.waiting = VecDeque::from([answers::alert("1223")]);
        self.waiting_final = true;
        let mut out = self.flush(device, None);
        out.last = Some(end);
        out
    }

    /// Takes the server's message.
    pub(super) fn handle(&mut self, device: &mut Device, message: &Message) -> Turn {
        let header = &message.header;
        if !same_session(&header.session_id, &self.id) {
            let problem = format!("SessionID {:?} instead of {:?}", header.session_id, self.id);
            return Turn::Close(End::Nonsense { problem });
        }
        self.learn(header);
        let all = message.body.commands.iter();
        let statuses: Vec<&Status> =
            all.filter_map(|c| if let Command::Status(status) = c { Some(status) } else { None }).collect();
        let commands: Vec<&Command> =
            message.body.commands.iter().filter(|c| !matches!(c, Command::Status(_))).collect();
        if commands.iter().any(|c| matches!(c, Command::Alert(a) if a.data.trim() == "1223")) {
            return Turn::Close(End::Aborted);
        }
        self.settle(device, &statuses);
        match self.stand(device, &statuses) {
            Ok(true) => self.answer(device, message, &commands),
            Ok(false) => self.again(device, header),
            Err(status) => Turn::Close(End::Refused { status }),
        }
    }

    /// Takes what the header announces.
    fn learn(&mut self, header: &Header) {
        if let Some(uri) = header.resp_uri.as_deref().filter(|uri| !uri.is_empty()) {
            uri.clone_into(&mut self.url);
        }
        let number = |text: &Option<String>| text.as_deref().and_then(|t| t.trim().parse().ok());
        self.server_max_msg = number(&header.meta.max_msg_size).or(self.server_max_msg);
        self.server_max_obj = number(&header.meta.max_obj_size).or(self.server_max_obj);
    }

    /// Finds out which reports the server has taken; a refused challenge is no answer to them.
    fn settle(&mut self, device: &mut Device, statuses: &[&Status]) {
        for status in statuses {
            let msg_ref = if status.msg_ref.is_empty() { self.sent.to_string() } else { status.msg_ref.clone() };
            let code = status.code().unwrap_or(0);
            if matches!(code, 401 | 407) {
                continue;
            }
            if let Some(number) = self.reported.remove(&(msg_ref, status.cmd_ref.clone())) {
                device.told(number, code);
            }
        }
    }

    /// Reads what the server thinks of the device's credentials: whether it accepts them; an error is a final refusal.
    fn stand(&mut self, device: &mut Device, statuses: &[&Status]) -> Result<bool, u16> {
        let header = statuses.iter().find(|s| matches!(s.cmd_ref.as_str(), "" | "0"));
        let Some(status) = header else { return Ok(true) };
        let code = status.code().unwrap_or(0);
        let next = status.chal.as_ref().and_then(auth::next_nonce);
        match code {
            200 | 212 => {
                let proved = std::mem::take(&mut self.standing.proves);
                if proved {
                    let every = code == 200 && (self.standing.scheme == Scheme::Basic || next.is_some());
                    self.standing.proves = every;
                }
                if proved || next.is_some() {
                    self.standing.nonce = next.or(self.standing.nonce.take());
                    device.keys.client.clone_from(&self.standing.nonce);
                }
                Ok(true)
            }
            401 | 407 => {
                let challenge = status.chal.as_ref().ok_or(code)?;
                self.challenged(device, challenge, code).map(|()| false)
            }
            _ => Err(code),
        }
    }

    /// Follows a challenge, unless it asks for something weaker than the account's scheme or comes too often.
    fn challenged(&mut self, device: &Device, challenge: &Chal, code: u16) -> Result<(), u16> {
        let scheme = Scheme::named(&challenge.meta).ok_or(code)?;
        self.standing.failures = self.standing.failures.saturating_add(1);
        let weaker = scheme == Scheme::Basic && device.profile.auth.scheme == Scheme::Md5;
        if weaker || self.standing.failures > ATTEMPTS {
            return Err(code);
        }
        let nonce = auth::next_nonce(challenge).or(self.standing.nonce.take());
        let failures = self.standing.failures;
        self.standing = Standing { scheme, nonce, proves: true, failures };
        Ok(())
    }

    /// Package 1 once more, with credentials (DM 1.x sheet 3.3 no. 2).
    fn again(&mut self, device: &mut Device, header: &Header) -> Turn {
        let (code, chal) = self.trust(device, header);
        if self.server_failures > ATTEMPTS {
            return Turn::Send(Box::new(self.abort(device, End::Untrusted)));
        }
        self.waiting = answers::package1(device, self.reason).into();
        self.waiting_final = true;
        self.large = None;
        self.reported.clear();
        Turn::Send(Box::new(self.flush(device, Some(answers::header_status(header, code, chal)))))
    }

    /// Obeys the commands, or refuses them as long as the server has not proved itself.
    fn answer(&mut self, device: &mut Device, message: &Message, commands: &[&Command]) -> Turn {
        let has_more = !self.waiting.is_empty();
        if commands.is_empty() && message.body.is_final && !has_more {
            return Turn::Close(End::Done);
        }
        let header = &message.header;
        let (code, chal) = self.trust(device, header);
        if self.server_failures > ATTEMPTS {
            return Turn::Send(Box::new(self.abort(device, End::Untrusted)));
        }
        let mut run = Run::new(device, self.large.take(), &header.msg_id, self.server_max_obj);
        if self.trusted {
            run.all(commands);
        } else {
            run.refuse(commands, code);
        }
        let (answers, large) = run.done();
        self.large = large;
        let wants_more = self.large.is_some() || !message.body.is_final && !has_more;
        self.waiting.extend(answers);
        if wants_more {
            self.waiting.push_back(answers::alert("1222"));
        }
        if !has_more {
            self.waiting_final = !wants_more;
        }
        Turn::Send(Box::new(self.flush(device, Some(answers::header_status(header, code, chal)))))
    }

    /// Judges the server's credentials: the Status of its `SyncHdr` (DM 1.x sheet 3.5).
    fn trust(&mut self, device: &mut Device, header: &Header) -> (u16, Option<Chal>) {
        if self.trusted {
            return (200, None);
        }
        let scheme = device.profile.auth.scheme;
        let own = self.server_nonce.as_deref();
        let nonces: Vec<&[u8]> = own.into_iter().chain(device.keys.server_candidates()).collect();
        let secret = device.identity.server_secret.expose();
        let (proof, used) = auth::judge(header, scheme, device.server_id.as_deref(), secret, &nonces);
        let code = match proof {
            Proof::Good => {
                self.trusted = true;
                // A challenge of the basic scheme has no place for a nonce: the one of the notifications stays.
                let fresh = (scheme == Scheme::Md5).then(|| device.keys.renew_server(used, &mut device.mint));
                return (212, fresh.map(|fresh| auth::challenge(scheme, &fresh)));
            }
            Proof::Missing => 407,
            Proof::Wrong => 401,
        };
        self.server_failures = self.server_failures.saturating_add(1);
        let nonce = device.mint.nonce();
        let chal = auth::challenge(scheme, &nonce);
        self.server_nonce = Some(nonce);
        (code, Some(chal))
    }
}

/// Whether two session ids are the same, in whatever way the server writes the number (DM 1.x sheet 1.5).
fn same_session(theirs: &str, ours: &str) -> bool {
    let number = u16::from_str_radix(ours, 16);
    theirs == ours || DmSessionId::parse(theirs).is_ok_and(|id| number.is_ok_and(|n| id.answers(n)))
}
