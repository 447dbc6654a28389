use super::*;
use crate::sim::{Ask, Ran};

const AT: &str = "./SCOMO/Inventory/Deployed/net.player/Operations/Deactivate";

/// A device with one component, which was told to deactivate it and has done so.
fn deactivated(profile: &str) -> Bench {
    let mut bench = Bench::open(&format!("scomo.component = [{{ id = 'net.player', version = '1' }}]\n{profile}"));
    bench.say(&format!("{}<Final/>", exec(2, AT)));
    assert_eq!(bench.codes(), [200, 202]);
    bench.finish();
    bench
}

/// The bytes of the next session's first message, and its reports.
fn next(bench: &mut Bench) -> (String, Message) {
    let first = bench.device.open("https://dm.example.net/dm").unwrap();
    bench.sent = read(&first);
    bench.number = 0;
    (String::from_utf8(first.body.clone()).unwrap(), read(&first))
}

/// Takes all alerts of the message that the device sent last, and ends the session.
fn take(bench: &mut Bench, status: u16) -> End {
    let commands = bench.sent.body.commands.clone();
    let taken = commands.iter().filter(|c| c.name() == "Alert").map(|c| {
        let id = c.cmd_id();
        format!("<Status><CmdID>9</CmdID><MsgRef>1</MsgRef><CmdRef>{id}</CmdRef><Cmd>Alert</Cmd><Data>{status}</Data></Status>")
    });
    let body = taken.collect::<String>();
    bench.end(&format!("{body}<Final/>"))
}

fn ran(bench: &Bench) -> Ran {
    bench.device.snapshot().operations.last().unwrap().clone()
}

#[test]
fn a_payload_is_written_as_the_profile_says() {
    let elements = "<ResultCode>1200</ResultCode><Identifier>net.player</Identifier>";
    for (report, bytes, text, format) in [
        ("", "<Data>&lt;ResultCode&gt;1200&lt;/ResultCode&gt;&lt;Iden", elements, Some("chr")),
        ("shape = 'cdata'\nformat = 'text/plain'", "<Data><![CDATA[<ResultCode>1200<", elements, Some("text/plain")),
        ("shape = 'elements'\nformat = ''", "<Data><ResultCode>1200</ResultCode><Iden", elements, None),
        ("shape = 'integer'", "<Data>1200</Data>", "1200", Some("chr")),
        ("shape = 'integer-fumo'", "<Data>1200</Data>", "1200", Some("int")),
    ] {
        let mut bench = deactivated(&format!("[device.report]\n{report}"));
        let (raw, message) = next(&mut bench);
        assert!(raw.contains(bytes), "{report}: {raw}");
        let item = &reports(&message)[0].items[0];
        assert_eq!(item.data.as_ref().unwrap().text(), Some(text), "{report}");
        assert_eq!(item.meta.format.as_deref(), format, "{report}");
    }
}

#[test]
fn what_an_identifier_holds_cannot_break_a_shape() {
    for shape in ["cdata", "elements"] {
        let id = "a&b<c>";
        let mut bench = Bench::open(&format!("report.shape = '{shape}'\nscomo.component = [{{ id = '{id}' }}]"));
        let node = bench.device.snapshot().components[0].node.clone();
        bench.say(&format!("{}<Final/>", exec(2, &format!("./SCOMO/Inventory/Deployed/{node}/Operations/Deactivate"))));
        bench.finish();
        let text = next(&mut bench).1;
        let data = reports(&text)[0].items[0].data.as_ref().unwrap().text().unwrap();
        assert_eq!(data, "<ResultCode>1200</ResultCode><Identifier>a&amp;b&lt;c&gt;</Identifier>");
    }
}

#[test]
fn what_surrounds_the_payload_is_as_the_profile_says() {
    let alert = |report: &str| {
        let mut bench = deactivated(&format!("[device.report]\n{report}"));
        let message = next(&mut bench).1;
        reports(&message)[0].clone()
    };
    let entry = "./SCOMO/Inventory/Deployed/net.player";
    let usual = alert("");
    let item = &usual.items[0];
    assert_eq!((usual.correlator.as_deref(), item.source_uri(), item.target_uri()), (Some("job-1"), AT, entry));
    assert_eq!(item.meta.mark.as_deref(), Some("informational"));
    assert_eq!(alert("correlator = 'omit'").correlator, None);
    assert_eq!(alert("correlator = 'wrong'").correlator.as_deref(), Some("job-1x"));
    assert_eq!(alert("source = 'entry'").items[0].source_uri(), entry);
    assert_eq!(alert("source = 'root'\nlower_case = true").items[0].source_uri(), "./scomo");
    let bare = alert("source = 'none'\ntarget = false\nmark = ''\nidentifier = 'none'");
    assert_eq!((&bare.items[0].source, &bare.items[0].target, &bare.items[0].meta.mark), (&None, &None, &None));
    assert_eq!(bare.items[0].data.as_ref().unwrap().text(), Some("<ResultCode>1200</ResultCode>"));
    assert_eq!(alert("mark = 'fatal'").items[0].meta.mark.as_deref(), Some("fatal"));
}

#[test]
fn components_share_an_alert_or_have_their_own() {
    let x = "./SCOMO/Inventory/Delivered/p";
    let installed = |report: &str| {
        let mut bench = Bench::open(&format!(
            "scomo.package = [{{ id = 'p' }}]\nscomo.installer.p.components = [{{ id = 'a b' }}, {{ id = 'c' }}]\n{report}"
        ));
        bench.say(&format!("{}<Final/>", exec(2, &format!("{x}/Operations/Install"))));
        bench.finish();
        let message = next(&mut bench).1;
        let texts = |a: &&Alert| a.items.iter().map(|i| i.data.as_ref().unwrap().text().unwrap().to_owned()).collect();
        reports(&message).iter().map(texts).collect::<Vec<Vec<String>>>()
    };
    assert_eq!(installed("").iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    let apart = installed("report = { items = 'apart', identifier = 'node' }");
    assert_eq!(apart.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert!(apart[0][0].ends_with("<Identifier>a_b</Identifier>"));
}

#[test]
fn a_report_can_come_in_the_session_of_its_exec() {
    let mut bench = Bench::open("report.when = 'session'\nscomo.component = [{ id = 'net.player' }]");
    bench.say(&format!("{}<Final/>", exec(2, AT)));
    assert_eq!((bench.codes(), bench.alerts()), (vec![200, 202], vec!["1226"]));
    assert_eq!(reports(&bench.sent)[0].correlator.as_deref(), Some("job-1"));
    let id = bench.sent.body.commands.last().unwrap().cmd_id().to_owned();
    let status = format!(
        "<Status><CmdID>9</CmdID><MsgRef>2</MsgRef><CmdRef>{id}</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>"
    );
    assert_eq!(bench.end(&format!("{status}<Final/>")), End::Done);
    assert!(!bench.device.wants_session() && !bench.device.has_work());
    let ran = ran(&bench);
    assert_eq!((ran.status, ran.code, ran.sent, ran.answers), (202, Some(1200), 1, vec![200]));
}

#[test]
fn a_taken_report_is_repeated_as_often_as_the_profile_says() {
    let mut bench = deactivated("report.repeat = 2");
    let mut sessions = 0;
    while bench.device.wants_session() {
        let message = next(&mut bench).1;
        assert_eq!(reports(&message).len(), 1);
        assert_eq!(take(&mut bench, 202), End::Done);
        sessions += 1;
    }
    assert_eq!((sessions, ran(&bench).sent, ran(&bench).answers), (3, 3, vec![202; 3]));
}

#[test]
fn an_operation_can_be_silent_in_three_ways() {
    let status = "SCOMO/Inventory/Deployed/net.player/Status";
    for (silent, active, at, code) in
        [("done", false, "10", Some(1200)), ("stuck", true, "70", None), ("nothing", true, "10", None)]
    {
        let mut bench = Bench::open(&format!(
            "scomo.component = [{{ id = 'net.player' }}]\nresult = [{{ silent = '{silent}', times = 1 }}]"
        ));
        bench.say(&format!("{}<Final/>", exec(2, AT)));
        assert_eq!(bench.end("<Final/>"), End::Done);
        let work = bench.device.take_work().unwrap();
        assert_eq!((bench.device.complete(&work, None), ran(&bench).code), (code, code), "{silent}");
        assert!(!bench.device.has_reports(), "{silent}");
        assert_eq!((bench.device.snapshot().components[0].active, bench.text(status)), (active, at), "{silent}");
    }
}

#[test]
fn a_foreign_alert_can_go_along() {
    let mut bench = deactivated("report.foreign = 'urn:example:at:weather'");
    let message = next(&mut bench).1;
    let types: Vec<_> = reports(&message).iter().map(|a| a.items[0].meta.r#type.clone().unwrap()).collect();
    assert_eq!(types, ["urn:oma:at:scomo:1.0:OperationComplete", "urn:example:at:weather"]);
    take(&mut bench, 415);
    assert_eq!((bench.device.snapshot().asks[0].status, bench.device.wants_session()), (Some(415), false));
}

#[test]
fn a_device_asks_until_the_server_has_heard_it() {
    let mut device = device("");
    device.ask(&Ask::new("UserRequest").about("org.example.player"));
    device.ask(&Ask::new("org.example.devicerequest").at("./SCOMO/Inventory/Deployed/a/Operations/Activate"));
    let first = read(&device.open("https://dm.example.net/dm").unwrap());
    device.hang_up(End::Lost { problem: "no network".to_owned() });
    let mut bench = Bench { sent: first, device, number: 0 };
    let again = next(&mut bench).1;
    let told: Vec<_> = reports(&again)
        .iter()
        .map(|alert| {
            let item = &alert.items[0];
            (item.meta.r#type.clone().unwrap(), item.source_uri().to_owned(), item.data.clone().unwrap())
        })
        .collect();
    assert_eq!(told[0].0, "urn:oma:at:scomo:1.0:UserRequest");
    assert_eq!((told[0].1.as_str(), &told[0].2), ("./SCOMO", &Data::Text("org.example.player".to_owned())));
    assert_eq!(told[1].0, "org.example.devicerequest");
    assert!(told[1].1.ends_with("/Operations/Activate"));
    assert_eq!(take(&mut bench, 202), End::Done);
    let asks = bench.device.snapshot().asks;
    assert_eq!(asks.iter().map(|a| (a.sent, a.status)).collect::<Vec<_>>(), [(2, Some(202)); 2]);
    assert!(!bench.device.wants_session());
    assert_eq!(bench.device.take_events().iter().filter(|e| matches!(e, crate::sim::Event::Asked { .. })).count(), 2);
}

#[test]
fn what_was_run_is_remembered_with_its_correlator() {
    let mut bench = deactivated("result = [{ operation = 'Activate', refuse = 403 }]");
    let message = next(&mut bench).1;
    assert_eq!(reports(&message).len(), 1);
    bench.say(&format!("{}<Final/>", exec(2, &AT.replace("Deactivate", "Activate"))));
    let operations = bench.device.snapshot().operations;
    let told: Vec<_> = operations.iter().map(|r| (r.operation.node(), r.status, r.code, r.sent)).collect();
    assert_eq!(told, [("Deactivate", 202, Some(1200), 1), ("Activate", 403, None, 0)]);
    assert!(operations.iter().all(|r| r.correlator.as_deref() == Some("job-1") && r.identifier == "net.player"));
}
