//! A gate between devices and server, which sees each message and may do something to it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::Response,
};

use super::world::Server;

/// What the gate does to DM messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes them on, and keeps a copy.
    Pass,
    /// Passes each on twice at the same moment.
    Twice,
    /// Before it passes one on, the server is started anew.
    Restart,
    /// Each goes to the next of the replicas.
    Turns,
}

/// A message and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) request: Vec<u8>,
    /// Where it went.
    pub(crate) replica: SocketAddr,
    /// As many as the message was passed on.
    pub(crate) answers: Vec<(u16, Vec<u8>)>,
}

pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    mode: Mode,
    server: Arc<Server>,
    /// The replicas beside that server.
    others: Vec<SocketAddr>,
    client: reqwest::Client,
    passed: Mutex<Vec<Passed>>,
    ranges: Mutex<Vec<String>>,
}

impl Gate {
    pub(crate) fn open(
        mode: Mode,
        listener: tokio::net::TcpListener,
        server: Arc<Server>,
        others: Vec<SocketAddr>,
    ) -> Arc<Self> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Self {
            address,
            mode,
            server,
            others,
            client,
            passed: Mutex::default(),
            ranges: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&gate));
        tokio::spawn(async move { axum::serve(listener, router).await });
        gate
    }

    /// The DM messages so far.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap().clone()
    }

    /// The ranges that downloads asked for.
    pub(crate) fn ranges(&self) -> Vec<String> {
        self.ranges.lock().unwrap().clone()
    }

    /// Whose turn it is.
    fn replica(&self) -> SocketAddr {
        let turn = self.passed.lock().unwrap().len() % (self.others.len() + 1);
        if self.mode == Mode::Turns && turn > 0 { self.others[turn - 1] } else { self.server.device() }
    }

    async fn forward(&self, request: reqwest::Request) -> Response {
        let answer = self.client.execute(request).await;
        let Ok(answer) = answer else { return failed() };
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != header::TRANSFER_ENCODING) {
            response = response.header(name, value);
        }
        match answer.bytes().await {
            Ok(bytes) => response.body(Body::from(bytes)).unwrap(),
            Err(_) => failed(),
        }
    }
}

fn failed() -> Response {
    Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap()
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let replica = gate.replica();
    let url = format!("http://{replica}{path}");
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let outgoing = gate.client.request(parts.method, &url).headers(headers).body(body.clone()).build().unwrap();
    if !path.starts_with("/dm") {
        let range = outgoing.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
        gate.ranges.lock().unwrap().extend(range.map(str::to_owned));
        return gate.forward(outgoing).await;
    }
    if gate.mode == Mode::Restart {
        gate.server.restart().await;
    }
    let mut answers = if gate.mode == Mode::Twice {
        let twin = outgoing.try_clone().unwrap();
        let (one, other) = tokio::join!(gate.forward(outgoing), gate.forward(twin));
        vec![one, other]
    } else {
        vec![gate.forward(outgoing).await]
    };
    let mut kept = Vec::new();
    for answer in &mut answers {
        let bytes = to_bytes(std::mem::take(answer.body_mut()), usize::MAX).await.unwrap();
        kept.push((answer.status().as_u16(), bytes.to_vec()));
        *answer.body_mut() = Body::from(bytes);
    }
    gate.passed.lock().unwrap().push(Passed { request: body.to_vec(), replica, answers: kept });
    answers.remove(0)
}
