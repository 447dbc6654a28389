//! The worked examples of the DM 1.x and SCOMO sheets.

use super::*;

macro_rules! example {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../../tests/data/dm1/", $name, ".xml")))
    };
}

const EXAMPLES: [(&str, &str); 25] = [
    example!("pkg1-without-credentials"),
    example!("challenge"),
    example!("pkg1-md5"),
    example!("pkg2-accepted"),
    example!("pkg3-results"),
    example!("pkg4-closing"),
    example!("chunk-first"),
    example!("chunk-next"),
    example!("next-message"),
    example!("consent"),
    example!("generic-alert"),
    example!("tree-housekeeping"),
    example!("abort"),
    example!("scomo-discovery"),
    example!("scomo-download-install"),
    example!("scomo-accepted"),
    example!("scomo-complete"),
    example!("scomo-complete-answer"),
    example!("scomo-synchronous"),
    example!("scomo-direct-first"),
    example!("scomo-direct-next"),
    example!("scomo-direct-last"),
    example!("scomo-confirm"),
    example!("scomo-user-request"),
    example!("scomo-inventory-row"),
];

/// A document without the white space between its tags.
fn packed(text: &str) -> String {
    let mut out = String::new();
    for piece in text.split_inclusive('>') {
        out.push_str(if piece.trim_start().starts_with('<') { piece.trim_start() } else { piece });
    }
    out.trim_end().to_owned()
}

#[test]
fn every_example_is_written_again_as_it_stands() {
    for (name, text) in EXAMPLES {
        let message = read(text.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let written = String::from_utf8(write(&message)).unwrap();
        assert_eq!(written, packed(text), "{name}");
        assert_eq!(must_read(&written), message, "{name}");
    }
}

#[test]
fn an_example_means_what_it_says() {
    let message = must_read(include_str!("../../../../../tests/data/dm1/pkg1-md5.xml"));
    assert_eq!(message.header.session_id, "A7");
    assert_eq!(message.header.source.uri, "IMEI:490154203237518");
    assert_eq!(message.header.source.name.as_deref(), Some("dev-0001"));
    let cred = message.header.cred.unwrap();
    assert_eq!(cred.meta.r#type.as_deref(), Some("syncml:auth-md5"));
    assert_eq!(cred.data, "eVkkSikhMWAUnrRSZ2dnRg==");
    assert_eq!(message.header.meta.max_msg_size.as_deref(), Some("8192"));
    assert!(message.body.is_final);
    let names: Vec<_> = message.body.commands.iter().map(Command::name).collect();
    assert_eq!(names, ["Status", "Alert", "Replace"]);
    let Command::Status(status) = &message.body.commands[0] else { panic!() };
    assert_eq!(status.code(), Some(407));
    assert_eq!(status.chal.as_ref().unwrap().meta.next_nonce.as_deref(), Some("ICEiIyQlJicoKSorLC0uLw=="));
    let Command::Replace(replace) = &message.body.commands[2] else { panic!() };
    let uris: Vec<_> = replace.items.iter().map(crate::wire::syncml::Item::source_uri).collect();
    assert_eq!(uris, ["./DevInfo/DevId", "./DevInfo/Man", "./DevInfo/Mod", "./DevInfo/DmV", "./DevInfo/Lang"]);
}

#[test]
fn groups_keep_their_commands_in_order() {
    let message = must_read(include_str!("../../../../../tests/data/dm1/consent.xml"));
    let Some(Command::Sequence(group)) = message.body.commands.first() else { panic!() };
    assert_eq!(group.cmd_id, "4");
    let ids: Vec<_> = group.commands.iter().map(|c| (c.name(), c.cmd_id())).collect();
    assert_eq!(ids, [("Alert", "5"), ("Replace", "6"), ("Exec", "7")]);
    let Command::Alert(alert) = &group.commands[0] else { panic!() };
    assert_eq!(alert.items[0].data.as_ref().unwrap().text(), Some("MAXDT=60&DR=1"));
}

#[test]
fn a_tnds_document_in_cdata_is_text() {
    let message = must_read(include_str!("../../../../../tests/data/dm1/tnds-add.xml"));
    let Some(Command::Add(add)) = message.body.commands.first() else { panic!() };
    let text = add.items[0].data.as_ref().unwrap().text().unwrap();
    assert!(text.starts_with("<MgmtTree xmlns=\"syncml:dmddf1.2\">") && text.ends_with("</MgmtTree>"));
    assert!(text.contains("Get=dm.example.net&amp;Replace=dm.example.net"), "CDATA is not resolved a second time");
    assert_eq!(must_read(&String::from_utf8(write(&message)).unwrap()), message);
}
