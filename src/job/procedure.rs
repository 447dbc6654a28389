//! The procedure of a job: the value that a session drives.
//!
//! It is consumed to advance and serialises between messages. The words it speaks with its driver are those of
//! [`scomo::procedure`](crate::scomo::procedure).

use serde::{Deserialize, Serialize};

pub use crate::scomo::procedure::{
    errand::{Action, Chosen, Collect, ComponentOperation, Errand, Mechanism, Package, PackageOperation, Way},
    turn::{
        Alternate, Closed, Context, Effect, Ending, Fact, Failure, FailureClass, Fit, Input, Need, Quirks, Selected,
    },
};
use crate::{
    model::{clock::Mint, id::Correlator},
    scomo::procedure::Scomo,
};

/// What a job does on its device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    /// Software component management.
    Scomo(Scomo),
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
    /// A procedure that has not begun.
    #[must_use]
    pub const fn new(errand: Errand) -> Self {
        Self::Scomo(Scomo::new(errand))
    }

    /// The same errand as a fresh attempt, which remembers the correlators of earlier ones: their failures no longer count. To be
    /// called as soon as the retry is decided, so that a late report finds it.
    #[must_use]
    pub fn again(self) -> Self {
        match self {
            Self::Scomo(scomo) => Self::Scomo(scomo.again()),
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
        }
    }

    /// The correlator of the Exec whose report is awaited, or whose fate is unknown.
    #[must_use]
    pub const fn awaiting(&self) -> Option<&Correlator> {
        match self {
            Self::Scomo(scomo) => scomo.awaiting(),
        }
    }

    /// Whether an Exec of this or an earlier attempt had this correlator, as far back as is remembered.
    #[must_use]
    pub fn knows(&self, correlator: &Correlator) -> bool {
        match self {
            Self::Scomo(scomo) => scomo.knows(correlator),
        }
    }

    /// Whether it has finished.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Scomo(scomo) => scomo.is_over(),
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
