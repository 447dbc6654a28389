//! Selection: the package for this device and the way that it takes, with the reasons kept on the job.

use std::collections::BTreeSet;

use super::desk::Desk;
use crate::{
    job::{
        plan::{Choice, Step, Tried, Verdict as WayVerdict},
        procedure::{Action, Chosen, Closed, Fit, Package, Selected},
        record::Order,
        selection::{self, Fitted, Fitting, Selection, Verdict, select},
    },
    model::{
        catalog::Delivery,
        catalog::PackageRef,
        device::Facts,
        rule::{FactName, FactSource},
    },
};

impl Desk<'_> {
    /// Answers a procedure that asks which package the device is to get, having read these sources and found these ways closed.
    pub(super) fn select(&mut self, read: &BTreeSet<FactSource>, closed: &[Closed]) -> Selected {
        let Some(record) = self.work.record() else {
            return Selected::Nothing { reasons: vec!["there is no job".to_owned()] };
        };
        let Some(mut wanted) = record.order.wanted() else {
            return Selected::Nothing { reasons: vec!["the job asks for no package".to_owned()] };
        };
        wanted.env_refused = self.known.lacks.env_types(self.now);
        let (may_read, facts) = (self.may_read(read), self.facts(read));
        let catalogue = self.flow.catalogue.all();
        let selection = select(&wanted, &facts, catalogue.iter(), &may_read, self.now);
        let reasons: Vec<String> = selection.refusals.iter().map(ToString::to_string).collect();
        for reason in &reasons {
            self.note(format!("not {reason}"));
        }
        let verdict = selection.verdict.clone();
        self.keep(selection);
        match verdict {
            Verdict::Chosen(package) => {
                let may_ask = may_read.contains(&FactSource::DevDetail);
                self.choose_way(&package, &facts, may_ask, closed)
            }
            Verdict::AlreadyDone(package) => {
                self.note(format!("{package} is on the device already"));
                Selected::AlreadyDone
            }
            Verdict::Undecided { missing } => Selected::Undecided { reasons: vec![needed(&missing)] },
            Verdict::Nothing if reasons.is_empty() => {
                let what = wanted.package.map_or_else(|| "any".to_owned(), |package| package.id.to_string());
                Selected::Nothing { reasons: vec![format!("the catalogue has no package `{what}`")] }
            }
            Verdict::Nothing => Selected::Nothing { reasons },
        }
    }

    /// Answers a procedure that asks which of the packages held the device is to install.
    pub(super) fn fit(&mut self, held: &[String], read: &BTreeSet<FactSource>) -> Fit {
        let (may_read, facts) = (self.may_read(read), self.facts(read));
        let Fitting { verdict, refusals } = selection::fit(held, &facts, self.flow.catalogue.all().iter(), &may_read);
        let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        for reason in &reasons {
            self.note(format!("not {reason}"));
        }
        match verdict {
            Fitted::This(pkg_id) => Fit::This { pkg_id },
            Fitted::Undecided { missing } => Fit::Undecided { reasons: vec![needed(&missing)] },
            Fitted::Nothing => Fit::Nothing { reasons },
        }
    }

    /// The sources that may still be read for a choice.
    fn may_read(&self, read: &BTreeSet<FactSource>) -> BTreeSet<FactSource> {
        let allows = |source: &FactSource| self.work.record().is_some_and(|record| record.collect.allows(*source));
        FactSource::READABLE.into_iter().filter(|source| allows(source) && !read.contains(source)).collect()
    }

    /// The facts that count for a choice: of what can be read, what was read in this session or is young enough.
    fn facts(&self, read: &BTreeSet<FactSource>) -> Facts {
        let inventory = self.work.stock.inventory().filter(|_| read.contains(&FactSource::Inventory));
        let counts = read.contains(&FactSource::DevDetail) || self.fresh().contains(&FactSource::DevDetail);
        let detail = self.known.detail.clone().filter(|_| counts);
        Facts { detail, ..self.known.facts(&self.device, inventory, self.now) }
    }

    fn choose_way(&mut self, package: &PackageRef, facts: &Facts, may_ask: bool, closed: &[Closed]) -> Selected {
        let Some(manifest) = self.flow.catalogue.get(package) else {
            return Selected::Nothing { reasons: vec![format!("{package} was just taken out of the catalogue")] };
        };
        let (asked, action) = match self.order() {
            Some(Order::Download { delivery, action, .. }) => (*delivery, *action),
            Some(
                Order::PackageOperation { .. } | Order::ComponentOperation { .. } | Order::Inventory | Order::Command,
            )
            | None => (Delivery::Auto, Action::Install),
        };
        let lacks = self.known.lacks.operations(self.now);
        let excerpt = Package::from(&manifest);
        let now_closed = closed.iter().map(|closed| Tried::new(closed.way, &closed.failure, None));
        let tried: Vec<Tried> = self.work.tried().iter().cloned().chain(now_closed).collect();
        let choice = Choice {
            asked,
            manifest: manifest.delivery,
            package: &excerpt,
            abilities: facts.abilities,
            detail: facts.detail.as_ref(),
            may_ask,
            alternate: self.class.scomo.alternate,
            tried: &tried,
            action,
            lacks: &lacks,
        };
        match choice.make() {
            WayVerdict::Go { way, reason } => {
                self.note(format!("{package} is chosen; {reason}"));
                let chosen = Chosen { package: excerpt, way };
                self.work.plan(&chosen, reason);
                Selected::Chosen(Box::new(chosen))
            }
            WayVerdict::NeedLrgObj { reason } => Selected::Undecided { reasons: vec![reason] },
            WayVerdict::Impossible { reason } => Selected::Nothing { reasons: vec![reason] },
        }
    }

    fn order(&self) -> Option<&Order> {
        self.work.record().map(|record| &record.order)
    }

    fn keep(&mut self, selection: Selection) {
        if let Some(record) = self.work.record_mut() {
            record.selection = Some(selection);
        }
    }
}

fn needed(missing: &BTreeSet<FactName>) -> String {
    let missing: Vec<&str> = missing.iter().map(|fact| fact.as_str()).collect();
    format!("{} must be known first", missing.join(", "))
}

impl super::work::Work {
    fn tried(&self) -> &[Tried] {
        self.record().map_or(&[], |record| &record.tried)
    }

    fn plan(&mut self, chosen: &Chosen, reason: String) {
        if let Some(record) = self.record_mut()
            && let Order::Download { action, .. } = record.order
        {
            record.plan.steps = vec![Step { chosen: chosen.clone(), action, reason }];
        }
    }
}
