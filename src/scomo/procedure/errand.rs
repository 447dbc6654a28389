//! What a SCOMO procedure is sent to do, and the excerpt of a delivery package that it needs for that.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::{
    catalog::{Component, Manifest, PackageRef},
    clock::span,
    id::ComponentId,
    rule::FactSource,
    texts::Texts,
    tree::Payload,
};

/// What a SCOMO procedure is sent to do on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// Bring a delivery package to the device; which one is asked with [`Need::Selection`](super::turn::Need::Selection).
    Download {
        /// The end wanted.
        action: Action,
    },
    /// Run an operation on a package that the device already holds under `Inventory/Delivered`.
    OperatePackage {
        /// Which operation.
        operation: PackageOperation,
        /// The `PkgID`s that count as the package, best first: those of the versions that the request allows, then the bare
        /// package id. Letter case is ignored.
        pkg_ids: Vec<String>,
    },
    /// Run an operation on a deployment component under `Inventory/Deployed`.
    OperateComponent {
        /// Which operation.
        operation: ComponentOperation,
        /// The component.
        component: ComponentId,
    },
    /// Read what [`Collect`] names, both sources if it names none, and do nothing else.
    Collect,
}

/// What is read of a device beside what an errand cannot do without (contract "Request", `collect`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Collect {
    /// These are read if what is known of them is too old, and nothing else is read for the choice of a package. Absent: what the
    /// choice turns out to need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<BTreeSet<FactSource>>,
    /// How old what is known of a device may be.
    #[serde(with = "span::maybe", skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

impl Collect {
    /// Whether the source may be read for the choice.
    #[must_use]
    pub fn allows(&self, source: FactSource) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(&source))
    }

    /// Whether the source is to be read even if nothing needs it.
    #[must_use]
    pub fn names(&self, source: FactSource) -> bool {
        self.sources.as_ref().is_some_and(|sources| sources.contains(&source))
    }

    /// Whether everything is left open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

/// The end that a download wants (contract "Request", `action`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The package lies on the device, not installed.
    Deliver,
    /// Its components are installed and active.
    Install,
    /// Its components are installed; where they were not before, inactive.
    InstallInactive,
}

/// What may be done with a delivered package (SCOMO sheet 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PackageOperation {
    /// Install and activate its components.
    Install,
    /// Install its components, inactive.
    InstallInactive,
    /// Erase the package; its components stay.
    Remove,
}

/// What may be done with a deployment component (SCOMO sheet 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentOperation {
    /// Make it run.
    Activate,
    /// Make it rest.
    Deactivate,
    /// Erase it.
    Remove,
}

/// What the device's user is asked before anything is done (contract "Request", `confirm`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// The question; absent: that of the package's manifest, or one that names what is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Texts>,
    /// What becomes of a device that cannot ask.
    pub if_no_ui: IfNoUi,
}

/// What becomes of a device that cannot ask its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IfNoUi {
    /// Nothing is done.
    #[default]
    Stop,
    /// It is done unasked.
    Proceed,
}

/// What a procedure knows of a delivery package: an excerpt of its manifest, kept with the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The package and its version.
    pub of: PackageRef,
    /// `Name`, shown to users.
    pub name: String,
    /// `Description`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `InstallParams`, handed to the device's installer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_params: Option<String>,
    /// `EnvType`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_type: Option<String>,
    /// `Reboot`, for devices that show such a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<String>,
    /// The bytes; their MIME type is written as `PkgType`.
    pub payload: Payload,
    /// The payload's file name, the last segment of its URL.
    pub file: String,
    /// The deployment components that it installs.
    pub components: Vec<Component>,
}

impl Package {
    /// The PkgID written to devices, unique per version.
    #[must_use]
    pub fn pkg_id(&self) -> String {
        self.of.pkg_id()
    }
}

impl From<&Manifest> for Package {
    fn from(manifest: &Manifest) -> Self {
        Self {
            of: manifest.package(),
            name: manifest.name.clone(),
            description: manifest.description.clone(),
            install_params: manifest.install_params.clone(),
            env_type: manifest.env_type.clone(),
            reboot: manifest.reboot.clone(),
            payload: Payload { digest: manifest.sha256, size: manifest.size, mime: manifest.mime().to_owned() },
            file: manifest.payload.clone(),
            components: manifest.components.clone(),
        }
    }
}

/// A package that selection chose for a device, and the way it is to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The package.
    pub package: Package,
    /// How its bytes reach the device.
    pub way: Way,
}

/// How a package's bytes reach a device (SCOMO sheet 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Written into the tree, in this session.
    Direct,
    /// Fetched by the device from a URL.
    Alternate(Mechanism),
}

/// What lies at the PkgURL of an alternate download (SCOMO sheet 5.1 no. 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// The package itself.
    Package,
    /// A download descriptor (DLOTA) that names the package.
    Descriptor,
}
