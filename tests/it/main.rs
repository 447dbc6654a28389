//! The integration tests: one binary, a module per face of the service.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod store;
mod support;
