use proptest::prelude::*;

use super::*;
use crate::model::{
    device::{Abilities, DevDetail, DevInfo, Installed},
    id::{ComponentId, DeviceId},
};

/// A device that has told its DevInfo and nothing else.
fn silent() -> Facts {
    Facts {
        id: DeviceId::parse("IMEI:490154203237518").unwrap(),
        info: DevInfo { man: Some("Acme".into()), model: Some("M1".into()), ..DevInfo::default() },
        detail: None,
        installed: None,
        user_agent: None,
        tags: vec!["beta".into(), "eu".into()],
        abilities: Abilities::default(),
    }
}

/// The same device once everything was read; it tells no software version.
fn told() -> Facts {
    let detail = DevDetail { fwv: Some("v3.10".into()), lrgobj: Some(true), ..DevDetail::default() };
    Facts {
        detail: Some(detail),
        installed: Some(vec![component("app", Some("1.9")), component("lib", None)]),
        ..silent()
    }
}

fn component(id: &str, version: Option<&str>) -> Installed {
    Installed {
        id: ComponentId::parse(id).unwrap(),
        version: version.map(str::to_owned),
        active: version.map(|_| true),
        pkg: None,
    }
}

fn eval(rule: &str, facts: &Facts) -> Verdict {
    Rule::parse(rule).unwrap_or_else(|e| panic!("{rule}: {e}")).eval(facts)
}

fn missing<const N: usize>(facts: [FactName; N]) -> Verdict {
    Verdict::Undecided { missing: BTreeSet::from(facts) }
}

#[test]
fn a_rule_holds_or_not_by_what_the_device_told() {
    for (rule, holds) in [
        ("dev.man == 'Acme' && dev.id.startsWith('IMEI:')", true),
        ("dev.mod in ['M2', \"M3\"]", false),
        ("version(detail.fwv) >= version('3.2')", true),
        ("version(detail.fwv) == version('3.10.0') && version('1.0-rc1') < version('1.0')", true),
        ("detail.lrgobj ? size(tags) == 2 : false", true),
        ("has(detail.fwv) && !has(detail.swv) && !has(dev.lang)", true),
        ("installed.exists(c, c.id == 'app' && version(c.version) < version('2'))", true),
        ("installed.filter(c, has(c.version)).all(c, c.active)", true),
        ("tags.exists_one(t, t == 'eu') && tags[0].contains('et')", true),
        ("[1, 2, 3].map(n, n * 2) == [2, 4, 6] && int('7') % 4 == 3", true),
    ] {
        assert_eq!(eval(rule, &told()), if holds { Verdict::Yes } else { Verdict::No }, "{rule}");
    }
}

#[test]
fn a_rule_that_hangs_on_an_absent_fact_is_undecided_and_names_it() {
    use FactName::*;
    let silent = silent();
    assert_eq!(eval("dev.man == 'Acme' && version(detail.fwv) >= version('3.0')", &silent), missing([FwV]));
    assert_eq!(eval("detail.fwv == '1' || detail.hwv == '2'", &silent), missing([FwV, HwV]));
    assert_eq!(eval("has(detail.swv)", &silent), missing([Detail]));
    assert_eq!(eval("dev.lang == 'en' || ua.contains('x')", &silent), missing([Lang, UserAgent]));
    assert_eq!(eval("!installed.exists(c, c.id == 'app')", &silent), missing([Installed]));
    assert_eq!(eval("installed.exists(c, c.id == 'lib' && c.version == '1')", &told()), missing([InstalledVersion]));
    assert_eq!(eval("detail.swv == '1'", &told()), missing([SwV]));
}

#[test]
fn an_absent_fact_does_not_matter_where_the_rest_decides() {
    let silent = silent();
    for rule in
        ["false && detail.fwv == '1'", "detail.fwv == '1' && dev.man == 'Other'", "ua == 'x' && size(tags) == 0"]
    {
        assert_eq!(eval(rule, &silent), Verdict::No, "{rule}");
    }
    for rule in ["true || detail.fwv == '1'", "detail.fwv == '1' || dev.man == 'Acme'"] {
        assert_eq!(eval(rule, &silent), Verdict::Yes, "{rule}");
    }
    assert_eq!(eval("installed.exists(c, c.version == '1.9')", &told()), Verdict::Yes, "whatever `lib` is");
}

#[test]
fn a_source_that_was_read_is_not_read_again() {
    assert!(FactName::FwV.source().can_be_read(&silent()) && !FactName::SwV.source().can_be_read(&told()));
    assert!(FactSource::Inventory.can_be_read(&silent()) && !FactName::Man.source().can_be_read(&silent()));
}

#[test]
fn a_rule_that_makes_no_sense_on_a_device_is_broken() {
    for (rule, why) in [
        ("dev.man > 1", "no matching overload"),
        ("size(tags)", "no bool"),
        ("version('') == version('1')", "version must not be empty"),
        ("version('1') > '0'", "no matching overload"),
        ("tags[7] == 'x'", "out of bounds"),
        ("1 / 0 == 1", "Division by zero"),
        ("9223372036854775807 + 1 > 0", "Overflow"),
    ] {
        let found = eval(rule, &told());
        assert!(matches!(&found, Verdict::Broken { why: found } if found.contains(why)), "{rule}: {found:?}");
    }
}

#[test]
fn a_misspelt_name_is_found_when_the_rule_is_loaded() {
    for (rule, name) in [
        ("detail.fmv == '1'", "detail.fmv"),
        ("device.man == 'x'", "device.man"),
        ("dev == dev", "dev"),
        ("dev['man'] == 'x'", "dev"),
        ("installed.id == 'x'", "installed.id"),
        ("tags.exists(t, u == 'x')", "u"),
        ("installed.exists(c, c.vesion == '1')", "….vesion"),
    ] {
        assert_eq!(Rule::parse(rule), Err(RuleError::UnknownFact { name: name.to_owned() }), "{rule}");
    }
    assert!(matches!(Rule::parse("matches(ua, 'x')"), Err(RuleError::UnknownFunction { name }) if name == "matches"));
    assert!(matches!(Rule::parse("optional.none() == 1"), Err(RuleError::UnknownFunction { .. })));
    assert!(matches!(Rule::parse("dev.man = 'x'"), Err(RuleError::Syntax { column: 9, .. })));
    assert!(matches!(Rule::parse(""), Err(RuleError::Syntax { .. })));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for text in [
        "r'\\' == 'x'",
        "b'x' == b'x'",
        "'''[''' == 'x'",
        "\"\"\"x\"\"\" == 'x'",
        "true // [[[",
        "'\\q[' == 'x'",
        "'a\n' == 'x'",
        "'open",
        "dev.`man` == 'x'",
        "dev.?man == 'x'",
        "{'a': 1}.a == 1",
        "détail == 1",
        "true)",
        "true; false",
    ] {
        assert!(Rule::parse(text).is_err(), "{text}");
    }
    assert_eq!(eval(r#"'it\'s \\ "' == "it's \\ \"""#, &silent()), Verdict::Yes);
}

#[test]
fn loops_are_few_and_their_work_is_bounded() {
    let two = "installed.exists(a, installed.exists(b, a.id != b.id && a.version == b.version))";
    let three = "tags.all(a, tags.all(b, tags.all(c, a != b || b != c)))";
    assert!(Rule::parse(two).is_ok());
    assert_eq!(Rule::parse(three), Err(RuleError::Loop));
    assert_eq!(Rule::parse("(tags + tags).all(t, true)"), Err(RuleError::Loop));
    assert_eq!(Rule::parse("tags.map(t, tags).all(t, t.all(u, true))"), Err(RuleError::Loop));
    assert!(Rule::parse("tags.filter(t, t != 'x').map(t, size(t)).filter(n, n > 1).exists(n, n == 2)").is_ok());

    let mut crowded = told();
    crowded.installed = Some((0..2000).map(|n| component(&format!("c{n}"), Some("1"))).collect());
    assert!(matches!(eval(two, &crowded), Verdict::Broken { why } if why.contains("steps")));
    assert_eq!(eval("installed.exists(c, c.id == 'c1999')", &crowded), Verdict::Yes);
}

#[test]
fn a_rule_travels_as_its_text() {
    let rule = Rule::parse("dev.man == 'Acme'").unwrap();
    let json = serde_json::to_string(&rule).unwrap();
    assert_eq!(json, "\"dev.man == 'Acme'\"");
    assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
    assert!(serde_json::from_str::<Rule>("\"dev.\"").is_err());
    for fact in FactName::ALL {
        assert_eq!(serde_json::to_value(fact).unwrap(), fact.as_str(), "{fact}");
    }
}

/// Runs on half the stack of a worker thread: text that overflows it kills the test.
fn on_a_small_stack(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(1 << 20);
        worker.spawn_scoped(scope, work).unwrap().join().unwrap();
    });
}

fn deep(n: usize) -> Vec<String> {
    let wraps = [
        ("[", "1", "]"),
        ("(", "true", ")"),
        ("{", "1", "}"),
        ("size(", "'a'", ")"),
        ("!(", "true", ")"),
        ("tags[", "0", "]"),
        ("1+(", "1", ")"),
        ("'a'.contains(", "'a'", ")"),
        ("true?(", "true", "):true"),
        ("true?true:(", "true", ")"),
        ("true&&!(", "true", "||false)"),
        ("tags.all(t,", "true", ")"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("true?", "true", ":true"),
        ("true?true:", "true", ""),
        ("'[", "'", "]"),
        ("", "tags[0]", ".id"),
        ("", "tags", "[0]"),
        ("", "1", "+1"),
        ("", "1", "<1"),
        ("", "'a'", ".contains('a')"),
        ("", "true", "&&true"),
        ("", "true", "||dev.man=='x'&&true"),
        ("", "1", " in [1]"),
        ("", "tags", ".map(t,t)"),
    ];
    let mut texts = Vec::new();
    for (open, middle, close) in wraps {
        texts.push(format!("{}{middle}{}", open.repeat(n), close.repeat(n)));
        if !open.is_empty() {
            texts.push(format!("{}{middle}", open.repeat(n)));
        }
        texts.push(format!("{}{middle}{}==1", open.repeat(n), close.repeat(n)));
    }
    texts
}

#[test]
fn deep_text_never_overflows_the_stack() {
    on_a_small_stack(|| {
        for n in [1, 2, 5, 7, 10, 12, 15, 20, 22, 23, 30, 60, 64, 500, 5000, 10_000] {
            for text in deep(n) {
                let rule = Rule::parse(&text);
                if let Ok(rule) = &rule {
                    let _ = (rule.eval(&told()), rule.eval(&silent()));
                }
                assert!(n <= 500 || rule.is_err(), "{n} times: {}…", text.get(..40).unwrap_or(&text));
            }
        }
    });
}

#[test]
fn text_is_bounded_before_it_is_parsed() {
    assert_eq!(Rule::parse(&" ".repeat(4097)), Err(RuleError::TooLong(4097)));
    assert_eq!(Rule::parse(&format!("true{}", "&&true".repeat(300))), Err(RuleError::TooManyTokens));
    assert!(matches!(Rule::parse(&"[".repeat(20)), Err(RuleError::TooDeep { column: 16 })));
    assert_eq!(Rule::parse(&format!("1{}==1", "+1".repeat(30))), Err(RuleError::TooDeepTree));
    assert!(Rule::parse(&format!("dev.mod in ['M0'{}]", ",'M1'".repeat(240))).is_ok());
    assert!(Rule::parse(&format!("true{}", "&&dev.man!='M1'".repeat(80))).is_ok());
}

/// Pieces that make rules, and some that break them.
const PIECES: &str = "dev detail installed tags ua . man fwv exists map has version size ( ) [ ] { } , && || ! - + * / % == != < >= ? : \
    in 'a' \"b\" ' \" \\ 1 0.5 9223372036854775808 1u 0x 1e999 null true x \n // r' ''' ` @ $ é ; = & | 1. _ as for type";

fn soup() -> impl Strategy<Value = String> {
    let pieces: Vec<_> = PIECES.split(' ').chain([" "]).collect();
    prop::collection::vec(prop::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_a_rule_or_an_error(text in prop_oneof![3 => soup(), 1 => "\\PC{0,60}"]) {
        on_a_small_stack(|| {
            if let Ok(rule) = Rule::parse(&text) {
                let _ = (rule.eval(&silent()), rule.eval(&told()));
            }
        });
    }
}
