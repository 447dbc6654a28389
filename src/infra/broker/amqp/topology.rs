//! Exchanges, queues and bindings (contract "Bus").

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{Error, Kind, Link};

impl Link<'_> {
    /// A channel of this connection.
    pub(super) async fn channel(&self, doing: &'static str, what: &str) -> Result<Channel, Error> {
        self.connection.create_channel().await.map_err(|error| self.amqp.blame().doing(doing, what, error))
    }

    /// A name as AMQP carries it.
    pub(super) fn short(&self, doing: &'static str, text: &str) -> Result<ShortString, Error> {
        ShortString::try_new(text).map_err(|error| self.amqp.blame().too_long(doing, text, error))
    }

    /// Makes what is not there, or, if that is the operator's, looks whether it is there.
    pub(super) async fn prepare(&self) -> Result<(), Error> {
        let bus = &self.amqp.settings;
        self.exchange(&bus.exchange, ExchangeKind::Direct).await?;
        self.exchange(&bus.events_exchange, ExchangeKind::Topic).await?;
        self.queue(&bus.queue).await?;
        self.queue(&bus.dead_queue).await?;
        if bus.declare {
            for kind in Kind::ALL {
                self.bind(&bus.queue, &bus.exchange, kind.key()).await?;
            }
        }
        Ok(())
    }

    async fn exchange(&self, name: &str, kind: ExchangeKind) -> Result<(), Error> {
        let (passive, doing) = self.manner();
        // A refusal closes the channel: each question has its own.
        let channel = self.channel(doing, name).await?;
        let options = ExchangeDeclareOptions { passive, durable: true, ..ExchangeDeclareOptions::default() };
        let asked = channel.exchange_declare(self.short(doing, name)?, kind, options, FieldTable::default()).await;
        asked.map_err(|error| self.amqp.blame().doing(doing, name, error))
    }

    /// A quorum queue; everything else is the operator's policy.
    async fn queue(&self, name: &str) -> Result<(), Error> {
        let (passive, doing) = self.manner();
        let channel = self.channel(doing, name).await?;
        let options = QueueDeclareOptions { passive, durable: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let asked = channel.queue_declare(self.short(doing, name)?, options, arguments).await;
        asked.map(drop).map_err(|error| self.amqp.blame().doing(doing, name, error))
    }

    async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), Error> {
        const DOING: &str = "bind";
        let channel = self.channel(DOING, queue).await?;
        let (queue_name, exchange) = (self.short(DOING, queue)?, self.short(DOING, exchange)?);
        let bound =
            channel.queue_bind(queue_name, exchange, key.into(), QueueBindOptions::default(), FieldTable::default());
        bound.await.map_err(|error| self.amqp.blame().doing(DOING, queue, error))
    }

    const fn manner(&self) -> (bool, &'static str) {
        if self.amqp.settings.declare { (false, "declare") } else { (true, "look at") }
    }
}
