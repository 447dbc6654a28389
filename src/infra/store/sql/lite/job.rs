//! Jobs.

pub(in crate::infra::store) use crate::infra::store::sql::pg::job::{COUNTS, ENDED, INSERT, LIST, LOAD, PUT, WAITING};

pub(in crate::infra::store) const PRUNE: &str = "-- job.prune
DELETE FROM job WHERE id IN (
    SELECT j.id FROM (
        SELECT key FROM request WHERE completed_at < $1 AND cleared_at IS NULL ORDER BY completed_at LIMIT $2
    ) r JOIN job j ON j.request_key = r.key LIMIT $3
)";
