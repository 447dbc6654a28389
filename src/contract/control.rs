//! What comes under the key `control` (contract "Request"): a change to what was asked.

use super::{
    problem::{
        Code, Problem,
        read::{Faults, Field, json},
    },
    request::Request,
};
use crate::model::id::{RequestId, RequestSource};

/// A change to a request that was handed in before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// What is to be done.
    pub act: Act,
    /// With which request.
    pub request_id: RequestId,
    /// Whose request.
    pub source: RequestSource,
    /// What its sender calls this change; for the history of the jobs.
    pub control_id: RequestId,
}

/// What can be done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Stop what has not ended.
    Cancel,
    /// Begin nothing new.
    Pause,
    /// Go on.
    Resume,
}

/// The words.
pub(in crate::contract) const ACTS: [(&str, Act); 3] =
    [("cancel", Act::Cancel), ("pause", Act::Pause), ("resume", Act::Resume)];

impl Control {
    /// Reads one; `caller` is the source if none is named.
    ///
    /// # Errors
    /// A problem that lists every fault.
    pub fn read(bytes: &[u8], caller: &RequestSource) -> Result<Self, Problem> {
        let value = json(bytes, Request::MOST_BYTES)?;
        let faults = Faults::default();
        let control = Field::root(&value, &faults).object().and_then(|mut root| {
            let act = root.need("control").and_then(|f| f.choice(&ACTS, &[]));
            let request_id = root.need("request_id").and_then(|f| f.parsed(Code::InvalidName));
            let source = root.get("source").map_or_else(|| Some(caller.clone()), |f| f.parsed(Code::InvalidName));
            let control_id = root.need("control_id").and_then(|f| f.parsed(Code::InvalidName));
            root.close();
            Some(Self { act: act?, request_id: request_id?, source: source?, control_id: control_id? })
        });
        faults.into_result(control)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn caller() -> RequestSource {
        RequestSource::parse("amqp").unwrap()
    }

    fn read(value: &Value) -> Result<Control, Vec<(String, Code)>> {
        Control::read(value.to_string().as_bytes(), &caller())
            .map_err(|problem| problem.errors.into_iter().map(|fault| (fault.pointer, fault.code)).collect())
    }

    #[test]
    fn a_control_names_its_request() {
        let whole = json!({ "control": "cancel", "request_id": "r", "source": "oss", "control_id": "c" });
        let control = read(&whole).unwrap();
        assert_eq!((control.request_id.as_str(), control.source.as_str()), ("r", "oss"));
        let open = read(&json!({ "control": "cancel", "request_id": "r", "control_id": "c" })).unwrap();
        assert_eq!(open.source.as_str(), "amqp", "the caller's");
        for (word, act) in ACTS {
            let control = read(&json!({ "control": word, "request_id": "r", "control_id": "c" })).unwrap();
            assert_eq!(control.act, act);
        }
    }

    #[test]
    fn what_is_no_control_is_refused_by_name() {
        let refused = |value: Value| read(&value).unwrap_err();
        let wrong = refused(json!({ "control": "stop", "request_id": "", "more": 1 }));
        let found: Vec<_> = wrong.iter().map(|(at, code)| (at.as_str(), *code)).collect();
        for fault in [
            ("/control", Code::UnknownValue),
            ("/request_id", Code::InvalidName),
            ("/control_id", Code::MissingField),
            ("/more", Code::UnknownField),
        ] {
            assert!(found.contains(&fault), "{fault:?} is not in {found:?}");
        }
    }
}
