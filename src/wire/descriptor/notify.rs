//! The status report that a device posts when a download has ended (SCOMO sheet 7.3, 7.4).

use std::fmt;

/// A status report: a code from 900 to 999, of which 900 alone is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallNotify(u16);

impl InstallNotify {
    /// 900: received, and installed or stored.
    pub const SUCCESS: Self = Self(900);
    /// 901: no room.
    pub const INSUFFICIENT_MEMORY: Self = Self(901);
    /// 902: the user said no.
    pub const USER_CANCELLED: Self = Self(902);
    /// 903: the connection was lost.
    pub const LOSS_OF_SERVICE: Self = Self(903);
    /// 905: the object differs from the descriptor.
    pub const ATTRIBUTE_MISMATCH: Self = Self(905);
    /// 906: the descriptor is unreadable or lacks a mandatory element.
    pub const INVALID_DESCRIPTOR: Self = Self(906);
    /// 951: the descriptor's major version is unknown.
    pub const INVALID_VERSION: Self = Self(951);
    /// 952: the device gave up.
    pub const DEVICE_ABORTED: Self = Self(952);
    /// 953: the type is not supported.
    pub const NON_ACCEPTABLE_CONTENT: Self = Self(953);
    /// 954: the object's URL could not be loaded.
    pub const LOADER_ERROR: Self = Self(954);

    /// Reads a report's body: white space is skipped, the leading digits are the code, the rest is ignored.
    ///
    /// Codes between the known ones are kept: Java downloads use some of them. Nothing if there is no code from 900 to 999.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let body = body.trim_ascii_start();
        let end = body.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(body.len());
        let code = str::from_utf8(body.get(..end)?).ok()?.parse().ok()?;
        (900..=999).contains(&code).then_some(Self(code))
    }

    /// The report's body, as a device posts it.
    #[must_use]
    pub fn write(self) -> String {
        format!("{self}\r\n")
    }

    /// The code.
    #[must_use]
    pub fn code(self) -> u16 {
        self.0
    }

    /// Whether the download succeeded. It is no proof of installation (SCOMO sheet 7.6).
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::SUCCESS
    }

    /// What the code is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SUCCESS => "Success",
            Self::INSUFFICIENT_MEMORY => "Insufficient memory",
            Self::USER_CANCELLED => "User Cancelled",
            Self::LOSS_OF_SERVICE => "Loss of Service",
            Self::ATTRIBUTE_MISMATCH => "Attribute mismatch",
            Self::INVALID_DESCRIPTOR => "Invalid descriptor",
            Self::INVALID_VERSION => "Invalid DDVersion",
            Self::DEVICE_ABORTED => "Device Aborted",
            Self::NON_ACCEPTABLE_CONTENT => "Non-Acceptable Content",
            Self::LOADER_ERROR => "Loader Error",
            Self(_) => "Unknown failure",
        }
    }
}

impl fmt::Display for InstallNotify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_bodies_are_read() {
        let bodies: [(&[u8], InstallNotify); 5] = [
            (b"900 Success\r\n", InstallNotify::SUCCESS),
            (b"901 insufficient memory \n\r", InstallNotify::INSUFFICIENT_MEMORY),
            (b"902 User Canceled", InstallNotify::USER_CANCELLED),
            (b" \r\n\t954", InstallNotify::LOADER_ERROR),
            (b"913\xff\x00", InstallNotify(913)),
        ];
        for (body, expected) in bodies {
            assert_eq!(InstallNotify::read(body), Some(expected));
        }
        assert!(!InstallNotify(913).is_success() && InstallNotify::SUCCESS.is_success());
    }

    #[test]
    fn what_holds_no_code_is_no_report() {
        for body in [&b""[..], b"Success", b"-900", b"200 OK", b"9000", b"99999999999999999999 x", b"\xef\xbb\xbf900"] {
            assert_eq!(InstallNotify::read(body), None);
        }
    }

    #[test]
    fn a_report_is_written_as_devices_do() {
        assert_eq!(InstallNotify::SUCCESS.write(), "900 Success\r\n");
        for code in 900..=999 {
            assert_eq!(InstallNotify::read(InstallNotify(code).write().as_bytes()), Some(InstallNotify(code)));
        }
    }
}
