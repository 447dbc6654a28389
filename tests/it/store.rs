//! The store's conformance suite: what every database must do.

mod batch;
mod brake;
mod commit;
mod dead;
mod due;
mod events;
mod lists;
mod relay;
pub(crate) mod rows;
mod scene;
mod schema;
mod secrets;
