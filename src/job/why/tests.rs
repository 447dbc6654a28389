use insta::assert_snapshot;

use super::*;
use crate::{
    job::{
        life::{Cx, Ending, Event, Policy},
        procedure::{Action, Collect, Errand, Mechanism, Procedure, Way},
        record::Order,
        retry::{Failure, FailureClass, RetryRule},
        window::{Schedule, Window},
    },
    model::{
        catalog::Delivery,
        clock::span,
        id::{RequestId, RequestSource},
    },
};

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn record(notify: Notify) -> Record {
    let (package, action, delivery) = (None, Action::Install, Delivery::Auto);
    let order = Order::Download { package, action, delivery, allow_downgrade: false, on_request: false };
    let life = Life::new(after("24h"), notify, RetryRule::default());
    let task = (order, Procedure::new(Errand::Download { action }));
    Record::new(RequestId::parse("r").unwrap(), RequestSource::parse("test").unwrap(), task, Collect::default(), life)
}

fn after(text: &str) -> Timestamp {
    START.after(span::parse(text).unwrap())
}

fn around(now: Timestamp) -> Around<'static> {
    let job = JobId::new(uuid::Uuid::from_u128(1));
    Around { job, now, held_by: None, known: true, reachable: true, pause: None, last_session: None }
}

fn step(record: Record, events: impl IntoIterator<Item = Event>, now: Timestamp) -> Record {
    let policy = Policy::default();
    let cx = Cx { now, busy: false, policy: &policy };
    events.into_iter().fold(record, |record, event| record.step(event, &cx).0)
}

fn at_work(notify: Notify) -> Record {
    step(record(notify), [Event::Queued, Event::SessionOpened], START)
}

/// As the command line prints it.
fn told(record: &Record, around: &Around<'_>) -> String {
    let why = why(record, around);
    let json = serde_json::to_value(&why).unwrap();
    assert_eq!(serde_json::from_value::<Why>(json).unwrap(), why);
    assert_eq!(why.can.is_empty(), why.next.is_none(), "what is over can neither go on nor be stopped");
    let next = why.next.map(|next| {
        let at = next.at.map(|at| format!(" at {at}")).unwrap_or_default();
        format!(" Next{at}: {}", next.text)
    });
    format!("{}: {}{}", why.state, why.why, next.unwrap_or_default())
}

fn failed(code: u16) -> Event {
    let class = FailureClass::Client;
    let text = "it failed".to_owned();
    Event::Finished(Ending::Failed(Failure { code: Some(code), device_code: None, class, retryable: true, text }))
}

#[test]
fn accepted() {
    let record = record(Notify::Auto);
    assert_snapshot!(told(&record, &Around { known: false, ..around(START) }), @"accepted: The device has no record here, and the request waits for one. Next at 2023-11-15T22:13:20Z: it ends as expired, unless the device is registered before");
    assert_snapshot!(told(&record, &around(START)), @"accepted: It was just stored and is about to join its device's queue. Next: it joins the queue");
}

#[test]
fn waiting_for_its_device() {
    let queued = |notify| step(record(notify), [Event::Queued], START);
    let seen = Around { last_session: Some(START), ..around(after("1h")) };
    assert_snapshot!(told(&queued(Notify::Auto), &around(START)), @"waiting: It waits for its device to be notified; no session of it is known. Next at 2023-11-14T22:13:20Z: the device is notified");
    assert_snapshot!(told(&queued(Notify::Never), &seen), @"waiting: The request wants no notification, so it waits for the device to come by itself; its last session was at 2023-11-14T22:13:20Z. Next at 2023-11-15T22:13:20Z: it is taken up in the device's next session, or ends as expired");
    let mute =
        step(queued(Notify::Auto), [Event::Due, Event::NotNotified(crate::job::life::NotNotified::NoAddress)], START);
    assert_snapshot!(told(&mute, &Around { reachable: false, ..seen }), @"waiting: The device's record has no address to notify it at, so it waits for the device to come by itself; its last session was at 2023-11-14T22:13:20Z. Next at 2023-11-15T22:13:20Z: it is taken up in the device's next session, or ends as expired");
    assert_snapshot!(told(&queued(Notify::Auto), &Around { known: false, ..around(START) }), @"waiting: The device's record is gone. Next at 2023-11-14T22:13:20Z: it fails, as nobody knows its device");
}

#[test]
fn waiting_behind_another_job() {
    let other = JobId::new(uuid::Uuid::from_u128(2));
    let queued = step(record(Notify::Auto), [Event::Queued], START);
    assert_snapshot!(told(&queued, &Around { held_by: Some(other), ..around(START) }), @"waiting: Another job, 00000000-0000-0000-0000-000000000002, holds the device; this one waits for its turn. Next: its turn comes, by priority and age, when the device is free");
}

#[test]
fn waiting_after_troubles() {
    let silent = step(record(Notify::Auto), [Event::Queued, Event::Due, Event::Notified], START);
    let once = step(silent, [Event::Due], after("11m"));
    assert_snapshot!(told(&once, &around(after("11m"))), @"waiting: The device did not answer its notification, or its session broke off; no session of it is known. Next at 2023-11-14T22:29:20Z: the device is notified");
    let twice = step(step(once, [Event::Due, Event::Notified], after("20m")), [Event::Due], after("31m"));
    assert_snapshot!(told(&twice, &around(after("31m"))), @"waiting: Notifications stayed without an answer, or sessions broke off, 2 times in a row; the pauses grow; no session of it is known. Next at 2023-11-14T22:54:20Z: the device is notified");
}

#[test]
fn waiting_after_a_failure() {
    let again = step(at_work(Notify::Auto), [failed(1405)], START);
    assert_snapshot!(told(&again, &around(START)), @"waiting: The last attempt failed, and the job rests before the next one. Next at 2023-11-14T22:18:20Z: attempt 2 may begin");
    let mut full = at_work(Notify::Auto);
    let failure = crate::job::procedure::Failure {
        code: Some(ResultCode::new(1404)),
        device_code: None,
        class: crate::job::procedure::FailureClass::Client,
        retryable: true,
        text: String::new(),
    };
    full.tried.push(crate::job::plan::Tried::new(Way::Alternate(Mechanism::Package), &failure, None));
    assert_snapshot!(told(&step(full, [failed(1404)], START), &around(START)), @"waiting: The device has no room for the package, so the job rests longer than after other failures. Next at 2023-11-14T23:13:20Z: attempt 2 may begin");
}

#[test]
fn notified() {
    let notified = step(record(Notify::Auto), [Event::Queued, Event::Due, Event::Notified], START);
    assert_snapshot!(told(&notified, &Around { last_session: Some(START), ..around(START) }), @"notified: The device was asked to open a session and has not come yet; its last session was at 2023-11-14T22:13:20Z. Next at 2023-11-14T22:23:20Z: it is asked again");
}

#[test]
fn in_session() {
    assert_snapshot!(told(&at_work(Notify::Auto), &around(START)), @"in_session: A session with the device is working on it. Next at 2023-11-14T22:43:20Z: the session is given up, if the device stays silent");
    let told_to = step(at_work(Notify::Auto), [Event::Exchanged { exec: true }], START);
    assert_snapshot!(told(&told_to, &around(START)), @"in_session: A session is open in which the device was told to do it; how that ended is not known yet. Next at 2023-11-14T22:43:20Z: the session is given up, if the device stays silent");
}

#[test]
fn awaiting_a_report() {
    let awaits = |notify| step(at_work(notify), [Event::ReportAwaited], START);
    assert_snapshot!(told(&awaits(Notify::Auto), &around(START)), @"awaiting_report: The device took the operation on and has not reported how it ended; no session of it is known. Next at 2023-11-14T23:13:20Z: the device is woken, and its tree is read");
    assert_snapshot!(told(&awaits(Notify::Auto), &around(after("2h"))), @"awaiting_report: The device took the operation on, and its report is overdue; no session of it is known. Next at 2023-11-14T23:13:20Z: the device is woken, and its tree is read");
    assert_snapshot!(told(&awaits(Notify::Never), &around(START)), @"awaiting_report: The device took the operation on and has not reported how it ended; no session of it is known. Next at 2023-11-14T23:13:20Z: when the device comes by itself its tree is read; else the job ends in doubt at its deadline");
}

#[test]
fn awaiting_the_user() {
    assert_snapshot!(told(&step(at_work(Notify::Auto), [Event::UserAsked { within: std::time::Duration::ZERO }], START), &around(START)), @"awaiting_user: The device is asking its user. Next at 2023-11-14T22:28:20Z: the question is given up, and with it the session");
}

#[test]
fn over() {
    let succeeded = step(at_work(Notify::Auto), [Event::Finished(Ending::Succeeded { code: Some(1200) })], START);
    assert_snapshot!(told(&succeeded, &around(START)), @"succeeded: It has ended: succeeded. What was wanted is so on the device.");
    let cancelled = step(at_work(Notify::Auto), [Event::Cancel], START);
    assert_snapshot!(told(&cancelled, &around(START)), @"cancelled: It has ended: cancelled. The request or the job was cancelled. Someone asked for it: what was written to the device may stay there; nothing was started.");
    let expired = step(at_work(Notify::Auto), [Event::Due], after("25h"));
    assert_snapshot!(told(&expired, &around(after("25h"))), @"expired: It has ended: expired. The deadline passed before an operation was started on the device. The deadline passed.");
}

#[test]
fn near_the_deadline_the_deadline_is_what_comes_next() {
    let late = step(step(record(Notify::Auto), [Event::Queued], START), [Event::SessionOpened], after("23h 45m"));
    assert_snapshot!(told(&late, &around(after("23h 45m"))), @"in_session: A session with the device is working on it. Next at 2023-11-15T22:13:20Z: its deadline ends it");
}

#[test]
fn the_last_that_the_device_said_is_told() {
    let mut record = at_work(Notify::Auto);
    record.heard(START, "session 7 was opened by the device");
    record.note(after("1m"), "something else");
    let said = why(&record, &around(after("2m"))).device_said.unwrap();
    assert_eq!((said.at, said.text.as_str()), (START, "session 7 was opened by the device"));
}

#[test]
fn waiting_for_its_window() {
    let window = Window { cron: "0 2 * * *".parse().unwrap(), minutes: 60, time_zone: "Europe/Paris".parse().unwrap() };
    let scheduled = |schedule: Schedule| {
        let record = record(Notify::Auto);
        Record { life: record.life.clone().scheduled(schedule), ..record }
    };
    let nightly = scheduled(Schedule { not_before: None, window: Some(window.clone()) });
    let queued = step(nightly.clone(), [Event::Queued], START);
    assert_snapshot!(told(&queued, &around(START)), @"waiting: It waits for its window (`0 2 * * *` Europe/Paris, 60 minutes), which opens at 2023-11-15T01:00:00Z. Next at 2023-11-15T01:00:00Z: something may be begun on the device");
    let opened = after("3h");
    assert_snapshot!(told(&step(queued, [Event::Due], opened), &around(opened)), @"waiting: It waits for its device to be notified; no session of it is known. Next at 2023-11-15T01:18:20Z: the device is notified");
    let closed = step(nightly.clone(), [Event::Queued], after("5h"));
    assert_snapshot!(told(&closed, &around(after("5h"))), @"waiting: It waits for its window (`0 2 * * *` Europe/Paris, 60 minutes), which does not come before its deadline. Next at 2023-11-15T22:13:20Z: its deadline ends it");
    let failing = step(nightly, [Event::Queued, Event::SessionOpened, failed(1405)], after("3h"));
    assert_snapshot!(told(&failing, &around(after("3h"))), @"waiting: The last attempt failed, and the job rests before the next one. Next at 2023-11-15T01:18:20Z: attempt 2 may begin");
    let later = scheduled(Schedule { not_before: Some(after("2h")), window: None });
    assert_snapshot!(told(&step(later, [Event::Queued], START), &around(START)), @"waiting: It waits for the time from which its request allows it, 2023-11-15T00:13:20Z. Next at 2023-11-15T00:13:20Z: something may be begun on the device");
}

#[test]
fn held_back_by_a_pause() {
    let pause = Pause {
        id: crate::model::id::PauseId::new(uuid::Uuid::from_u128(3)),
        scope: crate::job::brake::Scope::read("package", "a@1.0").unwrap(),
        reason: Some("bad batch".to_owned()),
        by: "ops".to_owned(),
        at: START,
    };
    let queued = step(record(Notify::Auto), [Event::Queued], START);
    assert_snapshot!(told(&queued, &Around { pause: Some(&pause), ..around(START) }), @"waiting: It is held back by a pause of package a@1.0, ordered by ops at 2023-11-14T22:13:20Z (bad batch). Next: it goes on when the pause is lifted; its deadline goes on counting");
    let late = step(at_work(Notify::Auto), [Event::ReportAwaited], START);
    assert_snapshot!(told(&late, &Around { pause: Some(&pause), ..around(after("2h")) }), @"awaiting_report: The device took the operation on, and its report is overdue; the device is not asked because of a pause of package a@1.0, ordered by ops at 2023-11-14T22:13:20Z (bad batch). Next: it goes on when the pause is lifted; its deadline goes on counting");
    assert_snapshot!(told(&late, &Around { pause: Some(&pause), ..around(START) }), @"awaiting_report: The device took the operation on and has not reported how it ended; no session of it is known. Next at 2023-11-14T23:13:20Z: the device is woken, and its tree is read");
}
