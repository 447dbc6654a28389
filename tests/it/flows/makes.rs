//! Devices of many makes, as `tests/data/sim` describes them, against the whole service.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use super::{HELLO, HELLO_SCRIPT, INSTALLERS};
use crate::support::{api::download, database::Database, world::World};

/// The example devices whose files begin with one of these, and their ids.
fn makes(beginnings: &[&str]) -> (String, Vec<String>) {
    let files = fs::read_dir("tests/data/sim").unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<(String, String)> = files
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .filter(|(name, _)| beginnings.iter().any(|beginning| name.starts_with(beginning)))
        .collect();
    found.sort();
    for beginning in beginnings {
        assert!(found.iter().any(|(name, _)| name.starts_with(beginning)), "there is no example {beginning}");
    }
    let whole =
        |text: &str| if text.contains("installer") { format!("{text}\n") } else { format!("{text}\n{INSTALLERS}") };
    let texts: Vec<String> = found.iter().map(|(_, text)| whole(text)).collect();
    (texts.concat(), found.into_iter().map(|(name, _)| format!("{name}-1")).collect())
}

/// Installs a package on these examples. How each job ended, by device, and whether the device has the component.
async fn installed(beginnings: &[&str], delivery: &str) -> BTreeMap<String, (String, bool)> {
    let (devices, ids) = makes(beginnings);
    let world = World::with(Database::sqlite(), &devices).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ended = world.run_on("r", &ids, download(HELLO, "install", delivery)).await;
    let end = |(device, job): (&String, &Value)| {
        let is_there = world.component(device, HELLO_SCRIPT) == Some(("1.1.0".to_owned(), true));
        (device.clone(), (job["state"].as_str().unwrap().to_owned(), is_there))
    };
    let ends = ended.jobs.iter().map(end).collect();
    world.end().await;
    ends
}

/// Those that did not end as they should.
fn others(ends: BTreeMap<String, (String, bool)>, state: &str, is_there: bool) -> BTreeMap<String, (String, bool)> {
    ends.into_iter().filter(|(_, (ended, found))| ended != state || *found != is_there).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_understood_however_they_are_written() {
    let makes =
        ["report-by", "report-c", "report-e", "report-i", "report-o", "report-r", "report-s", "report-t", "report-w"];
    assert_eq!(others(installed(&makes, "alternate").await, "succeeded", true), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_and_dialects_are_understood_whatever_they_look_like() {
    let makes = [
        "dialect-",
        "two-objects",
        "no-large-objects",
        "no-types",
        "no-user-interface",
        "states-as-text",
        "leaves-missing",
        "identifiers-missing",
        "version-1.1",
        "fixed-entry",
        "nodes-made",
        "misspelt",
        "root-not-listed",
        "clean-up-refused",
        "small-",
        "results-",
    ];
    assert_eq!(others(installed(&makes, "auto").await, "succeeded", true), BTreeMap::new());
    let without = installed(&["no-object"], "auto").await;
    assert_eq!(others(without, "not_applicable", false), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_end_as_devices_and_download_servers_let_them() {
    let well =
        ["notify-contradicts", "notify-never", "notify-odd", "notify-successes", "download-breaks", "download-server"];
    assert_eq!(others(installed(&well, "alternate").await, "succeeded", true), BTreeMap::new());
    let badly = ["notify-after", "download-forbidden", "download-type", "storage-full"];
    assert_eq!(others(installed(&badly, "alternate").await, "failed", false), BTreeMap::new());
    let declined = installed(&["user-declines-"], "alternate").await;
    assert_eq!(others(declined, "declined", false), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_go_off_or_stay_silent_are_asked_what_they_have() {
    let alternate = installed(&["silent-done", "battery-in-a-session", "reboot-with-report"], "alternate").await;
    assert_eq!(others(alternate, "succeeded", true), BTreeMap::new());
    let direct = installed(&["reboot-without-report", "reboot-at-exec", "size-"], "direct").await;
    assert_eq!(others(direct, "succeeded", true), BTreeMap::new());
    let lost = installed(&["silent-nothing", "battery-in-an-operation"], "alternate").await;
    assert_eq!(others(lost, "failed", false), BTreeMap::new());
}
