//! Why a job stands where it stands, in sentences: what it waits for, the last that its device said, and what happens next.

use serde::{Deserialize, Serialize};

use super::{
    brake::Pause,
    life::{Life, Notify, Over, State, StateName},
    record::{Line, Record},
};
use crate::{
    model::{clock::Timestamp, id::JobId},
    scomo::outcome::{Reaction, ResultCode},
};

/// What there is to know of a job beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around<'a> {
    /// The job.
    pub job: JobId,
    /// The moment.
    pub now: Timestamp,
    /// Another job that holds the device.
    pub held_by: Option<JobId>,
    /// Its device has a record.
    pub known: bool,
    /// That has an address at which the device can be notified.
    pub reachable: bool,
    /// A pause that applies to the job.
    pub pause: Option<&'a Pause>,
    /// When the device last proved itself in a session, as far as sessions are kept.
    pub last_session: Option<Timestamp>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Why {
    /// The job.
    pub job_id: JobId,
    /// Where it stands.
    pub state: StateName,
    /// What it waits for and why, a sentence or two.
    pub why: String,
    /// The last that the device said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_said: Option<Line>,
    /// What happens next; nothing at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// When it ends at the latest.
    pub deadline: Timestamp,
    /// What can be done about it: the verbs of `scomo job`.
    pub can: Vec<String>,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "NextStep")]
pub struct Next {
    /// What, a sentence.
    pub text: String,
    /// When; absent where that hangs on something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// Says why. Total: every state has its sentence.
#[must_use]
pub fn why(record: &Record, around: &Around<'_>) -> Why {
    let life = &record.life;
    let (why, next) = match life.state() {
        State::Accepted => accepted(life, around),
        State::Waiting { not_before } => waiting(record, *not_before, around),
        State::Notified => {
            let text = format!("The device was asked to open a session and has not come yet{}.", last_seen(around));
            (text, due(life, "it is asked again"))
        }
        State::InSession => in_session(life),
        State::AwaitingReport => awaiting_report(life, around),
        State::AwaitingUser => (
            "The device is asking its user.".to_owned(),
            due(life, "the question is given up, and with it the session"),
        ),
        State::Over(over) => (ended(over), None),
    };
    let can = if life.state().name().is_terminal() { vec![] } else { vec!["cancel".to_owned()] };
    Why {
        job_id: around.job,
        state: life.state().name(),
        why,
        device_said: record.said.clone(),
        next,
        deadline: life.deadline(),
        can,
    }
}

fn accepted(life: &Life, around: &Around<'_>) -> (String, Option<Next>) {
    if around.known {
        let text = "It was just stored and is about to join its device's queue.";
        return (text.to_owned(), Some(Next { text: "it joins the queue".to_owned(), at: None }));
    }
    let text = "The device has no record here, and the request waits for one.";
    (text.to_owned(), due(life, "it ends as expired, unless the device is registered before"))
}

fn waiting(record: &Record, not_before: Option<Timestamp>, around: &Around<'_>) -> (String, Option<Next>) {
    let life = &record.life;
    if let Some(told) = around.pause.map(|pause| paused("It is held back by", pause)) {
        return told;
    }
    if let Some(told) = scheduled(life, not_before, around.now) {
        return told;
    }
    if let Some(at) = not_before.filter(|at| *at > around.now) {
        return (rests(record), Some(Next { text: format!("attempt {} may begin", life.attempt()), at: Some(at) }));
    }
    if let Some(other) = around.held_by {
        let text = format!("Another job, {other}, holds the device; this one waits for its turn.");
        let next = "its turn comes, by priority and age, when the device is free".to_owned();
        return (text, Some(Next { text: next, at: None }));
    }
    if !around.known {
        return ("The device's record is gone.".to_owned(), due(life, "it fails, as nobody knows its device"));
    }
    let by_itself = "it is taken up in the device's next session, or ends as expired";
    if life.notify() == Notify::Never {
        let text = "The request wants no notification, so it waits for the device to come by itself";
        return (format!("{text}{}.", last_seen(around)), due(life, by_itself));
    }
    if !around.reachable && life.notify() == Notify::Auto {
        let text = "The device's record has no address to notify it at, so it waits for the device to come by itself";
        return (format!("{text}{}.", last_seen(around)), due(life, by_itself));
    }
    let text = match life.troubles() {
        0 => "It waits for its device to be notified".to_owned(),
        1 => "The device did not answer its notification, or its session broke off".to_owned(),
        times => {
            format!(
                "Notifications stayed without an answer, or sessions broke off, {times} times in a row; the pauses grow"
            )
        }
    };
    (format!("{text}{}.", last_seen(around)), due(life, "the device is notified"))
}

/// A pause holds it back.
fn paused(before: &str, pause: &Pause) -> (String, Option<Next>) {
    let next = "it goes on when the pause is lifted; its deadline goes on counting".to_owned();
    (format!("{before} {pause}."), Some(Next { text: next, at: None }))
}

/// Its schedule, and nothing later, keeps it from beginning.
fn scheduled(life: &Life, not_before: Option<Timestamp>, now: Timestamp) -> Option<(String, Option<Next>)> {
    let schedule = life.schedule();
    if schedule.is_open(now) {
        return None;
    }
    let Some(opens) = schedule.opens(now, life.deadline()) else {
        let text = format!("It waits for {schedule}, which does not come before its deadline.");
        return Some((text, due(life, "its deadline ends it")));
    };
    not_before.is_none_or(|at| at <= opens).then(|| {
        let how = if schedule.window.is_some() { format!(", which opens at {opens}") } else { String::new() };
        let next = "something may be begun on the device".to_owned();
        (format!("It waits for {schedule}{how}."), Some(Next { text: next, at: Some(opens) }))
    })
}

/// The pause after a failed attempt.
fn rests(record: &Record) -> String {
    let code = record.tried.last().and_then(|tried| tried.code);
    if code.is_some_and(|code: ResultCode| code.reaction() == Reaction::Hold) {
        return "The device has no room for the package, so the job rests longer than after other failures.".to_owned();
    }
    "The last attempt failed, and the job rests before the next one.".to_owned()
}

fn in_session(life: &Life) -> (String, Option<Next>) {
    let text = if life.exec_outstanding() {
        "A session is open in which the device was told to do it; how that ended is not known yet."
    } else {
        "A session with the device is working on it."
    };
    (text.to_owned(), due(life, "the session is given up, if the device stays silent"))
}

fn awaiting_report(life: &Life, around: &Around<'_>) -> (String, Option<Next>) {
    if let Some(pause) = around.pause.filter(|_| life.report_late(around.now)) {
        return paused(
            "The device took the operation on, and its report is overdue; the device is not asked because of",
            pause,
        );
    }
    let text = if life.report_late(around.now) {
        "The device took the operation on, and its report is overdue"
    } else {
        "The device took the operation on and has not reported how it ended"
    };
    let next = if life.notify() == Notify::Never || !around.reachable {
        "when the device comes by itself its tree is read; else the job ends in doubt at its deadline"
    } else {
        "the device is woken, and its tree is read"
    };
    (format!("{text}{}.", last_seen(around)), due(life, next))
}

fn ended(over: &Over) -> String {
    let mut text = format!("It has ended: {}. {}", over.outcome, over.outcome.meaning());
    if let Some(reason) = over.reason {
        text = format!("{text} {}", reason.meaning());
    }
    let told = &over.result.text;
    let is_said = text.to_lowercase().contains(&told.to_lowercase());
    if is_said { text } else { format!("{}: {told}.", text.trim_end_matches('.')) }
}

/// When the device was last seen, as the end of a sentence.
fn last_seen(around: &Around<'_>) -> String {
    match around.last_session {
        Some(at) => format!("; its last session was at {at}"),
        None => "; no session of it is known".to_owned(),
    }
}

/// What the job's due row brings, if nothing else happens before; its deadline ends it whatever it waits for.
fn due(life: &Life, text: &str) -> Option<Next> {
    let (_, at) = life.due()?;
    let says_so = text.contains("expired") || text.contains("deadline");
    let text = if at >= life.deadline() && !says_so { "its deadline ends it" } else { text };
    Some(Next { text: text.to_owned(), at: Some(at) })
}

#[cfg(test)]
mod tests;
