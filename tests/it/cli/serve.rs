//! `serve` as a supervisor runs it, and `simulate` against it.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::{Beside, Ran, program, run, serve};
use crate::catalogue::{manifest, put};

/// Where a server that said that it is ready can be reached.
fn doors(server: &Beside) -> (String, String) {
    let ready: Value = serde_json::from_str(&server.said("\"Ready\"")).unwrap();
    let url = |door: &str| format!("http://{}", ready[door].as_str().unwrap());
    (url("device"), url("admin"))
}

#[test]
fn a_wrong_setting_is_named_with_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("my.toml");
    for (text, said) in [
        ("[device]\nlissten = \"127.0.0.1:0\"\n", &["lissten", "my.toml"][..]),
        ("[devise]\n", &["devise", "my.toml"]),
        ("[device]\nconnections = \"many\"\n", &["device.connections", "my.toml"]),
        ("[job]\ndefault_deadline = \"soon\"\n", &["job.default_deadline", "my.toml"]),
        ("[bus]\nurl = \"kafka://broker\"\n", &["bus.url", "amqps://"]),
        ("[admin]\nlisten = \"0.0.0.0:0\"\n", &["admin.auth", "tokens"]),
        ("[[device_class]]\nname = \"a\"\nmatch = \"dev.man ==\"\n", &["match"]),
        ("[[device_class]]\nname = \"a\"\n[device_class.dm]\ncolour = 1\n", &["colour"]),
        ("[device\n", &["my.toml"]),
    ] {
        fs::write(&file, text).unwrap();
        let ran = run(&["serve", "--config", file.to_str().unwrap()]);
        ran.ended(2, said);
    }
    let mut variable = program(&["serve"]);
    variable.env("SCOMO__DEVICE__LISSTEN", "x");
    Ran::of(variable.output().unwrap()).ended(2, &["SCOMO__DEVICE__LISSTEN"]);
    let mut level = serve(dir.path(), "packages");
    level.env("SCOMO__LOG__LEVEL", "loud=very=much");
    Ran::of(level.output().unwrap()).ended(2, &["log.level"]);
    let mut depot = serve(dir.path(), "/nowhere/packages");
    Ran::of(depot.env("SCOMO__LOG__LEVEL", "error").output().unwrap()).ended(1, &["depot.url", "/nowhere/packages"]);
}

#[test]
fn a_server_keeps_its_database_to_itself_and_stops_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let first = Beside::start(serve(dir.path(), "packages"));
    let (_, admin) = doors(&first);
    let second = Ran::of(serve(dir.path(), "packages").output().unwrap());
    second.ended(1, &["scomo.db is held by another scomo server; stop it first"]);
    run(&["package", "list", "--server", &admin]).ended(0, &["org.example.hello"]);
    let (code, out, took) = first.terminate();
    assert_eq!((code, out.len()), (Some(0), 0), "logs go to standard error");
    assert!(took < Duration::from_secs(3), "{took:?}");

    // What it kept is there for the next one.
    let next = Beside::start(serve(dir.path(), "packages"));
    doors(&next);
    assert_eq!(next.terminate().0, Some(0));
}

#[test]
fn a_supervisor_s_signal_gives_notice_and_a_second_one_hurries() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = serve(dir.path(), "packages");
    command.env("SCOMO__LIMITS__DRAIN_NOTICE", "1h");
    let server = Beside::start(command);
    let (_, admin) = doors(&server);
    server.signal("TERM");
    server.said("Not ready any more");
    // It goes on as before: whoever sends it traffic has not seen yet that it should not.
    run(&["package", "list", "--server", &admin]).ended(0, &["org.example.hello"]);
    assert_eq!(server.terminate().0, Some(0), "the second signal ends the notice");
}

#[test]
fn a_taken_port_is_named_with_its_setting() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = serve(dir.path(), "packages");
    command.env("SCOMO__OPS__LISTEN", &address);
    Ran::of(command.output().unwrap()).ended(1, &["ops.listen", &address]);
}

#[test]
fn bad_packages_are_told_in_the_log_and_the_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let packages = dir.path().join("packages");
    put(&packages, "p.good/1.0", &manifest("p.good", "1.0"));
    put(&packages, "p.bad/1.0", &manifest("p.bad", "1.0").replace("size = 11", "size = 12"));
    put(&packages, "p.rule/1.0", &manifest("p.rule", "1.0").replace("name =", "when = \"dev.colour == 1\"\nname ="));
    let server = Beside::start(serve(dir.path(), packages.to_str().unwrap()));
    let (_, admin) = doors(&server);
    let line: Value = serde_json::from_str(&server.said("p.bad/1.0/manifest.toml:6:8: `size`")).unwrap();
    assert_eq!((&line["level"], &line["file"]), (&json!("ERROR"), &json!("p.bad/1.0/manifest.toml")), "{line}");
    server.said("p.rule/1.0/manifest.toml:4:8: `when`: ");
    let list = run(&["package", "list", "--json", "--server", &admin]).json();
    assert_eq!((list["packages"].as_array().map(Vec::len), &list["packages"][0]["id"]), (Some(1), &json!("p.good")));
    assert_eq!(server.terminate().0, Some(0));
}

const PROFILE: &str = "[[device]]\nid = \"IMEI:35{n:013}\"\ncount = 2\n[device.auth]\nuser = \"phone-{n}\"\n\
    [device.scomo.installer.\"org.example.hello@1.1.0\"]\ncomponents = [{ id = \"org.example.hello.script\", version = \"1.1.0\" }]\n";

#[test]
fn simulated_devices_register_and_fulfil_a_request() {
    let dir = tempfile::tempdir().unwrap();
    let server = Beside::start(serve(dir.path(), "packages"));
    let (device, admin) = doors(&server);
    let profile = dir.path().join("phones.toml");
    fs::write(&profile, PROFILE).unwrap();
    let dm = format!("{device}/dm");
    let simulate = ["simulate", "--json", "--profile", profile.to_str().unwrap(), "--dm", &dm, "--server", &admin];
    let devices = Beside::start(program(&simulate));
    let mut listed = Value::Null;
    for _ in 0..200 {
        listed = run(&["device", "list", "--json", "--server", &admin]).json();
        if listed["devices"].as_array().is_some_and(|all| all.len() == 2) {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    let ids: Vec<&str> =
        listed["devices"].as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let request = ["request", "submit", "--device", ids[0], "--device", ids[1], "--package", "org.example.hello@1.1.0"];
    let done = run(&[&request, &["--watch", "--server", &admin][..]].concat());
    done.ended(0, &["job.succeeded", "request.completed", "complete: succeeded 2"]);
    run(&["device", "show", ids[0], "--server", &admin]).ended(0, &["org.example.hello.script"]);

    let (code, out, took) = devices.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
    let lines: Vec<Value> = out.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (held, events) = lines.split_last().unwrap();
    for expected in ["notified", "session_opened", "transfer_finished", "executed", "reported", "session_closed"] {
        assert!(
            events.iter().any(|event| event["event"] == expected && event["device"].is_string()),
            "{expected}: {out:?}"
        );
    }
    for device in held["devices"].as_array().unwrap() {
        let component = &device["components"][0];
        assert_eq!(
            (&component["id"], &component["version"]),
            (&json!("org.example.hello.script"), &json!("1.1.0")),
            "{device}"
        );
    }
    // Again, as when a simulation is started anew: the same devices are known.
    let again =
        Beside::start(program(&["simulate", "--profile", profile.to_str().unwrap(), "--dm", &dm, "--server", &admin]));
    again.said("2 devices are registered");
    assert_eq!(again.terminate().0, Some(0));
    assert_eq!(server.terminate().0, Some(0));
}
