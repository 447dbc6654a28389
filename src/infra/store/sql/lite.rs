//! Statements for SQLite; what PostgreSQL says in the same words is taken from there.

pub(in crate::infra::store) mod dead;
pub(in crate::infra::store) mod device;
pub(in crate::infra::store) mod due;
pub(in crate::infra::store) mod event;
pub(in crate::infra::store) mod fanout;
pub(in crate::infra::store) mod grant;
pub(in crate::infra::store) mod job;
pub(in crate::infra::store) mod package;
pub(in crate::infra::store) mod pause;
pub(in crate::infra::store) mod relay;
pub(in crate::infra::store) mod request;
pub(in crate::infra::store) mod scene;
pub(in crate::infra::store) mod schema;
pub(in crate::infra::store) mod session;
pub(in crate::infra::store) mod target;
