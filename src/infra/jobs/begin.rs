//! A request and its jobs before they are stored, from whomever the request comes.

use super::{Moving, brake, event_row};
use crate::{
    contract::{
        accept::{Accepted, NewJob},
        event::{Data, Event, RequestAccepted},
        request::Request,
    },
    infra::store::{
        self, Json, Write,
        due::{Again, Due},
        fanout::FreshJob,
        job::JobRow,
        request::RequestRow,
    },
    job::{
        procedure::Procedure,
        record::{Order, Record},
    },
    model::{
        clock::{Mint, Timestamp},
        id::{EventId, RequestKey},
    },
};

/// The row of a request that falls into `jobs` jobs, if that is known.
///
/// # Errors
/// [`store::Error::Json`], which cannot happen for these values.
pub fn request_row(accepted: &Accepted, jobs: Option<u32>) -> Result<RequestRow, store::Error> {
    let request = &accepted.request;
    Ok(RequestRow {
        key: accepted.key,
        tenant: accepted.tenant.clone(),
        source: request.source.clone(),
        request_id: request.request_id.clone(),
        digest: accepted.digest,
        body: Json::of("request", request)?,
        priority: i32::from(request.priority),
        jobs_total: jobs,
        created_at: accepted.at,
        completed: None,
    })
}

/// The write that tells of its acceptance.
///
/// # Errors
/// As [`request_row`].
pub fn told(row: &RequestRow, deadline: Timestamp, now: Timestamp, mint: &mut dyn Mint) -> Result<Write, store::Error> {
    let data = RequestAccepted {
        request_id: row.request_id.clone(),
        source: row.source.clone(),
        jobs: row.jobs_total.map(u64::from),
        deadline,
    };
    let (id, data) = (EventId::new(mint.uuid(now)), Data::RequestAccepted(data));
    let event = Event { id, tenant: row.tenant.clone(), time: now, sequence: None, data };
    Ok(Write::EventInsert(event_row(&event, 1)?))
}

/// One of its jobs, with what it is to do and how; the row of its request and what that asks for are at hand.
#[must_use]
pub fn job(
    job: NewJob,
    task: (Order, Procedure),
    (request, asked): (&RequestRow, &Request),
    now: Timestamp,
    mint: &mut dyn Mint,
) -> Moving {
    let NewJob { id, device, device_key, life, effects } = job;
    let deadline = life.deadline();
    let (request_id, source) = (request.request_id.clone(), request.source.clone());
    let record = Record::new(request_id, source, task, asked.collect(), life).confirmed(asked.confirm.clone());
    let record = Record { budget: asked.failure_budget.is_some(), ..record };
    let row = JobRow {
        id,
        tenant: request.tenant.clone(),
        request: request.key,
        device_id: device,
        device: device_key,
        state: String::new(),
        active: false,
        priority: request.priority,
        version: 0,
        event_seq: 0,
        attempt: 1,
        body: Json::default(),
        result: None,
        created_at: request.created_at,
        updated_at: now,
        deadline_at: Some(deadline),
        passes_until: None,
        finished_at: None,
    };
    Moving::fresh(row, record, effects, now, mint)
}

/// Jobs of a request that are stored together.
///
/// # Errors
/// [`store::Error::Json`], which cannot happen for these values.
pub fn jobs(
    jobs: Vec<NewJob>,
    task: &(Order, Procedure),
    of: (&RequestRow, &Request),
    now: Timestamp,
    mint: &mut dyn Mint,
) -> Result<Vec<FreshJob>, store::Error> {
    jobs.into_iter().map(|new| job(new, task.clone(), of, now, mint).newborn(now)).collect()
}

/// The write that has somebody look whether a request is complete.
#[must_use]
pub fn look(request: RequestKey, now: Timestamp) -> Write {
    let due = Due { errand: super::COMPLETE, subject: request.uuid(), at: now };
    Write::DuePut { due, again: Again::Earlier }
}

/// The write that has somebody look whether a request has used up its failure budget, if it has one and some of `jobs` failed before
/// they began.
#[must_use]
pub fn count(request: RequestKey, asked: &Request, jobs: &[FreshJob], now: Timestamp) -> Option<Write> {
    let due = Due { errand: brake::BUDGET, subject: request.uuid(), at: now };
    let failed = asked.failure_budget.is_some() && jobs.iter().any(|job| job.row.finished_at.is_some());
    failed.then_some(Write::DuePut { due, again: Again::Earlier })
}

/// The write that has somebody go on with the fan-out of a request.
#[must_use]
pub fn go_on(request: RequestKey, now: Timestamp) -> Write {
    let due = Due { errand: super::FAN_OUT, subject: request.uuid(), at: now };
    Write::DuePut { due, again: Again::Replace }
}
