//! Intents that are one command.

use serde::{Deserialize, Serialize};

use super::{at, good};
use crate::{
    model::{
        id::Correlator,
        tree::{Node, Outcome},
    },
    wire::syncml::{Command, Delete, Exec},
};

/// A Delete, or an Exec with its correlator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::protocol::dm1) struct Single {
    uri: String,
    correlator: Option<Correlator>,
}

impl Single {
    pub(super) fn delete(at: &Node) -> Self {
        Self { uri: at.to_string(), correlator: None }
    }

    pub(super) fn exec(at: &Node, correlator: &Correlator) -> Self {
        Self { uri: at.to_string(), correlator: Some(correlator.clone()) }
    }

    pub(super) fn is_delete(&self) -> bool {
        self.correlator.is_none()
    }

    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    pub(super) fn command(&self, cmd_id: String) -> Command {
        let items = vec![at(&self.uri)];
        match &self.correlator {
            None => Command::Delete(Delete { cmd_id, items, ..Delete::default() }),
            Some(correlator) => {
                let correlator = Some(correlator.as_str().to_owned());
                Command::Exec(Exec { cmd_id, correlator, items, ..Exec::default() })
            }
        }
    }

    /// A device may give the management object's own result as the status of an Exec (SCOMO sheet 4.2).
    pub(super) fn heard(&self, code: u16) -> Outcome {
        match (&self.correlator, code) {
            (Some(_), 202) => Outcome::Pending,
            (Some(_), _) if good(code) || code >= 1000 => Outcome::Done { code },
            (None, 404 | 410 | 211) => Outcome::Missing,
            (None, _) if good(code) => Outcome::Deleted,
            (_, _) => Outcome::Refused { code },
        }
    }
}
