//! temp

pub mod auth;
pub mod listener;
pub mod ops;
pub mod problem;
mod stall;
