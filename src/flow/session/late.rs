//! Results that come after a job's end: a device that was told to do something finishes it, although nobody waits any more. The end
//! stays as it is; the result is told (contract "Events", `scomo.job.late_result`).

use super::{Trouble, desk::Desk, work::Report};
use crate::{
    infra::{
        jobs::Moving,
        store::{Page, job::JobFilter},
    },
    job::{
        life::{self, Outcome, StateName},
        procedure::{Context, Effect, Ending, Input},
    },
};

/// The ends that a job can have while the device still works for it.
const ENDS: [Outcome; 2] = [Outcome::Cancelled, Outcome::InDoubt];
/// How many jobs of a device with such an end are looked through, newest first.
const MOST: u32 = 20;

impl Desk<'_> {
    /// Finds the ended jobs that the message's unclaimed reports belong to, and tells what became of them.
    pub(super) async fn late_results(&mut self) -> Result<(), Trouble> {
        for report in std::mem::take(&mut self.work.unclaimed) {
            self.late_result(report).await?;
        }
        Ok(())
    }

    async fn late_result(&mut self, report: Report) -> Result<(), Trouble> {
        let norm = self.device.device_id.normalised();
        for end in ENDS {
            let state = StateName::Over(end).to_string();
            let filter = JobFilter { device_norm: Some(&norm), state: Some(&state), ..JobFilter::default() };
            for row in self.flow.store.jobs(&self.device.tenant, filter, Page::first(MOST)).await? {
                let id = row.id;
                if self.is_written(id) {
                    continue;
                }
                match Moving::of(row) {
                    Ok(job) => {
                        if self.settle(job, &report)? {
                            return Ok(());
                        }
                    }
                    Err(error) => tracing::error!(job.id = %id, %error, "A job cannot be read and is left alone"),
                }
            }
        }
        Ok(())
    }

    /// Lets an ended job hear a report; whether it was the one that the job had waited for.
    fn settle(&mut self, mut job: Moving, report: &Report) -> Result<bool, Trouble> {
        let Some(awaited) = job.record.procedure.awaiting() else { return Ok(false) };
        if report.correlator.as_ref().is_some_and(|told| told != awaited) {
            return Ok(false);
        }
        let Some(ending) = self.ending(&mut job, report) else { return Ok(false) };
        let (id, request) = (job.row().id, job.record.request_id.clone());
        tracing::info!(device.id = %self.device.device_id, job.id = %id, request.id = %request, "A result came after the job's end");
        job.step(life::Event::Finished(ending.into()), self.now, &self.flow.settings.policy, false, self.mint.as_mut());
        self.work.writes.extend(job.writes(self.now, None)?);
        Ok(true)
    }

    /// What the report means for the job. Nothing more is asked of the device: its inventory is not read back.
    fn ending(&mut self, job: &mut Moving, report: &Report) -> Option<Ending> {
        let cx = Context { roots: &self.work.roots, quirks: &self.class.scomo, report_late: false };
        let mut effects = Vec::new();
        for input in [report.clone().into(), Input::SessionEnded] {
            let turn = job.record.procedure.clone().handle(input, &cx, self.mint.as_mut());
            job.record.procedure = turn.procedure;
            effects.extend(turn.effects);
        }
        effects.into_iter().find_map(|effect| match effect {
            Effect::Finished(ending) => Some(ending),
            Effect::Ask(_) | Effect::Need(_) | Effect::Learned(_) | Effect::Note(_) | Effect::AwaitReport { .. } => {
                None
            }
        })
    }
}
