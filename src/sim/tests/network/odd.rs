//! Devices whose downloads, status reports and power are not as they should be.

use super::*;

/// The codes of the alerts that came, and the status reports.
fn told(script: &Script) -> (Vec<String>, Vec<String>) {
    let code = |alert: String| alert.split(['<', '>']).nth(2).unwrap().to_owned();
    (script.alerts().into_iter().map(code).collect(), script.posted.lock().unwrap().clone())
}

#[tokio::test]
async fn a_user_can_decline_the_download_and_an_agent_a_type() {
    for (profile, code, status, report) in [
        ("user.downloads = 'decline'", "1401", "20", "902 User Cancelled\r\n"),
        ("limits.types = ['text/plain']", "1413", "20", "953 Non-Acceptable Content\r\n"),
        ("limits.types = ['application/X-Pkg']", "1200", "10", "900 Success\r\n"),
    ] {
        let (script, fleet, _) = run(profile, download("DownloadInstall", b"hello", "/dd/5")).await;
        assert_eq!(told(&script), (vec![code.to_owned()], vec![report.to_owned()]), "{profile}");
        let lines = fleet.device(DEVICE).unwrap().snapshot().lines;
        assert!(lines.contains(&format!("{D}/Status = {status}")), "{lines:?}");
    }
}

#[tokio::test]
async fn a_download_server_can_fail_on_demand() {
    for (statuses, code) in [
        ("503, 0, 502", "1200"),
        ("503, 503, 503, 503", "1500"),
        ("0, 0, 0, 0", "1501"),
        ("403", "1403"),
        ("407", "1403"),
        ("404", "1402"),
        ("410", "1402"),
    ] {
        let profile = format!("faults.download_status = [{statuses}]");
        let (script, _fleet, _) = run(&profile, download("Download", b"hello", "/payload")).await;
        assert_eq!(told(&script).0, [code], "{statuses}");
    }
}

#[tokio::test]
async fn status_reports_are_as_odd_as_the_profile_says() {
    for (notify, expected) in [
        ("body = 'lower'", vec!["900 success\r\n"]),
        ("body = 'lfcr'", vec!["900 success \n\r"]),
        ("body = 'bare'", vec!["900"]),
        ("body = 'padded'", vec![" \r\n\t900   Success"]),
        ("code = 905, again = 900", vec!["905 Attribute mismatch\r\n", "900 Success\r\n"]),
        ("send = 'never'", vec![]),
    ] {
        let profile = format!("notify = {{ {notify} }}");
        let (script, fleet, watch) = run(&profile, download("Download", b"hello", "/dd/5")).await;
        assert_eq!(told(&script), (vec!["1200".to_owned()], expected.iter().map(|t| (*t).to_owned()).collect()));
        assert_eq!(watch.saw(|e| matches!(e, Event::Posted { taken: true, .. })), expected.len());
        let posts = fleet.device(DEVICE).unwrap().snapshot().posts;
        assert_eq!(posts.iter().map(|p| p.body.as_str()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_status_report_may_come_before_the_installation_or_for_successes_alone() {
    let fails = "result = [{ operation = 'DownloadInstall', code = 1405 }]";
    for (notify, expected) in [("after = 'download'", vec!["900 Success\r\n"]), ("send = 'success'", vec![])] {
        let profile = format!("{fails}\nnotify = {{ {notify} }}");
        let (script, _fleet, _) = run(&profile, download("DownloadInstall", b"hello", "/dd/5")).await;
        assert_eq!(told(&script), (vec!["1405".to_owned()], expected.iter().map(|t| (*t).to_owned()).collect()));
    }
}

#[tokio::test]
async fn an_outage_between_download_and_installation_ends_as_the_profile_says() {
    for (then, active, codes) in [("resume", true, vec!["1200"]), ("silent", true, vec![]), ("lost", false, vec![])] {
        let outage = "operation = 'DownloadInstall', moment = 'install', lasts = '1ms'";
        let profile = format!("outage = [{{ {outage}, then = '{then}' }}]");
        let (script, fleet, watch) =
            run(&profile, Script { once: true, ..download("DownloadInstall", b"hello", "/dd/5") }).await;
        let snapshot = fleet.device(DEVICE).unwrap().snapshot();
        assert_eq!(
            (told(&script).0, snapshot.components.len()),
            (codes.iter().map(|c| (*c).to_owned()).collect(), usize::from(active))
        );
        assert!(!snapshot.off);
        assert_eq!(watch.saw(|e| matches!(e, Event::Vanished { .. } | Event::CameBack)), 2);
        // Back on, it opens a session whether there is a report or not.
        assert!(watch.saw(|e| matches!(e, Event::SessionClosed { end: End::Done, .. })) >= 2, "{then}");
    }
}

#[tokio::test]
async fn a_device_that_goes_off_in_a_session_opens_another_when_it_is_back() {
    let profile = "outage = [{ message = 2, lasts = '1ms' }]";
    let (script, fleet, watch) = run(profile, download("DownloadInstall", b"hello", "/dd/5")).await;
    assert_eq!(watch.saw(|e| matches!(e, Event::SessionClosed { end: End::Vanished, .. })), 1);
    assert!(fleet.device(DEVICE).unwrap().snapshot().component("net.example.player").is_some());
    assert_eq!(told(&script).0, ["1200"]);
}

#[tokio::test]
async fn planned_requests_begin_with_the_registration_and_once() {
    let asks = "[[device.ask]]\ntype = 'UserRequest'\ndata = 'org.example.player'\n\
                [[device.ask]]\nwhen = '1ms'\ntype = 'UpdateCheck'\ntimes = 2\nevery = '1ms'";
    let (script, fleet, watch) = stage(asks, Script::default()).await;
    fleet.begin();
    fleet.begin();
    watch.until(|e| matches!(e, Event::Asked { .. }), 3).await;
    fleet.idle().await;
    let asks = fleet.device(DEVICE).unwrap().snapshot().asks;
    let told: Vec<_> = asks.iter().map(|a| (a.r#type.rsplit(':').next().unwrap(), a.data.as_str(), a.status)).collect();
    let expected = [("UserRequest", "org.example.player"), ("UpdateCheck", ""), ("UpdateCheck", "")];
    assert_eq!(told, expected.map(|(kind, data)| (kind, data, Some(200))));
    assert!(script.heard.lock().unwrap().len() <= 3);
}

#[tokio::test]
async fn a_late_report_comes_late_and_a_silent_one_never() {
    let late = "result = [{ late = '50ms' }]";
    let (script, _fleet, watch) = run(late, download("Download", b"hello", "/payload")).await;
    assert_eq!(
        (told(&script).0, watch.saw(|e| matches!(e, Event::Reported { code: 1200, .. }))),
        (vec!["1200".to_owned()], 1)
    );
    let (script, fleet, _) = run("result = [{ silent = 'done' }]", download("Download", b"hello", "/payload")).await;
    assert_eq!((told(&script).0.len(), fleet.device(DEVICE).unwrap().snapshot().delivered.len()), (0, 1));
}

#[tokio::test]
async fn requests_carry_the_headers_of_the_dialect() {
    let profile = "dialect = { content_type = 'text/xml', headers = { Content-Encoding = 'UTF-8' } }";
    let (script, _fleet, _) = run(profile, Script::default()).await;
    let headers = script.headers.lock().unwrap();
    assert_eq!(headers[0][header::CONTENT_TYPE], "text/xml");
    assert_eq!(headers[0][header::CONTENT_ENCODING], "UTF-8");
}
