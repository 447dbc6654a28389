//! `/target-lists`: names of devices, uploaded once, that requests may be for.

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, header},
};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Api,
    page::{Wish, next},
};
use crate::{
    contract::problem::{Code, Fault, Problem},
    infra::{
        store::{Conflict, Cursor, target::ListRow},
        system::SystemMint,
    },
    model::{
        clock::{Mint as _, Timestamp},
        id::{DeviceId, ListKey, ListName},
    },
    server::http::{
        auth::Caller,
        problem::{Path, Query, Refusal},
    },
};

/// How long an upload may take as a whole, and how long nothing may come of it.
pub(super) const PATIENCE: Duration = Duration::from_hours(1);
const IDLE: Duration = Duration::from_secs(30);
/// The longest line: an id of 255 bytes, each of them escaped, in an object.
const MOST_LINE: usize = 2048;
/// Devices that are stored together.
const TOGETHER: usize = 2000;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Naming {
    name: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "TargetLists")]
pub(super) struct Lists {
    target_lists: Vec<View>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A list.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "TargetList")]
pub(super) struct View {
    /// Its key, which a request may name as well as its name.
    list: String,
    name: ListName,
    /// How many devices it has.
    devices: u64,
    /// How many lines named a device again.
    duplicates: u64,
    created_at: Timestamp,
    /// When a request used it last.
    used_at: Timestamp,
}

/// What came in so far, and where it goes.
struct Upload<'a> {
    api: &'a Api,
    key: ListKey,
    /// Devices that are not stored yet.
    held: Vec<DeviceId>,
    /// Lines that were read.
    line: u64,
    /// Devices that were handed to the store, those among them that it did not have yet.
    sent: u64,
    stored: u64,
}

/// `POST /target-lists?name=`: 201 when the list is whole
pub(super) async fn upload(
    State(api): State<Api>,
    caller: Caller,
    Query(naming): Query<Naming>,
    request: Request,
) -> Result<(StatusCode, Json<View>), Refusal> {
    of_lines(&request)?;
    let key = ListKey::new(SystemMint::new().uuid(api.now()));
    let name = named(&api, &caller, naming.name.as_deref(), key).await?;
    api.store.open_list(&caller.tenant, key, &name, api.now()).await?;
    let mut upload = Upload { api: &api, key, held: Vec::new(), line: 0, sent: 0, stored: 0 };
    let whole = match upload.read(request.into_body().into_data_stream()).await {
        Ok(()) => upload.show(&name).await,
        Err(refusal) => Err(refusal),
    };
    if whole.is_err() {
        // If that fails too, or this never comes so far, nobody sees the list, and the janitor clears it away.
        let _ = api.store.drop_list(key, api.now()).await;
    }
    whole?;
    let row = api.store.find_list(&caller.tenant, &name).await?;
    row.map(|row| (StatusCode::CREATED, Json(View::of(row)))).ok_or_else(|| Refusal::not_found("target list"))
}

/// `GET /target-lists`
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(wish): Query<Wish>,
) -> Result<Json<Lists>, Refusal> {
    let page = wish.page()?;
    let rows = api.store.target_lists(&caller.tenant, page).await?;
    let next = next(page, &rows, |row| Cursor { at: row.created_at, key: row.key.uuid() });
    Ok(Json(Lists { target_lists: rows.into_iter().map(View::of).collect(), next }))
}

/// `GET /target-lists/{name}`
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<View>, Refusal> {
    Ok(Json(View::of(find(&api, &caller, &name).await?)))
}

/// `DELETE /target-lists/{name}`: no new request finds it; those that are being spread over its devices go on
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    let row = find(&api, &caller, &name).await?;
    api.store.drop_list(row.key, api.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(api: &Api, caller: &Caller, name: &str) -> Result<ListRow, Refusal> {
    let unknown = || Refusal::not_found("target list");
    let name = ListName::parse(name).map_err(|_| unknown())?;
    api.store.find_list(&caller.tenant, &name).await?.ok_or_else(unknown)
}

/// The caller says that lines of JSON follow; no page of a browser can say so across origins without asking.
fn of_lines(request: &Request) -> Result<(), Refusal> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if ["application/x-ndjson", "application/ndjson", "application/jsonl"].contains(&kind.as_str()) {
        return Ok(());
    }
    let detail = format!("the Content-Type is {kind:?}, not application/x-ndjson");
    Err(Problem::new(Code::UnsupportedMediaType, detail).into())
}

/// The list's name: the one that is asked for, if nobody has it, else its key.
async fn named(api: &Api, caller: &Caller, name: Option<&str>, key: ListKey) -> Result<ListName, Refusal> {
    let wrong = |why: String| Refusal::parameter("name", Code::InvalidName, why);
    let Some(name) = name else { return ListName::parse(&key.to_string()).map_err(|why| wrong(why.to_string())) };
    let name = ListName::parse(name).map_err(|why| wrong(why.to_string()))?;
    if name.as_str().parse::<ListKey>().is_ok() {
        return Err(wrong("a name that looks like a list's key would be taken for one".to_owned()));
    }
    match api.store.list_by_name(&caller.tenant, &name).await? {
        Some(_) => Err(taken(&name)),
        None => Ok(name),
    }
}

fn taken(name: &ListName) -> Refusal {
    Problem::new(Code::AlreadyExists, format!("a target list `{name}` exists; remove it first, or take another name"))
        .into()
}

/// Somebody took the list away while it was on its way.
fn given_up() -> Refusal {
    Problem::new(Code::InvalidInput, "the upload was given up: nothing came for too long; upload the list anew").into()
}

impl Upload<'_> {
    /// Reads lines to the end.
    async fn read(&mut self, mut pieces: axum::body::BodyDataStream) -> Result<(), Refusal> {
        let mut rest = BytesMut::new();
        loop {
            let piece = timeout(IDLE, pieces.next()).await;
            let piece = piece.map_err(|_| Problem::new(Code::InvalidInput, format!("nothing came for {IDLE:?}")))?;
            let Some(piece) = piece else { break };
            rest.extend_from_slice(&piece.map_err(|_| Problem::new(Code::InvalidInput, "the upload broke off"))?);
            self.lines(&mut rest).await?;
        }
        let last = rest.freeze();
        self.take(&last).await?;
        self.flush().await
    }

    /// Takes the whole lines out of what has come.
    async fn lines(&mut self, rest: &mut BytesMut) -> Result<(), Refusal> {
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Bytes = rest.split_to(end).freeze();
            rest.advance(1);
            self.take(&line).await?;
        }
        if rest.len() > MOST_LINE { Err(self.too_long()) } else { Ok(()) }
    }

    async fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let line = line.trim_ascii();
        if line.is_empty() {
            self.line += 1;
            return Ok(());
        }
        if line.len() > MOST_LINE {
            return Err(self.too_long());
        }
        let Some(name) = serde_json::from_slice(line).ok().and_then(device_of) else {
            let wanted = "a line is a device id as a JSON string, or {\"device\": id}";
            return Err(self.fault(Code::InvalidJson, wanted));
        };
        let device = DeviceId::parse(&name).map_err(|why| self.fault(Code::InvalidName, &why.to_string()))?;
        self.line += 1;
        self.held.push(device);
        if self.held.len() >= TOGETHER { self.flush().await } else { Ok(()) }
    }

    /// Stores what is held.
    async fn flush(&mut self) -> Result<(), Refusal> {
        if self.held.is_empty() {
            return Ok(());
        }
        let place = i64::try_from(self.sent).unwrap_or(i64::MAX);
        let added = self.api.store.add_to_list(self.key, place, &self.held, self.api.now()).await?;
        self.stored += added.ok_or_else(given_up)?;
        self.sent += u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        self.held.clear();
        if self.stored > u64::from(self.api.most_listed) {
            let detail = format!("has more than {} devices (limits.target_list_devices)", self.api.most_listed);
            return Err(Problem::invalid(vec![Fault::new("", Code::TooMany, format!("the list {detail}"))]).into());
        }
        Ok(())
    }

    /// Shows the list.
    async fn show(&self, name: &ListName) -> Result<(), Refusal> {
        if self.stored == 0 {
            let fault = Fault::new("", Code::Empty, "the list must have at least one device");
            return Err(Problem::invalid(vec![fault]).into());
        }
        let shown = self.api.store.show_list(self.key, self.stored, self.sent - self.stored, self.api.now()).await?;
        shown.map_err(|conflict| if conflict == Conflict::ListExists { taken(name) } else { given_up() })
    }

    /// A refusal of the line behind those that were read; its pointer counts lines from 0, as those of a list.
    fn fault(&self, code: Code, detail: &str) -> Refusal {
        let detail = format!("line {}: {detail}", self.line + 1);
        Problem::invalid(vec![Fault::new(format!("/{}", self.line), code, detail)]).into()
    }

    fn too_long(&self) -> Refusal {
        self.fault(Code::TooLarge, &format!("has more than {MOST_LINE} bytes"))
    }
}

/// The device of a line: the line is its name, or an object that holds nothing else.
fn device_of(mut line: Value) -> Option<String> {
    let inner = line.as_object_mut().filter(|members| members.len() == 1).and_then(|members| members.remove("device"));
    if let Value::String(name) = inner.unwrap_or(line) { Some(name) } else { None }
}

impl View {
    fn of(row: ListRow) -> Self {
        let ListRow { key, name, devices, duplicates, created_at, used_at } = row;
        Self { list: key.to_string(), name, devices, duplicates, created_at, used_at }
    }
}
