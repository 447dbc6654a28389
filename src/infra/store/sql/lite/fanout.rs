//! How far requests have fallen into jobs.

pub(in crate::infra::store) use crate::infra::store::sql::pg::fanout::{FEWER, INSERT, LOAD, SETTLE, STEP, STOP};
