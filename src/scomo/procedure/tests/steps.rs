//! One operation in two steps, and one way in the place of another (SCOMO sheet 2, 5.3).

use super::{
    ALTERNATE, Loss, PKG_ID, World,
    device::{Device, Manner},
    download,
};
use crate::{
    model::tree::Intent,
    scomo::{
        operation::Operation,
        outcome::ResultCode,
        procedure::{
            errand::{Action, Way},
            turn::{Ending, FailureClass, Selected},
        },
    },
};

/// The names of the operations that were sent, in order.
fn sent(world: &World) -> Vec<String> {
    let name = |intent: &Intent| {
        if let Intent::Exec { at, .. } = intent { at.path.rsplit('/').next().map(str::to_owned) } else { None }
    };
    world.device.log.iter().filter_map(name).collect()
}

#[test]
fn what_the_other_way_depends_on_is_read_before_the_job_is_given_up() {
    let mut device = Device::new(Manner::Sync(1200));
    device.lacking = vec![Operation::DownloadInstall, Operation::Download];
    let mut world = World::new(device, download(Action::Install));
    (world.way, world.other_way) = (ALTERNATE, Some(Way::Direct));
    world.unsure = Some(Selected::Undecided { reasons: vec!["DevDetail must be known first".to_owned()] });
    let ending = sessions(&mut world);
    assert!(is_done(&ending), "{ending:?} {:?}", world.notes);
}

/// Sessions until the job is over, each with the report that is due.
fn sessions(world: &mut World) -> Ending {
    for _ in 0..6 {
        let report = world.device.report();
        if let Some(ending) = world.session(report) {
            return ending;
        }
    }
    panic!("it does not end: {:?}", world.notes);
}

fn is_done(ending: &Ending) -> bool {
    *ending == Ending::Succeeded { code: Some(ResultCode::SUCCESS), confirmed: true }
}

#[test]
fn where_an_entry_offers_only_the_download_the_package_is_fetched_and_then_installed() {
    for manner in [Manner::Sync(1200), Manner::Async(1200)] {
        for (action, state, install) in
            [(Action::Install, "20", "Install"), (Action::InstallInactive, "10", "InstallInactive")]
        {
            let mut device = Device::new(manner);
            device.without = vec!["DownloadInstall", "DownloadInstallInactive"];
            let mut world = World::new(device, download(action));
            world.way = ALTERNATE;
            let ending = sessions(&mut world);
            assert!(is_done(&ending), "{manner:?} {action:?}: {ending:?} {:?}", world.notes);
            assert_eq!(sent(&world).last().map(String::as_str), Some(install));
            assert_eq!(world.device.text("Inventory/Deployed/c1/State"), Some(state));
            assert_eq!(world.device.tree.at("Download").map(|d| d.children().len()), Some(0), "tidied up");
        }
    }
}

#[test]
fn a_combined_operation_that_the_device_does_not_implement_is_done_in_two_steps_by_the_same_job() {
    for manner in [Manner::Sync(1200), Manner::Async(1200)] {
        let mut device = Device::new(manner);
        device.lacking = vec![Operation::DownloadInstall];
        let mut world = World::new(device, download(Action::Install));
        world.way = ALTERNATE;
        let ending = sessions(&mut world);
        assert!(is_done(&ending), "{manner:?}: {ending:?} {:?}", world.notes);
        assert_eq!(sent(&world), ["DownloadInstall", "Download", "Install"]);
        assert_eq!(world.lacks, [Operation::DownloadInstall], "learnt for the jobs to come");
        assert_eq!(world.device.tree.at("Download").map(|d| d.children().len()), Some(0), "tidied up");
    }
}

#[test]
fn what_is_known_to_be_lacking_is_not_tried_first() {
    let mut world = World::new(Device::new(Manner::Sync(1200)), download(Action::Install));
    (world.way, world.lacks) = (ALTERNATE, vec![Operation::DownloadInstall]);
    let ending = sessions(&mut world);
    assert!(is_done(&ending), "{ending:?}");
    assert_eq!(sent(&world), ["Download", "Install"]);
}

#[test]
fn one_way_whose_operation_is_not_implemented_gives_way_to_the_other_in_the_same_job() {
    for manner in [Manner::Sync(1200), Manner::Async(1200)] {
        for (way, other, lacking, wanted) in [
            (Way::Direct, ALTERNATE, vec![Operation::Install], vec!["Install", "DownloadInstall"]),
            (
                ALTERNATE,
                Way::Direct,
                vec![Operation::DownloadInstall, Operation::Download],
                vec!["DownloadInstall", "Download", "Install"],
            ),
        ] {
            let mut device = Device::new(manner);
            device.lacking = lacking;
            let mut world = World::new(device, download(Action::Install));
            (world.way, world.other_way) = (way, Some(other));
            let ending = sessions(&mut world);
            assert!(is_done(&ending), "{manner:?} {way:?}: {ending:?} {:?}", world.notes);
            assert_eq!(sent(&world), wanted, "{manner:?}");
        }
    }
}

#[test]
fn a_device_that_implements_nothing_ends_the_job_with_what_it_said() {
    for manner in [Manner::Sync(1411), Manner::Async(1411)] {
        for way in [Way::Direct, ALTERNATE] {
            let mut world = World::new(Device::new(manner), download(Action::Install));
            (world.way, world.other_way) = (way, Some(if way == ALTERNATE { Way::Direct } else { ALTERNATE }));
            let Ending::Failed(failure) = sessions(&mut world) else { panic!("{:?}", world.ending) };
            assert_eq!((failure.code, failure.retryable), (Some(ResultCode::NOT_IMPLEMENTED), false));
            assert_eq!(failure.class, FailureClass::Client);
            assert!(world.execs() <= 4, "{:?}", sent(&world));
        }
    }
}

#[test]
fn two_steps_survive_a_session_lost_at_any_point() {
    for manner in [Manner::Sync(1200), Manner::Async(1200)] {
        for n in 1..=14 {
            for loss in [Loss::Before(n), Loss::After(n)] {
                let mut device = Device::new(manner);
                device.without = vec!["DownloadInstall"];
                let mut world = World::new(device, download(Action::Install));
                (world.way, world.loss) = (ALTERNATE, Some(loss));
                let early = world.session([]);
                world.loss = None;
                let ending = early.unwrap_or_else(|| sessions(&mut world));
                assert!(
                    matches!(ending, Ending::Succeeded { .. } | Ending::AlreadyDone),
                    "{manner:?} {loss:?}: {ending:?} {:#?}",
                    world.notes
                );
                assert_eq!(world.device.ran, 2, "{manner:?} {loss:?}: {:?}", sent(&world));
                assert_eq!(world.device.text("Inventory/Deployed/c1/PkgIDRef"), Some(PKG_ID));
            }
        }
    }
}
