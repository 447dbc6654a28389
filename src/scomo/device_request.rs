//! What a device asks for of its own accord (SCOMO sheet 4.4).
//!
//! The standard registers no alert type for it. What is taken for one stands in [`asker`] alone.

use serde::{Deserialize, Serialize};

use super::{
    inventory::Inventory,
    operation::{Operation, Target},
    outcome::report,
    procedure::errand::{Action, ComponentOperation, PackageOperation},
};
use crate::model::{
    id::{ComponentId, PackageId},
    tree::{Instance, ObjectKind},
    version::{Version, VersionRule},
};

/// Who asks; the words of the device class's key `requests`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asker {
    /// The device's user.
    User,
    /// The device itself.
    Device,
    /// The device's regular look for updates.
    Update,
}

/// Who asks by a generic alert of this Type; nobody by any other. The names are guesses after the pattern of firmware updates.
#[must_use]
pub fn asker(alert_type: &str) -> Option<Asker> {
    let kind = report::below_root(alert_type)?;
    match kind.rsplit([':', '/', '.']).next()? {
        "userrequest" => Some(Asker::User),
        "devicerequest" => Some(Asker::Device),
        "updatecheck" | "checkupdate" => Some(Asker::Update),
        _ => None,
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A delivery package.
    Download {
        /// The end wanted.
        action: Action,
        /// Which one; absent: the best match.
        named: Option<Named>,
    },
    /// An operation on a package that the device holds.
    Package {
        /// Which operation.
        operation: PackageOperation,
        /// Its PkgID; the name of its node where nobody knows better.
        pkg_id: String,
    },
    /// An operation on a deployment component.
    Component {
        /// Which operation.
        operation: ComponentOperation,
        /// The component.
        id: ComponentId,
    },
}

/// A package as an alert names it: `id`, `id@version` or `id version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Which package.
    pub id: PackageId,
    /// Which versions of it; absent: the best.
    pub version: Option<VersionRule>,
}

/// Why nobody knows what a device asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWish {
    /// The Source lies elsewhere.
    #[error("its Source is no SCOMO root that is known of this device, and no operation below one")]
    Source,
    /// The Source is an entry whose name is no component's.
    #[error("its Source names no component")]
    Component,
}

impl Named {
    /// Reads a package's name; nothing if the text is none, for what a device may say here is its vendor's own.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(|c: char| c == '@' || c.is_whitespace()).filter(|word| !word.is_empty());
        let id = PackageId::parse(words.next()?).ok()?;
        let version = match words.next() {
            None => None,
            Some(text) => Some(match VersionRule::parse(text) {
                Ok(rule) => rule,
                Err(_) => VersionRule::exactly(&Version::parse(text).ok()?),
            }),
        };
        words.next().is_none().then_some(Self { id, version })
    }
}

impl Wish {
    /// Reads an item's Source and Data. `roots` are the device's management objects as far as they are known, `inventory` is what
    /// was read of it last.
    ///
    /// # Errors
    /// [`NoWish`]
    pub fn read(
        source: Option<&str>,
        data: &str,
        roots: &[Instance],
        inventory: Option<&Inventory>,
    ) -> Result<Self, NoWish> {
        let (root, path) = below(source.unwrap_or_default(), roots).ok_or(NoWish::Source)?;
        let here = |of: &str| root.as_ref().is_none_or(|root| names(of) == *root);
        if path.is_empty() {
            return Ok(Self::Download { action: Action::Install, named: Named::parse(data) });
        }
        let (operation, entry) = operation_at(&path).ok_or(NoWish::Source)?;
        if let Some(action) = fetched_by(operation) {
            return Ok(Self::Download { action, named: Named::parse(data) });
        }
        if let Some(operation) = on_package(operation) {
            let held = inventory
                .into_iter()
                .flat_map(|i| &i.packages)
                .find(|p| p.node.eq_ignore_ascii_case(entry) && here(&p.root));
            let pkg_id = held.and_then(|p| p.pkg_id.clone()).unwrap_or_else(|| entry.to_owned());
            return Ok(Self::Package { operation, pkg_id });
        }
        let operation = on_component(operation).ok_or(NoWish::Source)?;
        let there = inventory
            .into_iter()
            .flat_map(|i| &i.components)
            .find(|c| c.node.eq_ignore_ascii_case(entry) && here(&c.root));
        let id = there.map(|c| c.id.clone()).or_else(|| ComponentId::parse(entry).ok()).ok_or(NoWish::Component)?;
        Ok(Self::Component { operation, id })
    }
}

/// The SCOMO root, and the names below it; none for the root itself and where there is no Source. As long as no root of the device
/// is known, what stands before `Download` or `Inventory` is taken for one.
fn below<'a>(source: &'a str, roots: &'a [Instance]) -> Option<(Option<Vec<&'a str>>, Vec<&'a str>)> {
    let path = names(source);
    if path.is_empty() {
        return Some((None, path));
    }
    let mut known = roots.iter().filter(|root| root.kind == ObjectKind::Scomo).map(|root| names(&root.name)).peekable();
    if known.peek().is_none() {
        let top = |name: &&str| ["Download", "Inventory"].iter().any(|top| top.eq_ignore_ascii_case(name));
        let root = path.iter().position(top).unwrap_or(path.len());
        return Some((None, path.into_iter().skip(root).collect()));
    }
    known.find_map(|root| {
        let (head, tail) = path.split_at_checked(root.len())?;
        let same = head.iter().zip(&root).all(|(a, b)| a.eq_ignore_ascii_case(b));
        same.then(|| (Some(root), tail.to_vec()))
    })
}

fn names(uri: &str) -> Vec<&str> {
    uri.split('/').map(str::trim).filter(|name| !name.is_empty() && *name != ".").collect()
}

/// The operation whose node has this path below a root, and the entry that it is on.
fn operation_at<'a>(path: &[&'a str]) -> Option<(Operation, &'a str)> {
    let is = |name: &str, wanted: &str| name.eq_ignore_ascii_case(wanted);
    let (target, entry, operations, name) = match path {
        [top, entry, operations, name] if is(top, "Download") => (Target::Download, entry, operations, name),
        [top, list, entry, operations, name] if is(top, "Inventory") && is(list, "Delivered") => {
            (Target::Delivered, entry, operations, name)
        }
        [top, list, entry, operations, name] if is(top, "Inventory") && is(list, "Deployed") => {
            (Target::Deployed, entry, operations, name)
        }
        _ => return None,
    };
    let operation = Operation::ALL.into_iter().find(|o| o.target() == target && o.is_named(name))?;
    is(operations, "Operations").then_some((operation, entry))
}

const fn fetched_by(operation: Operation) -> Option<Action> {
    match operation {
        Operation::Download => Some(Action::Deliver),
        Operation::DownloadInstall => Some(Action::Install),
        Operation::DownloadInstallInactive => Some(Action::InstallInactive),
        Operation::Install
        | Operation::InstallInactive
        | Operation::RemovePackage
        | Operation::Activate
        | Operation::Deactivate
        | Operation::RemoveComponent => None,
    }
}

const fn on_package(operation: Operation) -> Option<PackageOperation> {
    match operation {
        Operation::Install => Some(PackageOperation::Install),
        Operation::InstallInactive => Some(PackageOperation::InstallInactive),
        Operation::RemovePackage => Some(PackageOperation::Remove),
        Operation::Download
        | Operation::DownloadInstall
        | Operation::DownloadInstallInactive
        | Operation::Activate
        | Operation::Deactivate
        | Operation::RemoveComponent => None,
    }
}

const fn on_component(operation: Operation) -> Option<ComponentOperation> {
    match operation {
        Operation::Activate => Some(ComponentOperation::Activate),
        Operation::Deactivate => Some(ComponentOperation::Deactivate),
        Operation::RemoveComponent => Some(ComponentOperation::Remove),
        Operation::Download
        | Operation::DownloadInstall
        | Operation::DownloadInstallInactive
        | Operation::Install
        | Operation::InstallInactive
        | Operation::RemovePackage => None,
    }
}

#[cfg(test)]
mod tests;
