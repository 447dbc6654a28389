use super::*;
use crate::{model::digest::Digest, sim::scomo::Received, sim::tree::Held};

const X: &str = "./SCOMO/Inventory/Delivered/p1";
const D: &str = "./SCOMO/Download/p1";

/// Delivers `hello` directly, as `net.example.player-1.7`, and builds the operation nodes.
fn deliver(bench: &mut Bench) {
    let body = [
        put("Add", 2, X, "node", ""),
        put("Add", 3, &format!("{X}/PkgID"), "chr", "net.example.player-1.7"),
        put("Add", 4, &format!("{X}/Data"), "b64", "aGVsbG8="),
        put("Add", 5, &format!("{X}/Operations"), "node", ""),
        put("Add", 6, &format!("{X}/Operations/Install"), "null", ""),
        put("Add", 7, &format!("{X}/Operations/Remove"), "null", ""),
        "<Final/>".into(),
    ];
    bench.say(&body.concat());
    assert_eq!(bench.codes(), [200; 7]);
}

fn announce(bench: &mut Bench, operation: &str) {
    let body = [
        put("Add", 2, D, "node", ""),
        put("Add", 3, &format!("{D}/PkgID"), "chr", "net.example.player-1.7"),
        put("Add", 4, &format!("{D}/PkgURL"), "chr", "http://127.0.0.1/p1"),
        put("Add", 5, &format!("{D}/Operations"), "node", ""),
        put("Add", 6, &format!("{D}/Operations/{operation}"), "null", ""),
        "<Final/>".into(),
    ];
    bench.say(&body.concat());
    assert_eq!(bench.codes(), [200; 6]);
}

/// The first alert 1226 of the next session: Correlator, Source, Data.
fn report(bench: &mut Bench) -> (Option<String>, String, String) {
    let first = read(&bench.device.open("https://dm.example.net/dm").unwrap());
    let alerts = reports(&first);
    let [alert] = alerts[..] else { panic!("{} reports", alerts.len()) };
    let item = &alert.items[0];
    assert_eq!(item.meta.r#type.as_deref(), Some("urn:oma:at:scomo:1.0:OperationComplete"));
    let data = item.data.as_ref().and_then(Data::text).unwrap().to_owned();
    (alert.correlator.clone(), item.source_uri().to_owned(), data)
}

#[test]
fn a_package_is_delivered_directly_installed_and_reported() {
    let mut bench = Bench::open("");
    deliver(&mut bench);
    let package = bench.device.snapshot().delivered[0].clone();
    assert_eq!((package.sha256, package.size, package.state), (Some(Digest::of(b"hello")), Some(5), Some(10)));
    bench.say(&format!("{}<Final/>", exec(2, &format!("{X}/Operations/Install"))));
    assert_eq!(bench.codes(), [200, 202]);
    assert_eq!(bench.text("SCOMO/Inventory/Delivered/p1/Status"), "40");
    bench.finish();
    let snapshot = bench.device.snapshot();
    let player = snapshot.component("net.example.player").unwrap();
    assert_eq!((player.version.as_str(), player.active), ("1.7", true));
    assert_eq!(player.pkg_ref, "net.example.player-1.7");
    assert_eq!(snapshot.package("net.example.player-1.7").unwrap().state, Some(20));
    assert!(bench.device.wants_session());
    let (correlator, source, data) = report(&mut bench);
    assert_eq!((correlator.as_deref(), source), (Some("job-1"), format!("{X}/Operations/Install")));
    assert_eq!(data, "<ResultCode>1200</ResultCode><Identifier>net.example.player</Identifier>");

    // The server takes the report: it is not sent again.
    bench.number = 0;
    let taken = "<Status><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>3</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>";
    let session = bench.device.session().unwrap().0.to_owned();
    bench.sent.header.session_id = session;
    assert_eq!(bench.end(&format!("{taken}<Final/>")), End::Done);
    assert!(!bench.device.has_reports() && !bench.device.wants_session());
}

#[test]
fn a_report_without_an_answer_is_sent_again_some_times() {
    let mut bench = Bench::open("network.report_tries = 3");
    deliver(&mut bench);
    bench.say(&format!("{}<Final/>", exec(2, &format!("{X}/Operations/Install"))));
    bench.finish();
    let mut sessions = 0;
    while bench.device.wants_session() {
        report(&mut bench);
        bench.device.hang_up(End::Lost { problem: "no network".to_owned() });
        sessions += 1;
    }
    assert_eq!(sessions, 3);
}

#[test]
fn a_failed_installation_leaves_what_the_profile_says() {
    let run = |keep: bool| {
        let mut bench =
            Bench::open(&format!("result = [{{ operation = 'Install', code = 1405, keep_data = {keep}, times = 1 }}]"));
        deliver(&mut bench);
        bench.say(&format!("{}<Final/>", exec(2, &format!("{X}/Operations/Install"))));
        bench.finish();
        bench
    };
    let mut kept = run(true);
    let snapshot = kept.device.snapshot();
    assert_eq!((snapshot.delivered[0].status, snapshot.delivered[0].state), (Some(50), Some(10)));
    assert!(snapshot.delivered[0].sha256.is_some() && snapshot.components.is_empty());
    assert!(report(&mut kept).2.contains("<ResultCode>1405</ResultCode><Identifier>net.example.player-1.7<"));
    // The result was wanted once: the next attempt works.
    kept.sent.header.session_id = kept.device.session().unwrap().0.to_owned();
    kept.say(&format!("{}<Final/>", exec(2, &format!("{X}/Operations/Install"))));
    kept.finish();
    assert!(kept.device.snapshot().components[0].active);
    let lost = run(false).device.snapshot();
    assert_eq!((lost.delivered[0].status, lost.delivered[0].sha256), (Some(60), None));
}

#[test]
fn a_user_who_declines_ends_it_before_the_download() {
    let mut bench = Bench::open("user = 'decline'");
    announce(&mut bench, "DownloadInstall");
    bench.say(&format!("{}<Final/>", exec(2, &format!("{D}/Operations/DownloadInstall"))));
    bench.finish();
    assert_eq!(bench.text("SCOMO/Download/p1/Status"), "20");
    assert!(report(&mut bench).2.contains("1401"));
}

#[test]
fn a_download_becomes_a_delivered_package_or_components() {
    let fetched = || Some(Ok(Received { held: Held::of(b"hello"), mime: "text/x".to_owned() }));
    let run = |operation: &str, profile: &str| {
        let mut bench = Bench::open(profile);
        announce(&mut bench, operation);
        bench.say(&format!("{}<Final/>", exec(2, &format!("{D}/Operations/{operation}"))));
        assert_eq!((bench.codes(), bench.text("SCOMO/Download/p1/Status")), (vec![200, 202], "30"));
        assert_eq!(bench.end("<Final/>"), End::Done);
        let work = bench.device.take_work().unwrap();
        let fetched = work.url.is_some().then(fetched).flatten();
        if fetched.is_some() {
            bench.device.downloaded(&work);
        }
        bench.device.complete(&work, fetched);
        let status = bench.text("SCOMO/Download/p1/Status").to_owned();
        (bench.device.snapshot(), status)
    };
    let (after, status) = run("Download", "");
    assert_eq!((after.delivered[0].state, after.components.len(), status.as_str()), (Some(10), 0, "40"));
    let (after, status) = run("DownloadInstall", "");
    assert_eq!((after.delivered[0].state, after.components[0].active, status.as_str()), (Some(20), true, "10"));
    let (after, status) = run("DownloadInstallInactive", "scomo.after_download = 'move'\nscomo.keep_package = false");
    assert_eq!((after.delivered.len(), after.components[0].active, status.as_str()), (0, false, ""));
    let (after, status) = run("DownloadInstall", "result = [{ operation = 'DownloadInstall', code = 1406 }]");
    assert_eq!((after.delivered[0].state, after.components.len(), status.as_str()), (Some(10), 0, "60"));
    let lost = "result = [{ operation = 'DownloadInstall', code = 1406, keep_data = false }]";
    let (after, status) = run("DownloadInstall", lost);
    assert_eq!((after.delivered.len(), status.as_str()), (0, "70"));
    let (after, status) = run("Download", "result = [{ operation = 'Download', code = 1404 }]");
    assert_eq!((after.delivered.len(), status.as_str()), (0, "20"));
}

#[test]
fn components_are_switched_and_removed_and_answer_at_once_if_so_made() {
    let mut bench = Bench::open(
        "scomo.component = [{ id = 'a', version = '1' }]\nscomo.sync = ['Activate', 'Deactivate', 'RemoveComponent']\n\
         scomo.operation_names = { Deactivate = 'Deactive' }\nresult = [{ operation = 'RemoveComponent', code = 1408, times = 1 }]",
    );
    let at = "./SCOMO/Inventory/Deployed/a";
    let run = |bench: &mut Bench, operation: &str| {
        bench.say(&format!("{}<Final/>", exec(2, &format!("{at}/Operations/{operation}"))));
        let found = bench.device.snapshot().component("a").map(|c| (c.active, c.status));
        (bench.codes()[1], found)
    };
    assert_eq!(run(&mut bench, "Deactivate"), (404, Some((true, Some(10)))));
    assert_eq!(run(&mut bench, "Deactive"), (1200, Some((false, Some(10)))));
    assert_eq!(run(&mut bench, "Activate"), (1200, Some((true, Some(10)))));
    assert_eq!(run(&mut bench, "Remove"), (1408, Some((true, Some(20)))));
    assert_eq!(run(&mut bench, "Remove"), (1200, None));
    assert!(!bench.device.has_reports());
}

#[test]
fn what_is_done_at_once_may_be_told_by_a_plain_200() {
    let mut bench = Bench::open(
        "scomo = { sync = ['Deactivate'], sync_plain = true, component = [{ id = 'a' }] }\n\
         result = [{ code = 1410, times = 1 }]",
    );
    let exec = exec(2, "./SCOMO/Inventory/Deployed/a/Operations/Deactivate");
    for expected in [1410, 200] {
        bench.say(&format!("{exec}<Final/>"));
        assert_eq!(bench.codes()[1], expected);
    }
    assert!(!bench.device.snapshot().components[0].active);
}

#[test]
fn the_device_guards_what_is_its_own() {
    let mut bench = Bench::open("");
    deliver(&mut bench);
    bench.say(
        &[
            put("Replace", 2, &format!("{X}/State"), "int", "20"),
            put("Add", 3, "./SCOMO/Inventory/Deployed/evil", "node", ""),
            put("Add", 4, &format!("{X}/Operations/Explode"), "null", ""),
            command("Delete", 5, "./SCOMO/Inventory"),
            command("Get", 6, &format!("{X}/Data")),
            exec(7, &format!("{X}/PkgID")),
            exec(8, &format!("{X}/Operations/InstallInactive")),
            exec(9, &format!("{X}/Operations/Install")),
            command("Delete", 10, X),
            exec(11, &format!("{X}/Operations/Install")),
            "<Final/>".into(),
        ]
        .concat(),
    );
    assert_eq!(bench.codes(), [200, 405, 405, 405, 405, 405, 405, 404, 202, 403, 403]);
}

#[test]
fn nodes_that_the_device_makes_are_found_there() {
    let mut bench =
        Bench::open("scomo.children = 'device'\nscomo.names = { Download = 'download', Delivered = 'delivered' }");
    let at = "./SCOMO/Inventory/delivered/p1";
    bench.say(
        &[
            put("Add", 2, at, "node", ""),
            put("Add", 3, &format!("{at}/PkgID"), "chr", "p-1"),
            put("Replace", 4, &format!("{at}/PkgID"), "chr", "p-1"),
            put("Add", 5, &format!("{at}/Data"), "b64", "aGVsbG8="),
            put("Replace", 6, &format!("{at}/Data"), "b64", "aGVsbG8="),
            exec(7, &format!("{at}/Operations/Install")),
            "<Final/>".into(),
        ]
        .concat(),
    );
    assert_eq!(bench.codes(), [200, 200, 418, 200, 418, 200, 202]);
}

#[test]
fn an_installer_names_several_components_and_each_reports() {
    let mut bench = Bench::open(
        "scomo.installer.'net.example.player-1.7'.components = [{ id = 'app', version = '1' }, { id = 'codec' }]\n\
         scomo.component = [{ id = 'app', version = '0' }]",
    );
    deliver(&mut bench);
    bench.say(&format!("{}<Final/>", exec(2, &format!("{X}/Operations/Install"))));
    bench.finish();
    let snapshot = bench.device.snapshot();
    assert_eq!(snapshot.components.iter().map(|c| c.version.as_str()).collect::<Vec<_>>(), ["1", ""]);
    let first = read(&bench.device.open("https://dm.example.net/dm").unwrap());
    assert_eq!(reports(&first)[0].items.len(), 2);
}

#[test]
fn an_exec_can_be_refused_outright() {
    let mut bench = Bench::open("result = [{ operation = 'Install', refuse = 425 }]");
    deliver(&mut bench);
    bench.say(&format!("{}<Final/>", exec(2, &format!("{X}/Operations/Install"))));
    assert_eq!((bench.codes(), bench.text("SCOMO/Inventory/Delivered/p1/Status")), (vec![200, 425], "10"));
    bench.finish();
    assert!(!bench.device.has_reports());
}
