//! Work to do.

pub(in crate::infra::store) use crate::infra::store::sql::pg::due::{CLEAR, DONE, PUT, PUT_EARLIER, RETRY, WAKE_NEXT};

pub(in crate::infra::store) const LEASE: &str = "-- due.lease
UPDATE due SET lease_token = $1, lease_until = $2, attempts = attempts + 1
WHERE (errand, subject) IN (
    SELECT errand, subject FROM due
    WHERE errand IN (SELECT value FROM json_each($4)) AND at <= $3 AND (lease_until IS NULL OR lease_until <= $3)
    ORDER BY at LIMIT $5
)
RETURNING errand, subject, at, attempts";

pub(in crate::infra::store) const DONE_ALL: &str = "-- due.done_all
DELETE FROM due WHERE errand = $1 AND lease_token = $2 AND subject IN (SELECT unhex(value) FROM json_each($3))";
