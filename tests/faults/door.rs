//! The door that devices reach the replicas by: each message goes to the next replica. It may lose a message or its answer, or hand a
//! message to two replicas at once, and it writes down what devices were told and what they showed, in its order.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use scomo::{
    infra::system::SystemClock,
    model::clock::{Clock as _, Timestamp},
    wire::syncml::{Command, Message, limits::Limits, xml},
};
use tokio::net::TcpListener;

use super::{chance::Chance, plan};

/// How long a replica may take to answer before the door gives up on it, as an ingress does.
const PATIENCE: Duration = Duration::from_secs(7);

/// What passed the door, from the device's view.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) at: Timestamp,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The device was told to run something.
    Exec { target: String, correlator: String },
    /// It showed a part of its tree.
    Shown { uri: String },
}

/// What the door has done to messages.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) passed: usize,
    pub(crate) lost_requests: usize,
    pub(crate) lost_answers: usize,
    pub(crate) doubled: usize,
}

pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    replicas: Mutex<Vec<SocketAddr>>,
    next: AtomicUsize,
    client: reqwest::Client,
    mood: Mutex<Option<plan::Door>>,
    chance: Mutex<Chance>,
    log: Mutex<BTreeMap<String, Vec<Passed>>>,
    done: Mutex<Done>,
}

impl Door {
    pub(crate) async fn make(seed: u64) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Arc::new(Self {
            address: listener.local_addr().unwrap(),
            listener: Mutex::new(Some(listener)),
            replicas: Mutex::default(),
            next: AtomicUsize::new(0),
            client: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap(),
            mood: Mutex::default(),
            chance: Mutex::new(Chance::of(seed, u64::MAX)),
            log: Mutex::default(),
            done: Mutex::default(),
        })
    }

    /// Opens it before these replicas.
    pub(crate) fn open(self: &Arc<Self>, replicas: Vec<SocketAddr>) {
        *self.replicas.lock().unwrap() = replicas;
        let listener = self.listener.lock().unwrap().take().unwrap();
        let router = Router::new().fallback(pass).with_state(Arc::clone(self));
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    /// Does this to messages from now on.
    pub(crate) fn is(&self, mood: Option<plan::Door>) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What passed of each device, in order.
    pub(crate) fn log(&self) -> BTreeMap<String, Vec<Passed>> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn done(&self) -> Done {
        *self.done.lock().unwrap()
    }

    /// Forgets what passed; the counts stay.
    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }

    fn note(&self, device: &str, what: impl IntoIterator<Item = What>) {
        let at = SystemClock.now();
        let passed = what.into_iter().map(|what| Passed { at, what });
        self.log.lock().unwrap().entry(device.to_owned()).or_default().extend(passed);
    }

    fn count(&self, count: impl FnOnce(&mut Done)) {
        count(&mut self.done.lock().unwrap());
    }

    /// What is to happen to this message.
    fn mood(&self) -> Option<plan::Door> {
        let mood = (*self.mood.lock().unwrap())?;
        let happens = mood == plan::Door::Twice || self.chance.lock().unwrap().percent(33);
        happens.then_some(mood)
    }

    /// Hands it to the next replica that is there. One that took it and did not answer may have done what it asks.
    async fn forward(&self, parts: &Parts, body: Bytes) -> Response {
        let replicas = self.replicas.lock().unwrap().clone();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers.clone();
        headers.remove(header::HOST);
        for _ in 0..replicas.len() {
            let replica = replicas[self.next.fetch_add(1, Ordering::Relaxed) % replicas.len()];
            let url = format!("http://{replica}{path}");
            let request = self.client.request(parts.method.clone(), url).headers(headers.clone()).body(body.clone());
            match request.send().await {
                Ok(answer) => return whole(answer).await,
                Err(error) if error.is_connect() => {}
                Err(_) => return failed(StatusCode::GATEWAY_TIMEOUT),
            }
        }
        failed(StatusCode::BAD_GATEWAY)
    }
}

async fn whole(answer: reqwest::Response) -> Response {
    let mut response = Response::builder().status(answer.status());
    // Devices of a test do not wait half a minute.
    let kept = |name: &header::HeaderName| ![header::TRANSFER_ENCODING, header::RETRY_AFTER].contains(name);
    for (name, value) in answer.headers().iter().filter(|(name, _)| kept(name)) {
        response = response.header(name, value);
    }
    match answer.bytes().await {
        Ok(bytes) => response.body(Body::from(bytes)).unwrap(),
        Err(_) => failed(StatusCode::BAD_GATEWAY),
    }
}

fn failed(status: StatusCode) -> Response {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

async fn pass(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else { return failed(StatusCode::BAD_REQUEST) };
    let is_message = parts.uri.path().starts_with("/dm");
    let mood = door.mood();
    if mood == Some(plan::Door::LoseRequests) {
        door.count(|done| done.lost_requests += 1);
        return failed(StatusCode::BAD_GATEWAY);
    }
    if !is_message {
        let response = door.forward(&parts, body).await;
        if mood == Some(plan::Door::LoseAnswers) {
            door.count(|done| done.lost_answers += 1);
            return failed(StatusCode::BAD_GATEWAY);
        }
        return response;
    }
    let Ok(message) = xml::read(&body, &Limits::default()) else { return door.forward(&parts, body).await };
    let device = message.header.source.uri.clone();
    door.note(&device, shown(&message));
    let response = if mood == Some(plan::Door::Twice) {
        door.count(|done| done.doubled += 1);
        let (one, other) = tokio::join!(door.forward(&parts, body.clone()), door.forward(&parts, body));
        if one.status().is_success() { one } else { other }
    } else {
        door.forward(&parts, body).await
    };
    if mood == Some(plan::Door::LoseAnswers) {
        door.count(|done| done.lost_answers += 1);
        return failed(StatusCode::BAD_GATEWAY);
    }
    door.count(|done| done.passed += 1);
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if let Ok(answer) = xml::read(&body, &Limits::default()) {
        door.note(&device, told(&answer));
    }
    Response::from_parts(head, Body::from(body))
}

/// The parts of the tree in a message.
fn shown(message: &Message) -> Vec<What> {
    let mut all = Vec::new();
    for command in &message.body.commands {
        match command {
            Command::Results(results) => {
                all.extend(results.items.iter().map(|item| What::Shown { uri: item.source_uri().to_owned() }));
            }
            // What is not there is an answer, too.
            Command::Status(status) if status.cmd == "Get" && status.code() != Some(200) => {
                all.push(What::Shown { uri: format!("{} ({})", status.target_refs.join(" "), status.data) });
            }
            _ => {}
        }
    }
    all
}

/// The Execs in a message.
fn told(message: &Message) -> Vec<What> {
    fn gather(commands: &[Command], all: &mut Vec<What>) {
        for command in commands {
            match command {
                Command::Exec(exec) => all.push(What::Exec {
                    target: exec.items.first().map(|item| item.target_uri().to_owned()).unwrap_or_default(),
                    correlator: exec.correlator.clone().unwrap_or_default(),
                }),
                Command::Sequence(group) | Command::Atomic(group) => gather(&group.commands, all),
                _ => {}
            }
        }
    }
    let mut all = Vec::new();
    gather(&message.body.commands, &mut all);
    all
}
