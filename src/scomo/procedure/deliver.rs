//! Bringing a chosen package: written into the tree, or offered by URL (SCOMO sheet 5).

use serde::{Deserialize, Serialize};

use super::{
    Stage, check, consent,
    consent::{After, Gate},
    errand::{Action, Chosen, Errand, Mechanism, Package, Way},
    exec,
    goal::{Goal, Reached},
    hand::Hand,
    look::{self, place_of},
    place::Work,
    turn::Need,
};
use crate::{
    model::{
        id::ComponentId,
        tree::{Branch, Intent, Outcome},
    },
    scomo::{
        inventory::{Delivered, Inventory, PackageState},
        object::{self, Place},
        operation::{Operation, Target},
        outcome::{DownloadStatus, Phase},
    },
};

pub(super) fn chosen(inventory: &Inventory, chosen: Chosen, hand: &mut Hand<'_>) -> Stage {
    let Errand::Download { action } = *hand.errand else { return Stage::Resting };
    let Chosen { package, way } = chosen;
    let pkg_id = package.pkg_id();
    let goal = Goal::Package { package: Box::new(package.clone()), action };
    let distrusted = hand.memory.distrusted.as_ref() == Some(&pkg_id);
    if goal.reached(inventory) == Reached::Yes && !(distrusted && action == Action::Deliver) {
        return hand.already();
    }
    hand.memory.way = Some(way);
    let held = inventory.package(&pkg_id).filter(|entry| !distrusted && is_whole(entry));
    // One that the device offers no installation of, or has shown that it cannot install, may still be fetched and installed by URL.
    let held = held.filter(|entry| way == Way::Direct || offers(entry, action));
    let install = installing(action).filter(|operation| !hand.cx.lacks.contains(operation));
    if let (Some(entry), Some(operation)) = (held, install) {
        hand.note(format!("the device already holds {pkg_id}: it is installed from there"));
        let work = Work::new(place_of(inventory, &entry.root), goal, operation, entry.node.clone());
        return install_held(Box::new(work.with_operations(entry.operations_name.as_ref())), entry, hand);
    }
    let Some((place, elsewhere)) = homes(inventory, &package) else {
        return look::again("no SCOMO object of the device is known", hand);
    };
    match way {
        Way::Direct => put_delivered(place, elsewhere, &package, inventory, hand),
        Way::Alternate(mechanism) => browse(Browse { place, elsewhere, package, mechanism, whole: false }, hand),
    }
}

/// The roots that may take a package: the one that holds the package in some version or one of its components, else all in turn.
fn homes(inventory: &Inventory, package: &Package) -> Option<(Place, Vec<Place>)> {
    let id = package.of.id.as_str();
    let of_package = |pkg_id: &String| {
        let bare = pkg_id.split_once('@').map_or(pkg_id.as_str(), |(bare, _)| bare);
        bare.eq_ignore_ascii_case(id)
    };
    let held = inventory.packages.iter().find(|entry| entry.pkg_id.as_ref().is_some_and(of_package));
    let deployed = || {
        let wanted = |id: &ComponentId| package.components.iter().any(|component| component.id == *id);
        inventory.components.iter().find(|entry| wanted(&entry.id) || entry.pkg_ref.as_ref().is_some_and(of_package))
    };
    let home = held.map(|entry| &entry.root).or_else(|| deployed().map(|entry| &entry.root));
    if let Some(place) = home.and_then(|root| inventory.place(root)) {
        return Some((place.clone(), Vec::new()));
    }
    let (first, others) = inventory.places.split_first()?;
    Some((first.clone(), others.to_vec()))
}

/// Whether the entry offers the operation that installs it; where it lists none, it may.
fn offers(entry: &Delivered, action: Action) -> bool {
    let offered = || entry.operations.iter().map(String::as_str);
    installing(action).is_none_or(|operation| operation.among(offered()).is_some())
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
    entry.state == Some(PackageState::Delivered) && !has_lost(entry)
}

fn has_lost(entry: &Delivered) -> bool {
    entry.status.is_some_and(|s| s.phase() == Phase::Failed { data_lost: true })
}

fn install_held(work: Box<Work>, entry: &Delivered, hand: &mut Hand<'_>) -> Stage {
    if entry.status.is_some_and(|status| status.phase() == Phase::Progressing) {
        return check::busy(work, hand);
    }
    exec::execute(work, &entry.operations, hand)
}

fn put_delivered(
    place: Place,
    elsewhere: Vec<Place>,
    package: &Package,
    inventory: &Inventory,
    hand: &mut Hand<'_>,
) -> Stage {
    let Errand::Download { action } = *hand.errand else { return Stage::Resting };
    let goal = Goal::Package { package: Box::new(package.clone()), action };
    let here = inventory.packages.iter().filter(|entry| entry.root == place.root.name);
    let existing: Vec<_> = here.map(|entry| (entry.node.clone(), entry.pkg_id.clone())).collect();
    let entry = object::entry_name(&package.pkg_id(), &existing);
    let operation = installing(action).unwrap_or(Operation::Install);
    let content = object::delivered_entry(package, place.reboot);
    let work = Box::new(Work::new(place, goal, operation, entry).or_elsewhere(elsewhere));
    hand.memory.distrusted = Some(package.pkg_id());
    hand.ask(Intent::PutSubtree { at: work.node(), content });
    Stage::Placing { work, by_url: None, spare: None }
}

/// What is looked for under `Download`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Browse {
    place: Place,
    elsewhere: Vec<Place>,
    package: Package,
    mechanism: Mechanism,
    /// The whole object is read, to find how it spells `Download`.
    whole: bool,
}

fn browse(browse: Browse, hand: &mut Hand<'_>) -> Stage {
    let at = if browse.whole { browse.place.whole() } else { browse.place.download() };
    hand.ask(Intent::ReadSubtree { at });
    Stage::Browsing { browse: Box::new(browse) }
}

/// What lies under `Download` is known.
pub(super) fn browsed(mut wanted: Browse, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    let entries = match (outcome, wanted.whole) {
        (Outcome::Read(tree), false) => tree.children(),
        (Outcome::Read(object), true) => {
            let is_download = |name: &str| name.eq_ignore_ascii_case("Download");
            let found = object.children().iter().find(|(name, _)| is_download(name));
            let Some((name, node)) = found else { return no_download(wanted, hand) };
            wanted.place = wanted.place.with_download(name);
            node.children()
        }
        (Outcome::Missing, false) => return browse(Browse { whole: true, ..wanted }, hand),
        (_, true) => return no_download(wanted, hand),
        (refusal, false) => match next_place(&mut wanted.elsewhere) {
            Some(place) => return browse(Browse { place, ..wanted }, hand),
            None => return hand.dead_end(refusal, "show its Download node"),
        },
    };
    pick(wanted, entries, hand)
}

/// The object has no `Download` node: another one may; if none has, the node is made.
fn no_download(mut wanted: Browse, hand: &mut Hand<'_>) -> Stage {
    match next_place(&mut wanted.elsewhere) {
        Some(place) => browse(Browse { place, whole: false, ..wanted }, hand),
        None => pick(wanted, &[], hand),
    }
}

fn next_place(elsewhere: &mut Vec<Place>) -> Option<Place> {
    if elsewhere.is_empty() { None } else { Some(elsewhere.remove(0)) }
}

/// The entry of the same package is used again, a running one left alone.
fn pick(wanted: Browse, entries: &[(String, Branch)], hand: &mut Hand<'_>) -> Stage {
    let Errand::Download { action } = *hand.errand else { return Stage::Resting };
    let Browse { mut place, elsewhere, package, mechanism, whole: _ } = wanted;
    let existing: Vec<_> = entries.iter().map(|(n, e)| (n.clone(), pkg_id_of(e))).collect();
    let entry = object::entry_name(&package.pkg_id(), &existing);
    place.reboot = entries.iter().any(|(_, entry)| entry.child("Reboot").is_some());
    let package = Box::new(package);
    let goal = Goal::Package { package: package.clone(), action };
    let mut work = Box::new(Work::new(place, goal, Operation::fetching(action), entry).or_elsewhere(elsewhere));
    if hand.cx.lacks.contains(&work.operation) && in_two(&work, hand) {
        work.operation = Operation::Download;
    }
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
    let content = object::download_entry(package, url, work.fetches_to(*action), work.place.reboot);
    hand.ask(Intent::PutSubtree { at: work.node(), content });
    Stage::Placing { work, by_url: Some(mechanism), spare }
}

/// Whether what one operation does not do can be done by two: fetch the package, then install it from where it lies (SCOMO sheet 2).
pub(super) fn in_two(work: &Work, hand: &Hand<'_>) -> bool {
    let (Goal::Package { action, .. }, Target::Download) = (&work.goal, work.operation.target()) else { return false };
    let takes = |operation: Operation| !hand.cx.lacks.contains(&operation);
    work.operation != Operation::Download && takes(Operation::Download) && installing(*action).is_some_and(takes)
}

/// Writes the entry anew, so that it can be told to fetch and no more.
pub(super) fn fetch_first(mut work: Box<Work>, hand: &mut Hand<'_>) -> Stage {
    let (Goal::Package { package, .. }, Some(Way::Alternate(mechanism))) = (&work.goal, hand.memory.way) else {
        return look::again("the way of the package is not known", hand);
    };
    hand.note(format!(
        "the device does not implement {}: the package is fetched, then installed",
        work.operation.node_name()
    ));
    hand.need(Need::Grant { mechanism, package: package.clone() });
    (work.operation, work.exec) = (Operation::Download, None);
    Stage::Granting { work, mechanism, spare: None }
}

/// What was fetched is installed from where it lies.
pub(super) fn install_fetched(work: &Work, inventory: &Inventory, hand: &mut Hand<'_>) -> Stage {
    let Goal::Package { package, action } = &work.goal else { return Stage::Resting };
    let pkg_id = package.pkg_id();
    let usable = |entry: &&Delivered| entry.state != Some(PackageState::Installed) && !has_lost(entry);
    let (Some(entry), Some(operation)) = (inventory.package(&pkg_id).filter(usable), installing(*action)) else {
        return check::fail_silent(format!("the device does not show {pkg_id}, which it was to fetch"), hand);
    };
    hand.heard(format!("the device has fetched {pkg_id}: it is installed from there"));
    (hand.memory.distrusted, hand.memory.sent) = (None, true);
    let place = place_of(inventory, &entry.root);
    let next = Work::new(place, work.goal.clone(), operation, entry.node.clone()).leaving(work.download_entry());
    install_held(Box::new(next.with_operations(entry.operations_name.as_ref())), entry, hand)
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
    let refused;
    let outcome = match essential(outcome, by_url.is_some()) {
        Some(code) => {
            refused = Outcome::Refused { code };
            &refused
        }
        None => outcome,
    };
    if let Outcome::Written { .. } = outcome {
        work.elsewhere.clear();
        return if by_url.is_some() { exec::list(work, hand) } else { agreed(work, hand) };
    }
    let taken = matches!(outcome, Outcome::Refused { .. } | Outcome::Unsupported { .. } | Outcome::Missing);
    match (by_url, spare, next_place(&mut work.elsewhere).filter(|_| taken)) {
        (Some(mechanism), Some(spare), _) if taken => {
            hand.note(format!("the device makes no new Download entry; its own entry {spare} is used"));
            work.entry = spare;
            work.fixed = true;
            let Goal::Package { package, .. } = &work.goal else { return Stage::Sending { work } };
            hand.need(Need::Grant { mechanism, package: package.clone() });
            Stage::Granting { work, mechanism, spare: None }
        }
        (_, _, Some(place)) => put_elsewhere(&work, place, by_url, hand),
        (_, _, None) => hand.dead_end(outcome, "take the package's entry"),
    }
}

/// Where the bytes are all that is wanted, it is they that the user agrees to.
fn agreed(work: Box<Work>, hand: &mut Hand<'_>) -> Stage {
    let Goal::Package { action: Action::Deliver, .. } = work.goal else { return send(work, hand) };
    match consent::gate(hand) {
        Gate::Open => send(work, hand),
        Gate::Guard(prompt) | Gate::First(prompt) => consent::ask(work, After::Send, prompt, hand),
        Gate::Closed => consent::closed(hand),
    }
}

/// The root does not take new packages; another one may.
fn put_elsewhere(work: &Work, place: Place, by_url: Option<Mechanism>, hand: &mut Hand<'_>) -> Stage {
    let Goal::Package { package, .. } = &work.goal else { return Stage::Resting };
    hand.note(format!("{} takes no new package; {} is tried", work.place.root.name, place.root.name));
    let elsewhere = work.elsewhere.clone();
    match by_url {
        None => {
            let unknown = Inventory::default();
            put_delivered(place, elsewhere, package, hand.cx.inventory.unwrap_or(&unknown), hand)
        }
        Some(mechanism) => {
            let package = (**package).clone();
            browse(Browse { place, elsewhere, package, mechanism, whole: false }, hand)
        }
    }
}

/// The status of a node without which the entry is worth nothing, if the device keeps that for itself: what it would fetch or install
/// is then something else (SCOMO sheet 2, "must be set first").
fn essential(outcome: &Outcome, by_url: bool) -> Option<u16> {
    let Outcome::Written { skipped } = outcome else { return None };
    let needed = if by_url { "PkgURL" } else { "PkgID" };
    skipped.iter().find(|(path, _)| path.eq_ignore_ascii_case(needed)).map(|(_, code)| *code)
}

pub(super) fn send(work: Box<Work>, hand: &mut Hand<'_>) -> Stage {
    let Goal::Package { package, .. } = &work.goal else { return Stage::Sending { work } };
    hand.ask(Intent::PutBytes { at: work.node().child("Data"), payload: package.payload.clone() });
    Stage::Sending { work }
}

pub(super) fn sent(work: Box<Work>, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    let doing = "take the package's bytes";
    let Outcome::Written { skipped } = outcome else { return hand.dead_end(outcome, doing) };
    if let Some((_, code)) = skipped.first() {
        return hand.dead_end(&Outcome::Refused { code: *code }, doing);
    }
    (hand.memory.distrusted, hand.memory.sent) = (None, true);
    if let Goal::Package { action: Action::Deliver, .. } = work.goal {
        exec::confirm(work, None, hand)
    } else {
        exec::list(work, hand)
    }
}
