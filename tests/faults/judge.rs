//! Holds what the outside heard and what the devices did against what must be true.

use std::collections::{BTreeMap, BTreeSet};

use scomo::{model::clock::Timestamp, sim::Event};
use serde_json::Value;

use super::{
    door::{Passed, What},
    outside::{Heard, Told},
    plan::{Request, Round},
    watch::Watch,
};

/// The ends of jobs.
const ENDS: [&str; 8] =
    ["succeeded", "failed", "declined", "cancelled", "expired", "not_applicable", "already_done", "in_doubt"];

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Jobs by their ends.
    pub(crate) ends: BTreeMap<String, usize>,
    /// What is not as it must be, a text each with all that is known of it.
    pub(crate) violations: Vec<String>,
}

/// What passed the door, by device.
pub(crate) type Log = BTreeMap<String, Vec<Passed>>;

/// Judges a round.
pub(crate) fn judge(round: &Round, heard: &Heard, watch: &Watch, door: &Log) -> Verdict {
    let mut verdict = Verdict::default();
    for request in &round.requests {
        let told: Vec<&Told> = heard.of(&request.id).collect();
        for what in ["accepted", "completed"] {
            let ids = ids(&told, |event| event["type"] == format!("scomo.request.{what}"));
            if ids.len() != 1 {
                verdict.broken(
                    request,
                    None,
                    &format!("{} ids of request.{what}: {ids:?}", ids.len()),
                    &told,
                    watch,
                    door,
                );
            }
        }
        for device in &request.devices {
            let of_device: Vec<&Told> =
                told.iter().filter(|told| told.event["data"]["device"] == device.as_str()).copied().collect();
            if let Err(why) = verdict.job(request, device, &of_device, watch) {
                verdict.broken(request, Some(device), &why, &of_device, watch, door);
            }
        }
    }
    let devices: BTreeSet<&String> = round.requests.iter().flat_map(|request| &request.devices).collect();
    for device in devices {
        if let Err(why) = once(&watch.of(device), of(door, device)) {
            verdict.violations.push(format!("{device}: {why}\n{}", story(device, watch, door)));
        }
    }
    verdict
}

impl Verdict {
    /// One job: its end is told under one id, in its order, and is true.
    fn job(&mut self, request: &Request, device: &str, told: &[&Told], watch: &Watch) -> Result<(), String> {
        let is_end = |event: &Value| {
            let state = event["data"]["state"].as_str().unwrap_or_default();
            ENDS.contains(&state) && event["type"] == format!("scomo.job.{state}")
        };
        let ends = ids(told, is_end);
        if ends.len() != 1 {
            return Err(format!("{} ids of its end: {ends:?}", ends.len()));
        }
        let mut last = 0;
        for event in told.iter().map(|told| &told.event) {
            let place = sequence(event);
            if place <= last {
                return Err(format!("its event {place} was first told after its event {last}"));
            }
            last = place;
        }
        let jobs: BTreeSet<&str> = told.iter().filter_map(|told| told.event["data"]["job_id"].as_str()).collect();
        if jobs.len() != 1 {
            return Err(format!("it has {} jobs: {jobs:?}", jobs.len()));
        }
        let end = told.iter().find(|told| is_end(&told.event)).map(|told| &told.event["data"]).unwrap();
        let state = end["state"].as_str().unwrap_or_default();
        *self.ends.entry(state.to_owned()).or_default() += 1;
        let late = told.iter().any(|told| told.event["type"] == "scomo.job.late_result");
        outage(request, state, &end["result"])?;
        truth(request, state, late, &watch.of(device))
    }

    fn broken(
        &mut self,
        request: &Request,
        device: Option<&str>,
        why: &str,
        told: &[&Told],
        watch: &Watch,
        door: &Log,
    ) {
        let mut text = format!("{} on {}: {why}\n  request {}\n", request.id, device.unwrap_or("all"), request.body);
        for told in told {
            text.push_str(&format!("  heard {} times: {}\n", told.times, told.event));
        }
        for device in
            device.into_iter().map(str::to_owned).chain(request.devices.iter().filter(|_| device.is_none()).cloned())
        {
            text.push_str(&story(&device, watch, door));
        }
        self.violations.push(text);
    }
}

fn ids(told: &[&Told], wanted: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    told.iter().filter(|told| wanted(&told.event)).map(|told| told.event["id"].to_string()).collect()
}

fn sequence(event: &Value) -> u64 {
    event["sequence"].as_u64().or_else(|| event["sequence"].as_str()?.parse().ok()).unwrap_or(0)
}

/// No job fails through the outages of the service. What a device says of its own download is the device's word.
fn outage(request: &Request, state: &str, result: &Value) -> Result<(), String> {
    let is_download = result["code"].as_u64().is_some_and(|code| (1500..1600).contains(&code));
    let fine = ["succeeded", "already_done", "cancelled"].contains(&state);
    if request.honest && !fine && !is_download {
        return Err(format!("it is {state} through no fault of the device: {result}"));
    }
    Ok(())
}

/// Whether an end agrees with what the device did.
fn truth(request: &Request, state: &str, late: bool, log: &[(Timestamp, Event)]) -> Result<(), String> {
    let is_ours =
        |event: &Event| matches!(event, Event::Executed { operation, .. } if request.runs.contains(operation));
    let well = |event: &Event| matches!(event, Event::Executed { code, .. } if is_good(*code));
    let done = log.iter().any(|(_, event)| is_ours(event) && well(event));
    match state {
        "succeeded" if !request.runs.is_empty() && !done => {
            Err("it is told to be done, and the device did not do it".to_owned())
        }
        "failed" | "expired" | "declined" | "not_applicable" if done && !late => {
            Err(format!("it is told as {state}, and the device did it"))
        }
        _ => Ok(()),
    }
}

/// Of an Exec: what a device calls a success.
const fn is_good(code: u16) -> bool {
    code == 200 || code / 100 == 12
}

fn of<'l>(door: &'l Log, device: &str) -> &'l [Passed] {
    door.get(device).map_or(&[], Vec::as_slice)
}

/// An operation that a device ran.
struct Run<'l> {
    at: Timestamp,
    correlator: &'l Option<String>,
    /// Its end, if it came to one before the next.
    code: Option<u16>,
    reported: bool,
}

/// Nothing was done again without need: a second Exec of the same came only after the first had failed or left nothing, and the
/// device had said so, or shown it.
fn once(log: &[(Timestamp, Event)], passed: &[Passed]) -> Result<(), String> {
    let mut runs: BTreeMap<(scomo::sim::Operation, &str), Vec<Run<'_>>> = BTreeMap::new();
    for (at, event) in log {
        match event {
            Event::Executing { operation, identifier, correlator } => {
                let run = Run { at: *at, correlator, code: None, reported: false };
                runs.entry((*operation, identifier)).or_default().push(run);
            }
            Event::Executed { operation, identifier, correlator, code } => {
                let all = runs.entry((*operation, identifier)).or_default();
                if let Some(run) = all.iter_mut().find(|run| run.correlator == correlator) {
                    run.code = Some(*code);
                }
            }
            Event::Reported { code, status } if *status < 300 => {
                for run in runs.values_mut().flatten().filter(|run| run.code == Some(*code)) {
                    run.reported = true;
                }
            }
            _ => {}
        }
    }
    for ((operation, identifier), all) in &runs {
        for pair in all.windows(2) {
            let (first, second) = (&pair[0], &pair[1]);
            let again = format!("{operation:?} of {identifier} was run again");
            if first.code.is_some_and(is_good) && ended_before(log, first, second.at) {
                return Err(format!("{again} after it had succeeded"));
            }
            let shown = passed.iter().any(|passed| {
                passed.at > first.at && passed.at < second.at && matches!(passed.what, What::Shown { .. })
            });
            if !shown && !(first.reported && first.code.is_some_and(|code| !is_good(code))) {
                return Err(format!("{again} although the device had neither shown nor said what became of it"));
            }
        }
    }
    Ok(())
}

fn ended_before(log: &[(Timestamp, Event)], run: &Run<'_>, at: Timestamp) -> bool {
    log.iter().any(|(then, event)| {
        *then < at && matches!(event, Event::Executed { correlator, .. } if correlator == run.correlator)
    })
}

/// All that is known of a device, in the order of its times.
fn story(device: &str, watch: &Watch, door: &Log) -> String {
    let mut lines: Vec<(Timestamp, String)> =
        watch.of(device).into_iter().map(|(at, event)| (at, format!("{event:?}"))).collect();
    lines.extend(of(door, device).iter().map(|passed| (passed.at, format!("at the door: {:?}", passed.what))));
    lines.sort_by_key(|(at, _)| *at);
    let lines: Vec<String> = lines.into_iter().map(|(at, line)| format!("    {at} {line}\n")).collect();
    format!("  {device}:\n{}", lines.concat())
}
