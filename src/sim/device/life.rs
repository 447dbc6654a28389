//! What befalls a device: outages, and commands that it refuses on demand.

use std::time::Duration;

use super::{Device, Next};
use crate::sim::{
    observer::{End, Event},
    operation::Operation,
    profile::{Aftermath, Outage, Silence, Stage, Verb},
    scomo::Work,
    tree::Refusal,
};

/// How often things befell a device, and whether it is off.
#[derive(Debug, Default)]
pub(super) struct Life {
    outages: Vec<u32>,
    refusals: Vec<u32>,
    mismatches: u32,
    /// The outage that has begun.
    off: Option<Off>,
}

/// An outage that has begun.
#[derive(Debug, Clone, Copy)]
struct Off {
    lasts: Duration,
    session: bool,
    then: Aftermath,
}

impl Life {
    pub(super) const fn is_off(&self) -> bool {
        self.off.is_some()
    }
}

impl Device {
    /// Whether the device is off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.life.is_off()
    }

    /// How long the outage lasts that has begun, if one has.
    #[must_use]
    pub fn outage(&self) -> Option<Duration> {
        self.life.off.map(|off| off.lasts)
    }

    /// Ends the outage.
    pub fn come_back(&mut self) {
        let Some(off) = self.life.off.take() else { return };
        self.events.push(Event::CameBack);
        if off.session || self.has_reports() {
            self.want_session();
        }
    }

    /// Whether an outage comes at this stage of an operation; gives what becomes of the operation.
    pub fn strikes(&mut self, work: &Work, stage: Stage) -> Option<Aftermath> {
        let then = self.begin(|outage| outage.operation == Some(work.operation) && outage.moment == stage)?;
        self.session = None;
        Some(then)
    }

    /// Makes an operation forgotten.
    pub fn forget(&mut self, work: &Work) {
        self.objects.forget(&mut self.tree, work);
    }

    /// Whether an outage comes in the place of the next message.
    pub(super) fn fails_to_answer(&mut self) -> bool {
        let number = self.messages.saturating_add(1);
        self.life.is_off() || self.begin(|outage| outage.message == Some(number)).is_some()
    }

    /// Begins an outage when an Exec was accepted: its answer never leaves the device.
    pub(in crate::sim) fn accepted(&mut self, operation: Operation) {
        self.begin(|outage| outage.operation == Some(operation) && outage.moment == Stage::Exec);
    }

    /// Breaks the session off; what was accepted becomes what the outage says.
    pub(super) fn vanish(&mut self) -> Next {
        self.session = None;
        match self.life.off.map(|off| off.then) {
            Some(Aftermath::Silent) => self.works.iter_mut().for_each(|work| work.silent = Some(Silence::Done)),
            Some(Aftermath::Lost) => {
                for work in std::mem::take(&mut self.works) {
                    self.forget(&work);
                }
            }
            Some(Aftermath::Resume) | None => {}
        }
        Next::Over(End::Vanished)
    }

    /// Whether a command is refused on demand.
    ///
    /// # Errors
    /// The status that the profile wants.
    pub(in crate::sim) fn admits(&mut self, command: Verb, path: &str) -> Result<(), Refusal> {
        let all = &self.profile.refuse;
        self.life.refusals.resize(all.len(), 0);
        for (refuse, used) in all.iter().zip(&mut self.life.refusals) {
            if refuse.concerns(command, path) && refuse.times.is_none_or(|times| *used < times) {
                *used = used.saturating_add(1);
                return Err(refuse.status);
            }
        }
        Ok(())
    }

    /// Whether nodes may be read at all, without counting.
    pub(in crate::sim) fn shows(&self, path: &str) -> bool {
        let refused =
            self.profile.refuse.iter().any(|refuse| refuse.times.is_none() && refuse.concerns(Verb::Get, path));
        !refused && !self.objects.hides(path)
    }

    /// Whether a large object that is complete has the wrong size on demand.
    pub(in crate::sim) fn mismatches(&mut self) -> bool {
        let does = self.life.mismatches < self.profile.faults.size_mismatch;
        self.life.mismatches = self.life.mismatches.saturating_add(u32::from(does));
        does
    }

    fn begin(&mut self, fits: impl Fn(&Outage) -> bool) -> Option<Aftermath> {
        if self.life.is_off() {
            return None;
        }
        let all = &self.profile.outage;
        self.life.outages.resize(all.len(), 0);
        let mut pairs = all.iter().zip(&mut self.life.outages);
        let (outage, used) = pairs.find(|(outage, used)| **used < outage.times && fits(outage))?;
        *used = used.saturating_add(1);
        self.life.off = Some(Off { lasts: outage.lasts, session: outage.session, then: outage.then });
        self.events.push(Event::Vanished { lasts: outage.lasts });
        Some(outage.then)
    }
}
