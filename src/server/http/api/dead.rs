//! `/dead`: messages of the bus that were refused: what they were, and what to do with them.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::Value;

use super::{
    Api,
    page::{Wish, next},
};
use crate::{
    contract::problem::{Code, Problem},
    flow::intake::{Receipt, Revived},
    infra::store::{self, Cursor, dead::DeadLetterRow},
    model::{
        clock::Timestamp,
        id::{DeadLetterId, RequestId, RequestSource},
    },
    server::http::{
        auth::Caller,
        problem::{Path, Query, Refusal},
    },
};

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "DeadLetterList")]
pub(super) struct List {
    dead: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A dead letter in short.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "DeadLetterSummary")]
pub(super) struct Summary {
    id: String,
    refused_at: Timestamp,
    /// `request` or `control`: its routing key.
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// How many bytes it had.
    size: u64,
    problem: Problem,
}

/// A dead letter in full.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "DeadLetterView")]
pub(super) struct View {
    #[serde(flatten)]
    summary: Summary,
    source: RequestSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    headers: BTreeMap<String, String>,
    /// Whether the dead queue has its copy.
    copied: bool,
    /// The body as JSON, if it is that.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// Else its bytes, or the first of many.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// A dead letter that is a request now.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "DeadLetterRequeued")]
pub(super) struct Requeued {
    id: String,
    request_id: RequestId,
    source: RequestSource,
    /// How many jobs it becomes, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<u32>,
}

/// `GET /dead`
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(wish): Query<Wish>,
) -> Result<Json<List>, Refusal> {
    let page = wish.page()?;
    let rows = api.store.dead_letters(&caller.tenant, page).await?;
    let next = next(page, &rows, |row| Cursor { at: row.at, key: row.id.uuid() });
    Ok(Json(List { dead: rows.iter().map(Summary::of).collect::<Result<_, _>>()?, next }))
}

/// `GET /dead/{id}`
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<View>, Refusal> {
    let row = find(&api, &caller, &id).await?;
    let summary = Summary::of(&row)?;
    let body: Option<Value> = serde_json::from_slice(&row.body).ok();
    let body_base64 = body.is_none().then(|| STANDARD.encode(&row.body));
    let DeadLetterRow { source, content_type, headers, copied, .. } = row;
    Ok(Json(View { summary, source, content_type, headers, copied, body, body_base64 }))
}

/// `POST /dead/{id}/requeue`: hands it in again; 202 if it is a request now
pub(super) async fn requeue(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Requeued>), Refusal> {
    let row = find(&api, &caller, &id).await?;
    match api.intake.revive(&row).await? {
        Revived::Accepted(receipt) => {
            let Receipt { request_id, source, jobs, .. } = receipt;
            Ok((StatusCode::ACCEPTED, Json(Requeued { id, request_id, source, jobs })))
        }
        Revived::Refused(problem) => Err((*problem).into()),
        Revived::Unavailable => Err(Problem::new(Code::Unavailable, Code::Unavailable.meaning()).into()),
    }
}

/// `DELETE /dead/{id}`
pub(super) async fn drop(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let row = find(&api, &caller, &id).await?;
    api.store.drop_dead_letter(&caller.tenant, row.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(api: &Api, caller: &Caller, id: &str) -> Result<DeadLetterRow, Refusal> {
    let unknown = || Refusal::not_found("dead letter");
    let id: DeadLetterId = id.parse().map_err(|_| unknown())?;
    api.store.dead_letter(&caller.tenant, id).await?.ok_or_else(unknown)
}

impl Summary {
    fn of(row: &DeadLetterRow) -> Result<Self, store::Error> {
        Ok(Self {
            id: row.id.to_string(),
            refused_at: row.at,
            kind: row.kind.clone(),
            message_id: row.message_id.clone(),
            size: row.size,
            problem: row.problem.read().map_err(store::Error::bad_row("dead_letter", "problem", row.id))?,
        })
    }
}
