//! `/pauses`: the brake: what is held back, by whom and since when.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Api,
    page::{self, next},
    requests,
};
use crate::{
    contract::problem::{
        Code, Problem,
        read::{Faults, Field, Object, json as parse},
    },
    infra::{jobs::brake::Wish, store::Cursor},
    job::brake::{Packages, Pause, Scope},
    model::{
        clock::Timestamp,
        id::{RequestId, RequestSource},
    },
    server::http::{
        auth::Caller,
        problem::{Body, MOST_BODY, Query, Refusal},
    },
};

/// The longest reason, in bytes.
const MOST_REASON: usize = 500;
const SCOPES: [(&str, &str); 4] = [("all", "all"), ("package", "package"), ("class", "class"), ("request", "request")];

/// What a call is about, as it names it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    scope: String,
    value: Option<String>,
    source: Option<String>,
}

/// What is to be paused, and why.
struct Order {
    named: Named,
    reason: Option<String>,
}

/// A pause.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PauseView")]
pub(super) struct View {
    /// `all`, `package`, `class` or `request`.
    scope: &'static str,
    /// `ID` or `ID@VERSION`, the class, or what its sender calls the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Of a request: who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<RequestSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    by: String,
    since: Timestamp,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PauseList")]
pub(super) struct List {
    pauses: Vec<View>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The schema of what is to be paused.
pub(super) fn body() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["scope"],
        "properties": {
            "scope": { "enum": SCOPES.map(|(word, _)| word) },
            "value": { "type": "string", "description": "`ID` or `ID@VERSION`, the class, or what its sender calls the request." },
            "source": { "type": "string", "description": "Of a request: who sent it." },
            "reason": { "type": "string", "minLength": 1, "maxLength": MOST_REASON },
        },
    })
}

/// `GET /pauses`
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(wish): Query<page::Wish>,
) -> Result<Json<List>, Refusal> {
    let page = wish.page()?;
    let rows = api.store.pauses(&caller.tenant, page).await?;
    let next = next(page, &rows, |row| Cursor { at: row.at, key: row.id.uuid() });
    let mut pauses = Vec::with_capacity(rows.len());
    for row in rows {
        pauses.push(view(&api, row).await?);
    }
    Ok(Json(List { pauses, next }))
}

/// `POST /pauses`: 201 for a new one, 200 for one that was there; that one stays as it was
pub(super) async fn pause(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body,
) -> Result<(StatusCode, Json<View>), Refusal> {
    let Order { named, reason } = order(&parse(&body, MOST_BODY)?)?;
    let scope = scope(&api, &caller, &named).await?;
    let (tenant, by) = (caller.tenant.clone(), caller.name.clone());
    let Some((pause, new)) = api.brake.pause(&Wish { tenant, scope, by, reason }).await? else {
        return Err(Problem::new(Code::AlreadyOver, "the request has ended").into());
    };
    if new {
        tracing::warn!(by = caller.name, "Paused: {pause}");
    }
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(view(&api, pause).await?)))
}

/// `DELETE /pauses?scope=&value=&source=`: what was paused goes on
pub(super) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    Query(named): Query<Named>,
) -> Result<Json<View>, Refusal> {
    let scope = scope(&api, &caller, &named).await?;
    let lifted = api.brake.resume(&caller.tenant, &scope, &caller.name).await?;
    let pause = lifted.ok_or_else(|| Refusal::not_found("pause"))?;
    tracing::info!(by = caller.name, "Resumed: {pause}");
    Ok(Json(view(&api, pause).await?))
}

fn order(body: &Value) -> Result<Order, Problem> {
    let faults = Faults::default();
    let order = Field::root(body, &faults).object().and_then(|mut root| read(&mut root).inspect(|_| root.close()));
    faults.into_result(order)
}

fn read(root: &mut Object<'_>) -> Option<Order> {
    let scope = root.need("scope").and_then(|f| f.choice(&SCOPES, &[]));
    let value = root.get("value").map(|f| f.text());
    let source = root.get("source").map(|f| f.text());
    let reason = root.get("reason").map(|f| f.text_as(Code::InvalidText, worded));
    let owned = |text: Option<Option<&str>>| match text {
        Some(read) => read.map(|text| Some(text.to_owned())),
        None => Some(None),
    };
    let named = Named { scope: scope?.to_owned(), value: owned(value)?, source: owned(source)? };
    let reason = match reason {
        Some(read) => Some(read?),
        None => None,
    };
    Some(Order { named, reason })
}

fn worded(text: &str) -> Result<String, String> {
    let text = text.trim();
    let good = !text.is_empty() && text.len() <= MOST_REASON && !text.chars().any(char::is_control);
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("a reason has 1 to {MOST_REASON} bytes and no control characters"))
    }
}

/// What is meant. A request and a class must be there; a package may come later.
async fn scope(api: &Api, caller: &Caller, named: &Named) -> Result<Scope, Refusal> {
    let missing = |name: &str| Refusal::parameter(name, Code::MissingField, format!("`{name}` is required"));
    let odd = |name: &str| {
        Refusal::parameter(
            name,
            Code::MisplacedField,
            format!("`{name}` does not belong to the scope `{}`", named.scope),
        )
    };
    if named.source.is_some() && named.scope != "request" {
        return Err(odd("source"));
    }
    let value = || named.value.as_deref().ok_or_else(|| missing("value"));
    Ok(match named.scope.as_str() {
        "all" if named.value.is_some() => return Err(odd("value")),
        "all" => Scope::All,
        "package" => {
            let packages = Packages::read(value()?);
            Scope::Package(packages.map_err(|why| Refusal::parameter("value", Code::InvalidName, why))?)
        }
        "class" => {
            let class = api
                .classes
                .get(value()?)
                .ok_or_else(|| Refusal::parameter("value", Code::UnknownValue, "no device class has this name"))?;
            Scope::Class(class.name.clone())
        }
        "request" => {
            let source = named.source.as_deref().ok_or_else(|| missing("source"))?;
            Scope::Request(requests::find(api, caller, source, value()?).await?.key)
        }
        _ => {
            let known = SCOPES.map(|(word, _)| format!("`{word}`")).join(", ");
            return Err(Refusal::parameter("scope", Code::UnknownValue, format!("must be one of {known}")));
        }
    })
}

async fn view(api: &Api, pause: Pause) -> Result<View, Refusal> {
    let Pause { scope, reason, by, at, .. } = pause;
    let (value, source): (Option<String>, Option<RequestSource>) = match &scope {
        Scope::All => (None, None),
        Scope::Package(packages) => (Some(packages.to_string()), None),
        Scope::Class(class) => (Some(class.clone()), None),
        Scope::Request(key) => {
            let row = api.store.request(*key).await?;
            let named = row.map(|row| (row.request_id, row.source));
            let (id, source): (Option<RequestId>, _) = named.unzip();
            (id.map(|id| id.to_string()), source)
        }
    };
    Ok(View { scope: scope.parts().0, value, source, reason, by, since: at })
}
