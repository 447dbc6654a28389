//! What a device message needs.

pub(in crate::infra::store) const LOAD: &str = "-- scene.load
SELECT d.key, d.tenant, d.device_id, d.user_name, d.scheme, d.class, d.tags, d.addresses, d.secrets, d.facts,
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
FROM (
    SELECT * FROM device WHERE tenant = $1 AND device_norm = $2
    UNION ALL
    SELECT * FROM device WHERE tenant = $1 AND user_name = $3
        AND NOT EXISTS (SELECT 1 FROM device n WHERE n.tenant = $1 AND n.device_norm = $2)
        AND 1 = (SELECT COUNT(*) FROM (SELECT key FROM device u WHERE u.tenant = $1 AND u.user_name = $3 LIMIT 2) same)
) d
LEFT JOIN session s ON s.device_key = d.key AND s.key = COALESCE($4, (
    SELECT x.key FROM session x WHERE x.device_key = d.key AND x.dm_session_id = $5
    ORDER BY x.created_at DESC, x.key DESC LIMIT 1
))
LEFT JOIN LATERAL (
    SELECT * FROM job x
    WHERE x.tenant = d.tenant AND x.device_norm = d.device_norm AND x.finished_at IS NULL
    ORDER BY x.active DESC, x.priority DESC, x.created_at, x.id LIMIT 1
) j ON TRUE
LEFT JOIN inventory i ON i.device_key = d.key";
