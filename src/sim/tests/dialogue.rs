use super::*;
use crate::sim::auth::{Scheme, cred, next_nonce};

const STATUSES_407: &str = "
  <Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>
   <Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type>
     <NextNonce xmlns='syncml:metinf'>AAECAwQFBgc=</NextNonce></Meta></Chal><Data>407</Data></Status>
  <Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Alert</Cmd><Data>407</Data></Status>
  <Status><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Replace</Cmd><Data>407</Data></Status><Final/>";

/// The message of DM 1.x sheet 13.1.
const PKG1: &str = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr>
  <VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>A7</SessionID><MsgID>1</MsgID>
  <Target><LocURI>https://dm.example.net/dm</LocURI></Target>
  <Source><LocURI>IMEI:490154203237518</LocURI><LocName>dev-0001</LocName></Source>
  <Meta><MaxMsgSize xmlns='syncml:metinf'>8192</MaxMsgSize><MaxObjSize xmlns='syncml:metinf'>65536</MaxObjSize></Meta>
 </SyncHdr><SyncBody>
  <Alert><CmdID>1</CmdID><Data>1200</Data></Alert>
  <Replace><CmdID>2</CmdID>
   <Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>IMEI:490154203237518</Data></Item>
   <Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Acme</Data></Item>
   <Item><Source><LocURI>./DevInfo/Mod</LocURI></Source><Data>A1</Data></Item>
   <Item><Source><LocURI>./DevInfo/DmV</LocURI></Source><Data>1.2</Data></Item>
   <Item><Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>en-US</Data></Item>
  </Replace><Final/></SyncBody></SyncML>";

fn server(msg_id: u32, header: &str, body: &str) -> Vec<u8> {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>A7</SessionID>
         <MsgID>{msg_id}</MsgID><Target><LocURI>IMEI:490154203237518</LocURI></Target>
         <Source><LocURI>https://dm.example.net/dm</LocURI><LocName>dm.example.net</LocName></Source>{header}</SyncHdr>
         <SyncBody>{body}</SyncBody></SyncML>"
    )
    .into_bytes()
}

fn going_on(next: Next) -> (String, Message) {
    match next {
        Next::Send(next) => (next.url.clone(), read(&next)),
        Next::Over(end) => panic!("the session ended: {end}"),
    }
}

fn server_cred(nonce: &[u8]) -> String {
    let cred = cred(Scheme::Md5, "dm.example.net", "srv-pw", nonce);
    format!(
        "<Cred><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type></Meta>\
         <Data>{}</Data></Cred>",
        cred.data
    )
}

#[test]
fn a_notified_session_challenges_both_sides_and_obeys() {
    let mut device = device("auth.server_auth = 'required'\nauth.nonces = 'none'\ndevdetail.fwv = 'A1-7.0.3'");
    device.notify(&notification(0xA7, b""));
    let first = device.open("https://dm.example.net/dm").unwrap();
    assert_eq!(read(&first), xml::read(PKG1.as_bytes(), &Limits::default()).unwrap());

    // 13.2 and 13.3: package 1 again, with the digest and a challenge of the device's own.
    let resp = "<RespURI>https://dm.example.net/dm?sid=5f3c</RespURI>";
    let (url, again) = going_on(device.receive(&server(1, resp, STATUSES_407)));
    assert_eq!((url.as_str(), again.header.msg_id.as_str()), ("https://dm.example.net/dm?sid=5f3c", "2"));
    assert_eq!(again.header.cred.as_ref().unwrap().data, "eVkkSikhMWAUnrRSZ2dnRg==");
    assert_eq!(again.body.commands.len(), 3);
    let own = statuses(&again)[0].clone();
    let nonce = next_nonce(own.chal.as_ref().unwrap()).unwrap();
    assert_eq!((own.code(), nonce.len()), (Some(407), 16));

    // 13.4 and 13.5: both are satisfied.
    let pkg2 = "<Status><CmdID>1</CmdID><MsgRef>2</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>
         <Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type>
          <NextNonce xmlns='syncml:metinf'>EBESExQVFhcYGRobHB0eHw==</NextNonce></Meta></Chal><Data>212</Data></Status>
        <Get><CmdID>4</CmdID><Item><Target><LocURI>./DevDetail/FwV</LocURI></Target></Item></Get>
        <Get><CmdID>5</CmdID><Item><Target><LocURI>./DevDetail</LocURI></Target></Item></Get>
        <Get><CmdID>6</CmdID><Item><Target><LocURI>./Nope</LocURI></Target></Item></Get><Final/>";
    let (_, pkg3) = going_on(device.receive(&server(2, &server_cred(&nonce), pkg2)));
    let codes: Vec<_> = statuses(&pkg3).iter().map(|s| s.code().unwrap()).collect();
    assert_eq!((codes, pkg3.header.cred.is_none(), pkg3.body.is_final), (vec![212, 200, 200, 404], true, true));
    assert_eq!(pkg3.body.commands[2].name(), "Results");
    assert_eq!(device.keys.client, Some((0x10..=0x1f).collect()));
    let fresh = next_nonce(statuses(&pkg3)[0].chal.as_ref().unwrap()).unwrap();
    assert_eq!(device.keys.server_candidates(), [fresh.as_slice(), nonce.as_slice()]);

    let closing = "<Status><CmdID>1</CmdID><MsgRef>3</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status><Final/>";
    assert!(matches!(device.receive(&server(3, "", closing)), Next::Over(End::Done)));

    // The next session uses the renewed nonces at once, and a stale notification is ignored.
    device.notify(&notification(0xA8, b"stale"));
    assert!(!device.wants_session());
    device.notify(&notification(0xA8, &fresh));
    let next = read(&device.open("https://dm.example.net/dm").unwrap());
    assert_eq!(next.header.cred.unwrap().data, "t2oraPksD4fHo/IbV7xr6g==");
}

#[test]
fn a_resync_notification_starts_both_sides_afresh() {
    let mut device = device("auth.server_auth = 'required'");
    device.notify(&notification(0xA7, &[0; 4]));
    let first = read(&device.open("https://dm.example.net/dm").unwrap());
    let digest = cred(Scheme::Md5, "dev-0001", "pw-dev", &[0; 4]).data;
    assert_eq!(first.header.cred.unwrap().data, digest);
    let body = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>212</Data></Status>
        <Get><CmdID>4</CmdID><Item><Target><LocURI>./DevDetail/FwV</LocURI></Target></Item></Get><Final/>";
    let (_, answer) = going_on(device.receive(&server(1, &server_cred(&[0; 4]), body)));
    assert_eq!(statuses(&answer).iter().map(|s| s.code().unwrap()).collect::<Vec<_>>(), [212, 200]);
    let mut wary = super::device("auth.resync = 'none'");
    wary.notify(&notification(0xA7, &[0; 4]));
    assert!(!wary.wants_session());
}

#[test]
fn a_server_that_cannot_prove_itself_is_refused_and_then_left() {
    let mut bench = Bench::open("auth.server_auth = 'required'");
    let get = format!("{}<Final/>", command("Get", 2, "./DevInfo/Man"));
    bench.say(&get);
    assert_eq!((bench.codes(), bench.results()), (vec![407, 407], vec![]));
    let wrong = server_cred(b"wrong");
    for _ in 0..2 {
        bench.say_with(&wrong, &get);
        assert_eq!((bench.codes(), bench.results()), (vec![401, 401], vec![]));
    }
    let Next::Send(last) = bench.answer(&wrong, &get) else { panic!("no abort") };
    assert_eq!(last.last, Some(End::Untrusted));
    assert!(matches!(&read(&last).body.commands[..], [Command::Alert(a)] if a.data == "1223"));
}

#[test]
fn basic_credentials_go_out_at_once_and_are_expected_from_the_server() {
    let mut bench = Bench::open("auth.scheme = 'basic'\nauth.server_auth = 'required'");
    assert_eq!(bench.sent.header.cred.as_ref().unwrap().data, "ZGV2LTAwMDE6cHctZGV2");
    let cred = "<Cred><Meta><Type xmlns='syncml:metinf'>syncml:auth-basic</Type></Meta>\
                <Data>ZG0uZXhhbXBsZS5uZXQ6c3J2LXB3</Data></Cred>";
    bench.say_with(cred, &format!("{}<Final/>", command("Get", 2, "./DevInfo/Man")));
    assert_eq!((bench.codes(), bench.results()), (vec![212, 200], vec!["Acme"]));
}

#[test]
fn a_device_gives_up_when_its_password_is_wrong_and_never_falls_back_to_basic() {
    let mut device_ = device("");
    device_.notify(&notification(0xA7, device_.keys.newest_server().unwrap_or_default().to_vec().as_slice()));
    device_.open("https://dm.example.net/dm").unwrap();
    for number in 1..=3 {
        going_on(device_.receive(&server(number, "", STATUSES_407)));
    }
    assert!(matches!(device_.receive(&server(4, "", STATUSES_407)), Next::Over(End::Refused { status: 407 })));
    let mut bench = Bench::open("");
    let chal = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Chal><Meta>\
                <Type xmlns='syncml:metinf'>syncml:auth-basic</Type></Meta></Chal><Data>401</Data></Status><Final/>";
    let message =
        String::from_utf8(server(1, "", chal)).unwrap().replace(">A7<", &format!(">{}<", bench.sent.header.session_id));
    assert!(matches!(bench.device.receive(message.as_bytes()), Next::Over(End::Refused { status: 401 })));
}

/// DM 1.x sheet 13.6: 20 characters in three chunks.
#[test]
fn a_large_object_comes_in_chunks() {
    let mut bench = Bench::open("");
    bench.say(&format!("{}<Final/>", put("Add", 2, "./Vendor/Text", "chr", "old")));
    let chunk = |id: u32, size: &str, data: &str, more: &str| {
        format!(
            "<Replace><CmdID>{id}</CmdID><Meta><Format xmlns='syncml:metinf'>chr</Format>{size}</Meta>\
             <Item><Target><LocURI>./Vendor/Text</LocURI></Target><Data>{data}</Data>{more}</Item></Replace>"
        )
    };
    let size = "<Size xmlns='syncml:metinf'>20</Size>";
    bench.say(&chunk(2, size, "ABCDEFGH", "<MoreData/>"));
    assert_eq!((bench.codes(), bench.alerts(), bench.sent.body.is_final), (vec![200, 213], vec!["1222"], false));
    bench.say(&chunk(3, "", "IJKLMNOP", "<MoreData/>"));
    assert_eq!((bench.codes(), bench.text("Vendor/Text")), (vec![200, 213], "old"));
    bench.say(&format!("{}<Final/>", chunk(2, "", "QRST", "")));
    assert_eq!((bench.codes(), bench.sent.body.is_final), (vec![200, 200], true));
    assert_eq!(bench.text("Vendor/Text"), "ABCDEFGHIJKLMNOPQRST");

    // One character less than promised: nothing of it is kept.
    bench.say(&chunk(2, size, "abcdefgh", "<MoreData/>"));
    bench.say(&format!("{}<Final/>", chunk(2, "", "ijklmnopqrs", "")));
    assert_eq!((bench.codes(), bench.text("Vendor/Text")), (vec![200, 424], "ABCDEFGHIJKLMNOPQRST"));

    // Another command in between: 1225, and the command is obeyed.
    bench.say(&chunk(2, size, "abcdefgh", "<MoreData/>"));
    bench.say(&format!("{}<Final/>", command("Get", 2, "./DevInfo/Man")));
    assert_eq!((bench.alerts(), bench.results()), (vec!["1225"], vec!["Acme"]));
    assert_eq!((bench.sent.body.is_final, bench.end("<Final/>")), (true, End::Done));
}

#[test]
fn objects_beyond_the_limits_are_refused_with_the_reason() {
    let chunk = |size: &str| {
        format!(
            "<Add><CmdID>2</CmdID><Item><Target><LocURI>./Vendor/Big</LocURI></Target><Meta>{size}</Meta>\
             <Data>x</Data><MoreData/></Item></Add>"
        )
    };
    let size = "<Size xmlns='syncml:metinf'>70000</Size>";
    let code = |profile: &str, size: &str| {
        let mut bench = Bench::open(profile);
        bench.say(&chunk(size));
        bench.codes()[1]
    };
    assert_eq!((code("", size), code("", "")), (413, 411));
    assert_eq!(code("devdetail.lrgobj = false", size), 406);
    assert_eq!(code("limits.storage = 50", "<Size xmlns='syncml:metinf'>60</Size>"), 420);
}

#[test]
fn a_package_that_does_not_fit_is_split_and_final_comes_last() {
    let mut bench = Bench::open("limits.commands_per_message = 3");
    let gets: String = (2..6).map(|id| command("Get", id, "./DevInfo/Man")).collect();
    bench.say(&format!("{gets}<Final/>"));
    assert_eq!((bench.sent.body.commands.len(), bench.sent.body.is_final), (4, false));
    let next = "<Alert><CmdID>2</CmdID><Data>1222</Data></Alert>";
    bench.say(next);
    assert_eq!((bench.sent.body.commands.len(), bench.sent.body.is_final), (4, false));
    bench.say(next);
    bench.say(next);
    assert!(bench.sent.body.is_final);
    assert_eq!(bench.end("<Final/>"), End::Done);
}

#[test]
fn results_obey_the_servers_message_size() {
    let mut bench = Bench::open("");
    let gets: String = (2..22).map(|id| command("Get", id, "./DevDetail")).collect();
    let header = "<Meta><MaxMsgSize xmlns='syncml:metinf'>2500</MaxMsgSize></Meta>";
    bench.say_with(header, &format!("{gets}<Final/>"));
    let mut results = 0;
    loop {
        assert!(xml::write(&bench.sent).len() <= 2500);
        results += bench.results().len();
        if bench.sent.body.is_final {
            break;
        }
        bench.say("<Alert><CmdID>2</CmdID><Data>1222</Data></Alert>");
    }
    assert_eq!(results, 20);
}

/// DM 1.x sheet 4 no. 9, in the device's direction.
#[test]
fn a_long_value_goes_out_in_pieces() {
    let mut bench = Bench::open("limits.chunk_results = 16");
    let value = "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich";
    bench.say(&format!("{}<Final/>", put("Add", 2, "./Vendor/Text", "chr", value)));
    bench.say(&[command("Get", 2, "./Vendor/Text"), command("Get", 3, "./DevInfo/Man"), "<Final/>".into()].concat());
    let (mut pieces, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let results =
            bench.sent.body.commands.iter().filter_map(|c| if let Command::Results(r) = c { Some(r) } else { None });
        for item in results.flat_map(|r| &r.items).filter(|item| item.source_uri() == "./Vendor/Text") {
            pieces.push(item.data.as_ref().unwrap().text().unwrap().to_owned());
            sizes.push((item.meta.size.clone(), item.more_data));
        }
        if bench.sent.body.is_final {
            break;
        }
        assert_eq!(bench.sent.body.commands.last().unwrap().name(), "Results");
        bench.say("<Alert><CmdID>2</CmdID><Data>1222</Data></Alert>");
    }
    assert!(pieces.iter().all(|piece| piece.len() <= 16));
    assert_eq!((pieces.concat().as_str(), bench.results().last()), (value, Some(&"Acme")));
    assert_eq!(sizes.first(), Some(&(Some(value.len().to_string()), true)));
    assert!(sizes[1..].iter().all(|(size, _)| size.is_none()) && !sizes.last().unwrap().1);
}

#[test]
fn groups_end_as_the_standard_says() {
    let mut bench = Bench::open("user = 'decline'");
    let atomic = format!(
        "<Atomic><CmdID>15</CmdID>{}{}{}</Atomic><Final/>",
        put("Add", 16, "./Vendor/A", "chr", "1"),
        command("Delete", 17, "./DevInfo"),
        put("Add", 18, "./Vendor/B", "chr", "1"),
    );
    bench.say(&atomic);
    assert_eq!((bench.codes(), bench.text("Vendor/A")), (vec![200, 507, 216, 405, 215], ""));
    let sequence = format!(
        "<Sequence><CmdID>3</CmdID>{}{}</Sequence><Final/>",
        prompt(4, 1101, &["", "Install?"]),
        put("Add", 5, "./Vendor/A", "chr", "1"),
    );
    bench.say(&sequence);
    assert_eq!((bench.codes(), bench.text("Vendor/A")), (vec![200, 200, 304, 215], ""));
}

#[test]
fn the_tree_answers_properties_structures_and_mistakes() {
    let mut bench = Bench::open("");
    let get = |id, uri| command("Get", id, uri);
    bench.say(
        &[
            get(2, "./SCOMO?prop=Type"),
            get(3, "./SCOMO?list=Struct"),
            get(4, "./SCOMO?prop=ACL"),
            get(5, "/SCOMO"),
            get(6, "."),
            "<Final/>".into(),
        ]
        .concat(),
    );
    assert_eq!(bench.codes(), [200, 200, 200, 406, 404, 200]);
    assert_eq!(bench.results(), ["urn:oma:mo:oma-scomo:1.0", "DevDetail/DevInfo/SCOMO/Vendor"]);
    bench.say(
        &[
            put("Replace", 2, "./Vendor/None", "chr", ""),
            put("Replace", 3, "./DevInfo/Man", "chr", "Evil"),
            put("Add", 4, "./Vendor/A/B", "chr", ""),
            put("Add", 5, &format!("./Vendor/{}", "n".repeat(32)), "chr", ""),
            "<Put><CmdID>6</CmdID></Put><Final/>".into(),
        ]
        .concat(),
    );
    assert_eq!(bench.codes(), [200, 404, 405, 404, 414, 406]);
}

#[test]
fn either_side_may_abort() {
    let mut bench = Bench::open("");
    assert_eq!(bench.end("<Alert><CmdID>2</CmdID><Data>1223</Data></Alert><Final/>"), End::Aborted);
    let mut bench = Bench::open("faults.abort = [2]");
    let Next::Send(last) = bench.answer("", &format!("{}<Final/>", command("Get", 2, "."))) else { panic!("no abort") };
    assert_eq!((last.last.clone(), read(&last).header.msg_id.as_str()), (Some(End::Broken), "2"));
}

#[test]
fn nonsense_ends_the_session_and_harms_nothing() {
    for answer in ["", "<SyncML/>", "<SyncML><SyncHdr><SessionID>ZZ</SessionID></SyncHdr><SyncBody/></SyncML>", "<<"] {
        let mut bench = Bench::open("");
        assert!(matches!(bench.device.receive(answer.as_bytes()), Next::Over(End::Nonsense { .. })), "{answer}");
        bench.device.want_session();
        assert!(bench.device.wants_session());
    }
}
