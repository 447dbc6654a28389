//! The primitives of SCOMO: nine operations on three kinds of nodes (SCOMO sheet 2).

use serde::{Deserialize, Serialize};

use super::procedure::errand::{Action, ComponentOperation, PackageOperation};

/// A primitive: an operation node that is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Fetch a package.
    Download,
    /// Fetch, install, activate.
    DownloadInstall,
    /// Fetch and install.
    DownloadInstallInactive,
    /// Install and activate a delivered package.
    Install,
    /// Install a delivered package.
    InstallInactive,
    /// Erase a delivered package.
    RemovePackage,
    /// Activate a component.
    Activate,
    /// Deactivate a component.
    Deactivate,
    /// Erase a component.
    RemoveComponent,
}

/// The kind of node that an operation works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// `Download/<X>`
    Download,
    /// `Inventory/Delivered/<X>`
    Delivered,
    /// `Inventory/Deployed/<X>`
    Deployed,
}

impl Operation {
    /// All of them.
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

    /// The primitive that fetches a package to this end.
    #[must_use]
    pub const fn fetching(action: Action) -> Self {
        match action {
            Action::Deliver => Self::Download,
            Action::Install => Self::DownloadInstall,
            Action::InstallInactive => Self::DownloadInstallInactive,
        }
    }

    /// The name of its node below `Operations`.
    #[must_use]
    pub const fn node_name(self) -> &'static str {
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

    /// What it works on.
    #[must_use]
    pub const fn target(self) -> Target {
        match self {
            Self::Download | Self::DownloadInstall | Self::DownloadInstallInactive => Target::Download,
            Self::Install | Self::InstallInactive | Self::RemovePackage => Target::Delivered,
            Self::Activate | Self::Deactivate | Self::RemoveComponent => Target::Deployed,
        }
    }

    /// Whether a device means this one by `name`, of whatever letter case or known misspelling (SCOMO sheet 1.1).
    #[must_use]
    pub fn is_named(self, name: &str) -> bool {
        let aliases: &[&str] = match self {
            Self::DownloadInstallInactive => &["DownlaodInstallInactive", "DownloadInstallInactivate"],
            Self::Deactivate => &["Deactive"],
            Self::Download
            | Self::DownloadInstall
            | Self::Install
            | Self::InstallInactive
            | Self::RemovePackage
            | Self::Activate
            | Self::RemoveComponent => &[],
        };
        let name = name.trim();
        self.node_name().eq_ignore_ascii_case(name) || aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// The name under which a device offers it among the children of an `Operations` node; the canonical name where the device
    /// lists nothing; `None` where it lists others only.
    #[must_use]
    pub fn among<'a>(self, offered: impl IntoIterator<Item = &'a str>) -> Option<String> {
        let mut offered = offered.into_iter().peekable();
        if offered.peek().is_none() {
            return Some(self.node_name().to_owned());
        }
        offered.find(|name| self.is_named(name)).map(str::to_owned)
    }
}

impl From<PackageOperation> for Operation {
    fn from(operation: PackageOperation) -> Self {
        match operation {
            PackageOperation::Install => Self::Install,
            PackageOperation::InstallInactive => Self::InstallInactive,
            PackageOperation::Remove => Self::RemovePackage,
        }
    }
}

impl From<ComponentOperation> for Operation {
    fn from(operation: ComponentOperation) -> Self {
        match operation {
            ComponentOperation::Activate => Self::Activate,
            ComponentOperation::Deactivate => Self::Deactivate,
            ComponentOperation::Remove => Self::RemoveComponent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_as_real_devices_spell_them() {
        let seen = ["download", "DownloadInstall", "DownlaodInstallInactive"];
        assert_eq!(Operation::Download.among(seen).as_deref(), Some("download"));
        assert_eq!(Operation::DownloadInstallInactive.among(seen).as_deref(), Some("DownlaodInstallInactive"));
        assert_eq!(Operation::Deactivate.among(["Activate", "Deactive"]).as_deref(), Some("Deactive"));
    }

    #[test]
    fn a_device_that_lists_nothing_gets_the_canonical_name_and_one_that_lists_others_cannot() {
        assert_eq!(Operation::Install.among([]).as_deref(), Some("Install"));
        assert_eq!(Operation::Install.among(["Remove", "InstallInactive"]), None);
    }

    #[test]
    fn no_name_is_taken_for_another_operation_of_the_same_node() {
        for a in Operation::ALL {
            for b in Operation::ALL.into_iter().filter(|b| *b != a && b.target() == a.target()) {
                assert!(!b.is_named(a.node_name()), "{a:?} {b:?}");
            }
        }
    }
}
