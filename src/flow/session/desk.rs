//! The desk at which one message is worked on: all that was loaded, all that has changed, and at the end the unit that is
//! committed and the reply that is sent once it is.

use super::{
    Header, Post, Reply, Sessions, Trouble,
    alert::Alerts,
    answer::{self, Kept, Stored},
    hold::starts,
    stock::Stock,
    tale::{Tale, Told},
    work::{Held, Way, Work},
};
use crate::{
    contract::class::DeviceClass,
    infra::{
        account, known,
        known::Known,
        store::{Json, SealedJson, Unit, Write, device::DeviceRow, scene::Scene, session::SessionRow},
        telemetry::chain,
    },
    job::procedure::{Failure, FailureClass},
    model::{
        clock::{Mint, Timestamp},
        id::SessionKey,
    },
    protocol::dm1::{Account, Answer, Context, Ending, Event, Machine, Receipt, Step},
    wire::syncml::Message,
};

/// A message in work.
pub(super) struct Desk<'a> {
    pub(super) flow: &'a Sessions,
    pub(super) now: Timestamp,
    pub(super) mint: Box<dyn Mint>,
    pub(super) device: DeviceRow,
    account: Account,
    pub(super) known: Known,
    /// Whether the device's row is to be written.
    touched: bool,
    pub(super) class: &'a DeviceClass,
    key: SessionKey,
    resp_uri: String,
    session: Option<SessionRow>,
    machine: Machine,
    /// The job in hand and what it has brought about.
    pub(super) work: Work,
    /// The job of this session was ended or taken away since the last message.
    bereft: bool,
    /// The session authenticated with this message.
    opened: bool,
    /// It is over, whatever the dialogue still says.
    outcome: Option<&'static str>,
    /// What the message's alerts have brought.
    pub(super) alerts: Alerts,
    /// What is to be told once it is committed.
    pub(super) tale: Tale,
}

/// A message that was worked on.
pub(super) struct Done {
    /// To be committed.
    pub(super) unit: Unit,
    /// To be sent then.
    pub(super) reply: Reply,
    /// To be told then.
    pub(super) tale: Tale,
}

/// Sessions of a device that may wait for its proof. Whoever knows its name can begin one; the oldest gives way.
const MOST_STRANGERS: u32 = 32;

impl<'a> Desk<'a> {
    /// Lays out what was loaded.
    pub(super) async fn sit(
        flow: &'a Sessions,
        scene: Scene,
        header: &Header,
        message: &Message,
        now: Timestamp,
    ) -> Result<Self, Trouble> {
        let Scene { device, session, job, inventory, pauses } = scene;
        let known = Known::of(&device)?;
        let stock = Stock::of(inventory)?;
        let roots = known::roots(&device)?;
        let facts = known.facts(&device, stock.inventory(), now);
        let class = flow.classes.pick(&facts, device.class.as_deref());
        // A session that proved itself goes on where only its device can know: SessionIDs are short and easily guessed.
        let trusted = header.named || class.dm.ignores_resp_uri;
        let session = super::session_of(session.as_ref(), header).filter(|row| trusted || !row.authenticated).cloned();
        let mut mint = (flow.mint)();
        let stored = session.as_ref().map(|row| row.state.read::<Stored>()).transpose()?;
        let key = session.as_ref().map_or_else(|| SessionKey::new(mint.uuid(now)), |row| row.key);
        let (machine, started) = match stored {
            Some(stored) => (stored.machine, stored.started),
            None => (Machine::open(&message.header), false),
        };
        let mut work = Work::new(roots, stock, started, pauses);
        let held = match session.as_ref().filter(|row| row.authenticated) {
            None => Held::Unproven,
            Some(row) => row.job.map_or(Held::Nothing, Held::Job),
        };
        work.offer_job(job, held, (flow, &class.name), now).await?;
        let bereft = matches!(held, Held::Job(_)) && work.record().is_none();
        let (account, resp_uri) = (account::of(&device)?, flow.resp_uri(key));
        let tale = Tale::new(device.device_id.clone(), machine.session_id().to_owned());
        Ok(Self {
            flow,
            now,
            mint,
            device,
            account,
            known,
            touched: false,
            class,
            key,
            resp_uri,
            session,
            machine,
            work,
            bereft,
            opened: false,
            outcome: None,
            alerts: Alerts::default(),
            tale,
        })
    }

    /// Takes the message: dialogue first, then whatever its events bring about.
    pub(super) async fn read(&mut self, post: &Post<'_>, message: Message) -> Result<(), Trouble> {
        let machine = self.machine.clone();
        let expected = self.work.expects();
        let cx = self.flow.context(Some(&self.account), &self.class.dm, &self.resp_uri);
        let cx = Context { expected: &expected, ..cx };
        let Step { machine, events, account } = machine.handle(message, &cx, self.mint.as_mut())?;
        self.machine = machine;
        if !account.is_empty() {
            account.apply(&mut self.account);
            self.touched = true;
        }
        for event in events {
            // The device's facts come behind its alerts, and its class decides what it may ask for.
            if !matches!(event, Event::Alert(_) | Event::Oddity(_) | Event::DevInfo(_) | Event::Abilities(_)) {
                self.work_on_alerts().await?;
            }
            self.on(event, post)?;
        }
        self.work_on_alerts().await?;
        self.next_job().await
    }

    fn on(&mut self, event: Event, post: &Post<'_>) -> Result<(), Trouble> {
        match event {
            Event::Opened { server_initiated } => self.open(server_initiated, post)?,
            Event::DevInfo(info) => {
                self.touched |= self.known.info != info;
                self.known.info = info;
                self.classify();
            }
            Event::Abilities(abilities) => {
                self.touched |= self.known.abilities != abilities;
                self.known.abilities = abilities;
            }
            Event::Alert(alert) => self.hear(alert)?,
            Event::Outcome { ask, outcome } => self.feed(crate::job::procedure::Input::Outcome { ask, outcome })?,
            Event::Ready => self.start()?,
            Event::Aborted => self.outcome = Some("aborted"),
            Event::AuthFailed { attempts } => self.tale.add(Told::AuthFailed { attempts }),
            Event::Ended(ending) => self.ended(ending),
            Event::Oddity(what) => {
                self.note(format!("tolerated: {what}"));
                self.tale.add(Told::Tolerated { what });
            }
        }
        Ok(())
    }

    /// The device has proved itself: its earlier session is over, and a job of this device may be taken up.
    fn open(&mut self, server_initiated: bool, post: &Post<'_>) -> Result<(), Trouble> {
        self.opened = true;
        self.tale.add(Told::Opened { server_initiated });
        let agent = post.user_agent.map(|text| text.chars().take(200).collect::<String>());
        self.touched |= self.known.user_agent != agent;
        self.known.user_agent = agent;
        self.classify();
        let session = self.tale.session().to_owned();
        self.take_up(if server_initiated { Way::Notified(&session) } else { Way::Came(&session) })
    }

    fn classify(&mut self) {
        let facts = self.known.facts(&self.device, self.work.stock.inventory(), self.now);
        self.class = self.flow.classes.pick(&facts, self.device.class.as_deref());
    }

    fn ended(&mut self, ending: Ending) {
        let (outcome, why) = match ending {
            Ending::ClientRefused => {
                ("refused", "the device did not prove who it is; compare user and secret of its record")
            }
            Ending::ServerRefused => {
                ("refused", "the device does not accept our credentials; compare server_secret of its record")
            }
            Ending::Version => ("refused", "the device speaks a version of the protocol that is not served"),
            Ending::Endless => ("aborted", "the device sent messages without end"),
        };
        self.note(format!("session given up: {why}"));
        self.tale.add(Told::GivenUp { why: why.to_owned() });
        self.outcome = Some(outcome);
    }

    /// Asks the dialogue what the procedure wants, and gives the outcomes that need no message.
    pub(super) fn offer(&mut self, asks: Vec<crate::model::tree::Ask>) -> Vec<Event> {
        let cx = self.flow.context(Some(&self.account), &self.class.dm, &self.resp_uri);
        self.machine.offer(asks, &cx)
    }

    /// Says another code of an alert's item than the dialogue did.
    pub(super) fn amend(&mut self, receipt: Receipt, code: u16) {
        self.machine.amend(receipt, code);
    }

    /// Whether the session can still carry work.
    pub(super) fn is_live(&self) -> bool {
        self.outcome.is_none() && self.machine.authenticated()
    }

    /// Marks that the device's row has to be written.
    pub(super) const fn touch(&mut self) {
        self.touched = true;
    }

    /// Builds the answer and the unit that it belongs to.
    pub(super) async fn close(mut self, post: &Post<'_>, header: &Header) -> Result<Done, Trouble> {
        self.acknowledge();
        let (answer, body) = self.answer().await?;
        let ends = answer.ends;
        if ends {
            self.let_go(false)?;
            self.tale.add(Told::Closed { outcome: self.outcome.unwrap_or("done") });
        } else {
            self.keep_on();
        }
        let kept = answer::keep(answer, &body);
        let (unit, tale) = self.unit(kept, !ends, post, header)?;
        Ok(Done { unit, reply: Reply::xml(body), tale })
    }

    /// The answer with its bytes. If those are out of reach the session is ended cleanly, and the job goes back to its queue; if they
    /// are not what was loaded, its attempt has failed. A session whose job is gone ends before it does more of that on the device.
    async fn answer(&mut self) -> Result<(Answer, Vec<u8>), Trouble> {
        if self.bereft && self.is_live() {
            return self.abort("its job was cancelled or ran out of time".to_owned());
        }
        if let Some(halt) = self.stops() {
            return self.stop(&halt);
        }
        let flow = self.flow;
        let cx = flow.context(Some(&self.account), &self.class.dm, &self.resp_uri);
        let (machine, said) = self.machine.clone().answer(&cx);
        // What was asked in a former message may only be said now.
        if starts(&said.message.body)
            && let Some(halt) = self.held()
        {
            return self.stop(&halt);
        }
        match answer::build(said.clone(), &flow.depot).await {
            Ok(body) => {
                self.machine = machine;
                Ok((said, body))
            }
            Err(error) if error.can_heal() => {
                self.abort(format!("{}; the job goes on when the package can be read", chain(&error)))
            }
            Err(error) => {
                let why = chain(&error);
                self.fail(Failure {
                    code: None,
                    device_code: None,
                    class: FailureClass::Server,
                    retryable: true,
                    text: why.clone(),
                })?;
                self.abort(why)
            }
        }
    }

    /// The answer that ends the session (Alert 1223) for a reason of this service.
    fn abort(&mut self, why: String) -> Result<(Answer, Vec<u8>), Trouble> {
        self.note(format!("session given up: {why}"));
        self.tale.add(Told::GivenUp { why });
        let ended = self.end_session("aborted");
        self.let_go(true)?;
        Ok(ended)
    }

    /// Ends the dialogue with Alert 1223.
    pub(super) fn end_session(&mut self, outcome: &'static str) -> (Answer, Vec<u8>) {
        let cx = self.flow.context(Some(&self.account), &self.class.dm, &self.resp_uri);
        let (machine, said) = self.machine.clone().abort(&cx);
        self.machine = machine;
        self.outcome = Some(outcome);
        let body = crate::wire::syncml::xml::write(&said.message);
        (said, body)
    }

    fn unit(self, kept: Kept, open: bool, post: &Post<'_>, header: &Header) -> Result<(Unit, Tale), Trouble> {
        let Self { flow, now, mut device, account, known, touched, key, session, .. } = self;
        let Self { machine, work, opened, tale, mut mint, .. } = self;
        let mut unit = super::unit(header);
        let fresh = session.is_none();
        let stored = Stored { started: work.started, answer: Some(kept), machine };
        let (version, created_at) = session.map_or((0, now), |row| (row.version, row.created_at));
        let row = SessionRow {
            key,
            tenant: device.tenant.clone(),
            device: device.key,
            dm_session_id: header.session.clone(),
            version,
            authenticated: stored.machine.authenticated(),
            open,
            msg_id: header.msg_id,
            digest: Some(post.digest()),
            job: work.job_id(),
            state: SealedJson::of("session", &stored)?,
            created_at,
            updated_at: now,
        };
        let stranger = fresh && !row.authenticated;
        unit.push(super::session_write(row, fresh));
        if stranger {
            unit.push(Write::StrangersBound { device: device.key, keep: MOST_STRANGERS });
        }
        if opened {
            unit.push(Write::SessionsClose { device: device.key, except: key });
        }
        let (learned, roots, stock) = work.into_parts(now)?;
        let inventory = stock.writes(&device, flow.settings.inventories, now, mint.as_mut())?;
        if touched {
            device.secrets = account::sealed(&account)?;
            device.facts = Json::of("device facts", &known)?;
            device.roots = Json::of("device roots", &roots)?;
            device.updated_at = now;
            unit.push(Write::DevicePut(device));
        }
        unit.writes.extend(inventory);
        unit.writes.extend(learned);
        Ok((unit, tale))
    }
}
