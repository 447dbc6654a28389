//! Dead letters.

pub(in crate::infra::store) use crate::infra::store::sql::pg::dead::{
    COPIED, DELETE, INSERT, LIST, LOAD, PRUNE, UNCOPIED,
};
