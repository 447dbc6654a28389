//! `/devices`: who may speak, and what is known of them. Secrets go in and never come out.

mod row;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};

use super::{
    Api, jobs,
    page::{Wish, next},
};
use crate::{
    contract::{
        class::Classes,
        device::{Change, DeviceInput, DevicePatch, DeviceView},
        event::InventoryView,
        problem::{Code, Fault, Problem, read::json as parse},
    },
    infra::{
        account,
        jobs::REGISTERED,
        known::{self, Known},
        store::{
            self, Conflict, Cursor, Unit, Write,
            device::{DeviceRow, InventoryRow, ToldInventory},
            due::{Again, Due},
        },
        system::SystemMint,
    },
    model::{
        clock::{Mint as _, Timestamp},
        device::Facts,
        id::{DeviceId, DeviceKey},
    },
    scomo::inventory::Inventory,
    server::http::{
        auth::Caller,
        problem::{Body, Path, Query, Refusal},
    },
};

/// How often a change is tried that others keep overtaking.
const ATTEMPTS: usize = 5;

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "DeviceList")]
pub(super) struct List {
    devices: Vec<DeviceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /devices`
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(wish): Query<Wish>,
) -> Result<Json<List>, Refusal> {
    let page = wish.page()?;
    let rows = api.store.devices(&caller.tenant, page).await?;
    let next = next(page, &rows, |row| Cursor { at: row.created_at, key: row.key.uuid() });
    let devices = rows.iter().map(|row| row::view(row, None)).collect::<Result<_, _>>()?;
    Ok(Json(List { devices, next }))
}

/// `POST /devices`
pub(super) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body,
) -> Result<impl IntoResponse, Refusal> {
    let input = DeviceInput::read(&parse(&body, DeviceInput::MOST_BYTES)?)?;
    known_class(&api.classes, input.record.class.as_deref())?;
    let now = api.now();
    let key = DeviceKey::new(SystemMint::new().uuid(now));
    let row = row::new(key, caller.tenant.clone(), input, now)?;
    let id = row.device_id.clone();
    let view = row::view(&row, None)?;
    // Jobs may have waited for the record: to look at them is planned in the same commit.
    let due = Due { errand: REGISTERED, subject: key.uuid(), at: now };
    let unit = Unit::new("device.add", &id.normalised())
        .with(Write::DeviceInsert(row))
        .with(Write::DuePut { due, again: Again::Replace });
    api.store.commit(unit).await.map_err(|lost| match lost.conflict() {
        Some(Conflict::DeviceExists) => {
            Refusal::from(Problem::new(Code::AlreadyExists, format!("the device {id} is registered")))
        }
        Some(_) | None => lost.into(),
    })?;
    api.intake.due.poke();
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)))
}

/// `GET /devices/{id}`
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeviceView>, Refusal> {
    let row = find(&api, &caller, &id).await?;
    Ok(Json(row::view(
        &row,
        inventory(&api, &row).await?.filter(Inventory::is_shown).map(|inventory| inventory.installed()),
    )?))
}

/// What of a device's inventory is asked for.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "InventoryQuery")]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    history: bool,
}

/// An inventory of a device, or those that were told.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub(super) enum Inventories {
    Current(Current),
    History { device: DeviceId, inventories: Vec<Former> },
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "CurrentInventory")]
pub(super) struct Current {
    device: DeviceId,
    #[serde(flatten)]
    inventory: InventoryView,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "FormerInventory")]
pub(super) struct Former {
    told_at: Timestamp,
    #[serde(flatten)]
    inventory: InventoryView,
}

/// `GET /devices/{id}/inventory`: as it was last read; with `history=true` as it was each time that it differed, newest first
pub(super) async fn inventories(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Inventories>, Refusal> {
    let row = find(&api, &caller, &id).await?;
    let (device, view) = (row.device_id, |row: &InventoryRow| {
        known::inventory(row).map(|inventory| InventoryView::of(&inventory, row.digest, row.read_at))
    });
    if which.history {
        let told = api.store.inventory_history(row.key).await?;
        let former = |told: &ToldInventory| Ok(Former { told_at: told.told_at, inventory: view(&told.row)? });
        let inventories = told.iter().map(former).collect::<Result<_, store::Error>>()?;
        return Ok(Json(Inventories::History { device, inventories }));
    }
    match api.store.inventory(row.key).await? {
        Some(row) => Ok(Json(Inventories::Current(Current { device, inventory: view(&row)? }))),
        None => Err(Refusal::not_found("inventory of this device; none was read yet")),
    }
}

/// `PATCH /devices/{id}`
pub(super) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<DeviceView>, Refusal> {
    let patch = DevicePatch::read(&parse(&body, DeviceInput::MOST_BYTES)?)?;
    if let Change::Set(class) = &patch.class {
        known_class(&api.classes, Some(class))?;
    }
    for _ in 0..ATTEMPTS {
        let mut row = find(&api, &caller, &id).await?;
        let mut account = account::of(&row)?;
        row::renew(&mut account, &patch);
        row.secrets = account::sealed(&account)?;
        let mut record = row::record(&row)?;
        patch.apply(&mut record);
        row::fill(&mut row, &record);
        row.updated_at = api.now();
        let view = row::view(&row, None)?;
        let unit = Unit::new("device.change", &row.device_id.normalised()).with(Write::DevicePut(row));
        match api.store.commit(unit).await {
            Ok(_) => return Ok(Json(view)),
            // A session of the device was quicker: read again what it left.
            Err(lost) if matches!(lost.conflict(), Some(Conflict::Stale { .. })) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Problem::new(Code::Unavailable, "the device is busy; try again").into())
}

/// `DELETE /devices/{id}`: forgets a device; what was under way on it ends as cancelled
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    for _ in 0..ATTEMPTS {
        let row = find(&api, &caller, &id).await?;
        let norm = row.device_id.normalised();
        let unit = Unit::new("device.remove", &norm);
        match api.store.commit(unit.with(Write::DeviceDelete { key: row.key, version: row.version })).await {
            Ok(_) => {
                jobs::orphaned(&api, &caller, &norm).await?;
                return Ok(StatusCode::NO_CONTENT);
            }
            Err(lost) if matches!(lost.conflict(), Some(Conflict::Stale { .. })) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Problem::new(Code::Unavailable, "the device is busy; try again").into())
}

/// Refuses a class that the settings do not have: a misspelt one would be passed over in silence.
fn known_class(classes: &Classes, named: Option<&str>) -> Result<(), Problem> {
    match named {
        Some(class) if classes.get(class).is_none() => {
            let detail = format!("no [[device_class]] of the settings is called {class:?}");
            Err(Problem::invalid(vec![Fault::new("/class", Code::UnknownValue, detail)]))
        }
        Some(_) | None => Ok(()),
    }
}

/// What rules may read of a device as it is known now.
pub(super) async fn facts(api: &Api, row: &DeviceRow) -> Result<Facts, Refusal> {
    let inventory = inventory(api, row).await?;
    Ok(Known::of(row)?.facts(row, inventory.as_ref(), api.now()))
}

async fn inventory(api: &Api, row: &DeviceRow) -> Result<Option<Inventory>, store::Error> {
    api.store.inventory(row.key).await?.as_ref().map(known::inventory).transpose()
}

async fn find(api: &Api, caller: &Caller, id: &str) -> Result<DeviceRow, Refusal> {
    let id = DeviceId::parse(id).map_err(|_| Refusal::not_found("device"))?;
    let row = api.store.device(&caller.tenant, &id.normalised()).await?;
    row.ok_or_else(|| Refusal::not_found("device"))
}
