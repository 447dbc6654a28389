//! Dead letters.

pub(in crate::infra::store) use crate::infra::store::sql::pg::dead::{COPIED, DELETE, INSERT, LIST, LOAD, UNCOPIED};

pub(in crate::infra::store) const PRUNE: &str = "-- dead.prune
DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter WHERE at < $1 ORDER BY at LIMIT $2)";
