//! From JSON to a request.

pub(in crate::contract) mod command;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use serde_json::Value;

use super::{
    Action, ComponentOperation, Confirm, Delivery, FailureBudget, IfNoUi, IfUnknownDevice, Notify, PackageOperation,
    PackageWanted, Request, RetryRule, Schedule, Targets, Window, Work,
};
use crate::{
    contract::problem::{
        Code, Problem,
        read::{Faults, Field, Object},
    },
    model::{
        clock::Timestamp,
        id::{DeviceId, RequestSource},
        rule::FactSource,
        texts::Texts,
    },
};

pub(in crate::contract) const PRIORITIES: RangeInclusive<u32> = 0..=9;
pub(in crate::contract) const RETRIES: RangeInclusive<u32> = 0..=100;
pub(in crate::contract) const BACKOFF: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
pub(in crate::contract) const FAILURES: RangeInclusive<u32> = 0..=10_000_000;
pub(in crate::contract) const WINDOW: RangeInclusive<u32> = 1..=Window::MOST_MINUTES;
pub(in crate::contract) const AGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(3650 * 24);
pub(in crate::contract) const SOURCES: [(&str, FactSource); 2] =
    [("devdetail", FactSource::DevDetail), ("inventory", FactSource::Inventory)];
pub(in crate::contract) const ACTIONS: [(&str, Action); 3] =
    [("deliver", Action::Deliver), ("install", Action::Install), ("install-inactive", Action::InstallInactive)];
pub(in crate::contract) const DELIVERIES: [(&str, Delivery); 3] =
    [("auto", Delivery::Auto), ("direct", Delivery::Direct), ("alternate", Delivery::Alternate)];
pub(in crate::contract) const NOTIFIES: [(&str, Notify); 3] =
    [("auto", Notify::Auto), ("always", Notify::Always), ("never", Notify::Never)];
pub(in crate::contract) const IF_NO_UI: [(&str, IfNoUi); 2] = [("stop", IfNoUi::Stop), ("proceed", IfNoUi::Proceed)];
pub(in crate::contract) const UNKNOWN_DEVICE: [(&str, IfUnknownDevice); 2] =
    [("fail", IfUnknownDevice::Fail), ("wait", IfUnknownDevice::Wait)];

pub(super) fn request(value: &Value, caller: &RequestSource, now: Timestamp) -> Result<Request, Problem> {
    let faults = Faults::default();
    let request = Field::root(value, &faults).object().and_then(|root| whole(root, caller));
    if let Some(past) = request.as_ref().and_then(|r| r.past(now)).filter(|_| !faults.is_empty()) {
        faults.add(past);
    }
    faults.into_result(request)
}

/// Reads every member before it gives up, so that every fault is noted. A member that is there and wrong leaves `None` or its
/// default behind; the fault refuses the whole.
fn whole(mut root: Object<'_>, caller: &RequestSource) -> Option<Request> {
    if let Some(field) = root.get("schema") {
        let _: Option<()> = field.choice(&[(Request::SCHEMA, ())], &[]);
    }
    let request_id = root.need("request_id").and_then(|f| f.parsed(Code::InvalidName));
    let source = root.get("source").map_or_else(|| Some(caller.clone()), |f| f.parsed(Code::InvalidName));
    let priority = root.get("priority").map_or(Some(Request::DEFAULT_PRIORITY), |f| {
        f.number(&PRIORITIES).and_then(|priority| u8::try_from(priority).ok())
    });
    let work = work(&mut root);
    let targets = root.need("targets").and_then(|f| f.object()).and_then(targets);
    let schedule = root.get("schedule").map_or(Some((None, Schedule::default())), |f| f.object().and_then(schedule));
    let retry = root.get("retry").map_or_else(|| Some(RetryRule::default()), |f| f.object().and_then(retry));
    let failure_budget = root.get("failure_budget").map(|f| f.object().and_then(failure_budget));
    let notify = root.get("notify").map_or(Some(Notify::default()), |f| f.choice(&NOTIFIES, &[]));
    let if_unknown_device =
        root.get("if_unknown_device").map_or(Some(IfUnknownDevice::default()), |f| f.choice(&UNKNOWN_DEVICE, &[]));
    let confirm = root.get("confirm").map(|f| f.object().and_then(confirm));
    let only = matches!(work, Some(Work::Inventory));
    let collect = root.get("collect").map(|f| sources(&f, only));
    let collect_max_age = root.get("collect_max_age").map(|f| f.duration(&AGE));
    root.close();
    let (deadline, schedule) = schedule?;
    Some(Request {
        request_id: request_id?,
        source: source?,
        priority: priority?,
        work: work?,
        targets: targets?,
        deadline,
        schedule,
        retry: retry?,
        failure_budget: match failure_budget {
            Some(read) => Some(read?),
            None => None,
        },
        notify: notify?,
        if_unknown_device: if_unknown_device?,
        confirm: match confirm {
            Some(read) => Some(read?),
            None => None,
        },
        collect: match collect {
            Some(read) => Some(read?),
            None => None,
        },
        collect_max_age: match collect_max_age {
            Some(read) => Some(read?),
            None => None,
        },
    })
}

/// What is to be read. `only`: there is nothing else to be done, so that nothing at all is not enough.
fn sources(field: &Field<'_>, only: bool) -> Option<BTreeSet<FactSource>> {
    if field.is_empty_list() && !only {
        return Some(BTreeSet::new());
    }
    let (mut sources, mut good) = (BTreeSet::new(), true);
    for member in field.list(SOURCES.len())? {
        match member.choice(&SOURCES, &[]) {
            Some(source) if sources.insert(source) => {}
            Some(_) => member.fault(Code::Duplicate, "is named twice"),
            None => good = false,
        }
    }
    good.then_some(sources)
}

#[derive(Clone, Copy)]
pub(in crate::contract) enum Kind {
    Download,
    Operation,
    Inventory,
    Command,
}

pub(in crate::contract) const KINDS: [(&str, Kind); 4] = [
    ("download", Kind::Download),
    ("operation", Kind::Operation),
    ("inventory", Kind::Inventory),
    ("command", Kind::Command),
];

/// The members that say what is to be done, of every kind.
pub(in crate::contract) const OF_WORK: [&str; 8] =
    ["package", "component", "operation", "action", "delivery", "allow_downgrade", "commands", "group"];

fn work(root: &mut Object<'_>) -> Option<Work> {
    match root.need("kind")?.choice(&KINDS, &["bootstrap"]) {
        Some(Kind::Download) => download(root),
        Some(Kind::Operation) => operation(root),
        Some(Kind::Inventory) => {
            let why = "does not belong to `kind` `inventory`, which only collects";
            root.misplaced(&OF_WORK, why);
            root.misplaced(&["confirm"], why);
            Some(Work::Inventory)
        }
        Some(Kind::Command) => {
            let why = "does not belong to `kind` `command`, which asks by a prompt and reads by a get";
            root.misplaced(&["confirm", "collect", "collect_max_age"], why);
            command::commands(root)
        }
        None => {
            // They belong to one kind or the other: which one is not known, so they are passed over.
            for name in OF_WORK {
                drop(root.get(name));
            }
            None
        }
    }
}

fn download(root: &mut Object<'_>) -> Option<Work> {
    root.misplaced(&["operation", "component"], "belongs to `kind` `operation`");
    root.misplaced(&["commands", "group"], "belongs to `kind` `command`");
    let package = root.get("package").map(|f| f.object().and_then(package));
    let action = root.need("action").and_then(|f| f.choice(&ACTIONS, &[]));
    let delivery = root.get("delivery").map_or(Some(Delivery::default()), |f| f.choice(&DELIVERIES, &[]));
    let allow_downgrade = root.get("allow_downgrade").map_or(Some(false), |f| f.boolean());
    Some(Work::Download {
        package: match package {
            Some(read) => Some(read?),
            None => None,
        },
        action: action?,
        delivery: delivery?,
        allow_downgrade: allow_downgrade?,
    })
}

#[derive(Clone, Copy)]
pub(in crate::contract) enum Operation {
    Package(PackageOperation),
    Component(ComponentOperation),
    /// Of a package or of a component.
    Remove,
}

pub(in crate::contract) const OPERATIONS: [(&str, Operation); 5] = [
    ("install", Operation::Package(PackageOperation::Install)),
    ("install-inactive", Operation::Package(PackageOperation::InstallInactive)),
    ("remove", Operation::Remove),
    ("activate", Operation::Component(ComponentOperation::Activate)),
    ("deactivate", Operation::Component(ComponentOperation::Deactivate)),
];

fn operation(root: &mut Object<'_>) -> Option<Work> {
    root.misplaced(&["action", "delivery", "allow_downgrade"], "belongs to `kind` `download`");
    root.misplaced(&["commands", "group"], "belongs to `kind` `command`");
    let chosen = root.need("operation").and_then(|f| f.choice(&OPERATIONS, &[]));
    let of_component = match chosen {
        Some(Operation::Component(_)) => true,
        Some(Operation::Package(_)) => false,
        Some(Operation::Remove) | None => root.get("component").is_some(),
    };
    if of_component {
        root.misplaced(&["package"], "is not what this operation is on; it is on a `component`");
        let component = root.need("component").and_then(|f| f.object()).and_then(|mut component| {
            let id = component.need("id").and_then(|f| f.parsed(Code::InvalidName));
            component.close();
            id
        });
        let operation = match chosen? {
            Operation::Component(operation) => operation,
            Operation::Remove | Operation::Package(_) => ComponentOperation::Remove,
        };
        return Some(Work::ComponentOperation { operation, component: component? });
    }
    root.misplaced(&["component"], "is not what this operation is on; it is on a `package`");
    let package = root.need("package").and_then(|f| f.object()).and_then(package);
    let operation = match chosen? {
        Operation::Package(operation) => operation,
        Operation::Remove | Operation::Component(_) => PackageOperation::Remove,
    };
    Some(Work::PackageOperation { operation, package: package? })
}

fn package(mut package: Object<'_>) -> Option<PackageWanted> {
    let id = package.need("id").and_then(|f| f.parsed(Code::InvalidName));
    let version = package.get("version").map(|f| f.parsed(Code::InvalidVersionRule));
    package.close();
    Some(PackageWanted {
        id: id?,
        version: match version {
            Some(read) => Some(read?),
            None => None,
        },
    })
}

/// Exactly one of three ways to say which devices are meant.
fn targets(mut targets: Object<'_>) -> Option<Targets> {
    const WAYS: [&str; 3] = ["devices", "list", "filter"];
    let given = WAYS.map(|way| targets.get(way));
    let (mut read, mut first) = (None, None);
    for (way, field) in WAYS.into_iter().zip(given) {
        let Some(field) = field else { continue };
        if let Some(first) = first {
            field.fault(Code::MisplacedField, format!("`{way}` stands beside `{first}`; only one of them is possible"));
            continue;
        }
        first = Some(way);
        read = match way {
            "list" => field.parsed(Code::InvalidName).map(Targets::List),
            "filter" => field.parsed(Code::InvalidRule).map(Targets::Filter),
            _ => devices(&field).map(Targets::Devices),
        };
    }
    if first.is_none() {
        drop(targets.need("devices")); // the usual way is the one that is missed
    }
    targets.close();
    read
}

fn devices(field: &Field<'_>) -> Option<Vec<DeviceId>> {
    let members = field.list_or(Request::MOST_DEVICES, Request::INSTEAD)?;
    let (mut seen, mut devices, mut good) = (BTreeMap::new(), Vec::new(), true);
    for (i, member) in members.iter().enumerate() {
        let Some(device) = member.parsed::<DeviceId>(Code::InvalidName) else {
            good = false;
            continue;
        };
        if let Some(first) = seen.insert(device.normalised(), i) {
            member.fault(Code::Duplicate, format!("the same device as /targets/devices/{first}"));
        }
        devices.push(device);
    }
    good.then_some(devices)
}

/// The deadline, and when something may be begun.
fn schedule(mut schedule: Object<'_>) -> Option<(Option<Timestamp>, Schedule)> {
    let deadline = schedule.get("deadline").map(|f| f.time());
    let not_before = schedule.get("not_before").map(|f| f.time());
    let window = schedule.get("window").map(|f| f.object().and_then(window));
    schedule.close();
    let deadline = match deadline {
        Some(read) => Some(read?),
        None => None,
    };
    let not_before = match not_before {
        Some(read) => Some(read?),
        None => None,
    };
    let window = match window {
        Some(read) => Some(read?),
        None => None,
    };
    Some((deadline, Schedule { not_before, window }))
}

fn window(mut window: Object<'_>) -> Option<Window> {
    let cron = window.need("cron").and_then(|f| f.parsed(Code::InvalidCron));
    let minutes = window.need("minutes").and_then(|f| f.number(&WINDOW));
    let time_zone = window.need("time_zone").and_then(|f| f.parsed(Code::InvalidTimeZone));
    window.close();
    Some(Window { cron: cron?, minutes: minutes?, time_zone: time_zone? })
}

fn confirm(mut confirm: Object<'_>) -> Option<Confirm> {
    let text = confirm.get("text").map(|field| texts(&field));
    let if_no_ui = confirm.get("if_no_ui").map_or(Some(IfNoUi::default()), |f| f.choice(&IF_NO_UI, &[]));
    confirm.close();
    Some(Confirm {
        text: match text {
            Some(read) => Some(read?),
            None => None,
        },
        if_no_ui: if_no_ui?,
    })
}

/// A text for people in several languages.
fn texts(field: &Field<'_>) -> Option<Texts> {
    let (mut texts, mut good) = (BTreeMap::new(), true);
    for (tag, member) in field.texts(Texts::MOST)? {
        match member.text_as(Code::InvalidText, |text| Texts::check(tag, text).map_err(|why| why.to_string())) {
            Some(()) => drop(texts.insert(tag.to_owned(), member.text()?.to_owned())),
            None => good = false,
        }
    }
    Texts::new(texts).ok().filter(|_| good)
}

fn failure_budget(mut budget: Object<'_>) -> Option<FailureBudget> {
    let failed = budget.need("failed").and_then(|f| f.number(&FAILURES));
    budget.close();
    Some(FailureBudget { failed: failed? })
}

fn retry(mut retry: Object<'_>) -> Option<RetryRule> {
    let usual = RetryRule::default();
    let limit = retry.get("limit").map_or(Some(usual.limit), |f| f.number(&RETRIES));
    let backoff = retry.get("backoff").map_or(Some(usual.backoff), |f| f.duration(&BACKOFF));
    retry.close();
    Some(RetryRule { limit: limit?, backoff: backoff? })
}
