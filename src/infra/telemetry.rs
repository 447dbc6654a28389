//! Logs and metrics: what operators see of the running service.
//!
//! Logs go to standard error, one line a fact, with the field names `device.id`, `job.id`, `request.id` and `session.id`
//! everywhere. Metrics are typed families in one registry, without any global.

mod log;
mod metrics;

pub use log::{Format, Settings, TelemetryError, init};
pub use metrics::Metrics;

/// An error and its causes, in one line: for the log.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
