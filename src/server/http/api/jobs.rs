//! `/jobs`: one device's share of a request: where it stands, how it got there, and its end by hand.

mod view;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};

use super::{
    Api, devices,
    page::{next, page},
    requests,
};
use crate::{
    contract::problem::{Code, Fault, Problem},
    infra::store::{
        Cursor, Page,
        job::{JobFilter, JobRow},
    },
    job::{
        brake::{Pause, Subject},
        life::{Outcome, StateName},
        why::{self, Around, Why},
    },
    model::id::{DeviceId, JobId},
    server::http::{
        auth::Caller,
        problem::{Path, Query, Refusal},
    },
};

pub(super) use view::{JobDetail, JobView};

/// How far into a device's queue is looked for the job that holds it.
const MOST_QUEUED: u32 = 256;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "JobQuery")]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    request: Option<String>,
    source: Option<String>,
    device: Option<String>,
    state: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "JobList")]
pub(super) struct List {
    jobs: Vec<JobView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /jobs`
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(wish): Query<Wish>,
) -> Result<Json<List>, Refusal> {
    let page = page(wish.after.as_deref(), wish.limit)?;
    let request = match (&wish.request, &wish.source) {
        (None, None) => None,
        (Some(request), Some(source)) => Some(requests::find(&api, &caller, source, request).await?.key),
        (Some(_), None) => return Err(half("source")),
        (None, Some(_)) => return Err(half("request")),
    };
    let device = wish.device.as_deref().map(DeviceId::parse).transpose();
    let device = device.map_err(|why| Refusal::parameter("device", Code::InvalidName, why.to_string()))?;
    let device = device.map(|device| device.normalised());
    let state = wish.state.as_deref().map(known_state).transpose()?;
    let filter = JobFilter { request, device_norm: device.as_deref(), state };
    let rows = api.store.jobs(&caller.tenant, filter, page).await?;
    let next = next(page, &rows, |row| Cursor { at: row.created_at, key: row.id.uuid() });
    Ok(Json(List { jobs: rows.iter().map(JobView::of).collect::<Result<_, _>>()?, next }))
}

/// `GET /jobs/{id}`
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<JobDetail>, Refusal> {
    Ok(Json(JobDetail::of(&find(&api, &caller, &id).await?)?))
}

/// `GET /jobs/{id}/why`
pub(super) async fn why(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Json<Why>, Refusal> {
    let row = find(&api, &caller, &id).await?;
    let norm = row.device_id.normalised();
    let device = api.store.device(&caller.tenant, &norm).await?;
    let queue = api.store.waiting_jobs(&caller.tenant, &norm, MOST_QUEUED).await?;
    let last_session = match &device {
        Some(device) => api.store.last_session(device.key).await?,
        None => None,
    };
    let record = view::record(&row)?;
    let class = match &device {
        Some(device) => Some(api.classes.pick(&devices::facts(&api, device).await?, device.class.as_deref())),
        None => None,
    };
    let pauses = api.store.pauses_on(&row.tenant, row.request).await?;
    let subject = Subject { request: row.request, class: class.map(|class| class.name.as_str()), record: &record };
    let around = Around {
        job: row.id,
        now: api.now(),
        held_by: queue.iter().find(|job| job.active && job.id != row.id).map(|job| job.id),
        known: device.is_some(),
        reachable: device.as_ref().is_some_and(|device| device.addresses.contains_key("webhook")),
        pause: Pause::first(&pauses, &subject),
        last_session,
    };
    Ok(Json(why::why(&record, &around)))
}

/// `POST /jobs/{id}/cancel`
pub(super) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<JobDetail>, Refusal> {
    let row = find(&api, &caller, &id).await?;
    api.hand.cancel(row, &caller.name, "asked to cancel it").await?;
    let row = find(&api, &caller, &id).await?;
    if row.state != StateName::Over(Outcome::Cancelled).to_string() && row.finished_at.is_some() {
        return Err(Problem::new(Code::AlreadyOver, format!("the job has ended before: {}", row.state)).into());
    }
    Ok(Json(JobDetail::of(&row)?))
}

/// Cancels the jobs of a device that was removed.
pub(super) async fn orphaned(api: &Api, caller: &Caller, device_norm: &str) -> Result<(), Refusal> {
    let filter = JobFilter { request: None, device_norm: Some(device_norm), state: None };
    let mut page = Page::first(Page::MOST);
    loop {
        let rows = api.store.jobs(&caller.tenant, filter, page).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        page = Page::after(Cursor { at: last.created_at, key: last.id.uuid() }, Page::MOST);
        for row in rows.into_iter().filter(|row| row.finished_at.is_none()) {
            api.hand.cancel(row, &caller.name, "removed its device").await?;
        }
    }
}

async fn find(api: &Api, caller: &Caller, id: &str) -> Result<JobRow, Refusal> {
    let id: JobId = id.parse().map_err(|_| Refusal::not_found("job"))?;
    let row = api.store.job(id).await?.filter(|row| row.tenant == caller.tenant);
    row.ok_or_else(|| Refusal::not_found("job"))
}

fn known_state(text: &str) -> Result<&str, Refusal> {
    let all: Vec<String> = StateName::all().map(|state| state.to_string()).collect();
    if all.iter().any(|state| state == text) {
        return Ok(text);
    }
    Err(Refusal::parameter("state", Code::UnknownValue, format!("{text:?} is none of {}", all.join(", "))))
}

fn half(name: &'static str) -> Refusal {
    let detail = "a request is named by `request` and `source` together";
    Problem::invalid(vec![Fault::new(format!("/{name}"), Code::MissingField, detail)]).into()
}
