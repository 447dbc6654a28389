//! What is wanted, and whether an inventory shows it.

use serde::{Deserialize, Serialize};

use super::errand::{Action, Component, ComponentOperation, Package, PackageOperation};
use crate::{
    model::id::ComponentId,
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
                is(&package.pkg_id) || is(package.id.as_str()) || package.components.iter().any(|c| is(c.id.as_str()))
            }
            Self::Delivered { pkg_id, .. } => is(pkg_id),
            Self::Component { id, .. } => is(id.as_str()),
        }
    }

    pub(super) fn reached(&self, inventory: &Inventory) -> Reached {
        match self {
            Self::Package { package, action: Action::Deliver } => held(inventory, &package.pkg_id),
            Self::Package { package, action: Action::Install } => brought(inventory, package, ComponentState::Active),
            Self::Package { package, action: Action::InstallInactive } => {
                brought(inventory, package, ComponentState::Inactive)
            }
            Self::Delivered { pkg_id, operation: PackageOperation::Install } => {
                installed(inventory, pkg_id, ComponentState::Active)
            }
            Self::Delivered { pkg_id, operation: PackageOperation::InstallInactive } => {
                installed(inventory, pkg_id, ComponentState::Inactive)
            }
            Self::Delivered { pkg_id, operation: PackageOperation::Remove } => {
                if_so(inventory.package(pkg_id).is_none())
            }
            Self::Component { id, operation: ComponentOperation::Remove } => if_so(inventory.component(id).is_none()),
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

fn held(inventory: &Inventory, pkg_id: &str) -> Reached {
    match inventory.package(pkg_id).map(|p| p.state) {
        Some(Some(PackageState::Delivered | PackageState::Installed)) => Reached::Yes,
        Some(None) => Reached::Unknown,
        None => Reached::No,
    }
}

/// Whether every component of the package is there, in its version and in this state.
fn brought(inventory: &Inventory, package: &Package, state: ComponentState) -> Reached {
    if package.components.is_empty() {
        return installed(inventory, &package.pkg_id, state);
    }
    all(package.components.iter().map(|wanted| match inventory.component(&wanted.id) {
        Some(found) => all([same_version(found, wanted, &package.pkg_id), in_state(found, state)]),
        None => Reached::No,
    }))
}

/// Whether what came from the package is there in this state, where nobody knows what it installs.
fn installed(inventory: &Inventory, pkg_id: &str, state: ComponentState) -> Reached {
    let mut components = inventory.components_of(pkg_id).peekable();
    if components.peek().is_some() {
        return all(components.map(|c| in_state(c, state)));
    }
    match inventory.package(pkg_id).map(|p| p.state) {
        Some(Some(PackageState::Installed) | None) => Reached::Unknown,
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
    match (&found.version, &wanted.version, &found.pkg_ref) {
        (Some(found), Some(wanted), _) => if_so(found.eq_ignore_ascii_case(wanted)),
        (_, _, Some(from)) => if_so(from.eq_ignore_ascii_case(pkg_id)),
        (_, _, None) => Reached::Unknown,
    }
}

fn all(parts: impl IntoIterator<Item = Reached>) -> Reached {
    parts.into_iter().fold(Reached::Yes, |whole, part| match (whole, part) {
        (Reached::No, _) | (_, Reached::No) => Reached::No,
        (Reached::Unknown, _) | (_, Reached::Unknown) => Reached::Unknown,
        (Reached::Yes, Reached::Yes) => Reached::Yes,
    })
}
