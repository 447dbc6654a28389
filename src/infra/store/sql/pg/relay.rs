//! The outbox as a broker's relay works it off.

pub(in crate::infra::store) const WAITS: &str = "-- relay.waits
SELECT (SELECT place FROM outbox ORDER BY place LIMIT 1) IS NOT NULL";

pub(in crate::infra::store) const LEASE: &str = "-- relay.lease
WITH free AS MATERIALIZED (
    SELECT l.shard FROM relay_lease l
    WHERE l.until <= $3 AND EXISTS (
        SELECT 1 FROM outbox o WHERE o.shard = l.shard AND (o.held_until IS NULL OR o.held_until <= $3))
    ORDER BY l.until, l.shard LIMIT $4 FOR UPDATE OF l SKIP LOCKED
)
UPDATE relay_lease SET token = $1, until = $2 FROM free WHERE relay_lease.shard = free.shard
RETURNING relay_lease.shard";

pub(in crate::infra::store) const LEASE_ONE: &str = "-- relay.lease_one
UPDATE relay_lease SET token = $1, until = $2 WHERE shard = $4 AND until <= $3";

pub(in crate::infra::store) const RENEW: &str = "-- relay.renew
UPDATE relay_lease SET until = $2 WHERE token = $1";

pub(in crate::infra::store) const RELEASE: &str = "-- relay.release
UPDATE relay_lease SET token = NULL, until = $2 WHERE token = $1";

pub(in crate::infra::store) const BATCH: &str = "-- relay.batch
SELECT place, id, subject, kind, body, at, tries FROM outbox o
WHERE shard = $1 AND NOT EXISTS (
    SELECT 1 FROM outbox h WHERE h.shard = $1 AND h.subject = o.subject AND h.held_until > $2)
ORDER BY place LIMIT $3";

pub(in crate::infra::store) const FORGET: &str = "-- relay.forget
DELETE FROM outbox WHERE place IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint)";

pub(in crate::infra::store) const HOLD: &str = "-- relay.hold
UPDATE outbox SET tries = tries + 1, held_until = $2 WHERE place = $1";
