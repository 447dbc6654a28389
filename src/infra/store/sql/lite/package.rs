//! Packages.

pub(in crate::infra::store) use crate::infra::store::sql::pg::package::{LIST, LOAD, PUT};
