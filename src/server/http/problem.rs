//! Refusals as HTTP answers: `application/problem+json` whatever went wrong (contract "Errors").

use std::{any::Any, error::Error, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tracing::error;

use crate::{
    contract::problem::{Code, Fault, Problem},
    infra::{system::SystemMint, telemetry::chain},
    model::clock::Mint as _,
};

/// The longest body that the API takes, in bytes (contract "Request").
pub const MOST_BODY: usize = 1024 * 1024;

/// What of a larger one is taken before its caller is cut off.
const MOST_DROPPED: usize = 64 * 1024 * 1024;

/// When to come back after an answer of 503, in seconds.
const RETRY_AFTER: &str = "5";

/// A problem on its way out.
#[derive(Debug)]
pub struct Refusal(Box<Problem>);

impl Refusal {
    /// Nothing of this name is here.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Problem::new(Code::NotFound, format!("no such {what}")).into()
    }

    /// The service failed; what happened is in the log under the answer's `trace_id`, and not in the answer.
    pub fn failed(code: Code, cause: &(dyn Error + 'static)) -> Self {
        let trace_id = SystemMint::new().token(16);
        error!(trace_id, error = chain(cause), "A call of the API failed");
        Problem::new(code, code.meaning()).traced(trace_id).into()
    }

    /// One query parameter cannot be taken.
    #[must_use]
    pub fn parameter(name: &str, code: Code, detail: impl Into<String>) -> Self {
        Problem::invalid(vec![Fault::new(format!("/{name}"), code, detail)]).into()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A body of JSON, not yet parsed: at most [`MOST_BODY`] bytes, and the caller says that it is JSON.
#[derive(Debug)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        // A browser asks before it sends this type across origins, so no page can post here behind an operator's back.
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
            let detail = format!("the Content-Type is {kind:?}, not application/json");
            return Err(Problem::new(Code::UnsupportedMediaType, detail).into());
        }
        whole(request.into_body()).await.map(Self)
    }
}

/// All of a body. Of one that is too large the rest is still taken and dropped, within bounds: a caller that is cut off while it
/// sends may never see why.
async fn whole(body: axum::body::Body) -> Result<Bytes, Refusal> {
    let broken = |why: &str| Refusal::from(Problem::new(Code::TooLarge, format!("the body {why}")));
    let (mut chunks, mut kept, mut seen) = (body.into_data_stream(), Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| broken("broke off"))?;
        seen = seen.saturating_add(chunk.len());
        if seen > MOST_DROPPED {
            break;
        }
        if seen <= MOST_BODY {
            kept.extend_from_slice(&chunk);
        }
    }
    if seen <= MOST_BODY { Ok(kept.into()) } else { Err(broken(&format!("has more than {MOST_BODY} bytes"))) }
}

/// The segments of a path, whose names the API chose and whose text the caller did.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Refusal))]
pub struct Path<T>(pub T);

impl From<rejection::PathRejection> for Refusal {
    fn from(rejection: rejection::PathRejection) -> Self {
        Problem::new(Code::NotFound, rejection.body_text()).into()
    }
}

/// Query parameters; unknown ones are refused by the type they are read into.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _state: &S) -> Result<Self, Refusal> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| Problem::new(Code::InvalidInput, rejection.body_text()).into())
    }
}

/// For what no route knows.
pub(super) async fn not_found(uri: Uri) -> Refusal {
    Problem::new(Code::NotFound, format!("there is nothing at {}", uri.path())).into()
}

/// For a method that a route does not know.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    Problem::new(Code::MethodNotAllowed, format!("{} does not know {method}", uri.path())).into()
}

/// Gives up on an answer that takes longer than `patience`; a stream counts as answered when it begins.
pub(super) async fn in_time(patience: Duration, request: Request, next: Next) -> Response {
    match timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(late) => Refusal::failed(Code::Unavailable, &late).into_response(),
    }
}

/// For a handler that panicked: the caller gets a problem, the process goes on.
#[expect(clippy::needless_pass_by_value, reason = "the shape that tower-http asks for")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Refusal::failed(Code::Internal, &Panicked(text.unwrap_or("without a text").to_owned())).into_response()
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);
