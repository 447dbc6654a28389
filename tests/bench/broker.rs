//! What stands on the other side of the broker.

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

/// Messages on their way at the same time.
const TOGETHER: usize = 500;

/// A channel, and the connection that carries it.
pub(crate) struct Peer {
    pub(crate) channel: Channel,
    connection: Connection,
}

impl Peer {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { channel, connection })
    }

    /// One channel more of the connection.
    pub(crate) async fn another(&self) -> Result<Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    /// Publishes messages with confirms, each under its id.
    pub(crate) async fn publish(&self, exchange: &str, key: &str, messages: &[(String, String)]) -> Result<()> {
        for some in messages.chunks(TOGETHER) {
            let mut confirms = Vec::with_capacity(some.len());
            for (id, body) in some {
                let properties = BasicProperties::default().with_delivery_mode(2).with_message_id(id.as_str().into());
                let options = BasicPublishOptions::default();
                let sent =
                    self.channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties);
                confirms.push(sent.await?);
            }
            for confirm in confirms {
                if !confirm.await?.is_ack() {
                    bail!("the broker refused a message");
                }
            }
        }
        Ok(())
    }

    /// Makes a quorum queue that gets what comes under a key.
    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<()> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), options, arguments).await?;
        let options = QueueBindOptions::default();
        self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await?;
        Ok(())
    }

    pub(crate) async fn purge(&self, queue: &str) -> Result<()> {
        self.channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    pub(crate) async fn consume(&self, queue: &str, prefetch: u16) -> Result<Consumer> {
        self.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        Ok(self.channel.basic_consume(queue.into(), "".into(), options, arguments).await?)
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.connection.close(200, "done".into()).await?;
        Ok(())
    }
}

/// The next event of a queue, acknowledged.
pub(crate) async fn next(consumer: &mut Consumer) -> Result<Value> {
    let delivery = consumer.next().await.context("the queue ended")??;
    delivery.acker.ack(BasicAckOptions::default()).await?;
    Ok(serde_json::from_slice(&delivery.data)?)
}
