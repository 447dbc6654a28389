use proptest::prelude::*;

use super::*;

fn v(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn takes(rule: &str, version: &str) -> bool {
    VersionRule::parse(rule).unwrap().matches(&v(version))
}

#[test]
fn a_ladder_of_versions_rises() {
    let ladder = [
        "0.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "v1.0",
        "1.0.1",
        "1.2-rc1",
        "1.2",
        "1.10rc1",
        "1.10",
        "1.10a",
        "2.0.0",
        "10.0.22631.2506",
        "10.0.22631.10000",
        "99999999999999999999999999999999",
        "100000000000000000000000000000000",
        "A1-7.0.3",
        "A1-7.0.12",
        "A2-1",
    ];
    for pair in ladder.windows(2) {
        assert!(v(pair[0]) < v(pair[1]), "{} is below {}", pair[0], pair[1]);
    }
}

#[test]
fn different_texts_may_be_one_version() {
    for (one, other) in
        [("2.1", "2.1.0"), ("v2.1", "2.1"), ("1.0.0+build7", "1.0.0"), ("2.01", "2.1"), ("a1-7", "A1_7"), ("7", "V7")]
    {
        assert_eq!(v(one), v(other));
        assert_eq!(v(one).as_str(), one, "the text stays as it was given");
    }
}

#[test]
fn a_text_without_end_or_sense_is_refused() {
    assert_eq!(Version::parse(" "), Err(VersionError::Empty));
    assert_eq!(Version::parse(&"1".repeat(65)), Err(VersionError::TooLong(65)));
    assert_eq!(Version::parse("1\n2"), Err(VersionError::Character('\n')));
    assert_eq!(Version::parse(" 1"), Err(VersionError::Character(' ')));
    assert_eq!(serde_json::from_str::<Version>("\"v2.1\"").unwrap().as_str(), "v2.1");
    assert!(serde_json::from_str::<Version>("\"\"").is_err());
}

#[test]
fn a_rule_takes_what_it_says() {
    assert!(takes(">=2.1", "2.1") && takes(">=2.1", "10") && !takes(">=2.1", "2.0.9"));
    assert!(takes("2.1.*", "2.1") && takes("2.1.*", "v2.1.7.3") && !takes("2.1.*", "2.10") && !takes("2.1.*", "2"));
    assert!(takes(">=1.0, <3", "2.9") && !takes(">=1.0, <3", "3.0"));
    assert!(takes("=1.2.3", "1.2.3") && takes("1.2", "1.2.0") && !takes("1.2", "1.2.1"));
    assert!(takes("*", "A1-7.0.3") && takes("> A1-7", "A1-7.0.3") && !takes("<=1", "1.0.1"));
    assert!(takes(VersionRule::exactly(&v("2.0-rc1")).as_str(), "2.0-rc1"));
}

#[test]
fn a_pre_release_is_taken_only_by_a_rule_that_names_one() {
    assert!(!takes(">=2.1", "3.0.0-rc1") && !takes("*", "3.0rc1") && !takes("<3", "3.0.0-rc1"));
    assert!(takes(">=3.0.0-rc1", "3.0.0-rc2") && takes(">=3.0.0-rc1", "3.0.0") && takes("3.0.0-rc1", "3.0.0-rc1"));
    assert!(!VersionRule::any().matches(&v("A1-7-beta")));
}

#[test]
fn a_rule_that_makes_no_sense_names_its_part() {
    for bad in ["", ">=", ">=1,", "2.*.1", ">=2.*", "1**", "~1.2", "^1", "!=3", "=>2"] {
        assert!(VersionRule::parse(bad).is_err(), "{bad:?}");
    }
    let error = VersionRule::parse(">=1, <").unwrap_err();
    assert_eq!(error.to_string(), "\"<\" is no version rule: a version must not be empty");
    assert_eq!(VersionRule::parse(&"1".repeat(257)), Err(VersionRuleError::TooLong(257)));
}

fn any_version() -> impl Strategy<Value = Version> {
    let made = "[vV]?([0-9]{1,3}|[a-z]{1,2}|rc|beta|Alpha)([-.+_ ]?([0-9]{1,3}|[a-z]{1,2}|rc|beta|0)){0,5}";
    prop_oneof![made.prop_map(|text| v(&text)), "[!-~é]{1,16}".prop_map(|text| v(&text))]
}

fn semver_text() -> impl Strategy<Value = String> {
    "(0|[1-9][0-9]{0,2})\\.(0|[1-9][0-9]{0,2})\\.(0|[1-9][0-9]{0,2})(-(0|[1-9][0-9]?|[a-z]{1,2}|rc|[a-z]-[0-9])(\\.(0|[1-9][0-9]?|[a-zA-Z0-9-]{0,2}[a-z])){0,2})?"
}

proptest! {
    #[test]
    fn the_order_is_total_and_transitive(a in any_version(), b in any_version(), c in any_version()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        let mut sorted = [a, b, c];
        sorted.sort();
        let [low, middle, high] = sorted;
        prop_assert!(low <= middle && middle <= high && low <= high);
        if low == middle {
            prop_assert_eq!(low.cmp(&high), middle.cmp(&high));
        }
    }

    #[test]
    fn where_both_are_semver_the_order_is_semvers(a in semver_text(), b in semver_text()) {
        let theirs = semver::Version::parse(&a).unwrap().cmp_precedence(&semver::Version::parse(&b).unwrap());
        prop_assert_eq!(v(&a).cmp(&v(&b)), theirs);
    }

    #[test]
    fn any_text_is_a_version_or_an_error_and_keeps_its_bytes(text in "\\PC{0,80}") {
        if let Ok(version) = Version::parse(&text) {
            prop_assert_eq!(version.as_str(), text.as_str());
        }
        let _ = VersionRule::parse(&text).map(|rule| rule.matches(&v("1.0")));
    }
}
