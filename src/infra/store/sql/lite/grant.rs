//! Download grants.

pub(in crate::infra::store) use crate::infra::store::sql::pg::grant::{BY_TOKEN, INSERT, NOTE, OF_JOB, PRUNE, REVOKE};
