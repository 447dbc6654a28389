//! How an entry comes about on devices that make some of its nodes, all of them, or none (SCOMO sheet 1.4), and what is done where
//! it cannot.

use super::{
    ALTERNATE, PKG_ID, Way, World,
    device::{Device, Manner},
    download,
};
use crate::{
    model::tree::Outcome,
    scomo::{
        object,
        procedure::{
            errand::{Action, Mechanism},
            turn::{Ending, FailureClass},
        },
    },
};

fn world(device: Device, way: Way) -> World {
    let mut world = World::new(device, download(Action::Install));
    world.way = way;
    world
}

fn entry() -> String {
    object::entry_name(PKG_ID, &[])
}

#[test]
fn t_dl_5_a_url_that_the_device_does_not_take_is_not_executed_upon() {
    let mut device = Device::new(Manner::Sync(1200));
    device.own.push("PkgURL");
    let mut world = world(device, ALTERNATE);
    let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
    assert_eq!((failure.device_code, world.execs()), (Some(405), 0), "it would fetch something else");
}

#[test]
fn t_dl_5_a_fixed_entry_keeps_the_names_that_it_does_not_let_go() {
    let mut device = Device::new(Manner::Sync(1200));
    device.no_new.push("Download");
    device.own.extend(["PkgID", "Name"]);
    device.set("Download/RB_DP/PkgID", "factory");
    device.set("Download/RB_DP/Operations/DownloadInstall", "");
    let mut world = world(device, ALTERNATE);
    assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
    assert_eq!(world.device.text("Download/RB_DP/PkgURL"), Some("https://dl.example/dd/g1"));
    assert_eq!(world.device.text("Download/RB_DP/PkgID"), Some("factory"));
}

#[test]
fn a_delivered_entry_without_its_pkg_id_is_not_installed() {
    let mut device = Device::new(Manner::Sync(1200));
    device.own.push("PkgID");
    let mut world = world(device, Way::Direct);
    assert!(matches!(world.session([]), Some(Ending::Failed(_))), "{:?}", world.ending);
    assert_eq!(world.execs(), 0);
}

#[test]
fn a_node_of_1_1_is_written_only_where_the_device_shows_one() {
    for (way, shown, at) in [
        (Way::Direct, "Inventory/Delivered/other/Reboot", format!("Inventory/Delivered/{}/Reboot", entry())),
        (ALTERNATE, "Download/other/Reboot", format!("Download/{}/Reboot", entry())),
    ] {
        for shows in [true, false] {
            let mut device = Device::new(Manner::Refuse(500));
            if shows {
                device.set(shown, "before");
            }
            let mut world = world(device, way);
            world.session([]);
            assert_eq!(world.device.text(&at), shows.then_some("after"), "{at}");
        }
    }
}

#[test]
fn where_one_way_is_closed_the_other_is_gone() {
    // Nothing new is taken into the tree.
    let mut device = Device::new(Manner::Sync(1200));
    device.no_new.push("Inventory");
    let mut world = world(device, Way::Direct);
    world.other_way = Some(ALTERNATE);
    assert!(matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })), "{:?}", world.ending);
    assert!(world.notes.iter().any(|n| n.contains("another way is looked for")), "{:?}", world.notes);
    assert_eq!(world.read.len(), 2);

    // What was delivered cannot be installed from there.
    let mut device = Device::new(Manner::Sync(1200));
    device.set("Inventory/Delivered/x/PkgID", PKG_ID);
    device.set("Inventory/Delivered/x/State", "10");
    device.set("Inventory/Delivered/x/Operations/Remove", "");
    let mut world = self::world(device, Way::Direct);
    world.other_way = Some(ALTERNATE);
    assert!(matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })), "{:?}", world.ending);
}

#[test]
fn where_every_way_is_closed_the_device_is_not_capable() {
    let mut device = Device::new(Manner::Sync(1200));
    device.no_new.extend(["Inventory", "Download"]);
    for other in [None, Some(Way::Direct), Some(ALTERNATE), Some(Way::Alternate(Mechanism::Package))] {
        let device = Device { tree: device.tree.clone(), no_new: device.no_new.clone(), ..Device::new(device.manner) };
        let mut world = world(device, Way::Direct);
        world.other_way = other;
        let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
        assert_eq!((failure.device_code, failure.retryable), (Some(405), false), "{other:?}");
        assert_eq!(failure.class, FailureClass::Refused);
        assert_eq!(world.execs(), 0);
    }
}

#[test]
fn an_operation_that_is_not_listed_is_tried_by_its_name_and_missing_if_there_is_none() {
    let mut device = Device::new(Manner::Sync(1200));
    device.set("Inventory/Delivered/x/PkgID", PKG_ID);
    device.set("Inventory/Delivered/x/State", "10");
    let mut world = world(device, Way::Direct);
    let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
    assert_eq!((failure.class, failure.device_code, world.execs()), (FailureClass::Incapable, Some(404), 1));
}

#[test]
fn t_dir_4_bytes_that_the_device_does_not_take_in_pieces_are_fetched_by_url() {
    for outcome in
        [Outcome::Unsupported { code: Some(200) }, Outcome::Refused { code: 406 }, Outcome::Refused { code: 413 }]
    {
        let mut device = Device::new(Manner::Sync(1200));
        device.bytes = Some(outcome.clone());
        let mut world = world(device, Way::Direct);
        world.other_way = Some(ALTERNATE);
        assert!(matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })), "{:?}", world.ending);
        assert!(world.device.text(&format!("Download/{}/PkgURL", entry())).is_none(), "the entry was taken away");
        let mut device = Device::new(Manner::Sync(1200));
        device.bytes = Some(outcome);
        let mut world = self::world(device, Way::Direct);
        assert!(matches!(world.session([]), Some(Ending::Failed(_))), "{:?}", world.ending);
    }
}

#[test]
fn t_dir_3_a_size_that_never_fits_fails_the_attempt() {
    let mut device = Device::new(Manner::Sync(1200));
    device.bytes = Some(Outcome::Refused { code: 424 });
    let mut world = world(device, Way::Direct);
    world.other_way = Some(ALTERNATE);
    let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
    assert_eq!((failure.device_code, failure.retryable, world.execs()), (Some(424), true, 0));
}
