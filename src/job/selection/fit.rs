//! Which of the packages that a device holds is meant for it.

use std::collections::BTreeSet;

use super::{Refusal, RefusalReason};
use crate::model::{
    catalog::Manifest,
    device::Facts,
    rule::{FactName, FactSource, Verdict},
};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitting {
    /// The decision.
    pub verdict: Fitted,
    /// Why not the packages before it, in their order.
    pub refusals: Vec<Refusal>,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fitted {
    /// The one of this `PkgID`.
    This(String),
    /// Facts are needed first, of which some may be read.
    Undecided {
        /// Which.
        missing: BTreeSet<FactName>,
    },
    /// None is.
    Nothing,
}

/// The first of the packages `held` whose rule in the catalogue holds for the device. One that the catalogue does not know has no
/// rule: the request named it.
#[must_use]
pub fn fit<'a>(
    held: &[String],
    facts: &Facts,
    catalogue: impl IntoIterator<Item = &'a Manifest>,
    may_read: &BTreeSet<FactSource>,
) -> Fitting {
    let catalogue: Vec<&Manifest> = catalogue.into_iter().collect();
    let mut refusals = Vec::new();
    for pkg_id in held {
        let manifest = catalogue.iter().find(|manifest| manifest.pkg_id().eq_ignore_ascii_case(pkg_id));
        let Some((manifest, rule)) = manifest.and_then(|manifest| Some((manifest, manifest.when.as_ref()?))) else {
            return Fitting { verdict: Fitted::This(pkg_id.clone()), refusals };
        };
        let reason = match rule.eval(facts) {
            Verdict::Yes => return Fitting { verdict: Fitted::This(pkg_id.clone()), refusals },
            Verdict::No => RefusalReason::DoesNotApply { rule: rule.as_str().to_owned() },
            Verdict::Broken { why } => RefusalReason::BrokenRule { why },
            Verdict::Undecided { missing } => {
                let readable = |fact: &FactName| may_read.contains(&fact.source()) && fact.source().can_be_read(facts);
                if missing.iter().any(readable) {
                    return Fitting { verdict: Fitted::Undecided { missing }, refusals };
                }
                RefusalReason::UnknownFacts { missing }
            }
        };
        refusals.push(Refusal { package: manifest.package(), reason });
    }
    Fitting { verdict: Fitted::Nothing, refusals }
}
