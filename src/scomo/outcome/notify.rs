//! The device's install-notify held against the code that it reports (SCOMO sheet 7.3, 7.6).
//!
//! The report in the session is what counts; the install-notify only tells whether it is believable.

use serde::{Deserialize, Serialize};

use super::ResultCode;

/// The last install-notify that a device posted for a download, and whether the code that it reported goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "InstallNotify")]
pub struct Posted {
    /// 900 to 999.
    pub status: u16,
    /// Whether the two can both be true.
    pub plausible: bool,
}

impl Posted {
    /// Holds `status` against the `code` that ended the job.
    #[must_use]
    pub const fn new(status: u16, code: ResultCode) -> Self {
        Self { status, plausible: goes_with(status, code) }
    }
}

/// Whether a device that posted `status` may report `code`. What says little (1400, 1412, a vendor's own code of the device)
/// goes with every failure.
const fn goes_with(status: u16, code: ResultCode) -> bool {
    let number = usual(code);
    match (status, number) {
        // Stored: the installation may still have failed, the download has not.
        (900, 1402..=1404 | 1500 | 1501) => false,
        (900, _) => true,
        (_, 1200) => false,
        // Aborted for whatever reason, and codes of Java downloads that say as little.
        (904 | 907..=950 | 952 | 955.., _) | (_, 1400 | 1412 | 1450..=1499) => true,
        (901, _) => matches!(number, 1404 | 1406),
        (902, _) => number == 1401,
        (903, _) => matches!(number, 1402 | 1501),
        (905, _) => matches!(number, 1402 | 1407),
        (906, _) => matches!(number, 1402 | 1500),
        (951, _) => matches!(number, 1402 | 1411),
        (953, _) => matches!(number, 1402 | 1413),
        (954, _) => matches!(number, 1402 | 1500 | 1501),
        _ => true,
    }
}

/// The code, or what a code that the standard does not define counts as (SCOMO sheet 4.1).
const fn usual(code: ResultCode) -> u16 {
    match code.number() {
        200..=299 | 1200..=1299 => 1200,
        1414..=1449 => 1400,
        500..=599 | 1502..=1599 => 1500,
        number => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plausible(status: u16, code: u16) -> bool {
        Posted::new(status, ResultCode::new(code)).plausible
    }

    #[test]
    fn each_pair_of_the_sheet_is_plausible() {
        for (status, codes) in [
            (900, &[1200, 1250, 200, 1401, 1405, 1406, 1407, 1412][..]),
            (901, &[1404, 1406]),
            (902, &[1401]),
            (903, &[1402]),
            (905, &[1402, 1407]),
            (906, &[1402, 1500]),
            (951, &[1402, 1411]),
            (952, &[1402, 1400, 1405, 1500]),
            (953, &[1413, 1402]),
            (954, &[1500, 1402, 1551]),
            (911, &[1402, 1405]),
        ] {
            assert!(codes.iter().all(|code| plausible(status, *code)), "{status}");
        }
    }

    #[test]
    fn a_device_that_could_not_download_has_not_succeeded_and_one_that_has_did_not_fail_to_download() {
        for status in (901..=999).filter(|s| *s != 900) {
            assert!(!plausible(status, 1200) && !plausible(status, 1299), "{status}");
            assert!(plausible(status, 1400) && plausible(status, 1430) && plausible(status, 1460), "{status}");
        }
        assert!([1402, 1403, 1404, 1500, 1501, 1520, 1599].iter().all(|code| !plausible(900, *code)));
        assert!(!plausible(902, 1404) && !plausible(901, 1401) && !plausible(953, 1411));
    }
}
