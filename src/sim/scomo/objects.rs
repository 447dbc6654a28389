//! The SCOMO objects of a device: most have one, some have several, some none (SCOMO sheet 1.1).

use std::{collections::BTreeMap, sync::Arc};

use super::{Layout, Object, Place, Received, Report, Verb, Verdict, Work};
use crate::sim::{
    profile::{Consent, Profile},
    tree::{Refusal, Tree},
};

/// All objects of a device.
#[derive(Debug)]
pub(in crate::sim) struct Objects {
    all: Vec<Object>,
    uses: Uses,
}

/// How often things were done that the profile counts.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Each result on demand.
    pub(super) results: BTreeMap<usize, u32>,
    /// Questions of the device before an operation.
    pub(super) consents: usize,
}

impl Objects {
    /// Builds them into the tree.
    pub(in crate::sim) fn build(profile: &Arc<Profile>, tree: &mut Tree) -> Self {
        let all = profile.objects().enumerate().map(|(at, scomo)| Object::build(profile, at, scomo, tree)).collect();
        Self { all, uses: Uses::default() }
    }

    /// The names of each object.
    pub(in crate::sim) fn layouts(&self) -> impl Iterator<Item = &Layout> {
        self.all.iter().map(Object::layout)
    }

    /// Whether a server may do this to this node.
    ///
    /// # Errors
    /// 405 for what the device keeps for itself, 403 for an entry at work.
    pub(in crate::sim) fn permits(&self, tree: &Tree, verb: Verb, path: &str) -> Result<(), Refusal> {
        if let Some(object) = self.of(path) {
            return object.permits(tree, verb, path);
        }
        let own = path.is_empty() || ["DevInfo", "DevDetail"].iter().any(|own| is_within(path, own));
        if own { Err(405) } else { Ok(()) }
    }

    /// What the device does of itself when a node was added or replaced.
    pub(in crate::sim) fn written(&self, tree: &mut Tree, verb: Verb, path: &str) {
        if let Some(object) = self.of(path) {
            object.written(tree, verb, path);
        }
    }

    /// Whether the node is where a package's bytes go.
    pub(in crate::sim) fn is_data(&self, path: &str) -> bool {
        self.of(path).is_some_and(|object| object.is_data(path))
    }

    /// Whether the node is one that this device does not have, although the tree remembers it.
    pub(in crate::sim) fn hides(&self, path: &str) -> bool {
        self.of(path).is_some_and(|object| object.hides(path))
    }

    /// Judges an Exec, and runs what this device answers at once.
    pub(in crate::sim) fn execute(&mut self, tree: &mut Tree, path: &str, correlator: Option<&str>) -> Verdict {
        let Self { all, uses } = self;
        match all.iter().find(|object| object.layout.place(path) != Place::Outside) {
            Some(object) => object.execute(uses, tree, path, correlator),
            None => Verdict::Refused { status: if tree.get(path).is_none() { 404 } else { 405 }, about: None },
        }
    }

    /// Notes that the download of an operation has ended well.
    pub(in crate::sim) fn downloaded(&self, tree: &mut Tree, work: &Work) {
        if let Some(object) = self.all.get(work.object) {
            object.downloaded(tree, work);
        }
    }

    /// Ends an operation: the tree becomes what its result says; nothing is to be told of one that is stuck or without a trace.
    pub(in crate::sim) fn complete(
        &self,
        tree: &mut Tree,
        work: &Work,
        fetched: Option<Result<Received, u16>>,
    ) -> Option<Report> {
        self.all.get(work.object)?.complete(tree, work, fetched)
    }

    /// Makes an operation forgotten.
    pub(in crate::sim) fn forget(&self, tree: &mut Tree, work: &Work) {
        if let Some(object) = self.all.get(work.object) {
            object.forget(tree, work);
        }
    }

    fn of(&self, path: &str) -> Option<&Object> {
        self.all.iter().find(|object| object.layout.place(path) != Place::Outside)
    }
}

impl Uses {
    /// What the user says to the device's next question.
    pub(super) fn consent(&mut self, profile: &Profile) -> Consent {
        let said = &profile.user.operations;
        let consent = said.get(self.consents).or(said.last()).copied().unwrap_or_default();
        self.consents = self.consents.saturating_add(1);
        consent
    }
}

fn is_within(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
