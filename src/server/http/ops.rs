//! Probes and metrics: for whatever keeps the service running, inside only.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use crate::infra::telemetry::Metrics;

/// Whether this replica may get traffic. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<Standing>>);

#[derive(Debug, Clone, Default, Serialize)]
struct Standing {
    phase: Phase,
    /// What the service depends on; does not decide readiness, so that a broker's outage does not cut the devices off.
    dependencies: BTreeMap<&'static str, Health>,
}

/// Where the service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not everything is there yet.
    #[default]
    Starting,
    /// Takes work.
    Ready,
    /// Ends what it has, takes nothing more.
    Draining,
}

/// How a dependency does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Its last use went well.
    Up,
    /// Its last use failed.
    Down,
}

impl Readiness {
    /// The service has come this far.
    pub fn enter(&self, phase: Phase) {
        self.with(|state| state.phase = phase);
    }

    /// A dependency was used, and did well or not.
    pub fn saw(&self, dependency: &'static str, health: Health) {
        self.with(|state| {
            state.dependencies.insert(dependency, health);
        });
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Standing) -> T) -> T {
        // Nothing in here can panic half-way, so what a poisoned lock holds is whole.
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The routes of the ops listener.
pub fn routes(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(figures).with_state(metrics))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let state = readiness.with(|state| state.clone());
    let status = match state.phase {
        Phase::Ready => StatusCode::OK,
        Phase::Starting | Phase::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(state)).into_response()
}

async fn figures(State(metrics): State<Metrics>) -> impl IntoResponse {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], metrics.encode())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(readiness: &Readiness, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes(readiness.clone(), Metrics::default()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn only_starting_and_draining_are_not_ready() {
        let readiness = Readiness::default();
        assert_eq!(ask(&readiness, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&readiness, "/livez").await.0, StatusCode::OK);
        readiness.enter(Phase::Ready);
        readiness.saw("bus", Health::Down);
        let (status, body) = ask(&readiness, "/readyz").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"phase":"ready","dependencies":{"bus":"down"}}"#));
        readiness.enter(Phase::Draining);
        assert_eq!(ask(&readiness, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn figures_are_open_metrics() {
        assert!(ask(&Readiness::default(), "/metrics").await.1.ends_with("# EOF\n"));
    }
}
