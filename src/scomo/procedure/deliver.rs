//! Bringing a chosen package: written into the tree, or offered by URL (SCOMO sheet 5).

use super::{
    Stage, check,
    errand::{Action, Chosen, Errand, Mechanism, Package, Way},
    exec,
    goal::{Goal, Reached},
    hand::Hand,
    place::{Place, Work},
    turn::Need,
};
use crate::{
    model::tree::{Branch, Intent, Outcome},
    scomo::{
        inventory::{Delivered, Inventory, PackageState},
        object,
        operation::Operation,
        outcome::{DownloadStatus, Phase},
    },
};

pub(super) fn chosen(place: Place, inventory: &Inventory, chosen: Chosen, hand: &mut Hand<'_>) -> Stage {
    let Errand::Download { action } = *hand.errand else { return Stage::Resting };
    let Chosen { package, way } = chosen;
    let pkg_id = package.pkg_id();
    let goal = Goal::Package { package: Box::new(package.clone()), action };
    let distrusted = hand.memory.distrusted.as_ref() == Some(&pkg_id);
    if goal.reached(inventory) == Reached::Yes && !(distrusted && action == Action::Deliver) {
        return hand.already();
    }
    let held = inventory.package(&pkg_id).filter(|entry| !distrusted && is_whole(entry));
    let install = installing(action).filter(|operation| !hand.cx.lacks.contains(operation));
    match (held, install, way) {
        (Some(entry), Some(operation), _) => {
            hand.note(format!("the device already holds {pkg_id}: it is installed from there"));
            let work = Work::new(place, goal, operation, entry.node.clone());
            install_held(Box::new(work), entry, hand)
        }
        (Some(_) | None, _, Way::Direct) => put_delivered(place, inventory, &package, action, hand),
        (Some(_) | None, _, Way::Alternate(mechanism)) => browse(place, Box::new(package), mechanism, hand),
    }
}

/// The primitive that installs what was delivered; none where delivery is the end.
const fn installing(action: Action) -> Option<Operation> {
    match action {
        Action::Deliver => None,
        Action::Install => Some(Operation::Install),
        Action::InstallInactive => Some(Operation::InstallInactive),
    }
}

/// Whether the device says that it holds the package's bytes, waiting for an installation.
fn is_whole(entry: &Delivered) -> bool {
    let lost = entry.status.is_some_and(|s| s.phase() == Phase::Failed { data_lost: true });
    entry.state == Some(PackageState::Delivered) && !lost
}

fn install_held(work: Box<Work>, entry: &Delivered, hand: &mut Hand<'_>) -> Stage {
    if entry.status.is_some_and(|status| status.phase() == Phase::Progressing) {
        return check::busy(work, hand);
    }
    exec::execute(work, &entry.operations, hand)
}

fn put_delivered(place: Place, inventory: &Inventory, package: &Package, action: Action, hand: &mut Hand<'_>) -> Stage {
    let goal = Goal::Package { package: Box::new(package.clone()), action };
    let existing: Vec<_> = inventory.packages.iter().map(|p| (p.node.clone(), p.pkg_id.clone())).collect();
    let entry = object::entry_name(&package.pkg_id(), &existing);
    let operation = installing(action).unwrap_or(Operation::Install);
    let work = Box::new(Work::new(place, goal, operation, entry));
    hand.memory.distrusted = Some(package.pkg_id());
    hand.ask(Intent::PutSubtree { at: work.node(), content: object::delivered_entry(package) });
    Stage::Placing { work, by_url: None, spare: None }
}

fn browse(place: Place, package: Box<Package>, mechanism: Mechanism, hand: &mut Hand<'_>) -> Stage {
    hand.ask(Intent::ReadSubtree { at: place.download() });
    Stage::Browsing { place, package, mechanism }
}

/// What lies under `Download` is known: the entry of the same package is used again, a running one left alone.
pub(super) fn browsed(
    place: Place,
    package: Box<Package>,
    mechanism: Mechanism,
    outcome: &Outcome,
    hand: &mut Hand<'_>,
) -> Stage {
    let Errand::Download { action } = *hand.errand else { return Stage::Resting };
    let entries = match (outcome, place.lower_case_download()) {
        (Outcome::Read(tree), _) => tree.children(),
        (Outcome::Missing, Some(lower)) => return browse(lower, package, mechanism, hand),
        (Outcome::Missing, None) => &[],
        (refusal, _) => return hand.setback(refusal, "show its Download node"),
    };
    let existing: Vec<_> = entries.iter().map(|(n, e)| (n.clone(), pkg_id_of(e))).collect();
    let entry = object::entry_name(&package.pkg_id(), &existing);
    let goal = Goal::Package { package: package.clone(), action };
    let work = Box::new(Work::new(place, goal, Operation::fetching(action), entry));
    if entries.iter().any(|(n, e)| *n == work.entry && phase_of(e) == Phase::Progressing) {
        return check::busy(work, hand);
    }
    let spare = entries.iter().find(|(n, e)| *n != work.entry && is_spare(e)).map(|(n, _)| n.clone());
    hand.need(Need::Grant { mechanism, package });
    Stage::Granting { work, mechanism, spare }
}

pub(super) fn granted(
    work: Box<Work>,
    mechanism: Mechanism,
    spare: Option<String>,
    url: &str,
    hand: &mut Hand<'_>,
) -> Stage {
    let Goal::Package { package, action } = &work.goal else { return Stage::Granting { work, mechanism, spare } };
    let content = object::download_entry(package, url, *action);
    hand.ask(Intent::PutSubtree { at: work.node(), content });
    Stage::Placing { work, by_url: Some(mechanism), spare }
}

/// An entry that the device came with and that nothing runs on (SCOMO sheet 1.4).
fn is_spare(entry: &Branch) -> bool {
    entry.child("Operations").is_some_and(|o| !o.children().is_empty()) && phase_of(entry) != Phase::Progressing
}

fn pkg_id_of(entry: &Branch) -> Option<String> {
    entry.text("PkgID").filter(|id| !id.is_empty()).map(str::to_owned)
}

fn phase_of(entry: &Branch) -> Phase {
    let number = entry.text("Status").and_then(|t| t.parse().ok());
    number.map_or(Phase::Unknown, |n| DownloadStatus::from_number(n).phase())
}

pub(super) fn placed(
    mut work: Box<Work>,
    by_url: Option<Mechanism>,
    spare: Option<String>,
    outcome: &Outcome,
    hand: &mut Hand<'_>,
) -> Stage {
    match (outcome, by_url, spare) {
        (Outcome::Written { .. }, None, _) => send(work, hand),
        (Outcome::Written { .. }, Some(_), _) => exec::list(work, hand),
        (Outcome::Refused { .. } | Outcome::Unsupported { .. }, Some(mechanism), Some(spare)) => {
            hand.note(format!("the device makes no new Download entry; its own entry {spare} is used"));
            work.entry = spare;
            work.fixed = true;
            let Goal::Package { package, .. } = &work.goal else { return Stage::Sending { work } };
            hand.need(Need::Grant { mechanism, package: package.clone() });
            Stage::Granting { work, mechanism, spare: None }
        }
        (other, _, _) => hand.setback(other, "take the package's entry"),
    }
}

fn send(work: Box<Work>, hand: &mut Hand<'_>) -> Stage {
    let Goal::Package { package, .. } = &work.goal else { return Stage::Sending { work } };
    hand.ask(Intent::PutBytes { at: work.node().child("Data"), payload: package.payload.clone() });
    Stage::Sending { work }
}

pub(super) fn sent(work: Box<Work>, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    let doing = "take the package's bytes";
    let Outcome::Written { skipped } = outcome else { return hand.setback(outcome, doing) };
    if let Some((_, code)) = skipped.first() {
        return hand.setback(&Outcome::Refused { code: *code }, doing);
    }
    (hand.memory.distrusted, hand.memory.sent) = (None, true);
    if let Goal::Package { action: Action::Deliver, .. } = work.goal {
        exec::confirm(work, None, hand)
    } else {
        exec::list(work, hand)
    }
}
