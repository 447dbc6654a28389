//! What codes are called (DM 1.x sheet 2.4, 5).

/// The meaning of a status code: its own, or at least that of its class.
#[must_use]
pub fn status(code: u16) -> &'static str {
    if let Some(name) = find(STATUS, code) {
        return name;
    }
    match code {
        100..=199 => "in progress, unknown code",
        200..=299 => "success, unknown code",
        300..=399 => "redirect, unknown code",
        400..=599 => "failure, unknown code",
        1200..=1299 => "SCOMO result: success",
        1400..=1499 => "SCOMO result: failure on the device",
        1500..=1599 => "SCOMO result: failure of the download server",
        _ => "unknown code",
    }
}

/// The name of an alert code.
#[must_use]
pub fn alert(code: u16) -> &'static str {
    find(ALERT, code).unwrap_or("unknown alert")
}

fn find(table: &'static [(u16, &'static str)], code: u16) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

const STATUS: &[(u16, &str)] = &[
    (101, "in progress"),
    (200, "OK"),
    (201, "item added"),
    (202, "accepted, runs on"),
    (203, "non-authoritative response"),
    (204, "no content"),
    (205, "reset content"),
    (206, "partial content"),
    (207, "conflict resolved with merge"),
    (208, "conflict resolved, client wins"),
    (209, "conflict resolved with duplicate"),
    (210, "deleted without archive"),
    (211, "item not deleted"),
    (212, "authentication accepted for the session"),
    (213, "chunk accepted and buffered"),
    (214, "operation cancelled by the user"),
    (215, "not executed"),
    (216, "atomic roll-back OK"),
    (300, "multiple choices"),
    (301, "moved permanently"),
    (302, "found elsewhere"),
    (303, "see other"),
    (304, "not modified, the user said no"),
    (305, "use proxy"),
    (400, "bad request"),
    (401, "invalid credentials"),
    (402, "payment needed"),
    (403, "forbidden"),
    (404, "not found"),
    (405, "command not allowed"),
    (406, "optional feature not supported"),
    (407, "credentials missing"),
    (408, "timeout"),
    (409, "conflict"),
    (410, "gone"),
    (411, "size required"),
    (412, "incomplete command"),
    (413, "entity too large"),
    (414, "URI too long"),
    (415, "unsupported media type or format"),
    (416, "requested size not satisfiable"),
    (417, "retry later"),
    (418, "already exists"),
    (419, "conflict, server wins"),
    (420, "device full"),
    (421, "unknown search grammar"),
    (422, "bad CGI script"),
    (423, "soft-delete conflict"),
    (424, "size mismatch"),
    (425, "permission denied"),
    (426, "partial item not accepted"),
    (427, "item not empty"),
    (428, "move failed"),
    (500, "command failed"),
    (501, "command not implemented"),
    (502, "bad gateway"),
    (503, "service unavailable"),
    (504, "gateway timeout"),
    (505, "DTD version not supported"),
    (506, "processing error"),
    (507, "atomic failed"),
    (508, "refresh required"),
    (510, "data store failure"),
    (511, "server failure"),
    (512, "synchronization failed"),
    (513, "protocol version not supported"),
    (514, "operation cancelled"),
    (516, "atomic roll-back failed"),
    (517, "atomic response too large"),
];

const ALERT: &[(u16, &str)] = &[
    (1100, "display"),
    (1101, "confirm or reject"),
    (1102, "text input"),
    (1103, "single choice"),
    (1104, "multiple choice"),
    (1200, "server-initiated management"),
    (1201, "client-initiated management"),
    (1222, "next message"),
    (1223, "session abort"),
    (1224, "client event"),
    (1225, "no end of data"),
    (1226, "generic alert"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_own_name_or_that_of_its_class() {
        assert_eq!(status(407), "credentials missing");
        assert_eq!(status(299), "success, unknown code");
        assert_eq!(status(450), "failure, unknown code");
        assert_eq!(status(1200), "SCOMO result: success");
        assert_eq!(status(7), "unknown code");
        assert_eq!((alert(1226), alert(1105)), ("generic alert", "unknown alert"));
    }

    #[test]
    fn the_tables_rise() {
        for table in [STATUS, ALERT] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
