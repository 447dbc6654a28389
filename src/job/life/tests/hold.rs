//! What a closed window and a pause hold back, and what they do not.

use super::*;
use crate::job::window::Window;

impl Story {
    /// A job with a window: each night from two to three.
    fn nightly(notify: Notify) -> Self {
        let window = Window { cron: "0 2 * * *".parse().unwrap(), minutes: 60, time_zone: "UTC".parse().unwrap() };
        let story = Self::new(notify);
        let life = story.life.scheduled(Schedule { not_before: None, window: Some(window) });
        Self { life, ..story }
    }
}

/// From 22:13:20 until two o'clock, in minutes: the due row rounds down.
const TO_WINDOW: u64 = 226;

#[test]
fn a_job_whose_window_is_closed_waits_for_it_and_is_not_taken_up_before() {
    let queued = Story::nightly(Notify::Auto).then([Event::Queued]);
    assert_eq!((queued.state(), queued.due()), ("waiting", (Errand::Wake, TO_WINDOW)));
    assert!(!queued.life.is_ready(queued.now));
    assert_eq!(queued.life.passes_until(), Some(queued.now.after(mins(TO_WINDOW) + Duration::from_secs(40))));
    let early = queued.then([Event::SessionOpened, Event::Due]);
    assert_eq!((early.state(), early.due()), ("waiting", (Errand::Wake, TO_WINDOW)));
    assert!(!early.effects.contains(&Effect::Notify));
    let open = early.later(mins(TO_WINDOW + 1)).then([Event::Due]);
    assert!(open.effects.contains(&Effect::Notify) && open.life.is_ready(open.now));
    let never = Story::nightly(Notify::Never).then([Event::Queued]);
    assert_eq!((never.due(), never.life.is_ready(never.now)), ((Errand::TimeOut, 24 * 60), false));
    assert!(never.life.is_ready(never.now.after(mins(TO_WINDOW + 1))), "the device may come by itself then");
}

#[test]
fn a_window_that_closes_leaves_what_is_not_begun_for_the_next_night_and_the_device_to_others() {
    let open = || Story::nightly(Notify::Auto).later(mins(TO_WINDOW + 1)).then([Event::Queued, Event::Due]);
    let silent = open().then([Event::Notified]).later(mins(60));
    assert!(!silent.life.is_ready(silent.now), "the device comes too late");
    let again = silent.then([Event::Due]);
    assert_eq!(again.state(), "waiting");
    assert!(again.life.due().unwrap().1 == again.life.deadline(), "the next night comes after the deadline");
    let mut story = Story::nightly(Notify::Auto).later(mins(TO_WINDOW + 1));
    story.busy = true;
    let mut behind = story.then([Event::Queued, Event::Due]).later(mins(60));
    behind.busy = false;
    let turn = behind.then([Event::Due]);
    assert!(turn.effects.contains(&Effect::WakeNext) && !turn.effects.contains(&Effect::Notify));
    let working = open().then([Event::Notified, Event::SessionOpened]);
    let left = working.later(mins(60)).then([Event::Held(Hold::Schedule)]);
    assert_eq!((left.state(), left.life.attempt(), left.life.troubles()), ("waiting", 1, 0));
    assert!(left.effects.contains(&Effect::WakeNext) && !left.life.is_ready(left.now));
}

#[test]
fn an_exec_under_way_is_followed_to_its_end_at_any_hour() {
    let begun = || {
        let open = Story::nightly(Notify::Auto).later(mins(TO_WINDOW + 1));
        open.then([Event::Queued, Event::Due, Event::Notified, Event::SessionOpened, Event::Exchanged { exec: true }])
    };
    let held = begun().later(mins(60)).then([Event::Held(Hold::Schedule)]);
    assert_eq!(held.state(), "awaiting_report");
    let awaited = begun().then([Event::ReportAwaited]).later(mins(61)).then([Event::Due]);
    assert!(awaited.effects.contains(&Effect::Notify), "the device is asked how far it is");
    assert!(awaited.life.is_ready(awaited.now));
    let done = awaited.then([Event::SessionOpened, Event::Finished(Ending::Succeeded { code: Some(1200) })]);
    assert_eq!(done.state(), "succeeded");
}

#[test]
fn an_attempt_waits_for_its_window_too_and_is_given_up_if_none_comes() {
    let open = || {
        let story = Story::nightly(Notify::Auto).later(mins(TO_WINDOW + 1));
        story.then([Event::Queued, Event::Due, Event::Notified, Event::SessionOpened])
    };
    let soon = open().then([failed(true)]);
    assert_eq!((soon.state(), soon.due()), ("waiting", (Errand::Wake, 5)));
    let late = open().later(mins(58)).then([failed(true)]);
    assert_eq!((late.state(), late.over().reason), ("failed", Some(Reason::NoTimeToRetry)));
    let mut longer = open().later(mins(58));
    longer.life.deadline = longer.life.deadline.after(Duration::from_hours(24));
    let tomorrow = longer.then([failed(true)]);
    assert_eq!((tomorrow.state(), tomorrow.due().1 / 60), ("waiting", 23));
}

#[test]
fn whoever_is_in_a_hurry_still_waits_for_the_window() {
    let hurried = Story::nightly(Notify::Auto).then([Event::Queued, Event::Hurry]);
    assert_eq!((hurried.due(), hurried.life.is_ready(hurried.now)), ((Errand::Wake, TO_WINDOW), false));
}

fn pause(number: u128) -> Event {
    Event::Held(Hold::Pause(PauseId::new(uuid::Uuid::from_u128(number))))
}

#[test]
fn a_paused_job_waits_for_its_deadline_and_leaves_the_device_to_others() {
    for story in [
        Story::new(Notify::Auto).then([Event::Queued]),
        Story::new(Notify::Auto).then([Event::Queued, Event::Due, Event::Notified]),
        Story::in_session(),
        Story::in_session().then([ASKED]),
    ] {
        let from = story.state();
        let held = story.then([pause(1)]);
        assert_eq!((held.state(), held.due()), ("waiting", (Errand::TimeOut, 24 * 60)), "{from}");
        assert!(held.effects.contains(&Effect::WakeNext) && held.life.held().is_some(), "{from}");
        assert_eq!((held.life.passes_until(), held.life.troubles()), (Some(held.life.deadline()), 0), "{from}");
        let still = held.then([pause(1)]);
        assert!(!still.effects.contains(&Effect::WakeNext), "{from}: that was so before");
        assert_eq!(still.due(), (Errand::TimeOut, 24 * 60));
        let resumed = still.then([Event::Due]);
        assert!(resumed.effects.contains(&Effect::Notify) && resumed.life.held().is_none(), "{from}");
    }
    let over = Story::new(Notify::Auto).then([Event::Queued, pause(1)]).at_deadline().then([Event::Due]);
    assert_eq!((over.state(), over.life.held()), ("expired", None), "the deadline goes on counting");
}

#[test]
fn a_pause_lets_nobody_ask_for_a_late_report_until_it_is_lifted() {
    let awaited = Story::in_session().then([Event::ReportAwaited]).later(mins(60)).then([pause(1)]);
    assert_eq!((awaited.state(), awaited.due()), ("awaiting_report", (Errand::TimeOut, 23 * 60)));
    assert!(!awaited.effects.contains(&Effect::Notify) && !awaited.effects.contains(&Effect::WakeNext));
    let told = Ending::Succeeded { code: Some(1200) };
    let resumed = awaited.later(mins(10)).then([Event::Due]);
    assert!(resumed.effects.contains(&Effect::Notify), "{:?}", resumed.effects);
    assert_eq!(resumed.then([Event::SessionOpened, Event::Finished(told)]).state(), "succeeded");
}

#[test]
fn a_pause_does_not_cut_the_rest_after_a_failure_short() {
    let held = Story::in_session().then([failed(true), pause(1)]);
    assert_eq!(held.due(), (Errand::TimeOut, 24 * 60));
    let resumed = held.then([Event::Due]);
    assert_eq!((resumed.due(), resumed.life.is_ready(resumed.now)), ((Errand::Wake, 5), false));
}
