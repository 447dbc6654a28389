//! A job as the API shows it.

use serde::Serialize;

use crate::{
    contract::event::{JobData, JobFacts},
    infra::store::{self, job::JobRow},
    job::{
        procedure::Way,
        record::{Line, Order, Record},
        selection::Refusal,
    },
    model::{catalog::Delivery, clock::Timestamp, id::RequestSource},
};

/// A job in a list: what its events tell, and its times.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::server::http::api) struct JobView {
    #[serde(flatten)]
    data: JobData,
    source: RequestSource,
    created_at: Timestamp,
    deadline: Timestamp,
}

/// A job in full: also what it does, why this way, what was refused, and its history.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::server::http::api) struct JobDetail {
    #[serde(flatten)]
    view: JobView,
    order: Order,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused>,
    history: Vec<Line>,
    /// How many lines of the history's middle were dropped.
    history_dropped: u32,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "RefusedPackage")]
struct Refused {
    #[serde(flatten)]
    refusal: Refusal,
    text: String,
}

impl JobView {
    pub(in crate::server::http::api) fn of(row: &JobRow) -> Result<Self, store::Error> {
        Ok(Self::new(row, &record(row)?))
    }

    fn new(row: &JobRow, record: &Record) -> Self {
        let package = record.package();
        let facts = JobFacts {
            request_id: &record.request_id,
            job_id: row.id,
            device: &row.device_id,
            package: package.as_ref(),
            delivery: record.plan.steps.first().map(|step| match step.chosen.way {
                Way::Direct => Delivery::Direct,
                Way::Alternate(_) => Delivery::Alternate,
            }),
        };
        Self {
            data: JobData::of(&facts, &record.life, row.updated_at),
            source: record.source.clone(),
            created_at: row.created_at,
            deadline: record.life.deadline(),
        }
    }
}

impl JobDetail {
    pub(in crate::server::http::api) fn of(row: &JobRow) -> Result<Self, store::Error> {
        let record = record(row)?;
        let refusals = record.selection.iter().flat_map(|selection| selection.refusals.iter().cloned());
        Ok(Self {
            view: JobView::new(row, &record),
            delivery_reason: record.plan.steps.first().map(|step| step.reason.clone()),
            refused: refusals.map(|refusal| Refused { text: refusal.to_string(), refusal }).collect(),
            history: record.history.lines().cloned().collect(),
            history_dropped: record.history.dropped(),
            order: record.order,
        })
    }
}

pub(super) fn record(row: &JobRow) -> Result<Record, store::Error> {
    row.body.read().map_err(store::Error::bad_row("job", "body", row.id))
}
