//! How far requests have fallen into jobs.

pub(in crate::infra::store) const LOAD: &str = "-- fanout.load
SELECT request_key, tenant, list_key, body, targets, made, undecided, after_place, after_key, until_at, version,
    not_started, ended_at
FROM fan_out WHERE request_key = $1";

pub(in crate::infra::store) const INSERT: &str = "-- fanout.insert
INSERT INTO fan_out (request_key, tenant, list_key, body, targets, made, undecided, after_place, after_key, until_at,
    version, not_started, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(in crate::infra::store) const STEP: &str = "-- fanout.step
UPDATE fan_out SET after_place = $3, after_key = $4, made = made + $5, undecided = undecided + $6, ended_at = $7,
    version = version + 1
WHERE request_key = $1 AND version = $2 AND ended_at IS NULL";

pub(in crate::infra::store) const FEWER: &str = "-- fanout.fewer
UPDATE fan_out SET made = made - $2 WHERE request_key = $1";

pub(in crate::infra::store) const STOP: &str = "-- fanout.stop
UPDATE fan_out SET ended_at = $2, version = version + 1, not_started = CASE
    WHEN targets IS NOT NULL THEN targets - made
    ELSE (
        SELECT COUNT(*) FROM device d
        WHERE d.tenant = fan_out.tenant AND (d.created_at, d.key) > (fan_out.after_place, fan_out.after_key)
            AND d.created_at <= fan_out.until_at
    ) END
WHERE request_key = $1 AND ended_at IS NULL";

pub(in crate::infra::store) const SETTLE: &str = "-- fanout.settle
UPDATE request SET jobs_total = (SELECT made FROM fan_out WHERE request_key = $1) WHERE key = $1";
