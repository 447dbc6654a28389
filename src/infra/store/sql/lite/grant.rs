//! Download grants.

pub(in crate::infra::store) use crate::infra::store::sql::pg::grant::{BY_TOKEN, INSERT, NOTE, OF_JOB, REVOKE};

pub(in crate::infra::store) const PRUNE: &str = "-- grant.prune
DELETE FROM download_grant WHERE id IN (SELECT id FROM download_grant WHERE expires_at < $1 ORDER BY expires_at
    LIMIT $2)";
