//! Requests.

pub(in crate::infra::store) use crate::infra::store::sql::pg::request::{
    BY_IDENTITY, COMPLETE, IDENTITY, INSERT, LIST, LOAD,
};

pub(in crate::infra::store) const BY_IDENTITIES: &str = "-- request.by_identities
SELECT r.key, r.tenant, r.source, r.request_id, r.digest, r.body, r.priority, r.jobs_total, r.created_at, r.counts,
    r.completed_at
FROM json_each($1) AS asked
CROSS JOIN request r ON r.tenant = json_extract(asked.value, '$[0]') AND r.source = json_extract(asked.value, '$[1]')
    AND r.request_id = json_extract(asked.value, '$[2]')";

pub(in crate::infra::store) const CLEARED: &str = "-- request.cleared
UPDATE request SET cleared_at = $3 WHERE key IN (
    SELECT r.key FROM (
        SELECT key FROM request WHERE completed_at < $1 AND cleared_at IS NULL ORDER BY completed_at LIMIT $2
    ) r WHERE NOT EXISTS (SELECT 1 FROM job j WHERE j.request_key = r.key)
)";

pub(in crate::infra::store) const PRUNE: &str = "-- request.prune
DELETE FROM request WHERE key IN (SELECT key FROM request WHERE cleared_at < $1 ORDER BY cleared_at LIMIT $2)";
