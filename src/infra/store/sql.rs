//! The statements. Each begins with its name, `-- table.statement`, so that a log of the database leads back here, and has the
//! same name, parameters and columns in both dialects.

pub(super) mod lite;
pub(super) mod pg;
