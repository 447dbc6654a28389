//! Registration of the devices with the service, through its admin API.

use std::sync::Arc;

use reqwest::{RequestBuilder, StatusCode, Url};
use tokio::task::JoinSet;

use super::{Inner, Slot, webhook};
use crate::model::secret::Secret;

/// How many registrations run at once.
const AT_ONCE: usize = 16;

/// The most characters of a refusal that are passed on.
const MOST_DETAIL: usize = 500;

/// Where the admin API is.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Its base, e.g. `http://127.0.0.1:8081`.
    pub url: Url,
    /// The bearer token, if it wants one.
    pub token: Option<Secret>,
}

/// Why a device could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The API cannot be reached.
    #[error("the admin API cannot be reached to register `{device}`")]
    Unreachable {
        /// The device.
        device: String,
        /// What the network says.
        #[source]
        source: reqwest::Error,
    },
    /// The API refused.
    #[error("the admin API refused to register `{device}`: {status} {detail}")]
    Refused {
        /// The device.
        device: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        detail: String,
    },
    /// The API's address is no base of URLs.
    #[error("`{url}` cannot be the admin API's address; give one such as http://127.0.0.1:8081")]
    Address {
        /// The address.
        url: Url,
    },
    /// The process is ending.
    #[error("the registration was interrupted")]
    Interrupted,
}

pub(super) async fn register(inner: &Arc<Inner>, admin: &Admin) -> Result<(), RegisterError> {
    let mut running = JoinSet::new();
    for slot in inner.slots.values() {
        if running.len() >= AT_ONCE {
            joined(running.join_next().await)?;
        }
        let (inner, admin, slot) = (Arc::clone(inner), admin.clone(), Arc::clone(slot));
        running.spawn(async move { one(&inner, &admin, &slot).await });
    }
    while let Some(done) = running.join_next().await {
        joined(Some(done))?;
    }
    Ok(())
}

fn joined(done: Option<Result<Result<(), RegisterError>, tokio::task::JoinError>>) -> Result<(), RegisterError> {
    done.unwrap_or(Ok(Ok(()))).unwrap_or(Err(RegisterError::Interrupted))
}

/// Adds a device; if it exists, changes it.
async fn one(inner: &Inner, admin: &Admin, slot: &Slot) -> Result<(), RegisterError> {
    let (device, mut record) = {
        let state = slot.lock();
        let device = state.device.id().to_owned();
        let record = state.device.record(&webhook(inner.address, &device));
        (device, record)
    };
    let add = inner.client.post(address(admin, None)?);
    let (status, detail) = send(add, admin, &record, &device).await?;
    if status.is_success() {
        return Ok(());
    }
    if status != StatusCode::CONFLICT {
        return Err(RegisterError::Refused { device, status: status.as_u16(), detail });
    }
    if let Some(record) = record.as_object_mut() {
        record.remove("id");
    }
    let change = inner.client.patch(address(admin, Some(&device))?);
    let (status, detail) = send(change, admin, &record, &device).await?;
    if status.is_success() { Ok(()) } else { Err(RegisterError::Refused { device, status: status.as_u16(), detail }) }
}

async fn send(
    request: RequestBuilder,
    admin: &Admin,
    record: &serde_json::Value,
    device: &str,
) -> Result<(StatusCode, String), RegisterError> {
    let request = match &admin.token {
        Some(token) => request.bearer_auth(token.expose()),
        None => request,
    };
    let unreachable = |source| RegisterError::Unreachable { device: device.to_owned(), source };
    let answer = request.json(record).send().await.map_err(unreachable)?;
    let status = answer.status();
    let detail: String = answer.text().await.unwrap_or_default().chars().take(MOST_DETAIL).collect();
    Ok((status, detail))
}

fn address(admin: &Admin, device: Option<&str>) -> Result<Url, RegisterError> {
    let mut url = admin.url.clone();
    match url.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().extend(["api", "v1", "devices"]).extend(device),
        Err(()) => return Err(RegisterError::Address { url: admin.url.clone() }),
    };
    Ok(url)
}
