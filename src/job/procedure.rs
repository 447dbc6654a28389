//! The procedure of a job: the value that a session drives.
//!
//! It is consumed to advance and serialises between messages. The words it speaks with its driver are those of
//! [`scomo::procedure`](crate::scomo::procedure).

use serde::{Deserialize, Serialize};

pub use crate::scomo::procedure::{
    errand::{
        Action, Chosen, Collect, ComponentOperation, Confirm, Errand, IfNoUi, Mechanism, Package, PackageOperation, Way,
    },
    turn::{
        Alternate, Closed, Context, Effect, Ending, Fact, Failure, FailureClass, Fit, Input, Need, Question, Quirks,
        Selected, Ui,
    },
};
use crate::{
    job::command::{Commands, Item, Run},
    model::{clock::Mint, id::Correlator},
    scomo::{operation::Operation, outcome::ReportItem, procedure::Scomo},
};

/// What a job does on its device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    /// Software component management.
    Scomo(Scomo),
    /// A list of commands.
    Command(Run),
}

/// A procedure after an input, and what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// To be stored in place of the old value.
    pub procedure: Procedure,
    /// To be carried out in order.
    pub effects: Vec<Effect>,
}

impl Procedure {
    /// A procedure of component management that has not begun.
    #[must_use]
    pub const fn new(errand: Errand) -> Self {
        Self::Scomo(Scomo::new(errand))
    }

    /// A list of commands of which none was said.
    #[must_use]
    pub const fn of_commands(commands: Commands) -> Self {
        Self::Command(Run::new(commands))
    }

    /// The same errand as a fresh attempt, which remembers the correlators of earlier ones: their failures no longer count. To be
    /// called as soon as the retry is decided, so that a late report finds it.
    #[must_use]
    pub fn again(self) -> Self {
        match self {
            Self::Scomo(scomo) => Self::Scomo(scomo.again()),
            Self::Command(run) => Self::Command(run.again()),
        }
    }

    /// Takes an input and advances.
    #[must_use]
    pub fn handle(self, input: Input, cx: &Context<'_>, mint: &mut dyn Mint) -> Turn {
        match self {
            Self::Scomo(scomo) => {
                let (scomo, effects) = scomo.handle(input, cx, mint);
                Turn { procedure: Self::Scomo(scomo), effects }
            }
            Self::Command(run) => {
                let (run, effects) = run.handle(input, cx, mint);
                Turn { procedure: Self::Command(run), effects }
            }
        }
    }

    /// The correlator of the Exec whose report is awaited, or whose fate is unknown.
    #[must_use]
    pub fn awaiting(&self) -> Option<&Correlator> {
        match self {
            Self::Scomo(scomo) => scomo.awaiting(),
            Self::Command(run) => run.awaited().next(),
        }
    }

    /// Whether something that was begun on the device is being followed to its end, so that no hold stops it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        match self {
            Self::Scomo(scomo) => scomo.is_under_way(),
            Self::Command(run) => run.is_under_way(),
        }
    }

    /// The correlators whose generic alerts it takes whatever their type, as [`Input::Told`].
    #[must_use]
    pub fn expects(&self) -> Vec<Correlator> {
        match self {
            Self::Scomo(_) => Vec::new(),
            Self::Command(run) => run.awaited().cloned().collect(),
        }
    }

    /// What became of each command of a list so far; nothing for component management.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        match self {
            Self::Scomo(_) => Vec::new(),
            Self::Command(run) => run.items(),
        }
    }

    /// Whether an Exec of this or an earlier attempt had this correlator, as far back as is remembered.
    #[must_use]
    pub fn knows(&self, correlator: &Correlator) -> bool {
        match self {
            Self::Scomo(scomo) => scomo.knows(correlator),
            Self::Command(run) => run.knows(correlator),
        }
    }

    /// Whether a report without a correlator means the Exec of this job that was sent last.
    #[must_use]
    pub fn is_meant(&self, source: &str, results: &[ReportItem]) -> bool {
        match self {
            Self::Scomo(scomo) => scomo.is_meant(source, results),
            Self::Command(_) => false,
        }
    }

    /// The Status of what is worked on, as the device's tree said it last after an Exec.
    #[must_use]
    pub fn last_status(&self) -> Option<&str> {
        match self {
            Self::Scomo(scomo) => scomo.last_status(),
            Self::Command(_) => None,
        }
    }

    /// The operation that is worked on.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        match self {
            Self::Scomo(scomo) => scomo.operation(),
            Self::Command(_) => None,
        }
    }

    /// Whether it has finished.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Scomo(scomo) => scomo.is_over(),
            Self::Command(run) => run.is_over(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_procedure_is_stored_under_its_kind() {
        let procedure = Procedure::new(Errand::Download { action: Action::Install });
        let stored = serde_json::to_value(&procedure).unwrap();
        assert!(stored.get("scomo").is_some(), "{stored}");
        assert_eq!(serde_json::from_value::<Procedure>(stored).unwrap(), procedure);
        assert_eq!((procedure.is_over(), procedure.awaiting()), (false, None));
    }
}
