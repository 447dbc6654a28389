//! Step 3: a device speaks. A message is read, its session and job are loaded, dialogue and procedure advance, and everything that
//! follows is committed as one unit before the answer goes out.
//!
//! ```text
//! bytes ─wire→ Message ─Machine::handle→ events ─Procedure::handle→ asks | needs | ending
//! needs are met here (selection, grant)                asks ─Machine::offer→ answer ─wire→ bytes
//! ```
//!
//! Nothing is kept between two messages but in the store: any replica may take the next one. Of two that take the same message,
//! the one that commits second finds it answered and gives the stored answer.

mod alert;
mod answer;
mod ask;
mod desk;
mod grant;
mod hold;
mod lesson;
mod post;
mod question;
mod reports;
mod select;
mod stock;
mod tale;
mod work;

use std::sync::Arc;

pub use post::{Post, Reply};

use self::{
    answer::{Kept, Stored},
    desk::Desk,
};
use crate::{
    contract::{accept::Defaults, class::Classes},
    infra::{
        catalogue::Catalogue,
        depot::Depot,
        store::{
            CommitError, Store, Unit, Write,
            scene::{Caller, Scene},
            session::SessionRow,
        },
        telemetry::{Metrics, chain},
    },
    job::life::Policy,
    model::{
        clock::{Clock, Mint, Timestamp},
        id::{DeviceId, DmSessionId, SessionKey, Tenant},
    },
    protocol::dm1::{Context, Machine, OwnLimits, Quirks, ServerIdentity, Violation},
    wire::syncml::{Message, limits::Limits, xml},
};

/// What sessions follow.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who this server is towards devices.
    pub server: ServerIdentity,
    /// `device.public_url` without a slash at its end: what RespURI begins with.
    pub device_url: String,
    /// `download.public_url` without a slash at its end: what PkgURL begins with.
    pub download_url: String,
    /// How long a download grant counts.
    pub grant: std::time::Duration,
    /// What is announced to devices.
    pub own: OwnLimits,
    /// What a message may cost.
    pub wire: Limits,
    /// How many inventories of a device are kept, each time that one differed from the last.
    pub inventories: u32,
    /// The installation's patience with jobs.
    pub policy: Policy,
    /// What a request of a device gets, which leaves all open.
    pub defaults: Defaults,
    /// Whose devices speak here.
    pub tenant: Tenant,
}

/// The sessions of all devices.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    depot: Depot,
    catalogue: Catalogue,
    classes: Arc<Classes>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    mint: fn() -> Box<dyn Mint>,
    metrics: Metrics,
}

/// What sessions are made of.
pub struct Parts {
    /// State.
    pub store: Store,
    /// Payloads, for what is sent inside a session.
    pub depot: Depot,
    /// What may be selected.
    pub catalogue: Catalogue,
    /// Device classes.
    pub classes: Arc<Classes>,
    /// What sessions follow.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, one for each message.
    pub mint: fn() -> Box<dyn Mint>,
    /// Counters.
    pub metrics: Metrics,
}

/// How often a message that lost a race is done again from the start.
const TRIES: usize = 4;
/// How long a first message counts as a repeat of the session's last; later it opens a session, since session ids repeat on real
/// devices.
const REPEAT: std::time::Duration = std::time::Duration::from_mins(5);

/// Why a message gets no answer of the protocol.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the database is out of reach")]
    Store(#[from] crate::infra::store::Error),
    #[error("the answer could not be committed")]
    Commit(#[from] CommitError),
    #[error("another replica was faster, again and again")]
    Races,
    #[error("the session's row is damaged")]
    Damaged(#[from] serde_json::Error),
    #[error("a message of the device breaks the protocol")]
    Violation(#[from] Violation),
}

/// Who speaks, as far as the header tells.
struct Header {
    device: DeviceId,
    norm: String,
    session: DmSessionId,
    msg_id: u32,
    /// The message came to the URL of a session, whose token only the device was told.
    named: bool,
}

impl Sessions {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, depot, catalogue, classes, settings, clock, mint, metrics } = parts;
        Self { store, depot, catalogue, classes, settings: Arc::new(settings), clock, mint, metrics }
    }

    /// Takes a message and gives what is to be sent back: HTTP 200 with the protocol's answer, 400 for what is no message of a
    /// session, 503 while the database is out of reach.
    pub async fn take(&self, post: &Post<'_>) -> Reply {
        if let Some(refused) = post.unsupported() {
            return refused;
        }
        let message = match xml::read(post.body, &self.settings.wire) {
            Ok(message) => message,
            Err(error) => return malformed(&error.to_string(), None),
        };
        let header = match Header::of(&message, post) {
            Ok(header) => header,
            Err(element) => return malformed(&format!("the SyncHdr has no usable {element}"), None),
        };
        for _ in 0..TRIES {
            match Box::pin(self.attempt(post, &message, &header)).await {
                Ok(Some(reply)) => return reply,
                Ok(None) => {}
                Err(Trouble::Violation(violation)) => return malformed(&violation.to_string(), Some(&header)),
                Err(trouble) => return unavailable(&trouble, &header),
            }
        }
        unavailable(&Trouble::Races, &header)
    }

    /// One attempt; `None` if another replica was faster and all is to be read again.
    async fn attempt(&self, post: &Post<'_>, message: &Message, header: &Header) -> Result<Option<Reply>, Trouble> {
        let now = self.clock.now();
        let caller = Caller {
            tenant: &self.settings.tenant,
            device_norm: &header.norm,
            user_name: message.header.source.name.as_deref(),
            sid: post.sid(),
            dm_session_id: &header.session,
        };
        let Some(scene) = self.store.scene(caller).await? else {
            return self.stranger(post, message.clone(), header).map(Some);
        };
        if let Some(kept) = repeated(&scene, header, post, now)? {
            return Ok(Some(answer::replay(kept, &self.depot).await));
        }
        if session_of(scene.session.as_ref(), header).is_some_and(|row| !row.open) {
            return Err(Violation::Over.into());
        }
        let mut desk = Box::new(Desk::sit(self, scene, header, message, now).await?);
        desk.read(post, message.clone()).await?;
        let done = Box::pin(desk.close(post, header)).await?;
        match self.store.commit(done.unit).await {
            Ok(_) => {
                done.tale.tell(&self.metrics);
                Ok(Some(done.reply))
            }
            // A race was lost, or whether it was written is unknown: a message that was answered is then found as a repeat.
            Err(CommitError::Conflict { .. } | CommitError::Unknown { .. }) => Ok(None),
            Err(error @ (CommitError::Failed { .. } | CommitError::Closed)) => Err(Trouble::Commit(error)),
        }
    }

    /// A device that nobody knows is challenged and refused as any other, and nothing is kept of it: how often it was refused is
    /// told by the MsgID, and by one bit of the token in RespURI (whether its first message had credentials already).
    fn stranger(&self, post: &Post<'_>, message: Message, header: &Header) -> Result<Reply, Trouble> {
        let usual = Quirks::default();
        let mut mint = (self.mint)();
        let first = header.msg_id == 1;
        let bit = match post.sid().filter(|_| !first) {
            Some(sid) => sid.uuid().as_u128() & 1 == 1,
            None => message.header.cred.is_some(),
        };
        let fresh = mint.uuid(self.clock.now()).as_u128() & !1;
        let resp_uri = self.resp_uri(SessionKey::new(uuid::Uuid::from_u128(fresh | u128::from(bit))));
        let cx = self.context(None, &usual, &resp_uri);
        let machine = if first {
            Machine::open(&message.header)
        } else {
            let times = (header.msg_id - 2).saturating_add(u32::from(bit));
            if times >= u32::from(usual.auth_attempts) {
                return Err(Violation::Over.into());
            }
            Machine::stranger(&message.header, u8::try_from(times).unwrap_or(u8::MAX), mint.as_mut())
        };
        let (_, said) = machine.handle(message, &cx, mint.as_mut())?.machine.answer(&cx);
        tracing::info!(device.id = %header.device, "A device without a record was challenged");
        Ok(Reply::xml(xml::write(&said.message)))
    }

    fn context<'a>(
        &'a self,
        account: Option<&'a crate::protocol::dm1::Account>,
        quirks: &'a Quirks,
        resp_uri: &'a str,
    ) -> Context<'a> {
        Context {
            account,
            quirks,
            limits: self.settings.own,
            server: &self.settings.server,
            resp_uri,
            known_alert: alert::is_known,
            expected: &[],
        }
    }

    /// Where the next message of a session is to be posted.
    fn resp_uri(&self, session: SessionKey) -> String {
        format!("{}/dm?sid={session}", self.settings.device_url)
    }
}

impl Header {
    fn of(message: &Message, post: &Post<'_>) -> Result<Self, &'static str> {
        let header = &message.header;
        let device = DeviceId::parse(&header.source.uri).map_err(|_| "Source/LocURI")?;
        Ok(Self {
            norm: device.normalised(),
            device,
            session: DmSessionId::parse(&header.session_id).map_err(|_| "SessionID")?,
            msg_id: header.msg_id.trim().parse().ok().filter(|id| *id > 0).ok_or("MsgID")?,
            named: post.sid().is_some(),
        })
    }
}

/// The stored answer, if the message is a repeat of the session's last one.
fn repeated(scene: &Scene, header: &Header, post: &Post<'_>, now: Timestamp) -> Result<Option<Kept>, Trouble> {
    let Some(row) = &scene.session else { return Ok(None) };
    let young = header.msg_id > 1 || now.since(row.updated_at) < REPEAT;
    let same = row.msg_id == header.msg_id && row.dm_session_id == header.session && row.digest == Some(post.digest());
    if !(young && same) {
        return Ok(None);
    }
    Ok(row.state.read::<Stored>()?.answer)
}

/// The session that a message belongs to: the stored one, or a new one for a first message and for a session nobody remembers.
fn session_of<'a>(scene: Option<&'a SessionRow>, header: &Header) -> Option<&'a SessionRow> {
    scene.filter(|row| header.msg_id > 1 && row.dm_session_id == header.session)
}

/// The write that stores the session as it now stands.
const fn session_write(row: SessionRow, fresh: bool) -> Write {
    if fresh { Write::SessionInsert(row) } else { Write::SessionPut(row) }
}

/// The unit of one message.
fn unit(header: &Header) -> Unit {
    Unit::new("session.message", &header.norm)
}

fn malformed(why: &str, header: Option<&Header>) -> Reply {
    let device = header.map(|h| tracing::field::display(&h.device));
    let session = header.map(|h| tracing::field::display(&h.session));
    tracing::warn!(device.id = device, session.id = session, why, "Refused a message");
    Reply::bad_request(why)
}

fn unavailable(trouble: &Trouble, header: &Header) -> Reply {
    let (device, session) = (&header.device, &header.session);
    tracing::error!(device.id = %device, session.id = %session, error = chain(trouble), "Could not answer a device");
    Reply::unavailable()
}
