//! How operations end: result codes, status values, and the report that tells them (SCOMO sheet 3, 4).

pub mod code;
pub mod notify;
pub mod report;
pub mod status;

pub use code::{Class, Reaction, ResultCode};
pub use notify::Posted;
pub use report::{ReportItem, is_operation_complete, worst};
pub use status::{DeliveredStatus, DeployedStatus, DownloadStatus, Phase};
