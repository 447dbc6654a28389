//! Jobs.

pub(in crate::infra::store) use crate::infra::store::sql::pg::job::{
    COUNTS, ENDED, INSERT, LIST, LOAD, PUT, SOME_IN, STATES, WAITING,
};

pub(in crate::infra::store) const REQUESTS: &str = "-- job.requests
SELECT DISTINCT request_key FROM job WHERE id IN (SELECT unhex(value) FROM json_each($1))";
