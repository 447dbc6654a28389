//! Sessions.

pub(in crate::infra::store) use crate::infra::store::sql::pg::session::{
    BOUND_STRANGERS, CLOSE_OTHERS, INSERT, LAST, LOAD, PUT,
};

pub(in crate::infra::store) const PRUNE: &str = "-- session.prune
DELETE FROM session WHERE key IN (SELECT key FROM session WHERE updated_at < $1 ORDER BY updated_at LIMIT $2)";
