//! How a command ends when it does not end well: what is said, and the exit code.

use std::io;

use serde_json::Value;

use crate::contract::problem::{Code, Problem};

/// Why a command did not do what was asked. Each kind has its exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The work itself failed (exit 1).
    #[error("{0}")]
    Work(String),
    /// What the command was given makes no sense (exit 2).
    #[error("{0}")]
    Usage(String),
    /// No server answers (exit 3).
    #[error(
        "cannot reach the server at {server}: is `scomo serve` running there? Name another with --server or SCOMO_SERVER"
    )]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// What the connection said.
        source: reqwest::Error,
    },
    /// The server understood and refused (exit 4); the value is the problem as it came (RFC 9457).
    #[error("{}", text(.0, "/title"))]
    Refused(Box<Value>),
    /// Whoever read the output went away (exit 0).
    #[error("the output was closed")]
    Closed,
    /// Anything else (exit 1), with its chain of causes.
    #[error(transparent)]
    Other(anyhow::Error),
}

impl Failure {
    /// The exit code that scripts rely on.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Work(_) | Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } => 3,
            Self::Refused(_) => 4,
        }
    }

    /// What a machine should read: a problem (RFC 9457), as it came or of this program's own. Nothing where the work itself failed,
    /// for then its result was printed.
    #[must_use]
    pub fn problem(&self) -> Option<Value> {
        let own = |code| serde_json::to_value(Problem::new(code, self.explain())).ok();
        match self {
            Self::Refused(problem) => Some((**problem).clone()),
            Self::Unreachable { .. } => own(Code::Unavailable),
            Self::Usage(_) => own(Code::InvalidInput),
            Self::Other(_) => own(Code::Internal),
            Self::Work(_) | Self::Closed => None,
        }
    }

    /// What a person should read: each cause on its line, each pointer of a problem with what is wrong there.
    #[must_use]
    pub fn explain(&self) -> String {
        match self {
            Self::Refused(problem) => explain(problem),
            Self::Other(error) => format!("{error:#}"),
            Self::Unreachable { source, .. } => format!("{self}\n  cause: {}", root(source)),
            Self::Work(_) | Self::Usage(_) | Self::Closed => self.to_string(),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Other(error.into()) }
    }
}

fn explain(problem: &Value) -> String {
    let mut lines = vec![format!("refused: {} ({})", text(problem, "/title"), text(problem, "/code"))];
    lines.extend(problem.get("detail").and_then(Value::as_str).map(|detail| format!("  {detail}")));
    for error in problem.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let pointer = match text(error, "/pointer") {
            "" => "(the whole)",
            pointer => pointer,
        };
        lines.push(format!("  {pointer}: {} ({})", text(error, "/detail"), text(error, "/code")));
    }
    lines.join("\n")
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_reads_pointer_by_pointer() {
        let problem = json!({ "title": "The request is not valid", "code": "request.invalid", "status": 422, "errors": [
            { "pointer": "/actoin", "code": "unknown_field", "detail": "no such field; did you mean `action`?" },
            { "pointer": "", "code": "missing", "detail": "`request_id` is required" },
        ]});
        let failure = Failure::Refused(Box::new(problem));
        assert_eq!(
            failure.explain(),
            "refused: The request is not valid (request.invalid)\n  /actoin: no such field; did you mean `action`? \
             (unknown_field)\n  (the whole): `request_id` is required (missing)"
        );
        assert_eq!(failure.code(), 4);
    }

    #[test]
    fn every_failure_but_that_of_the_work_is_a_problem_for_machines() {
        let problem = |failure: Failure| failure.problem().map(|p| (p["code"].clone(), p["status"].clone()));
        assert_eq!(problem(Failure::Usage("no such file".into())), Some((json!("invalid_input"), json!(422))));
        assert_eq!(problem(anyhow::anyhow!("broken").into()), Some((json!("internal"), json!(500))));
        assert_eq!(problem(Failure::Work("a job failed".into())), None);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).code(), 0);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).code(), 1);
    }
}
