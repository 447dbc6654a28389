//! The store's conformance suite: what every database must do.

mod batch;
mod commit;
mod dead;
mod due;
mod events;
mod lists;
mod relay;
mod requests;
pub(crate) mod rows;
mod scene;
mod schema;
mod secrets;
