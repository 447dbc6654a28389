//! Operations on what a device holds.

use super::{
    PKG_ID, World,
    device::{Device, Manner},
};
use std::collections::BTreeSet;

use crate::{
    model::{id::ComponentId, rule::FactSource},
    scomo::{
        outcome::ResultCode,
        procedure::{
            errand::{ComponentOperation, Errand, PackageOperation},
            turn::{Ending, FailureClass, Fit},
        },
    },
};

fn on_package(operation: PackageOperation) -> Errand {
    Errand::OperatePackage { operation, pkg_ids: vec!["org.example.player@3.0".to_owned(), PKG_ID.to_owned()] }
}

fn on_component(operation: ComponentOperation) -> Errand {
    Errand::OperateComponent { operation, component: ComponentId::parse("org.example.player.app").unwrap() }
}

fn delivered(manner: Manner) -> Device {
    let mut device = Device::new(manner);
    device.deliver("x", PKG_ID, "10");
    device
}

fn deployed(manner: Manner, state: &str) -> Device {
    let mut device = Device::new(manner);
    device.deploy(PKG_ID, state);
    device
}

#[test]
fn each_operation_runs_and_is_confirmed_in_both_manners_of_reporting() {
    use ComponentOperation::{Activate, Deactivate, Remove};
    for manner in [Manner::Sync(1200), Manner::Async(1200)] {
        let worlds = [
            World::new(delivered(manner), on_package(PackageOperation::Install)),
            World::new(delivered(manner), on_package(PackageOperation::InstallInactive)),
            World::new(delivered(manner), on_package(PackageOperation::Remove)),
            World::new(deployed(manner, "10"), on_component(Activate)),
            World::new(deployed(manner, "20"), on_component(Deactivate)),
            World::new(deployed(manner, "20"), on_component(Remove)),
        ];
        for mut world in worlds {
            if world.session([]).is_none() {
                let report = world.device.report();
                world.session(report);
            }
            let expected = Ending::Succeeded { code: Some(ResultCode::SUCCESS), confirmed: true };
            assert_eq!(world.ending, Some(expected), "{:?}", world.procedure);
            assert_eq!((world.execs(), world.device.ran), (1, 1));
        }
    }
}

#[test]
fn of_several_versions_that_the_device_holds_the_one_that_fits_is_installed() {
    let mut device = delivered(Manner::Sync(1200));
    device.deliver("y", "org.example.player@3.0", "10");
    let reasons = vec!["detail.fwv must be known first".to_owned()];
    let mut world = World::new(device, on_package(PackageOperation::Install));
    world.fit = vec![Fit::This { pkg_id: PKG_ID.to_owned() }, Fit::Undecided { reasons: reasons.clone() }];
    assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
    assert_eq!(world.device.text("Inventory/Delivered/x/State"), Some("20"));
    assert_eq!(world.read.last(), Some(&BTreeSet::from([FactSource::DevDetail, FactSource::Inventory])));

    let mut world = World::new(delivered(Manner::Sync(1200)), on_package(PackageOperation::Install));
    world.fit = vec![Fit::Nothing { reasons: reasons.clone() }];
    assert_eq!(world.session([]), Some(Ending::NotApplicable { reasons }));
    assert_eq!(world.execs(), 0);
    let mut world = World::new(delivered(Manner::Sync(1200)), on_package(PackageOperation::Remove));
    world.fit = vec![Fit::Nothing { reasons: vec![] }];
    assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "what is there may always go");
}

#[test]
fn what_is_so_already_is_left_alone() {
    let manner = Manner::Sync(1200);
    let mut installed = deployed(manner, "20");
    installed.deliver("x", PKG_ID, "20");
    let worlds = [
        World::new(installed, on_package(PackageOperation::Install)),
        World::new(deployed(manner, "20"), on_package(PackageOperation::Install)),
        World::new(Device::new(manner), on_package(PackageOperation::Remove)),
        World::new(deployed(manner, "20"), on_component(ComponentOperation::Activate)),
        World::new(deployed(manner, "10"), on_component(ComponentOperation::Deactivate)),
        World::new(Device::new(manner), on_component(ComponentOperation::Remove)),
    ];
    for mut world in worlds {
        assert_eq!(world.session([]), Some(Ending::AlreadyDone), "{:?}", world.procedure);
        assert_eq!(world.execs(), 0);
    }
}

#[test]
fn what_is_not_there_cannot_be_worked_on() {
    for errand in [on_package(PackageOperation::Install), on_component(ComponentOperation::Activate)] {
        let mut world = World::new(Device::new(Manner::Sync(1200)), errand);
        let Some(Ending::NotApplicable { reasons }) = world.session([]) else { panic!("{:?}", world.ending) };
        assert!(reasons[0].contains("org.example.player"), "{reasons:?}");
    }
    let mut device = Device::new(Manner::Sync(1200));
    device.tree = super::device::empty();
    let mut world = World::new(device, on_component(ComponentOperation::Remove));
    assert!(matches!(world.session([]), Some(Ending::NotApplicable { .. })), "unknown is not the same as gone");
}

#[test]
fn a_state_that_the_device_does_not_tell_is_not_taken_for_done() {
    let mut device = deployed(Manner::Sync(1200), "20");
    device.set("Inventory/Deployed/c1/State", "");
    let mut world = World::new(device, on_component(ComponentOperation::Activate));
    assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
    assert_eq!(world.execs(), 1);
}

#[test]
fn a_component_that_is_busy_is_not_disturbed() {
    let mut device = deployed(Manner::Sync(1200), "10");
    device.set("Inventory/Deployed/c1/Status", "50");
    let mut world = World::new(device, on_component(ComponentOperation::Activate));
    let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
    assert_eq!((failure.class, failure.retryable, world.execs()), (FailureClass::Silent, true, 0));
}
