//! The writes of many units, a statement for each kind: rows come as arrays, one a column.

pub(in crate::infra::store) const DUE_DONE: &str = "-- batch.due_done
DELETE FROM due d USING UNNEST($1::text[], $2::uuid[], $3::uuid[]) AS u (errand, subject, token)
WHERE d.errand = u.errand AND d.subject = u.subject AND d.lease_token = u.token";

pub(in crate::infra::store) const DUE_CLEAR: &str = "-- batch.due_clear
DELETE FROM due d USING UNNEST($1::text[], $2::uuid[]) AS u (errand, subject)
WHERE d.errand = u.errand AND d.subject = u.subject";

pub(in crate::infra::store) const DUE_PUT: &str = "-- batch.due_put
INSERT INTO due (errand, subject, at, attempts)
SELECT u.errand, u.subject, u.at, 0 FROM UNNEST($1::text[], $2::uuid[], $3::bigint[]) AS u (errand, subject, at)
ON CONFLICT (errand, subject) DO UPDATE
SET at = excluded.at, lease_token = NULL, lease_until = NULL, attempts = 0";

pub(in crate::infra::store) const DUE_EARLIER: &str = "-- batch.due_earlier
INSERT INTO due (errand, subject, at, attempts)
SELECT u.errand, u.subject, u.at, 0 FROM UNNEST($1::text[], $2::uuid[], $3::bigint[]) AS u (errand, subject, at)
ON CONFLICT (errand, subject) DO UPDATE
SET at = CASE WHEN due.lease_token IS NULL AND due.at < excluded.at THEN due.at ELSE excluded.at END,
    lease_token = NULL, lease_until = NULL, attempts = 0";

pub(in crate::infra::store) const WAKE_NEXT: &str = "-- batch.wake_next
INSERT INTO due (errand, subject, at, attempts)
SELECT u.errand, j.id, MIN(u.at), 0
FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[]) AS u (errand, tenant, device_norm, at)
CROSS JOIN LATERAL (
    SELECT w.id FROM job w
    WHERE w.tenant = u.tenant AND w.device_norm = u.device_norm AND w.finished_at IS NULL
        AND (w.passes_until IS NULL OR w.passes_until <= u.at)
        AND NOT EXISTS (SELECT 1 FROM job a WHERE a.tenant = u.tenant AND a.device_norm = u.device_norm AND a.active)
    ORDER BY w.priority DESC, w.created_at, w.id LIMIT 1
) j
GROUP BY u.errand, j.id
ON CONFLICT (errand, subject) DO UPDATE
SET at = CASE WHEN due.lease_token IS NULL AND due.at < excluded.at THEN due.at ELSE excluded.at END,
    lease_token = NULL, lease_until = NULL, attempts = 0";

pub(in crate::infra::store) const REQUEST_INSERT: &str = "-- batch.request_insert
INSERT INTO request (key, tenant, source, request_id, digest, body, priority, jobs_total, created_at, counts,
    completed_at)
SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::text[], $11::bigint[])
ON CONFLICT (tenant, source, request_id) DO NOTHING";

pub(in crate::infra::store) const SESSION_INSERT: &str = "-- batch.session_insert
INSERT INTO session (key, tenant, device_key, dm_session_id, version, authenticated, open, msg_id, digest, state, job_id,
    created_at, updated_at)
SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::boolean[], $7::boolean[],
    $8::bigint[], $9::bytea[], $10::bytea[], $11::uuid[], $12::bigint[], $13::bigint[])";

pub(in crate::infra::store) const SESSION_PUT: &str = "-- batch.session_put
UPDATE session s SET version = s.version + 1, authenticated = u.authenticated, open = u.open, msg_id = u.msg_id,
    digest = u.digest, state = u.state, job_id = u.job_id, updated_at = u.updated_at
FROM UNNEST($1::uuid[], $2::bigint[], $3::boolean[], $4::boolean[], $5::bigint[], $6::bytea[], $7::bytea[], $8::uuid[],
    $9::bigint[]) AS u (key, version, authenticated, open, msg_id, digest, state, job_id, updated_at)
WHERE s.key = u.key AND s.version = u.version";

pub(in crate::infra::store) const SESSIONS_CLOSE: &str = "-- batch.sessions_close
UPDATE session s SET version = s.version + 1, open = FALSE
FROM UNNEST($1::uuid[], $2::uuid[]) AS u (device_key, key)
WHERE s.device_key = u.device_key AND s.key <> u.key AND s.open";

pub(in crate::infra::store) const DEVICE_PUT: &str = "-- batch.device_put
UPDATE device d SET version = d.version + 1, user_name = u.user_name, scheme = u.scheme, class = u.class, tags = u.tags,
    addresses = u.addresses, secrets = u.secrets, facts = u.facts, roots = u.roots, updated_at = u.updated_at
FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[],
    $9::text[], $10::text[], $11::bigint[])
    AS u (key, version, user_name, scheme, class, tags, addresses, secrets, facts, roots, updated_at)
WHERE d.key = u.key AND d.version = u.version";

pub(in crate::infra::store) const INVENTORY_PUT: &str = "-- batch.inventory_put
INSERT INTO inventory (device_key, body, digest, read_at)
SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bytea[], $4::bigint[])
ON CONFLICT (device_key) DO UPDATE SET body = excluded.body, digest = excluded.digest, read_at = excluded.read_at";

pub(in crate::infra::store) const JOB_INSERT: &str = "-- batch.job_insert
INSERT INTO job (id, tenant, request_key, device_id, device_norm, device_key, state, active, priority, version,
    event_seq, attempt, body, result, created_at, updated_at, deadline_at, passes_until, finished_at)
SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::boolean[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::bigint[],
    $17::bigint[], $18::bigint[], $19::bigint[])";

/// As [`JOB_INSERT`], but for the jobs whose device has one of their request already; tells which were stored.
pub(in crate::infra::store) const JOBS_ONCE: &str = "-- batch.jobs_once
INSERT INTO job (id, tenant, request_key, device_id, device_norm, device_key, state, active, priority, version,
    event_seq, attempt, body, result, created_at, updated_at, deadline_at, passes_until, finished_at)
SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::boolean[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::bigint[],
    $17::bigint[], $18::bigint[], $19::bigint[])
ON CONFLICT (request_key, device_norm) DO NOTHING
RETURNING id";

pub(in crate::infra::store) const JOB_PUT: &str = "-- batch.job_put
UPDATE job j SET version = j.version + 1, device_key = u.device_key, state = u.state, active = u.active,
    priority = u.priority, event_seq = u.event_seq, attempt = u.attempt, body = u.body, result = u.result,
    updated_at = u.updated_at, deadline_at = u.deadline_at, passes_until = u.passes_until, finished_at = u.finished_at
FROM UNNEST($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[])
    AS u (id, version, device_key, state, active, priority, event_seq, attempt, body, result, updated_at, deadline_at,
    passes_until, finished_at)
WHERE j.id = u.id AND j.version = u.version";

pub(in crate::infra::store) const EVENT_INSERT: &str = "-- batch.event_insert
INSERT INTO outbox (id, tenant, subject, seq, kind, body, at, shard)
SELECT u.id, u.tenant, u.subject, u.seq, u.kind, u.body, u.at, u.shard
FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[])
    WITH ORDINALITY AS u (id, tenant, subject, seq, kind, body, at, shard, place)
ORDER BY u.place";

/// As `scene.load`, for many callers at once whose devices have their names; before the columns stands the place of the caller,
/// from 1. Each `LIMIT` says that there is one row at most, and keeps the planner from joining whole tables.
pub(in crate::infra::store) const SCENES: &str = "-- batch.scenes
SELECT c.place,
d.key, d.tenant, d.device_id, d.user_name, d.scheme, d.class, d.tags, d.addresses, d.secrets, d.facts,
    d.roots, d.version, d.created_at, d.updated_at,
s.key, s.tenant, s.device_key, s.dm_session_id, s.version, s.authenticated, s.open, s.msg_id, s.digest, s.state,
    s.job_id, s.created_at, s.updated_at,
j.id, j.tenant, j.request_key, j.device_id, j.device_key, j.state, j.active, j.priority, j.version, j.event_seq,
    j.attempt, j.body, j.result, j.created_at, j.updated_at, j.deadline_at, j.passes_until,
    j.finished_at,
i.device_key, i.body, i.digest, i.read_at,
(SELECT json_agg(json_build_array(q.id, q.scope, q.value, q.reason, q.by_whom, q.at))::text FROM (
    SELECT p.id, p.scope, p.value, p.reason, p.by_whom, p.at FROM pause p
    WHERE p.tenant = d.tenant AND p.scope IN ('all', 'class', 'package')
    UNION ALL
    SELECT p.id, p.scope, p.value, p.reason, p.by_whom, p.at FROM job x JOIN pause p ON p.request_key = x.request_key
    WHERE x.tenant = d.tenant AND x.device_norm = d.device_norm AND x.finished_at IS NULL
) q) AS pauses
FROM UNNEST($1::text[], $2::text[], $3::uuid[], $4::text[])
    WITH ORDINALITY AS c (tenant, device_norm, sid, dm_session_id, place)
CROSS JOIN LATERAL (SELECT * FROM device x WHERE x.tenant = c.tenant AND x.device_norm = c.device_norm LIMIT 1) d
LEFT JOIN LATERAL (
    SELECT * FROM session x WHERE x.device_key = d.key AND x.key = COALESCE(c.sid, (
        SELECT y.key FROM session y WHERE y.device_key = d.key AND y.dm_session_id = c.dm_session_id
        ORDER BY y.created_at DESC, y.key DESC LIMIT 1
    )) LIMIT 1
) s ON TRUE
LEFT JOIN LATERAL (
    SELECT * FROM job x
    WHERE x.tenant = d.tenant AND x.device_norm = d.device_norm AND x.finished_at IS NULL
    ORDER BY x.active DESC, x.priority DESC, x.created_at, x.id LIMIT 1
) j ON TRUE
LEFT JOIN LATERAL (SELECT * FROM inventory x WHERE x.device_key = d.key LIMIT 1) i ON TRUE";
