//! Sessions.

pub(in crate::infra::store) use crate::infra::store::sql::pg::session::{
    BOUND_STRANGERS, CLOSE_OTHERS, INSERT, LAST, LOAD, PRUNE, PUT,
};
