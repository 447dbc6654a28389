//! Requests.

pub(in crate::infra::store) use crate::infra::store::sql::pg::request::{
    BY_IDENTITY, COMPLETE, IDENTITY, INSERT, LIST, LOAD,
};

pub(in crate::infra::store) const CLEARED: &str = "-- request.cleared
UPDATE request SET cleared_at = $3 WHERE key IN (
    SELECT r.key FROM (
        SELECT key FROM request WHERE completed_at < $1 AND cleared_at IS NULL ORDER BY completed_at LIMIT $2
    ) r WHERE NOT EXISTS (SELECT 1 FROM job j WHERE j.request_key = r.key)
)";

pub(in crate::infra::store) const PRUNE: &str = "-- request.prune
DELETE FROM request WHERE key IN (SELECT key FROM request WHERE cleared_at < $1 ORDER BY cleared_at LIMIT $2)";
