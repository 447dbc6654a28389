//! The schema itself.

pub(in crate::infra::store) use crate::infra::store::sql::pg::schema::{SERVES, TOUCH};

/// The machine's clock, to the millisecond.
pub(in crate::infra::store) const NOW: &str = "-- schema.now
SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000";
