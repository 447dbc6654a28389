mod command;

use serde_json::{Value, json};

use super::*;
use crate::model::rule::FactSource;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn caller() -> RequestSource {
    RequestSource::parse("cli").unwrap()
}

fn download() -> Value {
    json!({
        "schema": "scomo.request/1", "request_id": "r-1", "source": "oss/campaigns", "priority": 7, "kind": "download",
        "targets": { "devices": ["IMEI:490154203237518", "urn:uuid:ab"] },
        "package": { "id": "org.example.player", "version": ">=2.1" }, "action": "install", "delivery": "direct",
        "schedule": { "deadline": "2030-01-01T00:00:00Z" }, "retry": { "limit": 1, "backoff": "1m" },
        "notify": "never", "if_unknown_device": "wait", "allow_downgrade": true,
    })
}

fn operation(more: &Value) -> Value {
    with(&json!({ "request_id": "r", "kind": "operation", "targets": { "devices": ["d"] } }), more)
}

fn with(value: &Value, more: &Value) -> Value {
    let mut value = value.clone();
    for (name, member) in more.as_object().unwrap() {
        if member.is_null() {
            value.as_object_mut().unwrap().remove(name)
        } else {
            value.as_object_mut().unwrap().insert(name.clone(), member.clone())
        };
    }
    value
}

fn read(value: &Value) -> Result<Request, Problem> {
    Request::from_value(value, &caller(), NOW)
}

fn faults(value: &Value) -> Vec<String> {
    read(value).unwrap_err().errors.iter().map(|f| format!("{} {}", f.pointer, f.code)).collect()
}

#[test]
fn a_full_download_is_taken_as_it_is_meant() {
    let request = Request::read(download().to_string().as_bytes(), &caller(), NOW).unwrap();
    assert_eq!(request.request_id.as_str(), "r-1");
    assert_eq!(request.source.as_str(), "oss/campaigns");
    assert_eq!(
        (request.priority, request.notify, request.if_unknown_device),
        (7, Notify::Never, IfUnknownDevice::Wait)
    );
    assert_eq!(request.retry, RetryRule { limit: 1, backoff: Duration::from_mins(1) });
    assert_eq!(request.deadline, Timestamp::parse("2030-01-01T00:00:00Z").ok());
    assert_eq!(request.targets.named().len(), 2);
    let Work::Download { package, action, delivery, allow_downgrade } = request.work.clone() else {
        panic!("{request:?}")
    };
    assert_eq!((action, delivery, allow_downgrade), (Action::Install, Delivery::Direct, true));
    assert_eq!(package.unwrap().version.unwrap().as_str(), ">=2.1");
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&stored).unwrap(), request);
}

#[test]
fn what_is_left_out_has_its_default() {
    let short = json!({ "request_id": "r", "kind": "download", "action": "deliver", "targets": { "devices": ["d"] } });
    let request = read(&short).unwrap();
    assert_eq!(request.source, caller());
    assert_eq!((request.priority, request.deadline, request.retry), (5, None, RetryRule::default()));
    let none =
        Work::Download { package: None, action: Action::Deliver, delivery: Delivery::Auto, allow_downgrade: false };
    assert_eq!(request.work, none);
}

#[test]
fn an_operation_is_on_a_package_or_on_a_component() {
    let component = json!({ "id": "org.example.app" });
    for word in ["activate", "deactivate", "remove"] {
        let request = read(&operation(&json!({ "operation": word, "component": component }))).unwrap();
        let Work::ComponentOperation { operation, component } = request.work else { panic!("{word}") };
        assert_eq!((serde_json::to_value(operation).unwrap(), component.as_str()), (json!(word), "org.example.app"));
    }
    for word in ["install", "install-inactive", "remove"] {
        let request = read(&operation(&json!({ "operation": word, "package": { "id": "p" } }))).unwrap();
        let Work::PackageOperation { operation, package } = request.work else { panic!("{word}") };
        assert_eq!((serde_json::to_value(operation).unwrap(), package.id.as_str()), (json!(word), "p"));
    }
}

#[test]
fn an_operation_on_the_wrong_thing_is_refused() {
    let both = json!({ "operation": "remove", "component": { "id": "c" }, "package": { "id": "p" } });
    assert_eq!(faults(&operation(&both)), ["/package misplaced_field"]);
    let none = json!({ "operation": "remove" });
    assert_eq!(faults(&operation(&none)), ["/package missing_field"]);
    let swapped = json!({ "operation": "activate", "package": { "id": "p" } });
    assert_eq!(faults(&operation(&swapped)), ["/package misplaced_field", "/component missing_field"]);
    let mixed = json!({ "operation": "install", "package": { "id": "p" }, "action": "install" });
    assert_eq!(faults(&operation(&mixed)), ["/action misplaced_field"]);
    assert_eq!(faults(&with(&download(), &json!({ "operation": "remove" }))), ["/operation misplaced_field"]);
}

#[test]
fn a_question_to_the_user_has_a_text_by_language_or_none() {
    let ask = |confirm: Value| read(&with(&download(), &json!({ "confirm": confirm })));
    let confirm =
        ask(json!({ "text": { "en": "Install?", "de": "Soll es?" }, "if_no_ui": "proceed" })).unwrap().confirm;
    let confirm = confirm.unwrap();
    assert_eq!((confirm.text.unwrap().pick(Some("de-AT")), confirm.if_no_ui), ("Soll es?", IfNoUi::Proceed));
    let confirm = ask(json!({})).unwrap().confirm.unwrap();
    assert_eq!(confirm, Confirm { text: None, if_no_ui: IfNoUi::Stop });
    let bad = |confirm: Value| faults(&with(&download(), &json!({ "confirm": confirm })));
    assert_eq!(bad(json!({ "text": {} })), ["/confirm/text empty"]);
    assert_eq!(bad(json!({ "text": { "en": 1 } })), ["/confirm/text/en wrong_type"]);
    assert_eq!(bad(json!({ "text": { "e/n": "Install?" } })), ["/confirm/text/e~1n invalid_text"]);
    assert_eq!(
        bad(json!({ "if_no_ui": "ask", "txt": 1 })),
        ["/confirm/if_no_ui unknown_value", "/confirm/txt unknown_field"]
    );
    assert_eq!(
        read(&download()).unwrap().digest(),
        read(&with(&download(), &json!({ "confirm": null }))).unwrap().digest()
    );
}

#[test]
fn every_fault_is_told_at_once() {
    let bad = json!({
        "schema": "scomo.request/2", "source": 7, "priority": 10, "kind": "download", "pakage": {},
        "targets": { "devices": ["d", "", "imei:490154203237518", "490154203237518"] },
        "package": { "id": "a/b", "version": ">>2", "size": 1 }, "action": "instal", "delivery": "air",
        "schedule": { "deadline": "2000-01-01T00:00:00" }, "retry": { "limit": -1, "backoff": "0s" },
        "notify": true, "if_unknown_device": "skip", "allow_downgrade": "no",
    });
    assert_eq!(
        faults(&bad),
        [
            "/schema unknown_value",
            "/request_id missing_field",
            "/source wrong_type",
            "/priority out_of_range",
            "/package/id invalid_name",
            "/package/version invalid_version_rule",
            "/package/size unknown_field",
            "/action unknown_value",
            "/delivery unknown_value",
            "/allow_downgrade wrong_type",
            "/targets/devices/1 invalid_name",
            "/targets/devices/3 duplicate",
            "/schedule/deadline invalid_time",
            "/retry/limit out_of_range",
            "/retry/backoff out_of_range",
            "/notify wrong_type",
            "/if_unknown_device unknown_value",
            "/pakage unknown_field",
        ]
    );
}

#[test]
fn what_comes_later_is_refused_by_name() {
    let problem = read(&with(&download(), &json!({ "kind": "bootstrap" }))).unwrap_err();
    assert_eq!((problem.status(), problem.errors.len()), (422, 1));
    assert_eq!(problem.errors[0].code, Code::NotSupportedYet);
    assert_eq!(faults(&with(&download(), &json!({ "kind": "upload" }))), ["/kind unknown_value"]);
}

fn scheduled(schedule: &Value) -> Value {
    with(&download(), &json!({ "schedule": schedule }))
}

#[test]
fn a_schedule_says_when_something_may_be_begun() {
    let window = json!({ "cron": "0  2 * * MON-fri", "minutes": 120, "time_zone": "europe/paris" });
    let request = read(&scheduled(&json!({ "not_before": "2023-12-01T00:00:00Z", "window": window }))).unwrap();
    assert_eq!(request.deadline, None);
    assert_eq!(request.schedule.not_before, Timestamp::parse("2023-12-01T00:00:00Z").ok());
    let stored = serde_json::to_value(&request).unwrap();
    assert_eq!(
        stored["schedule"]["window"],
        json!({ "cron": "0 2 * * MON-fri", "minutes": 120, "time_zone": "Europe/Paris" })
    );
    assert_eq!(serde_json::from_value::<Request>(stored).unwrap(), request);
    let other = scheduled(&json!({ "not_before": "2023-12-01T00:00:00Z" }));
    assert_ne!(read(&other).unwrap().digest(), request.digest());
    assert_eq!(
        read(&scheduled(&json!({}))).unwrap().digest(),
        read(&with(&download(), &json!({ "schedule": null }))).unwrap().digest()
    );
}

#[test]
fn a_schedule_that_is_none_is_refused_with_the_place() {
    let bad = |window: Value| faults(&scheduled(&json!({ "window": window })));
    assert_eq!(
        bad(json!({ "cron": "0 2 * *", "minutes": 0, "time_zone": "Europe/Atlantis", "until": 1 })),
        [
            "/schedule/window/cron invalid_cron",
            "/schedule/window/minutes out_of_range",
            "/schedule/window/time_zone invalid_time_zone",
            "/schedule/window/until unknown_field",
        ]
    );
    assert_eq!(
        bad(json!({})),
        [
            "/schedule/window/cron missing_field",
            "/schedule/window/minutes missing_field",
            "/schedule/window/time_zone missing_field"
        ]
    );
    assert_eq!(bad(json!({ "cron": 2, "minutes": 10081, "time_zone": 1 })).len(), 3);
    assert_eq!(faults(&scheduled(&json!({ "not_before": "soon", "window": "night" }))).len(), 2);
}

#[test]
fn a_schedule_must_leave_a_moment_before_the_deadline() {
    let fits = |schedule: Value, days: u64| {
        let deadline = NOW.after(Duration::from_hours(days * 24));
        let request = read(&scheduled(&schedule)).unwrap();
        let found = request.fits(NOW, deadline, Duration::from_hours(365 * 24));
        found.map_err(|problem| format!("{} {}", problem.errors[0].pointer, problem.errors[0].code))
    };
    let window = |cron: &str| json!({ "window": { "cron": cron, "minutes": 60, "time_zone": "UTC" } });
    assert_eq!(fits(json!({}), 365), Ok(()));
    assert_eq!(fits(json!({}), 366), Err("/schedule/deadline out_of_range".to_owned()));
    assert_eq!(fits(window("0 2 * * *"), 1), Ok(()));
    // NOW is a Tuesday.
    assert_eq!(fits(window("0 2 * * mon"), 5), Err("/schedule/window never_opens".to_owned()));
    assert_eq!(fits(window("0 2 30 2 *"), 365), Err("/schedule/window never_opens".to_owned()));
    let late = json!({ "not_before": "2023-11-16T00:00:00Z" });
    assert_eq!(fits(late.clone(), 2), Ok(()));
    assert_eq!(fits(late, 1), Err("/schedule/not_before never_opens".to_owned()));
}

#[test]
fn a_failure_budget_is_a_number_of_jobs() {
    let budget = |budget: Value| with(&download(), &json!({ "failure_budget": budget }));
    let request = read(&budget(json!({ "failed": 0 }))).unwrap();
    assert_eq!(request.failure_budget, Some(FailureBudget { failed: 0 }));
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&stored).unwrap(), request);
    assert_ne!(request.digest(), read(&download()).unwrap().digest());
    let refused = |value: Value| faults(&budget(value));
    assert_eq!(refused(json!({})), ["/failure_budget/failed missing_field"]);
    assert_eq!(refused(json!(5)), ["/failure_budget wrong_type"]);
    assert_eq!(
        refused(json!({ "failed": -1, "percent": 5 })),
        ["/failure_budget/failed out_of_range", "/failure_budget/percent unknown_field"]
    );
}

#[test]
fn what_is_to_be_collected_is_a_closed_set_and_may_be_nothing() {
    let collected = |more: Value| read(&with(&download(), &more)).unwrap().collect();
    assert_eq!(collected(json!({})), Collect::default());
    let nothing = collected(json!({ "collect": [] }));
    assert_eq!((nothing.sources.unwrap().len(), nothing.max_age), (0, None));
    let both = collected(json!({ "collect": ["inventory", "devdetail"], "collect_max_age": "0s" }));
    assert!(both.names(FactSource::DevDetail) && both.names(FactSource::Inventory));
    assert_eq!(both.max_age, Some(Duration::ZERO));
    let refused = |more: Value| faults(&with(&download(), &more));
    assert_eq!(refused(json!({ "collect": ["devinfo"] })), ["/collect/0 unknown_value"]);
    assert_eq!(refused(json!({ "collect": ["inventory", "inventory"] })), ["/collect/1 duplicate"]);
    assert_eq!(refused(json!({ "collect": "inventory" })), ["/collect wrong_type"]);
    assert_eq!(refused(json!({ "collect_max_age": "3651d" })), ["/collect_max_age out_of_range"]);
    assert_eq!(refused(json!({ "collect_max_age": 60 })), ["/collect_max_age wrong_type"]);
}

#[test]
fn a_request_that_only_collects_names_nothing_else() {
    let inventory =
        |more: Value| with(&json!({ "request_id": "r", "kind": "inventory", "targets": { "devices": ["d"] } }), &more);
    let request = read(&inventory(json!({}))).unwrap();
    assert_eq!((request.work.clone(), request.collect()), (Work::Inventory, Collect::default()));
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&stored).unwrap(), request);
    let one = read(&inventory(json!({ "collect": ["devdetail"], "collect_max_age": "1h" }))).unwrap();
    assert!(one.collect().allows(FactSource::DevDetail) && !one.collect().allows(FactSource::Inventory));
    let stored = serde_json::to_string(&one).unwrap();
    assert!(stored.contains(r#""collect":["devdetail"],"collect_max_age":"1h""#), "{stored}");
    assert_eq!(serde_json::from_str::<Request>(&stored).unwrap(), one);
    assert_eq!(faults(&inventory(json!({ "collect": [] }))), ["/collect empty"]);
    let misplaced = json!({ "package": { "id": "p" }, "component": { "id": "c" }, "operation": "remove", "action": "install",
        "delivery": "auto", "allow_downgrade": false });
    assert_eq!(
        faults(&inventory(misplaced)),
        [
            "/package misplaced_field",
            "/component misplaced_field",
            "/operation misplaced_field",
            "/action misplaced_field",
            "/delivery misplaced_field",
            "/allow_downgrade misplaced_field",
        ]
    );
}

#[test]
fn devices_are_named_or_come_from_a_list_or_a_filter() {
    let of = |targets: Value| with(&download(), &json!({ "targets": targets }));
    let list = read(&of(json!({ "list": "fleet north" }))).unwrap();
    assert_eq!(list.targets, Targets::List(ListName::parse("fleet north").unwrap()));
    let filter = read(&of(json!({ "filter": "dev.man == 'Acme'" }))).unwrap();
    assert_eq!(filter.targets, Targets::Filter(Rule::parse("dev.man == 'Acme'").unwrap()));
    for request in [&list, &filter] {
        let stored = serde_json::to_string(request).unwrap();
        assert!(stored.contains(r#""devices":[]"#), "for releases that know nothing else: {stored}");
        assert_eq!(&serde_json::from_str::<Request>(&stored).unwrap(), request);
        assert!(request.targets.named().is_empty());
    }
    let digests = [&list, &filter, &read(&download()).unwrap()].map(Request::digest);
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
    assert_ne!(digests[0], read(&of(json!({ "list": "fleet south" }))).unwrap().digest());
}

#[test]
fn exactly_one_way_to_name_devices_is_taken() {
    let refused = |targets: Value| faults(&with(&download(), &json!({ "targets": targets })));
    assert_eq!(refused(json!({})), ["/targets/devices missing_field"]);
    assert_eq!(refused(json!({ "devices": ["d"], "list": "l" })), ["/targets/list misplaced_field"]);
    assert_eq!(refused(json!({ "list": "l", "filter": "true" })), ["/targets/filter misplaced_field"]);
    assert_eq!(
        refused(json!({ "filter": "true", "list": "l", "devices": ["d"], "lists": [] })),
        ["/targets/list misplaced_field", "/targets/filter misplaced_field", "/targets/lists unknown_field"]
    );
    assert_eq!(refused(json!({ "list": "" })), ["/targets/list invalid_name"]);
    assert_eq!(refused(json!({ "list": ["l"] })), ["/targets/list wrong_type"]);
    for rule in ["dev.colour == 'red'", "dev.man ==", "", "launch()"] {
        assert_eq!(refused(json!({ "filter": rule })), ["/targets/filter invalid_rule"], "{rule}");
    }
    assert_eq!(refused(json!({ "filter": true })), ["/targets/filter wrong_type"]);
}

#[test]
fn too_many_devices_are_refused_in_one_sentence_that_says_what_to_do() {
    let many: Value = (0..100_000).collect();
    let problem = read(&with(&download(), &json!({ "targets": { "devices": many } }))).unwrap_err();
    assert_eq!(problem.errors.len(), 1);
    let said = "/targets/devices: has 100000 members, at most 10000 are taken: a request names up to 10,000 devices; for more, \
        upload a target list and name that in `targets.list`";
    assert_eq!(problem.detail, said);
    let problem = Request::read(&vec![b' '; Request::MOST_BYTES + 1], &caller(), NOW).unwrap_err();
    assert_eq!(problem.code, Code::TooLarge);
    assert!(problem.detail.ends_with("upload a target list and name that in `targets.list`"), "{problem}");
}

#[test]
fn a_request_without_devices_or_with_too_many_is_refused() {
    let devices = |list: Value| with(&download(), &json!({ "targets": { "devices": list } }));
    assert_eq!(faults(&devices(json!([]))), ["/targets/devices empty"]);
    let many = |n: usize| devices((0..n).map(|i| format!("d{i}")).collect());
    assert_eq!(faults(&many(10_001)), ["/targets/devices too_many"]);
    assert_eq!(read(&many(10_000)).unwrap().targets.named().len(), 10_000);
    assert_eq!(faults(&with(&download(), &json!({ "targets": null }))), ["/targets missing_field"]);
    assert_eq!(faults(&json!([])), [" wrong_type"]);
}

#[test]
fn a_past_deadline_is_told_when_a_new_request_is_stored_and_never_to_a_repeated_one() {
    let past = with(&download(), &json!({ "schedule": { "deadline": "2000-01-01T00:00:00Z" } }));
    let request = read(&past).unwrap();
    let problem = request.in_time(NOW).unwrap_err();
    assert_eq!(
        (problem.errors[0].pointer.as_str(), problem.errors[0].code),
        ("/schedule/deadline", Code::PastDeadline)
    );
    assert_eq!(
        faults(&with(&past, &json!({ "colour": 1 }))),
        ["/colour unknown_field", "/schedule/deadline past_deadline"]
    );
    assert!(read(&download()).unwrap().in_time(NOW).is_ok());
}

#[test]
fn identity_is_the_content_and_not_its_spelling() {
    let digest = |value: &Value| read(value).unwrap().digest();
    let reordered = r#"{ "kind": "download", "targets": { "devices": ["URN:UUID:AB", "490154203237518"] }, "allow_downgrade": true,
        "if_unknown_device": "wait", "notify": "never", "retry": { "backoff": "60s", "limit": 1 }, "action": "install",
        "schedule": { "deadline": "2030-01-01T01:00:00+01:00" }, "delivery": "direct", "priority": 7, "source": "oss/campaigns",
        "package": { "version": ">=2.1", "id": "org.example.player" }, "request_id": "r-1" }"#;
    assert_eq!(digest(&download()), Request::read(reordered.as_bytes(), &caller(), NOW).unwrap().digest());
    let short = json!({ "request_id": "r", "kind": "download", "action": "install", "targets": { "devices": ["d"] } });
    let spelt_out =
        json!({ "priority": 5, "notify": "auto", "delivery": "auto", "allow_downgrade": false, "source": "cli" });
    assert_eq!(digest(&short), digest(&with(&short, &spelt_out)));
    for other in [
        json!({ "priority": 6 }),
        json!({ "action": "deliver" }),
        json!({ "targets": { "devices": ["urn:uuid:ab"] } }),
        json!({ "package": null }),
        json!({ "schedule": null }),
        json!({ "collect": [] }),
        json!({ "collect_max_age": "24h" }),
    ] {
        assert_ne!(digest(&download()), digest(&with(&download(), &other)), "{other}");
    }
}

#[test]
fn the_canonical_form_does_not_drift() {
    let form = String::from_utf8(read(&download()).unwrap().canonical()).unwrap();
    assert_eq!(
        form,
        r#"{"request":{"request_id":"r-1","source":"oss/campaigns","priority":7,"work":{"kind":"download","package":{"id":"org.example.player","version":">=2.1"},"action":"install","delivery":"direct","allow_downgrade":true},"devices":[],"deadline":"2030-01-01T00:00:00Z","retry":{"limit":1,"backoff":"1m"},"notify":"never","if_unknown_device":"wait"},"devices":["IMEI:490154203237518","urn:uuid:ab"]}"#
    );
}
