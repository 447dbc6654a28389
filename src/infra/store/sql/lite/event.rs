//! Outbox and embedded bus.

pub(in crate::infra::store) use crate::infra::store::sql::pg::event::{
    AFTER, FORGET, INSERT, NEWEST, PRUNE, PUBLISH, WAITING,
};

pub(in crate::infra::store) const RELAY_LOCK: &str = "-- event.relay_lock
SELECT TRUE";
