//! One socket and the HTTP/1.1 connections behind it: small buffers, bounded in number and patience, stopped in order.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::stall::Stalling;
use crate::infra::telemetry::Metrics;

/// Read buffer of a connection, in bytes: also the bound on a request's head. The least that hyper takes; ten thousand idle
/// devices then cost a quarter of what they do with its default.
const BUFFER: usize = 8 * 1024;

/// How long to wait when the system has no file descriptor left for another connection.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(200);

/// What a listener grants its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Open connections; more wait in the system's queue.
    pub connections: usize,
    /// How long a connection may take for the head of its next request, idling included, and for taking what it is sent.
    pub idle: Duration,
    /// How long open requests may go on after the listener was told to stop.
    pub drain: Duration,
    /// Whether header names go out as `Content-Type`; some devices' parsers know no other spelling.
    pub title_case_headers: bool,
}

/// A bound socket that is not served yet, so that its address is known before anything starts.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
}

impl Listener {
    /// Binds `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// The system's, naming the listener and the address.
    pub async fn bind(name: &'static str, address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await.map_err(|e| {
            io::Error::new(e.kind(), format!("the {name} listener cannot bind {address} ({name}.listen): {e}"))
        })?;
        Ok(Self { name, socket })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop`; then takes no more connections, lets open requests end within `bounds.drain`, and cuts the rest.
    pub async fn serve(self, router: Router, bounds: Bounds, metrics: Metrics, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(bounds.connections));
        let mut connections = JoinSet::new();
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                stream = self.accept(&slots) => stream,
            };
            let Some((stream, slot)) = stream else { continue };
            let open = metrics.connection(self.name);
            let serving = converse(stream, router.clone(), bounds, stop.clone());
            connections.spawn(async move {
                serving.await;
                drop((open, slot));
            });
        }
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(bounds.drain, ended).await.is_err() {
            warn!(listener = self.name, open = connections.len(), "Cut connections that did not end in time");
        }
    }

    /// The next connection and its slot; nothing if the system refused one.
    async fn accept(&self, slots: &Arc<Semaphore>) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, _)) => Some((stream, slot)),
            Err(error) => {
                let harmless = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
                if !harmless.contains(&error.kind()) {
                    warn!(listener = self.name, %error, "Cannot accept connections");
                    sleep(OUT_OF_SOCKETS).await;
                }
                None
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router, bounds: Bounds, stop: CancellationToken) {
    // Answers are written whole: waiting for more to send only delays the last segment.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Stalling::new(stream, bounds.idle));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.idle)
        .max_buf_size(BUFFER)
        .title_case_headers(bounds.title_case_headers)
        .serve_connection(io, TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "A connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::Notify,
        task::JoinHandle,
    };

    use super::*;

    const BOUNDS: Bounds = Bounds {
        connections: 2,
        idle: Duration::from_secs(20),
        drain: Duration::from_secs(20),
        title_case_headers: true,
    };

    async fn served(router: Router, bounds: Bounds) -> (TcpStream, CancellationToken, JoinHandle<()>) {
        let listener = Listener::bind("device", ([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.address().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listener.serve(router, bounds, Metrics::default(), stop.clone()));
        (TcpStream::connect(address).await.unwrap(), stop, serving)
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn header_names_go_out_as_the_setting_says() {
        for (title_case_headers, expected) in [(true, "\r\nContent-Type: "), (false, "\r\ncontent-type: ")] {
            let router = Router::new().route("/", get(async || "hello"));
            let (mut stream, _stop, _serving) = served(router, Bounds { title_case_headers, ..BOUNDS }).await;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
            let answer = rest(stream).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(expected), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed() {
        let (stream, _stop, _serving) =
            served(Router::new(), Bounds { idle: Duration::from_millis(10), ..BOUNDS }).await;
        assert_eq!(rest(stream).await, "");
    }

    #[tokio::test]
    async fn an_open_request_ends_before_the_listener_does() {
        let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (at, wait) = (Arc::clone(&arrived), Arc::clone(&go));
        let handler = async move || {
            at.notify_one();
            wait.notified().await;
            "whole"
        };
        let (mut stream, stop, serving) = served(Router::new().route("/", get(handler)), BOUNDS).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        arrived.notified().await;
        stop.cancel();
        go.notify_one();
        assert!(rest(stream).await.ends_with("whole"));
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_cut() {
        let arrived = Arc::new(Notify::new());
        let at = Arc::clone(&arrived);
        let handler = async move || -> &'static str {
            at.notify_one();
            std::future::pending().await
        };
        let bounds = Bounds { drain: Duration::from_millis(10), ..BOUNDS };
        let (mut stream, stop, serving) = served(Router::new().route("/", get(handler)), bounds).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        arrived.notified().await;
        stop.cancel();
        serving.await.unwrap();
        assert_eq!(rest(stream).await, "");
    }
}
