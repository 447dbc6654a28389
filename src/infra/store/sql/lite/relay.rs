//! The outbox as a broker's relay works it off.

pub(in crate::infra::store) use crate::infra::store::sql::pg::relay::{BATCH, HOLD, LEASE_ONE, RELEASE, RENEW, WAITS};

pub(in crate::infra::store) const LEASE: &str = "-- relay.lease
UPDATE relay_lease SET token = $1, until = $2
WHERE shard IN (
    SELECT l.shard FROM relay_lease l
    WHERE l.until <= $3 AND EXISTS (
        SELECT 1 FROM outbox o WHERE o.shard = l.shard AND (o.held_until IS NULL OR o.held_until <= $3))
    ORDER BY l.until, l.shard LIMIT $4
)
RETURNING shard";

pub(in crate::infra::store) const FORGET: &str = "-- relay.forget
DELETE FROM outbox WHERE place IN (SELECT value FROM json_each($1))";
