//! Packages brought to a device.

use super::{
    ALTERNATE, PKG_ID, World,
    device::{Device, Manner, empty},
    download, package,
};
use crate::{
    model::tree::{Branch, Instance, Intent, ObjectKind},
    scomo::{
        object,
        outcome::ResultCode,
        procedure::{
            errand::Action,
            turn::{Ending, FailureClass, Input, Selected},
        },
    },
};

fn entry() -> String {
    object::entry_name(PKG_ID, &[])
}

const fn ok(number: u16) -> Ending {
    Ending::Succeeded { code: Some(ResultCode::new(number)), confirmed: true }
}

#[test]
fn a_package_is_delivered_into_the_tree() {
    let mut world = World::new(Device::new(Manner::Refuse(500)), download(Action::Deliver));
    assert_eq!(world.session([]), Some(Ending::Succeeded { code: None, confirmed: true }));
    let at = format!("Inventory/Delivered/{}", entry());
    assert_eq!(world.device.text(&format!("{at}/PkgID")), Some(PKG_ID));
    assert_eq!(world.device.text(&format!("{at}/PkgType")), Some("application/vnd.example.pkg"));
    assert_eq!(world.device.text(&format!("{at}/InstallParams")), Some("silent=1"));
    assert_eq!(world.device.text(&format!("{at}/Data")), Some(package().payload.digest.to_string().as_str()));
    assert_eq!(world.execs(), 0);
}

#[test]
fn a_package_is_delivered_and_installed_in_one_session() {
    let mut world = World::new(Device::new(Manner::Sync(1200)), download(Action::Install));
    assert_eq!(world.session([]), Some(ok(1200)));
    assert_eq!(world.device.text("Inventory/Deployed/c1/State"), Some("20"));
    assert_eq!(world.roots, [Device::root()], "found once, remembered");
}

#[test]
fn a_plain_200_is_success_without_a_code() {
    let mut world = World::new(Device::new(Manner::Sync(200)), download(Action::InstallInactive));
    assert_eq!(world.session([]), Some(Ending::Succeeded { code: None, confirmed: true }));
    assert_eq!(world.device.text("Inventory/Deployed/c1/State"), Some("10"));
}

#[test]
fn a_package_is_offered_by_url_and_reported_in_a_later_session() {
    for (action, state) in
        [(Action::Install, Some("20")), (Action::InstallInactive, Some("10")), (Action::Deliver, None)]
    {
        let mut world = World::new(Device::new(Manner::Async(1200)), download(action));
        world.way = ALTERNATE;
        assert_eq!(world.session([]), None);
        assert_eq!(world.device.running.as_ref().map(|(c, _)| c), world.awaited.as_ref());
        let at = format!("Download/{}", entry());
        assert_eq!(world.device.text(&format!("{at}/PkgURL")), Some("https://dl.example/dd/g1"));
        let report = world.device.report();
        assert_eq!(world.session(report), Some(ok(1200)));
        assert_eq!(world.device.text("Inventory/Deployed/c1/State"), state);
        assert_eq!(world.device.tree.at(&at), None, "the entry was taken away");
    }
}

#[test]
fn a_report_within_the_same_session_ends_the_job_there() {
    let mut world = World::new(Device::new(Manner::Async(1250)), download(Action::Install));
    world.feed(Input::Started);
    let report = world.device.report().unwrap();
    world.feed(report);
    assert_eq!(world.ending, Some(ok(1250)));
}

#[test]
fn what_the_device_has_already_is_not_brought_again() {
    for action in [Action::Install, Action::InstallInactive] {
        let mut device = Device::new(Manner::Sync(1200));
        device.deploy(PKG_ID, "20");
        let mut world = World::new(device, download(action));
        assert_eq!(world.session([]), Some(Ending::AlreadyDone));
    }
    let mut device = Device::new(Manner::Sync(1200));
    device.deliver("x", PKG_ID, "10");
    let mut world = World::new(device, download(Action::Deliver));
    assert_eq!(world.session([]), Some(Ending::AlreadyDone));
    assert!(world.device.log.iter().all(|i| matches!(i, Intent::Discover { .. } | Intent::ReadSubtree { .. })));
}

#[test]
fn an_older_version_of_the_component_does_not_count_as_already_done() {
    let mut device = Device::new(Manner::Sync(1200));
    device.version = "2.0";
    device.deploy("org.example.player@2.0.0", "20");
    device.version = "v2.1.0";
    let mut world = World::new(device, download(Action::Install));
    assert_eq!(world.session([]), Some(ok(1200)));
}

#[test]
fn a_package_that_lies_delivered_is_installed_from_there() {
    let mut device = Device::new(Manner::Sync(1200));
    device.deliver("x", PKG_ID, "10");
    let mut world = World::new(device, download(Action::Install));
    world.way = ALTERNATE;
    assert_eq!(world.session([]), Some(ok(1200)));
    assert!(!world.device.log.iter().any(|i| matches!(i, Intent::PutSubtree { .. } | Intent::PutBytes { .. })));
    assert!(world.notes.iter().any(|n| n.contains("already holds")), "{:?}", world.notes);
}

#[test]
fn a_package_whose_installation_failed_is_sent_again_by_the_next_attempt() {
    let mut device = Device::new(Manner::Sync(1405));
    device.deliver("x", PKG_ID, "10");
    let mut world = World::new(device, download(Action::Install));
    let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
    assert_eq!((failure.code, failure.class), (Some(ResultCode::new(1405)), FailureClass::Client));
    assert!(failure.retryable);
    world.procedure = world.procedure.clone().again();
    world.ending = None;
    world.device.manner = Manner::Sync(1200);
    assert_eq!(world.session([]), Some(ok(1200)));
    assert!(world.device.log.iter().any(|i| matches!(i, Intent::PutBytes { at, .. } if at.path.contains("/x/"))));
}

#[test]
fn a_package_that_was_sent_and_would_not_install_is_installed_again_before_it_is_sent_again() {
    let mut world = World::new(Device::new(Manner::Sync(1405)), download(Action::Install));
    let sent = |world: &World| world.device.log.iter().filter(|i| matches!(i, Intent::PutBytes { .. })).count();
    for expected in [1, 1, 2] {
        let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
        assert_eq!(failure.code, Some(ResultCode::new(1405)));
        assert_eq!(sent(&world), expected);
        world.procedure = world.procedure.clone().again();
        world.ending = None;
    }
}

#[test]
fn a_download_that_runs_already_is_left_alone() {
    let mut device = Device::new(Manner::Async(1200));
    device.set("Download/theirs/PkgID", PKG_ID);
    device.set("Download/theirs/Status", "30");
    let mut world = World::new(device, download(Action::Install));
    world.way = ALTERNATE;
    let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
    assert!(failure.retryable);
    assert_eq!(world.execs(), 0);
}

#[test]
fn a_device_with_one_fixed_entry_gets_its_url_written_there_and_keeps_it() {
    let mut device = Device::new(Manner::Async(1200));
    device.no_new.push("Download");
    device.set("Download/RB_DP/Status", "10");
    device.set("Download/RB_DP/Operations/DownloadInstall", "");
    let mut world = World::new(device, download(Action::Install));
    world.way = ALTERNATE;
    assert_eq!(world.session([]), None);
    let report = world.device.report();
    assert_eq!(world.session(report), Some(ok(1200)));
    assert_eq!(world.device.text("Download/RB_DP/PkgID"), Some(PKG_ID));
}

#[test]
fn lower_case_devices_are_spoken_to_in_lower_case() {
    let mut device = Device::new(Manner::Sync(1200));
    let inventory = Branch::interior([("delivered", empty()), ("deployed", empty())]);
    device.tree = Branch::interior([("download", empty()), ("inventory", inventory)]);
    let mut world = World::new(device, download(Action::Deliver));
    assert!(matches!(world.session([]), Some(Ending::Succeeded { code: None, confirmed: true })), "{:?}", world.ending);
    assert!(world.device.tree.children().iter().all(|(name, _)| name == "download" || name == "inventory"));
}

#[test]
fn a_root_that_moved_is_looked_for_again() {
    let mut world = World::new(Device::new(Manner::Sync(1200)), download(Action::Install));
    world.roots = vec![Instance { kind: ObjectKind::Scomo, name: "./Old".to_owned() }];
    assert_eq!(world.session([]), Some(ok(1200)));
    assert_eq!(world.roots, [Device::root()]);
}

#[test]
fn what_selection_refuses_is_not_brought() {
    let reasons = vec!["org.example.player 2.1.0 is for Acme devices".to_owned()];
    let mut world = World::new(Device::new(Manner::Sync(1200)), download(Action::Install));
    world.selected = Some(Selected::Nothing { reasons: reasons.clone() });
    assert_eq!(world.session([]), Some(Ending::NotApplicable { reasons }));
    let mut world = World::new(Device::new(Manner::Sync(1200)), download(Action::Install));
    world.selected = Some(Selected::AlreadyDone);
    assert_eq!(world.session([]), Some(Ending::AlreadyDone));
}

#[test]
fn dev_detail_is_read_when_the_choice_needs_it_and_only_once() {
    let reasons = vec!["detail.fwv is not known".to_owned()];
    let mut world = World::new(Device::new(Manner::Sync(1200)), download(Action::Install));
    world.selected = Some(Selected::Undecided { reasons: reasons.clone() });
    assert_eq!(world.session([]), Some(ok(1200)));

    let mut device = Device::new(Manner::Sync(1200));
    device.detail = None;
    let mut world = World::new(device, download(Action::Install));
    world.selected = Some(Selected::Undecided { reasons: reasons.clone() });
    world.never_content = true;
    assert_eq!(world.session([]), Some(Ending::NotApplicable { reasons }));
    assert!(world.notes.iter().any(|n| n.contains("does not show its DevDetail")), "{:?}", world.notes);
}

#[test]
fn a_refusal_is_told_with_the_devices_own_status() {
    for (code, retryable) in [(405, false), (403, false), (420, true), (500, true)] {
        let mut world = World::new(Device::new(Manner::Refuse(code)), download(Action::Install));
        let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
        assert_eq!(
            (failure.device_code, failure.class, failure.retryable),
            (Some(code), FailureClass::Refused, retryable)
        );
        assert!(failure.text.contains(&code.to_string()), "{}", failure.text);
        assert_eq!(world.awaited, None, "no report follows a refusal");
    }
}

#[test]
fn a_user_who_says_no_declines() {
    for manner in [Manner::Sync(1401), Manner::Async(1401)] {
        let mut world = World::new(Device::new(manner), download(Action::Install));
        world.session([]);
        let report = world.device.report();
        if report.is_some() {
            world.session(report);
        }
        assert_eq!(world.ending, Some(Ending::Declined { code: Some(ResultCode::DECLINED) }));
    }
}

#[test]
fn an_operation_that_the_device_does_not_offer_is_a_lack_of_ability() {
    let mut device = Device::new(Manner::Sync(1200));
    device.set("Inventory/Delivered/x/PkgID", PKG_ID);
    device.set("Inventory/Delivered/x/State", "10");
    device.set("Inventory/Delivered/x/Operations/Remove", "");
    let mut world = World::new(device, download(Action::Install));
    let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
    assert_eq!((failure.class, failure.retryable), (FailureClass::Incapable, false));
}

#[test]
fn success_that_the_inventory_does_not_show_is_success_unconfirmed() {
    let mut device = Device::new(Manner::Sync(1200));
    device.version = "1.0";
    let mut world = World::new(device, download(Action::Install));
    let code = Some(ResultCode::SUCCESS);
    assert_eq!(world.session([]), Some(Ending::Succeeded { code, confirmed: false }));
}

#[test]
fn a_package_that_was_delivered_is_not_installed_by_a_primitive_that_the_device_lacks() {
    let mut world = World::new(Device::new(Manner::Sync(1411)), download(Action::Install));
    assert!(matches!(world.session([]), Some(Ending::Failed(_))));
    let mut again = World::new(world.device, download(Action::Install));
    again.device.manner = Manner::Sync(1200);
    again.device.log.clear();
    again.lacks = vec![crate::scomo::operation::Operation::Install];
    again.way = ALTERNATE;
    assert!(matches!(again.session([]), Some(Ending::Succeeded { .. })), "{:?}", again.ending);
    let is_exec = |intent: &&Intent| matches!(intent, Intent::Exec { .. });
    let execs: Vec<String> = again.device.log.iter().filter(is_exec).map(|intent| format!("{intent:?}")).collect();
    assert!(execs.len() == 1 && execs[0].contains("Operations/DownloadInstall"), "{execs:?}");
}
