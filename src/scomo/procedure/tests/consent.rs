//! The user is asked before anything is done (SCOMO sheet 6, rows T-UI).

use super::{
    ALTERNATE, World,
    device::{Device, Guards, Manner},
    download,
};
use crate::{
    model::tree::{Answer, Intent, PromptKind},
    scomo::{
        outcome::ResultCode,
        procedure::{
            errand::{Action, IfNoUi},
            turn::{Ending, FailureClass, Question},
        },
    },
};

const TEXT: &str = "Install Player 2.1?";

/// A package to be fetched and installed after a question.
fn asked(user: Option<Answer>, ui: Option<bool>, if_no_ui: IfNoUi) -> World {
    let mut world = World::new(Device { user, ..Device::new(Manner::Async(1200)) }, download(Action::Install));
    world.way = ALTERNATE;
    world.question = Some(Question { text: TEXT, seconds: 60, if_no_ui });
    world.ui = ui;
    world
}

/// Plays the session with the question, and the one with the report if there is one.
fn play(world: &mut World) -> Option<Ending> {
    world.session([]);
    if let Some(report) = world.device.report() {
        world.session([report]);
    }
    world.ending.clone()
}

fn questions(world: &World) -> Vec<&'static str> {
    let kind = |intent: &Intent| match intent {
        Intent::Prompt(prompt) => {
            assert_eq!((prompt.kind, prompt.text.as_str()), (PromptKind::Confirm, TEXT));
            assert_eq!(prompt.options.max_seconds, Some(60));
            Some("alone")
        }
        Intent::Guarded { ask, .. } => {
            assert_eq!(ask.text, TEXT);
            Some("guarding")
        }
        Intent::Exec { .. } => Some("exec"),
        Intent::Discover { .. }
        | Intent::ReadSubtree { .. }
        | Intent::PutSubtree { .. }
        | Intent::PutLeaf { .. }
        | Intent::MakeNode { .. }
        | Intent::PutBytes { .. }
        | Intent::Copy { .. }
        | Intent::Delete { .. }
        | Intent::Group { .. } => None,
    };
    world.device.log.iter().filter_map(kind).collect()
}

const DONE: Option<Ending> = Some(Ending::Succeeded { code: Some(ResultCode::new(1200)), confirmed: true });

#[test]
fn t_ui_1_a_yes_lets_the_exec_run() {
    let mut world = asked(Some(Answer::Yes), Some(true), IfNoUi::Stop);
    assert_eq!(play(&mut world), DONE);
    assert_eq!(questions(&world), ["guarding"]);
}

#[test]
fn a_device_that_never_showed_that_it_can_ask_is_asked_before_it_gets_the_exec() {
    let mut world = asked(Some(Answer::Yes), None, IfNoUi::Stop);
    assert_eq!(play(&mut world), DONE);
    assert_eq!(questions(&world), ["alone", "exec"]);
    assert_eq!(world.ui, Some(true), "it is known from now on");
}

#[test]
fn t_ui_2_and_3_a_no_or_a_cancel_declines_and_nothing_is_done() {
    for answer in [Answer::No, Answer::Cancelled] {
        for ui in [None, Some(true)] {
            let mut world = asked(Some(answer.clone()), ui, IfNoUi::Stop);
            assert_eq!(play(&mut world), Some(Ending::Declined { code: None }));
            assert_eq!((world.device.ran, questions(&world).len()), (0, 1));
        }
    }
}

#[test]
fn nobody_answering_in_time_is_a_failure_that_may_pass() {
    let mut world = asked(Some(Answer::TimedOut), Some(true), IfNoUi::Proceed);
    let Some(Ending::Failed(failure)) = play(&mut world) else { panic!("{:?}", world.ending) };
    assert_eq!((failure.device_code, failure.retryable, world.device.ran), (Some(408), true, 0));
}

#[test]
fn t_ui_4_a_device_that_cannot_ask_does_nothing_if_the_request_says_stop() {
    for ui in [None, Some(false), Some(true)] {
        let mut world = asked(None, ui, IfNoUi::Stop);
        let Some(Ending::Failed(failure)) = play(&mut world) else { panic!("{:?}", world.ending) };
        assert_eq!((failure.class, failure.device_code), (FailureClass::Incapable, Some(406)));
        assert!(!failure.retryable);
        assert_eq!(world.device.ran, 0, "{ui:?}");
    }
}

#[test]
fn t_ui_4_a_device_that_cannot_ask_does_it_unasked_if_the_request_says_proceed() {
    for (ui, guards) in
        [(None, Guards::Well), (Some(false), Guards::Well), (None, Guards::NotAtAll), (None, Guards::Unknown)]
    {
        let mut world = asked(None, ui, IfNoUi::Proceed);
        world.device.guards = guards;
        assert_eq!(play(&mut world), DONE, "{ui:?} {guards:?}");
        assert_eq!(world.device.ran, 1);
    }
}

#[test]
fn a_device_that_does_not_know_sequences_is_asked_alone() {
    let mut world = asked(Some(Answer::Yes), Some(true), IfNoUi::Stop);
    world.device.guards = Guards::Unknown;
    assert_eq!(play(&mut world), DONE);
    assert_eq!(questions(&world), ["guarding", "alone", "exec"]);
}

#[test]
fn where_delivery_is_all_the_user_agrees_to_the_bytes() {
    let asked = |user| {
        let mut world = World::new(Device { user, ..Device::new(Manner::Refuse(500)) }, download(Action::Deliver));
        world.question = Some(Question { text: TEXT, seconds: 60, if_no_ui: IfNoUi::Stop });
        (world.session([]), world.device.log.iter().any(|intent| matches!(intent, Intent::PutBytes { .. })))
    };
    assert_eq!(asked(Some(Answer::Yes)), (Some(Ending::Succeeded { code: None, confirmed: true }), true));
    assert_eq!(asked(Some(Answer::No)), (Some(Ending::Declined { code: None }), false));
}

#[test]
fn who_has_agreed_is_not_asked_again_in_the_next_attempt() {
    let mut world = asked(Some(Answer::Yes), Some(true), IfNoUi::Stop);
    world.device.manner = Manner::Async(1405);
    assert!(matches!(play(&mut world), Some(Ending::Failed(_))));
    world.procedure = world.procedure.clone().again();
    (world.ending, world.device.manner) = (None, Manner::Async(1200));
    assert_eq!(play(&mut world), DONE);
    assert_eq!(questions(&world), ["guarding", "exec"]);
}

#[test]
fn a_session_that_is_lost_while_the_user_thinks_asks_again_unless_it_ran() {
    use super::Loss;
    let whole = {
        let mut world = asked(Some(Answer::Yes), Some(true), IfNoUi::Stop);
        world.session([]);
        world.asked
    };
    for loss in [Loss::Before(whole), Loss::After(whole)] {
        let mut world = asked(Some(Answer::Yes), Some(true), IfNoUi::Stop);
        world.loss = Some(loss);
        world.session([]);
        world.loss = None;
        assert_eq!(play(&mut world), DONE, "{loss:?}");
        assert_eq!(world.device.ran, 1, "{loss:?}");
    }
}
