//! The schema itself.

pub(in crate::infra::store) use crate::infra::store::sql::pg::schema::{SERVES, TOUCH};
