//! The store's conformance suite: what every database must do.

mod batch;
mod commit;
mod due;
mod events;
mod lists;
pub(crate) mod rows;
mod scene;
mod schema;
mod secrets;
