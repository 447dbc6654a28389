//! `/requests`: what was asked, and what has become of it.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Api, jobs::JobView, page::next};
use crate::{
    contract::{
        problem::{Code, Problem},
        request::Request,
    },
    flow::intake::{Incoming, Verdict},
    infra::{
        jobs::brake::Wish as Held,
        store::{self, Cursor, Page, fanout::FanOutRow, job::JobFilter, request::RequestRow},
    },
    job::brake::{Pause, Scope},
    model::{
        clock::Timestamp,
        id::{RequestId, RequestSource},
    },
    server::http::{
        auth::Caller,
        problem::{Body, Path, Query, Refusal},
    },
};

/// Jobs that are shown with their request.
const SHOWN: u32 = 100;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "RequestQuery")]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    source: String,
    request_id: String,
}

/// A request in short.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "RequestSummary")]
pub(super) struct Summary {
    request_id: RequestId,
    source: RequestSource,
    /// `accepted`, or `completed` once all its jobs have ended.
    state: &'static str,
    /// How many jobs it has or will have, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<u32>,
    /// How many jobs are in which state.
    counts: BTreeMap<String, u64>,
    /// Of a request for many devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    fan_out: Option<FanOut>,
    /// The pause of exactly this request, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<Paused>,
}

/// How far the jobs of a request for many devices were made.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct FanOut {
    /// `running`, `done`, or `stopped` by a cancel.
    state: &'static str,
    /// How many devices the request is for, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<u64>,
    /// How many jobs were made.
    made: u64,
    /// Of a filter: on how many devices it could not be decided so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecided: Option<u64>,
    /// Of one that was stopped: how many devices got no job; of a filter, how many were not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_started: Option<u64>,
}

impl FanOut {
    fn of(row: &FanOutRow) -> Self {
        let state = match (row.ended, row.not_started) {
            (None, _) => "running",
            (Some(_), None) => "done",
            (Some(_), Some(_)) => "stopped",
        };
        let undecided = row.targets.is_none().then_some(row.undecided);
        Self { state, targets: row.targets, made: row.made, undecided, not_started: row.not_started }
    }
}

/// Who paused it, and since when.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Paused {
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    since: Timestamp,
}

/// A request in full.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "RequestView")]
pub(super) struct View {
    #[serde(flatten)]
    summary: Summary,
    received_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    /// What was asked, defaults filled in.
    asked: Value,
    first_jobs: Vec<JobView>,
    /// For `GET /jobs`, if these were not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What came of a cancel.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "RequestCancelled")]
pub(super) struct Cancelled {
    #[serde(flatten)]
    summary: Summary,
    /// How many jobs this call stopped.
    cancelled: u64,
}

/// `POST /requests`: 202 for what is new, 200 for a repeat
pub(super) async fn submit(
    State(api): State<Api>,
    caller: Caller,
    body: Result<Body, Refusal>,
) -> Result<(StatusCode, Json<Summary>), Refusal> {
    let Body(body) = body.map_err(|refusal| refusal.map(Request::shorter))?;
    let source = RequestSource::parse(&caller.name);
    let source = source.map_err(|why| Problem::new(Code::InvalidName, format!("the token's name: {why}")))?;
    let incoming = Incoming { tenant: caller.tenant.clone(), caller: source, body: body.to_vec() };
    match api.intake.take(vec![incoming]).await.pop() {
        Some(Verdict::Accepted(receipt)) => {
            let row = find(&api, &caller, receipt.source.as_str(), receipt.request_id.as_str()).await?;
            let status = if receipt.repeated { StatusCode::OK } else { StatusCode::ACCEPTED };
            Ok((status, Json(summary(&api, &row).await?)))
        }
        Some(Verdict::Refused(problem)) => Err((*problem).into()),
        Some(Verdict::Unavailable) | None => Err(Problem::new(Code::Unavailable, Code::Unavailable.meaning()).into()),
    }
}

/// `GET /requests/{source}/{request_id}`
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path((source, id)): Path<(String, String)>,
) -> Result<Json<View>, Refusal> {
    view(&api, &caller, find(&api, &caller, &source, &id).await?).await.map(Json)
}

/// `GET /requests?source=&request_id=`, for names that do not go well into a path
pub(super) async fn look_up(
    State(api): State<Api>,
    caller: Caller,
    Query(wish): Query<Wish>,
) -> Result<Json<View>, Refusal> {
    view(&api, &caller, find(&api, &caller, &wish.source, &wish.request_id).await?).await.map(Json)
}

/// `POST /requests/{source}/{request_id}/cancel`
pub(super) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Path((source, id)): Path<(String, String)>,
) -> Result<Json<Cancelled>, Refusal> {
    let row = find(&api, &caller, &source, &id).await?;
    let cancelled = api.hand.cancel_request(row.key, &caller.name).await?;
    let row = find(&api, &caller, &source, &id).await?;
    Ok(Json(Cancelled { summary: summary(&api, &row).await?, cancelled }))
}

/// `POST /requests/{source}/{request_id}/pause`: as often as one likes; one that has ended stays as it is
pub(super) async fn pause(
    State(api): State<Api>,
    caller: Caller,
    Path((source, id)): Path<(String, String)>,
) -> Result<Json<Summary>, Refusal> {
    let row = find(&api, &caller, &source, &id).await?;
    let (tenant, by) = (caller.tenant.clone(), caller.name.clone());
    api.brake.pause(&Held { tenant, scope: Scope::Request(row.key), by, reason: None }).await?;
    Ok(Json(summary(&api, &row).await?))
}

/// `POST /requests/{source}/{request_id}/resume`: also if it is not paused
pub(super) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    Path((source, id)): Path<(String, String)>,
) -> Result<Json<Summary>, Refusal> {
    let row = find(&api, &caller, &source, &id).await?;
    api.brake.resume(&caller.tenant, &Scope::Request(row.key), &caller.name).await?;
    Ok(Json(summary(&api, &row).await?))
}

/// The request that its sender calls so.
pub(super) async fn find(api: &Api, caller: &Caller, source: &str, id: &str) -> Result<RequestRow, Refusal> {
    let unknown = || Refusal::not_found("request");
    let source = RequestSource::parse(source).map_err(|_| unknown())?;
    let id = RequestId::parse(id).map_err(|_| unknown())?;
    api.store.request_by_id(&caller.tenant, &source, &id).await?.ok_or_else(unknown)
}

async fn summary(api: &Api, row: &RequestRow) -> Result<Summary, store::Error> {
    // The jobs of a completed request may have been cleared away, its counts stay.
    let counts: BTreeMap<String, u64> = if let Some(end) = &row.completed {
        end.counts.read().map_err(store::Error::bad_row("request", "counts", row.key))?
    } else {
        api.store.job_counts(row.key).await?.into_iter().map(|count| (count.state, count.count)).collect()
    };
    let pause = api.store.pause_of(&row.tenant, &Scope::Request(row.key)).await?;
    Ok(Summary {
        request_id: row.request_id.clone(),
        source: row.source.clone(),
        state: if row.completed.is_some() { "completed" } else { "accepted" },
        jobs: row.jobs_total,
        counts: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
        fan_out: api.store.fan_out(row.key).await?.as_ref().map(FanOut::of),
        paused: pause.map(|Pause { by, reason, at, .. }| Paused { by, reason, since: at }),
    })
}

async fn view(api: &Api, caller: &Caller, row: RequestRow) -> Result<View, Refusal> {
    let filter = JobFilter { request: Some(row.key), ..JobFilter::default() };
    let page = Page::first(SHOWN);
    let jobs = api.store.jobs(&caller.tenant, filter, page).await?;
    Ok(View {
        summary: summary(api, &row).await?,
        received_at: row.created_at,
        completed_at: row.completed.as_ref().map(|end| end.at),
        asked: row.body.read().map_err(store::Error::bad_row("request", "body", row.key))?,
        first_jobs: jobs.iter().map(JobView::of).collect::<Result<_, _>>()?,
        next: next(page, &jobs, |job| Cursor { at: job.created_at, key: job.id.uuid() }),
    })
}
