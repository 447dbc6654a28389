//! What the end of an attempt teaches beyond its own job: about the device, about the package, and about the report itself
//! (SCOMO sheet 4.1, 7.6).

use super::{desk::Desk, tale::Told};
use crate::{
    infra::{
        jobs::brake::REJECTED,
        store::{
            Write,
            due::{Again, Due},
            pause::Rejection,
        },
    },
    job::procedure::Way,
    model::{catalog::PackageRef, id::JobId},
    scomo::{
        outcome::{Posted, Reaction, ResultCode},
        procedure::turn::Ending,
    },
};

impl Desk<'_> {
    /// Learns from the ending of the job in hand, before it takes effect.
    pub(super) fn learn_from(&mut self, ending: &Ending) {
        if let Ending::Failed(failure) = ending
            && (failure.code.is_some() || failure.device_code.is_some())
        {
            self.heard(failure.text.clone());
        }
        let Some(code) = code_of(ending) else { return };
        self.compare(code);
        match (code.reaction(), code.number()) {
            (Reaction::Finish, _) => self.proved(),
            (Reaction::Incapable, 1413) => self.excluded(),
            (Reaction::Reject, _) => self.rejected(code),
            // A procedure tells by itself that the device lacks an operation.
            (
                Reaction::Incapable | Reaction::Retry | Reaction::Decline | Reaction::Hold | Reaction::RepairDownload,
                _,
            ) => {}
        }
    }

    /// Holds the code against what the device posted of its download. The code counts, whatever comes of that.
    fn compare(&mut self, code: ResultCode) {
        let by_url = |way: Way| matches!(way, Way::Alternate(_));
        let posted = self.work.posted.clone();
        let Some(record) = self.work.record_mut() else { return };
        let alternate = record.plan.steps.first().is_some_and(|step| by_url(step.chosen.way));
        let Some(last) = posted.last().filter(|_| alternate) else { return };
        let held = Posted::new(*last, code);
        record.posted = Some(held);
        if !held.plausible {
            let all = posted.iter().map(u16::to_string).collect::<Vec<_>>().join(", then ");
            self.note(format!(
                "the device posted {all} of its download, which does not go with {code}; the report counts"
            ));
        }
    }

    fn proved(&mut self) {
        if let Some(operation) = self.work.operation()
            && self.known.lacks.has_done(operation)
        {
            self.touch();
        }
    }

    fn excluded(&mut self) {
        let step = self.work.record().and_then(|record| record.plan.steps.first());
        let Some(env_type) = step.and_then(|step| step.chosen.package.env_type.clone()) else { return };
        self.known.lacks.env_type(&env_type, self.now);
        self.touch();
        self.note(format!("from now on packages for {env_type:?} are not chosen for this device"));
    }

    /// The device does not trust the package: enough of them stop it.
    fn distrusted(&mut self, package: PackageRef, job: JobId) {
        let (tenant, device_norm) = (self.device.tenant.clone(), self.device.device_id.normalised());
        let due = Due { errand: REJECTED, subject: job.uuid(), at: self.now };
        self.work.writes.extend([
            Write::Reject(Rejection { tenant, package, device_norm, at: self.now }),
            Write::DuePut { due, again: Again::Earlier },
        ]);
    }

    fn rejected(&mut self, code: ResultCode) {
        let package = self.work.record().and_then(crate::job::record::Record::package);
        if let (1407, Some(package), Some(job)) = (code.number(), &package, self.work.job_id()) {
            self.distrusted(package.clone(), job);
        }
        let package = package.map_or_else(|| "unknown".to_owned(), |package| package.pkg_id());
        self.tale.add(Told::Rejected { package, code: code.to_string() });
    }
}

/// The code that an ending stands for: a plain success is one too.
const fn code_of(ending: &Ending) -> Option<ResultCode> {
    match ending {
        Ending::Succeeded { code: Some(code), .. } => Some(*code),
        Ending::Declined { code } => *code,
        Ending::Succeeded { code: None, .. } => Some(ResultCode::SUCCESS),
        Ending::Failed(failure) => failure.code,
        Ending::AlreadyDone | Ending::NotApplicable { .. } | Ending::InDoubt { .. } => None,
    }
}
