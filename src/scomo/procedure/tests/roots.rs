//! Several SCOMO objects on one device, and names that differ from the specification's (SCOMO sheet 1.1).

use super::{
    ALTERNATE, PKG_ID, World,
    device::{Device, Manner, empty},
    download, package,
};
use crate::{
    model::{
        id::ComponentId,
        tree::{Branch, Instance, Intent, ObjectKind},
    },
    scomo::procedure::{
        errand::{Action, ComponentOperation, Errand, PackageOperation},
        turn::Ending,
    },
};

/// A device with a second object `./SCM`.
fn twins(manner: Manner) -> Device {
    let mut device = Device::new(manner);
    device.second = Some(Box::new(Device { name: "./SCM", ..Device::new(manner) }));
    device
}

fn second(device: &mut Device) -> &mut Device {
    device.second.as_mut().unwrap()
}

fn succeeds(device: Device, errand: Errand) -> World {
    let mut world = World::new(device, errand);
    assert!(
        matches!(world.session([]), Some(Ending::Succeeded { confirmed: true, .. })),
        "{:?} {:?}",
        world.ending,
        world.notes
    );
    world
}

fn activate() -> Errand {
    let component = ComponentId::parse("org.example.player.app").unwrap();
    Errand::OperateComponent { operation: ComponentOperation::Activate, component }
}

#[test]
fn t_disc_1_t_disc_2_a_root_of_whatever_name_is_found() {
    for name in ["./SCOMO", "./SCM", "./Vendor/Software"] {
        let world = succeeds(Device { name, ..Device::new(Manner::Sync(1200)) }, download(Action::Install));
        assert_eq!(world.roots, [Instance { kind: ObjectKind::Scomo, name: name.to_owned() }]);
    }
}

#[test]
fn the_inventories_of_all_roots_are_read_as_one() {
    let mut device = twins(Manner::Sync(1200));
    device.deliver("x", "one", "10");
    second(&mut device).deliver("x", "two", "20");
    second(&mut device).deploy("two", "20");
    let world = succeeds(device, Errand::Collect);
    let inventory = world.inventory.unwrap();
    let packages: Vec<_> = inventory.packages.iter().map(|p| (p.root.as_str(), p.pkg_id.as_deref().unwrap())).collect();
    assert_eq!(packages, [("./SCOMO", "one"), ("./SCM", "two")]);
    assert_eq!(inventory.components[0].root, "./SCM");
    assert_eq!(world.roots.len(), 2, "remembered");
}

#[test]
fn an_operation_goes_to_the_root_that_holds_what_it_is_on() {
    let mut device = twins(Manner::Sync(1200));
    second(&mut device).deploy(PKG_ID, "10");
    let mut world = succeeds(device, activate());
    assert_eq!(second(&mut world.device).text("Inventory/Deployed/c1/State"), Some("20"));
    assert_eq!(world.inventory.as_ref().unwrap().places.len(), 2, "reading one root back forgets no other");

    let mut device = twins(Manner::Sync(1200));
    second(&mut device).deliver("x", PKG_ID, "10");
    let errand = Errand::OperatePackage { operation: PackageOperation::Install, pkg_ids: vec![PKG_ID.to_owned()] };
    let mut world = succeeds(device, errand);
    assert_eq!((world.device.ran, second(&mut world.device).ran), (0, 1));
}

#[test]
fn a_download_goes_to_the_root_of_the_package_or_of_its_component() {
    for way in [super::Way::Direct, ALTERNATE] {
        for held in ["org.example.player@1.0.0", "ORG.example.player"] {
            let mut device = twins(Manner::Sync(1200));
            second(&mut device).deliver("x", held, "20");
            let mut world = World::new(device, download(Action::Install));
            world.way = way;
            assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
            assert_eq!((world.device.ran, second(&mut world.device).ran), (0, 1), "{held}");
        }
        let mut device = twins(Manner::Sync(1200));
        second(&mut device).version = "1.0";
        second(&mut device).deploy("-1", "20");
        second(&mut device).version = "2.1";
        let mut world = World::new(device, download(Action::Install));
        world.way = way;
        assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
        assert_eq!((world.device.ran, second(&mut world.device).ran), (0, 1));
    }
}

#[test]
fn a_download_goes_to_the_first_root_that_takes_it() {
    // The first has no Download node.
    let mut device = twins(Manner::Sync(1200));
    device.tree = Branch::interior([("Inventory", empty())]);
    let mut world = World::new(device, download(Action::Install));
    world.way = ALTERNATE;
    assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
    assert_eq!(second(&mut world.device).ran, 1);
    // The first takes nothing new.
    for (way, top) in [(super::Way::Direct, "Inventory"), (ALTERNATE, "Download")] {
        let mut device = twins(Manner::Sync(1200));
        device.no_new.push(top);
        let mut world = World::new(device, download(Action::Install));
        world.way = way;
        assert!(matches!(world.session([]), Some(Ending::Succeeded { .. })), "{:?}", world.ending);
        assert_eq!((world.device.ran, second(&mut world.device).ran), (0, 1));
        assert!(world.notes.iter().any(|n| n.contains("./SCM is tried")), "{:?}", world.notes);
    }
}

#[test]
fn a_root_that_shows_no_inventory_hides_what_it_may_hold() {
    let mut device = twins(Manner::Sync(1200));
    second(&mut device).tree = Branch::interior([("Download", empty())]);
    let component = ComponentId::parse("org.example.player.app").unwrap();
    let errand = Errand::OperateComponent { operation: ComponentOperation::Remove, component };
    let mut world = World::new(device, errand);
    let Some(Ending::NotApplicable { reasons }) = world.session([]) else { panic!("{:?}", world.ending) };
    assert!(reasons[0].contains("as far as it shows"), "{reasons:?}");
}

#[test]
fn t_disc_2_names_in_any_letter_case_are_found_and_remembered() {
    let odd = |download: &str, inventory: &str, below: [&str; 2]| {
        let below = Branch::interior(below.map(|name| (name, empty())));
        Branch::interior([(download, empty()), (inventory, below)])
    };
    for tree in [
        odd("download", "inventory", ["delivered", "deployed"]),
        odd("DownLoad", "INVENTORY", ["delivered", "DEPLOYED"]),
        odd("download", "Inventory", ["Delivered", "Deployed"]),
    ] {
        for way in [super::Way::Direct, ALTERNATE] {
            let mut device = Device::new(Manner::Refuse(500));
            device.tree = tree.clone();
            let mut world = World::new(device, download(Action::Deliver));
            world.way = way;
            world.session([]);
            let names = |tree: &Branch| tree.children().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&world.device.tree), names(&tree), "no node beside the device's own");
            let mut again = World::new(world.device, Errand::Collect);
            (again.roots, again.inventory) = (world.roots, world.inventory);
            again.device.log.clear();
            assert!(matches!(again.session([]), Some(Ending::Succeeded { .. })));
            let reads = again.device.log.iter().filter(|i| matches!(i, Intent::ReadSubtree { .. })).count();
            assert_eq!(reads, 2, "the inventory under its own name, and DevDetail: {:?}", again.device.log);
        }
    }
}

#[test]
fn t_disc_3_operations_are_executed_as_the_device_spells_them() {
    let mut device = Device::new(Manner::Sync(1200));
    device.deploy(PKG_ID, "20");
    let component = ComponentId::parse("org.example.player.app").unwrap();
    let world = succeeds(device, Errand::OperateComponent { operation: ComponentOperation::Deactivate, component });
    let execs: Vec<_> = world
        .device
        .log
        .iter()
        .filter_map(|i| if let Intent::Exec { at, .. } = i { Some(at.name()) } else { None })
        .collect();
    assert_eq!(execs, ["Deactive"]);

    // Also where the node above them is spelled otherwise.
    let mut device = Device::new(Manner::Sync(1200));
    device.set("Inventory/Deployed/c1/ID", "org.example.player.app");
    device.set("Inventory/Deployed/c1/State", "10");
    device.set("Inventory/Deployed/c1/operations/activate", "");
    let world = succeeds(device, activate());
    assert_eq!(world.device.text("Inventory/Deployed/c1/State"), Some("20"));
}

#[test]
fn t_inv_2_an_empty_inventory_is_no_error() {
    let world = succeeds(Device::new(Manner::Sync(1200)), Errand::Collect);
    let inventory = world.inventory.unwrap();
    assert_eq!((inventory.packages.len(), inventory.components.len()), (0, 0));
}

#[test]
fn t_inv_3_a_state_is_read_whatever_its_format_and_the_white_space_around_it() {
    let mut device = Device::new(Manner::Sync(1200));
    device.deploy(PKG_ID, " 20\n");
    let mut world = World::new(device, activate());
    assert_eq!(world.session([]), Some(Ending::AlreadyDone));
}

#[test]
fn what_the_device_does_not_say_is_never_taken_for_done() {
    for (leaf, text) in [("State", ""), ("State", "30"), ("Version", "")] {
        let mut device = Device::new(Manner::Sync(1200));
        device.deploy("-1", "20");
        device.set(&format!("Inventory/Deployed/c1/{leaf}"), text);
        let mut world = World::new(device, download(Action::Install));
        world.session([]);
        assert!(matches!(world.ending, Some(Ending::Succeeded { .. })), "{leaf}: {:?}", world.ending);
        assert_eq!(world.device.ran, 1, "{leaf}");
    }
    // A component of unknown origin may be of the package, or not.
    let mut device = Device::new(Manner::Sync(1200));
    device.deploy("-1", "20");
    let pkg_ids = vec![package().pkg_id()];
    let errand = Errand::OperatePackage { operation: PackageOperation::Install, pkg_ids };
    let mut world = World::new(device, errand);
    assert!(matches!(world.session([]), Some(Ending::NotApplicable { .. })), "{:?}", world.ending);
}
