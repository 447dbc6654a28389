//! What a device asks for becomes a request of its own, is stored with the message that brought it, and is taken up in this very
//! session if nothing else holds the device (SCOMO sheet 4.4, contract "Request").

use std::{collections::BTreeMap, time::Duration};

use super::{
    Trouble,
    alert::Wished,
    desk::Desk,
    tale::Told,
    work::{MOST_WAITING, Way},
};
use crate::{
    contract::{
        accept::{accept, fan_out},
        request::{IfUnknownDevice, Request, Schedule, Targets, Work},
    },
    infra::{
        jobs::{Moving, begin},
        store::Write,
    },
    job::{
        life::Notify,
        procedure::{Action, Procedure},
        record::{Order, Record, pkg_ids},
        retry::RetryRule,
        selection::PackageWanted,
    },
    model::{
        catalog::Delivery,
        id::{JobId, RequestId, RequestSource},
    },
    protocol::dm1::AlertItem,
    scomo::device_request::{Named, Wish},
};

/// Requests of one message that become work.
const MOST_A_MESSAGE: usize = 4;
/// Among how many of a device's newest jobs those of the last hour are counted.
const MOST_COUNTED: u32 = 64;
const HOUR: Duration = Duration::from_hours(1);

impl Desk<'_> {
    /// Takes a request of the device. What comes of it is said in the Status of its alert.
    pub(super) async fn asked(&mut self, wished: Wished) -> Result<(), Trouble> {
        let Wished { asker, item } = wished;
        let receipt = item.receipt;
        let made = if self.class.scomo.requests.contains(&asker) {
            self.granted(&item).await?
        } else {
            Err("the device's class does not allow it".to_owned())
        };
        let verdict = made.as_ref().map_or_else(Clone::clone, |job| format!("job {job}"));
        self.tale.add(Told::Asked { what: item.r#type, verdict, taken: made.is_ok() });
        self.alerts.answer(receipt, made.ok());
        Ok(())
    }

    /// The job that an allowed request stands for, or why there is none.
    async fn granted(&mut self, item: &AlertItem) -> Result<Result<JobId, String>, Trouble> {
        let (source, inventory) = (item.source.as_deref(), self.work.stock.inventory());
        let wish = match Wish::read(source, &item.data, &self.work.roots, inventory) {
            Ok(wish) => wish,
            Err(why) => return Ok(Err(why.to_string())),
        };
        let Some((work, order)) = self.meant(wish) else {
            return Ok(Err("its Source names no package that can be asked for".to_owned()));
        };
        if let Some(job) = self.alike(&order).await? {
            return Ok(Ok(job));
        }
        if self.alerts.made >= MOST_A_MESSAGE || self.is_greedy().await? {
            return Ok(Err("the device asks too often".to_owned()));
        }
        let Some(mut job) = self.request(work, order)? else {
            return Ok(Err("the installation's deadline has passed already".to_owned()));
        };
        let at = source.map(|source| format!(" on {source}")).unwrap_or_default();
        job.note(self.now, format!("the device asked for it by {}{at}", item.r#type));
        let id = job.row().id;
        self.hold(job)?;
        Ok(Ok(id))
    }

    /// What a wish means as work; nothing if it is on a package whose name no request can carry.
    fn meant(&self, wish: Wish) -> Option<(Work, Order)> {
        match wish {
            Wish::Download { action, named } => Some(self.download(action, named)),
            Wish::Package { operation, pkg_id } => {
                let Named { id, version } = Named::parse(&pkg_id)?;
                let package = PackageWanted { id, version };
                let mut ids = pkg_ids(&package, self.flow.catalogue.all().iter());
                ids.retain(|id| *id != pkg_id);
                ids.insert(0, pkg_id);
                let order = Order::PackageOperation { operation, package: package.clone(), pkg_ids: ids };
                Some((Work::PackageOperation { operation, package }, order))
            }
            Wish::Component { operation, id } => {
                let component = id;
                let order = Order::ComponentOperation { operation, component: component.clone() };
                Some((Work::ComponentOperation { operation, component }, order))
            }
        }
    }

    /// Data names a package if the catalogue has it, or if it looks like one by its dots; else it is the vendor's own.
    fn download(&self, action: Action, named: Option<Named>) -> (Work, Order) {
        let catalogue = self.flow.catalogue.all();
        let meant = |named: &Named| named.id.as_str().contains('.') || catalogue.iter().any(|m| m.id == named.id);
        let package = named.filter(meant).map(|Named { id, version }| PackageWanted { id, version });
        let (delivery, allow_downgrade, on_request) = (Delivery::Auto, false, package.is_none());
        let work = Work::Download { package: package.clone(), action, delivery, allow_downgrade };
        (work, Order::Download { package, action, delivery, allow_downgrade, on_request })
    }

    /// The live job that the device asked for by an alert of the same meaning.
    async fn alike(&mut self, order: &Order) -> Result<Option<JobId>, Trouble> {
        let same = |record: &Record| record.source == RequestSource::device() && record.order == *order;
        let here = self.work.unstored().find(|job| !job.is_over() && same(&job.record));
        if let Some(job) = here {
            return Ok(Some(job.row().id));
        }
        let norm = self.device.device_id.normalised();
        let rows = self.flow.store.waiting_jobs(&self.device.tenant, &norm, MOST_WAITING).await?;
        let live = rows.into_iter().filter(|row| !self.work.is_written(row.id)).filter_map(|row| Moving::of(row).ok());
        Ok(live.into_iter().find(|job| same(&job.record)).map(|job| job.row().id))
    }

    /// Whether the device's requests of the last hour are as many as its class allows.
    async fn is_greedy(&mut self) -> Result<bool, Trouble> {
        let norm = self.device.device_id.normalised();
        let rows = self.flow.store.latest_jobs(&self.device.tenant, &norm, MOST_COUNTED).await?;
        let late = rows.into_iter().filter(|row| self.now.since(row.created_at) < HOUR);
        let asked = late.filter_map(|row| Moving::of(row).ok()).filter(|j| j.record.source == RequestSource::device());
        let most = usize::from(self.class.scomo.requests_per_hour);
        Ok(asked.count().saturating_add(self.alerts.made) >= most)
    }

    /// Makes the request with its only job, to be stored with this message.
    fn request(&mut self, work: Work, order: Order) -> Result<Option<Moving>, Trouble> {
        let Some(errand) = order.errand() else { return Ok(None) };
        let task = (order, Procedure::new(errand));
        let Ok(request_id) = RequestId::parse(&self.mint.uuid(self.now).to_string()) else { return Ok(None) };
        let device = self.device.device_id.clone();
        let request = Request {
            request_id,
            source: RequestSource::device(),
            priority: Request::DEFAULT_PRIORITY,
            work,
            targets: Targets::Devices(vec![device.clone()]),
            deadline: None,
            schedule: Schedule::default(),
            retry: RetryRule::default(),
            failure_budget: None,
            notify: Notify::default(),
            if_unknown_device: IfUnknownDevice::default(),
            confirm: None,
            collect: None,
            collect_max_age: None,
        };
        let (tenant, settings) = (self.device.tenant.clone(), &self.flow.settings);
        let Ok(accepted) = accept(request, tenant, &settings.defaults, self.now, self.mint.as_mut()) else {
            return Ok(None);
        };
        let row = begin::request_row(&accepted, Some(1))?;
        let known = BTreeMap::from([(device.normalised(), self.device.key)]);
        let jobs = fan_out(&accepted, &[device], &known, &settings.policy, self.now, self.mint.as_mut());
        let Some(job) = jobs.into_iter().next() else { return Ok(None) };
        let job = begin::job(job, task, (&row, &accepted.request), self.now, self.mint.as_mut());
        let told = begin::told(&row, accepted.deadline, self.now, self.mint.as_mut())?;
        self.work.writes.extend([Write::RequestInsert(row), told]);
        self.alerts.made += 1;
        // Of two sessions that the device opens at once only one may commit a request: both write the device's row.
        self.touch();
        Ok(Some(job))
    }

    /// Takes the job up if the session has none in hand; else it waits for its turn.
    fn hold(&mut self, job: Moving) -> Result<(), Trouble> {
        if !self.is_live() || self.work.is_busy() || !self.work.may_take(&job, &self.class.name, self.now) {
            self.work.queue(job);
            return Ok(());
        }
        let session = self.tale.session().to_owned();
        self.work.propose(job);
        self.take_up(Way::Asked(&session))
    }
}
