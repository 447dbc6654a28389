//! Sessions lost at every point.

use super::{
    ALTERNATE, Loss, PKG_ID, World,
    device::{Device, Manner},
    download,
};
use crate::{
    model::{id::ComponentId, tree::Intent},
    scomo::procedure::{
        errand::{Action, ComponentOperation, Errand, PackageOperation, Way},
        turn::Ending,
    },
};

/// No errand asks more within one session.
const MOST_ASKS: usize = 14;

fn errands() -> Vec<(Errand, Way)> {
    let component = || ComponentId::parse("org.example.player.app").unwrap();
    let on_package = |operation| Errand::OperatePackage { operation, pkg_ids: vec![PKG_ID.to_owned()] };
    let on_component = |operation| Errand::OperateComponent { operation, component: component() };
    vec![
        (download(Action::Deliver), Way::Direct),
        (download(Action::Install), Way::Direct),
        (download(Action::InstallInactive), Way::Direct),
        (download(Action::Deliver), ALTERNATE),
        (download(Action::Install), ALTERNATE),
        (on_package(PackageOperation::Install), Way::Direct),
        (on_package(PackageOperation::Remove), Way::Direct),
        (on_component(ComponentOperation::Activate), Way::Direct),
        (on_component(ComponentOperation::Remove), Way::Direct),
    ]
}

fn world(errand: &Errand, way: Way, manner: Manner) -> World {
    let mut device = Device::new(manner);
    match errand {
        Errand::Download { .. } | Errand::Collect => {}
        Errand::OperatePackage { .. } => device.deliver("x", PKG_ID, "10"),
        Errand::OperateComponent { .. } => device.deploy(PKG_ID, "10"),
    }
    let mut world = World::new(device, errand.clone());
    world.way = way;
    world
}

/// Runs the errand to its end with these sessions lost, then with whole ones.
fn run(world: &mut World, losses: &[Loss]) {
    for loss in losses.iter().copied().map(Some).chain([None; 4]) {
        world.loss = loss;
        let report = world.device.report().filter(|_| loss.is_none());
        if world.session(report).is_some() {
            return;
        }
    }
}

/// Between two Execs the device has been read.
fn never_repeated_blindly(log: &[Intent]) -> bool {
    let mut read_since = true;
    log.iter().all(|intent| {
        read_since |= matches!(intent, Intent::ReadSubtree { .. });
        !matches!(intent, Intent::Exec { .. }) || std::mem::replace(&mut read_since, false)
    })
}

/// What a failed check prints.
#[derive(Debug)]
#[expect(dead_code, reason = "only Debug reads it")]
struct Story<'a> {
    errand: &'a Errand,
    way: Way,
    manner: Manner,
    losses: &'a [Loss],
    ending: Option<&'a Ending>,
    log: &'a [Intent],
}

fn check(errand: &Errand, way: Way, manner: Manner, losses: &[Loss]) {
    let mut world = world(errand, way, manner);
    run(&mut world, losses);
    let story = Story { errand, way, manner, losses, ending: world.ending.as_ref(), log: &world.device.log };
    assert!(matches!(world.ending, Some(Ending::Succeeded { .. } | Ending::AlreadyDone)), "{story:#?}");
    assert!(never_repeated_blindly(&world.device.log), "{story:#?}");
    let effects = usize::from(!matches!(errand, Errand::Download { action: Action::Deliver }) || way == ALTERNATE);
    assert_eq!(world.device.ran, effects, "the operation had its effect once: {story:#?}");
    let left = world.device.tree.at("Download").map(|d| d.children().len());
    assert!(left == Some(0) || !losses.is_empty(), "{story:#?}");
}

#[test]
fn a_session_lost_at_any_point_is_made_up_for() {
    for (errand, way) in errands() {
        for manner in [Manner::Sync(1200), Manner::Async(1200)] {
            check(&errand, way, manner, &[]);
            for n in 1..=MOST_ASKS {
                check(&errand, way, manner, &[Loss::Before(n)]);
                check(&errand, way, manner, &[Loss::After(n)]);
            }
        }
    }
}

#[test]
fn two_sessions_lost_one_after_the_other_are_made_up_for() {
    for (errand, way) in errands() {
        for manner in [Manner::Sync(1200), Manner::Async(1200)] {
            for n in 1..=MOST_ASKS {
                for m in 1..=MOST_ASKS {
                    check(&errand, way, manner, &[Loss::Before(n), Loss::After(m)]);
                    check(&errand, way, manner, &[Loss::After(n), Loss::After(m)]);
                }
            }
        }
    }
}

#[test]
fn an_operation_whose_status_says_nothing_is_given_its_time_before_it_is_sent_again() {
    let mut world = world(&download(Action::Install), ALTERNATE, Manner::Async(1200));
    for n in 1..=MOST_ASKS {
        world.loss = Some(Loss::After(n));
        assert_eq!(world.session([]), None, "{n}");
        if world.device.running.is_some() {
            break;
        }
    }
    assert_eq!(world.execs(), 1);
    world.loss = None;
    let entry = crate::scomo::object::entry_name(PKG_ID, &[]);
    world.device.set(&format!("Download/{entry}/Status"), "35");
    assert_eq!(world.session([]), None);
    assert_eq!(world.execs(), 1, "it runs, under a status of the vendor's own");
    let report = world.device.report();
    assert!(matches!(world.session(report), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
    assert_eq!((world.execs(), world.device.ran), (1, 1));
}

#[test]
fn bytes_that_were_half_sent_are_not_trusted() {
    let mut world = world(&download(Action::Deliver), Way::Direct, Manner::Sync(1200));
    // discover, inventory, entry, bytes
    world.loss = Some(Loss::After(4));
    assert_eq!(world.session([]), None);
    world.loss = None;
    assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
    let sent = world.device.log.iter().filter(|i| matches!(i, Intent::PutBytes { .. })).count();
    assert_eq!(sent, 2, "the device shows the package, but nobody knows whether it has all of it");
}
