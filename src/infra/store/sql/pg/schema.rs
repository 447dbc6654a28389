//! The schema itself.

pub(in crate::infra::store) const SERVES: &str = "-- schema.serves
SELECT oldest_binary FROM schema_info";

/// The database's clock, in microseconds.
pub(in crate::infra::store) const NOW: &str = "-- schema.now
SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint";

pub(in crate::infra::store) const TOUCH: &str = "-- schema.touch
UPDATE schema_info SET oldest_binary = oldest_binary";
