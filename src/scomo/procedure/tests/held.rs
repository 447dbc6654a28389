//! Held back at every point: nothing new is begun, and what was begun is followed to its end.

use super::{
    ALTERNATE, World,
    device::{Device, Manner},
    download,
};
use crate::{
    model::tree::{Answer, Intent},
    scomo::procedure::{
        errand::{Action, IfNoUi, Way},
        turn::{Ending, Question},
    },
};

/// No errand asks more within one session.
const MOST_ASKS: usize = 14;

fn is_exec(intent: &Intent) -> bool {
    matches!(intent, Intent::Exec { .. } | Intent::Guarded { .. })
}

/// A session that is held from the `asks`-th ask on, then whole ones; what was said in the first.
fn play(world: &mut World, asks: usize) -> Vec<Intent> {
    world.held_from = Some(asks);
    world.session([]);
    let said = world.device.log.clone();
    world.held_from = None;
    for _ in 0..3 {
        let report = world.device.report();
        if world.ending.is_some() || world.session(report).is_some() {
            break;
        }
    }
    said
}

#[test]
fn nothing_new_is_begun_while_a_job_is_held_and_nothing_is_done_twice() {
    for (way, manner) in [
        (Way::Direct, Manner::Async(1200)),
        (Way::Direct, Manner::Sync(200)),
        (ALTERNATE, Manner::Async(1200)),
        (ALTERNATE, Manner::Sync(200)),
    ] {
        for asks in 0..MOST_ASKS {
            let mut world = World::new(Device::new(manner), download(Action::Install));
            world.way = way;
            let said = play(&mut world, asks);
            assert!(matches!(world.ending, Some(Ending::Succeeded { .. })), "{asks}: {:?}", world.ending);
            assert_eq!((world.device.ran, world.execs()), (1, 1), "{asks}");
            let first = said.iter().position(is_exec);
            assert!(first.is_none_or(|first| first < asks), "{asks}: the Exec came before the hold");
            assert_eq!(world.held, usize::from(first.is_none()), "{asks}: {said:?}");
            assert!(first.is_some() || said.len() <= asks, "{asks}: {said:?}");
        }
    }
}

#[test]
fn an_exec_without_effect_is_not_sent_again_while_the_job_is_held() {
    let mut world = World::new(Device::new(Manner::Async(1200)), download(Action::Install));
    world.way = ALTERNATE;
    world.loss = Some(super::Loss::Before(6));
    world.session([]);
    world.loss = None;
    assert!(world.procedure.awaiting().is_some(), "{:?}", world.device.log);
    world.held_from = Some(0);
    world.session([]);
    assert_eq!((world.execs(), world.held), (0, 1), "the device was asked, and nothing more");
    world.held_from = None;
    world.session([]);
    let report = world.device.report();
    assert!(matches!(world.session(report), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
    assert_eq!(world.device.ran, 1);
}

#[test]
fn a_user_who_agreed_is_not_asked_again_after_a_hold() {
    for asks in 0..MOST_ASKS {
        let device = Device { user: Some(Answer::Yes), ..Device::new(Manner::Async(1200)) };
        let mut world = World::new(device, download(Action::Install));
        world.way = ALTERNATE;
        world.question = Some(Question { text: "Install?", seconds: 60, if_no_ui: IfNoUi::Stop });
        play(&mut world, asks);
        assert!(matches!(world.ending, Some(Ending::Succeeded { .. })), "{asks}: {:?}", world.ending);
        let asked = world.device.log.iter().filter(|intent| matches!(intent, Intent::Prompt(_))).count();
        assert_eq!((asked, world.device.ran), (1, 1), "{asks}");
    }
}
