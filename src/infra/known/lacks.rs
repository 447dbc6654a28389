//! What a device said that it cannot do, so that the next choice avoids it (SCOMO sheet 4.1: 1411, 1413).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{model::clock::Timestamp, scomo::operation::Operation};

/// Abilities that a device lacks. Each is forgotten after [`Lacks::REMEMBERED`], for a new firmware may bring it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lacks {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operations: Vec<(Operation, Timestamp)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env_types: Vec<(String, Timestamp)>,
}

impl Lacks {
    /// How long it is remembered.
    pub const REMEMBERED: Duration = Duration::from_hours(30 * 24);
    /// Target environments remembered; the oldest gives way.
    const MOST_ENV: usize = 16;

    /// The device does not implement an operation (1411).
    pub fn operation(&mut self, operation: Operation, now: Timestamp) {
        self.operations.retain(|(other, _)| *other != operation);
        self.operations.push((operation, now));
    }

    /// The device takes no packages of a target environment (1413).
    pub fn env_type(&mut self, env_type: &str, now: Timestamp) {
        self.env_types.retain(|(other, _)| other != env_type);
        self.env_types.push((env_type.to_owned(), now));
        if self.env_types.len() > Self::MOST_ENV {
            self.env_types.remove(0);
        }
    }

    /// The device has done an operation; says whether that is news.
    pub fn has_done(&mut self, operation: Operation) -> bool {
        let before = self.operations.len();
        self.operations.retain(|(other, _)| *other != operation);
        self.operations.len() < before
    }

    /// The operations that it does not implement.
    #[must_use]
    pub fn operations(&self, now: Timestamp) -> Vec<Operation> {
        fresh(&self.operations, now)
    }

    /// The target environments that it rejects.
    #[must_use]
    pub fn env_types(&self, now: Timestamp) -> Vec<String> {
        fresh(&self.env_types, now)
    }
}

fn fresh<T: Clone>(list: &[(T, Timestamp)], now: Timestamp) -> Vec<T> {
    list.iter().filter(|(_, at)| now.since(*at) < Lacks::REMEMBERED).map(|(what, _)| what.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_is_remembered_for_a_while_and_until_it_is_disproved() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let mut lacks = Lacks::default();
        lacks.operation(Operation::Install, now);
        lacks.operation(Operation::Activate, now);
        lacks.operation(Operation::Install, now);
        assert_eq!(lacks.operations(now), [Operation::Activate, Operation::Install]);
        assert!(lacks.has_done(Operation::Install) && !lacks.has_done(Operation::Install));
        assert_eq!(lacks.operations(now), [Operation::Activate]);
        (0..20).for_each(|n| lacks.env_type(&n.to_string(), now));
        assert_eq!((lacks.env_types(now).len(), lacks.env_types(now)[0].as_str()), (16, "4"));
        let later = now.after(Lacks::REMEMBERED);
        assert_eq!((lacks.operations(later).len(), lacks.env_types(later).len()), (0, 0));
    }
}
