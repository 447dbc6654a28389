//! The nine primitives (SCOMO sheet 2), as a device knows them.

use serde::{Deserialize, Serialize};

/// A primitive; `Remove` is two, by what is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Operation {
    /// Fetch a package.
    Download,
    /// Fetch a package and make its components active.
    DownloadInstall,
    /// Fetch a package and leave its components inactive.
    DownloadInstallInactive,
    /// Make the components of a delivered package active.
    Install,
    /// Deploy the components of a delivered package, inactive.
    InstallInactive,
    /// Erase a delivered package.
    RemovePackage,
    /// Make a component active.
    Activate,
    /// Make a component inactive.
    Deactivate,
    /// Erase a component.
    RemoveComponent,
}

/// The three lists of a SCOMO object whose entries carry operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Area {
    /// `Download`
    Download,
    /// `Inventory/Delivered`
    Delivered,
    /// `Inventory/Deployed`
    Deployed,
}

impl Operation {
    /// Every primitive.
    pub const ALL: [Self; 9] = [
        Self::Download,
        Self::DownloadInstall,
        Self::DownloadInstallInactive,
        Self::Install,
        Self::InstallInactive,
        Self::RemovePackage,
        Self::Activate,
        Self::Deactivate,
        Self::RemoveComponent,
    ];

    /// The name of its node.
    #[must_use]
    pub const fn node(self) -> &'static str {
        match self {
            Self::Download => "Download",
            Self::DownloadInstall => "DownloadInstall",
            Self::DownloadInstallInactive => "DownloadInstallInactive",
            Self::Install => "Install",
            Self::InstallInactive => "InstallInactive",
            Self::RemovePackage | Self::RemoveComponent => "Remove",
            Self::Activate => "Activate",
            Self::Deactivate => "Deactivate",
        }
    }

    /// Whether it fetches its package first: it can only be asynchronous then.
    #[must_use]
    pub const fn fetches(self) -> bool {
        matches!(self, Self::Download | Self::DownloadInstall | Self::DownloadInstallInactive)
    }

    /// Whether components come of it, and if so whether they are active.
    pub(super) const fn deploys(self) -> Option<bool> {
        match self {
            Self::DownloadInstall | Self::Install => Some(true),
            Self::DownloadInstallInactive | Self::InstallInactive => Some(false),
            Self::Download | Self::RemovePackage | Self::Activate | Self::Deactivate | Self::RemoveComponent => None,
        }
    }

    /// Where its node stands.
    pub(super) const fn area(self) -> Area {
        match self {
            Self::Download | Self::DownloadInstall | Self::DownloadInstallInactive => Area::Download,
            Self::Install | Self::InstallInactive | Self::RemovePackage => Area::Delivered,
            Self::Activate | Self::Deactivate | Self::RemoveComponent => Area::Deployed,
        }
    }

    /// The Status of the entry while it runs, and after it failed with the former state kept (SCOMO sheet 3.2 to 3.4).
    pub(super) const fn statuses(self) -> (u16, u16) {
        match self {
            Self::Install | Self::InstallInactive => (40, 50),
            Self::Download
            | Self::DownloadInstall
            | Self::DownloadInstallInactive
            | Self::RemovePackage
            | Self::RemoveComponent => (30, 20),
            Self::Activate => (50, 40),
            Self::Deactivate => (70, 60),
        }
    }
}
