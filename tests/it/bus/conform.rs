//! What every bus must do.

use serde_json::{Value, json};

use crate::support::{
    broker::{Bus, Events},
    service::{Service, but, device, request},
    watch::until,
};

/// A bus with a service at its other end.
enum Side {
    Embedded(Service),
    Amqp(Box<(Bus, Events, Service)>),
}

impl Side {
    async fn embedded() -> Self {
        Self::Embedded(Service::start().await)
    }

    async fn amqp(test: &str) -> Option<Self> {
        let bus = Bus::find(test).await?;
        let events = bus.listen("#").await;
        let service = Service::with(&bus.settings("")).await;
        bus.prepare().await;
        Some(Self::Amqp(Box::new((bus, events, service))))
    }

    fn service(&self) -> &Service {
        match self {
            Self::Embedded(service) => service,
            Self::Amqp(side) => &side.2,
        }
    }

    async fn ask(&self, request: &Value) {
        match self {
            Self::Embedded(service) => assert!([200, 202].contains(&service.post("/requests", request).await.status)),
            Self::Amqp(side) => side.0.ask(request).await,
        }
    }

    /// Every event up to the completion of a request.
    async fn told(&mut self, id: &str) -> Vec<Value> {
        match self {
            Self::Embedded(service) => {
                let complete = |events: &[Value]| {
                    events.iter().any(|e| e["type"] == "scomo.request.completed" && e["subject"] == id)
                };
                until(&format!("{id} to be complete"), async || {
                    let page = service.get("/events?limit=1000").await.body;
                    Some(page["events"].as_array().unwrap().clone()).filter(|events| complete(events))
                })
                .await
            }
            Self::Amqp(side) => {
                let complete = |e: &Value| e["type"] == "scomo.request.completed" && e["subject"] == id;
                if !side.1.seen.iter().any(|(event, _)| complete(event)) {
                    side.1.until(complete).await;
                }
                side.1.seen.iter().map(|(event, _)| event.clone()).collect()
            }
        }
    }

    async fn stop(self) {
        match self {
            Self::Embedded(service) => service.stop().await,
            Self::Amqp(side) => side.2.stop().await,
        }
    }
}

/// Makes a test of a `async fn` that takes a [`Side`] for each bus.
macro_rules! on_each_bus {
    ($(async fn $name:ident($side:ident: Side) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test(mut $side: Side) {
                $body
                $side.stop().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                test(Side::embedded().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn amqp() {
                if let Some(side) = Side::amqp(module_path!()).await {
                    test(side).await;
                }
            }
        }
    )+};
}

fn types_of(events: &[Value], subject: &str) -> Vec<String> {
    let of = events.iter().filter(|e| e["subject"] == subject || e["data"]["request_id"] == subject);
    of.map(|e| e["type"].as_str().unwrap().to_owned()).collect()
}

on_each_bus! {
    async fn a_request_is_told_to_be_accepted_and_complete(side: Side) {
        side.ask(&request("r", &["unknown"])).await;
        let events = side.told("r").await;
        // Order holds within a subject: the request's own events, and the job's.
        let mut told = types_of(&events, "r");
        told.sort();
        assert_eq!(told, ["scomo.job.failed", "scomo.request.accepted", "scomo.request.completed"]);
        assert_eq!(side.service().get("/requests/it/r").await.body["state"], "completed", "what is told is stored");
    }

    async fn a_repeat_has_no_second_effect(side: Side) {
        let asked = request("r", &["unknown"]);
        side.ask(&asked).await;
        side.ask(&asked).await;
        side.ask(&request("last", &["unknown"])).await;
        let events = side.told("last").await;
        let accepted = types_of(&events, "r").iter().filter(|kind| *kind == "scomo.request.accepted").count();
        assert_eq!(accepted, 1, "{events:#?}");
    }

    async fn the_events_of_a_job_come_in_their_order(side: Side) {
        for n in 0..20 {
            let id = format!("d{n}");
            assert_eq!(side.service().post("/devices", &device(&id)).await.status, 201);
            side.ask(&but(request(&format!("r{n}"), &[&id]), &json!({ "notify": "never" }))).await;
        }
        for n in 0..20 {
            let path = format!("/requests/it/r{n}");
            side.service().until(&path, |body| body["jobs"] == 1).await;
            assert_eq!(side.service().post(&format!("{path}/cancel"), &json!({})).await.status, 200);
        }
        let mut events = Vec::new();
        for n in 0..20 {
            events = side.told(&format!("r{n}")).await;
        }
        for n in 0..20 {
            // Order holds within a subject; the request and its job are two.
            let (request, job): (Vec<_>, Vec<_>) =
                types_of(&events, &format!("r{n}")).into_iter().partition(|kind| kind.starts_with("scomo.request."));
            assert_eq!(request, ["scomo.request.accepted", "scomo.request.completed"], "r{n}");
            assert!(job.is_empty() || job == ["scomo.job.cancelled"], "r{n}: {job:?}");
        }
    }
}
