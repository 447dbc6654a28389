//! Whatever the tree can say is said, and read back the same.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::wire::syncml::{
    Alert, Body, Chal, Cred, Data, Delete, Exec, Get, Group, Header, Item, Location, Meta, Other, Results, Status,
    Write,
};

/// A protocol field: no white space at its ends.
fn field() -> impl Strategy<Value = String> {
    "[!-~é€😀&&[^ ]]([ -~é€😀\n]{0,6}[!-~é€😀&&[^ ]])?"
}

/// A protocol field that may be absent.
fn maybe() -> impl Strategy<Value = Option<String>> {
    option::of(field())
}

fn location() -> BoxedStrategy<Location> {
    (prop_oneof![field(), Just(String::new())], maybe()).prop_map(|(uri, name)| Location { uri, name }).boxed()
}

fn meta() -> BoxedStrategy<Meta> {
    let nonce = option::of(prop_oneof![field(), Just(String::new())]);
    (maybe(), maybe(), maybe(), maybe(), nonce, maybe(), maybe(), (maybe(), maybe()))
        .prop_map(|(format, r#type, mark, size, next_nonce, version, max_msg_size, (max_obj_size, emi))| Meta {
            format,
            r#type,
            mark,
            size,
            next_nonce,
            version,
            max_msg_size,
            max_obj_size,
            emi,
        })
        .boxed()
}

fn item() -> BoxedStrategy<Item> {
    let data = option::of(any::<String>().prop_map(Data::Text));
    (option::of(location()), option::of(location()), meta(), data, any::<bool>())
        .prop_map(|(target, source, meta, data, more_data)| Item { target, source, meta, data, more_data })
        .boxed()
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    vec(item(), 0..3)
}

fn status() -> BoxedStrategy<Command> {
    let refs = || vec(field(), 0..3);
    (field(), field(), field(), field(), refs(), refs(), option::of(meta()), field(), items())
        .prop_map(|(cmd_id, msg_ref, cmd_ref, cmd, target_refs, source_refs, chal, data, items)| {
            let chal = chal.map(|meta| Chal { meta });
            Command::Status(Status { cmd_id, msg_ref, cmd_ref, cmd, target_refs, source_refs, chal, data, items })
        })
        .boxed()
}

fn results() -> BoxedStrategy<Command> {
    (field(), field(), field(), meta(), maybe(), maybe(), items())
        .prop_map(|(cmd_id, msg_ref, cmd_ref, meta, target_ref, source_ref, items)| {
            Command::Results(Results { cmd_id, msg_ref, cmd_ref, meta, target_ref, source_ref, items })
        })
        .boxed()
}

fn leaf() -> BoxedStrategy<Command> {
    let id = || prop_oneof![field(), Just(String::new())];
    let write = || (id(), meta(), items()).prop_map(|(cmd_id, meta, items)| Write { cmd_id, meta, items });
    prop_oneof![
        status(),
        results(),
        (id(), field(), maybe(), items()).prop_map(|(cmd_id, data, correlator, items)| Command::Alert(Alert {
            cmd_id,
            data,
            correlator,
            items
        })),
        write().prop_map(Command::Add),
        write().prop_map(Command::Replace),
        write().prop_map(Command::Copy),
        (id(), meta(), items()).prop_map(|(cmd_id, meta, items)| Command::Delete(Delete { cmd_id, meta, items })),
        (id(), meta(), items()).prop_map(|(cmd_id, meta, items)| Command::Get(Get { cmd_id, meta, items })),
        (id(), meta(), maybe(), items()).prop_map(|(cmd_id, meta, correlator, items)| Command::Exec(Exec {
            cmd_id,
            meta,
            correlator,
            items
        })),
        ("[X-Z][a-z0-9]{0,5}", id()).prop_map(|(name, cmd_id)| Command::Other(Other { name, cmd_id })),
    ]
    .boxed()
}

fn command() -> BoxedStrategy<Command> {
    leaf()
        .prop_recursive(3, 8, 3, |inner| {
            (field(), meta(), vec(inner, 0..3), any::<bool>()).prop_map(|(cmd_id, meta, commands, atomic)| {
                let group = Group { cmd_id, meta, commands };
                if atomic { Command::Atomic(group) } else { Command::Sequence(group) }
            })
        })
        .boxed()
}

fn message() -> BoxedStrategy<Message> {
    let cred = option::of((meta(), field()).prop_map(|(meta, data)| Cred { meta, data }));
    let header = (field(), field(), field(), field(), location(), location(), maybe(), cred, meta()).prop_map(
        |(ver_dtd, ver_proto, session_id, msg_id, target, source, resp_uri, cred, meta)| Header {
            ver_dtd,
            ver_proto,
            session_id,
            msg_id,
            target,
            source,
            resp_uri,
            cred,
            meta,
        },
    );
    let body = (vec(command(), 0..4), any::<bool>()).prop_map(|(commands, is_final)| Body { commands, is_final });
    (header, body).prop_map(|(header, body)| Message { header, body }).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_is_read_again(message in message()) {
        let written = write(&message);
        prop_assert_eq!(read(&written, &Limits::default()).unwrap(), message);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, &Limits::default());
    }

    #[test]
    fn no_run_of_markup_makes_the_reader_panic(pieces in vec(prop::sample::select(&[
        "<SyncML>", "<SyncHdr>", "</SyncHdr>", "<SyncBody>", "<Atomic>", "</Atomic>", "<Item>", "<Data>", "</Data>", "<a", "b='",
        "'", ">", "/>", "&lt;", "&", ";", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "é", "\0", "</", "x:", "<!DOCTYPE", "[",
    ][..]), 0..30)) {
        let _ = read(pieces.concat().as_bytes(), &Limits::default());
    }
}

#[test]
fn a_carriage_return_survives_a_conforming_reader() {
    let item = Item { data: Some(Data::Text("a\r\nb".to_owned())), ..Item::target("./A") };
    let add = Command::Add(Write { cmd_id: "1".to_owned(), items: vec![item], ..Write::default() });
    let written = write(&Message { header: Header::default(), body: Body { commands: vec![add], is_final: false } });
    assert!(String::from_utf8(written).unwrap().contains("<Data>a&#13;\nb</Data>"));
}

#[test]
fn bytes_travel_as_base64() {
    let item = Item { data: Some(Data::Bytes(vec![0, 1, 0xff])), ..Item::target("./A") };
    let add = Command::Add(Write { cmd_id: "1".to_owned(), items: vec![item], ..Write::default() });
    let message = Message { header: Header::default(), body: Body { commands: vec![add], is_final: false } };
    assert!(String::from_utf8(write(&message)).unwrap().contains("<Data>AAH/</Data>"));
}
