//! A service without sockets, under a clock that a test moves, and a device whose messages a test writes itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use scomo::{
    contract::{accept::Defaults, class::Classes},
    flow::{
        intake::{Incoming, Intake, Verdict},
        session::{Parts, Post, Reply, Sessions, Settings},
        wake::Wake,
    },
    infra::{
        account,
        catalogue::Catalogue,
        courier::{self, Webhook},
        depot::{self, Depot},
        driver::{Errand as _, Poke},
        jobs::{self, Moving},
        store::{
            Json, Store, Unit, Write,
            device::DeviceRow,
            job::{JobFilter, JobRow},
            page::Page,
        },
        system::SystemMint,
        telemetry::Metrics,
    },
    job::life::{Event, Policy},
    model::{
        clock::{Clock, Mint, Timestamp},
        id::{DeviceId, DeviceKey, RequestSource, Tenant},
        secret::Secret,
    },
    protocol::dm1::{Account, Nonces, OwnLimits, Scheme, ServerIdentity},
    wire::syncml::{Command, Message, limits::Limits, xml},
};
use serde_json::{Value, json};

use crate::support::{clock::SetClock, database::Database};

pub(super) const DEVICE: &str = "IMEI:490154203237518";

pub(super) struct Stage {
    pub(super) db: Database,
    pub(super) store: Store,
    sessions: Sessions,
    intake: Intake,
    wake: Wake,
    policy: Policy,
}

fn mint() -> Box<dyn Mint> {
    Box::new(SystemMint::new())
}

impl Stage {
    pub(super) async fn set() -> Self {
        Self::with("").await
    }

    /// With device classes, as the settings write them.
    pub(super) async fn with(classes: &str) -> Self {
        let db = Database::sqlite();
        let store = db.open().await;
        let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(&db.clock);
        let depot = Depot::open(&depot::Settings { url: "packages".to_owned() }).unwrap();
        let catalogue = Catalogue::default();
        catalogue.load(&depot, &store, &Tenant::default(), clock.now()).await.unwrap();
        let (policy, metrics, classes) = (Policy::default(), Metrics::default(), Arc::new(read_classes(classes)));
        let sessions = Sessions::new(Parts {
            store: store.clone(),
            depot,
            catalogue: catalogue.clone(),
            classes: Arc::clone(&classes),
            settings: Settings {
                server: ServerIdentity { id: "scomo".to_owned(), uri: "http://dm.example.net/dm".to_owned() },
                device_url: "http://dm.example.net".to_owned(),
                download_url: "http://dl.example.net".to_owned(),
                grant: Duration::from_hours(1),
                own: OwnLimits::default(),
                wire: Limits::default(),
                inventories: 20,
                policy: policy.clone(),
                defaults: Defaults::default(),
                tenant: Tenant::default(),
            },
            clock: Arc::clone(&clock),
            mint,
            metrics: metrics.clone(),
        });
        let intake = Intake {
            store: store.clone(),
            catalogue,
            defaults: Defaults::default(),
            policy: policy.clone(),
            clock: Arc::clone(&clock),
            mint,
            metrics: metrics.clone(),
            due: Poke::default(),
            pressure: scomo::infra::broker::Pressure::default(),
            told: Poke::default(),
        };
        let courier = courier::Settings { timeout: Duration::from_secs(1) };
        let wake = Wake {
            store: store.clone(),
            classes,
            courier: Webhook::new(&courier, None).unwrap(),
            server_id: "scomo".to_owned(),
            policy: policy.clone(),
            clock,
            mint,
            metrics,
            told: Poke::default(),
        };
        Self { db, store, sessions, intake, wake, policy }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.db.clock.now()
    }

    /// Registers the device, behind the back of the API.
    pub(super) async fn register(&self) -> DeviceRow {
        let account = Account {
            scheme: Scheme::Basic,
            user: "dev".to_owned(),
            secret: Secret::new("pw".to_owned()),
            server_user: None,
            server_secret: None,
            nonces: Nonces::default(),
            seen_before: false,
        };
        let row = DeviceRow {
            key: DeviceKey::new(mint().uuid(self.now())),
            tenant: Tenant::default(),
            device_id: DeviceId::parse(DEVICE).unwrap(),
            user_name: Some("dev".to_owned()),
            scheme: "basic".to_owned(),
            class: None,
            tags: Vec::new(),
            addresses: BTreeMap::new(),
            secrets: account::sealed(&account).unwrap(),
            facts: Json::default(),
            roots: Json::default(),
            version: 0,
            created_at: self.now(),
            updated_at: self.now(),
        };
        self.put(Write::DeviceInsert(row.clone())).await;
        row
    }

    pub(super) async fn put(&self, write: Write) {
        self.store.commit(Unit::new("test", DEVICE).with(write)).await.unwrap();
    }

    /// Hands a request in, and gives its job.
    pub(super) async fn ask(&self, id: &str, more: &Value) -> JobRow {
        self.db.clock.forward(Duration::from_millis(1)); // so that jobs have an age
        let download = json!({ "kind": "download", "action": "install", "package": { "id": "org.example.hello" } });
        let work = if more.get("kind").is_some() { json!({}) } else { download };
        let mut body = json!({ "request_id": id, "notify": "auto", "targets": { "devices": [DEVICE] } });
        for members in [&work, more] {
            body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        }
        let caller = RequestSource::parse("test").unwrap();
        let incoming = Incoming { tenant: Tenant::default(), caller, body: body.to_string().into_bytes() };
        let verdict = self.intake.take(vec![incoming]).await.pop().unwrap();
        assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
        self.store.jobs(&Tenant::default(), JobFilter::default(), Page::first(1)).await.unwrap().remove(0)
    }

    pub(super) async fn job(&self, job: &JobRow) -> JobRow {
        self.store.job(job.id).await.unwrap().unwrap()
    }

    pub(super) async fn state(&self, job: &JobRow) -> String {
        self.job(job).await.state
    }

    /// Moves a job on by hand.
    pub(super) async fn step(&self, job: &JobRow, events: impl IntoIterator<Item = Event>) {
        let mut moving = Moving::of(self.job(job).await).unwrap();
        for event in events {
            moving.step(event, self.now(), &self.policy, false, mint().as_mut());
        }
        let mut unit = Unit::new("test", DEVICE);
        unit.writes = moving.writes(self.now(), None).unwrap();
        self.store.commit(unit).await.unwrap();
    }

    /// Runs what is due about jobs, once, and says how much that was.
    pub(super) async fn work_off(&self) -> usize {
        let due = self.store.lease_due(&[jobs::DUE], 100, Duration::from_mins(1)).await.unwrap();
        let count = due.len();
        for leased in due {
            self.wake.run(leased).await.unwrap();
        }
        count
    }

    /// Posts a message; `sid` is where the answer before said.
    pub(super) async fn post(&self, message: &str, sid: Option<&str>) -> Reply {
        let post = Post {
            body: message.as_bytes(),
            content_type: Some("application/vnd.syncml.dm+xml"),
            user_agent: None,
            auth: [None, None],
            query: sid,
        };
        Box::pin(self.sessions.take(&post)).await
    }

    /// The device opens a session, with more commands in its first message.
    pub(super) async fn open(&self, session: &str, more: &str) -> Message {
        self.db.clock.forward(Duration::from_millis(1));
        let reply = self.post(&first(session, "pw", more), None).await;
        read(&reply)
    }

    /// The device refuses all that it was asked for.
    pub(super) async fn refuse(&self, asked: &Message) -> Reply {
        self.refuse_with(asked, "").await
    }

    /// The same with more commands in its message.
    pub(super) async fn refuse_with(&self, asked: &Message, more: &str) -> Reply {
        let sid = asked.header.resp_uri.as_deref().and_then(|uri| uri.split_once('?')).map(|(_, query)| query);
        self.db.clock.forward(Duration::from_millis(1));
        self.post(&refusal(asked, more), sid).await
    }

    /// The device refuses whatever it is asked for until it is asked for nothing more.
    pub(super) async fn refuse_to_the_end(&self, mut asked: Message) {
        while !commands(&asked).is_empty() {
            asked = read(&self.refuse(&asked).await);
        }
    }

    /// The kinds of the events told so far.
    pub(super) async fn told(&self) -> Vec<String> {
        self.events().await.into_iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The events told so far.
    pub(super) async fn events(&self) -> Vec<Value> {
        while self.store.publish_embedded(100).await.unwrap() > 0 {}
        let events = self.store.events_after(&Tenant::default(), 0, 100).await.unwrap();
        events.into_iter().map(|told| told.event.body.read().unwrap()).collect()
    }

    /// All jobs, the oldest first.
    pub(super) async fn jobs(&self) -> Vec<JobRow> {
        let mut jobs = self.store.jobs(&Tenant::default(), JobFilter::default(), Page::first(100)).await.unwrap();
        jobs.reverse();
        jobs
    }
}

fn read_classes(text: &str) -> Classes {
    #[derive(serde::Deserialize)]
    struct Settings {
        #[serde(default)]
        device_class: Classes,
    }
    toml::from_str::<Settings>(text).unwrap().device_class
}

/// The Status of the device's command of this number.
pub(super) fn status(message: &Message, number: &str) -> Vec<u16> {
    let code = |command: &Command| {
        let Command::Status(status) = command else { return None };
        (status.cmd_ref == number).then(|| status.data.parse().ok())?
    };
    message.body.commands.iter().filter_map(code).collect()
}

pub(super) fn read(reply: &Reply) -> Message {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    xml::read(&reply.body, &Limits::default()).unwrap()
}

/// What a message asks for: its commands that are no Status.
pub(super) fn commands(message: &Message) -> Vec<&Command> {
    message.body.commands.iter().filter(|c| !matches!(c, Command::Status(_))).collect()
}

pub(super) fn first(session: &str, password: &str, more: &str) -> String {
    let cred = STANDARD.encode(format!("dev:{password}"));
    message(
        session,
        1,
        &format!(
            "<Cred><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-basic</Type>\
         </Meta><Data>{cred}</Data></Cred>"
        ),
        &format!(
            "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>\
         <Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>{DEVICE}</Data></Item>\
         <Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Acme</Data></Item>\
         <Item><Source><LocURI>./DevInfo/Mod</LocURI></Source><Data>A1</Data></Item>\
         <Item><Source><LocURI>./DevInfo/DmV</LocURI></Source><Data>1.2</Data></Item>\
         <Item><Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>en</Data></Item></Replace>{more}"
        ),
    )
}

/// The report of an operation's end.
pub(super) fn report(correlator: &str, code: u16) -> String {
    format!(
        "<Alert><CmdID>3</CmdID><Data>1226</Data><Correlator>{correlator}</Correlator><Item>\
         <Source><LocURI>./SCM/Download/a/Operations/DownloadInstall</LocURI></Source>\
         <Meta><Type xmlns='syncml:metinf'>urn:oma:at:scomo:1.0:OperationComplete</Type>\
         <Format xmlns='syncml:metinf'>xml</Format></Meta>\
         <Data><![CDATA[<ResultCode>{code}</ResultCode>]]></Data></Item></Alert>"
    )
}

/// The device's answer to a message: nothing of what it asks for is there (404).
fn refusal(asked: &Message, more: &str) -> String {
    let (session, number) = (&asked.header.session_id, &asked.header.msg_id);
    let all = [("0", "SyncHdr", 200)].into_iter();
    let all = all.chain(commands(asked).into_iter().map(|c| (c.cmd_id(), c.name(), 404)));
    let status = |(at, (reference, name, code))| {
        format!(
            "<Status><CmdID>{}</CmdID><MsgRef>{number}</MsgRef><CmdRef>{reference}</CmdRef><Cmd>{name}</Cmd>\
             <Data>{code}</Data></Status>",
            at + 1
        )
    };
    let body: String = all.enumerate().map(status).collect();
    message(session, number.parse::<u32>().unwrap() + 1, "", &(body + more))
}

fn message(session: &str, number: u32, cred: &str, body: &str) -> String {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{session}</SessionID><MsgID>{number}</MsgID><Target><LocURI>http://dm.example.net/dm</LocURI></Target>\
         <Source><LocURI>{DEVICE}</LocURI><LocName>dev</LocName></Source>{cred}\
         <Meta><MaxMsgSize xmlns='syncml:metinf'>8192</MaxMsgSize></Meta></SyncHdr>\
         <SyncBody>{body}<Final/></SyncBody></SyncML>"
    )
}
