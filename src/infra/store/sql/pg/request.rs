//! Requests.

pub(in crate::infra::store) const LOAD: &str = "-- request.load
SELECT key, tenant, source, request_id, digest, body, priority, jobs_total, created_at, counts, completed_at
FROM request WHERE key = $1";

pub(in crate::infra::store) const BY_IDENTITY: &str = "-- request.by_identity
SELECT key, tenant, source, request_id, digest, body, priority, jobs_total, created_at, counts, completed_at
FROM request WHERE tenant = $1 AND source = $2 AND request_id = $3";

pub(in crate::infra::store) const BY_IDENTITIES: &str = "-- request.by_identities
SELECT key, r.tenant, r.source, r.request_id, digest, body, priority, jobs_total, created_at, counts, completed_at
FROM jsonb_array_elements($1::jsonb) AS asked (it)
JOIN request r ON r.tenant = asked.it ->> 0 AND r.source = asked.it ->> 1 AND r.request_id = asked.it ->> 2";

pub(in crate::infra::store) const IDENTITY: &str = "-- request.identity
SELECT key, digest FROM request WHERE tenant = $1 AND source = $2 AND request_id = $3";

pub(in crate::infra::store) const LIST: &str = "-- request.list
SELECT key, tenant, source, request_id, digest, body, priority, jobs_total, created_at, counts, completed_at
FROM request WHERE tenant = $1 AND (created_at, key) < ($2, $3)
ORDER BY created_at DESC, key DESC LIMIT $4";

pub(in crate::infra::store) const INSERT: &str = "-- request.insert
INSERT INTO request (key, tenant, source, request_id, digest, body, priority, jobs_total, created_at, counts,
    completed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant, source, request_id) DO NOTHING";

pub(in crate::infra::store) const COMPLETE: &str = "-- request.complete
UPDATE request SET counts = $2, completed_at = $3 WHERE key = $1 AND completed_at IS NULL";

pub(in crate::infra::store) const CLEARED: &str = "-- request.cleared
UPDATE request SET cleared_at = $3 WHERE key = ANY (ARRAY(
    SELECT r.key FROM (
        SELECT key FROM request WHERE completed_at < $1 AND cleared_at IS NULL ORDER BY completed_at LIMIT $2
    ) r WHERE NOT EXISTS (SELECT 1 FROM job j WHERE j.request_key = r.key)
))";

pub(in crate::infra::store) const PRUNE: &str = "-- request.prune
DELETE FROM request WHERE key = ANY (ARRAY(SELECT key FROM request WHERE cleared_at < $1 ORDER BY cleared_at LIMIT $2))";
