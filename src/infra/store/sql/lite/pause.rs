//! The brake.

pub(in crate::infra::store) use crate::infra::store::sql::pg::pause::{
    APPLYING, BUDGET_FROM, DELETE, END, FAILURES, FIND, FORGET, FORGIVE, FREE, FREE_UP_TO, HELD, LIST, REJECT,
    REJECTIONS,
};

pub(in crate::infra::store) const INSERT: &str = "-- pause.insert
INSERT INTO pause (id, tenant, scope, value, request_key, reason, by_whom, at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE $5 IS NULL OR EXISTS (SELECT 1 FROM request WHERE key = $5 AND completed_at IS NULL)
ON CONFLICT (tenant, scope, value) DO NOTHING";

pub(in crate::infra::store) const HOLD: &str = "-- pause.hold
INSERT INTO job_hold (job_id, pause_id) SELECT $1, id FROM pause WHERE id = $2
ON CONFLICT (job_id) DO UPDATE SET pause_id = excluded.pause_id";
