//! `/select`: what selection would choose for a device as it is known now, and why not the others.

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Api, devices, packages::manifest};
use crate::{
    contract::problem::{
        Code, Problem,
        read::{Faults, Field, Object, json as parse},
    },
    infra::known::Known,
    job::selection::{self, PackageWanted, RefusalReason, Selection, Verdict, Want, Wanted},
    model::{
        catalog::PackageRef,
        id::{DeviceId, PackageId},
        rule::FactName,
        version::Version,
    },
    server::http::{
        auth::Caller,
        problem::{Body, MOST_BODY, Refusal},
    },
};

/// What a device would get.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SelectionAnswer")]
pub(super) struct Answer {
    device: DeviceId,
    /// `chosen`, `already_done`, `undecided` or `nothing`.
    outcome: &'static str,
    /// The package chosen, or there already; else null.
    package: Option<PackageRef>,
    /// A sentence.
    reason: String,
    /// What was not chosen.
    refused: Vec<Refused>,
    /// How many more were refused.
    more_refused: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SelectionRefusal")]
struct Refused {
    package: PackageId,
    version: Version,
    /// A sentence.
    reason: String,
    /// The same for programs.
    cause: RefusalReason,
}

/// `POST /select`
pub(super) async fn select(State(api): State<Api>, caller: Caller, Body(body): Body) -> Result<Json<Answer>, Refusal> {
    let (device, mut wanted) = question(&parse(&body, MOST_BODY)?)?;
    let row = api.store.device(&caller.tenant, &device.normalised()).await?;
    let row = row.ok_or_else(|| Refusal::not_found("device"))?;
    let facts = devices::facts(&api, &row).await?;
    wanted.env_refused = Known::of(&row)?.lacks.env_types(api.now());
    let catalogue = api.store.packages(&caller.tenant).await?;
    let catalogue = catalogue.iter().map(manifest).collect::<Result<Vec<_>, _>>()?;
    // Nothing can be read now: what hangs on facts that are not known is refused with their names.
    let chosen = selection::select(&wanted, &facts, &catalogue, &BTreeSet::new(), api.now());
    Ok(Json(answer(device, &chosen)))
}

fn question(body: &Value) -> Result<(DeviceId, Wanted), Problem> {
    let faults = Faults::default();
    let asked = Field::root(body, &faults).object().and_then(asked);
    faults.into_result(asked)
}

fn asked(mut root: Object<'_>) -> Option<(DeviceId, Wanted)> {
    let wants = [("deliver", Want::Deliver), ("install", Want::Install), ("install-inactive", Want::InstallInactive)];
    let device = root.need("device").and_then(|f| f.parsed(Code::InvalidName));
    let package = root.get("package").and_then(|f| f.object()).map(package);
    let want = root.get("action").map_or(Some(Want::Install), |f| f.choice(&wants, &[]));
    let allow_downgrade = root.get("allow_downgrade").map_or(Some(false), |f| f.boolean());
    root.close();
    let (package, want, allow_downgrade) = (package.flatten(), want?, allow_downgrade?);
    Some((device?, Wanted { package, want, allow_downgrade, on_request: false, env_refused: Vec::new() }))
}

fn package(mut root: Object<'_>) -> Option<PackageWanted> {
    let id = root.need("id").and_then(|f| f.parsed(Code::InvalidName));
    let version = root.get("version").and_then(|f| f.parsed(Code::InvalidVersionRule));
    root.close();
    Some(PackageWanted { id: id?, version })
}

fn answer(device: DeviceId, selection: &Selection) -> Answer {
    let (outcome, package, reason) = match &selection.verdict {
        Verdict::Chosen(package) => ("chosen", Some(package), "the first that passes".to_owned()),
        Verdict::AlreadyDone(package) => ("already_done", Some(package), "all that it installs is there".to_owned()),
        Verdict::Undecided { missing } => {
            let missing: Vec<&str> = missing.iter().copied().map(FactName::as_str).collect();
            ("undecided", None, format!("the device has to tell first: {}", missing.join(", ")))
        }
        Verdict::Nothing => ("nothing", None, "no package passes".to_owned()),
    };
    let refused = selection.refusals.iter().map(|refusal| Refused {
        package: refusal.package.id.clone(),
        version: refusal.package.version.clone(),
        reason: refusal.reason.to_string(),
        cause: refusal.reason.clone(),
    });
    Answer {
        device,
        outcome,
        package: package.cloned(),
        reason,
        refused: refused.collect(),
        more_refused: selection.more_refusals,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_names_a_device_and_perhaps_a_package() {
        let asked = json!({ "device": "IMEI:1", "package": { "id": "p", "version": ">=2.1" } });
        let (device, wanted) = question(&asked).unwrap();
        assert_eq!((device.as_str(), wanted.want, wanted.allow_downgrade), ("IMEI:1", Want::Install, false));
        assert!(wanted.package.unwrap().version.is_some());
    }

    #[test]
    fn every_fault_of_a_question_is_told() {
        let asked = json!({ "package": { "id": "a/b", "version": "?" }, "action": "fly", "more": 1 });
        let problem = question(&asked).unwrap_err();
        let faults: Vec<_> = problem.errors.iter().map(|f| (f.pointer.as_str(), f.code)).collect();
        assert_eq!(
            faults,
            [
                ("/device", Code::MissingField),
                ("/package/id", Code::InvalidName),
                ("/package/version", Code::InvalidVersionRule),
                ("/action", Code::UnknownValue),
                ("/more", Code::UnknownField),
            ]
        );
    }
}
