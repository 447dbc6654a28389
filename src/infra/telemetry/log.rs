//! Structured logs on standard error.

use std::io::{self, IsTerminal};

use serde::Deserialize;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A level (`info`) or a filter in the syntax of tracing (`warn,scomo=debug`).
    pub level: String,
    /// How lines look.
    pub format: Format,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error(
        "log.level {level:?} is neither a level (error, warn, info, debug, trace) nor a filter such as `warn,scomo=debug`"
    )]
    Filter {
        /// What was given.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something in this process has set up logging before.
    #[error("logging is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets up logging for this process, once. A bare level is the service's own; whatever it is built on stays at `warn`. The AMQP
/// client is silent: its warnings show whole messages, it tells errors where a connection is closed in good order, and whatever
/// fails it is told in the service's own words by those who use it.
///
/// # Errors
/// If the filter cannot be read, or logging was set up before.
pub fn init(settings: &Settings) -> Result<(), TelemetryError> {
    let registry = tracing_subscriber::registry().with(filter(&settings.level)?);
    let lines = fmt::layer().with_writer(io::stderr);
    let json = match settings.format {
        Format::Json => true,
        Format::Text => false,
        Format::Auto => !io::stderr().is_terminal(),
    };
    if json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_ansi(io::stderr().is_terminal()).with_target(false)).try_init()
    }
    .map_err(TelemetryError::Twice)
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let bare = level.trim().parse::<tracing::Level>().is_ok() || level.trim().eq_ignore_ascii_case("off");
    let text = if bare { format!("warn,lapin=off,scomo={}", level.trim()) } else { level.to_owned() };
    EnvFilter::try_new(text).map_err(|source| TelemetryError::Filter { level: level.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_is_the_services_own() {
        assert_eq!(filter("debug").unwrap().to_string(), "scomo=debug,lapin=off,warn");
        assert_eq!(filter("error,scomo::flow=trace").unwrap().to_string(), "scomo::flow=trace,error");
    }

    #[test]
    fn a_filter_that_cannot_be_read_says_what_can() {
        let refused = filter("warn,scomo=loud").unwrap_err().to_string();
        assert!(refused.contains("loud") && refused.contains("debug"), "{refused}");
    }
}
