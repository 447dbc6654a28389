//! Reports: which Exec they belong to, and what is done while none comes.

use super::{
    ALTERNATE, World,
    device::{Device, Manner},
    download,
};
use crate::{
    model::{id::Correlator, tree::Branch},
    scomo::{
        object,
        outcome::{ReportItem, ResultCode},
        procedure::{
            errand::Action,
            turn::{Ending, FailureClass, Input},
        },
    },
};

fn report(correlator: Option<&Correlator>, source: &str, codes: &[u16], identifier: Option<&str>) -> Input {
    let identifier = identifier.map(str::to_owned);
    let item = |n: &u16| ReportItem { code: ResultCode::new(*n), identifier: identifier.clone(), target: None };
    let results = codes.iter().map(item).collect();
    Input::Report { correlator: correlator.cloned(), source: source.to_owned(), results }
}

/// A job that waits for the report of an alternate download.
fn waiting() -> (World, String) {
    let mut world = World::new(Device::new(Manner::Async(1200)), download(Action::Install));
    world.way = ALTERNATE;
    assert_eq!(world.session([]), None);
    (world, format!("Download/{}", object::entry_name(super::PKG_ID, &[])))
}

#[test]
fn a_report_finds_its_exec_by_correlator_source_or_identifier() {
    let (world, at) = waiting();
    let own = world.awaited.clone();
    let operation = format!("./SCOMO/{at}/Operations/DownloadInstall");
    for (found, input) in [
        (true, report(own.as_ref(), "./elsewhere", &[1402], None)),
        (true, report(None, &operation, &[1402], None)),
        (true, report(None, "./SCOMO", &[1402], None)),
        (true, report(None, "", &[1402], Some(super::PKG_ID))),
        (true, report(None, "", &[1402], Some("ORG.example.player.app"))),
        (false, report(Correlator::parse("someone-elses").ok().as_ref(), &operation, &[1402], None)),
        (false, report(None, "./SCOMO/Download/other/Operations/DownloadInstall", &[1402], None)),
        (false, report(None, "", &[1402], Some("other"))),
    ] {
        let (mut world, _) = waiting();
        assert_eq!(world.awaited, own, "the world repeats itself");
        world.feed(input.clone());
        assert_eq!(world.ending.is_some(), found, "{input:?}");
    }
}

#[test]
fn a_failure_among_several_components_fails_the_whole() {
    let (mut world, at) = waiting();
    world.device.report();
    let source = format!("./SCOMO/{at}");
    world.feed(report(None, &source, &[1200, 1405], None));
    let Some(Ending::Failed(failure)) = &world.ending else { panic!("{:?}", world.ending) };
    assert_eq!(failure.code, Some(ResultCode::new(1405)));
}

#[test]
fn a_failure_of_a_superseded_attempt_is_history() {
    let (mut world, _) = waiting();
    let old = world.awaited.take();
    world.device.running = None;
    let at = format!("Download/{}/Status", object::entry_name(super::PKG_ID, &[]));
    world.device.set(&at, "20");
    world.procedure = world.procedure.clone().again();
    assert_eq!(world.session([]), None);
    assert_ne!(world.awaited, old, "a fresh correlator for each attempt");
    world.feed(report(old.as_ref(), "", &[1402], None));
    assert_eq!(world.ending, None);
    assert!(world.notes.iter().any(|n| n.contains("no longer counts")));
}

#[test]
fn a_success_of_a_superseded_attempt_counts_once_the_inventory_shows_it() {
    let (mut world, at) = waiting();
    let old = world.awaited.clone();
    world.device.running = None;
    world.device.set(&format!("{at}/Status"), "20");
    world.procedure = world.procedure.clone().again();
    assert_eq!(world.session([]), None);
    world.session([report(old.as_ref(), "", &[1200], None)]);
    assert_eq!(world.ending, None, "the inventory shows nothing yet");
    world.device.deploy(super::PKG_ID, "20");
    world.device.set(&format!("{at}/Status"), "10");
    let code = Some(ResultCode::SUCCESS);
    assert_eq!(world.session([]), Some(Ending::Succeeded { code, confirmed: true }));
}

#[test]
fn a_report_that_cannot_be_read_lets_the_tree_decide() {
    let (mut world, at) = waiting();
    world.device.report();
    world.feed(report(None, &format!("./SCOMO/{at}"), &[], None));
    assert_eq!(world.ending, Some(Ending::Succeeded { code: None, confirmed: true }));
}

#[test]
fn a_report_told_twice_has_one_effect() {
    let (mut world, _) = waiting();
    let report = world.device.report().unwrap();
    world.session([report.clone(), report.clone()]);
    assert!(matches!(world.ending, Some(Ending::Succeeded { .. })));
    let over = world.procedure.clone();
    world.session([report]);
    assert_eq!(world.procedure, over);
}

#[test]
fn while_the_device_works_it_is_left_to_work() {
    let (mut world, at) = waiting();
    for status in ["30", "50"] {
        world.device.set(&format!("{at}/Status"), status);
        world.report_late = true;
        assert_eq!(world.session([]), None, "{status}");
    }
    assert_eq!(world.execs(), 1);
}

#[test]
fn an_overdue_report_is_replaced_by_what_the_tree_says() {
    for (status, deployed, expected) in [
        ("20", None, Some(FailureClass::Silent)),
        ("60", None, Some(FailureClass::Silent)),
        ("10", None, Some(FailureClass::Silent)),
        ("10", Some("20"), None),
        ("40", Some("20"), None),
    ] {
        let (mut world, at) = waiting();
        world.device.set(&format!("{at}/Status"), status);
        if let Some(state) = deployed {
            world.device.deploy(super::PKG_ID, state);
        }
        world.report_late = true;
        match (world.session([]), expected) {
            (Some(Ending::Failed(failure)), Some(class)) => assert_eq!(failure.class, class, "{status}"),
            (Some(Ending::Succeeded { code: None, confirmed: true }), None) => {}
            (other, _) => panic!("{status}: {other:?}"),
        }
    }
}

#[test]
fn an_idle_device_without_a_result_has_until_the_report_is_overdue() {
    let (mut world, at) = waiting();
    world.device.set(&format!("{at}/Status"), "10");
    assert_eq!(world.session([]), None);
    assert_eq!(world.execs(), 1, "it accepted the operation: nothing is repeated");
}

#[test]
fn what_neither_report_nor_tree_tells_is_in_doubt() {
    let (mut world, at) = waiting();
    world.device.set(&format!("{at}/Status"), "99");
    world.device.deploy(super::PKG_ID, "");
    world.device.set("Inventory/Deployed/c1/Version", "2.1.0");
    assert_eq!(world.session([]), None);
    world.report_late = true;
    let Some(Ending::InDoubt { text }) = world.session([]) else { panic!("{:?}", world.ending) };
    assert!(text.contains("does not define"), "{text}");
}

#[test]
fn the_entry_stays_while_something_runs_on_it() {
    let (mut world, at) = waiting();
    let report = world.device.report();
    world.device.set(&format!("{at}/Status"), "50");
    assert!(matches!(world.session(report), Some(Ending::Succeeded { .. })));
    assert!(matches!(world.device.tree.at(&at), Some(Branch::Interior(_))));
}

#[test]
fn t_rpt_1_to_4_the_status_of_the_exec_may_be_the_whole_answer() {
    for (manner, code, device_code) in [
        (Manner::Sync(1200), Some(1200), None),
        (Manner::Sync(1250), Some(1250), None),
        (Manner::Sync(200), None, None),
        (Manner::Sync(1408), Some(1408), None),
        (Manner::Sync(1551), Some(1551), None),
        (Manner::Refuse(403), None, Some(403)),
        (Manner::Refuse(405), None, Some(405)),
        (Manner::Refuse(425), None, Some(425)),
    ] {
        for way in [ALTERNATE, super::Way::Direct] {
            let mut world = World::new(Device::new(manner), download(Action::Install));
            world.way = way;
            let ending = world.session([]);
            assert_eq!(world.awaited, None, "{manner:?}: no report is awaited");
            let found = match ending.unwrap() {
                Ending::Succeeded { code: found, .. } => {
                    assert!(found.is_none_or(ResultCode::is_ok), "{manner:?}");
                    (found, None)
                }
                Ending::Failed(failure) => {
                    assert!(!failure.code.is_some_and(ResultCode::is_ok), "{manner:?}");
                    (failure.code, failure.device_code)
                }
                other @ (Ending::AlreadyDone
                | Ending::Declined { .. }
                | Ending::NotApplicable { .. }
                | Ending::InDoubt { .. }) => panic!("{manner:?}: {other:?}"),
            };
            assert_eq!((found.0.map(ResultCode::number), found.1), (code, device_code), "{manner:?}");
        }
    }
}

#[test]
fn t_rpt_10_and_12_a_result_counts_in_whatever_shape_and_never_by_its_mark() {
    for data in ["1405", "<ResultCode>1405</ResultCode>", "&lt;ResultCode&gt;1405&lt;/ResultCode&gt;"] {
        let (mut world, at) = waiting();
        let item = ReportItem::parse(data, None).unwrap();
        world.feed(Input::Report { correlator: None, source: format!("./SCOMO/{at}"), results: vec![item] });
        let Some(Ending::Failed(failure)) = &world.ending else { panic!("{data}: {:?}", world.ending) };
        assert_eq!(failure.code, Some(ResultCode::new(1405)), "{data}");
    }
}
