//! Work to do.

pub(in crate::infra::store) const LEASE: &str = "-- due.lease
WITH free AS MATERIALIZED (
    SELECT d.errand, d.subject FROM jsonb_array_elements_text($4::jsonb) AS e (errand)
    CROSS JOIN LATERAL (
        SELECT x.errand, x.subject, x.at FROM due x
        WHERE x.errand = e.errand AND x.at <= $3 AND (x.lease_until IS NULL OR x.lease_until <= $3)
        ORDER BY x.at LIMIT $5 FOR UPDATE SKIP LOCKED
    ) d
    ORDER BY d.at LIMIT $5
)
UPDATE due SET lease_token = $1, lease_until = $2, attempts = due.attempts + 1
FROM free WHERE due.errand = free.errand AND due.subject = free.subject
RETURNING due.errand, due.subject, due.at, due.attempts";

pub(in crate::infra::store) const RETRY: &str = "-- due.retry
UPDATE due SET at = $4, lease_token = NULL, lease_until = NULL
WHERE errand = $1 AND subject = $2 AND lease_token = $3";

pub(in crate::infra::store) const DONE: &str = "-- due.done
DELETE FROM due WHERE errand = $1 AND subject = $2 AND lease_token = $3";

pub(in crate::infra::store) const DONE_ALL: &str = "-- due.done_all
DELETE FROM due WHERE errand = $1 AND lease_token = $2
    AND subject = ANY(ARRAY(SELECT jsonb_array_elements_text($3::jsonb)::uuid))";

pub(in crate::infra::store) const CLEAR: &str = "-- due.clear
DELETE FROM due WHERE errand = $1 AND subject = $2";

pub(in crate::infra::store) const PUT: &str = "-- due.put
INSERT INTO due (errand, subject, at, attempts) VALUES ($1, $2, $3, 0)
ON CONFLICT (errand, subject) DO UPDATE
SET at = excluded.at, lease_token = NULL, lease_until = NULL, attempts = 0";

pub(in crate::infra::store) const PUT_EARLIER: &str = "-- due.put_earlier
INSERT INTO due (errand, subject, at, attempts) VALUES ($1, $2, $3, 0)
ON CONFLICT (errand, subject) DO UPDATE
SET at = CASE WHEN due.lease_token IS NULL AND due.at < excluded.at THEN due.at ELSE excluded.at END,
    lease_token = NULL, lease_until = NULL, attempts = 0";

pub(in crate::infra::store) const WAKE_NEXT: &str = "-- due.wake_next
INSERT INTO due (errand, subject, at, attempts)
SELECT $1, j.id, $4, 0 FROM job j
WHERE j.tenant = $2 AND j.device_norm = $3 AND j.finished_at IS NULL
    AND (j.passes_until IS NULL OR j.passes_until <= $4)
    AND NOT EXISTS (SELECT 1 FROM job a WHERE a.tenant = $2 AND a.device_norm = $3 AND a.active)
ORDER BY j.priority DESC, j.created_at, j.id LIMIT 1
ON CONFLICT (errand, subject) DO UPDATE
SET at = CASE WHEN due.lease_token IS NULL AND due.at < excluded.at THEN due.at ELSE excluded.at END,
    lease_token = NULL, lease_until = NULL, attempts = 0";
