//! The brake.

pub(in crate::infra::store) const APPLYING: &str = "-- pause.applying
SELECT id, scope, value, reason, by_whom, at FROM pause WHERE tenant = $1 AND scope IN ('all', 'class', 'package')
UNION ALL
SELECT id, scope, value, reason, by_whom, at FROM pause WHERE request_key = $2";

pub(in crate::infra::store) const FIND: &str = "-- pause.find
SELECT id, scope, value, reason, by_whom, at FROM pause WHERE tenant = $1 AND scope = $2 AND value = $3";

pub(in crate::infra::store) const LIST: &str = "-- pause.list
SELECT id, scope, value, reason, by_whom, at FROM pause WHERE tenant = $1 AND (at, id) < ($2, $3)
ORDER BY at DESC, id DESC LIMIT $4";

// A request is kept from being completed until this is committed, and then its completion ends the pause.
pub(in crate::infra::store) const INSERT: &str = "-- pause.insert
INSERT INTO pause (id, tenant, scope, value, request_key, reason, by_whom, at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE $5 IS NULL OR EXISTS (SELECT 1 FROM request WHERE key = $5 AND completed_at IS NULL FOR SHARE)
ON CONFLICT (tenant, scope, value) DO NOTHING";

pub(in crate::infra::store) const DELETE: &str = "-- pause.delete
DELETE FROM pause WHERE id = $1";

pub(in crate::infra::store) const END: &str = "-- pause.end
DELETE FROM pause WHERE request_key = $1";

// The pause is kept from being lifted until this is committed, and then its lifting finds the job.
pub(in crate::infra::store) const HOLD: &str = "-- pause.hold
INSERT INTO job_hold (job_id, pause_id) SELECT $1, id FROM pause WHERE id = $2 FOR KEY SHARE
ON CONFLICT (job_id) DO UPDATE SET pause_id = excluded.pause_id";

pub(in crate::infra::store) const FREE: &str = "-- pause.free
DELETE FROM job_hold WHERE job_id = $1";

pub(in crate::infra::store) const HELD: &str = "-- pause.held
SELECT job_id FROM job_hold WHERE pause_id = $1 ORDER BY job_id LIMIT $2";

pub(in crate::infra::store) const FREE_UP_TO: &str = "-- pause.free_up_to
DELETE FROM job_hold WHERE pause_id = $1 AND job_id <= $2";

pub(in crate::infra::store) const BUDGET_FROM: &str = "-- pause.budget_from
UPDATE request SET budget_from = $2 WHERE key = $1";

pub(in crate::infra::store) const FAILURES: &str = "-- pause.failures
SELECT COUNT(*) AS number FROM (
    SELECT 1 FROM job WHERE request_key = $1 AND state IN ('failed', 'in_doubt')
        AND finished_at > COALESCE((SELECT budget_from FROM request WHERE key = $1), -1)
    LIMIT $2
) AS found";

pub(in crate::infra::store) const REJECT: &str = "-- pause.reject
INSERT INTO bad_signature (tenant, package_id, package_version, device_norm, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, package_id, package_version, device_norm) DO UPDATE SET at = excluded.at";

pub(in crate::infra::store) const REJECTIONS: &str = "-- pause.rejections
SELECT COUNT(*) AS number FROM (
    SELECT 1 FROM bad_signature WHERE tenant = $1 AND package_id = $2 AND package_version = $3 LIMIT $4
) AS found";

pub(in crate::infra::store) const FORGIVE: &str = "-- pause.forgive
DELETE FROM bad_signature WHERE tenant = $1 AND package_id = $2 AND ($3 IS NULL OR package_version = $3)";

pub(in crate::infra::store) const FORGET: &str = "-- pause.forget
DELETE FROM bad_signature WHERE at < $1";
