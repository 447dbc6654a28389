//! Result codes (SCOMO sheet 4.1).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A result code as a device reported it: 1200 to 1599 by the standard, any other number as devices send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResultCode(u16);

/// What a code says of success and of whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// It worked.
    Ok,
    /// The device or its user.
    Client,
    /// The alternate download server.
    Server,
}

/// What a server does about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Done.
    Finish,
    /// Try again after a while.
    Retry,
    /// The user declined: not again by itself.
    Decline,
    /// The device is full: wait for space, then try again.
    Hold,
    /// Look at credentials, URL or download server; then try again.
    RepairDownload,
    /// The package or its trust is at fault: trying again is of no use.
    Reject,
    /// The device lacks the ability: trying the same again is of no use.
    Incapable,
}

impl ResultCode {
    /// Success.
    pub const SUCCESS: Self = Self(1200);
    /// The user cancelled or declined.
    pub const DECLINED: Self = Self(1401);
    /// The device does not implement the operation.
    pub const NOT_IMPLEMENTED: Self = Self(1411);

    /// Takes a number as a device sent it.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The code within a DM status, where the number is one of the SCOMO codes (sheet 4.2, synchronous result).
    #[must_use]
    pub const fn in_status(number: u16) -> Option<Self> {
        match number {
            1200..=1299 | 1400..=1599 => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// By range, so that gaps and vendor codes have a class too. A plain 2xx is success; what fits nowhere counts as the
    /// client's error, like 1400.
    #[must_use]
    pub const fn class(self) -> Class {
        match self.0 {
            200..=299 | 1200..=1299 => Class::Ok,
            500..=599 | 1500..=1599 => Class::Server,
            _ => Class::Client,
        }
    }

    /// Whether it is success.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self.class(), Class::Ok)
    }

    /// Whether the device's vendor defines it.
    #[must_use]
    pub const fn is_vendor(self) -> bool {
        matches!(self.0, 1250..=1299 | 1450..=1499 | 1550..=1599)
    }

    /// Whether the package was whole and only its installation failed (SCOMO sheet 4.1: reinstall).
    #[must_use]
    pub const fn is_of_installation(self) -> bool {
        matches!(self.0, 1405 | 1406)
    }

    /// What to do about it.
    #[must_use]
    pub const fn reaction(self) -> Reaction {
        match (self.0, self.class()) {
            (_, Class::Ok) => Reaction::Finish,
            (1401, _) => Reaction::Decline,
            (1404 | 1406, _) => Reaction::Hold,
            (1403 | 1500 | 1502..=1599, _) => Reaction::RepairDownload,
            (1407, _) => Reaction::Reject,
            (1411 | 1413, _) => Reaction::Incapable,
            (_, Class::Client | Class::Server) => Reaction::Retry,
        }
    }

    /// Whether another attempt may end otherwise.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self.reaction() {
            Reaction::Retry | Reaction::Hold | Reaction::RepairDownload => true,
            Reaction::Finish | Reaction::Decline | Reaction::Reject | Reaction::Incapable => false,
        }
    }

    /// What it means, a phrase.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            200..=299 | 1200 => "success",
            1201..=1249 => "success, in a way that the standard does not define",
            1250..=1299 => "success, in the vendor's own sense",
            1400 | 1414..=1449 => "an error of the device or its user",
            1401 => "the user declined or cancelled",
            1402 => "the download failed",
            1403 => "the download needed authentication, which failed",
            1404 => "the download failed: not enough memory to hold the package",
            1405 => "the installation failed",
            1406 => "the installation failed: not enough memory",
            1407 => "the package's signature could not be validated",
            1408 => "the removal failed",
            1409 => "the activation failed",
            1410 => "the deactivation failed",
            1411 => "the device does not implement the operation",
            1412 => "an undefined error",
            1413 => "the device rejects the package's environment type",
            1450..=1499 => "an error of the device, in the vendor's own sense",
            500..=599 | 1500 | 1502..=1549 => "an error of the alternate download server",
            1501 => "the alternate download server did not answer",
            1550..=1599 => "an error of the alternate download server, in the vendor's own sense",
            _ => "a code that SCOMO does not define",
        }
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_rc_every_code_and_every_gap_has_class_reaction_and_meaning() {
        use Class::{Client, Ok, Server};
        use Reaction::{Decline, Finish, Hold, Incapable, Reject, RepairDownload, Retry};
        for (numbers, class, reaction, meaning) in [
            (200..=299, Ok, Finish, "success"),
            (1200..=1200, Ok, Finish, "success"),
            (1201..=1249, Ok, Finish, "does not define"),
            (1250..=1299, Ok, Finish, "vendor"),
            (1300..=1399, Client, Retry, "does not define"),
            (1400..=1400, Client, Retry, "device or its user"),
            (1401..=1401, Client, Decline, "declined"),
            (1402..=1402, Client, Retry, "download failed"),
            (1403..=1403, Client, RepairDownload, "authentication"),
            (1404..=1404, Client, Hold, "memory"),
            (1405..=1405, Client, Retry, "installation failed"),
            (1406..=1406, Client, Hold, "memory"),
            (1407..=1407, Client, Reject, "signature"),
            (1408..=1408, Client, Retry, "removal"),
            (1409..=1409, Client, Retry, "activation"),
            (1410..=1410, Client, Retry, "deactivation"),
            (1411..=1411, Client, Incapable, "does not implement"),
            (1412..=1412, Client, Retry, "undefined"),
            (1413..=1413, Client, Incapable, "environment"),
            (1414..=1449, Client, Retry, "device or its user"),
            (1450..=1499, Client, Retry, "vendor"),
            (1500..=1500, Server, RepairDownload, "download server"),
            (1501..=1501, Server, Retry, "did not answer"),
            (1502..=1549, Server, RepairDownload, "download server"),
            (1550..=1599, Server, RepairDownload, "vendor"),
            (1600..=9999, Client, Retry, "does not define"),
        ] {
            for number in numbers {
                let code = ResultCode::new(number);
                assert_eq!((code.class(), code.reaction()), (class, reaction), "{code}");
                assert!(code.meaning().contains(meaning), "{code}");
                let again = matches!(reaction, Retry | Hold | RepairDownload);
                assert_eq!((code.is_ok(), code.is_retryable()), (class == Ok, again), "{code}");
            }
        }
    }

    #[test]
    fn every_code_is_documented() {
        let page = include_str!("../../../docs/errors.md");
        let row = |from: u16, to: u16| {
            let code = ResultCode::new(from);
            let numbers = if from == to { format!("{from}") } else { format!("{from}–{to}") };
            let again = match code.reaction() {
                Reaction::Finish => "done",
                Reaction::Retry => "tried again",
                Reaction::Decline => "`declined`, never tried again by itself",
                Reaction::Hold => "tried again after a pause twelve times as long",
                Reaction::RepairDownload => {
                    "tried again; look at the download server and at what devices need to reach it"
                }
                Reaction::Reject => "not tried again; counted in `scomo_packages_rejected_total`",
                Reaction::Incapable => "not tried again; remembered of the device",
            };
            format!("| {numbers} | {} | {again} |", code.meaning())
        };
        let mut from = 1200;
        for to in 1200..=1599 {
            let (code, next) = (ResultCode::new(to), ResultCode::new(to + 1));
            let is_alike = (code.meaning(), code.reaction()) == (next.meaning(), next.reaction());
            if is_alike && to < 1599 {
                continue;
            }
            let row = row(from, to);
            assert!(page.contains(&row), "docs/errors.md must have the row\n{row}");
            from = to + 1;
        }
    }

    #[test]
    fn vendor_ranges_and_codes_within_a_status_are_told_apart() {
        assert!([1250, 1299, 1450, 1499, 1550, 1599].iter().all(|n| ResultCode::new(*n).is_vendor()));
        assert!([1249, 1300, 1449, 1500, 1549].iter().all(|n| !ResultCode::new(*n).is_vendor()));
        assert_eq!(ResultCode::in_status(1408), Some(ResultCode::new(1408)));
        assert_eq!(ResultCode::in_status(1350).or(ResultCode::in_status(404)), None);
    }
}
