//! `/packages`: the catalogue as it was last loaded.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use crate::{
    infra::store::{self, package::PackageRow},
    model::{
        catalog::{Component, Delivery, Manifest},
        digest::Digest,
        id::PackageId,
        rule::Rule,
        version::Version,
    },
    server::http::{
        auth::Caller,
        problem::{Path, Refusal},
    },
};

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PackageList")]
pub(super) struct List {
    packages: Vec<Summary>,
}

/// A package in short.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PackageSummary")]
struct Summary {
    id: PackageId,
    version: Version,
    name: String,
    /// Bytes of the payload.
    size: u64,
    /// Of the payload.
    sha256: Digest,
    /// To which devices it applies; null: to every device.
    when: Option<Rule>,
    /// Offered when a device asks without naming a package.
    on_request: bool,
    delivery: Delivery,
    components: Vec<Component>,
}

/// `GET /packages`
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<List>, Refusal> {
    let rows = api.store.packages(&caller.tenant).await?;
    Ok(Json(List { packages: summaries(&rows)? }))
}

/// `GET /packages/{id}`
pub(super) async fn versions(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<List>, Refusal> {
    let mut rows = api.store.packages(&caller.tenant).await?;
    rows.retain(|row| row.id.as_str() == id);
    if rows.is_empty() {
        return Err(Refusal::not_found("package"));
    }
    Ok(Json(List { packages: summaries(&rows)? }))
}

/// `GET /packages/{id}/{version}`
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path((id, version)): Path<(String, String)>,
) -> Result<Json<Manifest>, Refusal> {
    let id = PackageId::parse(&id).map_err(|_| Refusal::not_found("package"))?;
    let row = api.store.package(&caller.tenant, &id, &version).await?;
    let row = row.ok_or_else(|| Refusal::not_found("version of this package"))?;
    Ok(Json(manifest(&row)?))
}

/// The manifest that a row keeps.
pub(super) fn manifest(row: &PackageRow) -> Result<Manifest, store::Error> {
    row.manifest.read().map_err(store::Error::bad_row("package", "manifest", format!("{} {}", row.id, row.version)))
}

/// The packages by id, the highest version first.
fn summaries(rows: &[PackageRow]) -> Result<Vec<Summary>, Refusal> {
    let mut manifests = rows.iter().map(manifest).collect::<Result<Vec<_>, _>>()?;
    manifests.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| b.version.cmp(&a.version)));
    let summary = |manifest: Manifest| {
        let Manifest { id, version, name, size, sha256, when, on_request, delivery, components, .. } = manifest;
        Summary { id, version, name, size, sha256, when, on_request, delivery, components }
    };
    Ok(manifests.into_iter().map(summary).collect())
}
