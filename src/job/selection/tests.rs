use super::*;
use crate::model::{
    device::{Abilities, DevDetail, DevInfo},
    id::{ComponentId, DeviceId},
};

fn package(id: &str, version: &str, when: Option<&str>) -> Manifest {
    let when = when.map_or(String::new(), |rule| format!("when = \"{rule}\""));
    let text = format!(
        "format = 1\nid = '{id}'\nversion = '{version}'\nname = 'N'\npayload = 'p'\nsize = 1\nsha256 = '{}'\n{when}\n\
         [[components]]\nid = '{id}.app'\nversion = '{version}'\n",
        "0".repeat(64)
    );
    Manifest::parse(&text, "manifest.toml").unwrap()
}

/// Component, version, active.
type Entry = (&'static str, Option<&'static str>, Option<bool>);

fn facts(installed: Option<&[Entry]>) -> Facts {
    let entry = |(id, version, active): &Entry| Installed {
        id: ComponentId::parse(id).unwrap(),
        version: version.map(str::to_owned),
        active: *active,
        pkg: None,
    };
    Facts {
        id: DeviceId::parse("IMEI:1").unwrap(),
        info: DevInfo { man: Some("Acme".into()), ..DevInfo::default() },
        detail: None,
        installed: installed.map(|entries| entries.iter().map(entry).collect()),
        user_agent: None,
        tags: Vec::new(),
        abilities: Abilities::default(),
    }
}

fn wanted(package: Option<(&str, Option<&str>)>) -> Wanted {
    let package = package.map(|(id, version)| PackageWanted {
        id: PackageId::parse(id).unwrap(),
        version: version.map(|rule| VersionRule::parse(rule).unwrap()),
    });
    Wanted { package, want: Want::Install, allow_downgrade: false, on_request: false, env_refused: Vec::new() }
}

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn run(wanted: &Wanted, facts: &Facts, catalogue: &[Manifest]) -> Selection {
    select(wanted, facts, catalogue, &FactSource::READABLE.into(), NOW)
}

fn run_blind(wanted: &Wanted, facts: &Facts, catalogue: &[Manifest]) -> Selection {
    select(wanted, facts, catalogue, &BTreeSet::new(), NOW)
}

fn of(id: &str, version: &str) -> PackageRef {
    package(id, version, None).package()
}

fn reasons(selection: &Selection) -> Vec<String> {
    selection.refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn the_highest_version_that_the_request_wants_is_chosen() {
    let catalogue =
        [package("a", "1.9", None), package("a", "1.10", None), package("a", "2.0", None), package("b", "9", None)];
    let empty = facts(Some(&[]));
    assert_eq!(run(&wanted(Some(("a", None))), &empty, &catalogue).verdict, Verdict::Chosen(of("a", "2.0")));
    let below = run(&wanted(Some(("a", Some("<2")))), &empty, &catalogue);
    assert_eq!(below.verdict, Verdict::Chosen(of("a", "1.10")));
    assert_eq!(reasons(&below), ["a 2.0 was refused: the request wants version <2"]);
    assert_eq!(run(&wanted(Some(("c", None))), &empty, &catalogue).verdict, Verdict::Nothing);
}

#[test]
fn a_version_that_does_not_apply_makes_room_for_a_lower_one() {
    let mut early = package("a", "4", None);
    early.not_before = Some(NOW.after(std::time::Duration::from_secs(1)));
    let catalogue = [
        package("a", "1", Some("dev.man == 'Acme'")),
        package("a", "2", Some("dev.man == 'Other'")),
        package("a", "3", Some("dev.man > 1")),
        early,
        package("a", "5-rc1", None),
    ];
    let selection = run(&wanted(Some(("a", None))), &facts(Some(&[])), &catalogue);
    assert_eq!(selection.verdict, Verdict::Chosen(of("a", "1")));
    let codes: Vec<_> =
        selection.refusals.iter().map(|r| serde_json::to_value(&r.reason).unwrap()["code"].clone()).collect();
    assert_eq!(codes, ["pre_release", "not_before", "broken_rule", "does_not_apply"]);
}

#[test]
fn what_is_there_already_ends_the_search() {
    let catalogue = [package("a", "1", None), package("a", "2", None), package("a", "3", Some("dev.man == 'Other'"))];
    let here = facts(Some(&[("a.app", Some("v2.0"), Some(true))]));
    assert_eq!(run(&wanted(Some(("a", None))), &here, &catalogue).verdict, Verdict::AlreadyDone(of("a", "2")));
}

#[test]
fn an_inactive_component_is_done_only_for_install_inactive() {
    let catalogue = [package("a", "2", None)];
    let inactive = facts(Some(&[("a.app", Some("2"), Some(false))]));
    let ask = |want| Wanted { want, ..wanted(Some(("a", None))) };
    assert_eq!(run(&ask(Want::Install), &inactive, &catalogue).verdict, Verdict::Chosen(of("a", "2")));
    assert_eq!(run(&ask(Want::InstallInactive), &inactive, &catalogue).verdict, Verdict::AlreadyDone(of("a", "2")));
    assert_eq!(run(&ask(Want::Deliver), &inactive, &catalogue).verdict, Verdict::Chosen(of("a", "2")));
}

#[test]
fn unknown_never_ends_as_already_done() {
    let catalogue = [package("a", "2", None)];
    let ask = wanted(Some(("a", None)));
    for entry in [("a.app", None, Some(true)), ("a.app", Some("2"), None)] {
        assert_eq!(run(&ask, &facts(Some(&[entry])), &catalogue).verdict, Verdict::Chosen(of("a", "2")), "{entry:?}");
    }
    let inventory = BTreeSet::from([FactName::Installed]);
    assert_eq!(run(&ask, &facts(None), &catalogue).verdict, Verdict::Undecided { missing: inventory });
    assert_eq!(run_blind(&ask, &facts(None), &catalogue).verdict, Verdict::Chosen(of("a", "2")));
    let deliver = Wanted { want: Want::Deliver, ..ask };
    assert_eq!(run(&deliver, &facts(None), &catalogue).verdict, Verdict::Chosen(of("a", "2")));
}

#[test]
fn nothing_is_downgraded_unless_allowed() {
    let catalogue = [package("a", "1", None)];
    let newer = facts(Some(&[("a.app", Some("2"), Some(true))]));
    let ask = wanted(Some(("a", Some("=1"))));
    let refused = run(&ask, &newer, &catalogue);
    assert_eq!(refused.verdict, Verdict::Nothing);
    assert_eq!(reasons(&refused), ["a 1 was refused: component a.app is on the device in the newer version 2"]);
    let allowed = Wanted { allow_downgrade: true, ..ask };
    assert_eq!(run(&allowed, &newer, &catalogue).verdict, Verdict::Chosen(of("a", "1")));
}

#[test]
fn a_fact_that_can_be_read_is_asked_for_and_one_that_cannot_is_a_reason() {
    let catalogue = [package("a", "1", None), package("a", "2", Some("version(detail.fwv) > version('1')"))];
    let ask = wanted(Some(("a", None)));
    let mut device = facts(Some(&[]));
    let needs = BTreeSet::from([FactName::FwV]);
    assert_eq!(run(&ask, &device, &catalogue).verdict, Verdict::Undecided { missing: needs });

    let forbidden = run_blind(&ask, &device, &catalogue);
    assert_eq!(forbidden.verdict, Verdict::Chosen(of("a", "1")));
    assert_eq!(reasons(&forbidden), ["a 2 was refused: its rule needs what the device has not told: detail.fwv"]);

    device.detail = Some(DevDetail::default());
    assert_eq!(run(&ask, &device, &catalogue), forbidden, "reading it again would not help");
    device.detail = Some(DevDetail { fwv: Some("1.1".into()), ..DevDetail::default() });
    assert_eq!(run(&ask, &device, &catalogue).verdict, Verdict::Chosen(of("a", "2")));
}

#[test]
fn without_a_package_what_is_on_the_device_comes_first() {
    let catalogue = [
        package("a", "1", Some("dev.man == 'Acme'")),
        package("b", "2", None),
        package("b", "1", None),
        package("c", "7", None),
    ];
    let ask = wanted(None);
    let old = facts(Some(&[("b.app", Some("1"), Some(true))]));
    assert_eq!(run(&ask, &old, &catalogue).verdict, Verdict::Chosen(of("b", "2")));
    let current = facts(Some(&[("b.app", Some("2"), Some(true))]));
    assert_eq!(run(&ask, &current, &catalogue).verdict, Verdict::Chosen(of("a", "1")));
    let all = facts(Some(&[("b.app", Some("2"), Some(true)), ("a.app", Some("1"), Some(true))]));
    let done = run(&ask, &all, &catalogue);
    assert_eq!(done.verdict, Verdict::AlreadyDone(of("a", "1")));
    assert_eq!(done.refusals.last().unwrap().reason, RefusalReason::Untargeted);
    assert!(matches!(run(&ask, &facts(None), &catalogue).verdict, Verdict::Undecided { .. }));
    assert_eq!(run_blind(&ask, &facts(None), &catalogue).verdict, Verdict::Chosen(of("a", "1")));
}

#[test]
fn the_list_of_refusals_is_bounded_and_survives_its_json() {
    let catalogue: Vec<_> = (0..70).map(|n| package("a", &format!("1.{n}"), Some("false"))).collect();
    let selection = run(&wanted(Some(("a", None))), &facts(Some(&[])), &catalogue);
    assert_eq!((&selection.verdict, selection.refusals.len(), selection.more_refusals), (&Verdict::Nothing, 64, 6));
    let json = serde_json::to_string(&selection).unwrap();
    assert_eq!(serde_json::from_str::<Selection>(&json).unwrap(), selection);
}

#[test]
fn a_device_that_asks_without_naming_a_package_is_offered_what_is_meant_for_that() {
    let offered = |id: &str, version: &str| Manifest { on_request: true, ..package(id, version, None) };
    let catalogue = [package("a", "9", None), package("b", "2", None), offered("b", "1"), offered("c", "1")];
    let asked = Wanted { on_request: true, ..wanted(None) };
    let chosen = run(&asked, &facts(Some(&[])), &catalogue);
    assert_eq!(chosen.verdict, Verdict::Chosen(of("b", "1")), "none of them needs a rule");
    assert_eq!(chosen.refusals.len(), 2);
    assert!(chosen.refusals.iter().all(|refusal| refusal.reason == RefusalReason::NotOnRequest));
    let there = facts(Some(&[("b.app", Some("1"), Some(true))]));
    assert_eq!(run(&asked, &there, &catalogue).verdict, Verdict::Chosen(of("c", "1")), "the next has something to do");
}

#[test]
fn a_package_for_an_environment_that_the_device_rejected_is_not_chosen_again() {
    let of_env = |version: &str, env: &str| Manifest { env_type: Some(env.to_owned()), ..package("a", version, None) };
    let catalogue = [of_env("2", "wasm"), of_env("1", "java")];
    let asked = Wanted { env_refused: vec!["wasm".to_owned()], ..wanted(Some(("a", None))) };
    let chosen = run(&asked, &facts(Some(&[])), &catalogue);
    assert_eq!(chosen.verdict, Verdict::Chosen(of("a", "1")));
    assert_eq!(reasons(&chosen), ["a 2 was refused: the device rejected the target environment \"wasm\" (1413)"]);
}

#[test]
fn of_the_packages_held_the_first_is_installed_whose_rule_holds() {
    let catalogue = [
        package("a", "3", Some("dev.man == 'Other'")),
        package("a", "2", Some("detail.fwv == '8'")),
        package("a", "1", None),
    ];
    let held = |versions: &[&str]| versions.iter().map(|v| format!("A@{v}")).collect::<Vec<_>>();
    let all = FactSource::READABLE.into();
    let none = BTreeSet::new();
    let first = |fitting: Fitting| match fitting.verdict {
        Fitted::This(pkg_id) => pkg_id,
        other @ (Fitted::Undecided { .. } | Fitted::Nothing) => panic!("{other:?}"),
    };
    let mut facts = facts(None);
    let missing = BTreeSet::from([FactName::FwV]);
    assert_eq!(fit(&held(&["3", "2", "1"]), &facts, &catalogue, &all).verdict, Fitted::Undecided { missing });
    assert_eq!(first(fit(&held(&["3", "2", "1"]), &facts, &catalogue, &none)), "A@1");
    let Fitting { verdict, refusals } = fit(&held(&["3", "2"]), &facts, &catalogue, &none);
    assert_eq!(verdict, Fitted::Nothing);
    let told: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("does not hold") && told[1].contains("detail.fwv"), "{told:?}");
    facts.detail = Some(DevDetail { fwv: Some("8".to_owned()), ..DevDetail::default() });
    assert_eq!(first(fit(&held(&["3", "2", "1"]), &facts, &catalogue, &all)), "A@2");
    assert_eq!(first(fit(&held(&["9", "2"]), &facts, &catalogue, &all)), "A@9", "the catalogue does not know it");
}
