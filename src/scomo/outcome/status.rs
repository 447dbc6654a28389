//! The values of the Status leaves, one type per kind of node (SCOMO sheet 3.2 to 3.4).

use serde::{Deserialize, Serialize};

/// What a Status says of the operation that a server waits for, whatever the kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing goes on; before as after an operation.
    Idle,
    /// It goes on.
    Progressing,
    /// It failed; the package's bytes are still on the device unless said otherwise.
    Failed {
        /// The package has to be sent again.
        data_lost: bool,
    },
    /// A value that the standard does not define.
    Unknown,
}

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $($value:literal)|+ => $phase:expr, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A value that the standard does not define.
            Other(u16),
        }

        impl $name {
            /// From the number in the leaf.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($($value)|+ => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            /// What it says of an operation.
            #[must_use]
            pub const fn phase(self) -> Phase {
                match self {
                    $(Self::$variant => $phase,)+
                    Self::Other(_) => Phase::Unknown,
                }
            }

            /// A phrase for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(_) => "a status that SCOMO does not define",
                }
            }
        }
    };
}

status! {
    /// `Download/<X>/Status`.
    DownloadStatus {
        /// 10: nothing received yet, or over.
        Idle = 10 => Phase::Idle, "idle";
        /// 20: failed, nothing kept.
        DownloadFailed = 20 => Phase::Failed { data_lost: true }, "the download failed";
        /// 30: started.
        DownloadProgressing = 30 => Phase::Progressing, "downloading";
        /// 40: all bytes are in.
        DownloadCompleted = 40 => Phase::Idle, "downloaded";
        /// 50: the installation of a combined primitive runs.
        InstallProgressing = 50 => Phase::Progressing, "installing";
        /// 60: the package is still there.
        InstallFailedWithData = 60 => Phase::Failed { data_lost: false }, "the installation failed";
        /// 70: the package is gone.
        InstallFailedWithoutData = 70 => Phase::Failed { data_lost: true }, "the installation failed and the package was deleted";
    }
}

status! {
    /// `Inventory/Delivered/<X>/Status`.
    DeliveredStatus {
        /// 10: no operation pending.
        Idle = 10 => Phase::Idle, "idle";
        /// 20: the package is still there.
        RemoveFailed = 20 => Phase::Failed { data_lost: false }, "the removal failed";
        /// 30: being removed.
        RemoveProgressing = 30 => Phase::Progressing, "removing";
        /// 40: being installed.
        InstallProgressing = 40 => Phase::Progressing, "installing";
        /// 50: the package is still there.
        InstallFailedWithData = 50 => Phase::Failed { data_lost: false }, "the installation failed";
        /// 60, with some clients 70: the package is gone.
        InstallFailedWithoutData = 60 | 70 => Phase::Failed { data_lost: true }, "the installation failed and the package was deleted";
    }
}

status! {
    /// `Inventory/Deployed/<X>/Status`.
    DeployedStatus {
        /// 10: no operation pending.
        Idle = 10 => Phase::Idle, "idle";
        /// 20: the component is still there.
        RemoveFailed = 20 => Phase::Failed { data_lost: false }, "the removal failed";
        /// 30: being removed.
        RemoveProgressing = 30 => Phase::Progressing, "removing";
        /// 40: still inactive.
        ActivateFailed = 40 => Phase::Failed { data_lost: false }, "the activation failed";
        /// 50: being activated.
        ActivateProgressing = 50 => Phase::Progressing, "activating";
        /// 60: still active.
        DeactivateFailed = 60 => Phase::Failed { data_lost: false }, "the deactivation failed";
        /// 70: being deactivated.
        DeactivateProgressing = 70 => Phase::Progressing, "deactivating";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_means_different_things_on_different_nodes() {
        assert_eq!(DownloadStatus::from_number(50).phase(), Phase::Progressing);
        assert_eq!(DeliveredStatus::from_number(50).phase(), Phase::Failed { data_lost: false });
        assert_eq!(DeployedStatus::from_number(50).phase(), Phase::Progressing);
    }

    #[test]
    fn both_numbers_for_a_lost_package_are_understood() {
        assert_eq!(DeliveredStatus::from_number(60), DeliveredStatus::from_number(70));
        assert_eq!(DeliveredStatus::from_number(99), DeliveredStatus::Other(99));
        assert_eq!(DeliveredStatus::Other(99).phase(), Phase::Unknown);
    }
}
