//! Jobs.

pub(in crate::infra::store) use crate::infra::store::sql::pg::job::{COUNTS, ENDED, INSERT, LIST, LOAD, PUT, WAITING};

pub(in crate::infra::store) const ANY_IN: &str = "-- job.any_in
SELECT EXISTS (
    SELECT 1 FROM job WHERE request_key = $1 AND state IN (SELECT value FROM json_each($2))
) AS found";

pub(in crate::infra::store) const REQUESTS: &str = "-- job.requests
SELECT DISTINCT request_key FROM job WHERE id IN (SELECT unhex(value) FROM json_each($1))";
