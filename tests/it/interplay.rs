//! What happens when things happen at the same time, late, twice, or not at all.

mod asks;
mod stage;

use std::time::Duration;

use scomo::{
    infra::store::{Json, Unit, Write},
    job::{
        life::{Ending, Event},
        retry::{Failure, FailureClass},
    },
};
use serde_json::{Value, json};

use stage::{DEVICE, Stage, commands, first, read, report};

const LONG: Duration = Duration::from_mins(31);

fn failure() -> Ending {
    let text = "it failed".to_owned();
    Ending::Failed(Failure { code: Some(1400), device_code: None, class: FailureClass::Client, retryable: true, text })
}

#[tokio::test]
async fn a_session_that_a_newer_one_replaced_is_over() {
    let stage = Stage::set().await;
    stage.register().await;
    let job = stage.ask("r", &json!({})).await;
    let old = stage.open("1", "").await;
    let new = stage.open("2", "").await;
    assert!(!commands(&old).is_empty() && !commands(&new).is_empty());
    assert_eq!(stage.refuse(&old).await.status, 400);
    assert_eq!(stage.state(&job).await, "in_session");
    assert_eq!(stage.refuse(&new).await.status, 200);
}

#[tokio::test]
async fn a_device_that_fell_silent_is_asked_in_its_next_session() {
    let stage = Stage::set().await;
    stage.register().await;
    let job = stage.ask("r", &json!({})).await;
    stage.open("1", "").await;
    stage.db.clock.forward(LONG);
    stage.work_off().await;
    assert_eq!(stage.state(&job).await, "waiting");
    assert!(!commands(&stage.open("2", "").await).is_empty());
}

#[tokio::test]
async fn a_device_that_was_slower_than_our_patience_goes_on() {
    let stage = Stage::set().await;
    stage.register().await;
    let job = stage.ask("r", &json!({})).await;
    let asked = stage.open("1", "").await;
    stage.db.clock.forward(LONG);
    stage.work_off().await;
    stage.refuse_to_the_end(asked).await;
    assert_eq!(stage.state(&job).await, "not_applicable");
}

#[tokio::test]
async fn a_device_that_is_registered_while_its_request_is_stored_is_not_forgotten() {
    let stage = Stage::set().await;
    let job = stage.ask("r", &json!({ "if_unknown_device": "wait" })).await;
    assert_eq!(stage.state(&job).await, "accepted");
    stage.register().await;
    stage.work_off().await;
    assert_eq!(stage.state(&job).await, "waiting");
    assert!(!commands(&stage.open("1", "").await).is_empty());
}

#[tokio::test]
async fn a_device_that_is_not_registered_is_looked_for_once() {
    let stage = Stage::set().await;
    let job = stage.ask("r", &json!({ "if_unknown_device": "wait" })).await;
    assert_eq!((stage.work_off().await, stage.work_off().await), (1, 0));
    assert_eq!(stage.state(&job).await, "accepted");
}

#[tokio::test]
async fn a_job_whose_device_was_removed_fails() {
    let stage = Stage::set().await;
    let device = stage.register().await;
    let job = stage.ask("r", &json!({})).await;
    stage.put(Write::DeviceDelete { key: device.key, version: device.version }).await;
    stage.work_off().await;
    assert_eq!(stage.state(&job).await, "failed");
}

#[tokio::test]
async fn a_job_that_rests_after_a_failure_lets_the_next_one_pass() {
    let stage = Stage::set().await;
    stage.register().await;
    let resting = stage.ask("first", &json!({ "priority": 9, "retry": { "limit": 3, "backoff": "2h" } })).await;
    let next = stage.ask("next", &json!({})).await;
    stage.step(&resting, [Event::SessionOpened]).await;
    stage.work_off().await; // the other sees that the device is busy
    stage.step(&resting, [Event::Finished(failure())]).await;
    stage.db.clock.forward(Duration::from_secs(3));
    assert_eq!(stage.work_off().await, 1, "the next one's turn has come");
    assert!(!commands(&stage.open("1", "").await).is_empty());
    assert_eq!(
        (stage.state(&resting).await, stage.state(&next).await),
        ("waiting".to_owned(), "in_session".to_owned())
    );
}

#[tokio::test]
async fn a_session_takes_up_all_that_is_ready_and_nothing_that_rests() {
    let stage = Stage::set().await;
    stage.register().await;
    let resting = stage.ask("first", &json!({ "priority": 9, "retry": { "limit": 3, "backoff": "2h" } })).await;
    stage.step(&resting, [Event::SessionOpened, Event::Finished(failure())]).await;
    let (one, other) = (stage.ask("one", &json!({})).await, stage.ask("other", &json!({ "notify": "never" })).await);
    let asked = stage.open("1", "").await;
    assert_eq!(stage.state(&one).await, "in_session");
    stage.refuse_to_the_end(asked).await;
    assert_eq!(
        (stage.state(&one).await, stage.state(&other).await),
        ("not_applicable".to_owned(), "not_applicable".to_owned())
    );
    assert_eq!(stage.state(&resting).await, "waiting");
}

#[tokio::test]
async fn a_job_that_is_cancelled_in_its_session_ends_the_session() {
    let stage = Stage::set().await;
    stage.register().await;
    let job = stage.ask("r", &json!({})).await;
    let asked = stage.open("1", "").await;
    stage.step(&job, [Event::Cancel]).await;
    let answer = stage.refuse(&asked).await;
    assert!(
        String::from_utf8_lossy(&answer.body).contains("<Data>1223</Data>"),
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    assert!(read(&answer).body.is_final);
    assert_eq!(stage.state(&job).await, "cancelled");
}

#[tokio::test]
async fn a_result_after_the_end_is_told_once_and_changes_nothing() {
    let stage = Stage::set().await;
    stage.register().await;
    let job = stage.ask("r", &json!({})).await;
    sent_an_exec(&stage, &job, "c0rrelator").await;
    stage.step(&job, [Event::Cancel]).await;
    stage.open("1", &report("other", 1200)).await;
    let told = ["scomo.request.accepted", "scomo.job.cancelled", "scomo.device.alert"];
    assert_eq!(stage.told().await, told);
    stage.open("2", &report("c0rrelator", 1200)).await;
    stage.open("3", &report("c0rrelator", 1200)).await;
    let late = ["scomo.device.alert", "scomo.job.late_result", "scomo.device.alert"];
    assert_eq!(stage.told().await, [told, late].concat());
    assert_eq!(stage.state(&job).await, "cancelled");
}

#[tokio::test]
async fn a_result_after_the_end_does_not_disturb_the_job_in_hand() {
    let stage = Stage::set().await;
    stage.register().await;
    let ended = stage.ask("ended", &json!({})).await;
    sent_an_exec(&stage, &ended, "c0rrelator").await;
    stage.step(&ended, [Event::Cancel]).await;
    let job = stage.ask("r", &json!({})).await;
    assert!(!commands(&stage.open("1", &report("c0rrelator", 1401)).await).is_empty());
    assert_eq!(stage.state(&job).await, "in_session");
    assert!(stage.told().await.contains(&"scomo.job.late_result".to_owned()));
}

#[tokio::test]
async fn a_success_of_an_attempt_that_was_given_up_ends_the_rest_before_the_next() {
    let stage = Stage::set().await;
    stage.register().await;
    let resting = stage.ask("r", &json!({ "retry": { "limit": 3, "backoff": "2h" } })).await;
    sent_an_exec(&stage, &resting, "c0rrelator").await;
    stage.step(&resting, [Event::SessionOpened, Event::Finished(failure())]).await;
    stage.open("1", &report("c0rrelator", 1405)).await;
    assert_eq!(stage.state(&resting).await, "waiting", "a failure of that attempt is history");
    let asked = stage.open("2", &report("c0rrelator", 1200)).await;
    assert_eq!(stage.state(&resting).await, "in_session");
    assert!(!commands(&asked).is_empty(), "the device is asked what is true now");
    let body: Value = stage.job(&resting).await.body.read().unwrap();
    assert_eq!(body["procedure"]["scomo"]["memory"]["late"], 1200);
}

#[tokio::test]
async fn a_success_that_comes_beside_another_job_lets_its_own_go_on_after_that() {
    let stage = Stage::set().await;
    stage.register().await;
    let resting = stage.ask("first", &json!({ "retry": { "limit": 3, "backoff": "2h" } })).await;
    sent_an_exec(&stage, &resting, "c0rrelator").await;
    stage.step(&resting, [Event::SessionOpened, Event::Finished(failure())]).await;
    let other = stage.ask("other", &json!({ "priority": 9 })).await;
    let asked = stage.open("1", &report("c0rrelator", 1200)).await;
    assert_eq!(
        (stage.state(&other).await, stage.state(&resting).await),
        ("in_session".to_owned(), "waiting".to_owned())
    );
    stage.refuse_to_the_end(asked).await;
    assert_eq!(stage.state(&other).await, "not_applicable");
    assert_eq!(stage.state(&resting).await, "not_applicable", "it was taken up in the same session");
}

/// Puts a correlator into a job's memory, as if it had sent an Exec.
async fn sent_an_exec(stage: &Stage, job: &scomo::infra::store::job::JobRow, correlator: &str) {
    let mut row = stage.job(job).await;
    let mut body: Value = row.body.read().unwrap();
    body["procedure"]["scomo"]["memory"]["execs"] = json!([correlator]);
    row.body = Json::of("test", &body).unwrap();
    stage.store.commit(Unit::new("test", DEVICE).with(Write::JobPut(row))).await.unwrap();
}

#[tokio::test]
async fn strangers_who_know_a_device_by_name_cannot_fill_the_database() {
    let stage = Stage::set().await;
    stage.register().await;
    for session in 1..=80 {
        let reply = stage.post(&first(&session.to_string(), "wrong", ""), None).await;
        assert_eq!(reply.status, 200);
    }
    let sessions: Vec<(i64,)> = stage.db.rows("SELECT COUNT(*) FROM session").await;
    assert!(sessions[0].0 <= 33, "{sessions:?}");
}
