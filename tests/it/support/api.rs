//! A client of the admin API, and what its events say.

use std::{collections::BTreeMap, net::SocketAddr};

use scomo::{
    infra::system::SystemClock,
    model::clock::{Clock as _, Timestamp},
};
use serde_json::{Map, Value, json};

use super::watch::until;

/// The source of the tests' requests.
const SOURCE: &str = "it";

#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    base: String,
}

/// What the API said.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The counts of `scomo.request.completed`.
    pub(crate) counts: BTreeMap<String, u64>,
    /// The data of each job's last event, by device.
    pub(crate) jobs: BTreeMap<String, Value>,
    /// The states that each device's job told, in order.
    pub(crate) states: BTreeMap<String, Vec<String>>,
}

impl Api {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { client: reqwest::Client::new(), base: format!("http://{address}/api/v1") }
    }

    /// Reads something; waits while the server is being started anew.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}/{path}", self.base);
        let (status, body) = until("the server", async || {
            let answer = self.client.get(&url).send().await.ok().filter(|answer| answer.status() != 503)?;
            Some((answer.status(), answer.json::<Value>().await.ok()?))
        })
        .await;
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.reply(self.client.post(format!("{}/{path}", self.base)).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.reply(self.client.patch(format!("{}/{path}", self.base)).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.reply(self.client.delete(format!("{}/{path}", self.base))).await
    }

    async fn reply(&self, request: reqwest::RequestBuilder) -> Reply {
        let answer = request.send().await.unwrap();
        Reply { status: answer.status().as_u16(), body: answer.json().await.unwrap_or_default() }
    }

    /// Hands a request in, which must be taken.
    pub(crate) async fn submit(&self, id: &str, devices: &[&str], ask: Value) {
        let request = request(id, devices, ask);
        super::contract::is_request(&request);
        let reply = self.post("requests", &request).await;
        assert_eq!(reply.status, 202, "{}", reply.body);
    }

    /// Adds a device record without an address: nobody notifies it.
    pub(crate) async fn add_device(&self, record: Value) {
        let reply = self.post("devices", &record).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
    }

    /// The only job of a request, in full.
    pub(crate) async fn job(&self, request: &str) -> Value {
        let jobs = self.get(&format!("jobs?source={SOURCE}&request={request}")).await;
        let id = jobs["jobs"][0]["job_id"].as_str().unwrap().to_owned();
        self.get(&format!("jobs/{id}")).await
    }

    /// Waits until the only job of a request is in a state.
    pub(crate) async fn until_state(&self, request: &str, state: &str) -> Value {
        until(&format!("{request} to be {state}"), async || {
            Some(self.job(request).await).filter(|job| job["state"] == state)
        })
        .await
    }

    /// Cancels a request.
    pub(crate) async fn cancel(&self, request: &str) -> Value {
        let reply = self.post(&format!("requests/{SOURCE}/{request}/cancel"), &json!({})).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    /// All events of a request, in the order in which they were told.
    pub(crate) async fn events(&self, request: &str) -> Vec<Value> {
        let (mut events, mut after) = (Vec::new(), "0".to_owned());
        loop {
            let page = self.get(&format!("events?limit=1000&request={request}&after={after}")).await;
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            let next = page["next"].as_str().unwrap().to_owned();
            if next == after {
                return events;
            }
            after = next;
        }
    }

    /// Waits until a request is complete, and holds its events against the contract.
    pub(crate) async fn ended(&self, request: &str) -> Ended {
        let is_complete = |events: &[Value]| events.iter().any(|e| e["type"] == "scomo.request.completed");
        let events = until(&format!("{request} to be complete"), async || {
            Some(self.events(request).await).filter(|events| is_complete(events))
        })
        .await;
        judge(&events)
    }
}

/// Holds the events of a completed request against the contract, and gives its end.
pub(crate) fn judge(events: &[Value]) -> Ended {
    events.iter().for_each(super::contract::is_event);
    let of_type = |wanted: &str| events.iter().filter(|e| e["type"] == wanted).collect::<Vec<_>>();
    assert_eq!(of_type("scomo.request.accepted").len(), 1, "{events:#?}");
    let completed = of_type("scomo.request.completed");
    assert_eq!(completed.len(), 1, "{events:#?}");
    let mut counts = BTreeMap::new();
    for (outcome, count) in completed[0]["data"]["outcomes"].as_object().unwrap() {
        counts.insert(outcome.clone(), count.as_u64().unwrap());
    }
    counts.retain(|_, count| *count > 0);
    let (mut jobs, mut states, mut last) = (BTreeMap::new(), BTreeMap::<String, Vec<String>>::new(), BTreeMap::new());
    for event in events.iter().filter(|e| e["type"].as_str().unwrap().starts_with("scomo.job.")) {
        let data = &event["data"];
        let (device, state) = (data["device"].as_str().unwrap().to_owned(), data["state"].as_str().unwrap().to_owned());
        let sequence =
            event["sequence"].as_u64().unwrap_or_else(|| event["sequence"].as_str().unwrap().parse().unwrap());
        let before = last.insert(device.clone(), sequence);
        assert!(before.is_none_or(|before| before < sequence), "the sequence of {device} does not rise: {events:#?}");
        assert_eq!(event["subject"], data["job_id"], "{event:#}");
        if event["type"] == "scomo.job.late_result" {
            continue;
        }
        assert_eq!(event["type"], format!("scomo.job.{state}"));
        let over =
            jobs.insert(device.clone(), data.clone()).is_some_and(|before: Value| before.get("result").is_some());
        assert!(!over, "the end of {device}'s job changed: {events:#?}");
        states.entry(device).or_default().push(state);
    }
    for told in states.values() {
        assert!(!["accepted", "waiting"].contains(&told[0].as_str()), "a first event that is silent: {told:?}");
        assert!(!told.iter().any(|state| state == "accepted"), "{told:?}");
    }
    assert!(jobs.values().all(|data| data.get("result").is_some()), "a job has not ended: {events:#?}");
    assert_eq!(counts.values().sum::<u64>(), u64::try_from(jobs.len()).unwrap(), "{events:#?}");
    Ended { counts, jobs, states }
}

impl Ended {
    /// The only job's last event.
    pub(crate) fn job(&self) -> &Value {
        assert_eq!(self.jobs.len(), 1, "{:#?}", self.jobs);
        self.jobs.values().next().unwrap()
    }

    /// The only job's end and result code.
    pub(crate) fn outcome(&self) -> (&str, Option<u64>) {
        let job = self.job();
        (job["state"].as_str().unwrap(), job["result"]["code"].as_u64())
    }

    /// The states that the only job told.
    pub(crate) fn told(&self) -> Vec<&str> {
        self.states[self.job()["device"].as_str().unwrap()].iter().map(String::as_str).collect()
    }
}

/// A request that is not retried, with `ask` on top.
pub(crate) fn request(id: &str, devices: &[&str], ask: Value) -> Value {
    let mut whole = json!({
        "schema": "scomo.request/1", "request_id": id, "source": SOURCE,
        "targets": { "devices": devices }, "retry": { "limit": 0 },
    });
    let Value::Object(ask) = ask else { panic!("a request is an object") };
    merge(whole.as_object_mut().unwrap(), ask);
    whole
}

/// `kind: "download"`.
pub(crate) fn download(package: &str, action: &str, delivery: &str) -> Value {
    json!({ "kind": "download", "package": { "id": package }, "action": action, "delivery": delivery })
}

/// `kind: "operation"` on a package.
pub(crate) fn on_package(operation: &str, package: &str) -> Value {
    json!({ "kind": "operation", "operation": operation, "package": { "id": package } })
}

/// `kind: "operation"` on a component.
pub(crate) fn on_component(operation: &str, component: &str) -> Value {
    json!({ "kind": "operation", "operation": operation, "component": { "id": component } })
}

/// `base` with the members of `more`.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("more members are an object") };
    merge(base.as_object_mut().unwrap(), more);
    base
}

/// A deadline so many milliseconds from now.
pub(crate) fn deadline(millis: u64) -> Value {
    let at: Timestamp = SystemClock.now().after(std::time::Duration::from_millis(millis));
    json!({ "schedule": { "deadline": at.to_string() } })
}

fn merge(whole: &mut Map<String, Value>, more: Map<String, Value>) {
    whole.extend(more);
}
