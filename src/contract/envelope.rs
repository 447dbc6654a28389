//! The wrapping of a message on the bus: a `CloudEvent` 1.0 in structured JSON, or nothing (contract "Bus").

use std::borrow::Cow;

use serde_json::Value;

use super::{
    event::Event,
    problem::{Code, Fault, Problem, read::json},
    request::Request,
};

/// What wrapping a message may add to it, in bytes.
const ROOM: usize = 64 * 1024;

/// What is in a message: its data if `content_type` says that it is a `CloudEvent`, else all of it.
///
/// # Errors
/// If it says so and is none.
pub fn unwrap<'b>(content_type: Option<&str>, body: &'b [u8]) -> Result<Cow<'b, [u8]>, Problem> {
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(Event::CONTENT_TYPE) {
        return Ok(Cow::Borrowed(body));
    }
    let event = json(body, Request::MOST_BYTES + ROOM)?;
    if event.get("specversion").and_then(Value::as_str) != Some("1.0") {
        let fault = Fault::new("/specversion", Code::UnknownValue, "must be \"1.0\": a CloudEvent was announced");
        return Err(Problem::invalid(vec![fault]));
    }
    match event.get("data") {
        Some(data @ Value::Object(_)) => Ok(Cow::Owned(data.to_string().into_bytes())),
        Some(_) => Err(Problem::invalid(vec![Fault::new("/data", Code::WrongType, "must be an object")])),
        None => Err(Problem::invalid(vec![Fault::new("/data", Code::MissingField, "must be there")])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_message_is_taken_as_it_is() {
        for kind in [None, Some("application/json"), Some("text/plain")] {
            assert_eq!(unwrap(kind, b"{").unwrap().as_ref(), b"{");
        }
    }

    #[test]
    fn the_data_of_a_cloud_event_is_taken_out() {
        let event = br#"{"specversion":"1.0","id":"1","source":"/oss","type":"any","data":{"request_id":"r"}}"#;
        for kind in ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=utf-8"] {
            assert_eq!(unwrap(Some(kind), event).unwrap().as_ref(), br#"{"request_id":"r"}"#);
        }
    }

    #[test]
    fn what_is_announced_as_a_cloud_event_and_is_none_is_refused() {
        for (body, code) in [
            ("{", Code::InvalidJson),
            (r#"{"data":{}}"#, Code::InvalidInput),
            (r#"{"specversion":"1.0"}"#, Code::InvalidInput),
            (r#"{"specversion":"1.0","data":"text"}"#, Code::InvalidInput),
        ] {
            assert_eq!(unwrap(Some(Event::CONTENT_TYPE), body.as_bytes()).unwrap_err().code, code, "{body}");
        }
    }
}
