//! T-RC: each result code of 4.1, reported by a device of its own: its class, whether it is tried again, how the job ends.

use serde_json::{Value, json};

use super::watched_by;
use crate::{
    flows::{HELLO, HELLO_SCRIPT},
    support::{
        api::{deadline, download, on_component, with},
        world::World,
    },
};

/// What follows a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Success; what the device's tree shows.
    Done,
    /// The user said no.
    Declined,
    /// A failure of this class that may pass.
    Passes(&'static str),
    /// One that may not.
    Stays(&'static str),
}

impl End {
    /// State, class and retryability as the job tells them.
    fn told(self) -> (&'static str, Option<&'static str>, Option<bool>) {
        match self {
            Self::Done => ("succeeded", None, None),
            Self::Declined => ("declined", None, None),
            Self::Passes(class) => ("failed", Some(class), Some(true)),
            Self::Stays(class) => ("failed", Some(class), Some(false)),
        }
    }
}

/// Runs `ask` on one device for each code, which ends everything it is told to do with that code; holds the jobs against what they
/// have to say, and the devices against what was done.
async fn play(ask: Value, codes: &[(u16, End)]) -> World {
    play_with("", ask, codes).await
}

/// The same on devices that are like this.
async fn play_with(more: &str, ask: Value, codes: &[(u16, End)]) -> World {
    let tables = |(code, _): &(u16, End)| {
        format!(
            "{more}\n[[device.result]]\ncode = {code}\n[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.0.0\"\n"
        )
    };
    let devices: Vec<String> = codes.iter().map(tables).collect();
    let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
    let world = watched_by("", &devices).await;
    let ended = world.run("r", ask).await;
    for (number, (code, end)) in (1..).zip(codes) {
        let id = format!("dev-{number}");
        let (job, (state, class, retryable)) = (&ended.jobs[&id], end.told());
        let result = &job["result"];
        assert_eq!((&job["state"], &result["code"]), (&json!(state), &json!(code)), "{job:#}");
        assert_eq!((result["class"].as_str(), result["retryable"].as_bool()), (class, retryable), "{code}: {job:#}");
        assert_eq!(job["attempt"], 1, "{code}");
        let executed: Vec<u16> = world.watch.executed(&id).into_iter().map(|(_, code)| code).collect();
        // What a device does not do one way is tried another way, as far as the request allows.
        let ways = if *code == 1411 { executed.len().max(1) } else { 1 };
        assert_eq!(executed, vec![*code; ways]);
    }
    world
}

/// One code of an alternate download and installation.
async fn fetched(codes: &[(u16, End)]) {
    play(download(HELLO, "install", "alternate"), codes).await.end().await;
}

const CLIENT: End = End::Passes("client");
const SERVER: End = End::Passes("server");
const STAYS: End = End::Stays("client");

fn remove() -> Value {
    on_component("remove", HELLO_SCRIPT)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1200_is_success() {
    fetched(&[(1200, End::Done)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1401_is_the_users_no_and_no_failure() {
    fetched(&[(1401, End::Declined)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1400_t_rc_1402_t_rc_1403_t_rc_1404_t_rc_1405_t_rc_1406_t_rc_1412_may_pass() {
    fetched(&[1400, 1402, 1403, 1404, 1405, 1406, 1412].map(|code| (code, CLIENT))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1408_t_rc_1409_t_rc_1410_are_failures_of_their_operations() {
    for (operation, code) in [("remove", 1408), ("deactivate", 1410)] {
        play(on_component(operation, HELLO_SCRIPT), &[(code, CLIENT)]).await.end().await;
    }
    let world = watched_by(
        "",
        &["[[device.result]]\ncode = 1409\n[[device.scomo.component]]\nid = \"org.example.hello.script\"\nactive = false"],
    )
    .await;
    let ended = world.run("r", on_component("activate", HELLO_SCRIPT)).await;
    assert_eq!(ended.outcome(), ("failed", Some(1409)), "{:#}", ended.job());
    let result = &ended.job()["result"];
    assert_eq!((&result["class"], &result["retryable"]), (&json!("client"), &json!(true)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1407_t_rc_1411_t_rc_1413_are_of_no_use_to_try_again() {
    let codes = [1407, 1411, 1413].map(|code| (code, STAYS));
    // However often the request would have it tried.
    let ask = with(download(HELLO, "install", "alternate"), json!({ "retry": { "limit": 5, "backoff": "1s" } }));
    play(ask, &codes).await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1404_t_rc_1406_a_device_that_is_full_is_given_more_time_than_others() {
    // A second attempt would have to begin within the six seconds, and one that is held cannot.
    let soon = with(deadline(6000), json!({ "retry": { "limit": 1, "backoff": "1s" } }));
    let tables = |code: u16| format!("[[device.result]]\ncode = {code}\ntimes = 1\n");
    let devices = [1404, 1406, 1405].map(tables);
    let world = watched_by("", &devices.each_ref().map(String::as_str)).await;
    let ended = world.run("r", with(download(HELLO, "install", "alternate"), soon)).await;
    for device in ["dev-1", "dev-2"] {
        let job = &ended.jobs[device];
        assert_eq!((&job["state"], &job["attempt"]), (&json!("failed"), &json!(1)), "{job:#}");
        assert_eq!(job["reason"], "no_time_to_retry");
    }
    let other = &ended.jobs["dev-3"];
    assert_eq!((&other["state"], &other["attempt"]), (&json!("succeeded"), &json!(2)), "{other:#}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_1500_t_rc_1501_are_the_download_servers() {
    fetched(&[(1500, SERVER), (1501, SERVER)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc_gaps_and_vendor_codes_count_by_their_range() {
    let done = [1201, 1249, 1250, 1299].map(|code| (code, End::Done));
    let client = [1300, 1414, 1449, 1450, 1499].map(|code| (code, CLIENT));
    let server = [1502, 1549, 1550, 1599].map(|code| (code, SERVER));
    fetched(&[done.as_slice(), client.as_slice(), server.as_slice()].concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_in_the_status_of_the_exec_means_what_it_means_in_a_report() {
    let codes = [(1200, End::Done), (1299, End::Done), (1401, End::Declined), (1408, CLIENT), (1411, STAYS)];
    let codes = [codes.as_slice(), &[(1413, STAYS), (1449, CLIENT), (1450, CLIENT), (1501, SERVER)]].concat();
    let world = play_with("[device.scomo]\nsync = [\"RemoveComponent\"]", remove(), &codes).await;
    for number in 1..=codes.len() {
        assert_eq!(world.watch.sessions(&format!("dev-{number}")), 1, "nothing is waited for");
    }
    world.end().await;
}
