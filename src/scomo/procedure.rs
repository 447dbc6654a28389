//! The procedures of SCOMO: what a job does on a device, as a value that each input advances.

pub mod errand;
pub mod turn;

use serde::{Deserialize, Serialize};

use crate::model::{clock::Mint, id::Correlator};
use errand::Errand;
use turn::{Context, Effect, Input};

/// A SCOMO procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scomo {
    errand: Errand,
}

impl Scomo {
    /// A procedure that has not begun.
    #[must_use]
    pub const fn new(errand: Errand) -> Self {
        Self { errand }
    }

    /// The same errand as a fresh attempt.
    #[must_use]
    pub fn again(self) -> Self {
        self
    }

    /// Takes an input and advances.
    #[must_use]
    pub fn handle(self, _input: Input, _cx: &Context<'_>, _mint: &mut dyn Mint) -> (Self, Vec<Effect>) {
        (self, vec![])
    }

    /// The correlator of the Exec whose report is awaited, or whose fate is unknown.
    #[must_use]
    pub const fn awaiting(&self) -> Option<&Correlator> {
        None
    }

    /// Whether it has finished.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        false
    }
}
