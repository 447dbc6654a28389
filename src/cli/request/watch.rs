//! `scomo request watch`: follows a request to its end.

use std::{pin::pin, time::Duration};

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::cli::{Client, Failure, Output, output::cell};

/// How often a lost event stream is taken up again before giving up.
const ATTEMPTS: usize = 5;

/// The events' end: to be asked before a request is looked at or submitted, so that nothing in between is missed.
pub(super) async fn cursor(client: &Client) -> Result<String, Failure> {
    Ok(cell(&client.get(&["events"], &[("after", "end".to_owned())]).await?, "/next"))
}

/// Prints the request's events behind `cursor` until it is complete.
///
/// # Errors
/// [`Failure::Work`] if a job did not succeed.
pub(super) async fn watch(
    client: &Client,
    source: &str,
    request_id: &str,
    mut cursor: String,
    output: Output,
) -> Result<(), Failure> {
    let path = ["requests", source, request_id];
    let mut lost = 0;
    loop {
        let request = client.get(&path, &[]).await?;
        if cell(&request, "/state") == "completed" {
            return verdict(&request, output);
        }
        match follow(client, source, request_id, &mut cursor, output).await {
            Err(Failure::Unreachable { .. }) if lost < ATTEMPTS => lost += 1,
            Err(other) => return Err(other),
            Ok(()) => {}
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Prints events until the request is complete or the stream ends, and keeps the cursor of the last.
async fn follow(
    client: &Client,
    source: &str,
    request_id: &str,
    cursor: &mut String,
    output: Output,
) -> Result<(), Failure> {
    let query = [("after", cursor.clone()), ("source", source.to_owned()), ("request", request_id.to_owned())];
    let mut events = pin!(client.events(&query).await?);
    while let Some(event) = events.next().await {
        let (id, event) = event?;
        *cursor = id;
        output.told(&event, &line(&event))?;
        if cell(&event, "/type") == "scomo.request.completed" {
            return Ok(());
        }
    }
    Ok(())
}

fn line(event: &Value) -> String {
    let columns = [
        "/data/device",
        "/data/state",
        "/data/package/id",
        "/data/package/version",
        "/data/result/code",
        "/data/reason",
    ];
    let words = columns.iter().map(|at| cell(event, at)).filter(|word| !word.is_empty());
    let words: Vec<String> = words.collect();
    let kind = cell(event, "/type");
    let line = format!("{}  {}  {}", cell(event, "/time"), kind.trim_start_matches("scomo."), words.join("  "));
    line.trim_end().to_owned()
}

/// Says how a complete request went.
fn verdict(request: &Value, output: Output) -> Result<(), Failure> {
    let counts = request.get("counts").and_then(Value::as_object);
    let good = ["succeeded", "already_done"];
    let bad = counts.into_iter().flatten().filter(|(state, _)| !good.contains(&state.as_str()));
    let bad: u64 = bad.filter_map(|(_, count)| count.as_u64()).sum();
    let counts = cell(request, "/counts");
    if bad > 0 {
        return Err(Failure::Work(format!("the request is complete, {bad} of its jobs did not succeed: {counts}")));
    }
    if let Some(devices) = request.pointer("/fan_out/not_started").and_then(Value::as_u64) {
        return Err(Failure::Work(format!("the request was cancelled before {devices} devices had a job: {counts}")));
    }
    if output.json() { Ok(()) } else { output.line(&format!("complete: {counts}")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_jobs_that_reached_the_end_wanted_are_good() {
        let output = Output::new(true);
        assert!(verdict(&json!({ "counts": { "succeeded": 2, "already_done": 1, "failed": 0 } }), output).is_ok());
        let failed = verdict(&json!({ "counts": { "succeeded": 2, "declined": 1 } }), output).unwrap_err();
        assert_eq!(failed.code(), 1);
        assert!(failed.explain().contains("declined 1"), "{}", failed.explain());
        let stopped = json!({ "counts": { "succeeded": 2 }, "fan_out": { "state": "stopped", "not_started": 7 } });
        assert!(verdict(&stopped, output).unwrap_err().explain().contains("before 7 devices"));
    }

    #[test]
    fn an_event_is_one_line() {
        let event = json!({ "type": "scomo.job.failed", "time": "2026-01-01T00:00:00Z",
            "data": { "device": "IMEI:1", "state": "failed", "result": { "code": "device.install_failed" } } });
        assert_eq!(line(&event), "2026-01-01T00:00:00Z  job.failed  IMEI:1  failed  device.install_failed");
    }
}
