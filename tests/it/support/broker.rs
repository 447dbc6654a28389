//! What stands on the other side of a broker: hands requests in and hears events, under names that are one test's own.

use std::{io::Write as _, path::PathBuf, process::Command, thread, time::Duration};

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind,
    message::{BasicGetMessage, Delivery},
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use scomo::{infra::system::SystemMint, model::clock::Mint as _};
use serde_json::Value;
use tokio::time::timeout;

/// URL of a broker that tests may fill; `tests/run` sets it.
pub(crate) const AMQP: &str = "SCOMO_TEST_AMQP";

/// How long a message that must come may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// One test's exchanges and queues.
pub(crate) struct Bus {
    url: String,
    pub(crate) name: String,
    connection: Connection,
    channel: Channel,
    keep: bool,
}

/// The events that came in, in order.
pub(crate) struct Events {
    consumer: Consumer,
    /// Every one of them, with its properties.
    pub(crate) seen: Vec<(Value, BasicProperties)>,
}

/// A node of one test's own, which it may stop.
pub(crate) struct Node {
    folder: PathBuf,
    pub(crate) url: String,
}

/// Says that a test needs a broker; past the harness, which would keep it to itself.
fn skipped(test: &str) {
    let _ = writeln!(std::io::stderr(), "skipped, {AMQP} is not set (tests/run sets it): {test}");
}

/// The broker of the tests, unless there is none.
pub(crate) fn url(test: &str) -> Option<String> {
    let url = std::env::var(AMQP).ok();
    if url.is_none() {
        skipped(test);
    }
    url
}

async fn connect(url: &str) -> (Connection, Channel) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

impl Bus {
    /// `None` if no broker is given.
    pub(crate) async fn find(test: &str) -> Option<Self> {
        Some(Self::at(&url(test)?).await)
    }

    /// At a broker.
    pub(crate) async fn at(url: &str) -> Self {
        let name = format!("it-{}", SystemMint::new().token(12));
        let (connection, channel) = connect(url).await;
        let bus = Self { url: url.to_owned(), name, connection, channel, keep: false };
        bus.exchange(&bus.events_exchange(), ExchangeKind::Topic).await;
        bus
    }

    /// Connects anew, after the broker was away.
    pub(crate) async fn again(&mut self) {
        (self.connection, self.channel) = connect(&self.url).await;
    }

    /// Leaves what it made to the node, which goes itself.
    pub(crate) fn kept(mut self) -> Self {
        self.keep = true;
        self
    }

    /// The section `[bus]` of the settings, with `more` in it.
    pub(crate) fn settings(&self, more: &str) -> String {
        self.settings_at(&self.url, more)
    }

    /// The same by another way to the broker.
    pub(crate) fn settings_at(&self, url: &str, more: &str) -> String {
        format!(
            "[bus]\nurl = {url:?}\nexchange = {:?}\nqueue = {:?}\ndead_queue = {:?}\nevents_exchange = {:?}\n{more}\n",
            self.name,
            self.queue(),
            self.dead_queue(),
            self.events_exchange(),
        )
    }

    pub(crate) fn queue(&self) -> String {
        format!("{}.requests", self.name)
    }

    pub(crate) fn dead_queue(&self) -> String {
        format!("{}.requests.dead", self.name)
    }

    pub(crate) fn events_exchange(&self) -> String {
        format!("{}.events", self.name)
    }

    pub(crate) async fn exchange(&self, name: &str, kind: ExchangeKind) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        self.channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await.unwrap();
    }

    /// Makes a durable queue of a type, `quorum` or `classic`.
    pub(crate) async fn make_queue(&self, name: &str, kind: &str) {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(name.into(), options, arguments).await.unwrap();
    }

    /// Makes what the service would, before it starts, so that messages can wait for it.
    pub(crate) async fn prepare(&self) {
        self.exchange(&self.name, ExchangeKind::Direct).await;
        for queue in [self.queue(), self.dead_queue()] {
            self.make_queue(&queue, "quorum").await;
        }
        for key in ["request", "control"] {
            self.bind(&self.queue(), &self.name, key).await;
        }
    }

    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let binding = self.channel.queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        binding.await.unwrap();
    }

    /// Hands a message in, and waits until the broker has it.
    pub(crate) async fn send(&self, key: &str, body: &[u8], properties: BasicProperties) {
        let (exchange, options) = (self.name.as_str().into(), BasicPublishOptions::default());
        let sent = self.channel.basic_publish(exchange, key.into(), options, body, properties.with_delivery_mode(2));
        assert!(sent.await.unwrap().await.unwrap().is_ack());
    }

    /// Hands a request in.
    pub(crate) async fn ask(&self, request: &Value) {
        self.send("request", request.to_string().as_bytes(), BasicProperties::default()).await;
    }

    /// Takes one message of a queue that should have one.
    pub(crate) async fn take(&self, queue: &str) -> BasicGetMessage {
        super::watch::until(&format!("a message in {queue}"), async || self.look(queue).await).await
    }

    /// Takes one message of a queue if it has one; it is not acknowledged.
    pub(crate) async fn look(&self, queue: &str) -> Option<BasicGetMessage> {
        self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap()
    }

    /// How many messages of a queue wait, and how many consumers it has.
    pub(crate) async fn standing(&self, queue: &str) -> (u32, u32) {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
        (queue.message_count(), queue.consumer_count())
    }

    /// Hears the events of a key from now on, in a durable queue of their own.
    pub(crate) async fn listen(&self, key: &str) -> Events {
        let queue = self.heard(key).await;
        Events::of(self.consume(&queue).await)
    }

    /// Makes the queue that hears the events of a key, and gives its name.
    pub(crate) async fn heard(&self, key: &str) -> String {
        let queue = format!("{}.heard", self.name);
        self.make_queue(&queue, "quorum").await;
        self.bind(&queue, &self.events_exchange(), key).await;
        queue
    }

    pub(crate) async fn consume(&self, queue: &str) -> Consumer {
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        self.channel.basic_consume(queue.into(), "".into(), options, arguments).await.unwrap()
    }
}

impl Events {
    pub(crate) fn of(consumer: Consumer) -> Self {
        Self { consumer, seen: Vec::new() }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Value {
        let next = timeout(PATIENCE, self.consumer.next()).await;
        let Ok(next) = next else { panic!("no event more after {:#?}", self.seen) };
        let Delivery { data, properties, acker, .. } = next.unwrap().unwrap();
        acker.ack(BasicAckOptions::default()).await.unwrap();
        let event: Value = serde_json::from_slice(&data).unwrap();
        super::contract::is_event(&event);
        self.seen.push((event.clone(), properties));
        event
    }

    /// Takes events until one is as wanted, and gives that.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Takes events up to the one that says that a request is complete.
    pub(crate) async fn until_complete(&mut self, request: &str) -> Value {
        self.until(|e| e["type"] == "scomo.request.completed" && e["data"]["request_id"] == request).await
    }

    /// Goes on with the same at another connection.
    pub(crate) async fn again(&mut self, bus: &Bus, queue: &str) {
        self.consumer = bus.consume(queue).await;
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let (url, name) = (self.url.clone(), self.name.clone());
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(remove(&url, &name));
        });
        let _ = dropping.join();
    }
}

async fn remove(url: &str, name: &str) {
    let (connection, channel) = connect(url).await;
    for queue in ["requests", "requests.dead", "heard"] {
        let queue = format!("{name}.{queue}");
        let _ = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await;
    }
    for exchange in [name.to_owned(), format!("{name}.events")] {
        let _ = channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await;
    }
    let _ = connection.close(200, "done".into()).await;
}

impl Node {
    /// Starts one, as `tests/run` does.
    pub(crate) fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("scomo-mq-{}", SystemMint::new().token(12)));
        std::fs::create_dir(&folder).unwrap();
        let url = script(&format!("rabbitmq_start {:?}", folder.join("node")));
        Self { folder, url: url.trim().to_owned() }
    }

    /// A file of its certificates; `None` if it has none, for want of openssl.
    pub(crate) fn certificate(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join("node/tls").join(name)).filter(|path| path.exists())
    }

    /// The URL of its encrypted side.
    pub(crate) fn encrypted(&self) -> String {
        let node = std::fs::read_to_string(self.folder.join("node/node")).unwrap();
        let port = node.lines().find_map(|line| line.strip_prefix("tls=")).unwrap();
        format!("amqps://scomo:scomo@localhost:{port}/%2f")
    }

    /// Lets it use so much of the machine's memory before it takes no more messages: 0 raises the alarm.
    pub(crate) fn memory(&self, share: &str) {
        script(&format!("rabbitmq_ctl {:?} set_vm_memory_high_watermark {share}", self.folder.join("node")));
    }

    /// Stops it; what is durable stays.
    pub(crate) fn halt(&self) {
        script(&format!("rabbitmq_halt {:?}", self.folder.join("node")));
    }

    /// Starts it again.
    pub(crate) fn again(&self) {
        script(&format!("rabbitmq_again {:?}", self.folder.join("node")));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        script(&format!("rabbitmq_stop {:?}", self.folder.join("node")));
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn script(call: &str) -> String {
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lib/rabbitmq.sh");
    let ran = Command::new("bash").args(["-c", &format!(". {library:?} && {call}")]).output().unwrap();
    assert!(ran.status.success(), "{call}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}
