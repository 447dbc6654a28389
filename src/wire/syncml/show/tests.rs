use super::*;
use crate::wire::syncml::limits::Limits;
use crate::wire::syncml::xml::read;

fn shown(text: &str, secrets: Secrets) -> String {
    show(&read(text.as_bytes(), &Limits::default()).unwrap(), secrets)
}

#[test]
fn a_challenged_client_reads_like_this() {
    let text = include_str!("../../../../tests/data/dm1/pkg1-md5.xml");
    let expected = "\
SyncML DM/1.2 (DTD 1.2), session A7, message 2, final
  to https://dm.example.net/dm?sid=5f3c
  from IMEI:490154203237518 (dev-0001)
  credentials hidden (24 bytes) [b64, syncml:auth-md5]
  takes messages up to 8192 bytes
  takes objects up to 65536 bytes
#1 Status 407 credentials missing, for SyncHdr #0 in message 1
  target IMEI:490154203237518
  source https://dm.example.net/dm
  challenge [b64, syncml:auth-md5], next nonce hidden (24 bytes)
#2 Alert 1200 server-initiated management
#3 Replace
  ./DevInfo/DevId = \"IMEI:490154203237518\" (20 bytes)
  ./DevInfo/Man = \"Acme\" (4 bytes)
  ./DevInfo/Mod = \"A1\" (2 bytes)
  ./DevInfo/DmV = \"1.2\" (3 bytes)
  ./DevInfo/Lang = \"en-US\" (5 bytes)
";
    assert_eq!(shown(text, Secrets::Hidden), expected);
}

#[test]
fn secrets_are_shown_on_demand_only() {
    let text = include_str!("../../../../tests/data/dm1/pkg1-md5.xml");
    let open = shown(text, Secrets::Shown);
    assert!(open.contains("credentials \"eVkkSikhMWAUnrRSZ2dnRg==\""), "{open}");
    assert!(open.contains("next nonce \"ICEiIyQlJicoKSorLC0uLw==\""), "{open}");
    let account = include_str!("../../../../tests/data/dm1/tnds-add.xml");
    assert!(shown(account, Secrets::Shown).contains("./Inbox = \"<MgmtTree"));
    assert!(shown(account, Secrets::Hidden).contains("./Inbox = hidden ("));
}

#[test]
fn groups_are_indented_and_correlators_named() {
    let text = include_str!("../../../../tests/data/dm1/scomo-confirm.xml");
    let expected = "\
#3 Sequence
  #4 Alert 1101 confirm or reject
    item = \"MINDT=10&MAXDT=60&DR=0\" (22 bytes)
    item = \"Remove the application Player?\" (30 bytes)
  #5 Exec, correlator job-4713
    ./SCOMO/Inventory/Deployed/player/Operations/Remove
";
    let all = shown(text, Secrets::Hidden);
    assert!(all.ends_with(expected), "{all}");
}

#[test]
fn a_chunk_and_a_long_value_are_told_in_one_line() {
    let text = include_str!("../../../../tests/data/dm1/scomo-direct-first.xml");
    let all = shown(text, Secrets::Hidden);
    let expected = "\
#5 Add [b64, application/vnd.example.pkg, size 16]
  ./SCOMO/Inventory/Delivered/player17/Data = \"QUJDREVG\" (8 bytes), more data follows
";
    assert!(all.ends_with(expected), "{all}");
    let long = format!(
        "<SyncML><SyncHdr/><SyncBody><Results><Item><Data>{}</Data></Item></Results></SyncBody></SyncML>",
        "é".repeat(97)
    );
    let expected = format!("#? Results of #? in message ?\n  item = \"{}…\" (194 bytes)\n", "é".repeat(96));
    assert!(shown(&long, Secrets::Hidden).ends_with(&expected));
}

#[test]
fn a_device_cannot_steer_the_terminal() {
    let text = "<SyncML><SyncHdr><SessionID>a&#27;[2Jb</SessionID></SyncHdr><SyncBody>\
        <Get><Item><Target><LocURI>./A&#x202e;&#10;B</LocURI></Target></Item></Get></SyncBody></SyncML>";
    let all = shown(text, Secrets::Hidden);
    assert!(all.contains("session a\\u{1b}[2Jb,") && all.contains("./A\\u{202e}\\nB"), "{all}");
}

#[test]
fn bytes_are_shown_in_hexadecimal() {
    let mut message = read(b"<SyncML><SyncHdr/></SyncML>", &Limits::default()).unwrap();
    let item = |bytes| Item { data: Some(Data::Bytes(bytes)), ..Item::target("./A") };
    let items = vec![item(vec![0, 0xab]), item(vec![1; 25])];
    message.body.commands.push(Command::Add(crate::wire::syncml::Write { items, ..Default::default() }));
    let expected = format!("  ./A = 00ab (2 bytes)\n  ./A = {}… (25 bytes)\n", "01".repeat(24));
    assert!(show(&message, Secrets::Hidden).ends_with(&expected));
}
