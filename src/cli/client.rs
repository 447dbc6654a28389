//! The client of the admin API that every command shares.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::Value;
use url::Url;

use super::failure::Failure;
use crate::{model::secret::Secret, sim};

/// How long an answer may take; the server gives up before.
const PATIENCE: Duration = Duration::from_mins(1);

/// The longest line of an event stream, in bytes.
const LONGEST_LINE: usize = 1024 * 1024;

/// Which server, and as whom.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The admin address of the server
    #[arg(long, env = "SCOMO_SERVER", value_name = "URL", default_value = "http://127.0.0.1:8081", global = true)]
    server: Url,
    /// The token to show; not needed where the server runs with `admin.auth = "none"`
    #[arg(long, env = "SCOMO_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
}

impl Connection {
    /// To a server that was not named on the command line.
    #[must_use]
    pub const fn new(server: Url, token: Option<String>) -> Self {
        Self { server, token }
    }

    /// The same for simulated devices, which register themselves.
    #[must_use]
    pub fn admin(&self) -> sim::Admin {
        sim::Admin { url: self.server.clone(), token: self.token.clone().map(Secret::new) }
    }
}

/// An open connection to one server's admin API.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    connection: Connection,
}

impl Client {
    /// For the server that the command line names.
    ///
    /// # Errors
    /// If the URL is none of HTTP, or TLS cannot be set up.
    pub fn new(connection: Connection) -> Result<Self, Failure> {
        if !matches!(connection.server.scheme(), "http" | "https") {
            return Err(Failure::Usage(format!(
                "--server {}: an http:// or https:// URL is needed",
                connection.server
            )));
        }
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).build();
        Ok(Self { http: http.map_err(anyhow::Error::from)?, connection })
    }

    /// Reads what stands at a path given as its segments, with query parameters.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] or [`Failure::Refused`].
    pub async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        self.value(self.call(Method::GET, path, query)).await
    }

    /// Posts a JSON body.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] or [`Failure::Refused`].
    pub async fn post(&self, path: &[&str], body: Vec<u8>) -> Result<Value, Failure> {
        let call = self.call(Method::POST, path, &[]).header(header::CONTENT_TYPE, "application/json");
        self.value(call.body(body)).await
    }

    /// Posts lines of JSON as they come; that takes as long as they are many.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] or [`Failure::Refused`].
    pub async fn upload<S>(&self, path: &[&str], query: &[(&str, String)], lines: S) -> Result<Value, Failure>
    where
        S: Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static,
    {
        let call = self.call(Method::POST, path, query).header(header::CONTENT_TYPE, "application/x-ndjson");
        self.answer(call.body(reqwest::Body::wrap_stream(lines))).await
    }

    /// Removes what stands at a path.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] or [`Failure::Refused`].
    pub async fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        self.send(self.call(Method::DELETE, path, &[]).timeout(PATIENCE)).await.map(drop)
    }

    /// Removes what query parameters name at a path, and gives what it was.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] or [`Failure::Refused`].
    pub async fn take_away(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        self.value(self.call(Method::DELETE, path, query)).await
    }

    /// Follows the events that a query asks for, each with its cursor; the stream goes on until the server stops or the
    /// caller drops it.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] or [`Failure::Refused`], at once or as an item.
    pub async fn events(
        &self,
        query: &[(&str, String)],
    ) -> Result<impl Stream<Item = Result<(String, Value), Failure>> + Send, Failure> {
        let call = self.call(Method::GET, &["events"], query).header(header::ACCEPT, "text/event-stream");
        let server = self.connection.server.to_string();
        let pieces = self.send(call).await?.bytes_stream();
        let lost = move |source| Failure::Unreachable { server: server.clone(), source };
        Ok(events(pieces.map_ok(|piece| piece.to_vec()).map_err(lost)))
    }

    fn call(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> RequestBuilder {
        let mut url = self.connection.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let call = self.http.request(method, url);
        match &self.connection.token {
            Some(token) => call.bearer_auth(token),
            None => call,
        }
    }

    async fn value(&self, call: RequestBuilder) -> Result<Value, Failure> {
        self.answer(call.timeout(PATIENCE)).await
    }

    async fn answer(&self, call: RequestBuilder) -> Result<Value, Failure> {
        let answer = self.send(call).await?;
        let server = &self.connection.server;
        let bytes = answer.bytes().await.map_err(|source| self.lost(source))?;
        serde_json::from_slice(&bytes).map_err(|e| {
            anyhow::Error::from(e).context(format!("{server} does not answer as a scomo server does")).into()
        })
    }

    async fn send(&self, call: RequestBuilder) -> Result<Response, Failure> {
        let answer = call.send().await.map_err(|source| self.lost(source))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await.map_err(|source| self.lost(source))?;
        let problem = serde_json::from_slice(&body).ok().filter(Value::is_object);
        let problem = problem.unwrap_or_else(|| {
            let server = &self.connection.server;
            serde_json::json!({ "title": format!("{server} answered {status}"), "status": status.as_u16(), "code": "http" })
        });
        Err(Failure::Refused(Box::new(problem)))
    }

    fn lost(&self, source: reqwest::Error) -> Failure {
        Failure::Unreachable { server: self.connection.server.to_string(), source }
    }
}

/// Cuts a stream of pieces into lines.
fn lines(
    pieces: impl Stream<Item = Result<Vec<u8>, Failure>> + Send + Unpin,
) -> impl Stream<Item = Result<String, Failure>> + Send {
    stream::try_unfold((pieces, Vec::new()), async |(mut pieces, mut held)| {
        loop {
            if let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                let rest = held.split_off(end.saturating_add(1));
                let line = String::from_utf8_lossy(&held).trim_end().to_owned();
                return Ok(Some((line, (pieces, rest))));
            }
            if held.len() > LONGEST_LINE {
                return Err(Failure::Work(format!("an event has more than {LONGEST_LINE} bytes")));
            }
            match pieces.next().await {
                Some(piece) => held.extend(piece?),
                None => return Ok(None),
            }
        }
    })
}

/// The events in a stream of pieces, each with its cursor (HTML, "Server-sent events").
fn events(
    pieces: impl Stream<Item = Result<Vec<u8>, Failure>> + Send + Unpin,
) -> impl Stream<Item = Result<(String, Value), Failure>> + Send {
    let mut cursor = String::new();
    lines(pieces).try_filter_map(move |line| future::ready(event(&mut cursor, &line)))
}

fn event(cursor: &mut String, line: &str) -> Result<Option<(String, Value)>, Failure> {
    if let Some(id) = line.strip_prefix("id:") {
        id.trim().clone_into(cursor);
    }
    let Some(data) = line.strip_prefix("data:") else { return Ok(None) };
    let event = serde_json::from_str(data.trim()).context("an event is not JSON")?;
    Ok(Some((cursor.clone(), event)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn events_are_found_whatever_the_pieces() {
        let pieces = ["id: 1\nda", "ta: {\"n\":1}\r\n\n: quiet\n\nid: 2\ndata: {\"n\":2}\n\n"];
        let pieces = stream::iter(pieces.map(|piece| Ok(piece.as_bytes().to_vec())));
        let events: Vec<(String, Value)> = events(pieces).try_collect().await.unwrap();
        assert_eq!(events, [("1".to_owned(), json!({ "n": 1 })), ("2".to_owned(), json!({ "n": 2 }))]);
    }
}
