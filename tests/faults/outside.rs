//! The management infrastructure outside: publishes requests until the broker has them, and hears every event.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;
use tokio::time::{sleep, timeout};

/// The queue that hears everything.
const HEARD: &str = "outside";
/// How long the broker may take to say anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// An event as it first came.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) event: Value,
    /// How often it came.
    pub(crate) times: usize,
}

/// What has been heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// In the order in which each came first.
    pub(crate) events: Vec<Told>,
    /// Where an id stands among them.
    places: BTreeMap<String, usize>,
    /// Two events under one id.
    pub(crate) contradictions: Vec<String>,
}

impl Heard {
    pub(crate) fn take(&mut self, event: Value) {
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        if let Some(told) = self.places.get(&id).and_then(|place| self.events.get_mut(*place)) {
            told.times += 1;
            if told.event != event {
                self.contradictions.push(format!("two events have the id {id}:\n{}\n{event}", told.event));
            }
            return;
        }
        self.places.insert(id, self.events.len());
        self.events.push(Told { event, times: 1 });
    }

    /// The events of a request, in the order in which they came first.
    pub(crate) fn of<'h>(&'h self, request: &'h str) -> impl Iterator<Item = &'h Told> {
        self.events.iter().filter(move |told| told.event["data"]["request_id"] == request)
    }

    pub(crate) fn is_complete(&self, request: &str) -> bool {
        self.of(request).any(|told| told.event["type"] == "scomo.request.completed")
    }
}

/// The outside, at a broker that comes and goes.
#[derive(Clone)]
pub(crate) struct Outside {
    url: String,
    pub(crate) heard: Arc<Mutex<Heard>>,
}

impl Outside {
    /// Makes the topology, as an operator would, and begins to hear.
    pub(crate) async fn begin(url: &str) -> Self {
        let outside = Self { url: url.to_owned(), heard: Arc::default() };
        outside.declare().await.unwrap();
        let listening = outside.clone();
        tokio::spawn(async move { listening.listen().await });
        outside
    }

    async fn connect(&self) -> lapin::Result<(Connection, Channel)> {
        let connecting = Connection::connect(&self.url, ConnectionProperties::default());
        let connection = timeout(PATIENCE, connecting).await.map_err(|_| lapin::ErrorKind::MissingHeartbeatError)??;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }

    async fn declare(&self) -> lapin::Result<()> {
        let (_connection, channel) = self.connect().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        for (name, kind) in [("scomo", ExchangeKind::Direct), ("scomo.events", ExchangeKind::Topic)] {
            channel.exchange_declare(name.into(), kind, durable, FieldTable::default()).await?;
        }
        for queue in ["scomo.requests", HEARD] {
            let mut arguments = FieldTable::default();
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(queue.into(), options, arguments).await?;
        }
        for (queue, exchange, key) in [
            ("scomo.requests", "scomo", "request"),
            ("scomo.requests", "scomo", "control"),
            (HEARD, "scomo.events", "#"),
        ] {
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments).await?;
        }
        Ok(())
    }

    async fn listen(&self) {
        loop {
            // Whatever ends it, the broker delivers again what was not acknowledged.
            let _ = self.hear().await;
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn hear(&self) -> lapin::Result<()> {
        let (_connection, channel) = self.connect().await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut consumer = channel.basic_consume(HEARD.into(), "".into(), options, arguments).await?;
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            let event: Value = serde_json::from_slice(&delivery.data).unwrap();
            self.heard.lock().unwrap().take(event);
            delivery.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    }

    /// Publishes a message until the broker says that it has it; it may then have it more than once.
    pub(crate) async fn publish(&self, key: &str, body: &Value) {
        loop {
            match timeout(PATIENCE, self.try_publish(key, body)).await {
                Ok(Ok(true)) => return,
                Ok(Ok(false) | Err(_)) | Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn try_publish(&self, key: &str, body: &Value) -> lapin::Result<bool> {
        let (connection, channel) = self.connect().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let body = body.to_string();
        let sent = channel.basic_publish("scomo".into(), key.into(), options, body.as_bytes(), properties).await?;
        let confirmed = sent.await?;
        let taken = confirmed.is_ack() && confirmed.take_message().is_none();
        let _ = connection.close(200, "done".into()).await;
        Ok(taken)
    }
}
