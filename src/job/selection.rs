//! Which package a device gets, and why not the others.
//!
//! With a package named, its versions are tried from the highest down: the version rule, the manifest's `not_before` and `when`, and
//! that nothing newer is installed. The first that passes is chosen; if all its components are there already, the search ends with
//! that, since nothing higher applies. A version whose rule hangs on facts that could still be read ends the search as undecided: the
//! caller reads them and asks again.
//!
//! Without a package, the same is done package by package, first those of which a component is on the device, then the others by id.
//! The first that has something to do wins. A package that neither is on the device nor has a rule is never guessed: it must be named.
//!
//! A device that asks without naming a package is offered those alone whose manifests say `on_request`; they need no rule.
//!
//! To install, the inventory is read first where it may be (architecture: the device is asked what is already true there). What is
//! unknown never ends as already done.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Deserialize, Serialize};

use crate::model::{
    catalog::{Component, Manifest, PackageRef},
    clock::Timestamp,
    device::{Facts, Installed},
    id::PackageId,
    rule::{FactName, FactSource, Verdict as RuleVerdict},
    version::{Version, VersionRule},
};

mod fit;
mod refusal;

pub use fit::{Fitted, Fitting, fit};
pub use refusal::{Refusal, RefusalReason};

/// The end that a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// The package lies delivered on the device. Never already done: the facts do not tell what lies there.
    Deliver,
    /// Its components are installed and active.
    Install,
    /// Its components are installed, active or not.
    InstallInactive,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The package; absent: the best match among what applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageWanted>,
    /// The end wanted.
    pub want: Want,
    /// Whether an older version may replace a newer one.
    #[serde(default)]
    pub allow_downgrade: bool,
    /// Only packages that are offered on request (manifest, `on_request`).
    #[serde(default)]
    pub on_request: bool,
    /// Target environments that the device has refused (result code 1413).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_refused: Vec<String>,
}

/// A package by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PackageWanted {
    /// Which package.
    pub id: PackageId,
    /// Which versions of it; absent: every version that is not a pre-release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionRule>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The decision.
    pub verdict: Verdict,
    /// Why not the versions that were tried before it, in the order tried; at most [`Selection::MOST_REFUSALS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// How many refusals more there were.
    #[serde(default)]
    pub more_refusals: usize,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// This one is to be delivered.
    Chosen(PackageRef),
    /// All that this one would install is there already.
    AlreadyDone(PackageRef),
    /// Facts are needed first; at least one of them comes from a source that may be read.
    Undecided {
        /// The facts. Their [`FactName::source`]s are what to read.
        missing: BTreeSet<FactName>,
    },
    /// No package.
    Nothing,
}

impl Selection {
    /// The most refusals kept.
    pub const MOST_REFUSALS: usize = 64;
}

/// Selects a package for a device. `may_read` are the sources that may still be read from it: take one out once it was tried in vain
/// or if the request forbids it.
#[must_use]
pub fn select<'a>(
    wanted: &Wanted,
    facts: &Facts,
    catalogue: impl IntoIterator<Item = &'a Manifest>,
    may_read: &BTreeSet<FactSource>,
    now: Timestamp,
) -> Selection {
    let mut packages: BTreeMap<&PackageId, Vec<&Manifest>> = BTreeMap::new();
    for manifest in catalogue {
        if wanted.package.as_ref().is_none_or(|package| package.id == manifest.id) {
            packages.entry(&manifest.id).or_default().push(manifest);
        }
    }
    let mut search = Search { wanted, facts, may_read, now, refusals: Vec::new(), more_refusals: 0 };
    let verdict = search.all(packages.into_values().collect());
    Selection { verdict, refusals: search.refusals, more_refusals: search.more_refusals }
}

struct Search<'a> {
    wanted: &'a Wanted,
    facts: &'a Facts,
    may_read: &'a BTreeSet<FactSource>,
    now: Timestamp,
    refusals: Vec<Refusal>,
    more_refusals: usize,
}

impl Search<'_> {
    /// Goes through the packages, the versions of one together.
    fn all(&mut self, mut packages: Vec<Vec<&Manifest>>) -> Verdict {
        let guessing = self.wanted.package.is_none();
        if guessing && !packages.is_empty() && self.readable(FactSource::Inventory) {
            return Verdict::Undecided { missing: BTreeSet::from([FactName::Installed]) };
        }
        // stable: by id within the two halves, as they came
        packages.sort_by_key(|versions| !versions.iter().any(|manifest| self.is_on_device(manifest)));
        let mut done = None;
        for versions in packages {
            match self.package(versions) {
                Verdict::Nothing => {}
                Verdict::AlreadyDone(package) => done = done.or(Some(package)),
                end @ (Verdict::Chosen(_) | Verdict::Undecided { .. }) => return end,
            }
        }
        done.map_or(Verdict::Nothing, Verdict::AlreadyDone)
    }

    /// Goes through the versions of one package.
    fn package(&mut self, mut versions: Vec<&Manifest>) -> Verdict {
        versions.sort_by_key(|manifest| Reverse(&manifest.version));
        let on_device = versions.iter().any(|manifest| self.is_on_device(manifest));
        for manifest in versions {
            match self.version(manifest, on_device) {
                Ok(verdict) => return verdict,
                Err(reason) => self.refuse(manifest, reason),
            }
        }
        Verdict::Nothing
    }

    /// What is to be done with this version; an error passes on to the next lower one.
    fn version(&self, manifest: &Manifest, on_device: bool) -> Result<Verdict, RefusalReason> {
        self.wanted_version(&manifest.version)?;
        if self.wanted.on_request && !manifest.on_request {
            return Err(RefusalReason::NotOnRequest);
        }
        if let Some(env_type) = manifest.env_type.clone().filter(|env| self.wanted.env_refused.contains(env)) {
            return Err(RefusalReason::EnvRefused { env_type });
        }
        if let Some(at) = manifest.not_before.filter(|at| *at > self.now) {
            return Err(RefusalReason::NotBefore { at });
        }
        let guessed = self.wanted.package.is_none() && !self.wanted.on_request;
        if guessed && manifest.when.is_none() && !on_device {
            return Err(RefusalReason::Untargeted);
        }
        if let Some(missing) = self.applies(manifest)? {
            return Ok(Verdict::Undecided { missing });
        }
        if self.wanted.want != Want::Deliver && self.readable(FactSource::Inventory) {
            return Ok(Verdict::Undecided { missing: BTreeSet::from([FactName::Installed]) });
        }
        if manifest.components.iter().all(|component| self.is_done(component)) {
            return Ok(Verdict::AlreadyDone(manifest.package()));
        }
        match manifest.components.iter().find_map(|component| self.newer_than(component)) {
            Some(reason) if !self.wanted.allow_downgrade => Err(reason),
            Some(_) | None => Ok(Verdict::Chosen(manifest.package())),
        }
    }

    fn wanted_version(&self, version: &Version) -> Result<(), RefusalReason> {
        let rule = self.wanted.package.as_ref().and_then(|package| package.version.clone());
        let rule = rule.unwrap_or_else(VersionRule::any);
        if rule.matches(version) {
            Ok(())
        } else if version.is_pre_release() && !rule.takes_pre_releases() {
            Err(RefusalReason::PreRelease { rule })
        } else {
            Err(RefusalReason::Version { rule })
        }
    }

    /// Whether the manifest's rule holds: the facts it needs first, or nothing.
    fn applies(&self, manifest: &Manifest) -> Result<Option<BTreeSet<FactName>>, RefusalReason> {
        let Some(rule) = &manifest.when else { return Ok(None) };
        match rule.eval(self.facts) {
            RuleVerdict::Yes => Ok(None),
            RuleVerdict::No => Err(RefusalReason::DoesNotApply { rule: rule.as_str().to_owned() }),
            RuleVerdict::Broken { why } => Err(RefusalReason::BrokenRule { why }),
            RuleVerdict::Undecided { missing } => {
                if missing.iter().any(|fact| self.readable(fact.source())) {
                    Ok(Some(missing))
                } else {
                    Err(RefusalReason::UnknownFacts { missing })
                }
            }
        }
    }

    fn readable(&self, source: FactSource) -> bool {
        self.may_read.contains(&source) && source.can_be_read(self.facts)
    }

    /// The entries of the inventory for a component; a device may show several.
    fn installed(&self, component: &Component) -> impl Iterator<Item = (&Installed, Option<Version>)> {
        let entries = self.facts.installed.iter().flatten().filter(move |entry| entry.id == component.id);
        entries.map(|entry| (entry, entry.version.as_deref().and_then(|text| Version::parse(text.trim()).ok())))
    }

    fn is_on_device(&self, manifest: &Manifest) -> bool {
        manifest.components.iter().any(|component| self.installed(component).next().is_some())
    }

    /// Whether the device says of this component just what is wanted.
    fn is_done(&self, component: &Component) -> bool {
        self.installed(component).any(|(entry, version)| {
            version.as_ref() == Some(&component.version)
                && match self.wanted.want {
                    Want::Deliver => false,
                    Want::Install => entry.active == Some(true),
                    Want::InstallInactive => true,
                }
        })
    }

    fn newer_than(&self, component: &Component) -> Option<RefusalReason> {
        let newer = self.installed(component).filter_map(|(_, version)| version).max()?;
        (newer > component.version).then(|| RefusalReason::Older { component: component.id.clone(), installed: newer })
    }

    fn refuse(&mut self, manifest: &Manifest, reason: RefusalReason) {
        if self.refusals.len() < Selection::MOST_REFUSALS {
            self.refusals.push(Refusal { package: manifest.package(), reason });
        } else {
            self.more_refusals += 1;
        }
    }
}

#[cfg(test)]
mod tests;
