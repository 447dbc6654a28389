//! Reports: alerts that tell the end of an operation. They go to the job in hand, or to the one that they come too late or too
//! early for (SCOMO sheet 4.3).

use std::collections::BTreeSet;

use super::{
    Trouble,
    alert::Heard,
    desk::Desk,
    tale::Told,
    work::{MOST_WAITING, Way, readable},
};
use crate::{
    infra::jobs::Moving,
    job::{
        life,
        procedure::{Context, Effect, Input, Turn},
    },
    model::id::Correlator,
    scomo::{
        outcome::{ReportItem, ResultCode, worst},
        procedure::turn::Ending,
    },
};

/// Among how many of a device's ended jobs a late report looks for its own.
const MOST_ENDED: u32 = 32;
/// What of the data of an alert's item goes to a procedure, in bytes.
const MOST_DATA: usize = 4096;

impl Desk<'_> {
    /// A report goes to the procedure that it belongs to; the dialogue has answered it. Every result of it is kept in the job's
    /// history, and the worst counts.
    pub(super) async fn report(&mut self, heard: Heard) -> Result<(), Trouble> {
        let Heard { correlator, source, items } = heard;
        let read = |item: &crate::protocol::dm1::AlertItem| ReportItem::parse(&item.data, item.target.as_deref());
        let results: Vec<ReportItem> = items.iter().filter_map(read).collect();
        let correlator = correlator.and_then(|text| Correlator::parse(&text).ok());
        let told = results.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        self.tale.add(Told::Report { source: source.clone(), codes: told.clone() });
        if let Some(correlator) = &correlator
            && (self.is_late(correlator, &results).await? || self.is_early(correlator, &source, &results).await?)
        {
            return Ok(());
        }
        if correlator.is_none() && self.is_late_unsigned(&source, &results).await? {
            return Ok(());
        }
        if let Some(correlator) = correlator.clone().filter(|correlator| self.work.expects().contains(correlator)) {
            let texts = items.iter().map(|item| bounded(&item.data, MOST_DATA)).collect();
            self.feed(Input::Told { correlator, texts })?;
            self.go_on();
            return Ok(());
        }
        let told = if told.is_empty() { "no readable result".to_owned() } else { told };
        self.heard(format!("the device reports {told} for {source}"));
        self.feed(Input::Report { correlator, source, results })
    }

    /// A report was awaited no longer than this session lasts: it goes on with the job.
    fn go_on(&mut self) {
        let is_open = self.work.record().is_some_and(|record| record.procedure.awaiting().is_none());
        if is_open {
            self.life(life::Event::SessionOpened);
        }
    }

    /// Whether a report is of a job that has ended: there it becomes history, and is told as a late result.
    async fn is_late(&mut self, correlator: &Correlator, results: &[ReportItem]) -> Result<bool, Trouble> {
        if self.work.record().is_some_and(|record| record.procedure.knows(correlator)) {
            return Ok(false);
        }
        let norm = self.device.device_id.normalised();
        for row in self.flow.store.ended_jobs(&self.device.tenant, &norm, MOST_ENDED).await? {
            let Some(job) = readable(row).filter(|job| job.record.procedure.knows(correlator)) else { continue };
            self.add_late(job, results)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The same for a report without a correlator: it belongs to the one ended job whose last Exec it may mean. If it may mean
    /// another job, too, it is nobody's.
    async fn is_late_unsigned(&mut self, source: &str, results: &[ReportItem]) -> Result<bool, Trouble> {
        let is_meant = |job: &Moving| job.record.procedure.is_meant(source, results);
        let norm = self.device.device_id.normalised();
        let live = self.flow.store.waiting_jobs(&self.device.tenant, &norm, MOST_WAITING).await?;
        let live = live.into_iter().filter(|row| !self.work.is_written(row.id)).filter_map(readable);
        if self.work.unstored().any(is_meant) || live.into_iter().any(|job| is_meant(&job)) {
            return Ok(false);
        }
        let ended = self.flow.store.ended_jobs(&self.device.tenant, &norm, MOST_ENDED).await?;
        let mut meant = ended.into_iter().filter_map(readable).filter(is_meant);
        let (Some(job), None) = (meant.next(), meant.next()) else { return Ok(false) };
        self.add_late(job, results)?;
        Ok(true)
    }

    /// Makes a report history of a job that has ended.
    fn add_late(&mut self, mut job: Moving, results: &[ReportItem]) -> Result<(), Trouble> {
        let ending = Ending::reported(results).filter(|_| !self.work.is_written(job.row().id));
        if let Some(ending) = ending {
            let event = life::Event::Finished(ending.into());
            job.step(event, self.now, &self.flow.settings.policy, false, self.mint.as_mut());
            self.work.writes.extend(job.writes(self.now, None)?);
        }
        Ok(())
    }

    /// Whether a report is of a former attempt at a job that rests before its next one. A success cuts the rest short: the next
    /// attempt begins by asking the device what is true already.
    async fn is_early(
        &mut self,
        correlator: &Correlator,
        source: &str,
        results: &[ReportItem],
    ) -> Result<bool, Trouble> {
        if self.work.record().is_some_and(|record| record.procedure.knows(correlator)) {
            return Ok(false);
        }
        let norm = self.device.device_id.normalised();
        for row in self.flow.store.waiting_jobs(&self.device.tenant, &norm, MOST_WAITING).await? {
            let id = row.id;
            let Some(mut job) = readable(row).filter(|job| job.record.procedure.knows(correlator)) else { continue };
            if self.work.is_written(id) {
                return Ok(true);
            }
            let (correlator, source) = (Some(correlator.clone()), source.to_owned());
            let report = Input::Report { correlator, source, results: results.to_vec() };
            let fresh = BTreeSet::new();
            let cx = Context {
                roots: &self.work.roots,
                rootless: false,
                inventory: self.work.stock.inventory(),
                collect: &job.record.collect,
                fresh: &fresh,
                quirks: &self.class.scomo,
                lacks: &[],
                report_late: false,
                question: None,
                ui: None,
                lang: None,
                held: false,
            };
            let Turn { procedure, effects } = job.record.procedure.clone().handle(report, &cx, self.mint.as_mut());
            job.record.procedure = procedure;
            for effect in effects {
                if let Effect::Note(text) | Effect::Heard(text) = effect {
                    job.note(self.now, text);
                }
            }
            if worst(results).is_some_and(ResultCode::is_ok) {
                let policy = &self.flow.settings.policy;
                job.step(life::Event::Hurry, self.now, policy, false, self.mint.as_mut());
                let session = self.tale.session().to_owned();
                self.take_or_keep(job, Way::GoesOn(&session))?;
                return Ok(true);
            }
            self.work.writes.extend(job.writes(self.now, None)?);
            return Ok(true);
        }
        Ok(false)
    }
}

/// As much of a text as fits into so many bytes.
fn bounded(text: &str, most: usize) -> String {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= most).last();
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}
