//! Problems: one shape for every refusal, RFC 9457, on HTTP, on the bus and in the command line's `--json` (contract "Errors").

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod read;

/// A refusal: what is wrong, where, and under which stable code. `docs/errors.md` gives each code's meaning and remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(into = "Shape", from = "Shape")]
#[error("{detail}")]
pub struct Problem {
    /// The stable code; status and title follow from it.
    pub code: Code,
    /// What happened this time, a sentence.
    pub detail: String,
    /// Each fault of the input, with its place; empty where the fault has none.
    pub errors: Vec<Fault>,
    /// Finds the refusal in the logs.
    pub trace_id: Option<String>,
}

/// A refusal (RFC 9457).
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
struct Shape {
    /// A URN of the code.
    #[serde(rename = "type", default)]
    kind: String,
    /// The code in a few words.
    #[serde(default)]
    title: String,
    /// The HTTP status.
    #[serde(default)]
    status: u16,
    /// The stable code.
    code: Code,
    /// What happened this time, a sentence.
    detail: String,
    /// Each fault of the input, with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// Finds the refusal in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl From<Problem> for Shape {
    fn from(problem: Problem) -> Self {
        let Problem { code, detail, errors, trace_id } = problem;
        let kind = format!("urn:scomo:problem:{code}");
        Self { kind, title: code.title().to_owned(), status: code.status(), code, detail, errors, trace_id }
    }
}

impl From<Shape> for Problem {
    fn from(shape: Shape) -> Self {
        let Shape { kind: _, title: _, status: _, code, detail, errors, trace_id } = shape;
        Self { code, detail, errors, trace_id }
    }
}

impl schemars::JsonSchema for Problem {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Shape::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Shape::json_schema(generator)
    }
}

/// One fault of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) to the member; for a missing or unknown one to where it would be or is.
    pub pointer: String,
    /// The stable code.
    pub code: Code,
    /// What is wrong and what would be right, a sentence.
    pub detail: String,
}

impl Problem {
    /// A refusal without a place in the input.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), trace_id: None }
    }

    /// The content type of a problem over HTTP.
    pub const CONTENT_TYPE: &str = "application/problem+json";

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The refusal of an input that could be read but not taken.
    #[must_use]
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = match faults.as_slice() {
            [only] if only.pointer.is_empty() => only.detail.clone(),
            [only] => format!("{}: {}", only.pointer, only.detail),
            many => format!("{} faults; each is listed in `errors`", many.len()),
        };
        Self { errors: faults, ..Self::new(Code::InvalidInput, detail) }
    }

    /// The same problem with the id under which the logs know it.
    #[must_use]
    pub fn traced(self, trace_id: impl Into<String>) -> Self {
        Self { trace_id: Some(trace_id.into()), ..self }
    }
}

impl Fault {
    /// A fault at a place.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

macro_rules! codes {
    ($($name:ident $code:literal $status:literal $title:literal, $meaning:literal, $remedy:literal;)+) => {
        /// The stable codes of problems and of their faults; `docs/errors.md` lists them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        #[schemars(rename = "ProblemCode")]
        pub enum Code {
            $(#[doc = $meaning] #[serde(rename = $code)] $name,)+
        }

        impl Code {
            /// Every code, in the order of `docs/errors.md`.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status of a problem with this code; a fault within a problem takes the problem's.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// The code in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What it means, a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// What to do about it, a sentence.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }
        }
    };
}

codes! {
    InvalidJson "invalid_json" 400 "Not JSON", "The body is not one well-formed JSON value.", "Correct the text at the line and column named.";
    TooLarge "too_large" 413 "Too large", "The body has more bytes than this endpoint takes.", "Send less at once; a request names up to 10,000 devices, a target list millions.";
    UnsupportedMediaType "unsupported_media_type" 415 "Unsupported media type", "The `Content-Type` is none that this endpoint reads.", "Send `application/json`.";
    InvalidInput "invalid_input" 422 "Input refused", "The input is JSON, but something in it cannot be taken.", "Correct each fault listed in `errors`; nothing was stored.";
    NotSupportedYet "not_supported_yet" 422 "Not supported yet", "The contract has this field or value, this version of the service does not do it yet.", "Leave it out, or upgrade.";
    UnknownField "unknown_field" 422 "Unknown field", "No such field exists here.", "Remove it or correct its spelling.";
    MissingField "missing_field" 422 "Missing field", "A field that must be there is not.", "Add it.";
    MisplacedField "misplaced_field" 422 "Misplaced field", "The field exists, but not together with the rest of this input.", "Remove it, or change what it contradicts.";
    WrongType "wrong_type" 422 "Wrong type", "The value has another JSON type than the field.", "Send the type named; leave an unused field out instead of sending null.";
    UnknownValue "unknown_value" 422 "Unknown value", "The value is not one of those that the field takes.", "Take one of the values named.";
    InvalidName "invalid_name" 422 "Invalid name", "An identifier is empty, too long or holds a character that is not allowed.", "Keep to the bounds named.";
    InvalidVersionRule "invalid_version_rule" 422 "Invalid version rule", "The text is no version rule.", "Write comparisons such as `>=2.1`, joined by commas.";
    InvalidRule "invalid_rule" 422 "Invalid rule", "The text is no rule over the facts of a device.", "Correct what the detail names; docs/packages.md has the facts and functions.";
    InvalidDuration "invalid_duration" 422 "Invalid duration", "The text is no duration.", "Write `90s`, `5m`, `24h` or `30d`.";
    InvalidTime "invalid_time" 422 "Invalid time", "The text is no moment in time.", "Write RFC 3339 with a time zone, such as `2030-01-31T12:00:00Z`.";
    InvalidCron "invalid_cron" 422 "Invalid cron expression", "The text is no cron expression of five fields.", "Write minute, hour, day of the month, month and day of the week, such as `0 2 * * mon-fri`.";
    InvalidTimeZone "invalid_time_zone" 422 "Invalid time zone", "The text names no time zone.", "Write a name of the IANA database, such as `Europe/Paris` or `UTC`.";
    NeverOpens "never_opens" 422 "Never opens", "The schedule leaves no moment to begin before the deadline.", "Give an earlier `not_before`, a window that opens, or a later deadline.";
    InvalidText "invalid_text" 422 "Invalid text", "A text for people is empty, too long, holds a control character, or stands under what is no language tag.", "Write texts of 1 to 500 characters by language tags such as `en` or `pt-BR`.";
    InvalidUrl "invalid_url" 422 "Invalid URL", "The text is no URL of an allowed scheme.", "Write an absolute `http` or `https` URL.";
    InvalidBase64 "invalid_base64" 422 "Invalid base64", "The text is not base64.", "Encode with the standard alphabet and padding.";
    OutOfRange "out_of_range" 422 "Out of range", "A number, duration or length is outside its bounds.", "Keep to the bounds named.";
    Empty "empty" 422 "Empty", "A list that must have members has none.", "Add at least one member.";
    TooMany "too_many" 422 "Too many", "A list has more members than it may.", "Split the input.";
    Duplicate "duplicate" 422 "Duplicate", "The same member stands twice in a list, perhaps in another spelling.", "Remove one of the two.";
    PastDeadline "past_deadline" 422 "Deadline has passed", "The deadline is not in the future.", "Give a later deadline, or none for the default.";
    Unauthorized "unauthorized" 401 "Not authenticated", "The request carries no valid token.", "Send `Authorization: Bearer <token>` with a token of this installation.";
    Forbidden "forbidden" 403 "Not allowed", "The token's roles do not cover this action.", "Use a token with the role named.";
    NotFound "not_found" 404 "Not found", "No such resource exists for this tenant.", "Check the path and the id.";
    MethodNotAllowed "method_not_allowed" 405 "Method not allowed", "The resource does not know this HTTP method.", "Use a method of the `Allow` header.";
    RequestConflict "request_conflict" 409 "Other content under the same identity", "A request with this `source` and `request_id` was accepted before, with other content.", "Give a new `request_id`, or send the first content again.";
    AlreadyExists "already_exists" 409 "Already exists", "A resource with this id exists.", "Change the existing one, or choose another id.";
    AlreadyOver "already_over" 409 "Already over", "The job or request has ended, and an end never changes.", "Submit a new request.";
    TooManyRequests "too_many_requests" 429 "Too many requests", "The caller sends faster than it may.", "Wait as `Retry-After` says.";
    Internal "internal" 500 "Internal error", "The service failed in a way that it did not foresee.", "Report it with the `trace_id`; repeating is safe, requests are idempotent.";
    Unstorable "unstorable" 500 "Cannot be stored", "The database does not take what this asks for, however often it is tried.", "Report it with the log of that time; sending it again does not help.";
    Unavailable "unavailable" 503 "Temporarily unavailable", "Something that the service depends on, such as its database, does not answer.", "Repeat as `Retry-After` says.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_has_the_shape_of_rfc_9457() {
        let fault = Fault::new("/targets/devices", Code::Empty, "must name at least one device");
        let problem = Problem::invalid(vec![fault]).traced("t1");
        let written = serde_json::to_value(&problem).unwrap();
        assert_eq!(serde_json::from_value::<Problem>(written.clone()).unwrap(), problem);
        assert_eq!(
            written,
            json!({
                "type": "urn:scomo:problem:invalid_input", "title": "Input refused", "status": 422, "code": "invalid_input",
                "detail": "/targets/devices: must name at least one device",
                "errors": [{ "pointer": "/targets/devices", "code": "empty", "detail": "must name at least one device" }],
                "trace_id": "t1",
            })
        );
    }

    #[test]
    fn a_code_reads_back_from_its_text() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), json!(code.as_str()));
        }
    }

    #[test]
    fn every_code_is_documented_as_the_program_means_it() {
        let rows: Vec<_> = Code::ALL
            .iter()
            .map(|c| format!("| `{c}` | {} | {} | {} |\n", c.status(), c.meaning(), c.remedy()))
            .collect();
        let rows = rows.concat();
        assert!(
            include_str!("../../docs/errors.md").contains(&rows),
            "docs/errors.md must have exactly these rows:\n{rows}"
        );
    }
}
