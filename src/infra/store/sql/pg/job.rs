//! Jobs.

pub(in crate::infra::store) const LOAD: &str = "-- job.load
SELECT id, tenant, request_key, device_id, device_key, state, active, priority, version, event_seq, attempt, body,
    result, created_at, updated_at, deadline_at, passes_until, finished_at
FROM job WHERE id = $1";

pub(in crate::infra::store) const LIST: &str = "-- job.list
SELECT id, tenant, request_key, device_id, device_key, state, active, priority, version, event_seq, attempt, body,
    result, created_at, updated_at, deadline_at, passes_until, finished_at
FROM job
WHERE tenant = $1 AND ($2 IS NULL OR request_key = $2) AND ($3 IS NULL OR device_norm = $3)
    AND ($4 IS NULL OR state = $4) AND (created_at, id) < ($5, $6)
ORDER BY created_at DESC, id DESC LIMIT $7";

pub(in crate::infra::store) const COUNTS: &str = "-- job.counts
SELECT state, finished_at IS NOT NULL AS finished, COUNT(*) AS jobs
FROM job WHERE request_key = $1 GROUP BY state, finished_at IS NOT NULL ORDER BY state, finished_at IS NOT NULL";

pub(in crate::infra::store) const INSERT: &str = "-- job.insert
INSERT INTO job (id, tenant, request_key, device_id, device_norm, device_key, state, active, priority, version,
    event_seq, attempt, body, result, created_at, updated_at, deadline_at, passes_until, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (request_key, device_norm) DO NOTHING";

pub(in crate::infra::store) const PUT: &str = "-- job.put
UPDATE job SET version = version + 1, device_key = $3, state = $4, active = $5, priority = $6, event_seq = $7,
    attempt = $8, body = $9, result = $10, updated_at = $11, deadline_at = $12, passes_until = $13,
    finished_at = $14
WHERE id = $1 AND version = $2";

pub(in crate::infra::store) const WAITING: &str = "-- job.waiting
SELECT id, tenant, request_key, device_id, device_key, state, active, priority, version, event_seq, attempt, body,
    result, created_at, updated_at, deadline_at, passes_until, finished_at
FROM job WHERE tenant = $1 AND device_norm = $2 AND finished_at IS NULL
ORDER BY priority DESC, created_at, id LIMIT $3";

pub(in crate::infra::store) const LATEST: &str = "-- job.latest
SELECT id, tenant, request_key, device_id, device_key, state, active, priority, version, event_seq, attempt, body,
    result, created_at, updated_at, deadline_at, passes_until, finished_at
FROM job WHERE tenant = $1 AND device_norm = $2 ORDER BY created_at DESC, id DESC LIMIT $3";

pub(in crate::infra::store) const ENDED: &str = "-- job.ended
SELECT id, tenant, request_key, device_id, device_key, state, active, priority, version, event_seq, attempt, body,
    result, created_at, updated_at, deadline_at, passes_until, finished_at
FROM job WHERE tenant = $1 AND device_norm = $2 AND finished_at IS NOT NULL
ORDER BY finished_at DESC, id DESC LIMIT $3";

pub(in crate::infra::store) const PRUNE: &str = "-- job.prune
DELETE FROM job WHERE id = ANY (ARRAY(
    SELECT j.id FROM (
        SELECT key FROM request WHERE completed_at < $1 AND cleared_at IS NULL ORDER BY completed_at LIMIT $2
    ) r JOIN job j ON j.request_key = r.key LIMIT $3
))";

/// Leaps from state to state in the index on (request, state), whatever number of jobs is in each.
pub(in crate::infra::store) const STATES: &str = "-- job.states
WITH RECURSIVE s (state) AS (
    SELECT (SELECT state FROM job WHERE request_key = $1 ORDER BY state LIMIT 1)
    UNION ALL
    SELECT (SELECT j.state FROM job j WHERE j.request_key = $1 AND j.state > s.state ORDER BY j.state LIMIT 1)
    FROM s WHERE s.state IS NOT NULL
)
SELECT state FROM s WHERE state IS NOT NULL";

/// The order makes the same index serve, which a LIMIT alone would talk the planner out of.
pub(in crate::infra::store) const SOME_IN: &str = "-- job.some_in
SELECT id, tenant, request_key, device_id, device_key, state, active, priority, version, event_seq, attempt, body,
    result, created_at, updated_at, deadline_at, passes_until, finished_at
FROM job WHERE request_key = $1 AND state >= $2 AND state <= $2 ORDER BY state LIMIT $3";

pub(in crate::infra::store) const REQUESTS: &str = "-- job.requests
SELECT DISTINCT request_key FROM job WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::uuid))";
