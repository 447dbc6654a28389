//! The beginning: find the SCOMO objects, read what they hold, and find out what is to be done with it.

use serde::{Deserialize, Serialize};

use super::{
    Stage, check, deliver,
    errand::{ComponentOperation, Errand, PackageOperation},
    exec,
    goal::{Goal, Reached},
    hand::{Hand, Sight},
    place::Work,
    turn::{Ending, Fact, Fit, Need},
};
use crate::{
    model::{
        device::DevDetail,
        id::ComponentId,
        rule::FactSource,
        tree::{Instance, Intent, ObjectKind, Outcome},
    },
    scomo::{
        inventory::Inventory,
        object::Place,
        operation::Operation,
        outcome::{DeliveredStatus, DeployedStatus, Phase},
    },
};

/// A device has one SCOMO object or a few (SCOMO sheet 1.1); further ones are passed over.
const MOST_ROOTS: usize = 8;

/// The way from root to root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tour {
    /// The root that is being read.
    place: Place,
    reading: Reading,
    /// The roots that follow.
    left: Vec<Place>,
    /// What was read so far.
    read: Inventory,
}

/// How a root's inventory is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reading {
    /// Under the name that it has, as far as is known.
    AsKnown,
    /// Among all that the object shows.
    Whole,
    /// Under its name in lower case, where the object as a whole cannot be read.
    LowerCase,
}

/// Begins in a session that has just opened.
pub(super) fn begin(hand: &mut Hand<'_>) -> Stage {
    hand.memory.seen.inventory = Sight::Unseen;
    proceed(hand)
}

/// Reads what is named or needed and not known, then turns to the errand.
pub(super) fn proceed(hand: &mut Hand<'_>) -> Stage {
    if needs_detail(hand) {
        return read_detail(hand);
    }
    let may_look = hand.cx.collect.allows(FactSource::Inventory);
    match hand.errand {
        Errand::Collect if !may_look => return hand.finish(Ending::Succeeded { code: None, confirmed: true }),
        Errand::Download { .. } if !may_look && hand.memory.chosen.is_none() => return select(hand),
        Errand::Download { .. } | Errand::OperatePackage { .. } | Errand::OperateComponent { .. } | Errand::Collect => {
        }
    }
    if hand.has_looked() {
        return match hand.cx.inventory {
            Some(inventory) => survey(inventory, hand),
            None => tour(hand),
        };
    }
    match assumed(hand) {
        Some(inventory) => {
            hand.memory.seen.inventory = Sight::Assumed;
            hand.note("what is known of the device's inventory is young enough and is not read again");
            survey(inventory, hand)
        }
        None => tour(hand),
    }
}

fn needs_detail(hand: &Hand<'_>) -> bool {
    let source = FactSource::DevDetail;
    let named = match hand.errand {
        Errand::Collect => hand.cx.collect.allows(source),
        Errand::Download { .. } | Errand::OperatePackage { .. } | Errand::OperateComponent { .. } => {
            hand.cx.collect.names(source)
        }
    };
    named && !hand.memory.seen.detail && !hand.is_fresh(source)
}

/// What is known of the inventory, if it need not be read. What this job has sent an operation to may have changed since.
fn assumed<'a>(hand: &Hand<'a>) -> Option<&'a Inventory> {
    let known = hand.cx.inventory.filter(|inventory| !inventory.places.is_empty() && inventory.is_whole())?;
    (hand.is_fresh(FactSource::Inventory) && hand.memory.execs.is_empty()).then_some(known)
}

/// What was known of the device does not hold: it is read.
pub(super) fn again(why: &str, hand: &mut Hand<'_>) -> Stage {
    hand.note(format!("{why}; what was known of its inventory may be out of date and is read again"));
    hand.memory.seen.inventory = Sight::Unseen;
    tour(hand)
}

/// Reads the inventory of every root.
fn tour(hand: &mut Hand<'_>) -> Stage {
    let roots: Vec<&Instance> = hand.cx.roots.iter().filter(|root| root.kind == ObjectKind::Scomo).collect();
    let spelled = |root: &Instance| match hand.cx.inventory {
        Some(known) => known.spelled(root),
        None => Place::new(root.clone()),
    };
    let places: Vec<Place> = roots.into_iter().map(spelled).take(MOST_ROOTS).collect();
    if places.is_empty() { locate(hand) } else { next(places, Inventory::default(), hand) }
}

fn locate(hand: &mut Hand<'_>) -> Stage {
    if hand.cx.rootless && !matches!(hand.errand, Errand::Collect) {
        return not_applicable(
            "the device had no SCOMO management object when it was last looked for".to_owned(),
            hand,
        );
    }
    hand.ask(Intent::Discover { kind: ObjectKind::Scomo, hints: hand.cx.quirks.roots.clone() });
    Stage::Locating
}

pub(super) fn located(outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    let found = if let Outcome::Found(roots) = outcome { roots.as_slice() } else { &[] };
    if found.is_empty() && !matches!(outcome, Outcome::Found(_) | Outcome::Missing) {
        return hand.setback(outcome, "show its SCOMO management object");
    }
    let scomo = found.iter().filter(|root| root.kind == ObjectKind::Scomo);
    let roots: Vec<Instance> = scomo.take(MOST_ROOTS).cloned().collect();
    hand.learned(Fact::Roots(roots.clone()));
    hand.memory.seen.roots = true;
    match roots.len() {
        0 => not_applicable("the device has no SCOMO management object".to_owned(), hand),
        1 => next(roots.into_iter().map(Place::new).collect(), Inventory::default(), hand),
        many => {
            hand.note(format!("the device has {many} SCOMO management objects"));
            next(roots.into_iter().map(Place::new).collect(), Inventory::default(), hand)
        }
    }
}

/// Goes on to the next root; after the last one the inventory is known.
fn next(mut left: Vec<Place>, read: Inventory, hand: &mut Hand<'_>) -> Stage {
    if left.is_empty() {
        hand.memory.seen.inventory = Sight::Read;
        hand.learned(Fact::Inventory { inventory: read.clone(), whole: true });
        return survey(&read, hand);
    }
    let place = left.remove(0);
    visit(Tour { place, reading: Reading::AsKnown, left, read }, hand)
}

fn visit(tour: Tour, hand: &mut Hand<'_>) -> Stage {
    let at = match tour.reading {
        Reading::AsKnown | Reading::LowerCase => tour.place.inventory(),
        Reading::Whole => tour.place.whole(),
    };
    hand.ask(Intent::ReadSubtree { at });
    Stage::Looking { tour: Box::new(tour) }
}

pub(super) fn looked(tour: Tour, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    let root = tour.place.root.clone();
    match (outcome, tour.reading) {
        (Outcome::Read(tree), Reading::AsKnown | Reading::LowerCase) => {
            let part = Inventory::from_tree(tour.place, tree);
            next(tour.left, tour.read.join(part), hand)
        }
        (Outcome::Read(object), Reading::Whole) => {
            let place = Place::in_root(root, object);
            let part = match object.child("Inventory") {
                Some(inventory) => Inventory::from_tree(place, inventory),
                None => Inventory::hidden(place),
            };
            next(tour.left, tour.read.join(part), hand)
        }
        (Outcome::Missing, Reading::AsKnown) => visit(Tour { reading: Reading::Whole, ..tour }, hand),
        // A root that was remembered is not there any more.
        (Outcome::Missing, Reading::Whole | Reading::LowerCase) if !hand.memory.seen.roots => locate(hand),
        (Outcome::Missing, Reading::Whole | Reading::LowerCase) | (_, Reading::LowerCase) => {
            next(tour.left, tour.read.join(Inventory::hidden(tour.place)), hand)
        }
        (_, Reading::Whole) => {
            visit(Tour { place: Place::lower_case(root), reading: Reading::LowerCase, ..tour }, hand)
        }
        (refusal, Reading::AsKnown) if tour.left.is_empty() && tour.read.places.is_empty() => {
            hand.setback(refusal, "show its inventory")
        }
        (_, Reading::AsKnown) => {
            hand.note(format!("the device does not show the inventory of {}", root.name));
            next(tour.left, tour.read.join(Inventory::hidden(tour.place)), hand)
        }
    }
}

/// The inventory is known: to the errand.
fn survey(inventory: &Inventory, hand: &mut Hand<'_>) -> Stage {
    if !inventory.is_shown() {
        hand.note("the device's SCOMO object has no inventory");
    }
    match hand.errand {
        Errand::Download { .. } => match hand.memory.chosen.take() {
            Some(chosen) => deliver::chosen(inventory, *chosen, hand),
            None => select(hand),
        },
        Errand::OperatePackage { operation, pkg_ids } => on_package(inventory, *operation, pkg_ids, hand),
        Errand::OperateComponent { operation, component } => on_component(inventory, *operation, component, hand),
        Errand::Collect if inventory.is_shown() => hand.finish(Ending::Succeeded { code: None, confirmed: true }),
        Errand::Collect => not_applicable("the device's SCOMO object has no inventory".to_owned(), hand),
    }
}

fn select(hand: &mut Hand<'_>) -> Stage {
    hand.need_selection();
    Stage::Selecting
}

/// The choice lacks something. Once DevDetail has been read and is still not enough, nothing more can be learnt.
pub(super) fn undecided(reasons: Vec<String>, hand: &mut Hand<'_>) -> Stage {
    if may_read_detail(hand) { read_detail(hand) } else { hand.finish(Ending::NotApplicable { reasons }) }
}

/// Whether DevDetail may still be read for the choice.
pub(super) fn may_read_detail(hand: &Hand<'_>) -> bool {
    !hand.memory.seen.detail && hand.cx.collect.allows(FactSource::DevDetail)
}

fn read_detail(hand: &mut Hand<'_>) -> Stage {
    hand.ask(Intent::ReadSubtree { at: Instance::dev_detail().node("") });
    Stage::Detailing
}

pub(super) fn detailed(outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    hand.memory.seen.detail = true;
    let detail = if let Outcome::Read(tree) = outcome {
        DevDetail::from_tree(tree)
    } else {
        if matches!(hand.errand, Errand::Collect) && !hand.cx.collect.allows(FactSource::Inventory) {
            return hand.setback(outcome, "show its DevDetail");
        }
        hand.note("the device does not show its DevDetail");
        DevDetail::default()
    };
    hand.learned(Fact::Detail(detail));
    proceed(hand)
}

fn on_package(inventory: &Inventory, operation: PackageOperation, pkg_ids: &[String], hand: &mut Hand<'_>) -> Stage {
    let held: Vec<&String> = pkg_ids.iter().filter(|id| inventory.package(id).is_some()).collect();
    match (operation, held.as_slice()) {
        (_, []) => nothing_held(inventory, operation, pkg_ids, hand),
        (PackageOperation::Remove, [first, ..]) => on_held(inventory, operation, first, hand),
        (PackageOperation::Install | PackageOperation::InstallInactive, [_, ..]) => {
            let held = held.into_iter().cloned().collect();
            hand.need(Need::Fit { held, read: hand.read() });
            Stage::Fitting
        }
    }
}

fn nothing_held(inventory: &Inventory, operation: PackageOperation, pkg_ids: &[String], hand: &mut Hand<'_>) -> Stage {
    let mut reached = pkg_ids.iter().map(|id| Goal::Delivered { pkg_id: id.clone(), operation }.reached(inventory));
    let done = match operation {
        PackageOperation::Remove => inventory.is_whole(),
        PackageOperation::Install | PackageOperation::InstallInactive => reached.any(|r| r == Reached::Yes),
    };
    let wanted = pkg_ids.first().map_or("", String::as_str);
    absent(done, format!("the device does not hold the delivery package {wanted}"), inventory, hand)
}

/// Which of the packages held is meant was decided.
pub(super) fn fitted(stage: Stage, fit: Fit, hand: &mut Hand<'_>) -> Stage {
    let (Stage::Fitting, Errand::OperatePackage { operation, .. }) = (&stage, hand.errand) else { return stage };
    match (fit, hand.cx.inventory) {
        (Fit::This { pkg_id }, Some(inventory)) => on_held(inventory, *operation, &pkg_id, hand),
        (Fit::This { .. }, None) => tour(hand),
        (Fit::Nothing { reasons }, _) => hand.finish(Ending::NotApplicable { reasons }),
        (Fit::Undecided { reasons }, _) => undecided(reasons, hand),
    }
}

fn on_held(inventory: &Inventory, operation: PackageOperation, pkg_id: &str, hand: &mut Hand<'_>) -> Stage {
    let goal = Goal::Delivered { pkg_id: pkg_id.to_owned(), operation };
    let Some(entry) = inventory.package(pkg_id) else {
        return absent(false, format!("the device does not hold the delivery package {pkg_id}"), inventory, hand);
    };
    let place = place_of(inventory, &entry.root);
    let work = Work::new(place, goal, operation.into(), entry.node.clone());
    let phase = entry.status.map_or(Phase::Unknown, DeliveredStatus::phase);
    operate(work.with_operations(entry.operations_name.as_ref()), inventory, phase, &entry.operations, hand)
}

fn on_component(inventory: &Inventory, operation: ComponentOperation, id: &ComponentId, hand: &mut Hand<'_>) -> Stage {
    let Some(component) = inventory.component(id) else {
        let done = operation == ComponentOperation::Remove && inventory.is_whole();
        return absent(done, format!("the device has no component {id}"), inventory, hand);
    };
    let goal = Goal::Component { id: id.clone(), operation };
    let place = place_of(inventory, &component.root);
    let work = Work::new(place, goal, Operation::from(operation), component.node.clone());
    let phase = component.status.map_or(Phase::Unknown, DeployedStatus::phase);
    operate(work.with_operations(component.operations_name.as_ref()), inventory, phase, &component.operations, hand)
}

/// What is to be worked on is not there: all is well (`done`), or it cannot be done.
fn absent(done: bool, text: String, inventory: &Inventory, hand: &mut Hand<'_>) -> Stage {
    match (done, inventory.is_whole()) {
        (true, _) => hand.already(),
        (false, _) if hand.assumes() => again(&text, hand),
        (false, true) => not_applicable(text, hand),
        (false, false) => not_applicable(format!("{text}, as far as it shows its inventory"), hand),
    }
}

/// Where the nodes of a root are.
pub(super) fn place_of(inventory: &Inventory, root: &str) -> Place {
    let named = || Instance { kind: ObjectKind::Scomo, name: root.to_owned() };
    inventory.place(root).cloned().unwrap_or_else(|| Place::new(named()))
}

fn operate(work: Work, inventory: &Inventory, phase: Phase, offered: &[String], hand: &mut Hand<'_>) -> Stage {
    let work = Box::new(work);
    match (work.goal.reached(inventory), phase) {
        (Reached::Yes, _) => hand.already(),
        (Reached::No | Reached::Unknown, Phase::Progressing) => check::busy(work, hand),
        (Reached::No | Reached::Unknown, Phase::Idle | Phase::Failed { .. } | Phase::Unknown) => {
            exec::execute(work, offered, hand)
        }
    }
}

fn not_applicable(reason: String, hand: &mut Hand<'_>) -> Stage {
    hand.finish(Ending::NotApplicable { reasons: vec![reason] })
}
