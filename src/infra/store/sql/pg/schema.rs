//! The schema itself.

pub(in crate::infra::store) const SERVES: &str = "-- schema.serves
SELECT oldest_binary FROM schema_info";

pub(in crate::infra::store) const TOUCH: &str = "-- schema.touch
UPDATE schema_info SET oldest_binary = oldest_binary";
