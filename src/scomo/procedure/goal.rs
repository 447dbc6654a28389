//! What is wanted, and whether an inventory shows it.

use serde::{Deserialize, Serialize};

use super::errand::{Action, ComponentOperation, Package, PackageOperation};
use crate::{
    model::{catalog::Component, id::ComponentId, version::Version},
    scomo::inventory::{ComponentState, Deployed, Inventory, PackageState},
};

/// What is wanted of the device's inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    /// A package of the catalogue, brought to an end.
    Package { package: Box<Package>, action: Action },
    /// An operation on a package that the device holds.
    Delivered { pkg_id: String, operation: PackageOperation },
    /// An operation on a component.
    Component { id: ComponentId, operation: ComponentOperation },
}

/// Whether what is wanted is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Yes,
    No,
    /// The device does not show enough.
    Unknown,
}

impl Goal {
    /// The identifiers by which a report may name it.
    pub(super) fn is_identified_by(&self, identifier: &str) -> bool {
        let is = |text: &str| text.eq_ignore_ascii_case(identifier.trim());
        match self {
            Self::Package { package, .. } => {
                is(&package.pkg_id())
                    || is(package.of.id.as_str())
                    || package.components.iter().any(|c| is(c.id.as_str()))
            }
            Self::Delivered { pkg_id, .. } => is(pkg_id),
            Self::Component { id, .. } => is(id.as_str()),
        }
    }

    pub(super) fn reached(&self, inventory: &Inventory) -> Reached {
        match self {
            Self::Package { package, action: Action::Deliver } => held(inventory, &package.pkg_id()),
            Self::Package { package, action: Action::Install } => brought(inventory, package, true),
            Self::Package { package, action: Action::InstallInactive } => brought(inventory, package, false),
            Self::Delivered { pkg_id, operation: PackageOperation::Install } => installed(inventory, pkg_id, true),
            Self::Delivered { pkg_id, operation: PackageOperation::InstallInactive } => {
                installed(inventory, pkg_id, false)
            }
            Self::Delivered { pkg_id, operation: PackageOperation::Remove } => {
                gone(inventory, inventory.package(pkg_id).is_some())
            }
            Self::Component { id, operation: ComponentOperation::Remove } => {
                gone(inventory, inventory.component(id).is_some())
            }
            Self::Component { id, operation: ComponentOperation::Activate } => {
                inventory.component(id).map_or(Reached::No, |c| in_state(c, ComponentState::Active))
            }
            Self::Component { id, operation: ComponentOperation::Deactivate } => {
                inventory.component(id).map_or(Reached::No, |c| in_state(c, ComponentState::Inactive))
            }
        }
    }
}

const fn if_so(so: bool) -> Reached {
    if so { Reached::Yes } else { Reached::No }
}

/// What an inventory does not show that is not the whole may be there.
fn gone(inventory: &Inventory, shown: bool) -> Reached {
    match (shown, inventory.is_whole()) {
        (true, _) => Reached::No,
        (false, true) => Reached::Yes,
        (false, false) => Reached::Unknown,
    }
}

fn held(inventory: &Inventory, pkg_id: &str) -> Reached {
    match inventory.package(pkg_id).map(|p| p.state) {
        Some(Some(PackageState::Delivered | PackageState::Installed)) => Reached::Yes,
        Some(None) => Reached::Unknown,
        None => Reached::No,
    }
}

/// Whether every component of the package is there in its version, and active if it has to be. Those that need not be may be.
fn brought(inventory: &Inventory, package: &Package, active: bool) -> Reached {
    let pkg_id = package.pkg_id();
    if package.components.is_empty() {
        return installed(inventory, &pkg_id, active);
    }
    all(package.components.iter().map(|wanted| match inventory.component(&wanted.id) {
        Some(found) => all([same_version(found, wanted, &pkg_id), active_enough(found, active)]),
        None => Reached::No,
    }))
}

fn active_enough(component: &Deployed, active: bool) -> Reached {
    if active { in_state(component, ComponentState::Active) } else { Reached::Yes }
}

/// Whether what came from the package is there, where nobody knows what it installs.
fn installed(inventory: &Inventory, pkg_id: &str, active: bool) -> Reached {
    let mut components = inventory.components_of(pkg_id).peekable();
    if components.peek().is_some() {
        return all(components.map(|c| active_enough(c, active)));
    }
    // A component that does not say where it came from may have come from there.
    let untold = inventory.components.iter().any(|component| component.pkg_ref.is_none());
    match inventory.package(pkg_id).map(|p| p.state) {
        Some(Some(PackageState::Installed) | None) => Reached::Unknown,
        None if untold => Reached::Unknown,
        Some(Some(PackageState::Delivered)) | None => Reached::No,
    }
}

fn in_state(component: &Deployed, wanted: ComponentState) -> Reached {
    match component.state {
        Some(state) if state == wanted => Reached::Yes,
        Some(_) => Reached::No,
        None => Reached::Unknown,
    }
}

/// The version decides; where one is not told, the package that the component came from.
fn same_version(found: &Deployed, wanted: &Component, pkg_id: &str) -> Reached {
    let version = found.version.as_deref().and_then(|text| Version::parse(text).ok());
    match (version, &found.pkg_ref) {
        (Some(version), _) => if_so(version == wanted.version),
        (None, Some(from)) => if_so(from.eq_ignore_ascii_case(pkg_id)),
        (None, None) => Reached::Unknown,
    }
}

fn all(parts: impl IntoIterator<Item = Reached>) -> Reached {
    parts.into_iter().fold(Reached::Yes, |whole, part| match (whole, part) {
        (Reached::No, _) | (_, Reached::No) => Reached::No,
        (Reached::Unknown, _) | (_, Reached::Unknown) => Reached::Unknown,
        (Reached::Yes, Reached::Yes) => Reached::Yes,
    })
}
