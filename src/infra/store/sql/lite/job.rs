//! Jobs.

pub(in crate::infra::store) use crate::infra::store::sql::pg::job::{COUNTS, ENDED, INSERT, LIST, LOAD, PUT, WAITING};
