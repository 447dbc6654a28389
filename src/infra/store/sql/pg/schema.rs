//! The schema itself.

pub(in crate::infra::store) const SERVES: &str = "-- schema.serves
SELECT oldest_binary FROM schema_info";
