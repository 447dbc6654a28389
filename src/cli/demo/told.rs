//! What the bus told, in its order, and waiting for it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::bus::Bus;
use crate::{
    cli::{Client, Failure},
    job::life::StateName,
};

/// How long an event may be waited for.
const PATIENCE: Duration = Duration::from_secs(25);

/// The source of the demo's requests.
pub(super) const SOURCE: &str = "demo";

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Who sent each request.
    sources: BTreeMap<String, String>,
    /// The data of the last event of each request's only job.
    jobs: BTreeMap<String, Value>,
    /// The data of the event that ended it.
    ends: BTreeMap<String, Value>,
    /// The inventory told last of each device.
    inventories: BTreeMap<String, Value>,
}

/// Follows the bus.
pub(super) struct Reader {
    told: watch::Receiver<Told>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Reads from the API, beginning with the first event.
    pub(super) fn start(client: Client) -> Self {
        let (sender, told) = watch::channel(Told::default());
        Self { told, task: tokio::spawn(follow(client, sender)) }
    }

    /// Hears from the broker what is told from now on.
    pub(super) async fn hear(bus: Bus) -> Result<Self, Failure> {
        let (sender, told) = watch::channel(Told::default());
        let (begun, begins) = oneshot::channel();
        let reader = Self { told, task: tokio::spawn(bus.follow(sender, begun)) };
        begins.await.context("the broker")?.context("the broker")?;
        Ok(reader)
    }

    /// Stops.
    pub(super) fn stop(&self) {
        self.task.abort();
    }

    /// The data of the event that ended a request's job.
    pub(super) async fn ended(&self, request: &str) -> Result<Value, String> {
        self.wait("no event ended it", |told| told.ends.get(request).cloned()).await
    }

    /// Waits until a request's job is in this state.
    pub(super) async fn reached(&self, request: &str, state: &str) -> Result<(), String> {
        let is = |data: &&Value| text(data, "/state") == Some(state);
        self.wait("it did not come so far", |told| told.jobs.get(request).filter(is).map(|_| ())).await
    }

    /// The end of a job of this device that nobody but the device asked for.
    pub(super) async fn ended_of_its_own(&self, device: &str) -> Result<Value, String> {
        let own = |told: &Told| {
            let is = |(id, data): &(&String, &Value)| {
                text(data, "/device") == Some(device) && told.sources.get(*id).is_some_and(|source| source == "device")
            };
            told.ends.iter().find(is).map(|(_, data)| data.clone())
        };
        self.wait("no event tells of a request of the device's own", own).await
    }

    /// The inventory that was told last of a device.
    pub(super) async fn inventory(&self, device: &str) -> Result<Value, String> {
        self.wait("no event tells its inventory", |told| told.inventories.get(device).cloned()).await
    }

    /// How many requests for this device the demo sent.
    pub(super) fn sent(&self, device: &str) -> usize {
        let told = self.told.borrow();
        let is = |id: &&String| told.sources.get(*id).is_some_and(|source| source == SOURCE);
        told.jobs.iter().filter(|(id, data)| is(id) && text(data, "/device") == Some(device)).count()
    }

    async fn wait<T: Send>(&self, what: &str, find: impl Fn(&Told) -> Option<T> + Send + Sync) -> Result<T, String> {
        let mut told = self.told.clone();
        let mut found = None;
        let search = told.wait_for(|told| {
            found = find(told);
            found.is_some()
        });
        match timeout(PATIENCE, search).await {
            Ok(Ok(_)) => found.ok_or_else(|| what.to_owned()),
            Ok(Err(_)) => Err("the bus was closed".to_owned()),
            Err(_) => Err(format!("{what} within {} s", PATIENCE.as_secs())),
        }
    }
}

async fn follow(client: Client, told: watch::Sender<Told>) {
    let query = [("after", "0".to_owned())];
    let Ok(events) = client.events(&query).await else { return };
    let mut events = std::pin::pin!(events);
    while let Some(Ok((_, event))) = events.next().await {
        told.send_modify(|told| told.take(&event));
    }
}

impl Told {
    pub(super) fn take(&mut self, event: &Value) {
        let Some(kind) = text(event, "/type").and_then(|kind| kind.strip_prefix("scomo.")) else { return };
        let Some(data) = event.get("data") else { return };
        let request = text(data, "/request_id").unwrap_or_default().to_owned();
        match kind.split_once('.') {
            Some(("request", "accepted")) => {
                self.sources.insert(request, text(data, "/source").unwrap_or_default().to_owned());
            }
            Some(("device", "inventory")) => {
                self.inventories.insert(text(data, "/device").unwrap_or_default().to_owned(), data.clone());
            }
            Some(("job", state)) if text(data, "/state") == Some(state) => {
                if StateName::all().any(|name| name.is_terminal() && name.as_str() == state) {
                    self.ends.entry(request.clone()).or_insert_with(|| data.clone());
                }
                self.jobs.insert(request, data.clone());
            }
            Some(_) | None => {}
        }
    }
}

/// A text in a value.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}
