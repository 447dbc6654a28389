//! `/events`: what was told, in order, as a page of JSON or as a stream that goes on.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;
use tracing::warn;

use super::{
    Api, openapi,
    page::{bounded, not_ours},
};
use crate::{
    infra::{
        store::{self, event::Published},
        telemetry::chain,
    },
    model::id::Tenant,
    server::http::{
        auth::Caller,
        problem::{Query, Refusal},
    },
};

/// How long a stream sleeps when nothing is new.
const PAUSE: Duration = Duration::from_millis(300);

/// How often a quiet stream shows that it lives.
const QUIET: Duration = Duration::from_secs(15);

/// How many events a stream reads at once.
const BATCH: u32 = 200;

/// The cursor that means the newest event.
const END: &str = "end";

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "EventQuery")]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// The cursor of the last event seen; `end` for the newest. Absent: from the oldest that is kept.
    after: Option<String>,
    /// Events to look through at most; some may not pass the filter.
    limit: Option<u32>,
    /// Only events of this request and its jobs.
    request: Option<String>,
    /// Only if it is this source's request, as far as an event says.
    source: Option<String>,
}

/// A page of events.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "EventPage")]
pub(super) struct Page {
    /// Those that pass the filter, in order.
    #[schemars(with = "Vec<openapi::Event>")]
    events: Vec<Value>,
    /// The cursor behind them.
    next: String,
}

/// `GET /events`
pub(super) async fn read(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Query(wish): Query<Wish>,
) -> Result<Response, Refusal> {
    let limit = bounded(wish.limit)?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = match seen.or(wish.after.as_deref()) {
        None => 0,
        Some(END) => api.store.newest_event().await?,
        Some(text) => text.parse().ok().filter(|position| *position >= 0).ok_or_else(|| not_ours(text))?,
    };
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("text/event-stream") {
        let reader = Reader { api, tenant: caller.tenant, wish, after, ready: VecDeque::new() };
        let stream = Sse::new(follow(reader)).keep_alive(KeepAlive::new().interval(QUIET));
        return Ok(stream.into_response());
    }
    let (events, next) = look(&api, &caller.tenant, &wish, after, limit).await?;
    let events: Vec<Value> = events.into_iter().map(|(_, event)| event).collect();
    Ok(Json(Page { events, next: next.to_string() }).into_response())
}

/// Looks through at most `limit` events behind a position: those that pass, and the position of the last that was looked at.
async fn look(
    api: &Api,
    tenant: &Tenant,
    wish: &Wish,
    after: i64,
    limit: u32,
) -> Result<(VecDeque<(i64, Value)>, i64), store::Error> {
    let published = api.store.events_after(tenant, after, limit).await?;
    let next = published.last().map_or(after, |last| last.position);
    let mut events = VecDeque::new();
    for Published { position, event } in published {
        let told: Value = event.body.read().map_err(store::Error::bad_row("event", "body", event.id))?;
        if wish.passes(&told) {
            events.push_back((position, told));
        }
    }
    Ok((events, next))
}

impl Wish {
    fn passes(&self, event: &Value) -> bool {
        let is = |pointer: &str, wanted: Option<&str>| {
            let said = event.pointer(pointer).and_then(Value::as_str);
            wanted.is_none_or(|wanted| said == Some(wanted))
        };
        let says_source = event.pointer("/data/source").is_some();
        is("/data/request_id", self.request.as_deref()) && (!says_source || is("/data/source", self.source.as_deref()))
    }
}

/// One stream of events.
struct Reader {
    api: Api,
    tenant: Tenant,
    wish: Wish,
    after: i64,
    ready: VecDeque<(i64, Value)>,
}

/// Events as they come, until the service stops or cannot read them; a client takes up again with the last id it saw.
fn follow(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(reader, async |mut reader| {
        let (position, event) = reader.next().await?;
        let event = Event::default().id(position.to_string()).data(event.to_string());
        Some((Ok(event), reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Option<(i64, Value)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let before = self.after;
            match look(&self.api, &self.tenant, &self.wish, self.after, BATCH).await {
                Ok((ready, after)) => (self.ready, self.after) = (ready, after),
                Err(error) => {
                    warn!(error = chain(&error), "An event stream ends early");
                    return None;
                }
            }
            if self.after == before {
                tokio::select! {
                    () = self.api.stop.cancelled() => return None,
                    () = sleep(PAUSE) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_keeps_the_events_of_one_request() {
        let wish = |request: Option<&str>, source: Option<&str>| Wish {
            after: None,
            limit: None,
            request: request.map(str::to_owned),
            source: source.map(str::to_owned),
        };
        let job = json!({ "data": { "request_id": "r1", "state": "failed" } });
        let ended = json!({ "data": { "request_id": "r1", "source": "oss" } });
        assert!(wish(None, None).passes(&job) && wish(Some("r1"), Some("oss")).passes(&job));
        assert!(wish(Some("r1"), Some("oss")).passes(&ended) && !wish(Some("r1"), Some("cli")).passes(&ended));
        assert!(!wish(Some("r2"), None).passes(&job));
    }
}
