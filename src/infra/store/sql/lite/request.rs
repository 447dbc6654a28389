//! Requests.

pub(in crate::infra::store) use crate::infra::store::sql::pg::request::{
    BY_IDENTITY, COMPLETE, IDENTITY, INSERT, LIST, LOAD,
};
