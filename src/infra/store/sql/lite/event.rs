//! Outbox and embedded bus.

pub(in crate::infra::store) use crate::infra::store::sql::pg::event::{AFTER, INSERT, NEWEST, PUBLISH, WAITING};

pub(in crate::infra::store) const RELAY_LOCK: &str = "-- event.relay_lock
SELECT TRUE";

pub(in crate::infra::store) const PRUNE: &str = "-- event.prune
DELETE FROM event WHERE position IN (SELECT position FROM event WHERE at < $1 ORDER BY at LIMIT $2)";

pub(in crate::infra::store) const FORGET: &str = "-- event.forget
DELETE FROM outbox WHERE id IN (SELECT id FROM event ORDER BY position DESC LIMIT $1)";
