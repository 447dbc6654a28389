//! Plays a track: submits each row's request, waits for the event that ends it, and holds event, tree and bytes against each
//! other.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    script::{Ask, Row, Then, Track},
    stage::Stage,
};
use crate::{cli::Failure, infra::system::SystemClock, model::clock::Clock as _, sim::Snapshot};

/// How long a row may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(25);

/// A row that was played, as `--json` prints it (contract "Command line").
#[derive(Debug, Clone, Serialize)]
pub(super) struct Played {
    pub(super) clause: String,
    pub(super) title: String,
    primitive: String,
    device: String,
    package: Option<String>,
    delivery: Option<String>,
    /// Bytes of the package that the device received for it.
    bytes: u64,
    messages: u64,
    ms: u64,
    outcome: String,
    pub(super) ok: bool,
    /// What did not agree; empty if `ok`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) why: Vec<String>,
}

/// Plays the rows of one device, in order.
pub(super) async fn track(stage: &Stage, track: &Track) -> Vec<Played> {
    let mut played = Vec::new();
    for (number, row) in track.rows.iter().enumerate() {
        played.push(play(stage, track.device, number, row).await);
    }
    played
}

async fn play(stage: &Stage, device: &str, number: usize, row: &Row) -> Played {
    let began = SystemClock.now();
    let before = stage.watch.seen(device);
    let id = format!("demo-{device}-{number}");
    let event = match submit(stage, &id, device, row).await {
        Ok(()) => ended(stage, &id).await,
        Err(failure) => Err(failure.explain()),
    };
    // The device's session may still be closing when the event is told.
    stage.fleet.idle().await;
    let after = stage.watch.seen(device);
    let data = event.as_ref().ok().cloned().unwrap_or_default();
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let package = text("/package/id").zip(text("/package/version"));
    let moved = after.held.map(|(_, size)| size).filter(|_| after.held.map(|h| h.0) != before.held.map(|h| h.0));
    let why = match event {
        Ok(data) => faults(stage, device, row, &data, package.as_ref()).await,
        Err(why) => vec![why],
    };
    Played {
        clause: row.clause.to_owned(),
        title: row.title.to_owned(),
        primitive: row.primitive.to_owned(),
        device: device.to_owned(),
        package: package.map(|(id, version)| format!("{id} {version}")),
        delivery: text("/delivery"),
        bytes: moved.unwrap_or(0),
        messages: after.messages.saturating_sub(before.messages),
        ms: u64::try_from(SystemClock.now().since(began).as_millis()).unwrap_or(u64::MAX),
        outcome: text("/state").unwrap_or_else(|| "unknown".to_owned()),
        ok: why.is_empty(),
        why,
    }
}

async fn submit(stage: &Stage, id: &str, device: &str, row: &Row) -> Result<(), Failure> {
    let mut request = match &row.ask {
        Ask::Download { package, version, action, delivery } => json!({
            "kind": "download", "package": { "id": package, "version": version }, "action": action, "delivery": delivery,
        }),
        Ask::Package { operation, package, version } => {
            json!({ "kind": "operation", "operation": operation, "package": { "id": package, "version": version } })
        }
        Ask::Component { operation, component } => {
            json!({ "kind": "operation", "operation": operation, "component": { "id": component } })
        }
    };
    if let Some(members) = request.as_object_mut() {
        members.insert("schema".to_owned(), json!("scomo.request/1"));
        members.insert("request_id".to_owned(), json!(id));
        members.insert("source".to_owned(), json!("demo"));
        members.insert("targets".to_owned(), json!({ "devices": [device] }));
        members.insert("retry".to_owned(), json!({ "limit": 0 }));
    }
    stage.client.post(&["requests"], request.to_string().into_bytes()).await.map(|_| ())
}

/// The data of the event that ended the request's job.
async fn ended(stage: &Stage, id: &str) -> Result<Value, String> {
    let mut ended = stage.ended.clone();
    let found = timeout(PATIENCE, ended.wait_for(|all| all.contains_key(id))).await;
    let found = found.map_err(|_| format!("no event ended it within {} s", PATIENCE.as_secs()))?;
    let found = found.map_err(|_| "the bus was closed".to_owned())?;
    Ok(found.get(id).cloned().unwrap_or_default())
}

/// Everything in which event, tree and bytes do not agree with each other and with the row.
async fn faults(
    stage: &Stage,
    device: &str,
    row: &Row,
    event: &Value,
    package: Option<&(String, String)>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut expect = |what: &str, found: String, wanted: String| {
        if found != wanted {
            faults.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    let told = |pointer: &str| event.pointer(pointer).unwrap_or(&Value::Null).to_string();
    expect("the event's state", told("/state"), json!(row.outcome).to_string());
    expect("the result code", told("/result/code"), json!(row.code).to_string());
    let Some(handle) = stage.fleet.device(device) else { return vec![format!("there is no device {device}")] };
    let tree = handle.snapshot();
    match &row.then {
        Then::Delivered => match delivered(stage, &tree, device, package).await {
            Ok((found, wanted)) => expect("the SHA-256 of what the device holds", found, wanted),
            Err(why) => faults.push(why),
        },
        Then::Installed { component, version } => {
            let found = tree.component(component).map_or_else(
                || "absent".to_owned(),
                |c| format!("{} {}", c.version, if c.active { "active" } else { "inactive" }),
            );
            expect(&format!("component {component}"), found, format!("{version} active"));
            if row.outcome == "succeeded" {
                match delivered(stage, &tree, device, package).await {
                    Ok((found, wanted)) => expect("the SHA-256 of what the device received", found, wanted),
                    Err(why) => faults.push(why),
                }
            }
        }
        Then::Absent { component } => {
            let found = if tree.component(component).is_some() { "there" } else { "absent" };
            expect(&format!("component {component}"), found.to_owned(), "absent".to_owned());
        }
    }
    faults
}

/// The digest of the bytes that the device holds (or last received, where it keeps none), and the one of the manifest.
async fn delivered(
    stage: &Stage,
    tree: &Snapshot,
    device: &str,
    package: Option<&(String, String)>,
) -> Result<(String, String), String> {
    let package = package.cloned().or_else(|| {
        let held = tree.delivered.first()?;
        let (id, version) = held.pkg_id.split_once('@')?;
        Some((id.to_owned(), version.to_owned()))
    });
    let Some((id, version)) = package else { return Err("the event names no package".to_owned()) };
    let manifest = stage.client.get(&["packages", &id, &version], &[]).await.map_err(|failure| failure.explain())?;
    let wanted = manifest.pointer("/sha256").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let kept = tree.package(&format!("{id}@{version}")).and_then(|held| held.sha256);
    let held = kept.or_else(|| stage.watch.seen(device).held.map(|(digest, _)| digest));
    Ok((held.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string()), wanted))
}
