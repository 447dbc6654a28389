//! Large objects, both ways (DM 1.x sheet 4; rows S-14 to S-17).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;
use crate::{
    model::{
        digest::Digest,
        tree::{Branch, Payload},
    },
    protocol::dm1::{SizePlace, SizeUnit},
    wire::syncml::{Item, Meta, Write},
};

/// A device that puts together what it is sent, and answers each piece as it is told.
struct Sink {
    talk: Talk,
    payload: Vec<u8>,
    /// Everything received since the last first piece.
    taken: Vec<u8>,
    /// Verb, Size and place of Size of each piece.
    pieces: Vec<(String, Option<String>, bool)>,
}

impl Sink {
    fn new(meta: &str, quirks: Quirks, size: usize) -> Self {
        let payload = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        Self { talk: Talk::admitted_with(meta, quirks), payload, taken: Vec::new(), pieces: Vec::new() }
    }

    fn intent(&self) -> Intent {
        let size = u64::try_from(self.payload.len()).unwrap();
        let mime = "application/gzip".to_owned();
        Intent::PutBytes {
            at: node("./SCOMO/Download/X1/Data"),
            payload: Payload { digest: Digest::of(&self.payload), size, mime },
        }
    }

    /// Sends the payload and then runs an operation; `code` is the device's answer to piece number `n`.
    fn run(&mut self, most: usize, code: impl Fn(usize, bool) -> u16) -> Vec<Outcome> {
        let mut events = self.talk.want(vec![self.intent(), exec("./SCOMO/Op")]);
        let mut answer = self.talk.answer();
        while !answer.ends {
            let message = self.filled(answer);
            assert!(bytes(&message) <= most, "{} bytes", bytes(&message));
            let mut told = |command: &Command| match piece(command) {
                None => Reply::code(202),
                Some((write, item)) => {
                    assert!(message.body.is_final != item.more_data);
                    self.take(command.name(), write, item);
                    Reply::code(code(self.pieces.len(), item.more_data))
                }
            };
            let next = respond(&message, &mut told);
            events.extend(self.talk.hear(&next));
            answer = self.talk.answer();
        }
        outcomes(&events)
    }

    fn filled(&self, answer: Answer) -> Message {
        let Some(slot) = answer.slot.clone() else { return answer.message };
        assert_eq!(commands(&answer).len(), 1, "nothing stands beside a piece");
        let range = usize::try_from(slot.range.start).unwrap()..usize::try_from(slot.range.end).unwrap();
        assert_eq!(slot.payload, Digest::of(&self.payload));
        answer.fill(&self.payload[range]).unwrap()
    }

    fn take(&mut self, verb: &str, write: &Write, item: &Item) {
        let text = item.data.as_ref().and_then(|d| d.text()).unwrap();
        assert!(text.len().is_multiple_of(4) && !text.is_empty());
        let size = |meta: &Meta| meta.size.clone();
        if size(&write.meta).or(size(&item.meta)).is_some() {
            self.taken.clear();
        }
        self.taken.extend(STANDARD.decode(text).unwrap());
        self.pieces.push((verb.to_owned(), size(&write.meta).or(size(&item.meta)), item.meta.size.is_some()));
    }
}

fn piece(command: &Command) -> Option<(&Write, &Item)> {
    match command {
        Command::Add(write) | Command::Replace(write) => Some((write, &write.items[0])),
        _ => None,
    }
}

/// 213 for a piece, 200 for the last.
fn well(_: usize, more: bool) -> u16 {
    if more { 213 } else { 200 }
}

const SMALL: &str = "<MaxMsgSize>2048</MaxMsgSize>";
const DONE: [Outcome; 2] = [Outcome::Written { skipped: vec![] }, Outcome::Pending];

#[test]
fn a_payload_that_fits_goes_in_one_message() {
    let mut sink = Sink::new("<MaxMsgSize>8192</MaxMsgSize>", node_by_node(), 3000);
    assert_eq!(sink.run(8192, well), DONE);
    assert_eq!(sink.pieces, [("Add".to_owned(), None, false)]);
    assert_eq!(sink.taken, sink.payload);
}

#[test]
fn a_payload_that_does_not_fit_goes_in_pieces_and_size_stands_once() {
    let mut sink = Sink::new(SMALL, node_by_node(), 5000);
    assert_eq!(sink.run(2048, well), DONE);
    assert_eq!(sink.taken, sink.payload);
    let sizes: Vec<_> = sink.pieces.iter().filter_map(|(_, size, _)| size.as_deref()).collect();
    assert_eq!(sizes, ["6668"], "the length of the base64 text, in the first piece");
    assert!((6..10).contains(&sink.pieces.len()), "{}", sink.pieces.len());
}

#[test]
fn unit_and_place_of_size_are_the_class_s() {
    let quirks = Quirks { size_unit: SizeUnit::Decoded, size_place: SizePlace::Item, ..node_by_node() };
    let mut sink = Sink::new(SMALL, quirks, 5000);
    assert_eq!(sink.run(2048, well), DONE);
    assert_eq!(sink.pieces[0], ("Add".to_owned(), Some("5000".to_owned()), true));
}

#[test]
fn a_leaf_that_exists_is_replaced_from_the_start() {
    let mut sink = Sink::new(SMALL, node_by_node(), 5000);
    assert_eq!(sink.run(2048, |n, more| if n == 1 { 418 } else { well(n, more) }), DONE);
    assert_eq!((sink.pieces[1].0.as_str(), sink.taken == sink.payload), ("Replace", true));
}

#[test]
fn a_size_mismatch_is_tried_once_with_the_other_unit() {
    let mut sink = Sink::new(SMALL, node_by_node(), 1500);
    let pieces = std::cell::Cell::new(0);
    let once = |n, more: bool| if !more && pieces.replace(n) == 0 { 424 } else { well(n, more) };
    assert_eq!(sink.run(2048, once), DONE);
    let sizes: Vec<_> = sink.pieces.iter().filter_map(|(_, size, _)| size.clone()).collect();
    assert_eq!((sizes, sink.taken == sink.payload), (vec!["2000".to_owned(), "1500".to_owned()], true));
    let mut sink = Sink::new(SMALL, node_by_node(), 1500);
    assert_eq!(sink.run(2048, |_, more| if more { 213 } else { 424 })[0], Outcome::Refused { code: 424 });
}

#[test]
fn a_device_that_takes_a_piece_for_the_whole_knows_no_large_objects() {
    let mut sink = Sink::new(SMALL, node_by_node(), 5000);
    assert_eq!(sink.run(2048, |_, _| 200), [Outcome::Unsupported { code: Some(200) }, Outcome::Pending]);
    assert_eq!(sink.pieces.len(), 1);
}

#[test]
fn a_piece_that_is_buffered_is_followed_by_the_next_whatever_final_says() {
    let mut sink = Sink::new(SMALL, node_by_node(), 5000);
    let _ = sink.talk.want(vec![sink.intent()]);
    let first = sink.talk.answer();
    let mut buffered = |_: &Command| Reply::code(213);
    let next = respond(&first.message, &mut buffered).replace("</SyncBody>", "<Final/></SyncBody>");
    assert_eq!(sink.talk.hear(&next), []);
    let second = sink.talk.answer();
    assert_eq!(second.slot.map(|s| s.range.start), first.slot.map(|s| s.range.end));
}

#[test]
fn a_device_that_says_nothing_of_the_piece_yet_is_asked_for_the_rest() {
    let mut sink = Sink::new(SMALL, node_by_node(), 5000);
    let _ = sink.talk.want(vec![sink.intent()]);
    sink.talk.answer();
    assert_eq!(sink.talk.hear(&message(2, "", &header_status(1, 212, ""))), []);
    assert_eq!(commands(&sink.talk.answer()), ["Alert 1222"]);
    let late = "<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Add</Cmd><Data>213</Data></Status>";
    sink.talk.hear(&message(3, "", late));
    assert!(sink.talk.answer().slot.is_some_and(|s| s.range.start > 0));
}

#[test]
fn a_device_that_cannot_take_more_is_left_alone() {
    for code in [413, 420, 500] {
        let mut sink = Sink::new(SMALL, node_by_node(), 5000);
        let outcomes = sink.run(2048, |n, more| if n == 2 { code } else { well(n, more) });
        assert_eq!((&outcomes[0], sink.pieces.len()), (&Outcome::Refused { code }, 2));
    }
}

#[test]
fn a_payload_beyond_max_obj_size_is_never_begun() {
    let meta = |most: u32| format!("{SMALL}<MaxObjSize>{most}</MaxObjSize>");
    let mut sink = Sink::new(&meta(6667), node_by_node(), 5000);
    assert_eq!(sink.run(2048, well), [Outcome::Refused { code: 413 }, Outcome::Pending]);
    assert!(sink.pieces.is_empty());
    assert_eq!(Sink::new(&meta(6668), node_by_node(), 5000).run(2048, well), DONE);
}

#[test]
fn a_max_obj_size_that_changes_in_the_session_counts() {
    let mut talk = Talk::admitted();
    let sink = Sink::new(SMALL, node_by_node(), 5000);
    let _ = talk.want(vec![read_of("./A"), sink.intent()]);
    talk.answer();
    let events = talk.hear(&message(2, "<Meta><MaxObjSize>1000</MaxObjSize></Meta>", "<Final/>"));
    assert_eq!(outcomes(&events), [Outcome::Unknown, Outcome::Refused { code: 413 }]);
    assert!(matches!(&events[0], Event::Abilities(a) if a.max_obj_size == Some(1000) && a.max_msg_size == Some(8192)));
}

#[test]
fn a_device_that_dropped_the_object_gets_it_once_more() {
    let mut sink = Sink::new(SMALL, node_by_node(), 5000);
    let _ = sink.talk.want(vec![sink.intent()]);
    let first = sink.talk.answer();
    let dropped = "<Alert><CmdID>2</CmdID><Data>1225</Data></Alert><Alert><CmdID>3</CmdID><Data>1222</Data></Alert>";
    assert_eq!(sink.talk.hear(&message(2, "", &format!("{}{dropped}", header_status(1, 200, "")))), []);
    let again = sink.talk.answer();
    assert_eq!(codes(&again), [200, 200, 200]);
    assert_eq!(again.slot.map(|s| s.range.start), first.slot.map(|s| s.range.start));
}

#[test]
fn a_piece_is_repeated_when_the_server_must_prove_itself() {
    let mut sink = Sink::new(SMALL, node_by_node(), 5000);
    sink.talk.account_mut().server_secret = Some(Secret::new("srv-pw".to_owned()));
    let _ = sink.talk.want(vec![sink.intent()]);
    let first = sink.talk.answer();
    let body = format!("{}<Final/>", header_status(1, 401, &chal("AAEC")));
    assert_eq!(sink.talk.hear(&message(2, "", &body)), []);
    let again = sink.talk.answer();
    let start = |answer: &Answer| answer.slot.as_ref().map(|s| s.range.start);
    assert_eq!((start(&again), start(&first), again.ends), (Some(0), Some(0), false));
}

#[test]
fn a_repeat_is_rebuilt_byte_for_byte_from_its_recipe() {
    let mut sink = Sink::new(SMALL, node_by_node(), 5000);
    let _ = sink.talk.want(vec![sink.intent()]);
    let answer = sink.talk.answer();
    let stored: Answer = serde_json::from_str(&serde_json::to_string(&answer).unwrap()).unwrap();
    assert_eq!(xml::write(&sink.filled(stored)), xml::write(&sink.filled(answer.clone())));
    assert!(answer.fill(b"too few").is_err());
}

#[test]
fn results_in_pieces_are_put_together() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A")]);
    talk.answer();
    let results = |value: &str, size: &str, more: &str| {
        format!(
            "<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Meta>{size}</Meta><Item><Source><LocURI>./A</LocURI></Source><Data>{value}</Data>{more}</Item></Results>"
        )
    };
    let status = "<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>";
    let first = format!("{}{status}{}", header_status(1, 212, ""), results("abc", "<Size>5</Size>", "<MoreData/>"));
    assert_eq!(talk.hear(&message(2, "", &first)), []);
    let next = talk.answer();
    assert_eq!((codes(&next), commands(&next)), (vec![200, 213], vec!["Alert 1222".to_owned()]));
    let mut other = Talk { machine: talk.machine.clone(), ..Talk::new() };
    let last = format!("{}{}<Final/>", header_status(2, 200, ""), results("de", "", ""));
    assert_eq!(outcomes(&talk.hear(&message(3, "", &last))), [Outcome::Read(Branch::chr("abcde"))]);
    // The same with a byte too many.
    let last = format!("{}{}<Final/>", header_status(2, 200, ""), results("def", "", ""));
    other.hear(&message(3, "", &last));
    assert_eq!(codes(&other.answer()), [200, 424]);
}

#[test]
fn an_alert_in_pieces_is_put_together_and_an_interrupted_one_dropped() {
    let mut talk = Talk::admitted();
    talk.answer();
    let alert = |source: &str, value: &str, more: &str| {
        format!(
            "<Alert><CmdID>3</CmdID><Data>1226</Data><Item><Source><LocURI>{source}</LocURI></Source><Meta><Type>org.openmobilealliance.x</Type></Meta><Data>{value}</Data>{more}</Item></Alert>"
        )
    };
    talk.hear(&message(2, "", &alert("./A", "lost", "<MoreData/>")));
    assert_eq!(codes(&talk.answer()), [200, 213]);
    talk.hear(&message(3, "", &alert("./B", "ab", "<MoreData/>")));
    assert_eq!(commands(&talk.answer()), ["Alert 1225", "Alert 1222"]);
    let events = talk.hear(&message(4, "", &format!("{}<Final/>", alert("./B", "cd", ""))));
    assert!(matches!(&events[0], Event::Alert(a) if a.items.len() == 1 && a.items[0].data == "abcd"));
}
