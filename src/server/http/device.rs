//! The door of devices: DM messages in, DM messages out. Everything about their meaning is decided by the flow.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{debug, warn};

use crate::{
    flow::session::{Post, Reply, Sessions},
    infra::telemetry::Metrics,
    model::clock::Clock,
};

/// The path that every device may use; RespURI leads here.
const DM: &str = "/dm";

/// When a device may try again after an answer of 503, in seconds.
const RETRY_AFTER: u32 = 30;

/// What carries the HMAC of a message under auth-MAC (DM 1.x sheet 3.5): part of what makes a message a repeat.
const HMAC: HeaderName = HeaderName::from_static("x-syncml-hmac");

/// What the handler works with.
struct Door {
    sessions: Sessions,
    most_bytes: usize,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// The routes that take device messages of at most `most_bytes`: `/dm` and the paths of `more`.
pub fn routes(
    sessions: Sessions,
    more: &[String],
    most_bytes: usize,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
) -> Router {
    let paths: BTreeSet<&str> = more.iter().map(String::as_str).chain([DM]).collect();
    let routes = paths.into_iter().fold(Router::new(), |routes, path| routes.route(path, post(take)));
    routes.with_state(Arc::new(Door { sessions, most_bytes, clock, metrics }))
}

/// Makes a router of devices answer plainly whatever goes wrong around its handlers: too late, a panic.
pub fn with_patience(router: Router, patience: Duration) -> Router {
    router
        .layer(middleware::from_fn(move |request, next| in_time(patience, request, next)))
        .layer(CatchPanicLayer::custom(|_| unavailable()))
}

async fn take(State(door): State<Arc<Door>>, request: Request) -> Response {
    let began = door.clock.now();
    // A session's work is deep; its future would make every connection large.
    let response = Box::pin(hand_in(&door, request)).await;
    door.metrics.message(response.status().as_u16(), door.clock.now().since(began));
    response
}

async fn hand_in(door: &Door, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, door.most_bytes).await {
        Ok(body) => body,
        Err(error) => {
            debug!(%error, "A message broke off or is too large");
            let why = format!("a message has at most {} bytes\n", door.most_bytes);
            return plain(StatusCode::PAYLOAD_TOO_LARGE, why);
        }
    };
    let text = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let post = Post {
        body: &body,
        content_type: text(&header::CONTENT_TYPE),
        user_agent: text(&header::USER_AGENT),
        auth: [text(&header::AUTHORIZATION), text(&HMAC)],
        query: parts.uri.query(),
    };
    answer(Box::pin(door.sessions.take(&post)).await)
}

fn answer(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    // What is said to a device in a session is for it alone and true once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    (status, headers, reply.body).into_response()
}

async fn in_time(patience: Duration, request: Request, next: Next) -> Response {
    timeout(patience, next.run(request)).await.unwrap_or_else(|_| {
        warn!("A device got no answer in time");
        unavailable()
    })
}

/// Not now, but later.
pub(super) fn unavailable() -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, String::new());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
    response
}

/// A status with a word of explanation.
pub(super) fn plain(status: StatusCode, text: String) -> Response<Body> {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], text)
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_not_to_be_kept() {
        let reply = Reply {
            status: 200,
            content_type: "application/vnd.syncml.dm+xml",
            retry_after: None,
            body: b"<a/>".into(),
        };
        let response = answer(reply);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/vnd.syncml.dm+xml");
        assert_eq!(to_bytes(response.into_body(), 99).await.unwrap(), "<a/>");
    }

    #[tokio::test]
    async fn a_panic_and_a_late_answer_mean_later() {
        let router = Router::new()
            .route("/panic", get(async || -> String { panic!("a secret of the code") }))
            .route("/slow", get(async || tokio::time::sleep(Duration::from_hours(1)).await));
        let router = with_patience(router, Duration::from_millis(20));
        for path in ["/panic", "/slow"] {
            let response = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(response.headers()[header::RETRY_AFTER], "30");
        }
    }
}
