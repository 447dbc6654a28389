//! The store's conformance suite: what every database must do.

mod batch;
mod brake;
mod commit;
mod days;
mod dead;
mod due;
mod events;
mod explain;
mod fanout;
mod lists;
mod notify;
mod pools;
mod relay;
mod requests;
mod retention;
pub(crate) mod rows;
mod scene;
mod schema;
mod secrets;
pub(crate) mod targets;
