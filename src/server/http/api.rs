//! The API of operators and of the systems that hand in requests: a file per noun, a function per verb.

mod dead;
mod devices;
mod events;
mod jobs;
pub mod openapi;
mod packages;
mod page;
mod pauses;
mod requests;
mod select;
mod targets;

use std::{sync::Arc, time::Duration};

use axum::{
    Router, middleware,
    routing::{MethodRouter, delete, get, patch, post},
};
use tokio_util::sync::CancellationToken;

use super::{
    auth::{Doorkeeper, Gate, pass},
    in_its_time,
    problem::Refusal,
    with_problems,
};
use crate::{
    contract::{
        class::Classes,
        problem::{Code, Problem},
    },
    flow::intake::Intake,
    infra::{
        jobs::{
            brake::Brake,
            hand::{Hand, Unmoved},
        },
        store::{self, CommitError, Store},
    },
    model::clock::{Clock, Timestamp},
    server::config::Role,
};

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The state of everything.
    pub store: Store,
    /// Takes requests in.
    pub intake: Intake,
    /// Moves jobs by hand.
    pub hand: Hand,
    /// Pauses, and lets go on.
    pub brake: Brake,
    /// The device classes that records may name.
    pub classes: Arc<Classes>,
    /// Devices of a target list at most.
    pub most_listed: u32,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ends event streams when the service stops.
    pub stop: CancellationToken,
}

impl Api {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The routes of the admin listener; each says which role its caller needs.
pub fn routes(api: Api, doorkeeper: &Doorkeeper, patience: Duration) -> Router {
    let needs = |role, handler: MethodRouter<Api>| {
        handler.route_layer(middleware::from_fn_with_state(Gate { doorkeeper: doorkeeper.clone(), role }, pass))
    };
    let read = |handler| needs(Role::Read, handler);
    let submit = |handler| needs(Role::Submit, handler);
    let operate = |handler| needs(Role::Operate, handler);
    let v1 = Router::new()
        .route("/requests", read(get(requests::look_up)).merge(submit(post(requests::submit))))
        .route("/requests/{source}/{request_id}", read(get(requests::show)))
        .route("/requests/{source}/{request_id}/cancel", submit(post(requests::cancel)))
        .route("/requests/{source}/{request_id}/pause", submit(post(requests::pause)))
        .route("/requests/{source}/{request_id}/resume", submit(post(requests::resume)))
        .route("/jobs", read(get(jobs::list)))
        .route("/jobs/{id}", read(get(jobs::show)))
        .route("/jobs/{id}/why", read(get(jobs::why)))
        .route("/jobs/{id}/cancel", operate(post(jobs::cancel)))
        .route("/pauses", read(get(pauses::list)).merge(operate(post(pauses::pause).delete(pauses::resume))))
        .route("/dead", read(get(dead::list)))
        .route("/dead/{id}", read(get(dead::show)).merge(operate(delete(dead::drop))))
        .route("/dead/{id}/requeue", operate(post(dead::requeue)))
        .route("/devices", read(get(devices::list)).merge(operate(post(devices::add))))
        .route("/devices/{id}", read(get(devices::show)).merge(operate(patch(devices::change).delete(devices::remove))))
        .route("/devices/{id}/inventory", read(get(devices::inventories)))
        .route("/packages", read(get(packages::list)))
        .route("/packages/{id}", read(get(packages::versions)))
        .route("/packages/{id}/{version}", read(get(packages::show)))
        .route("/target-lists", read(get(targets::list)))
        .route("/target-lists/{name}", read(get(targets::show)).merge(submit(delete(targets::remove))))
        .route("/select", read(post(select::select)))
        .route("/events", read(get(events::read)))
        .with_state(api.clone());
    // What is uploaded takes as long as it is long.
    let uploads = Router::new().route("/target-lists", submit(post(targets::upload))).with_state(api);
    let root = Router::new().route("/openapi.json", get(openapi::read)).nest(openapi::PREFIX, v1);
    with_problems(root, patience).merge(in_its_time(Router::new().nest(openapi::PREFIX, uploads), targets::PATIENCE))
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        let passing = matches!(error, store::Error::Database { .. });
        Self::failed(if passing { Code::Unavailable } else { Code::Internal }, &error)
    }
}

impl From<Unmoved> for Refusal {
    fn from(error: Unmoved) -> Self {
        match error {
            Unmoved::Store(error) => error.into(),
            Unmoved::Commit(error) => error.into(),
            busy @ Unmoved::Busy(_) => Problem::new(Code::Unavailable, busy.to_string()).into(),
        }
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        let passing = match &error {
            CommitError::Conflict { .. } | CommitError::Unknown { .. } | CommitError::Closed => true,
            CommitError::Failed { source, .. } => matches!(**source, store::Error::Database { .. }),
        };
        Self::failed(if passing { Code::Unavailable } else { Code::Internal }, &error)
    }
}
