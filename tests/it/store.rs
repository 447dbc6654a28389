//! The store's conformance suite: what every database must do.

mod commit;
mod due;
mod events;
mod lists;
mod rows;
mod scene;
mod schema;
mod secrets;
