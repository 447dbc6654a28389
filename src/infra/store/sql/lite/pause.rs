//! The brake.

pub(in crate::infra::store) use crate::infra::store::sql::pg::pause::{
    APPLYING, BUDGET_FROM, DELETE, END, FAILURES, FIND, FORGET, FORGIVE, FREE, FREE_UP_TO, HELD, INSERT, LIST, REJECT,
    REJECTIONS,
};

pub(in crate::infra::store) const HOLD: &str = "-- pause.hold
INSERT INTO job_hold (job_id, pause_id) SELECT $1, id FROM pause WHERE id = $2
ON CONFLICT (job_id) DO UPDATE SET pause_id = excluded.pause_id";
