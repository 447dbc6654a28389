//! Who proves what to whom (DM 1.x sheet 3; rows S-04 to S-11 of its section 11).

use super::*;
use crate::protocol::dm1::{Ending, ResyncNonce, proof};

fn md5(with: &[u8]) -> String {
    cred("syncml:auth-md5", &proof::digest("dev-0001", &Secret::new("pw-dev".to_owned()), with))
}

fn cred(scheme: &str, data: &[u8]) -> String {
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, data);
    format!("<Cred><Meta><Format>b64</Format><Type>{scheme}</Type></Meta><Data>{data}</Data></Cred>")
}

/// The challenge in an answer: scheme and nonce.
fn challenge(answer: &Answer) -> Option<(String, Option<String>)> {
    let Some(Command::Status(status)) = answer.message.body.commands.first() else { panic!("{answer:?}") };
    let meta = &status.chal.as_ref()?.meta;
    Some((meta.r#type.clone()?, meta.next_nonce.clone()))
}

fn server_cred(answer: &Answer) -> Option<String> {
    answer.message.header.cred.as_ref().map(|c| c.data.clone())
}

/// As the header of an answer has it.
#[expect(clippy::unnecessary_wraps, reason = "compared with what may be absent")]
fn server_md5(with: &[u8]) -> Option<String> {
    let digest = proof::digest("dm.example.net", &Secret::new("srv-pw".to_owned()), with);
    Some(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest))
}

#[test]
fn a_device_without_credentials_is_challenged_and_every_command_refused() {
    for (scheme, nonce) in [(Scheme::Basic, None), (Scheme::Md5, Some("AAECAwQFBgc=".to_owned()))] {
        let mut talk = Talk::new();
        talk.account_mut().scheme = scheme;
        assert_eq!(talk.hear(&message(1, "", PKG1)), []);
        let answer = talk.answer();
        assert_eq!((codes(&answer), commands(&answer), answer.ends), (vec![407, 407, 407], vec![], false));
        assert_eq!(challenge(&answer), Some((scheme.wire().to_owned(), nonce)));
        assert!(answer.message.body.is_final);
    }
}

#[test]
fn a_wrong_digest_gets_a_fresh_nonce_and_the_retry_is_admitted() {
    let mut talk = Talk::new();
    talk.account_mut().nonces.client = Some(nonce(1..9));
    let events = talk.hear(&message(1, &md5(b"stale"), PKG1));
    assert_eq!(events, [Event::AuthFailed { attempts: 1 }]);
    let answer = talk.answer();
    assert_eq!(codes(&answer), [401, 401, 401]);
    assert_eq!(talk.account_mut().nonces.client, Some(nonce(1..9)), "a challenge never overwrites the account's nonce");
    assert!(talk.hear(&message(2, &md5(&[0, 1, 2, 3, 4, 5, 6, 7]), PKG1)).contains(&Event::Ready));
    assert_eq!(codes(&talk.answer()), [212, 200, 200]);
}

#[test]
fn the_stored_nonce_admits_at_once_and_a_new_one_is_kept_with_the_answer() {
    let mut talk = Talk::new();
    talk.account_mut().nonces.client = Some(nonce(1..9));
    talk.hear(&message(1, &md5(nonce(1..9).expose()), PKG1));
    assert_eq!(talk.account_mut().nonces.client, Some(nonce(1..9)), "nothing changes before the commit");
    let answer = talk.answer();
    assert_eq!(challenge(&answer), Some(("syncml:auth-md5".to_owned(), Some("AAECAwQFBgc=".to_owned()))));
    let nonces = &talk.account_mut().nonces;
    assert_eq!((&nonces.client, &nonces.previous), (&Some(nonce(0..8)), &Some(nonce(1..9))));
}

#[test]
fn the_nonce_before_is_good_until_the_device_is_seen_with_the_new_one() {
    let mut talk = Talk::new();
    talk.account_mut().nonces = Nonces { client: Some(nonce(1..9)), previous: Some(nonce(2..9)), ..Nonces::default() };
    // The answer with the current nonce was lost.
    assert!(talk.hear(&message(1, &md5(nonce(2..9).expose()), PKG1)).contains(&Event::Ready));
    talk.answer();
    talk.hang_up();
    // It arrived this time: the new nonce is used, which ends the old one.
    assert!(talk.hear(&message(1, &md5(nonce(0..8).expose()), PKG1)).contains(&Event::Ready));
    talk.answer();
    talk.hang_up();
    let events = talk.hear(&message(1, &md5(nonce(2..9).expose()), PKG1));
    assert_eq!(events, [Event::AuthFailed { attempts: 1 }]);
}

#[test]
fn wrong_passwords_end_the_session_after_a_few_tries() {
    let mut talk = Talk::new();
    for attempts in 1..=2_u8 {
        assert_eq!(talk.hear(&message(attempts.into(), &md5(b"x"), PKG1)), [Event::AuthFailed { attempts }]);
        assert!(challenge(&talk.answer()).is_some());
    }
    let events = talk.hear(&message(3, &md5(b"x"), PKG1));
    assert_eq!(events, [Event::AuthFailed { attempts: 3 }, Event::Ended(Ending::ClientRefused)]);
    let answer = talk.answer();
    assert_eq!((codes(&answer), challenge(&answer), answer.ends), (vec![401, 401, 401], None, true));
    assert_eq!(talk.try_hear(&message(4, &md5(b"x"), PKG1)), Err(Violation::Over));
}

#[test]
fn a_device_that_never_shows_credentials_does_not_go_on_for_ever() {
    let mut talk = Talk::new();
    let answers = (1..=4).map(|id| {
        talk.hear(&message(id, "", PKG1));
        talk.answer().ends
    });
    assert_eq!(answers.collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn another_scheme_than_challenged_ends_the_session() {
    let mut talk = Talk::new();
    talk.hear(&message(1, "", PKG1));
    talk.answer();
    let events = talk.hear(&message(2, BASIC, PKG1));
    assert_eq!(events.last(), Some(&Event::Ended(Ending::ClientRefused)));
    assert!(talk.answer().ends);
}

#[test]
fn a_wrong_scheme_before_any_challenge_is_told_the_right_one() {
    let mut talk = Talk::new();
    talk.hear(&message(1, BASIC, PKG1));
    assert_eq!(challenge(&talk.answer()).map(|(scheme, _)| scheme), Some("syncml:auth-md5".to_owned()));
}

#[test]
fn an_unknown_device_meets_what_a_known_one_with_a_wrong_password_meets() {
    let meet = |account: bool| {
        let mut talk = Talk::new();
        talk.account = talk.account.filter(|_| account);
        let heads = [String::new(), md5(b"x"), md5(b"y"), md5(b"z")];
        let told = heads.iter().zip(1..).map(|(head, id)| {
            let events = talk.hear(&message(id, head, PKG1));
            (events, talk.answer())
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(meet(true), meet(false));
}

#[test]
fn resync_nonces_count_before_the_first_authentication_and_only_once() {
    for resync in [ResyncNonce::Zero, ResyncNonce::Literal] {
        let mut talk = Talk::with_server_secret();
        talk.account_mut().seen_before = false;
        assert!(talk.hear(&message(1, &md5(resync.bytes()), PKG1)).contains(&Event::Ready));
        let _ = talk.want(vec![read_of("./A")]);
        let answer = talk.answer();
        assert_eq!(server_cred(&answer), server_md5(resync.bytes()), "the device expects the same nonce of the server");
        assert_eq!(talk.account_mut().nonces.previous, None, "a nonce that everybody knows is never kept");
        talk.hang_up();
        assert_eq!(talk.hear(&message(1, &md5(resync.bytes()), PKG1)), [Event::AuthFailed { attempts: 1 }]);
    }
}

#[test]
fn resync_nonces_count_while_a_resync_notification_is_outstanding() {
    let mut talk = Talk::new();
    assert_eq!(talk.hear(&message(1, &md5(&[0; 4]), PKG1)), [Event::AuthFailed { attempts: 1 }]);
    talk.hang_up();
    talk.account_mut().nonces.resync = true;
    assert!(talk.hear(&message(1, &md5(&[0; 4]), PKG1)).contains(&Event::Ready));
    talk.answer();
    assert!(!talk.account_mut().nonces.resync);
}

#[test]
fn a_device_that_shows_its_credentials_every_time_hears_212_every_time() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A")]);
    assert_eq!(codes(&talk.answer())[0], 212);
    talk.hear(&message(2, BASIC, &format!("{}<Final/>", header_status(1, 212, ""))));
    assert_eq!(codes(&talk.answer())[0], 212);
    talk.hear(&message(3, "", "<Final/>"));
    assert_eq!(codes(&talk.answer())[0], 200);
}

#[test]
fn a_device_that_wants_the_server_s_proof_gets_the_same_commands_again() {
    let mut talk = Talk::with_server_secret();
    talk.account_mut().nonces = Nonces { client: Some(nonce(1..9)), server: Some(nonce(3..9)), ..Nonces::default() };
    talk.hear(&message(1, &md5(nonce(1..9).expose()), PKG1));
    let _ = talk.want(vec![read_of("./A"), read_of("./B")]);
    let first = talk.answer();
    assert_eq!(server_cred(&first), server_md5(nonce(3..9).expose()), "shown before anybody asks");
    assert_eq!(first.message.header.source.name.as_deref(), Some("dm.example.net"));
    // The device's nonce is another one: it runs nothing.
    let refused = |cmd_ref| {
        format!(
            "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>Get</Cmd><Data>401</Data></Status>"
        )
    };
    let body = format!("{}{}{}<Final/>", header_status(1, 401, &chal("AAECAwQFBgc=")), refused(4), refused(5));
    assert_eq!(talk.hear(&message(2, "", &body)), []);
    let again = talk.answer();
    assert_eq!(commands(&again), commands(&first));
    assert_eq!(server_cred(&again), server_md5(&[0, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(
        talk.account_mut().nonces.server,
        Some(nonce(0..8)),
        "the device is authenticated, so its nonce is kept"
    );
    // Accepted for the session: no more credentials, and the nonce for the next one.
    let body = format!("{}<Final/>", header_status(2, 212, &chal("CAkKCwwNDg8=")));
    talk.hear(&message(3, "", &body));
    let _ = talk.want(vec![read_of("./C")]);
    assert_eq!(server_cred(&talk.answer()), None);
    assert_eq!(talk.account_mut().nonces.server, Some(nonce(8..0x10)));
}

#[test]
fn a_command_that_ran_is_not_sent_again_when_the_server_must_prove_itself() {
    let mut talk = Talk::with_server_secret();
    talk.account_mut().scheme = Scheme::Basic;
    talk.hear(&message(1, BASIC, PKG1));
    let _ = talk.want(vec![exec("./SCOMO/Op")]);
    talk.answer();
    let ran = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Exec</Cmd><Data>202</Data></Status>";
    let events = talk.hear(&message(2, "", &format!("{}{ran}<Final/>", header_status(1, 401, &chal("AAEC")))));
    assert_eq!(outcomes(&events), [Outcome::Pending]);
}

#[test]
fn a_device_that_never_takes_the_server_s_proof_ends_the_session() {
    let mut talk = Talk::with_server_secret();
    talk.account_mut().scheme = Scheme::Basic;
    talk.hear(&message(1, BASIC, PKG1));
    let _ = talk.want(vec![read_of("./A")]);
    talk.answer();
    for id in 2..=3 {
        assert_eq!(talk.hear(&message(id, "", &format!("{}<Final/>", header_status(id - 1, 401, &chal("AAEC"))))), []);
        assert_eq!(commands(&talk.answer()), ["Get ./A"]);
    }
    let events = talk.hear(&message(4, "", &format!("{}<Final/>", header_status(3, 401, &chal("AAEC")))));
    assert_eq!(events.last(), Some(&Event::Ended(Ending::ServerRefused)));
    assert!(talk.answer().ends);
}

#[test]
fn a_server_without_a_password_cannot_convince_and_says_so() {
    let mut talk = Talk::admitted();
    let _ = talk.want(vec![read_of("./A")]);
    talk.answer();
    let events = talk.hear(&message(2, "", &format!("{}<Final/>", header_status(1, 407, &chal("AAEC")))));
    assert_eq!(
        events,
        [Event::Outcome { ask: AskId(1), outcome: Outcome::Unknown }, Event::Ended(Ending::ServerRefused)]
    );
}

#[test]
fn nothing_of_an_unauthenticated_message_is_looked_at() {
    let mut talk = Talk::with_server_secret();
    talk.account_mut().nonces.server = Some(nonce(3..9));
    let alert = "<Alert><CmdID>5</CmdID><Data>1223</Data></Alert>";
    let body = format!("{}{alert}{PKG1}", header_status(1, 407, &chal("AAEC")));
    assert_eq!(talk.hear(&message(1, &md5(b"x"), &body)), [Event::AuthFailed { attempts: 1 }]);
    assert_eq!(server_cred(&talk.answer()), None, "a stranger gets no proof to work on");
    assert_eq!(talk.account_mut().nonces.server, Some(nonce(3..9)));
}
