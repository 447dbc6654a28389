//! Generic alerts and client events: each is told on, and those of component management are sorted into reports and requests.
//!
//! What a message says in several alerts belongs together: they are gathered until something else happens, so that of two reports
//! on one operation the worse counts, whatever their order.

use super::{Trouble, desk::Desk};
use crate::{
    contract::event::{Data, DeviceAlert, Event},
    infra::{
        jobs::event_row,
        store::{self, Write},
    },
    model::id::{EventId, JobId},
    protocol::dm1::{AlertItem, GenericAlert, Receipt},
    scomo::{
        device_request::{Asker, asker},
        outcome::is_operation_complete,
    },
};

/// Alerts of one message that are told on; the rest is counted in the log.
const MOST_TOLD: usize = 32;

/// What the alerts of a message have brought so far.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    told: usize,
    /// Reports of ended operations, not worked on yet.
    pub(super) heard: Vec<Heard>,
    /// Requests of the device, not worked on yet.
    pub(super) wished: Vec<Wished>,
    /// How many requests became work of their own.
    pub(super) made: usize,
    /// What is to be said of each request: whether the job that it stands for is worked on in this session.
    receipts: Vec<(Receipt, Option<JobId>)>,
}

/// All that a message reports on one operation.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) correlator: Option<String>,
    pub(super) source: String,
    pub(super) items: Vec<AlertItem>,
}

/// An item by which a device asks for something.
#[derive(Debug)]
pub(super) struct Wished {
    pub(super) asker: Asker,
    pub(super) item: AlertItem,
}

/// Whether generic alerts of this Type are understood.
pub(super) fn is_known(alert_type: &str) -> bool {
    is_operation_complete(alert_type) || asker(alert_type).is_some()
}

impl Alerts {
    /// Notes what an item stands for.
    pub(super) fn answer(&mut self, receipt: Receipt, job: Option<JobId>) {
        self.receipts.push((receipt, job));
    }

    /// Joins an item to what was reported on the same operation: by correlator, else by Source.
    fn report(&mut self, correlator: Option<&str>, item: AlertItem) {
        let source = item.source.clone().unwrap_or_default();
        let same = |heard: &&mut Heard| {
            heard.correlator.as_deref() == correlator && (correlator.is_some() || heard.source == source)
        };
        match self.heard.iter_mut().find(same) {
            Some(heard) => heard.items.push(item),
            None => self.heard.push(Heard { correlator: correlator.map(str::to_owned), source, items: vec![item] }),
        }
    }
}

impl Desk<'_> {
    /// Takes an alert: tells it on, and keeps what is to be worked on.
    pub(super) fn hear(&mut self, alert: GenericAlert) -> Result<(), Trouble> {
        let GenericAlert { code, correlator, items } = alert;
        for item in items {
            self.tell(code, correlator.as_deref(), &item)?;
            if !item.known {
                continue;
            }
            match asker(&item.r#type) {
                Some(asker) => self.alerts.wished.push(Wished { asker, item }),
                None => self.alerts.report(correlator.as_deref(), item),
            }
        }
        Ok(())
    }

    /// Works on what the alerts so far have brought.
    pub(super) async fn work_on_alerts(&mut self) -> Result<(), Trouble> {
        for heard in std::mem::take(&mut self.alerts.heard) {
            // Boxed, as is the next: messages with alerts are few, and the others need not be as large as these.
            Box::pin(self.report(heard)).await?;
        }
        for wished in std::mem::take(&mut self.alerts.wished) {
            Box::pin(self.asked(wished)).await?;
        }
        Ok(())
    }

    /// The Status of each request: 200 if this session works on it, 202 if not (SCOMO sheet 4.4).
    pub(super) fn acknowledge(&mut self) {
        let in_hand = self.work.job_id();
        for (receipt, job) in std::mem::take(&mut self.alerts.receipts) {
            self.amend(receipt, if job.is_some() && job == in_hand { 200 } else { 202 });
        }
    }

    fn tell(&mut self, code: u16, correlator: Option<&str>, item: &AlertItem) -> Result<(), store::Error> {
        self.alerts.told += 1;
        if self.alerts.told > MOST_TOLD {
            return Ok(());
        }
        let place = i64::try_from(self.alerts.told).unwrap_or(i64::MAX);
        let data = DeviceAlert {
            device: self.device.device_id.clone(),
            alert: code,
            r#type: item.r#type.clone(),
            source: item.source.clone(),
            target: item.target.clone(),
            format: item.format.clone(),
            mark: item.mark.clone(),
            correlator: correlator.map(str::to_owned),
            data: item.data.clone(),
            truncated: false,
            known: item.known,
            session: self.tale.session().to_owned(),
        };
        let (id, tenant) = (EventId::new(self.mint.uuid(self.now)), self.device.tenant.clone());
        let event = Event { id, tenant, time: self.now, sequence: None, data: Data::DeviceAlert(data.bounded()) };
        let row = event_row(&event, self.now.micros().saturating_add(place))?;
        self.work.writes.push(Write::EventInsert(row));
        Ok(())
    }
}
