//! What clients were seen to send (DM 1.x sheet 12, 16): each oddity a test.

use super::*;
use crate::wire::syncml::{Data, Item};

fn item(body: &str) -> Item {
    let Command::Replace(mut write) = only(body) else { panic!("{body}") };
    write.items.remove(0)
}

fn data(content: &str) -> String {
    let item = item(&format!("<Replace><Item><Data>{content}</Data></Item></Replace>"));
    item.data.unwrap().text().unwrap().to_owned()
}

#[test]
fn a_dm_1_1_client_sends_no_namespace_at_all() {
    let text = "<?xml version=\"1.0\"?><SyncML><SyncHdr><VerDTD>1.1</VerDTD><VerProto>DM/1.1</VerProto><SessionID>1</SessionID>\
        <MsgID>1</MsgID><Meta><MaxMsgSize>10000</MaxMsgSize></Meta></SyncHdr><SyncBody><Final></Final></SyncBody></SyncML>";
    let message = must_read(text);
    assert_eq!(message.header.ver_dtd, "1.1");
    assert_eq!(message.header.meta.max_msg_size.as_deref(), Some("10000"));
    assert!(message.body.is_final);
    let written = String::from_utf8(write(&message)).unwrap();
    assert!(written.starts_with("<SyncML xmlns=\"SYNCML:SYNCML1.1\">"), "{written}");
}

#[test]
fn any_syncml_namespace_and_any_prefix_will_do() {
    for version in ["1.0", "1.1", "1.2"] {
        must_read(&format!("<SyncML xmlns='SYNCML:SYNCML{version}'><SyncHdr/><SyncBody/></SyncML>"));
    }
    let text = "<s:SyncML xmlns:s=\"SYNCML:SYNCML1.2\" xmlns:m=\"syncml:metinf\"><s:SyncHdr><s:MsgID>7</s:MsgID>\
        <s:Meta><m:MaxObjSize>9</m:MaxObjSize></s:Meta></s:SyncHdr><s:SyncBody/></s:SyncML>";
    let header = must_read(text).header;
    assert_eq!((header.msg_id.as_str(), header.meta.max_obj_size.as_deref()), ("7", Some("9")));
}

#[test]
fn protocol_fields_are_trimmed() {
    let Command::Get(get) =
        only("<Get><CmdID>\n 5\t</CmdID><Item><Target><LocURI>\r\n ./DevDetail \n</LocURI></Target></Item></Get>")
    else {
        panic!()
    };
    assert_eq!((get.cmd_id.as_str(), get.items[0].target_uri()), ("5", "./DevDetail"));
}

#[test]
fn data_of_an_item_keeps_its_white_space() {
    assert_eq!(data(" \tA 1\r\n B\n"), " \tA 1\r\n B\n");
}

#[test]
fn cdata_references_and_comments_make_one_text() {
    assert_eq!(data("a&amp;b<!-- no --><![CDATA[<&c>]]>&#x64;&#101;<?pi?>&lt;&quot;&apos;&gt;"), "a&b<&c>de<\"'>");
}

#[test]
fn element_content_of_data_stays_markup() {
    let tree = "<MgmtTree xmlns=\"syncml:dmddf1.2\"><Node><Path/><Value>a&amp;b</Value></Node></MgmtTree>";
    assert_eq!(data(tree), tree);
    assert_eq!(data(&format!("\n{tree} ")), format!("\n{tree} "));
}

#[test]
fn a_nul_inside_data_is_kept() {
    assert_eq!(data("node\0"), "node\0");
}

#[test]
fn empty_data_is_not_absent_data() {
    let items = "<Replace><Item><Data/></Item><Item><Data></Data></Item><Item/></Replace>";
    let Command::Replace(write) = only(items) else { panic!() };
    let found: Vec<_> = write.items.into_iter().map(|item| item.data).collect();
    assert_eq!(found, [Some(Data::Text(String::new())), Some(Data::Text(String::new())), None]);
}

#[test]
fn children_come_in_any_order() {
    let body =
        "<Status><Data>200</Data><TargetRef>./A</TargetRef><Cmd>Get</Cmd><MsgRef>2</MsgRef><CmdID>1</CmdID></Status>";
    let Command::Status(status) = only(body) else { panic!() };
    assert_eq!((status.code(), status.cmd.as_str(), status.cmd_ref.as_str()), (Some(200), "Get", ""));
    assert_eq!(status.target_refs, ["./A"]);
    let body = "<Alert><Correlator>c1</Correlator><Item><Meta><Mark>fatal</Mark></Meta><Source><LocURI>./F</LocURI></Source></Item>\
        <Data> 1226 </Data><CmdID>9</CmdID></Alert>";
    let Command::Alert(alert) = only(body) else { panic!() };
    assert_eq!((alert.data.as_str(), alert.correlator.as_deref()), ("1226", Some("c1")));
    assert_eq!((alert.items[0].source_uri(), alert.items[0].meta.mark.as_deref()), ("./F", Some("fatal")));
}

#[test]
fn format_and_type_outside_meta_are_ignored_and_so_is_the_unknown() {
    let item = item(
        "<Replace><Archive/><Item><Type>x</Type><Format>b64</Format><SourceParent><LocURI>./P</LocURI></SourceParent>\
        <Source><LocURI>./DevInfo/Mod</LocURI></Source><Data xmlns:msft=\"urn:m\" msft:originalerror=\"0x1\">A1</Data></Item></Replace>",
    );
    assert!(item.meta.is_empty());
    assert_eq!((item.source_uri(), item.data.as_ref().unwrap().text()), ("./DevInfo/Mod", Some("A1")));
}

#[test]
fn meta_of_the_command_and_of_the_item_stay_apart() {
    let body = "<Results><CmdID>1</CmdID><Cmd>Get</Cmd><Meta><Format>Chr</Format></Meta><Item><Meta><Format>int</Format></Meta></Item></Results>";
    let Command::Results(results) = only(body) else { panic!() };
    assert_eq!(results.meta.format.as_deref(), Some("Chr"));
    assert_eq!(results.items[0].meta.format.as_deref(), Some("int"));
    assert_eq!(results.cmd_ref, "");
}

#[test]
fn a_metinf_wrapper_is_looked_through() {
    let item =
        item("<Replace><Item><Meta><MetInf xmlns=\"syncml:metinf\"><Size>7</Size></MetInf></Meta></Item></Replace>");
    assert_eq!(item.meta.size.as_deref(), Some("7"));
}

#[test]
fn empty_protocol_fields_are_absent_but_an_empty_nonce_is_a_nonce() {
    let body = "<Status><CmdID/><TargetRef/><Chal><Meta><Format/><NextNonce/></Meta></Chal></Status>";
    let Command::Status(status) = only(body) else { panic!() };
    assert!(status.cmd_id.is_empty() && status.target_refs.is_empty());
    let meta = status.chal.unwrap().meta;
    assert_eq!((meta.format, meta.next_nonce.as_deref()), (None, Some("")));
    let Command::Exec(exec) = only("<Exec><Correlator> </Correlator></Exec>") else { panic!() };
    assert_eq!(exec.correlator, None);
}

#[test]
fn more_data_is_seen_in_both_spellings() {
    for mark in ["<MoreData/>", "<MoreData></MoreData>"] {
        assert!(item(&format!("<Replace><Item><Data>x</Data>{mark}</Item></Replace>")).more_data);
    }
}

#[test]
fn an_unknown_command_is_kept_for_the_dialogue_to_refuse() {
    let Command::Other(other) = only("<Sync><CmdID>3</CmdID><Add><CmdID>4</CmdID></Add></Sync>") else { panic!() };
    assert_eq!((other.name.as_str(), other.cmd_id.as_str()), ("Sync", "3"));
    let Command::Atomic(group) = only("<Atomic><CmdID>1</CmdID><Move><CmdID>2</CmdID></Move></Atomic>") else {
        panic!()
    };
    assert_eq!((group.commands[0].name(), group.commands[0].cmd_id()), ("Move", "2"));
}

#[test]
fn groups_nest() {
    let body = "<Atomic><CmdID>1</CmdID><Sequence><Exec><CmdID>3</CmdID></Exec><CmdID>2</CmdID></Sequence></Atomic>";
    let Command::Atomic(outer) = only(body) else { panic!() };
    let Command::Sequence(inner) = &outer.commands[0] else { panic!() };
    assert_eq!((inner.cmd_id.as_str(), inner.commands[0].cmd_id()), ("2", "3"));
}

#[test]
fn byte_order_marks_and_utf_16_are_read() {
    let text =
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><SyncML><SyncHdr><SessionID>é€😀</SessionID></SyncHdr></SyncML>";
    let units: Vec<u16> = text.encode_utf16().collect();
    let little = [&[0xff, 0xfe][..], &units.iter().flat_map(|u| u.to_le_bytes()).collect::<Vec<_>>()].concat();
    let big = [&[0xfe, 0xff][..], &units.iter().flat_map(|u| u.to_be_bytes()).collect::<Vec<_>>()].concat();
    let utf8 = [&[0xef, 0xbb, 0xbf][..], text.as_bytes()].concat();
    for bytes in [little, big, utf8, text.as_bytes().to_vec()] {
        assert_eq!(read(&bytes, &Limits::default()).unwrap().header.session_id, "é€😀");
    }
}

#[test]
fn what_stands_around_the_root_is_skipped() {
    must_read(
        " \n<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><!-- c --><SyncML><SyncHdr/></SyncML>\n<!-- c --><?p?>\0\n",
    );
}
