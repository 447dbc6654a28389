use super::*;
use crate::{model::tree::Branch, scomo::object::Place};

fn root(name: &str) -> Instance {
    Instance { kind: ObjectKind::Scomo, name: name.to_owned() }
}

fn read(source: &str, data: &str, roots: &[&str]) -> Result<Wish, NoWish> {
    let roots: Vec<Instance> = roots.iter().map(|name| root(name)).collect();
    Wish::read(Some(source).filter(|s| !s.is_empty()), data, &roots, None)
}

fn named(text: &str) -> Option<(String, Option<String>)> {
    let named = Named::parse(text)?;
    Some((named.id.to_string(), named.version.map(|v| v.as_str().to_owned())))
}

#[test]
fn who_asks_is_told_by_the_last_part_of_a_scomo_type() {
    for (text, who) in [
        ("urn:oma:at:scomo:1.0:UserRequest", Some(Asker::User)),
        (" Reversed-Domain-Name: org.openmobilealliance.dm.softwarecomponent.devicerequest\n", Some(Asker::Device)),
        ("org.openmobilealliance.dm.softwarecomponent/UpdateCheck", Some(Asker::Update)),
        ("URN:OMA:AT:SCOMO:1.1.checkUpdate", Some(Asker::Update)),
        ("urn:oma:at:scomo:1.7/acme/userrequest", Some(Asker::User)),
        ("urn:oma:at:scomo:1.0:OperationComplete", None),
        ("urn:oma:at:scomo:1.0userrequest", None),
        ("urn:oma:at:scomo:1.:userrequest", None),
        ("urn:oma:at:scomo:2.0:userrequest", None),
        ("org.openmobilealliance.dm.firmwareupdate.userrequest", None),
        ("userrequest", None),
        ("", None),
    ] {
        assert_eq!(asker(text), who, "{text}");
    }
}

#[test]
fn a_package_is_named_in_three_ways_and_anything_else_is_the_vendors_own() {
    let exactly = |version: &str| Some(("org.example.player".to_owned(), Some(version.to_owned())));
    assert_eq!(named(" org.example.player\n"), Some(("org.example.player".to_owned(), None)));
    assert_eq!(named("org.example.player@2.1.0"), exactly("2.1.0"));
    assert_eq!(named("org.example.player  2.1.0"), exactly("2.1.0"));
    assert_eq!(named("org.example.player >=2.1"), exactly(">=2.1"));
    for none in ["", "  ", "@", "<x/>", "a b c", "ünïcode"] {
        assert_eq!(named(none), None, "{none}");
    }
}

#[test]
fn an_alert_on_the_root_or_on_nothing_asks_for_a_package() {
    let any = Wish::Download { action: Action::Install, named: None };
    for (source, roots) in [("", &["./SCM"][..]), ("./scm/", &["./SCM"]), ("SCM", &["./SCM"]), ("./Vendor/X", &[])] {
        assert_eq!(read(source, "", roots), Ok(any.clone()), "{source}");
    }
    let Ok(Wish::Download { named: Some(named), .. }) = read("./SCM", "org.example.player", &["./SCM"]) else {
        panic!("the package named in Data is meant")
    };
    assert_eq!(named.id.as_str(), "org.example.player");
}

#[test]
fn an_alert_on_an_operation_asks_for_that() {
    let roots = &["./Vendor/SCM"][..];
    let fetch = |action| Ok(Wish::Download { action, named: None });
    assert_eq!(read("./Vendor/SCM/Download/p/Operations/Download", "", roots), fetch(Action::Deliver));
    assert_eq!(
        read("vendor/scm/download/p/operations/DownlaodInstallInactive", "", roots),
        fetch(Action::InstallInactive)
    );
    let package = |operation| Ok(Wish::Package { operation, pkg_id: "p".to_owned() });
    let component = |operation| Ok(Wish::Component { operation, id: ComponentId::parse("c").unwrap() });
    let inventory = |list: &str, rest: &str| read(&format!("./Vendor/SCM/Inventory/{list}/{rest}"), "", roots);
    assert_eq!(inventory("Delivered", "p/Operations/Remove"), package(PackageOperation::Remove));
    assert_eq!(inventory("Delivered", "p/Operations/Install"), package(PackageOperation::Install));
    assert_eq!(inventory("Deployed", "c/Operations/Remove"), component(ComponentOperation::Remove));
    assert_eq!(inventory("Deployed", "c/Operations/Deactive"), component(ComponentOperation::Deactivate));
    // before the device's root is known, it is what stands before the two names that every SCOMO object has
    assert_eq!(
        read("./Any/Where/Inventory/Deployed/c/Operations/Activate", "", &[]),
        component(ComponentOperation::Activate)
    );
}

#[test]
fn what_lies_elsewhere_asks_for_nothing() {
    for source in [
        "./Other",
        "./SCM/Download",
        "./SCM/Download/p/Operations",
        "./SCM/Download/p/Operations/Install",
        "./SCM/Inventory/Deployed/c/Operations/Install",
        "./SCM/Inventory/Delivered/p/Elsewhere/Install",
        "./SCM/Inventory/Delivered/p/Operations/Install/More",
    ] {
        assert_eq!(read(source, "", &["./SCM"]), Err(NoWish::Source), "{source}");
    }
}

#[test]
fn an_entry_of_the_inventory_is_known_by_its_identifier() {
    let tree = Branch::interior([
        ("Delivered", Branch::interior([("X1", Branch::interior([("PkgID", Branch::chr("org.example.p@1"))]))])),
        ("Deployed", Branch::interior([("X2", Branch::interior([("ID", Branch::chr("org.example.c"))]))])),
    ]);
    let inventory = Inventory::from_tree(Place::new(root("./SCM")), &tree);
    let wish = |source: &str| Wish::read(Some(source), "", &[root("./SCM")], Some(&inventory)).unwrap();
    let Wish::Package { pkg_id, .. } = wish("./SCM/Inventory/Delivered/x1/Operations/Remove") else { panic!() };
    let Wish::Component { id, .. } = wish("./SCM/Inventory/Deployed/X2/Operations/Activate") else { panic!() };
    assert_eq!((pkg_id.as_str(), id.as_str()), ("org.example.p@1", "org.example.c"));
    let both = [root("./Other"), root("./SCM")];
    let elsewhere = Wish::read(Some("./Other/Inventory/Deployed/X2/Operations/Activate"), "", &both, Some(&inventory));
    let Ok(Wish::Component { id, .. }) = elsewhere else { panic!() };
    assert_eq!(id.as_str(), "X2", "an entry of the same name in another object is another one");
}
