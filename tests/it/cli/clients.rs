//! Commands that are clients of a running service.

use std::fs;

use serde_json::{Value, json};

use super::{Ran, pipe, program, run};
use crate::support::service::Service;

/// A service, and the arguments that lead to it.
struct Stage {
    service: Service,
    server: String,
    _folder: tempfile::TempDir,
    secret: String,
}

impl Stage {
    async fn set() -> Self {
        let service = Service::start().await;
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "pw-of-the-device\n").unwrap();
        Self { server: service.admin(), service, secret: secret.display().to_string(), _folder: folder }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&[arguments, &["--server", &self.server]].concat())
    }

    fn add(&self, id: &str) -> Ran {
        self.run(&["device", "add", id, "--user", "dev", "--secret-file", &self.secret, "--tag", "lab"])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_added_listed_shown_and_removed() {
    let stage = Stage::set().await;
    stage.run(&["device", "list"]).ended(0, &["No devices."]);
    let added = stage.add("IMEI:490154203237518");
    added.ended(0, &["IMEI:490154203237518", "dev", "md5", "lab"]);
    stage.add("490154203237518").ended(4, &["refused: ", "already_exists", "490154203237518"]);
    stage.add("IMEI:490154203237519").ended(0, &[]);
    let first = stage.run(&["device", "list", "--limit", "1"]);
    first.ended(0, &["IMEI:490154203237518", "More: --after "]);
    let (_, cursor) = first.out.split_once("--after ").unwrap();
    stage.run(&["device", "list", "--after", cursor.trim()]).ended(0, &["IMEI:490154203237519"]);
    let shown = stage.run(&["device", "show", "490154203237518", "--json"]);
    assert_eq!((&shown.json()["id"], &shown.json()["tags"]), (&json!("IMEI:490154203237518"), &json!(["lab"])));
    let record = json!({ "id": "MAC/1", "user": "m", "secret": "pw-of-the-device", "scheme": "basic" }).to_string();
    let piped = pipe(&["device", "add", "--file", "-", "--server", &stage.server], record.as_bytes());
    piped.ended(0, &["MAC/1", "basic"]);
    for ran in [&added, &first, &shown, &piped] {
        assert!(!ran.out.contains("pw-of"), "{ran:?}");
    }
    stage.run(&["device", "remove", "MAC/1"]).ended(0, &["MAC/1 is forgotten."]);
    stage.run(&["device", "show", "MAC/1"]).ended(4, &["not_found", "no such device"]);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_submitted_watched_shown_and_cancelled() {
    let stage = Stage::set().await;
    let hello = ["--package", "org.example.hello@>=1"];
    let submit = |id: &str, more: &[&str]| {
        stage.run(&[&["request", "submit", "--device", "unknown", "--id", id], &hello[..], more].concat())
    };

    submit("fails", &["--watch"]).ended(
        1,
        &["request.accepted", "job.failed", "unknown_device", "request.completed", "1 of its jobs did not succeed"],
    );
    submit("fails", &[]).ended(0, &["fails", "completed"]);
    submit("fails", &["--priority", "9"]).ended(4, &["request_conflict"]);
    stage.run(&["request", "watch", "fails"]).ended(1, &["failed 1"]);
    stage.run(&["request", "show", "fails"]).ended(0, &["completed", "unknown", "failed", "org.example.hello"]);

    submit("waits", &["--wait-for-unknown"]).ended(0, &["accepted 1"]);
    let shown = stage.run(&["request", "show", "waits", "--json"]).json();
    assert_eq!((&shown["state"], &shown["counts"]), (&json!("accepted"), &json!({ "accepted": 1 })));
    stage.run(&["request", "cancel", "waits"]).ended(0, &["jobs stopped", "1"]);
    stage.run(&["request", "watch", "waits"]).ended(1, &["cancelled 1"]);
    let odd = "2026/11 #1?";
    submit(odd, &["--source", "oss/campaigns"]).ended(0, &[odd]);
    stage.run(&["request", "show", odd, "--source", "oss/campaigns"]).ended(0, &[odd]);
    stage.run(&["request", "show", odd]).ended(4, &["no such request"]);

    let jobs = stage.run(&["job", "list", "--json", "--state", "cancelled"]).json();
    let id = jobs["jobs"][0]["job_id"].as_str().unwrap().to_owned();
    stage.run(&["job", "list", "--request", "waits", "--source", "cli"]).ended(0, &[&id, "cancelled"]);
    stage.run(&["job", "show", &id]).ended(0, &[&id, "cancelled", "local asked to cancel it"]);
    stage.run(&["job", "why", &id]).ended(0, &["cancelled: It has ended", "Someone asked for it"]);
    let why = stage.run(&["job", "why", &id, "--json"]).json();
    assert_eq!((&why["job_id"], &why["state"], &why["can"]), (&json!(id), &json!("cancelled"), &json!([])));
    stage.run(&["job", "why", "nothing"]).ended(4, &["not_found"]);
    stage.run(&["job", "show", "nothing"]).ended(4, &["not_found"]);
    stage.run(&["job", "list", "--state", "asleep"]).ended(4, &["/state", "unknown_value"]);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_was_never_read_shows_no_inventory_and_a_request_that_collects_is_taken() {
    let stage = Stage::set().await;
    stage.add("IMEI:1").ended(0, &[]);
    stage.run(&["device", "inventory", "IMEI:1"]).ended(4, &["not_found", "none was read yet"]);
    stage.run(&["device", "inventory", "IMEI:1", "--history"]).ended(0, &["No inventory was told yet."]);
    let history = stage.run(&["device", "inventory", "IMEI:1", "--history", "--json"]).json();
    assert_eq!(history, json!({ "device": "IMEI:1", "inventories": [] }));
    stage.run(&["device", "inventory", "IMEI:2"]).ended(4, &["no such device"]);
    let collect = ["request", "submit", "--device", "IMEI:1", "--inventory", "--collect", "inventory", "--id", "c"];
    stage.run(&collect).ended(0, &["c", "accepted"]);
    let shown = stage.run(&["request", "show", "c", "--json"]).json();
    let asked = (&shown["asked"]["work"]["kind"], &shown["asked"]["collect"]);
    assert_eq!(asked, (&json!("inventory"), &json!(["inventory"])), "{shown:#}");
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_list_is_added_used_shown_and_removed() {
    let stage = Stage::set().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.ndjson");
    fs::write(&file, "\"IMEI:1\"\n{\"device\":\"IMEI:2\"}\n\"imei:1\"\n").unwrap();
    stage.run(&["target-list", "list"]).ended(0, &["No target lists."]);
    let added = stage.run(&["target-list", "add", file.to_str().unwrap(), "--name", "north"]);
    added.ended(0, &["north", "devices     2", "duplicates  1"]);
    let piped = pipe(&["target-list", "add", "-", "--json", "--server", &stage.server], b"\"IMEI:3\"");
    assert_eq!((&piped.json()["devices"], &piped.json()["name"]), (&json!(1), &piped.json()["list"]));
    stage.run(&["target-list", "add", file.to_str().unwrap(), "--name", "north"]).ended(4, &["already_exists"]);
    stage.run(&["target-list", "add", "/nowhere/list"]).ended(2, &["cannot read /nowhere/list"]);
    fs::write(&file, "IMEI:1\n").unwrap();
    stage.run(&["target-list", "add", file.to_str().unwrap()]).ended(4, &["/0: ", "line 1"]);
    stage.run(&["target-list", "list"]).ended(0, &["north", "NAME"]);
    let submit = ["request", "submit", "--list", "north", "--inventory", "--id", "r", "--watch"];
    stage.run(&submit).ended(1, &["request.accepted", "unknown_device", "2 of its jobs did not succeed"]);
    stage.run(&["request", "show", "r"]).ended(0, &["spread", "made 2", "state done"]);
    let nobody = ["request", "submit", "--filter", "dev.id == 'nobody'", "--inventory", "--id", "n", "--watch"];
    stage.run(&nobody).ended(0, &["request.completed", "complete"]);
    stage.run(&["request", "submit", "--filter", "colour", "--inventory"]).ended(4, &["/targets/filter"]);
    stage.run(&["target-list", "remove", "north"]).ended(0, &["north is removed."]);
    stage.run(&["target-list", "show", "north"]).ended(4, &["no such target list"]);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_told_pointer_by_pointer_to_people_and_as_it_came_to_machines() {
    let stage = Stage::set().await;
    let bad =
        json!({ "request_id": "r", "kind": "download", "action": "fly", "targets": { "devices": [] }, "colour": 1 });
    let submit = |more: &[&str]| {
        pipe(&[&["request", "submit", "-", "--server", &stage.server], more].concat(), bad.to_string().as_bytes())
    };
    let people = submit(&[]);
    people.ended(4, &["refused: Input refused (invalid_input)", "/action: ", "/targets/devices: ", "/colour: "]);
    assert_eq!(people.out, "");
    let machines = submit(&["--json"]);
    assert_eq!((machines.code, machines.err.as_str()), (4, ""));
    let problem: Value = machines.json();
    assert_eq!((&problem["status"], &problem["code"]), (&json!(422), &json!("invalid_input")));
    assert_eq!(problem["errors"].as_array().unwrap().len(), 3);
    pipe(&["request", "submit", "-", "--server", &stage.server], b"{").ended(4, &["invalid_json"]);
    pipe(&["request", "submit", "-", "--server", &stage.server], &vec![b' '; 2 << 20]).ended(4, &["too_large"]);
    stage.run(&["job", "list"]).ended(0, &["No jobs."]);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalogue_is_listed_and_selection_explains_itself() {
    let stage = Stage::set().await;
    stage.run(&["package", "list"]).ended(0, &["org.example.hello", "1.1.0", "org.example.sine", "262144"]);
    stage.run(&["package", "show", "org.example.hello"]).ended(0, &["1.1.0", "1.0.0"]);
    stage.run(&["package", "show", "org.example.sine", "1.0.0"]).ended(0, &["sha256", "applies when", "detail.fwv"]);
    stage.run(&["package", "show", "org.example.none"]).ended(4, &["not_found"]);
    stage.add("IMEI:1").ended(0, &[]);
    stage
        .run(&["select", "--device", "IMEI:1"])
        .ended(0, &["nothing", "org.example.sine", "detail.fwv", "a request must name it"]);
    let named = stage.run(&["select", "--device", "IMEI:1", "--package", "org.example.hello@<1.1", "--json"]).json();
    assert_eq!((&named["outcome"], &named["package"]["version"]), (&json!("chosen"), &json!("1.0.0")), "{named}");
    assert_eq!(named["refused"][0]["version"], "1.1.0");
    stage.run(&["select", "--device", "nobody"]).ended(4, &["no such device"]);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_from_the_environment() {
    let hash = scomo::model::digest::Digest::of(b"let-me-in");
    let token = format!("[[admin.tokens]]\nname = \"ops\"\nhash = \"sha256:{hash}\"\nroles = [\"read\"]\n");
    let service = Service::with(&format!("[admin]\nauth = \"tokens\"\n{token}")).await;
    let list = |token: Option<&str>| {
        let mut command = program(&["job", "list", "--server", &service.admin()]);
        command.envs(token.map(|token| ("SCOMO_TOKEN", token)));
        Ran::of(command.output().unwrap())
    };
    list(Some("let-me-in")).ended(0, &["No jobs."]);
    list(Some("wrong")).ended(4, &["unauthorized"]);
    list(None).ended(4, &["unauthorized"]);
    let forbidden = run(&["request", "submit", "--device", "d", "--token", "let-me-in", "--server", &service.admin()]);
    forbidden.ended(4, &["forbidden", "`submit`"]);
    service.stop().await;
}
