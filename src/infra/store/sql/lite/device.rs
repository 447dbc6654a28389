//! Devices and their inventories.

pub(in crate::infra::store) use crate::infra::store::sql::pg::device::{
    BY_NAME, INSERT, INVENTORY, INVENTORY_PUT, LIST, LOAD, PUT,
};
