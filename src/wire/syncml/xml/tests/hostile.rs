//! Input that means harm or is just broken: an error in good time, never a panic.

use std::fmt::Write as _;

use super::*;

const PKG3: &[u8] = include_bytes!("../../../../../tests/data/dm1/pkg3-results.xml");

fn refused(bytes: &[u8]) -> Error {
    read(bytes, &Limits::default()).expect_err("must be refused")
}

fn refused_body(body: &str) -> Error {
    refused(format!("<SyncML><SyncHdr/><SyncBody>{body}</SyncBody></SyncML>").as_bytes())
}

#[test]
fn a_message_cut_at_any_byte_is_refused() {
    let end = PKG3.iter().rposition(|byte| *byte == b'>').unwrap() + 1;
    for cut in 0..end {
        refused(&PKG3[..cut]);
    }
    read(&PKG3[..end], &Limits::default()).unwrap();
}

#[test]
fn a_message_with_any_byte_broken_never_panics() {
    let mut refusals = 0;
    for index in 0..PKG3.len() {
        for wrong in [0x00, b'<', b'>', b'&', b'"', 0xff] {
            let mut bytes = PKG3.to_vec();
            bytes[index] = wrong;
            refusals += usize::from(read(&bytes, &Limits::default()).is_err());
        }
    }
    assert!(refusals > PKG3.len(), "0xff alone is never UTF-8");
}

#[test]
fn what_is_not_xml_is_refused() {
    let cases: [(&[u8], &str); 13] = [
        (b"", "document ends before its root element is closed, at byte 0"),
        (b"{\"json\": true}", "document has content outside its root element at byte 0"),
        (b"\x02\x00\x00\x6a\x00", "document has content outside its root element at byte 0"),
        (b"<SyncML>\xe9</SyncML>", "document is not UTF-8 at byte 8"),
        (b"\xff\xfe<\0\x00\xd8", "document is not UTF-16 at byte 1"),
        (b"\xfe\xff\0", "document is not UTF-16 at byte 0"),
        (b"<SyncML><SyncHdr></SyncBody></SyncML>", "document is not well-formed XML at byte 17 inside SyncML/SyncHdr"),
        (b"<SyncML><SyncHdr/></SyncML><SyncML/>", "document has content outside its root element at byte 27"),
        (b"<SyncML><SyncHdr/></SyncML>x", "document has content outside its root element at byte 27"),
        (b"<SyncML><1x/></SyncML>", "element name is not an XML name at byte 8 inside SyncML"),
        (b"<SyncML><a:/></SyncML>", "element name is not an XML name at byte 8 inside SyncML"),
        (b"<SyncML><a b='1' b='2'/></SyncML>", "document is not well-formed XML at byte 8 inside SyncML/a"),
        (b"<SyncML>a & b</SyncML>", "document is not well-formed XML at byte 10 inside SyncML"),
    ];
    for (bytes, said) in cases {
        assert_eq!(refused(bytes).to_string(), said, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn another_root_is_refused() {
    assert!(matches!(refused(b"<html/>"), Error::Root { .. }));
    assert!(
        matches!(refused(b"<SyncML xmlns='urn:x'><SyncHdr/></SyncML>"), Error::Namespace { found } if found == "urn:x")
    );
    assert!(matches!(refused(b"<p:SyncML xmlns:p='urn:x'><SyncHdr/></p:SyncML>"), Error::Namespace { .. }));
    assert!(matches!(refused(b"<SyncML><SyncBody/></SyncML>"), Error::NoHeader));
}

#[test]
fn no_document_type_and_no_entity_of_ones_own() {
    let bomb = "<!DOCTYPE SyncML [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><SyncML><SyncHdr><MsgID>&b;</MsgID></SyncHdr></SyncML>";
    assert!(matches!(refused(bomb.as_bytes()), Error::Doctype { .. }));
    assert!(matches!(refused(b"<SyncML><!DOCTYPE x></SyncML>"), Error::Doctype { .. }));
    assert!(matches!(refused_body("<Get><CmdID>&b;</CmdID></Get>"), Error::Entity { name, .. } if name == "b"));
    assert!(matches!(refused_body("<Add><Item><Data><a>&b;</a></Data></Item></Add>"), Error::Entity { .. }));
    assert!(matches!(refused_body("<Get>&#0;</Get>"), Error::Malformed { .. }));
    assert!(matches!(refused_body("<Get>&#xD800;</Get>"), Error::Malformed { .. }));
}

#[test]
fn an_error_says_where() {
    let error = refused_body("<Get><Item><Target><LocURI>&b;</LocURI></Target></Item></Get>");
    let expected = "entity `b` is not allowed at byte 55 inside SyncML/SyncBody/Get/Item/Target/LocURI";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn ten_megabytes_of_nesting_end_at_the_bound() {
    let limits = Limits { message_bytes: usize::MAX, depth: usize::MAX, ..Limits::default() };
    for start in
        ["<SyncML><SyncHdr/><SyncBody>", "<SyncML><SyncHdr/><SyncBody><Add><Item><Data>", "<SyncML><SyncHdr><Meta>"]
    {
        for tag in ["<Atomic>", "<MetInf>", "<x>"] {
            let text = format!("{start}{}", tag.repeat(10 * 1024 * 1024 / tag.len()));
            let error = read(text.as_bytes(), &limits).expect_err("must be refused");
            assert!(matches!(error, Error::TooMany { what: "levels of nesting", max: 128, .. }), "{error}");
        }
    }
}

#[test]
fn nesting_inside_data_counts() {
    let deep = format!("<Add><Item><Data>{}{}</Data></Item></Add>", "<x>".repeat(40), "</x>".repeat(40));
    assert!(matches!(refused_body(&deep), Error::TooMany { what: "levels of nesting", max: 32, .. }));
}

#[test]
fn attributes_elements_commands_and_bytes_are_bounded() {
    let mut many = String::from("<Get");
    for index in 0..100_000 {
        write!(many, " a{index}='x'").unwrap();
    }
    let limits = Limits { message_bytes: usize::MAX, ..Limits::default() };
    let text = format!("<SyncML><SyncHdr/><SyncBody>{many}/></SyncBody></SyncML>");
    let error = read(text.as_bytes(), &limits).expect_err("must be refused");
    assert!(matches!(error, Error::TooMany { what: "attributes", max: 16, .. }), "{error}");
    assert!(matches!(refused_body(&"<Get/>".repeat(2001)), Error::TooMany { what: "commands", max: 2000, .. }));
    let nested = format!("<Sequence>{}</Sequence>", "<Get/>".repeat(2000));
    assert!(matches!(refused_body(&nested), Error::TooMany { what: "commands", .. }));
    let items = format!("<Add>{}</Add>", "<Item/>".repeat(50_000));
    assert!(matches!(refused_body(&items), Error::TooMany { what: "elements", max: 50_000, .. }));
    let long = vec![b' '; (1 << 20) + 1];
    assert!(matches!(refused(&long), Error::TooLarge { bytes: 1_048_577, max: 1_048_576 }));
}

#[test]
fn long_names_do_not_make_long_errors() {
    let name = "x".repeat(100_000);
    let error = refused_body(&format!("<{name}>&b;</{name}>"));
    assert!(error.to_string().len() < 200, "{error}");
}
