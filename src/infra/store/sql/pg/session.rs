//! Sessions.

pub(in crate::infra::store) const LOAD: &str = "-- session.load
SELECT key, tenant, device_key, dm_session_id, version, authenticated, open, msg_id, digest, state, job_id,
    created_at, updated_at
FROM session WHERE key = $1";

pub(in crate::infra::store) const LAST: &str = "-- session.last
SELECT MAX(updated_at) FROM session WHERE device_key = $1 AND authenticated";

pub(in crate::infra::store) const INSERT: &str = "-- session.insert
INSERT INTO session (key, tenant, device_key, dm_session_id, version, authenticated, open, msg_id, digest, state,
    job_id, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(in crate::infra::store) const PUT: &str = "-- session.put
UPDATE session SET version = version + 1, authenticated = $3, open = $4, msg_id = $5, digest = $6, state = $7,
    job_id = $8, updated_at = $9
WHERE key = $1 AND version = $2";

pub(in crate::infra::store) const CLOSE_OTHERS: &str = "-- session.close_others
UPDATE session SET version = version + 1, open = FALSE WHERE device_key = $1 AND key <> $2 AND open";

pub(in crate::infra::store) const PRUNE: &str = "-- session.prune
DELETE FROM session WHERE key = ANY (ARRAY(SELECT key FROM session WHERE updated_at < $1 ORDER BY updated_at LIMIT $2))";

pub(in crate::infra::store) const BOUND_STRANGERS: &str = "-- session.bound_strangers
DELETE FROM session WHERE device_key = $1 AND NOT authenticated AND key NOT IN (
    SELECT key FROM session WHERE device_key = $1 AND NOT authenticated ORDER BY created_at DESC, key DESC LIMIT $2
)";
