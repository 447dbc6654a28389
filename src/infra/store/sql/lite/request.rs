//! Requests.

pub(in crate::infra::store) use crate::infra::store::sql::pg::request::{
    BY_IDENTITY, COMPLETE, IDENTITY, INSERT, LIST, LOAD,
};

pub(in crate::infra::store) const BY_IDENTITIES: &str = "-- request.by_identities
SELECT r.key, r.tenant, r.source, r.request_id, r.digest, r.body, r.priority, r.jobs_total, r.created_at, r.counts,
    r.completed_at
FROM json_each($1) AS asked
CROSS JOIN request r ON r.tenant = json_extract(asked.value, '$[0]') AND r.source = json_extract(asked.value, '$[1]')
    AND r.request_id = json_extract(asked.value, '$[2]')";
