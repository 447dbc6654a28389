//! The management infrastructure that the demo plays where a broker is set: it hands requests in and hears events there.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::told::Told;
use crate::{
    infra::{
        broker::{
            Amqp, Settings,
            amqp::{self, Fate, Message},
        },
        telemetry::chain,
    },
    model::id::EventId,
};

/// The broker from outside.
#[derive(Clone)]
pub(super) struct Bus {
    amqp: Arc<Amqp>,
    /// What the demo made there is its own, and goes with it.
    own: bool,
}

impl Bus {
    /// The broker of the settings, if one is set. `own` says that its names were made up for this demo.
    pub(super) fn of(settings: &Settings, own: bool) -> Result<Option<Self>, amqp::Error> {
        Ok(Amqp::outside(settings)?.map(|amqp| Self { amqp: Arc::new(amqp), own }))
    }

    /// Where events go.
    pub(super) fn events_exchange(&self) -> &str {
        &self.amqp.settings().events_exchange
    }

    /// Publishes a message, and waits until the broker has it.
    pub(super) async fn send(&self, key: &str, body: &Value, id: EventId) -> Result<(), String> {
        let body = body.to_string();
        let message = Message {
            exchange: &self.amqp.settings().exchange,
            key,
            id: id.to_string(),
            correlation: None,
            content_type: "application/json",
            headers: Vec::new(),
            mandatory: true,
            body: body.as_bytes(),
        };
        let sent = async {
            let link = self.amqp.connect("demo").await?;
            let fates = link.outlet().await?.publish(&[message]).await?;
            link.close().await;
            Ok::<_, amqp::Error>(fates)
        };
        match sent.await.map_err(|error| chain(&error))?.first() {
            Some(Fate::Confirmed) => Ok(()),
            Some(Fate::Returned | Fate::Refused) | None => Err("the broker did not take the request".to_owned()),
        }
    }

    /// Passes every event on from now on; tells when it has begun.
    pub(super) async fn follow(self, told: watch::Sender<Told>, begun: oneshot::Sender<Result<(), amqp::Error>>) {
        let heard = async {
            let link = self.amqp.connect("demo, events").await?;
            let heard = link.hear().await?;
            Ok((link, heard))
        };
        let (_link, mut heard) = match heard.await {
            Ok(heard) => heard,
            Err(error) => return drop(begun.send(Err(error))),
        };
        let _ = begun.send(Ok(())); // who does not wait any more has gone
        while let Ok(body) = heard.next().await {
            if let Ok(event) = serde_json::from_slice(&body) {
                told.send_modify(|told| told.take(&event));
            }
        }
    }

    /// Leaves nothing behind.
    pub(super) async fn strike(&self) -> Result<(), amqp::Error> {
        if !self.own {
            return Ok(());
        }
        let link = self.amqp.connect("demo").await?;
        link.remove().await?;
        link.close().await;
        Ok(())
    }
}
