use super::*;

/// The bytes of the first message, and the message itself.
fn first(profile: &str) -> (String, Message) {
    let mut device = device(profile);
    device.want_session();
    let first = device.open("https://dm.example.net/dm").unwrap();
    (String::from_utf8(first.body.clone()).unwrap(), read(&first))
}

fn header(dialect: &str) -> crate::wire::syncml::Header {
    first(&format!("[device.dialect]\n{dialect}")).1.header
}

#[test]
fn the_header_is_as_the_dialect_says() {
    let old =
        header("ver_dtd = '1.1'\nver_proto = 'DM/1.1'\nsizes = false\nloc_name = false\nlower_case_source = true");
    assert_eq!((old.ver_dtd.as_str(), old.ver_proto.as_str()), ("1.1", "DM/1.1"));
    assert_eq!((old.source.uri.as_str(), old.source.name, old.meta.is_empty()), ("imei:490154203237518", None, true));
    assert_eq!(header("session_ids = 'same'").session_id, "1");
    let upper = header("");
    assert_eq!(header("session_ids = 'lower'").session_id, upper.session_id.to_lowercase());
    let number = u16::from_str_radix(&upper.session_id, 16).unwrap();
    assert_eq!(header("session_ids = 'decimal'").session_id, number.to_string());
}

#[test]
fn a_first_message_may_have_another_order() {
    let mut device = device(
        "dialect = { alerts_first = true, opening_alert = false, devinfo_ext_node = true }\ndevinfo.ext.Skin = 'blue'",
    );
    device.ask(&crate::sim::Ask::new("UserRequest"));
    let message = read(&device.open("https://dm.example.net/dm").unwrap());
    let [Command::Alert(alert), Command::Replace(info)] = message.body.commands.as_slice() else {
        panic!("{message:?}")
    };
    assert_eq!(alert.data, "1226");
    let last = info.items.last().unwrap();
    assert_eq!((last.source_uri(), last.data.as_ref().unwrap().text()), ("./DevInfo/Ext", Some("Skin")));
}

#[test]
fn answers_leave_out_what_the_dialect_leaves_out() {
    let mut bench = Bench::open(
        "dialect = { target_refs = false, header_ref = false, results_refs = false, results_meta_on_command = true }",
    );
    let two = "<Get><CmdID>3</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item>\
               <Item><Target><LocURI>./DevInfo/None</LocURI></Target></Item></Get>";
    bench.say(&[command("Get", 2, "./DevInfo/Mod"), two.to_owned(), "<Final/>".into()].concat());
    let all = statuses(&bench.sent);
    let refs: Vec<(&str, usize)> = all.iter().map(|s| (s.cmd_ref.as_str(), s.target_refs.len())).collect();
    assert_eq!(refs, [("", 0), ("2", 0), ("3", 1), ("3", 1)]);
    let results =
        bench.sent.body.commands.iter().find_map(|c| if let Command::Results(r) = c { Some(r) } else { None });
    let results = results.unwrap();
    assert_eq!((results.cmd_ref.as_str(), results.meta.format.as_deref()), ("", Some("chr")));
    assert!(results.items[0].meta.is_empty());
}

#[test]
fn spelling_changes_the_bytes_and_not_the_message() {
    let (plain, message) = first("");
    let (bare, same) = first("dialect.namespaces = false");
    assert!(plain.contains("xmlns") && !bare.contains("xmlns"));
    assert_eq!(message, same);
    let (airy, same) = first("dialect.white_space = true");
    assert!(airy.contains("<LocURI>\n  ./DevInfo/Man\n </LocURI>"));
    assert_eq!(message, same);
}

#[test]
fn formats_and_names_are_written_as_the_dialect_says() {
    let mut bench = Bench::open("dialect = { capital_formats = true, percent_names = true }");
    bench
        .say(&[put("Add", 2, "./Vendor/a b+c", "chr", "1"), command("Get", 3, "./Vendor"), "<Final/>".into()].concat());
    assert_eq!((bench.codes(), bench.results()), (vec![200, 200, 200], vec!["a%20b%2Bc"]));
    let Some(Command::Results(results)) = bench.sent.body.commands.last() else { panic!("no results") };
    assert_eq!(results.items[0].meta.format.as_deref(), Some("Node"));
}

#[test]
fn parents_are_made_and_groups_refused_if_so_made() {
    let mut bench = Bench::open("dialect = { implicit_parents = true, atomic = false }\nscomo.children = 'device'");
    let deep = put("Add", 2, "./Vendor/A/B/C", "chr", "1");
    let entry = put("Add", 3, "./SCOMO/Download/p/PkgID", "chr", "p-1");
    let strange = put("Add", 4, "./SCOMO/Strange/A", "chr", "1");
    let atomic = format!("<Atomic><CmdID>5</CmdID>{}</Atomic>", put("Add", 6, "./Vendor/D", "chr", "1"));
    bench.say(&[deep, entry, strange, atomic, "<Final/>".into()].concat());
    assert_eq!((bench.codes(), bench.text("Vendor/A/B/C")), (vec![200, 200, 418, 405, 406, 406], "1"));
    assert_eq!(bench.text("SCOMO/Download/p/Status"), "10");
}

#[test]
fn credentials_can_go_out_with_every_message() {
    let mut bench = Bench::open("dialect.always_cred = true\nauth.scheme = 'basic'");
    bench.say(&format!("{}<Final/>", command("Get", 2, "./DevInfo/Man")));
    assert!(bench.sent.header.cred.is_some());
}
