//! The user's consent before anything is done (SCOMO sheet 6; contract "Request", `confirm`).
//!
//! The question and the Exec go together: a "no" then prevents the Exec on the device itself. But a device that cannot ask refuses
//! the question and may run the Exec all the same. Where nothing may be done unasked, a device that has not shown yet whether it can
//! ask gets the question alone first, and the Exec after a yes.

use serde::{Deserialize, Serialize};

use super::{
    Stage, deliver,
    errand::IfNoUi,
    exec,
    hand::Hand,
    place::Work,
    turn::{Ending, Fact, Failure, FailureClass, Question},
};
use crate::model::tree::{Answer, Intent, Outcome, Prompt, PromptKind, PromptOptions};

/// How consent stands before an Exec.
pub(super) enum Gate {
    /// Given, or not needed.
    Open,
    /// To be asked together with the Exec.
    Guard(Prompt),
    /// To be asked first.
    First(Prompt),
    /// Nobody can be asked, and nothing may be done unasked.
    Closed,
}

/// What follows a yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum After {
    /// The Exec; `offered` are the names below `Operations`.
    Exec { offered: Vec<String> },
    /// The package's bytes.
    Send,
}

pub(super) fn gate(hand: &Hand<'_>) -> Gate {
    let Some(question) = hand.cx.question.filter(|_| !hand.memory.user.agreed) else { return Gate::Open };
    match (hand.cx.ui, question.if_no_ui) {
        (Some(false), IfNoUi::Proceed) => Gate::Open,
        (Some(false), IfNoUi::Stop) => Gate::Closed,
        (Some(true), _) | (None, IfNoUi::Proceed) if !hand.memory.user.ask_alone => Gate::Guard(prompt(question)),
        (Some(true) | None, _) => Gate::First(prompt(question)),
    }
}

fn prompt(question: Question<'_>) -> Prompt {
    let options = PromptOptions { max_seconds: Some(question.seconds), ..PromptOptions::default() };
    Prompt { kind: PromptKind::Confirm, text: question.text.to_owned(), choices: vec![], options }
}

/// Puts the question alone.
pub(super) fn ask(work: Box<Work>, after: After, prompt: Prompt, hand: &mut Hand<'_>) -> Stage {
    hand.ask(Intent::Prompt(prompt));
    Stage::Asking { work, after }
}

/// The question that was put alone has its answer.
pub(super) fn answered(work: Box<Work>, after: &After, outcome: &Outcome, hand: &mut Hand<'_>) -> Stage {
    if let Outcome::Unsupported { .. } = outcome {
        hand.learned(Fact::Ui(false));
        return match hand.cx.question.map(|q| q.if_no_ui) {
            Some(IfNoUi::Stop) => closed(hand),
            Some(IfNoUi::Proceed) | None => {
                hand.note("the device cannot ask its user; it is done unasked, as the request allows");
                go_on(work, after, hand)
            }
        };
    }
    let Outcome::Answered(answer) = outcome else { return hand.setback(outcome, "ask its user") };
    hand.learned(Fact::Ui(true));
    if *answer == Answer::Yes {
        hand.heard("the device's user agreed");
        return go_on(work, after, hand);
    }
    no(answer, hand)
}

fn go_on(work: Box<Work>, after: &After, hand: &mut Hand<'_>) -> Stage {
    hand.memory.user.agreed = true;
    match after {
        After::Exec { offered } => exec::execute(work, offered, hand),
        After::Send => deliver::send(work, hand),
    }
}

/// What becomes of an Exec that was not run because of the question before it; nothing if that is not so.
pub(super) fn withheld(work: &Work, outcome: &Outcome, hand: &mut Hand<'_>) -> Option<Stage> {
    hand.cx.question.filter(|_| !hand.memory.user.agreed)?;
    if let Outcome::Answered(answer) = outcome {
        hand.learned(Fact::Ui(true));
        return Some(no(answer, hand));
    }
    let Outcome::Unsupported { .. } = outcome else { return None };
    if hand.memory.user.ask_alone {
        return None;
    }
    // Which of the two it cannot do, ask or guard, shows when it is asked alone.
    hand.memory.user.ask_alone = true;
    hand.note("the device does not guard an operation by a question: its user is asked first");
    Some(exec::list(Box::new(Work { exec: None, ..work.clone() }), hand))
}

/// The user did not say yes.
fn no(answer: &Answer, hand: &mut Hand<'_>) -> Stage {
    match answer {
        Answer::TimedOut => hand.finish(Ending::Failed(Failure {
            code: None,
            device_code: Some(408),
            class: FailureClass::Client,
            retryable: true,
            text: "nobody answered the question on the device in time".to_owned(),
        })),
        Answer::No | Answer::Cancelled | Answer::Yes | Answer::Given(_) => hand.finish(Ending::Declined { code: None }),
    }
}

/// Nobody can be asked.
pub(super) fn closed(hand: &mut Hand<'_>) -> Stage {
    hand.finish(Ending::Failed(Failure {
        code: None,
        device_code: Some(406),
        class: FailureClass::Incapable,
        retryable: false,
        text: "the device cannot ask its user, and the request says not to go on without".to_owned(),
    }))
}
