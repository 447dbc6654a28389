//! The integration tests: one binary, a module per face of the service.

mod store;
mod support;
