use std::{collections::BTreeMap, error::Error as _};

use super::*;
use crate::sim::{
    chance::Seeded,
    profile::{Error, User},
};

const LOAD: &str = "[[device]]\nid = 'sim-{n:04}'\ncount = 400\nuser = 'accept'\nresult = [{ code = 1405 }]\n\
    delays = { message = '1ms', report = '2ms' }\nmix = { plain = 6, declines = 3, gentle = 1, never = 0 }\n\
    [behaviour.gentle]\nresult = []\ndelays = { report = '9ms' }\n[behaviour.never]\nuser = 'none'\n";

fn names(seed: u8) -> Vec<String> {
    let profile = Profile::parse(LOAD).unwrap().remove(0);
    let pick = |n| profile.ways.pick(&[seed; 32], &profile.id.fill(n)).unwrap().behaviour.clone().unwrap();
    profile.numbers().map(pick).collect()
}

#[test]
fn the_seed_gives_each_device_its_behaviour_by_weight() {
    let mut counts = BTreeMap::<String, u32>::new();
    for name in names(1) {
        *counts.entry(name).or_default() += 1;
    }
    let told: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), (count + 20) / 40)).collect();
    assert_eq!(told, [("declines", 3), ("gentle", 1), ("plain", 6)], "{counts:?}");
    assert_eq!(names(1), names(1));
    assert_ne!(names(1), names(2));
}

#[test]
fn a_behaviour_lies_over_the_device_key_by_key() {
    let profile = Profile::parse(LOAD).unwrap().remove(0);
    let find = |wanted: &str| {
        let mut all = (1..400).map(|n| profile.ways.pick(&[1; 32], &profile.id.fill(n)).unwrap());
        all.find(|way| way.behaviour.as_deref() == Some(wanted)).unwrap()
    };
    assert_eq!((&find("plain").user, find("plain").result.len()), (&User::accepting(), 1));
    assert_eq!((&find("declines").user, find("declines").result.len()), (&User::declining(), 1));
    let gentle = find("gentle");
    assert_eq!((gentle.result.len(), gentle.delays.message.as_millis(), gentle.delays.report.as_millis()), (0, 1, 9));
}

#[test]
fn every_behaviour_that_comes_along_can_be_used_and_is_documented() {
    let shipped: toml::Table = toml::from_str(include_str!("../behaviours.toml")).unwrap();
    let guide = include_str!("../../../docs/simulator.md");
    let names: Vec<&String> = shipped["behaviour"].as_table().unwrap().keys().collect();
    assert!(names.len() > 10);
    for name in names {
        Profile::parse(&format!("[[device]]\nid = 'a'\nmix = {{ {name} = 1 }}")).unwrap();
        assert!(guide.contains(&format!("`{name}`")), "docs/simulator.md does not name the behaviour {name}");
    }
}

#[test]
fn a_mix_that_cannot_work_says_why() {
    let refusal = |text: &str| {
        let error = Profile::parse(&format!("[[device]]\nid = 'a'\n{text}")).unwrap_err();
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}; {source}")
    };
    assert!(refusal("mix = { odd = 1 }").contains("[behaviour.odd]"));
    assert!(refusal("mix = { plain = 0 }").contains("above 0"));
    assert!(refusal("mix = { odd = 1 }\n[behaviour.odd]\ncolour = 1").contains("colour"));
    assert!(refusal("mix = { odd = 1 }\n[behaviour.odd]\nid = 'b'").contains("cannot change `id`"));
    assert!(refusal("mix = { odd = 1 }\n[behaviour.odd]\nfaults.loss = 2.0").contains("probability"));
    let unused = Profile::parse("[[device]]\nid = 'a'\n[behaviour.odd]\nuser = 'none'").unwrap_err();
    assert!(matches!(unused, Error::Unused { name } if name == "odd"));
}

#[test]
fn numbers_below_a_bound_stay_below_it() {
    let mut chance = Seeded::new([3; 32]);
    assert!((0..1000).all(|_| chance.below(7).is_some_and(|n| n < 7)));
    assert_eq!(chance.below(0), None);
}
