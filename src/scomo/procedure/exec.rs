//! The Exec, its end, and what follows a success (SCOMO sheet 4.2, 5.1, 12).

use super::{
    Stage, check, consent,
    consent::{After, Gate},
    deliver,
    goal::{Goal, Reached},
    hand::Hand,
    look,
    place::Work,
    turn::{Ending, Fact, Failure, FailureClass},
};
use crate::{
    model::{
        id::Correlator,
        tree::{Branch, Intent, Outcome},
    },
    scomo::{
        inventory::{Inventory, operations_name},
        operation::{Operation, Target},
        outcome::{DownloadStatus, Phase, ReportItem, ResultCode, worst},
    },
};

/// Reads the operations that the entry offers, for they are not spelled alike everywhere.
pub(super) fn list(work: Box<Work>, hand: &mut Hand<'_>) -> Stage {
    hand.ask(Intent::ReadSubtree { at: work.operations_node() });
    Stage::Listing { work, whole: false }
}

/// `whole`: the entry as a whole was read, to find how the device spells `Operations`.
pub(super) fn listed(mut work: Box<Work>, whole: bool, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    if *outcome == Outcome::Missing && !whole {
        hand.ask(Intent::ReadSubtree { at: work.node() });
        return Stage::Listing { work, whole: true };
    }
    // not every device lets its operations be listed: then the canonical name is worth a try
    let mut listing: &[(String, Branch)] = if let Outcome::Read(tree) = outcome { tree.children() } else { &[] };
    if let (Outcome::Read(entry), true) = (outcome, whole) {
        listing = entry.child("Operations").map_or(&[], Branch::children);
        work = Box::new(work.with_operations(operations_name(entry).as_ref()));
    }
    let offered: Vec<String> = listing.iter().map(|(name, _)| name.clone()).collect();
    execute(work, &offered, hand)
}

/// Sends the Exec under a fresh correlator.
pub(super) fn execute(mut work: Box<Work>, offered: &[String], hand: &mut Hand<'_>) -> Stage {
    let listed = || offered.iter().map(String::as_str);
    let named = work.operation.among(listed());
    let takes = named.is_some() && !hand.cx.lacks.contains(&work.operation);
    if !takes && deliver::in_two(&work, hand) && Operation::Download.among(listed()).is_some() {
        hand.note(format!(
            "the device does not offer {}: the package is fetched, then installed",
            work.operation.node_name()
        ));
        work.operation = Operation::Download;
        return execute(work, offered, hand);
    }
    let Some(name) = named else { return not_offered(&work, None, hand) };
    work.guessed = offered.is_empty();
    let guard = match consent::gate(hand) {
        Gate::Open => None,
        Gate::Guard(prompt) => Some(prompt),
        Gate::First(prompt) => return consent::ask(work, After::Exec { offered: offered.to_vec() }, prompt, hand),
        Gate::Closed => return consent::closed(hand),
    };
    let correlator = hand.correlator();
    let exec = Intent::Exec { at: work.operations_node().child(&name), correlator: correlator.clone() };
    match guard {
        None => hand.ask(exec),
        Some(ask) => hand.ask(Intent::Guarded { ask, then: Box::new(exec) }),
    }
    work.exec = Some(correlator);
    Stage::Executing { work }
}

fn not_offered(work: &Work, device_code: Option<u16>, hand: &mut Hand<'_>) -> Stage {
    let text = format!("the device does not offer {} on this node", work.operation.node_name());
    if hand.assumes() {
        return look::again(&text, hand);
    }
    hand.unable(Failure { code: None, device_code, class: FailureClass::Incapable, retryable: false, text })
}

pub(super) fn executed(work: Box<Work>, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    // It ran: whoever had to agree has agreed.
    hand.memory.user.agreed |= matches!(outcome, Outcome::Pending | Outcome::Done { .. });
    if let Outcome::Pending = outcome {
        hand.heard(format!("the device took on {}", work.operation.node_name()));
        hand.await_report(work.exec.as_ref());
        return Stage::Waiting { work, accepted: true };
    }
    if let Some(stage) = consent::withheld(&work, outcome, hand) {
        return stage;
    }
    let Outcome::Done { code } = outcome else { return refused(work, outcome, hand) };
    match (ResultCode::in_status(*code), *code) {
        (Some(result), _) => settle(work, result, hand),
        (None, 200..=299) => confirm(work, None, hand),
        (None, _) => refused(work, outcome, hand),
    }
}

fn refused(work: Box<Work>, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    if let (Outcome::Refused { code: code @ (404..=406) }, true) = (outcome, work.guessed) {
        if deliver::in_two(&work, hand) {
            return deliver::fetch_first(work, hand);
        }
        return not_offered(&work, Some(*code), hand);
    }
    hand.setback(outcome, &format!("run {}", work.operation.node_name()))
}

/// A report came: whose is it, and what does it say?
pub(super) fn reported(
    stage: Stage,
    correlator: Option<&Correlator>,
    source: &str,
    results: &[ReportItem],
    hand: &mut Hand<'_>,
) -> Stage {
    let code = worst(results);
    let current = stage.work().is_some_and(|work| joins(work, correlator, source, results));
    match (current, code) {
        (true, Some(code)) => accept(stage, code, hand),
        (true, None) => unreadable(stage, hand),
        (false, _) => other(stage, correlator, code, hand),
    }
}

/// By correlator; where there is none, by Source; where that is missing too, by identifier (SCOMO sheet 4.3 rule 4).
pub(super) fn joins(work: &Work, correlator: Option<&Correlator>, source: &str, results: &[ReportItem]) -> bool {
    let named = || results.iter().filter_map(|r| r.identifier.as_deref()).any(|id| work.is_identified_by(id));
    match (&work.exec, correlator) {
        (None, _) => false,
        (Some(own), Some(given)) => own == given,
        (Some(_), None) => work.is_source(source) || (source.trim().is_empty() && named()),
    }
}

fn accept(stage: Stage, code: ResultCode, hand: &mut Hand<'_>) -> Stage {
    match stage.sent() {
        Ok((work, _)) => {
            hand.go_live();
            settle(work, code, hand)
        }
        // one report a component: a failure among them outweighs the successes before it
        Err(Stage::Confirming { work, .. } | Stage::Tidying { work, .. }) if !code.is_ok() => settle(work, code, hand),
        Err(stage) => stage,
    }
}

/// The device is done, but nobody can read what it says: its tree decides.
fn unreadable(stage: Stage, hand: &mut Hand<'_>) -> Stage {
    if let Stage::Checking { .. } = stage {
        return stage;
    }
    match stage.sent() {
        Ok((work, _)) => {
            hand.heard("the device sent a report without a readable result");
            hand.go_live();
            check::begin(work, true, hand)
        }
        Err(stage) => stage,
    }
}

/// A report of another Exec: of an earlier one of this job, whose success counts once the inventory shows it, or of nobody's.
fn other(stage: Stage, correlator: Option<&Correlator>, code: Option<ResultCode>, hand: &mut Hand<'_>) -> Stage {
    let earlier = correlator.is_some_and(|c| hand.memory.execs.contains(c));
    match (earlier, code) {
        (true, Some(code)) if code.is_ok() => {
            hand.note(format!("an earlier attempt reported {code}"));
            hand.memory.late = Some(code);
            let Stage::Waiting { work, accepted } = stage else { return stage };
            hand.go_live();
            check::begin(work, accepted, hand)
        }
        (true, Some(code)) => {
            hand.note(format!("an earlier attempt reported {code}, which no longer counts"));
            stage
        }
        (true, None) | (false, _) => {
            hand.note("a report came that belongs to nothing this job waits for");
            stage
        }
    }
}

fn settle(work: Box<Work>, code: ResultCode, hand: &mut Hand<'_>) -> Stage {
    if code.is_ok() {
        return confirm(work, Some(code), hand);
    }
    if code == ResultCode::NOT_IMPLEMENTED {
        return lacking(work, code, hand);
    }
    // Bytes that were just sent and would only not install are worth another installation; if that fails too, they are not.
    let trusted = hand.memory.sent && code.is_of_installation();
    if work.operation.target() == Target::Delivered
        && !trusted
        && let Goal::Package { package, .. } = &work.goal
    {
        hand.memory.distrusted = Some(package.pkg_id());
    }
    hand.finish(Ending::of(code))
}

/// The device does not implement the operation: another way to the same end is looked for (SCOMO sheet 5.3).
fn lacking(work: Box<Work>, code: ResultCode, hand: &mut Hand<'_>) -> Stage {
    hand.learned(Fact::Lacks(work.operation));
    if deliver::in_two(&work, hand) {
        return deliver::fetch_first(work, hand);
    }
    hand.unable(Failure::reported(code))
}

/// Reads the inventory back.
pub(super) fn confirm(work: Box<Work>, code: Option<ResultCode>, hand: &mut Hand<'_>) -> Stage {
    hand.ask(Intent::ReadSubtree { at: work.place.inventory() });
    Stage::Confirming { work, code }
}

pub(super) fn confirmed(work: Box<Work>, code: Option<ResultCode>, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    let (mut reached, mut known) = (Reached::Unknown, Inventory::default());
    if let Outcome::Read(tree) = outcome {
        let (part, whole) = hand.renew(&work.place, tree);
        (reached, known) = (work.reached(&part, &whole), whole);
    }
    if reached != Reached::Yes {
        hand.heard("the device reported success, but its inventory does not show it");
    }
    done(work, code, reached == Reached::Yes, &known, hand)
}

/// The operation had its effect: to the next one, if what it fetched is to be installed, or to the end.
pub(super) fn done(
    work: Box<Work>,
    code: Option<ResultCode>,
    confirmed: bool,
    inventory: &Inventory,
    hand: &mut Hand<'_>,
) -> Stage {
    if work.only_fetches() && work.goal.reached(inventory) != Reached::Yes {
        return deliver::install_fetched(&work, inventory, hand);
    }
    succeed(work, code, confirmed, hand)
}

/// Ends well, after the `Download` entry has been taken away if there is one of ours.
fn succeed(work: Box<Work>, code: Option<ResultCode>, confirmed: bool, hand: &mut Hand<'_>) -> Stage {
    let Some(entry) = work.download_entry() else { return hand.finish(Ending::Succeeded { code, confirmed }) };
    hand.ask(Intent::ReadSubtree { at: entry.child("Status") });
    Stage::Tidying { work, code, confirmed, deleting: false }
}

/// The entry's Status was read: it is deleted unless something still runs on it.
pub(super) fn may_tidy(
    work: Box<Work>,
    code: Option<ResultCode>,
    confirmed: bool,
    outcome: &Outcome,
    hand: &mut Hand<'_>,
) -> Stage {
    if download_status(outcome).is_some_and(|status| status.phase() == Phase::Progressing) {
        hand.note("the Download entry is still in use and was left on the device");
        return hand.finish(Ending::Succeeded { code, confirmed });
    }
    let Some(at) = work.download_entry() else { return hand.finish(Ending::Succeeded { code, confirmed }) };
    hand.ask(Intent::Delete { at });
    Stage::Tidying { work, code, confirmed, deleting: true }
}

/// Whatever came of the deletion, the work is done; that the entry is gone already or cannot go is normal (SCOMO sheet 3.5).
pub(super) fn tidied(code: Option<ResultCode>, confirmed: bool, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    if let Outcome::Refused { code } = outcome {
        hand.heard(format!("the device keeps its Download entry (status {code})"));
    }
    hand.finish(Ending::Succeeded { code, confirmed })
}

/// What a read of `Download/<X>/Status` says.
pub(super) fn download_status(outcome: &Outcome) -> Option<DownloadStatus> {
    let Outcome::Read(Branch::Leaf(leaf)) = outcome else { return None };
    leaf.text.trim().parse().ok().map(DownloadStatus::from_number)
}
