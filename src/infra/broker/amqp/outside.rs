//! The other side of the broker: what hears events. The service itself never does; its demo does.

use futures_util::StreamExt as _;
use lapin::{
    Consumer,
    options::{BasicConsumeOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

use super::{Error, Link, error::Blame};

/// Events as they come, from the moment it was made until its connection ends.
pub struct Heard {
    consumer: Consumer,
    exchange: String,
    blame: Blame,
}

impl Link<'_> {
    /// Hears every event from now on, in a queue that goes with the connection.
    ///
    /// # Errors
    /// [`Error`] says what to do about it.
    pub async fn hear(&self) -> Result<Heard, Error> {
        const DOING: &str = "hear";
        let (exchange, blame) = (&self.amqp.settings.events_exchange, self.amqp.blame());
        let failed = |error| blame.doing(DOING, exchange, error);
        let channel = self.channel(DOING, exchange).await?;
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, FieldTable::default()).await.map_err(failed)?;
        let (from, options) = (self.short(DOING, exchange)?, QueueBindOptions::default());
        let bound = channel.queue_bind(queue.name().clone(), from, "#".into(), options, FieldTable::default());
        bound.await.map_err(failed)?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default());
        let consumer = consuming.await.map_err(failed)?;
        Ok(Heard { consumer, exchange: exchange.clone(), blame: blame.clone() })
    }

    /// Removes the exchanges and queues of the settings, and whatever is in them.
    ///
    /// # Errors
    /// [`Error`] of the first that cannot be removed.
    pub async fn remove(&self) -> Result<(), Error> {
        const DOING: &str = "remove";
        let bus = &self.amqp.settings;
        for name in [&bus.queue, &bus.dead_queue] {
            let removed = self
                .channel(DOING, name)
                .await?
                .queue_delete(self.short(DOING, name)?, QueueDeleteOptions::default())
                .await;
            removed.map_err(|error| self.amqp.blame().doing(DOING, name, error))?;
        }
        for name in [&bus.exchange, &bus.events_exchange] {
            let removed = self
                .channel(DOING, name)
                .await?
                .exchange_delete(self.short(DOING, name)?, ExchangeDeleteOptions::default())
                .await;
            removed.map_err(|error| self.amqp.blame().doing(DOING, name, error))?;
        }
        Ok(())
    }
}

impl Heard {
    /// The next event's body.
    ///
    /// # Errors
    /// [`Error::Cancelled`] or [`Error::Lost`]; nothing more comes then.
    pub async fn next(&mut self) -> Result<Vec<u8>, Error> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(delivery.data),
            Some(Err(error)) => Err(self.blame.doing("hear", &self.exchange, error)),
            None => Err(self.blame.cancelled(&self.exchange)),
        }
    }
}
