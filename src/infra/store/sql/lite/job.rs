//! Jobs.

pub(in crate::infra::store) use crate::infra::store::sql::pg::job::{COUNTS, INSERT, LIST, LIVE, LOAD, PUT};
