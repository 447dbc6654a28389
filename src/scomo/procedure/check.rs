//! How far is the device with an Exec whose end nobody has told (SCOMO sheet 12 no. 5)? Its tree is asked before anything is
//! repeated.

use serde::{Deserialize, Serialize};

use super::{
    Stage, exec,
    goal::Reached,
    hand::Hand,
    look,
    place::Work,
    turn::{Ending, Failure, FailureClass},
};
use crate::{
    model::tree::{Intent, Outcome},
    scomo::{
        inventory::Inventory,
        operation::{Operation, Target},
        outcome::{DeliveredStatus, DeployedStatus, DownloadStatus, Phase},
    },
};

/// Which read is outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reading {
    /// The Status of a `Download` entry.
    Status,
    /// The inventory; what the entry under `Download` said before.
    Inventory {
        download: Option<DownloadStatus>,
        /// The device did not let its Status be read.
        #[serde(default)]
        hidden: bool,
    },
}

/// What the tree says.
struct Signs {
    reached: Reached,
    phase: Phase,
    text: &'static str,
    /// The entry is still there, so that the operation can be sent again as it stands.
    present: bool,
    /// All that is known of the inventory now.
    known: Inventory,
}

pub(super) fn begin(work: Box<Work>, accepted: bool, hand: &mut Hand<'_>) -> Stage {
    match work.operation.target() {
        Target::Download => {
            hand.ask(Intent::ReadSubtree { at: work.node().child("Status") });
            Stage::Checking { work, accepted, reading: Reading::Status }
        }
        Target::Delivered | Target::Deployed => read_inventory(work, accepted, (None, false), hand),
    }
}

/// Something runs already on what is to be worked on. If this job began it, its report is awaited again.
pub(super) fn busy(mut work: Box<Work>, hand: &mut Hand<'_>) -> Stage {
    if let Some(exec) = hand.memory.execs.last() {
        work.exec = Some(exec.clone());
        return wait(work, true, hand);
    }
    let text = "the device is busy with this package or component".to_owned();
    fail_silent(text, hand)
}

pub(super) fn read(work: Box<Work>, accepted: bool, reading: Reading, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    match reading {
        Reading::Status => match exec::download_status(outcome) {
            Some(status) if status.phase() == Phase::Progressing => {
                hand.heard(format!("the device is {}", status.text()));
                hand.memory.status = Some(status.text().to_owned());
                wait(work, true, hand)
            }
            status => {
                let hidden = !matches!(outcome, Outcome::Read(_) | Outcome::Missing);
                read_inventory(work, accepted, (status, hidden), hand)
            }
        },
        Reading::Inventory { download, hidden } => {
            let signs = if let Outcome::Read(tree) = outcome {
                let (part, whole) = hand.renew(&work.place, tree);
                let signs = signs(&work, &part, work.reached(&part, &whole), download);
                Signs { present: signs.present || hidden, known: whole, ..signs }
            } else {
                blind(download)
            };
            decide(work, accepted, &signs, hand)
        }
    }
}

fn read_inventory(
    work: Box<Work>,
    accepted: bool,
    (download, hidden): (Option<DownloadStatus>, bool),
    hand: &mut Hand<'_>,
) -> Stage {
    hand.ask(Intent::ReadSubtree { at: work.place.inventory() });
    Stage::Checking { work, accepted, reading: Reading::Inventory { download, hidden } }
}

fn decide(work: Box<Work>, accepted: bool, signs: &Signs, hand: &mut Hand<'_>) -> Stage {
    if signs.phase != Phase::Unknown {
        hand.memory.status = Some(signs.text.to_owned());
    }
    match (signs.reached, signs.phase) {
        (Reached::Yes, _) => {
            let code = hand.memory.late;
            exec::done(work, code, true, &signs.known, hand)
        }
        (Reached::No | Reached::Unknown, Phase::Progressing) => {
            hand.heard(format!("the device is {}", signs.text));
            wait(work, true, hand)
        }
        (Reached::No | Reached::Unknown, Phase::Failed { .. }) => {
            fail_silent(format!("the device sent no report, and its tree says: {}", signs.text), hand)
        }
        // A status that says nothing may be that of an operation under way: it has its time before it is sent again.
        (Reached::No, Phase::Unknown) if !accepted && signs.present && !hand.cx.report_late => wait(work, false, hand),
        (Reached::No, Phase::Idle | Phase::Unknown) if !accepted => again(work, signs.present, hand),
        (Reached::No, Phase::Idle | Phase::Unknown) if hand.cx.report_late => {
            fail_silent("the device took the operation on, but neither reported nor shows a result".to_owned(), hand)
        }
        (Reached::Unknown, Phase::Idle | Phase::Unknown) if hand.cx.report_late => {
            let text = format!("no report came; the node's status is {}, and the inventory does not tell", signs.text);
            hand.finish(Ending::InDoubt { text })
        }
        (Reached::No | Reached::Unknown, Phase::Idle | Phase::Unknown) => wait(work, accepted, hand),
    }
}

/// The Exec was lost with its session, and the tree shows that it had no effect.
fn again(work: Box<Work>, present: bool, hand: &mut Hand<'_>) -> Stage {
    hand.note("the operation was lost with its session and had no effect: it is sent again");
    if present { exec::list(work, hand) } else { look::begin(hand) }
}

fn wait(work: Box<Work>, accepted: bool, hand: &mut Hand<'_>) -> Stage {
    hand.await_report(work.exec.as_ref());
    Stage::Waiting { work, accepted }
}

pub(super) fn fail_silent(text: String, hand: &mut Hand<'_>) -> Stage {
    let failure = Failure { code: None, device_code: None, class: FailureClass::Silent, retryable: true, text };
    hand.finish(Ending::Failed(failure))
}

/// The inventory cannot be read: only the entry's own Status counts.
fn blind(download: Option<DownloadStatus>) -> Signs {
    let phase = download.map_or(Phase::Unknown, DownloadStatus::phase);
    let text = download.map_or("unknown", DownloadStatus::text);
    Signs { reached: Reached::Unknown, phase, text, present: true, known: Inventory::default() }
}

fn signs(work: &Work, inventory: &Inventory, reached: Reached, download: Option<DownloadStatus>) -> Signs {
    let (phase, text, present) = match work.operation.target() {
        Target::Download => {
            let signs = blind(download);
            (signs.phase, signs.text, download.is_some())
        }
        Target::Delivered => {
            let entry = inventory.packages.iter().find(|p| p.node == work.entry);
            let status = entry.and_then(|e| e.status);
            (
                status.map_or(Phase::Unknown, |s| of_package(work.operation, s)),
                status.map_or("unknown", DeliveredStatus::text),
                entry.is_some(),
            )
        }
        Target::Deployed => {
            let entry = inventory.components.iter().find(|c| c.node == work.entry);
            let status = entry.and_then(|e| e.status);
            (
                status.map_or(Phase::Unknown, |s| of_component(work.operation, s)),
                status.map_or("unknown", DeployedStatus::text),
                entry.is_some(),
            )
        }
    };
    Signs { reached, phase, text, present, known: Inventory::default() }
}

/// A failure counts only if it is one of this operation; another one's is an old story.
fn of_package(operation: Operation, status: DeliveredStatus) -> Phase {
    let own = match status {
        DeliveredStatus::RemoveFailed => operation == Operation::RemovePackage,
        DeliveredStatus::InstallFailedWithData | DeliveredStatus::InstallFailedWithoutData => {
            matches!(operation, Operation::Install | Operation::InstallInactive)
        }
        DeliveredStatus::Idle
        | DeliveredStatus::RemoveProgressing
        | DeliveredStatus::InstallProgressing
        | DeliveredStatus::Other(_) => true,
    };
    if own { status.phase() } else { Phase::Idle }
}

fn of_component(operation: Operation, status: DeployedStatus) -> Phase {
    let own = match status {
        DeployedStatus::RemoveFailed => operation == Operation::RemoveComponent,
        DeployedStatus::ActivateFailed => operation == Operation::Activate,
        DeployedStatus::DeactivateFailed => operation == Operation::Deactivate,
        DeployedStatus::Idle
        | DeployedStatus::RemoveProgressing
        | DeployedStatus::ActivateProgressing
        | DeployedStatus::DeactivateProgressing
        | DeployedStatus::Other(_) => true,
    };
    if own { status.phase() } else { Phase::Idle }
}
