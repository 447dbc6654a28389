//! What the tests stand on.

pub(crate) mod api;
pub(crate) mod broker;
pub(crate) mod cable;
pub(crate) mod clock;
pub(crate) mod contract;
pub(crate) mod database;
pub(crate) mod gate;
pub(crate) mod phone;
pub(crate) mod service;
pub(crate) mod watch;
pub(crate) mod world;
