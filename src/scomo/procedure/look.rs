//! The beginning: find the SCOMO object, read what it holds, and find out what is to be done with it.

use super::{
    Stage, check,
    errand::{ComponentOperation, Errand, PackageOperation},
    exec,
    goal::{Goal, Reached},
    hand::Hand,
    place::{Place, Work},
    turn::{Ending, Fact, Need},
};
use crate::{
    model::{
        device::DevDetail,
        id::ComponentId,
        tree::{Instance, Intent, ObjectKind, Outcome},
    },
    scomo::{
        inventory::Inventory,
        operation::Operation,
        outcome::{DeliveredStatus, DeployedStatus, Phase},
    },
};

/// An inventory of more entries is read again rather than carried from message to message.
const MOST_CARRIED: usize = 24;

pub(super) fn begin(hand: &mut Hand<'_>) -> Stage {
    match hand.cx.roots.iter().find(|root| root.kind == ObjectKind::Scomo) {
        Some(root) => look(Place::new(root.clone(), false), hand),
        None => locate(hand),
    }
}

fn locate(hand: &mut Hand<'_>) -> Stage {
    hand.ask(Intent::Discover { kind: ObjectKind::Scomo, hints: hand.cx.quirks.roots.clone() });
    Stage::Locating
}

pub(super) fn located(outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    let found = if let Outcome::Found(roots) = outcome { roots.as_slice() } else { &[] };
    if found.is_empty() && !matches!(outcome, Outcome::Found(_) | Outcome::Missing) {
        return hand.setback(outcome, "show its SCOMO management object");
    }
    let roots: Vec<Instance> = found.iter().filter(|root| root.kind == ObjectKind::Scomo).cloned().collect();
    hand.learned(Fact::Roots(roots.clone()));
    if roots.len() > 1 {
        hand.note(format!("the device has {} SCOMO management objects; the first is used", roots.len()));
    }
    match roots.into_iter().next() {
        Some(root) => look(Place::new(root, true), hand),
        None => not_applicable("the device has no SCOMO management object".to_owned(), hand),
    }
}

fn look(place: Place, hand: &mut Hand<'_>) -> Stage {
    hand.ask(Intent::ReadSubtree { at: place.inventory() });
    Stage::Looking { place }
}

pub(super) fn looked(place: Place, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    if let Outcome::Read(tree) = outcome {
        let inventory = Inventory::from_tree(tree);
        hand.learned(Fact::Inventory(inventory.clone()));
        return survey(place.spelled_as_in(tree), inventory, hand);
    }
    if *outcome != Outcome::Missing {
        return hand.setback(outcome, "show its inventory");
    }
    match place.lower_case() {
        Some(lower) => look(lower, hand),
        None if place.fresh => bare(Place::new(place.root, true), hand),
        None => locate(hand),
    }
}

/// The object has no inventory node: nothing is known of what is there.
fn bare(place: Place, hand: &mut Hand<'_>) -> Stage {
    match hand.errand {
        Errand::Download { .. } => {
            hand.note("the device's SCOMO object has no inventory");
            survey(place, Inventory::default(), hand)
        }
        Errand::OperatePackage { .. } | Errand::OperateComponent { .. } => {
            not_applicable("the device's SCOMO object has no inventory to operate on".to_owned(), hand)
        }
    }
}

fn survey(place: Place, inventory: Inventory, hand: &mut Hand<'_>) -> Stage {
    match hand.errand {
        Errand::Download { .. } => select(place, inventory, hand),
        Errand::OperatePackage { operation, pkg_ids } => on_package(place, &inventory, *operation, pkg_ids, hand),
        Errand::OperateComponent { operation, component } => {
            on_component(place, &inventory, *operation, component, hand)
        }
    }
}

fn select(place: Place, inventory: Inventory, hand: &mut Hand<'_>) -> Stage {
    hand.need(Need::Selection);
    Stage::Selecting { place, inventory }
}

/// The choice reads DevDetail. Once it has been read and is still not enough, nothing more can be learnt.
pub(super) fn detail(place: Place, inventory: Inventory, reasons: Vec<String>, hand: &mut Hand<'_>) -> Stage {
    if hand.memory.detailed {
        return hand.finish(Ending::NotApplicable { reasons });
    }
    hand.ask(Intent::ReadSubtree { at: Instance::dev_detail().node("") });
    let small = inventory.packages.len().saturating_add(inventory.components.len()) <= MOST_CARRIED;
    Stage::Detailing { place, kept: small.then_some(inventory) }
}

pub(super) fn detailed(place: Place, kept: Option<Inventory>, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    hand.memory.detailed = true;
    let detail = if let Outcome::Read(tree) = outcome {
        DevDetail::from_tree(tree)
    } else {
        hand.note("the device does not show its DevDetail");
        DevDetail::default()
    };
    hand.learned(Fact::Detail(detail));
    match kept {
        Some(inventory) => select(place, inventory, hand),
        None => look(place, hand),
    }
}

fn on_package(
    place: Place,
    inventory: &Inventory,
    operation: PackageOperation,
    pkg_ids: &[String],
    hand: &mut Hand<'_>,
) -> Stage {
    let held = pkg_ids.iter().find_map(|id| Some((id, inventory.package(id)?)));
    let goals = pkg_ids.iter().map(|id| Goal::Delivered { pkg_id: id.clone(), operation });
    let Some((pkg_id, entry)) = held else {
        let mut reached = goals.map(|goal| goal.reached(inventory));
        let done = match operation {
            PackageOperation::Remove => true,
            PackageOperation::Install | PackageOperation::InstallInactive => reached.any(|r| r == Reached::Yes),
        };
        let wanted = pkg_ids.first().map_or("", String::as_str);
        return if done {
            hand.already()
        } else {
            not_applicable(format!("the device does not hold the delivery package {wanted}"), hand)
        };
    };
    let goal = Goal::Delivered { pkg_id: pkg_id.clone(), operation };
    let work = Work::new(place, goal, operation.into(), entry.node.clone());
    let phase = entry.status.map_or(Phase::Unknown, DeliveredStatus::phase);
    operate(work, inventory, phase, &entry.operations, hand)
}

fn on_component(
    place: Place,
    inventory: &Inventory,
    operation: ComponentOperation,
    id: &ComponentId,
    hand: &mut Hand<'_>,
) -> Stage {
    let Some(component) = inventory.component(id) else {
        return match operation {
            ComponentOperation::Remove => hand.already(),
            ComponentOperation::Activate | ComponentOperation::Deactivate => {
                not_applicable(format!("the device has no component {id}"), hand)
            }
        };
    };
    let goal = Goal::Component { id: id.clone(), operation };
    let work = Work::new(place, goal, Operation::from(operation), component.node.clone());
    let phase = component.status.map_or(Phase::Unknown, DeployedStatus::phase);
    operate(work, inventory, phase, &component.operations, hand)
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
