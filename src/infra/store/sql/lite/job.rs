//! Jobs.

pub(in crate::infra::store) use crate::infra::store::sql::pg::job::{
    COUNTS, ENDED, INSERT, LATEST, LIST, LOAD, PUT, SOME_IN, STATES, WAITING,
};

pub(in crate::infra::store) const PRUNE: &str = "-- job.prune
DELETE FROM job WHERE id IN (
    SELECT j.id FROM (
        SELECT key FROM request WHERE completed_at < $1 AND cleared_at IS NULL ORDER BY completed_at LIMIT $2
    ) r JOIN job j ON j.request_key = r.key LIMIT $3
)";

pub(in crate::infra::store) const REQUESTS: &str = "-- job.requests
SELECT DISTINCT request_key FROM job WHERE id IN (SELECT unhex(value) FROM json_each($1))";
