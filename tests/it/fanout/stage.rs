//! What takes requests in and spreads them, without the rest of the service and without sockets.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use scomo::{
    contract::accept::Defaults,
    flow::{
        intake::{FanOut, Incoming, Intake, Receipt, Verdict},
        janitor::Completer,
    },
    infra::{
        broker::Pressure,
        catalogue::Catalogue,
        driver::{Errand, Failure, Poke},
        jobs::hand::Hand,
        store::{
            Page, Store, Unit, Write,
            due::{Again, Due, Leased},
            fanout::FanOutRow,
            job::{JobFilter, JobRow},
            request::RequestRow,
        },
        system::SystemMint,
        telemetry::Metrics,
    },
    job::life::Policy,
    model::{
        clock::{Clock, Mint},
        id::{RequestId, RequestSource, Tenant},
    },
};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::{
    store::targets,
    support::{clock::SetClock, database::Database, watch::until},
};

pub(super) struct Stage {
    pub(super) db: Database,
    pub(super) store: Store,
    pub(super) pressure: Pressure,
}

/// Commits that wait until they are let go.
pub(super) struct Held {
    gate: PgConnection,
    url: String,
}

/// What `hold_commits_of` waits for.
const GATE: i64 = 4242; // below 2^32, so that it stands in pg_locks as it is

fn mint() -> Box<dyn Mint> {
    Box::new(SystemMint::new())
}

/// A device without a record.
pub(super) fn named(n: u32) -> String {
    format!("IMEI:35{n:013}")
}

fn source() -> RequestSource {
    RequestSource::parse("it").unwrap()
}

impl Stage {
    pub(super) async fn set(db: Database) -> Self {
        let store = db.open().await;
        Self { db, store, pressure: Pressure::default() }
    }

    /// Goes on with nothing but what is stored.
    pub(super) async fn restart(&mut self) {
        self.store.close().await;
        // A SQLite file is free for another when the last clone of its store has gone.
        self.store = Database::sqlite().open().await;
        self.store = self.db.open().await;
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<SetClock>::clone(&self.db.clock)
    }

    fn hand_of(&self, store: &Store) -> Hand {
        Hand {
            store: store.clone(),
            policy: Arc::new(Policy::default()),
            clock: self.clock(),
            mint,
            due: Poke::default(),
            told: Poke::default(),
        }
    }

    fn hand(&self) -> Hand {
        self.hand_of(&self.store)
    }

    fn fan_out(&self) -> FanOut {
        FanOut {
            store: self.store.clone(),
            policy: Policy::default(),
            clock: self.clock(),
            mint,
            pressure: self.pressure.clone(),
            hand: self.hand(),
            due: Poke::default(),
            told: Poke::default(),
            again: Poke::default(),
        }
    }

    /// Uploads a list of so many devices without records.
    pub(super) async fn list(&self, name: &str, devices: u32) {
        targets::ready(&self.store, name, 0..i64::from(devices)).await;
    }

    /// Hands a request in, which must be taken.
    pub(super) async fn ask(&self, id: &str, targets: Value, more: Value) -> Receipt {
        let intake = Intake {
            store: self.store.clone(),
            catalogue: Catalogue::default(),
            defaults: Defaults::default(),
            policy: Policy::default(),
            clock: self.clock(),
            mint,
            metrics: Metrics::default(),
            due: Poke::default(),
            told: Poke::default(),
            pressure: Pressure::default(),
        };
        let mut body = json!({ "request_id": id, "kind": "inventory", "targets": targets });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let incoming = Incoming { tenant: Tenant::default(), caller: source(), body: body.to_string().into_bytes() };
        let verdict = intake.take(vec![incoming]).await.remove(0);
        let Verdict::Accepted(receipt) = verdict else { panic!("{verdict:?}") };
        receipt
    }

    async fn leases(&self, limit: u32) -> Vec<Leased> {
        self.store.lease_due(self.fan_out().names(), limit, Duration::from_mins(1)).await.unwrap()
    }

    /// Takes what is due of the errand, as one that then dies or is slow.
    pub(super) async fn lease(&self) -> Leased {
        self.leases(1).await.remove(0)
    }

    pub(super) async fn run_with(&self, lease: Leased) -> Result<(), Failure> {
        self.fan_out().run(lease).await
    }

    /// Does what is due of the errand, at most so often; says how often something was.
    pub(super) async fn work_off(&self, most: u32) -> u32 {
        for done in 0..most {
            let Some(lease) = self.leases(1).await.pop() else { return done };
            self.run_with(lease).await.unwrap();
        }
        most
    }

    pub(super) async fn request(&self, id: &str) -> RequestRow {
        let id = RequestId::parse(id).unwrap();
        self.store.request_by_id(&Tenant::default(), &source(), &id).await.unwrap().unwrap()
    }

    pub(super) async fn spread(&self, id: &str) -> FanOutRow {
        self.store.fan_out(self.request(id).await.key).await.unwrap().unwrap()
    }

    async fn rows(&self, id: &str) -> Vec<JobRow> {
        let filter = JobFilter { request: Some(self.request(id).await.key), ..JobFilter::default() };
        let (mut page, mut rows) = (Page::first(Page::MOST), Vec::new());
        loop {
            let found = self.store.jobs(&Tenant::default(), filter, page).await.unwrap();
            let Some(last) = found.last() else { return rows };
            let cursor = scomo::infra::store::Cursor { at: last.created_at, key: last.id.uuid() };
            page = Page::after(cursor, Page::MOST);
            rows.extend(found);
        }
    }

    /// The states of a request's jobs, by device.
    pub(super) async fn jobs(&self, id: &str) -> BTreeMap<String, Vec<String>> {
        let mut jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.rows(id).await {
            jobs.entry(row.device_id.to_string()).or_default().push(row.state);
        }
        jobs
    }

    pub(super) async fn cancel(&self, id: &str) -> u64 {
        self.hand().cancel_request(self.request(id).await.key, "a test").await.unwrap()
    }

    /// Does of a cancel what its first commit does, as a process that dies behind it.
    pub(super) async fn begin_cancel(&self, id: &str) {
        let (subject, now) = (self.request(id).await.key.uuid(), self.db.clock.now());
        let due = Due { errand: scomo::infra::jobs::CANCEL, subject, at: now.after(Duration::from_mins(2)) };
        let unit = Unit::new("test", id).with(Write::DuePut { due, again: Again::Replace });
        self.store.commit(unit).await.unwrap();
    }

    async fn job(&self, id: &str, device: &str) -> JobRow {
        self.rows(id).await.into_iter().find(|row| row.device_id.as_str() == device).unwrap()
    }

    pub(super) async fn cancel_job(&self, id: &str, device: &str) {
        let job = self.job(id, device).await;
        assert!(self.hand().cancel(job, "a test", "cancels it").await.unwrap());
    }

    /// Will cancel a job.
    pub(super) async fn canceller(&self, id: &str, device: &str) -> impl Future<Output = ()> + Send + use<> {
        let (hand, job) = (self.hand(), self.job(id, device).await);
        async move { assert!(hand.cancel(job, "a test", "cancels it").await.unwrap()) }
    }

    /// The same, of a replica of its own.
    pub(super) async fn of_another_replica(&self, id: &str, device: &str) -> impl Future<Output = ()> + Send + use<> {
        let (hand, job) = (self.hand_of(&self.db.open().await), self.job(id, device).await);
        async move { assert!(hand.cancel(job, "a test", "cancels it").await.unwrap()) }
    }

    /// Looks which requests are complete, as often as something is found, and gives the data of the events that tell it.
    pub(super) async fn completed(&self) -> Vec<Value> {
        let completer = Completer { store: self.store.clone(), clock: self.clock(), mint, told: Poke::default() };
        self.db.clock.forward(Duration::from_secs(1));
        while completer.gather_some().await.unwrap() > 0 {}
        for due in self.store.lease_due(completer.names(), 100, Duration::from_mins(1)).await.unwrap() {
            completer.run(due).await.unwrap();
        }
        self.told("completed").await
    }

    /// The data of all events of requests of a type.
    pub(super) async fn told(&self, what: &str) -> Vec<Value> {
        while self.store.publish_embedded(1000).await.unwrap() > 0 {}
        let (mut told, mut after) = (Vec::new(), 0);
        loop {
            let page = self.store.events_after(&Tenant::default(), after, 1000).await.unwrap();
            let Some(last) = page.last() else { return told };
            after = last.position;
            let bodies = page.iter().map(|told| told.event.body.read::<Value>().unwrap());
            told.extend(bodies.filter(|e| e["type"] == format!("scomo.request.{what}")).map(|e| e["data"].clone()));
        }
    }

    /// From now on the commit that ends a job stands still where everything is written and nothing committed.
    pub(super) async fn hold_commits_of(&self, id: &str, device: &str) -> Held {
        let job = self.job(id, device).await.id;
        let body = format!("BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NULL; END");
        self.db.raw(&format!("CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS '{body}'")).await;
        let when = format!("NEW.errand = 'ended' AND NEW.subject = '{job}'");
        let trigger =
            format!("CREATE TRIGGER hold AFTER INSERT ON due FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION hold()");
        self.db.raw(&trigger).await;
        let mut gate = PgConnection::connect(&self.db.settings.url).await.unwrap();
        sqlx::query("SELECT pg_advisory_lock($1)").bind(GATE).execute(&mut gate).await.unwrap();
        Held { gate, url: self.db.settings.url.clone() }
    }
}

impl Held {
    /// Waits until a commit stands still.
    pub(super) async fn until_waiting(&self) {
        until("a commit to stand still", async || {
            let mut other = PgConnection::connect(&self.url).await.unwrap();
            let waiting =
                "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1::oid
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            let (count,): (i64,) = sqlx::query_as(waiting).bind(GATE).fetch_one(&mut other).await.unwrap();
            (count > 0).then_some(())
        })
        .await;
    }

    pub(super) async fn let_go(mut self) {
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(GATE).execute(&mut self.gate).await.unwrap();
        self.gate.close().await.unwrap();
    }
}
