//! Messages that go out, with confirms.

use std::{collections::BTreeSet, pin::pin, time::Duration};

use lapin::{
    BasicProperties, Channel, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::sleep;

use super::{Error, Link, State};

/// How long the broker may take to confirm, unless it said that it takes nothing for now.
const PATIENCE: Duration = Duration::from_secs(30);
/// `delivery_mode` of what survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// The header that says why a message is in the dead queue.
pub const ERROR_HEADER: &str = "x-scomo-error";

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The exchange; empty for the one that delivers to the queue named by the key.
    pub exchange: &'a str,
    /// The routing key.
    pub key: &'a str,
    /// Its id, the same each time that it is published.
    pub id: String,
    /// The request that it belongs to.
    pub correlation: Option<String>,
    /// The type of its body.
    pub content_type: &'a str,
    /// Headers.
    pub headers: Vec<(&'a str, String)>,
    /// Whether it is to come back if no queue takes it.
    pub mandatory: bool,
    /// The body.
    pub body: &'a [u8],
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The broker has it.
    Confirmed,
    /// No queue takes it.
    Returned,
    /// The broker did not want it.
    Refused,
}

/// A channel that publishes; one batch at a time.
pub struct Outlet<'a> {
    link: &'a Link<'a>,
    channel: Channel,
}

impl Link<'_> {
    /// A channel that publishes with confirms.
    ///
    /// # Errors
    /// [`Error::Lost`]
    pub async fn outlet(&self) -> Result<Outlet<'_>, Error> {
        const DOING: &str = "publish to";
        let what = &self.amqp.settings.events_exchange;
        let channel = self.channel(DOING, what).await?;
        let selected = channel.confirm_select(ConfirmSelectOptions::default()).await;
        selected.map_err(|error| self.amqp.blame().doing(DOING, what, error))?;
        Ok(Outlet { link: self, channel })
    }
}

impl<'a> Outlet<'a> {
    /// The exchange that events go to.
    #[must_use]
    pub fn events_exchange(&self) -> &'a str {
        &self.link.amqp.settings.events_exchange
    }

    /// Publishes messages, all of them in flight at once, and says for each what became of it.
    ///
    /// # Errors
    /// If the connection is lost before every one was confirmed: the broker may have any of them.
    pub async fn publish(&mut self, messages: &[Message<'_>]) -> Result<Vec<Fate>, Error> {
        let Some(first) = messages.first() else { return Ok(Vec::new()) };
        let failed = |error| self.link.amqp.blame().doing("publish to", target(first), error);
        let mut publishing = pin!(self.all(messages));
        loop {
            tokio::select! {
                fates = &mut publishing => return fates,
                () = self.link.lost() => return Err(failed(lapin::ErrorKind::MissingHeartbeatError.into())),
                () = sleep(PATIENCE) => {
                    if self.link.state() != State::Blocked {
                        return Err(self.link.amqp.blame().silent());
                    }
                }
            }
        }
    }

    async fn all(&self, messages: &[Message<'_>]) -> Result<Vec<Fate>, Error> {
        let mut waiting = Vec::with_capacity(messages.len());
        for message in messages {
            waiting.push((message, self.send(message).await?));
        }
        let (mut fates, mut returned) = (Vec::with_capacity(waiting.len()), BTreeSet::new());
        for (message, confirm) in waiting {
            let confirmed = confirm.await;
            let confirmed = confirmed.map_err(|e| self.link.amqp.blame().doing("publish to", target(message), e))?;
            let refused = confirmed.is_nack();
            // What comes back is handed out with whichever confirm comes next: it is known by its id alone.
            if let Some(back) = confirmed.take_message() {
                returned.extend(back.properties.message_id().as_ref().map(|id| id.as_str().to_owned()));
            }
            fates.push(if refused { Fate::Refused } else { Fate::Confirmed });
        }
        for (fate, message) in fates.iter_mut().zip(messages) {
            if returned.contains(&message.id) {
                *fate = Fate::Returned;
            }
        }
        Ok(fates)
    }

    async fn send(&self, message: &Message<'_>) -> Result<PublisherConfirm, Error> {
        const DOING: &str = "publish to";
        let short = |text: &str| self.link.short(DOING, text);
        let mut properties = BasicProperties::default()
            .with_content_type(short(message.content_type)?)
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short(&message.id)?);
        if let Some(correlation) = &message.correlation {
            properties = properties.with_correlation_id(short(correlation)?);
        }
        if !message.headers.is_empty() {
            let mut headers = FieldTable::default();
            for (name, text) in &message.headers {
                headers.insert(short(name)?, AMQPValue::LongString(text.as_str().into()));
            }
            properties = properties.with_headers(headers);
        }
        let options = BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };
        let (exchange, key) = (short(message.exchange)?, short(message.key)?);
        let sent = self.channel.basic_publish(exchange, key, options, message.body, properties).await;
        sent.map_err(|error| self.link.amqp.blame().doing(DOING, target(message), error))
    }
}

/// What the errors call the place that a message goes to.
const fn target<'a>(message: &Message<'a>) -> &'a str {
    if message.exchange.is_empty() { message.key } else { message.exchange }
}
