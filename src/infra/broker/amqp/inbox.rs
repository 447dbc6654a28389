//! Messages that come in.

use std::{collections::BTreeMap, mem, time::Duration};

use futures_util::StreamExt as _;
use lapin::{
    Channel, Consumer, message,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::timeout;

use super::{Error, Link, PATIENCE, error::Blame};

/// How long a batch waits for one message more.
const LINGER: Duration = Duration::from_millis(3);
/// Bytes after which a batch waits for no more.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Headers of a message that are kept.
const MOST_HEADERS: usize = 32;

/// What a message is, by its routing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks for something.
    Request,
    /// Changes what was asked.
    Control,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What it is.
    pub kind: Kind,
    /// What it holds.
    pub body: Vec<u8>,
    /// The type of that, as its sender says.
    pub content_type: Option<String>,
    /// What its sender calls it.
    pub message_id: Option<String>,
    /// What else its sender says, as text.
    pub headers: BTreeMap<String, String>,
    tag: u64,
}

/// A queue that is being read. Whatever is not acknowledged when it is closed or dropped, the broker delivers again.
pub struct Inbox {
    channel: Channel,
    consumer: Consumer,
    queue: String,
    /// The longest batch: half of what may be on its way, so that the other half comes while it is stored.
    most: usize,
    /// The batch that is being gathered; here, so that none is forgotten when the gathering is given up.
    taken: Vec<Delivery>,
    /// What ended the queue behind that batch.
    ended: Option<Error>,
    blame: Blame,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Request, Self::Control];

    /// Its routing key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Control => "control",
        }
    }

    /// Of a message with this routing key. Whatever was put into the queue in another way is taken for a request.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.key() == key).unwrap_or(Self::Request)
    }
}

impl Link<'_> {
    /// Begins to read the queue of requests.
    ///
    /// # Errors
    /// [`Error`] says what to do about it.
    pub async fn inbox(&self) -> Result<Inbox, Error> {
        const DOING: &str = "read";
        let (bus, blame) = (&self.amqp.settings, self.amqp.blame());
        let failed = |error| blame.doing(DOING, &bus.queue, error);
        let channel = self.channel(DOING, &bus.queue).await?;
        channel.basic_qos(bus.prefetch, BasicQosOptions::default()).await.map_err(failed)?;
        let queue = self.short(DOING, &bus.queue)?;
        let consuming =
            channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), FieldTable::default()).await;
        let consumer = consuming.map_err(failed)?;
        Ok(Inbox {
            channel,
            consumer,
            queue: bus.queue.clone(),
            most: bus.prefetch.div_ceil(2).max(1).into(),
            taken: Vec::new(),
            ended: None,
            blame: blame.clone(),
        })
    }
}

impl Inbox {
    /// Waits for a message, and takes with it what comes in the next moment. Safe to give up on before it ends.
    ///
    /// # Errors
    /// [`Error::Cancelled`] or [`Error::Lost`]; nothing more comes then.
    pub async fn batch(&mut self) -> Result<Vec<Delivery>, Error> {
        if let Some(error) = self.ended.take_if(|_| self.taken.is_empty()) {
            return Err(error);
        }
        if self.taken.is_empty() {
            let first = self.consumer.next().await;
            let first = self.delivery(first)?;
            self.taken.push(first);
        }
        let mut bytes: usize = self.taken.iter().map(|delivery| delivery.body.len()).sum();
        while self.taken.len() < self.most && bytes < MOST_BYTES && self.ended.is_none() {
            let Ok(next) = timeout(LINGER, self.consumer.next()).await else { break };
            match self.delivery(next) {
                Ok(delivery) => {
                    bytes += delivery.body.len();
                    self.taken.push(delivery);
                }
                Err(error) => {
                    self.ended = Some(error);
                    break;
                }
            }
        }
        Ok(mem::take(&mut self.taken))
    }

    fn delivery(&self, next: Option<lapin::Result<message::Delivery>>) -> Result<Delivery, Error> {
        match next {
            Some(Ok(delivery)) => Ok(Delivery::of(delivery)),
            Some(Err(error)) => Err(self.blame.doing("read", &self.queue, error)),
            None => Err(self.blame.cancelled(&self.queue)),
        }
    }

    /// Acknowledges a whole batch.
    ///
    /// # Errors
    /// [`Error::Lost`]: the broker delivers it again.
    pub async fn settle(&self, batch: &[Delivery]) -> Result<(), Error> {
        match batch.last() {
            Some(last) => self.ack(last.tag, true).await,
            None => Ok(()),
        }
    }

    /// Acknowledges one message.
    ///
    /// # Errors
    /// [`Error::Lost`]: the broker delivers it again.
    pub async fn settle_one(&self, delivery: &Delivery) -> Result<(), Error> {
        self.ack(delivery.tag, false).await
    }

    async fn ack(&self, tag: u64, multiple: bool) -> Result<(), Error> {
        let acked = self.channel.basic_ack(tag, BasicAckOptions { multiple }).await;
        acked.map_err(|error| self.blame.doing("acknowledge messages of", &self.queue, error))
    }

    /// Asks for no more; what has come already can still be taken, until [`Error::Cancelled`] says that it was all.
    pub async fn cancel(&self) {
        let cancelling = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        let _ = timeout(PATIENCE, cancelling).await; // a broker that is gone delivers nothing more either
    }

    /// Gives back what was not acknowledged.
    pub async fn close(self) {
        self.cancel().await;
        let _ = timeout(PATIENCE, self.channel.close(200, "done".into())).await;
    }
}

impl Delivery {
    fn of(delivery: message::Delivery) -> Self {
        let properties = &delivery.properties;
        let text = |text: &Option<ShortString>| text.as_ref().map(|text| clean(text.as_str()));
        let headers = properties.headers().as_ref().map(|headers| headers.inner().iter());
        let headers = headers.into_iter().flatten().take(MOST_HEADERS);
        Self {
            kind: Kind::of(delivery.routing_key.as_str()),
            content_type: text(properties.content_type()),
            message_id: text(properties.message_id()),
            headers: headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), shown(value)?))).collect(),
            tag: delivery.delivery_tag,
            body: delivery.data,
        }
    }
}

/// A header as text; what is neither text nor number is left out.
fn shown(value: &AMQPValue) -> Option<String> {
    const MOST: usize = 1024;
    let text = value.as_long_string().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
    let text = text.or_else(|| value.as_short_string().map(|text| text.as_str().to_owned()));
    let text = text.or_else(|| value.as_bool().map(|value| value.to_string()));
    let text = text.or_else(|| value.as_long_long_int().map(|value| value.to_string()));
    let text = text.or_else(|| value.as_long_int().map(|value| value.to_string()));
    text.map(|text| text.chars().take(MOST).collect())
}

/// A text that every database keeps: without control characters.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
