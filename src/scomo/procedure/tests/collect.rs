//! What is read of a device before something is done there, and when it is not read.

use std::collections::BTreeSet;

use super::{
    PKG_ID, World,
    device::{Device, Manner},
    download,
};
use crate::{
    model::{
        id::ComponentId,
        rule::FactSource::{self, DevDetail, Inventory},
        tree::{Intent, ObjectKind},
    },
    scomo::procedure::{
        errand::{Action, Collect, ComponentOperation, Errand},
        turn::{Ending, FailureClass, Selected},
    },
};

const DONE: Ending = Ending::Succeeded { code: None, confirmed: true };

fn only(sources: &[FactSource]) -> Collect {
    Collect { sources: Some(sources.iter().copied().collect()), max_age: None }
}

/// What was asked of the device: objects looked for, nodes read, and all else by its kind.
fn asked(world: &World) -> Vec<String> {
    let ask = |intent: &Intent| match intent {
        Intent::Discover { .. } => "discover".to_owned(),
        Intent::ReadSubtree { at } if at.of.kind == ObjectKind::DevDetail => "devdetail".to_owned(),
        Intent::ReadSubtree { at } => at.path.clone(),
        Intent::Exec { .. } => "exec".to_owned(),
        Intent::PutSubtree { .. }
        | Intent::PutLeaf { .. }
        | Intent::MakeNode { .. }
        | Intent::PutBytes { .. }
        | Intent::Copy { .. }
        | Intent::Delete { .. }
        | Intent::Prompt(_)
        | Intent::Guarded { .. }
        | Intent::Group { .. } => "write".to_owned(),
    };
    world.device.log.iter().map(ask).collect()
}

fn world(errand: Errand, collect: Collect) -> World {
    let mut world = World::new(Device::new(Manner::Sync(1200)), errand);
    world.collect = collect;
    world
}

/// A world whose device was read some time ago, and has been `changed` since.
fn stale(errand: Errand, device: Device, changed: impl FnOnce(&mut Device)) -> World {
    let mut world = World::new(device, Errand::Collect);
    assert_eq!(world.session([]), Some(DONE));
    let (roots, inventory) = (world.roots, world.inventory);
    world = World::new(world.device, errand);
    (world.roots, world.inventory) = (roots, inventory);
    world.fresh = BTreeSet::from([Inventory]);
    world.device.log.clear();
    changed(&mut world.device);
    world
}

#[test]
fn what_is_named_is_read_even_if_nothing_needs_it() {
    let mut world = world(download(Action::Deliver), only(&[DevDetail, Inventory]));
    assert_eq!(world.session([]), Some(DONE));
    assert_eq!(asked(&world)[..3], ["devdetail", "discover", "Inventory"]);
    assert_eq!(world.read, [BTreeSet::from([DevDetail, Inventory])]);
}

#[test]
fn what_is_named_and_fresh_is_not_read() {
    let mut world = world(download(Action::Deliver), only(&[DevDetail, Inventory]));
    world.fresh = BTreeSet::from([DevDetail]);
    assert_eq!(world.session([]), Some(DONE));
    assert!(!asked(&world).contains(&"devdetail".to_owned()), "{:?}", asked(&world));
}

#[test]
fn a_source_that_is_not_named_is_not_read_for_the_choice() {
    for sources in [&[][..], &[Inventory]] {
        let mut world = world(download(Action::Deliver), only(sources));
        let reasons = vec!["detail.fwv must be known first".to_owned()];
        world.selected = Some(Selected::Undecided { reasons: reasons.clone() });
        assert_eq!(world.session([]), Some(Ending::NotApplicable { reasons }));
        assert!(!asked(&world).contains(&"devdetail".to_owned()), "{:?}", asked(&world));
    }
}

#[test]
fn where_nothing_may_be_asked_the_choice_comes_first_and_the_inventory_serves_delivery_alone() {
    let mut world = world(download(Action::Install), only(&[]));
    world.selected = Some(Selected::Nothing { reasons: vec!["none applies".to_owned()] });
    assert!(matches!(world.session([]), Some(Ending::NotApplicable { .. })));
    assert_eq!(asked(&world), [""; 0], "nothing was chosen, so nothing was asked");

    let mut world = self::world(download(Action::Install), only(&[]));
    assert!(matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })), "{:?}", world.ending);
    assert_eq!(world.read, [BTreeSet::new()]);
    assert_eq!(asked(&world)[..3], ["discover", "Inventory", "write"]);

    let mut world = self::world(download(Action::Install), only(&[]));
    world.device.deploy(PKG_ID, "20");
    assert_eq!(world.session([]), Some(Ending::AlreadyDone), "what is there is seen before it is brought again");
}

#[test]
fn the_inventory_serves_delivery_alone_where_dev_detail_only_is_named() {
    let mut world = world(download(Action::Deliver), only(&[DevDetail]));
    assert_eq!(world.session([]), Some(DONE));
    assert_eq!(asked(&world)[..3], ["devdetail", "discover", "Inventory"]);
    assert_eq!(world.read, [BTreeSet::from([DevDetail])]);
}

#[test]
fn a_job_that_only_collects_reads_what_it_is_asked_for() {
    for (collect, expected) in [
        (Collect::default(), &["devdetail", "discover", "Inventory"][..]),
        (only(&[Inventory]), &["discover", "Inventory"]),
        (only(&[DevDetail]), &["devdetail"]),
    ] {
        let mut world = world(Errand::Collect, collect);
        assert_eq!(world.session([]), Some(DONE));
        assert_eq!(asked(&world), expected);
    }
}

#[test]
fn a_job_that_only_collects_reads_nothing_that_is_fresh() {
    let mut world = stale(Errand::Collect, Device::new(Manner::Sync(1200)), |_| {});
    world.fresh = BTreeSet::from([DevDetail, Inventory]);
    assert_eq!(world.session([]), Some(DONE));
    assert_eq!(asked(&world), [""; 0]);
}

#[test]
fn dev_detail_that_alone_was_asked_for_and_is_not_shown_is_a_failure() {
    let mut world = world(Errand::Collect, only(&[DevDetail]));
    world.device.detail = None;
    let Some(Ending::Failed(failure)) = world.session([]) else { panic!("{:?}", world.ending) };
    assert_eq!((failure.class, failure.device_code), (FailureClass::Refused, Some(405)));
    let mut world = self::world(Errand::Collect, Collect::default());
    world.device.detail = None;
    assert_eq!(world.session([]), Some(DONE));
    assert!(world.notes.iter().any(|n| n.contains("does not show its DevDetail")));
}

#[test]
fn t_disc_5_a_device_without_the_object_is_not_asked_again_until_it_may_have_one() {
    let mut world = world(download(Action::Install), Collect::default());
    world.rootless = true;
    let Some(Ending::NotApplicable { reasons }) = world.session([]) else { panic!("{:?}", world.ending) };
    assert!(reasons[0].contains("no SCOMO management object"), "{reasons:?}");
    assert_eq!(asked(&world), [""; 0]);
    let mut world = self::world(Errand::Collect, Collect::default());
    world.rootless = true;
    assert_eq!(world.session([]), Some(DONE), "who asks for the inventory has it looked for");
}

#[test]
fn what_is_known_and_fresh_is_not_read_again_but_read_back_afterwards() {
    let mut world = stale(download(Action::Install), Device::new(Manner::Sync(1200)), |_| {});
    assert!(matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })), "{:?}", world.ending);
    let asked = asked(&world);
    assert_eq!(asked[0], "write", "{asked:?}");
    assert_eq!(asked.iter().filter(|ask| *ask == "Inventory").count(), 1, "read back: {asked:?}");
    assert_eq!(world.read, [BTreeSet::from([Inventory])]);
}

#[test]
fn what_was_known_and_does_not_hold_is_read_again() {
    // It was delivered, and is gone.
    let mut device = Device::new(Manner::Sync(1200));
    device.deliver("x", PKG_ID, "10");
    let gone = |device: &mut Device| device.tree = Device::new(Manner::Sync(1200)).tree;
    let mut world = stale(download(Action::Install), device, gone);
    assert!(matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })), "{:?}", world.ending);
    assert!(world.notes.iter().any(|note| note.contains("may be out of date")), "{:?}", world.notes);

    // It was not there, and is now.
    let component = ComponentId::parse("org.example.player.app").unwrap();
    let errand = Errand::OperateComponent { operation: ComponentOperation::Activate, component };
    let mut world = stale(errand, Device::new(Manner::Sync(1200)), |device| device.deploy(PKG_ID, "10"));
    assert!(matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })), "{:?}", world.ending);

    // The root has moved.
    let mut world = stale(download(Action::Install), Device::new(Manner::Sync(1200)), |device| device.name = "./SCM");
    assert!(matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })), "{:?}", world.ending);
    assert_eq!(world.roots[0].name, "./SCM");
}

#[test]
fn what_this_job_has_touched_is_read_again_however_fresh_it_is() {
    let mut world = stale(download(Action::Install), Device::new(Manner::Sync(1405)), |_| {});
    assert!(matches!(world.session([]), Some(Ending::Failed(_))));
    world.procedure = world.procedure.clone().again();
    world.ending = None;
    world.device.log.clear();
    world.device.manner = Manner::Sync(1200);
    assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
    assert_eq!(asked(&world)[0], "Inventory");
}
