//! `/packages`: the catalogue as it was last loaded.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Api;
use crate::{
    infra::store::{self, package::PackageRow},
    model::{catalog::Manifest, id::PackageId},
    server::http::{
        auth::Caller,
        problem::{Path, Refusal},
    },
};

/// `GET /packages`
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Value>, Refusal> {
    let rows = api.store.packages(&caller.tenant).await?;
    Ok(Json(json!({ "packages": summaries(&rows)? })))
}

/// `GET /packages/{id}`
pub(super) async fn versions(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut rows = api.store.packages(&caller.tenant).await?;
    rows.retain(|row| row.id.as_str() == id);
    if rows.is_empty() {
        return Err(Refusal::not_found("package"));
    }
    Ok(Json(json!({ "packages": summaries(&rows)? })))
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
fn summaries(rows: &[PackageRow]) -> Result<Vec<Value>, Refusal> {
    let mut manifests = rows.iter().map(manifest).collect::<Result<Vec<_>, _>>()?;
    manifests.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| b.version.cmp(&a.version)));
    let summary = |m: Manifest| {
        json!({ "id": m.id, "version": m.version, "name": m.name, "size": m.size, "sha256": m.sha256,
            "when": m.when, "on_request": m.on_request, "delivery": m.delivery, "components": m.components })
    };
    Ok(manifests.into_iter().map(summary).collect())
}
