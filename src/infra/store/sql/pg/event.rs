//! Outbox and embedded bus.

pub(in crate::infra::store) const INSERT: &str = "-- event.insert
INSERT INTO outbox (id, tenant, subject, seq, kind, body, at, shard)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(in crate::infra::store) const RELAY_LOCK: &str = "-- event.relay_lock
SELECT pg_try_advisory_xact_lock(1935896431, 1)";

pub(in crate::infra::store) const PUBLISH: &str = "-- event.publish
INSERT INTO event (id, tenant, subject, seq, kind, body, at)
SELECT id, tenant, subject, seq, kind, body, at FROM outbox ORDER BY place LIMIT $1";

pub(in crate::infra::store) const FORGET: &str = "-- event.forget
DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM event ORDER BY position DESC LIMIT $1))";

pub(in crate::infra::store) const AFTER: &str = "-- event.after
SELECT position, id, tenant, subject, seq, kind, body, at
FROM event WHERE tenant = $1 AND position > $2 ORDER BY position LIMIT $3";

pub(in crate::infra::store) const NEWEST: &str = "-- event.newest
SELECT COALESCE(MAX(position), 0) FROM event";

pub(in crate::infra::store) const WAITING: &str = "-- event.waiting
SELECT COUNT(*) FROM outbox";

pub(in crate::infra::store) const PRUNE: &str = "-- event.prune
DELETE FROM event_default WHERE position = ANY (ARRAY(SELECT position FROM event_default WHERE at < $1 ORDER BY at LIMIT $2))";
