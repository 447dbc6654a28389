use super::*;
use crate::sim::{
    Event,
    profile::{Aftermath, Stage},
};

const AT: &str = "./SCOMO/Inventory/Deployed/a/Operations/Deactivate";

fn bench(outage: &str) -> Bench {
    Bench::open(&format!("scomo.component = [{{ id = 'a' }}]\noutage = [{{ {outage} }}]"))
}

fn vanish(bench: &mut Bench, body: &str) {
    let Next::Over(end) = bench.answer("", &format!("{body}<Final/>")) else { panic!("the device answered") };
    assert_eq!(end, End::Vanished);
    assert!(bench.device.is_off() && !bench.device.wants_session() && !bench.device.has_work());
}

#[test]
fn a_device_goes_off_in_the_place_of_a_message() {
    let mut bench = bench("message = 3, lasts = '2s'");
    bench.say(&format!("{}<Final/>", command("Get", 2, "./DevInfo/Man")));
    vanish(&mut bench, &put("Add", 2, "./Vendor/A", "chr", "1"));
    assert_eq!((bench.text("Vendor/A"), bench.device.outage().unwrap().as_secs()), ("1", 2));
    bench.device.notify(&notification(0xA7, &[0; 4]));
    bench.device.want_session();
    assert!(bench.device.open("https://dm.example.net/dm").is_none());
    bench.device.come_back();
    assert!(bench.device.wants_session());
    let events = bench.device.take_events();
    assert!(events.iter().any(|e| matches!(e, Event::NotificationIgnored { reason: "the device is off" })));
    assert!(matches!(events.last(), Some(Event::CameBack)));
    // Once is enough.
    bench.sent = read(&bench.device.open("https://dm.example.net/dm").unwrap());
    bench.say(&format!("{}<Final/>", command("Get", 2, "./DevInfo/Man")));
    assert_eq!(bench.codes(), [200, 200]);
}

#[test]
fn an_exec_whose_answer_is_lost_was_accepted_all_the_same() {
    for (then, works, reported) in [("resume", true, true), ("silent", true, false), ("lost", false, false)] {
        let mut bench = bench(&format!("operation = 'Deactivate', moment = 'exec', then = '{then}', session = false"));
        vanish(&mut bench, &exec(2, AT));
        bench.device.come_back();
        assert_eq!((bench.device.has_work(), bench.device.wants_session()), (works, false), "{then}");
        if let Some(work) = bench.device.take_work() {
            bench.device.complete(&work, None);
        }
        assert_eq!((bench.device.has_reports(), bench.device.snapshot().components[0].active), (reported, !works));
        assert_eq!(bench.text("SCOMO/Inventory/Deployed/a/Status"), "10");
    }
}

#[test]
fn an_operation_is_struck_at_its_stage_alone() {
    let mut bench = bench("operation = 'Deactivate', then = 'lost'");
    bench.say(&format!("{}<Final/>", exec(2, AT)));
    assert_eq!(bench.end("<Final/>"), End::Done);
    let work = bench.device.take_work().unwrap();
    assert_eq!(bench.device.strikes(&work, Stage::Install), None);
    assert_eq!(bench.device.strikes(&work, Stage::Start), Some(Aftermath::Lost));
    bench.device.forget(&work);
    bench.device.come_back();
    assert_eq!(bench.device.strikes(&work, Stage::Start), None);
    assert_eq!(bench.text("SCOMO/Inventory/Deployed/a/Status"), "10");
}
