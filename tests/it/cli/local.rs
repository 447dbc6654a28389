//! Commands that need no server: help, usage, the demo, decoding, verifying.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::{pipe, program, run};
use crate::catalogue::{manifest, put};

const COMMANDS: &[&[&str]] = &[
    &["demo"],
    &["serve"],
    &["migrate"],
    &["simulate"],
    &["decode"],
    &["request", "submit"],
    &["request", "show"],
    &["request", "watch"],
    &["request", "cancel"],
    &["job", "list"],
    &["job", "show"],
    &["job", "why"],
    &["job", "cancel"],
    &["device", "add"],
    &["device", "list"],
    &["device", "show"],
    &["device", "remove"],
    &["target-list", "add"],
    &["target-list", "list"],
    &["target-list", "show"],
    &["target-list", "remove"],
    &["package", "list"],
    &["package", "show"],
    &["package", "verify"],
    &["select"],
    &["schema"],
];

#[test]
fn every_commands_help_shows_an_example() {
    for command in COMMANDS {
        let name = command.join(" ");
        let help = run(&[command, &["--help"][..]].concat());
        help.ended(0, &["Example", &format!("scomo {name}"), "--json"]);
        let (_, example) = help.out.split_once("Example").unwrap();
        assert!(example.contains(&format!("scomo {name}")), "the example is of {name}: {example}");
    }
    run(&["--help"]).ended(0, &["Exit codes: 0 done, 1 the work failed, 2 usage, 3 unreachable, 4 refused"]);
    run(&["--version"]).ended(0, &["scomo 0."]);
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["request", "frobnicate"],
        &["request", "submit"],
        &["request", "submit", "--device", "d", "--action", "fly"],
        &["request", "submit", "/nowhere/request.json"],
        &["job", "list", "--limit", "many"],
        &["device", "add", "IMEI:1"],
        &["device", "add", "IMEI:1", "--user", "u", "--secret-file", "/nowhere/secret"],
        &["job", "list", "--server", "not a url"],
        &["job", "list", "--server", "ftp://127.0.0.1"],
        &["decode", "/nowhere/message.xml"],
        &["package", "verify", "/nowhere"],
        &["serve", "--config", "/nowhere/scomo.toml"],
        &["simulate", "--profile", "/nowhere/profile.toml"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(!ran.err.trim().is_empty(), "{arguments:?} says why");
    }
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    for arguments in [
        &["job", "list"][..],
        &["request", "show", "r"],
        &["request", "submit", "--device", "d"],
        &["device", "list"],
        &["package", "list"],
        &["select", "--device", "d"],
        &["simulate", "--count", "1"],
    ] {
        // Nothing listens on port 1, and nobody but root could make it.
        let ran = run(&[arguments, &["--server", "http://127.0.0.1:1"]].concat());
        ran.ended(3, &["cannot reach the server at", "127.0.0.1:1", "--server"]);
    }
    let mut variable = program(&["job", "list"]);
    variable.env("SCOMO_SERVER", "http://127.0.0.1:1");
    assert_eq!(variable.output().unwrap().status.code(), Some(3));
}

#[test]
fn the_demo_plays_every_flow_and_leaves_nothing_behind() {
    let room = tempfile::tempdir().unwrap();
    let played = super::Ran::of(program(&["demo", "--json"]).env("TMPDIR", room.path()).output().unwrap());
    assert_eq!((played.code, played.err.as_str()), (0, ""), "quiet by default: {played:?}");
    let told = played.json();
    let flows = told["flows"].as_array().unwrap();
    let clauses: BTreeSet<&str> = flows.iter().map(|flow| flow["clause"].as_str().unwrap()).collect();
    let endings = ["already_done", "cancelled", "declined", "expired", "failed", "in_doubt", "not_applicable"];
    let mut expected: BTreeSet<String> = endings.iter().map(|state| format!("ending:{state}")).collect();
    expected.extend((1..=9).map(|at| format!("5.4.{}.{}", (at - 1) / 3 + 1, (at - 1) % 3 + 1)));
    expected.extend(["kind:command".to_owned(), "kind:inventory".to_owned()]);
    assert_eq!(clauses.iter().map(|clause| (*clause).to_owned()).collect::<BTreeSet<_>>(), expected);
    let primitives = |clause: &str| -> BTreeSet<&str> {
        flows.iter().filter(|flow| flow["clause"] == clause).map(|flow| flow["primitive"].as_str().unwrap()).collect()
    };
    assert_eq!(primitives("5.4.1.1"), BTreeSet::from(["Data", "Install"]), "one message, and chunks");
    let downloads = ["Download", "DownloadInstall", "DownloadInstallInactive"];
    assert_eq!(primitives("5.4.2.1"), BTreeSet::from(downloads));
    let operations = ["Activate", "Deactivate", "Install", "InstallInactive", "Remove"];
    assert_eq!(primitives("5.4.3.1"), BTreeSet::from(operations));
    let way = |prefix: &str| -> BTreeSet<&str> {
        let of = flows.iter().filter(|flow| flow["clause"].as_str().unwrap().starts_with(prefix));
        of.map(|flow| flow["delivery"].as_str().unwrap()).collect()
    };
    assert_eq!((way("5.4.1."), way("5.4.2.")), (BTreeSet::from(["direct"]), BTreeSet::from(["alternate"])));
    flows.iter().for_each(is_whole);
    let large = flows.iter().filter(|flow| flow["bytes"].as_u64() >= Some(256 * 1024)).count();
    assert!(large >= 2, "a large one over DM and one by HTTP");
    assert_eq!(fs::read_dir(room.path()).unwrap().count(), 0, "the database is gone");
}

/// A flow has every member of the contract, and went well.
fn is_whole(flow: &Value) {
    assert_eq!(flow["ok"], true, "{flow}");
    for member in ["clause", "title", "primitive", "device", "outcome"] {
        assert!(flow[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {flow}");
    }
    for member in ["bytes", "messages", "ms"] {
        assert!(flow[member].is_u64(), "{member}: {flow}");
    }
    assert!(flow.get("package").is_some() && flow.get("delivery").is_some(), "{flow}");
    let ending = flow["clause"].as_str().unwrap().strip_prefix("ending:").unwrap_or("succeeded");
    assert_eq!(flow["outcome"], ending, "{flow}");
    assert!(flow["messages"].as_u64() > Some(0), "the device took part: {flow}");
    assert!(flow["ms"].as_u64() < Some(15_000), "{flow}");
}

#[test]
fn every_message_at_hand_is_decoded_and_its_secrets_are_hidden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dm1");
    let mut hidden = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let file = path.to_str().unwrap();
        let source = fs::read_to_string(&path).unwrap();
        let shown = run(&["decode", file]);
        shown.ended(0, &["SyncML DM/1.", "session", "message", "\n#"]);
        assert!(!shown.out.contains("<SyncML"), "it is words, not markup: {}", shown.out);
        let secrets = secrets(&source);
        let open = run(&["decode", "--secrets", file]);
        for secret in &secrets {
            hidden += 1;
            assert!(!shown.out.contains(secret), "{file} shows {secret}");
            assert!(open.out.contains(secret), "{file} hides {secret} though asked for it: {}", open.out);
        }
        let told = run(&["decode", "--json", file]).json();
        assert_eq!(told["text"].as_str().map(str::trim_end), Some(shown.out.trim_end()));
    }
    assert!(hidden >= 3, "some of them carry secrets");
}

/// What stands in `Cred/Data` and in `NextNonce`.
fn secrets(source: &str) -> Vec<String> {
    let inside = |text: &str, from: &str, to: &str| -> Vec<String> {
        text.split(from).skip(1).filter_map(|rest| Some(rest.split_once(to)?.0.to_owned())).collect()
    };
    let credentials =
        inside(source, "<Cred>", "</Cred>").into_iter().flat_map(|cred| inside(&cred, "<Data>", "</Data>"));
    let nonces = source.split("<NextNonce").skip(1).filter_map(|rest| {
        let (nonce, _) = rest.split_once('>')?.1.split_once("</")?;
        Some(nonce.to_owned())
    });
    credentials.chain(nonces).collect()
}

#[test]
fn what_cannot_be_decoded_is_told_in_a_sentence() {
    let deep = "<a>".repeat(100_000).into_bytes();
    for (input, arguments, said) in [
        (&b"nonsense"[..], &[][..], "standard input is neither a SyncML message in XML nor a notification"),
        (b"", &[], "standard input is neither"),
        (&[0xFF; 3000], &[], "standard input is neither"),
        (b"<html/>", &[], "standard input is not a SyncML message: root element is `html`"),
        (b"<SyncML><SyncHdr>", &[], "standard input is not a SyncML message: "),
        (&deep, &[], "standard input is not a SyncML message: "),
        (b"nonsense", &["--from", "xml"], "standard input is not a SyncML message: "),
        (b"<SyncML/>", &["--from", "notification"], "standard input is not a notification: "),
    ] {
        let ran = pipe(&[&["decode", "-"], arguments].concat(), input);
        ran.ended(1, &[said]);
        assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("", 1), "{ran:?}");
    }
    assert_eq!(run(&["decode", "--from", "pigeon", "-"]).code, 2);
}

#[test]
fn a_package_is_verified_where_it_stands() {
    run(&["package", "verify", "packages"]).ended(0, &["ok", "org.example.sine 1.0.0", "262144 bytes"]);
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "p.good/1.0", &manifest("p.good", "1.0"));
    put(dir.path(), "p.bad/1.0", &manifest("p.bad", "1.0").replace("size = 11", "size = 12"));
    put(dir.path(), "p.worse/1.0", &manifest("p.worse", "1.0").replace("name =", "when = \"dev.colour == 1\"\nname ="));
    let at = |folder: &str| dir.path().join(folder).display().to_string();

    run(&["package", "verify", &at("p.good/1.0")]).ended(0, &["ok", "p.good 1.0"]);
    let bad = run(&["package", "verify", &at("p.bad/1.0")]);
    bad.ended(1, &["p.bad/1.0/manifest.toml:6:8: `size`: the manifest says 12", "has 11 bytes"]);
    let all = run(&["package", "verify", &at("")]);
    all.ended(
        1,
        &[
            "ok",
            "p.good 1.0",
            "p.bad/1.0/manifest.toml:6:8",
            "p.worse/1.0/manifest.toml:4:8: `when`: ",
            "2 of the packages",
        ],
    );
    let machine = run(&["package", "verify", "--json", &at("")]);
    assert_eq!(machine.code, 1);
    let told: Value = machine.json();
    assert_eq!(
        (told["packages"].as_array().map(Vec::len), told["refused"].as_array().map(Vec::len)),
        (Some(1), Some(2))
    );
    assert_eq!(told["refused"][0]["file"], "p.bad/1.0/manifest.toml");
    let empty = tempfile::tempdir().unwrap();
    run(&["package", "verify", empty.path().to_str().unwrap()]).ended(1, &["no manifest.toml in"]);
}
