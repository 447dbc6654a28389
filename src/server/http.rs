//! The three doors and what stands behind each: devices, operators, probes.
//!
//! A listener ([`listener`]) carries one router. The routers here are put together once, at the start, from the parts that the app
//! built; no handler knows another's.

pub mod api;
pub mod auth;
pub mod device;
pub mod download;
pub mod listener;
pub mod ops;
pub mod problem;
mod stall;

use std::time::Duration;

use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;

/// Makes a router answer with a problem whatever goes wrong around its handlers: no such path, no such method, too late, a panic.
pub(crate) fn with_problems(router: Router, patience: Duration) -> Router {
    in_its_time(router.fallback(problem::not_found).method_not_allowed_fallback(problem::method_not_allowed), patience)
}

/// The same for routes that are merged into such a router and have a patience of their own.
pub(crate) fn in_its_time(router: Router, patience: Duration) -> Router {
    router
        .layer(middleware::from_fn(move |request, next| problem::in_time(patience, request, next)))
        .layer(CatchPanicLayer::custom(problem::panicked))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, Request, header},
        routing::{get, post},
    };
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(request: Request<Body>) -> (u16, Value, Option<String>) {
        let router = Router::new()
            .route("/panic", get(async || -> String { panic!("a secret of the code") }))
            .route("/slow", get(async || tokio::time::sleep(Duration::from_hours(1)).await))
            .route("/json", post(async |problem::Body(body): problem::Body| body.len().to_string()))
            .route("/query", get(async |problem::Query(q): problem::Query<Wish>| q.limit.to_string()));
        let response = with_problems(router, Duration::from_millis(20)).oneshot(request).await.unwrap();
        let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let allow = response.headers().get(header::ALLOW).map(|allow| allow.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        if status != 200 {
            assert_eq!(kind.as_deref(), Some("application/problem+json"), "{status}");
        }
        (status, serde_json::from_slice(&body).unwrap(), allow)
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        limit: u32,
    }

    fn send(method: Method, path: &str) -> Request<Body> {
        Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
    }

    fn post_json(kind: &str, body: Vec<u8>) -> Request<Body> {
        Request::post("/json").header(header::CONTENT_TYPE, kind).body(body.into()).unwrap()
    }

    #[tokio::test]
    async fn what_is_not_there_is_a_problem() {
        let (status, problem, _) = ask(send(Method::GET, "/nowhere")).await;
        assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")));
        let (status, problem, allow) = ask(send(Method::DELETE, "/slow")).await;
        assert_eq!((status, problem["code"].as_str()), (405, Some("method_not_allowed")));
        assert_eq!(allow.as_deref(), Some("GET,HEAD"));
    }

    #[tokio::test]
    async fn a_panic_and_a_late_answer_tell_a_trace_id_and_nothing_else() {
        for (path, expected) in [("/panic", 500), ("/slow", 503)] {
            let (status, problem, _) = ask(send(Method::GET, path)).await;
            assert_eq!(status, expected);
            assert_eq!(problem["trace_id"].as_str().map(str::len), Some(16));
            assert!(!problem.to_string().contains("secret"), "{problem}");
        }
    }

    #[tokio::test]
    async fn a_body_is_json_and_bounded() {
        assert_eq!(ask(post_json("application/json; charset=utf-8", b"{}".to_vec())).await.0, 200);
        assert_eq!(ask(post_json("application/cloudevents+json", b"{}".to_vec())).await.0, 200);
        assert_eq!(ask(post_json("text/plain", b"{}".to_vec())).await.1["code"], "unsupported_media_type");
        assert_eq!(ask(post_json("application/json", vec![b' '; problem::MOST_BODY + 1])).await.0, 413);
    }

    #[tokio::test]
    async fn a_query_is_refused_by_name() {
        assert_eq!(ask(send(Method::GET, "/query?limit=3")).await.0, 200);
        let (status, problem, _) = ask(send(Method::GET, "/query?limit=3&limmit=4")).await;
        assert_eq!(status, 422);
        assert!(problem["detail"].as_str().unwrap().contains("limmit"), "{problem}");
    }
}
