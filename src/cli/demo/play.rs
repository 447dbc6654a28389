//! Plays a track: asks for each row's work, waits for the event that ends it, and has everything checked.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    check::{self, Case, Faults},
    script::{Ask, Blind, Row, Track},
    stage::Stage,
    told::{SOURCE, text},
};
use crate::{
    infra::system::SystemClock,
    model::clock::Clock as _,
    sim::{Handle, Snapshot},
};

/// A row that was played, as `--json` prints it (contract "Command line").
#[derive(Debug, Clone, Serialize)]
pub(super) struct Played {
    pub(super) clause: String,
    pub(super) title: String,
    primitive: String,
    device: String,
    package: Option<String>,
    delivery: Option<String>,
    /// Bytes of packages that the device received for it.
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
        let id = format!("demo-{}-{}", track.device, number.saturating_add(1));
        let one = play(stage, &track.device, &id, row).await;
        let verdict = if one.ok { "ok" } else { "FAILED" };
        stage.watch.say(&format!("{verdict:6}  {:22}  {}: {}", one.clause, one.primitive, one.title));
        played.push(one);
    }
    played
}

async fn play(stage: &Stage, device: &str, id: &str, row: &Row) -> Played {
    let began = SystemClock.now();
    let seen = stage.watch.seen(device);
    let end = match stage.fleet.device(device) {
        Some(handle) => perform(stage, &handle, device, id, row).await,
        None => Err(format!("there is no device {device}")),
    };
    let ms = u64::try_from(SystemClock.now().since(began).as_millis()).unwrap_or(u64::MAX);
    let after = stage.watch.seen(device);
    let (event, why) = end.unwrap_or_else(|why| (Value::Null, vec![why]));
    Played {
        clause: row.clause.clone(),
        title: row.title.clone(),
        primitive: row.primitive.clone(),
        device: device.to_owned(),
        package: check::package(&event).or_else(|| row.holds.clone()).map(|package| package.replace('@', " ")),
        delivery: text(&event, "/delivery").map(str::to_owned),
        bytes: after.bytes.saturating_sub(seen.bytes),
        messages: after.messages.saturating_sub(seen.messages),
        ms,
        outcome: text(&event, "/state").unwrap_or("unknown").to_owned(),
        ok: why.is_empty(),
        why,
    }
}

/// Plays a row: the data of the event that ended it, and all that did not agree.
async fn perform(
    stage: &Stage,
    handle: &Handle,
    device: &str,
    id: &str,
    row: &Row,
) -> Result<(Value, Vec<String>), String> {
    let before = handle.snapshot();
    let (event, mut blind) = match (&row.ask, &row.blind) {
        (Ask::Device(alert), _) => {
            handle.ask(alert);
            (stage.told.ended_of_its_own(device).await?, Vec::new())
        }
        (Ask::Request(request), None) => (run(stage, device, id, row, request.clone()).await?, Vec::new()),
        (Ask::Request(request), Some(blind)) => {
            let (event, faults) =
                tokio::join!(run(stage, device, id, row, request.clone()), unlike(stage, id, row, request, blind));
            (event?, faults)
        }
    };
    let after = settled(stage, handle, device).await;
    let case = Case { stage, device, row, event: &event, before: &before, after: &after };
    let mut faults = case.faults().await;
    faults.append(&mut blind);
    Ok((event, faults))
}

/// Submits a request, cancels it where the row says so, and waits for its end.
async fn run(
    stage: &Stage,
    device: &str,
    id: &str,
    row: &Row,
    mut request: Map<String, Value>,
) -> Result<Value, String> {
    request.insert("schema".to_owned(), json!("scomo.request/1"));
    request.insert("request_id".to_owned(), json!(id));
    request.insert("source".to_owned(), json!(SOURCE));
    request.insert("targets".to_owned(), json!({ "devices": [device] }));
    request.insert("retry".to_owned(), json!({ "limit": 0 }));
    if let Some(span) = row.deadline {
        let deadline = SystemClock.now().after(span);
        request.insert("schedule".to_owned(), json!({ "deadline": deadline }));
    }
    stage.submit(&Value::Object(request)).await?;
    if let Some(state) = &row.cancel {
        stage.told.reached(id, state).await?;
        stage.cancel(id).await?;
    }
    stage.told.ended(id).await
}

/// The same request on a device of the same kind that may not be asked for anything, and what is not as foretold there.
async fn unlike(stage: &Stage, id: &str, row: &Row, request: &Map<String, Value>, blind: &Blind) -> Vec<String> {
    let device = blind.device.as_str();
    let mut request = request.clone();
    request.insert("collect".to_owned(), json!([]));
    let event = match run(stage, device, &format!("{id}-blind"), row, request).await {
        Ok(event) => event,
        Err(why) => return vec![format!("by DevInfo alone, {device}: {why}")],
    };
    let mut faults = Faults::default();
    faults.expect("the state", text(&event, "/state").unwrap_or_default(), &blind.outcome);
    faults.expect("the package", check::package(&event).unwrap_or_default(), blind.package.clone().unwrap_or_default());
    match stage.fleet.device(device) {
        Some(handle) => check::tree(&blind.then, &settled(stage, &handle, device).await, &mut faults),
        None => faults.0.push("there is no such device".to_owned()),
    }
    faults.0.into_iter().map(|fault| format!("by DevInfo alone, {device}: {fault}")).collect()
}

/// The device once its session, which may still be closing when the event is told, is over.
async fn settled(stage: &Stage, handle: &Handle, device: &str) -> Snapshot {
    stage.watch.quiet(device).await;
    handle.snapshot()
}
