//! Packages, Final, Alerts, versions, numbers (DM 1.x sheet 1, 2; rows S-01, S-02, S-18, S-23, S-24, S-28 to S-31).

use super::*;
use crate::protocol::dm1::{AlertItem, Ending, GenericAlert, Receipt};

fn told(body: &str) -> (Vec<Event>, Answer) {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A")]);
    talk.answer();
    let got = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Get</Cmd><Data>404</Data></Status>";
    let events = talk.hear(&message(2, "", &format!("{}{got}{body}<Final/>", header_status(1, 212, ""))));
    (events, talk.answer())
}

fn generic(r#type: &str, correlator: &str) -> String {
    format!(
        "<Alert><CmdID>5</CmdID><Data>1226</Data>{correlator}<Item><Source><LocURI>./SCOMO</LocURI></Source>
         <Meta><Format>chr</Format>{type}<Mark>warning</Mark></Meta><Data>1200</Data></Item></Alert>"
    )
}

#[test]
fn a_session_of_the_device_s_own_accord_is_opened() {
    let mut talk = Talk::new();
    talk.account_mut().scheme = Scheme::Basic;
    let events = talk.hear(&message(1, BASIC, PKG1));
    assert_eq!(events.first(), Some(&Event::Opened { server_initiated: false }));
    let answer = talk.answer();
    assert_eq!((codes(&answer), answer.ends), (vec![212, 200, 200], true));
    assert_eq!(answer.message.header.resp_uri.as_deref(), Some("https://dm.example.net/dm?sid=5f3c"));
    let meta = &answer.message.header.meta;
    assert_eq!((meta.max_msg_size.as_deref(), meta.max_obj_size.as_deref()), (Some("262144"), Some("4194304")));
}

#[test]
fn a_pkg_1_without_the_session_alert_opens_a_session_too() {
    let mut talk = Talk::new();
    talk.account_mut().scheme = Scheme::Basic;
    let body = "<Replace><CmdID>2</CmdID><Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Acme</Data></Item></Replace><Final/>";
    let events = talk.hear(&message(1, BASIC, body));
    assert_eq!(events.first(), Some(&Event::Opened { server_initiated: false }));
    assert!(matches!(&events[1], Event::DevInfo(info) if info.man.as_deref() == Some("Acme")));
}

#[test]
fn a_pkg_1_in_several_messages_is_put_together() {
    let mut talk = Talk::new();
    talk.account_mut().scheme = Scheme::Basic;
    let part = |id: u32, leaf: &str, end: &str| {
        format!(
            "<Replace><CmdID>{id}</CmdID><Item><Source><LocURI>DevInfo/{leaf}</LocURI></Source><Data>{leaf}</Data></Item></Replace>{end}"
        )
    };
    let events = talk.hear(&message(1, BASIC, &part(1, "Man", "")));
    assert_eq!(events, [Event::Opened { server_initiated: false }]);
    let answer = talk.answer();
    assert_eq!((codes(&answer), commands(&answer)), (vec![212, 200], vec!["Alert 1222".to_owned()]));
    assert!(!answer.message.body.is_final);
    let events = talk.hear(&message(2, "", &part(1, "Mod", "<Final/>")));
    let Event::DevInfo(info) = &events[0] else { panic!("{events:?}") };
    assert_eq!((info.man.as_deref(), info.model.as_deref()), (Some("Man"), Some("Mod")));
    assert_eq!(events[1], Event::Ready);
}

#[test]
fn dev_info_with_ext_nodes_and_in_odd_order_is_taken() {
    let items = ["Ext", "Ext/Vendor/X", "Lang", "Man"]
        .map(|leaf| format!("<Item><Data>{leaf}</Data><Source><LocURI>./DevInfo/{leaf}</LocURI></Source></Item>"));
    let (events, answer) = told(&format!("<Replace><CmdID>5</CmdID>{}</Replace>", items.concat()));
    assert_eq!(codes(&answer), [200, 200]);
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::DevInfo(i) if i.lang.as_deref() == Some("Lang") && i.dev_id.is_none()))
    );
}

#[test]
fn a_generic_alert_comes_with_its_correlator_and_without_its_prefix() {
    let body = generic("<Type>Reversed-Domain-Name: org.openmobilealliance.dm.x</Type>", "<Correlator>c1</Correlator>");
    let (events, answer) = told(&body);
    let item = AlertItem {
        source: Some("./SCOMO".to_owned()),
        target: None,
        r#type: "org.openmobilealliance.dm.x".to_owned(),
        format: Some("chr".to_owned()),
        mark: Some("warning".to_owned()),
        data: "1200".to_owned(),
        known: true,
        receipt: Receipt { command: 1, item: 0 },
    };
    let alert = GenericAlert { code: 1226, correlator: Some("c1".to_owned()), items: vec![item] };
    assert_eq!(events[0], Event::Alert(alert));
    assert_eq!(codes(&answer), [200, 200]);
}

#[test]
fn an_alert_of_a_type_that_is_not_understood_is_refused_and_told() {
    let (events, answer) = told(&generic("<Type>com.vendor.thing</Type>", ""));
    assert_eq!(codes(&answer), [200, 415]);
    assert!(matches!(&events[0], Event::Alert(a) if !a.items[0].known && a.correlator.is_none()));
}

#[test]
fn an_alert_that_reports_on_an_expected_operation_is_understood_whatever_its_type() {
    for (correlator, code) in [("c1", 200), ("c2", 415), ("", 415)] {
        let mut talk = Talk::admitted();
        talk.expected = vec![Correlator::parse("c1").unwrap()];
        talk.answer();
        let alert = generic("<Type>com.vendor.thing</Type>", "")
            .replace("<Data>1226</Data>", &format!("<Data>1226</Data><Correlator>{correlator}</Correlator>"));
        let events = talk.hear(&message(2, "", &format!("{alert}<Final/>")));
        assert_eq!(codes(&talk.answer()), [200, code], "{correlator}");
        let known = |event: &Event| matches!(event, Event::Alert(alert) if alert.items[0].known);
        assert_eq!(events.iter().any(known), code == 200);
    }
}

#[test]
fn an_incomplete_generic_alert_is_refused() {
    for body in [generic("", ""), "<Alert><CmdID>5</CmdID><Data>1226</Data></Alert>".to_owned()] {
        let (events, answer) = told(&body);
        assert_eq!(codes(&answer), [200, 412]);
        assert!(!events.iter().any(|e| matches!(e, Event::Alert(_))));
    }
}

#[test]
fn items_of_one_alert_with_different_codes_get_a_status_each() {
    let item = |name: &str| {
        format!("<Item><Source><LocURI>./{name}</LocURI></Source><Meta><Type>{name}</Type></Meta><Data/></Item>")
    };
    let both = format!(
        "<Alert><CmdID>5</CmdID><Data>1226</Data>{}{}</Alert>",
        item("org.openmobilealliance.a"),
        item("com.b")
    );
    let (_, answer) = told(&both);
    assert_eq!(codes(&answer), [200, 200, 415]);
    let Command::Status(status) = &answer.message.body.commands[2] else { panic!() };
    assert_eq!(status.source_refs, ["./com.b"]);
}

#[test]
fn what_is_said_of_an_item_can_be_changed_until_the_answer_is_built() {
    let item = |name: &str| {
        format!(
            "<Item><Source><LocURI>./{name}</LocURI></Source><Meta><Type>org.openmobilealliance.{name}</Type></Meta></Item>"
        )
    };
    for (amended, said) in [(vec![], vec![200, 200]), (vec![1], vec![200, 200, 202]), (vec![0, 1], vec![200, 202])] {
        let mut talk = Talk::admitted();
        let _ = talk.want(vec![read_of("./A")]);
        talk.answer();
        let body = format!("<Alert><CmdID>5</CmdID><Data>1226</Data>{}{}</Alert>", item("a"), item("b"));
        let events = talk.hear(&message(2, "", &format!("{}{body}<Final/>", header_status(1, 212, ""))));
        let Some(Event::Alert(alert)) = events.into_iter().find(|e| matches!(e, Event::Alert(_))) else { panic!() };
        for at in amended {
            talk.machine_mut().amend(alert.items[at].receipt, 202);
        }
        talk.machine_mut().amend(Receipt { command: 99, item: 0 }, 500);
        assert_eq!(codes(&talk.answer()), said);
    }
}

#[test]
fn a_client_event_is_passed_on_whatever_it_says() {
    let body = "<Alert><CmdID>5</CmdID><Data>1224</Data><Item><Meta><Type>com.vendor.login</Type></Meta><Data>user</Data></Item></Alert>";
    let (events, answer) = told(body);
    assert_eq!(codes(&answer), [200, 200]);
    let Event::Alert(alert) = &events[0] else { panic!("{events:?}") };
    assert_eq!((alert.code, alert.items[0].r#type.as_str(), alert.items[0].known), (1224, "com.vendor.login", false));
}

#[test]
fn commands_that_are_not_for_a_client_are_refused_and_the_session_lives() {
    let alert = |code: &str| format!("<Alert><CmdID>5</CmdID><Data>{code}</Data></Alert>");
    let item = "<Item><Target><LocURI>./A</LocURI></Target></Item>";
    for (body, code) in [
        (alert("1224"), 412),
        (alert("1100"), 406),
        (alert("4711"), 406),
        (alert("soon"), 400),
        (format!("<Get><CmdID>5</CmdID>{item}</Get>"), 405),
        (format!("<Add><CmdID>5</CmdID>{item}</Add>"), 405),
        (format!("<Replace><CmdID>5</CmdID>{item}</Replace>"), 405),
        ("<Replace><CmdID>5</CmdID></Replace>".to_owned(), 412),
        ("<Sequence><CmdID>5</CmdID></Sequence>".to_owned(), 405),
        (format!("<Put><CmdID>5</CmdID>{item}</Put>"), 406),
        ("<Sync><CmdID>5</CmdID></Sync>".to_owned(), 406),
        ("<Nonsense><CmdID>5</CmdID></Nonsense>".to_owned(), 406),
    ] {
        let (events, answer) = told(&body);
        assert_eq!(codes(&answer), [200, code], "{body}");
        let Command::Status(status) = &answer.message.body.commands[1] else { panic!() };
        assert_eq!(status.cmd_ref, "5");
        assert_eq!(events.last(), Some(&Event::Ready), "{body}");
    }
}

#[test]
fn a_command_without_a_number_is_a_bad_request() {
    let (_, answer) = told("<Alert><Data>1222</Data></Alert>");
    assert_eq!(codes(&answer), [200, 400]);
    let Command::Status(status) = &answer.message.body.commands[1] else { panic!() };
    assert_eq!((status.cmd_ref.as_str(), status.cmd.as_str()), ("", "Alert"));
}

#[test]
fn versions_that_are_not_served_are_refused() {
    for (from, to, code) in [("DM/1.2", "DM/2.0", 513), (">1.2<", ">1.3<", 505), ("DM/1.2", "", 513)] {
        let mut talk = Talk::new();
        let events = talk.hear(&message(1, BASIC, PKG1).replace(from, to));
        assert_eq!(events, [Event::Ended(Ending::Version)]);
        let answer = talk.answer();
        assert_eq!((codes(&answer), answer.ends), (vec![code], true));
    }
}

#[test]
fn the_device_s_own_version_is_spoken() {
    let mut talk = Talk::new();
    talk.hear(&message(1, BASIC, PKG1).replace("DM/1.2", "DM/1.1").replace(">1.2<", ">1.1<"));
    let header = talk.answer().message.header;
    assert_eq!((header.ver_dtd.as_str(), header.ver_proto.as_str()), ("1.1", "DM/1.1"));
}

#[test]
fn a_message_out_of_order_leaves_the_session_as_it_was() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A")]);
    talk.answer();
    let again = message(1, "", "<Final/>");
    assert_eq!(talk.try_hear(&again), Err(Violation::Stale { last: 1, found: 1 }));
    assert_eq!(talk.try_hear(&message(2, "", "").replace("A7", "A8")), Err(Violation::Foreign));
    assert_eq!(talk.try_hear(&message(2, "", "").replace("IMEI:49", "IMEI:50")), Err(Violation::Foreign));
    let no_number = again.replace("<MsgID>1", "<MsgID>one");
    assert_eq!(talk.try_hear(&no_number), Err(Violation::Header { element: "MsgID" }));
    // It goes on, whatever the device's way of writing its own name.
    let body = format!("{}<Final/>", header_status(1, 212, ""));
    let events = talk.hear(&message(2, "", &body).replace("IMEI:49", "imei:49"));
    assert_eq!(outcomes(&events), [Outcome::Unknown]);
    assert_eq!(talk.answer().message.header.target.uri, "imei:490154203237518");
}

#[test]
fn a_jump_of_the_message_number_is_accepted_and_logged() {
    let mut talk = Talk::admitted();
    talk.answer();
    let events = talk.hear(&message(5, "", "<Final/>"));
    assert_eq!(events, [Event::Oddity("message 5 follows message 1".to_owned()), Event::Ready]);
    let Command::Status(status) = &talk.answer().message.body.commands[0] else { panic!() };
    assert_eq!(status.msg_ref, "5");
}

#[test]
fn messages_without_end_are_ended() {
    let mut talk = Talk::admitted();
    talk.answer();
    let ended = (2..1000).find(|id| {
        let events = talk.hear(&message(*id, "", ""));
        let answer = talk.answer();
        assert_eq!(events.contains(&Event::Ended(Ending::Endless)), answer.ends);
        answer.ends
    });
    assert_eq!(ended, Some(258));
}

#[test]
fn a_session_given_up_leaves_open_what_was_begun() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![exec("./A"), exec("./B")]);
    talk.answer();
    assert_eq!(talk.lost(), [Event::Outcome { ask: AskId(1), outcome: Outcome::Unknown }]);
}
