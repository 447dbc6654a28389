//! A request and its jobs before they are stored, from whomever the request comes.

use super::{Moving, event_row};
use crate::{
    contract::{
        accept::{Accepted, NewJob},
        event::{Data, Event, RequestAccepted},
        request::Request,
    },
    infra::store::{self, Json, Write, job::JobRow, request::RequestRow},
    job::{
        procedure::Procedure,
        record::{Order, Record},
    },
    model::{
        clock::{Mint, Timestamp},
        id::EventId,
    },
};

/// The row of a request that falls into `jobs` jobs.
///
/// # Errors
/// [`store::Error::Json`], which cannot happen for these values.
pub fn request_row(accepted: &Accepted, jobs: u32) -> Result<RequestRow, store::Error> {
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
        jobs: u64::from(row.jobs_total),
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
