mod hold;

use std::collections::BTreeSet;

use super::{
    graph::{every_step, graph, mermaid},
    *,
};
use crate::job::retry::{Failure, FailureClass};

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

const ASKED: Event = Event::UserAsked { within: Duration::ZERO };

const fn mins(n: u64) -> Duration {
    Duration::from_mins(n)
}

/// A job and its story so far.
struct Story {
    life: Life,
    now: Timestamp,
    busy: bool,
    effects: Vec<Effect>,
}

impl Story {
    fn new(notify: Notify) -> Self {
        let life = Life::new(START.after(Duration::from_hours(24)), notify, RetryRule { limit: 1, backoff: mins(5) });
        Self { life, now: START, busy: false, effects: Vec::new() }
    }

    /// A job in a session.
    fn in_session() -> Self {
        Self::new(Notify::Auto).then([Event::Queued, Event::Due, Event::Notified, Event::SessionOpened])
    }

    fn then(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        for event in events {
            let next = step(&self.life, event, &Cx { now: self.now, busy: self.busy, policy: &Policy::default() });
            (self.life, self.effects) = (next.life, next.effects);
        }
        self
    }

    fn later(mut self, span: Duration) -> Self {
        self.now = self.now.after(span);
        self
    }

    fn at_deadline(mut self) -> Self {
        self.now = self.life.deadline();
        self
    }

    fn state(&self) -> &'static str {
        self.life.state().name().as_str()
    }

    /// Minutes until the due row, and whose it is.
    fn due(&self) -> (Errand, u64) {
        let (errand, at) = self.life.due().unwrap();
        (errand, at.since(self.now).as_secs() / 60)
    }

    fn over(&self) -> &Over {
        let State::Over(over) = self.life.state() else { panic!("still {}", self.state()) };
        over
    }
}

fn failed(retryable: bool) -> Event {
    let text = "download failed".to_owned();
    let class = FailureClass::Client;
    Event::Finished(Ending::Failed(Failure { code: Some(1402), device_code: None, class, retryable, text }))
}

#[test]
fn the_drawing_in_the_docs_is_that_of_the_code() {
    let drawing = format!("```mermaid\n{}```\n", mermaid());
    assert!(include_str!("../../../docs/job-life.md").contains(&drawing), "docs/job-life.md must hold:\n{drawing}");
}

#[test]
fn every_state_is_reached_and_no_end_is_left() {
    let graph = graph();
    let reached: BTreeSet<_> = graph.keys().map(|(_, to)| *to).chain([StateName::Accepted]).collect();
    assert_eq!(reached, StateName::all().collect());
    assert!(graph.keys().all(|(from, _)| !from.is_terminal()));
    for live in StateName::all().filter(|s| !s.is_terminal()) {
        let leads_to = |to| graph.contains_key(&(live, StateName::Over(to)));
        assert!(leads_to(Outcome::Cancelled), "{live} cannot be cancelled");
        assert!(leads_to(Outcome::Expired) || leads_to(Outcome::InDoubt), "{live} never ends by itself");
    }
}

#[test]
fn an_end_never_changes_and_tells_only_of_late_results() {
    for tried in every_step().into_iter().filter(|t| t.before.state().name().is_terminal()) {
        assert_eq!(tried.next.life, tried.before, "{tried:?}");
        let late = tried.next.effects.iter().any(|e| matches!(e, Effect::LateResult { .. }));
        assert_eq!(late, matches!(tried.event, Event::Finished(_)), "{tried:?}");
        let other = |e: &Effect| !matches!(e, Effect::LateResult { .. } | Effect::ClearDue);
        assert!(!tried.next.effects.iter().any(other), "{tried:?}");
    }
}

#[test]
fn every_live_job_has_one_due_row_at_its_deadline_or_earlier() {
    for tried in every_step().into_iter().filter(|t| !t.before.state().name().is_terminal()) {
        let (effects, due) = (&tried.next.effects, tried.next.life.due());
        let set: Vec<_> = effects
            .iter()
            .filter_map(|e| if let Effect::Due { errand, at } = e { Some((*errand, *at)) } else { None })
            .collect();
        let Some((_, at)) = due else {
            assert!(set.is_empty() && effects.contains(&Effect::ClearDue), "{tried:?}");
            continue;
        };
        assert!(at <= tried.next.life.deadline(), "{tried:?}");
        // The row that fired is gone, and a new state has a new row; else the one that is there stays right.
        let changed = tried.next.life.state().name() != tried.before.state().name();
        let kept = set.is_empty() && tried.event != Event::Due && !changed && due == tried.before.due();
        assert!(kept || set == [due.unwrap()], "{tried:?}");
    }
}

#[test]
fn a_deadline_that_passes_ends_the_job_by_what_the_device_was_told() {
    let fired = |t: &graph::Tried| t.event == Event::Due && t.now >= t.before.deadline();
    for tried in every_step().into_iter().filter(|t| fired(t) && !t.before.state().name().is_terminal()) {
        let told = tried.before.exec_outstanding() || tried.before.has_run();
        let end = if told { Outcome::InDoubt } else { Outcome::Expired };
        assert_eq!(tried.next.life.state().name(), StateName::Over(end), "{tried:?}");
    }
}

#[test]
fn what_the_device_has_reported_is_never_told_as_not_started() {
    let reported = || {
        Story::in_session().then([
            Event::Exchanged { exec: true },
            Event::ReportAwaited,
            Event::SessionOpened,
            Event::Exchanged { exec: false },
            Event::SessionEnded { ours: false },
        ])
    };
    assert_eq!(reported().state(), "waiting", "its tree is to be read again");
    let late = reported().at_deadline().then([Event::Due]);
    assert_eq!((late.state(), late.over().reason), ("in_doubt", Some(Reason::Deadline)));
    assert!(late.over().result.text.contains("said how that ended"), "{:?}", late.over());
    let cancelled = reported().then([Event::Cancel]);
    assert!(cancelled.over().result.text.contains("said how that ended"), "{:?}", cancelled.over());
    let again = reported().then([Event::SessionOpened, failed(true)]).at_deadline().then([Event::Due]);
    assert_eq!(again.state(), "expired", "of the next attempt nothing was started");
}

#[test]
fn a_job_that_has_not_its_device_leaves_nothing_running_there() {
    for tried in every_step() {
        let (before, life) = (&tried.before, &tried.next.life);
        let (name, over) = (life.state().name(), before.state().name().is_terminal());
        assert!(name.is_terminal() || name.holds_device() || !life.exec_outstanding(), "{tried:?}");
        let told = tried.next.effects.contains(&Effect::Tell(name));
        assert_eq!(told, before.state().name() != name && name.is_told(), "{tried:?}");
        let gone = !over && (name.is_terminal() || life.attempt() > before.attempt());
        assert_eq!(tried.next.effects.contains(&Effect::RevokeGrants), gone, "{tried:?}");
    }
}

#[test]
fn a_job_value_survives_the_store() {
    for tried in every_step() {
        let stored = serde_json::to_string(&tried.next.life).unwrap();
        assert_eq!(serde_json::from_str::<Life>(&stored).unwrap(), tried.next.life);
    }
    for state in StateName::all() {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        assert_eq!(state.as_str().parse::<StateName>().unwrap(), state);
    }
    assert!("gone".parse::<StateName>().is_err());
}

#[test]
fn a_woken_device_does_the_work() {
    let queued = Story::new(Notify::Auto).then([Event::Queued]);
    assert_eq!((queued.state(), queued.due()), ("waiting", (Errand::Wake, 0)));
    let due = queued.then([Event::Due]);
    assert_eq!(due.effects[0], Effect::Notify);
    let notified = due.then([Event::Notified]);
    assert_eq!((notified.state(), notified.due()), ("notified", (Errand::TimeOut, 10)));
    let done = notified.then([Event::SessionOpened, Event::Finished(Ending::Succeeded { code: Some(1200) })]);
    assert_eq!((done.state(), done.over().result.code), ("succeeded", Some(1200)));
    let told = Effect::Tell(StateName::Over(Outcome::Succeeded));
    assert_eq!(done.effects, [told, Effect::RevokeGrants, Effect::WakeNext, Effect::ClearDue]);
}

#[test]
fn a_silent_device_is_woken_again_ever_more_rarely() {
    let mut story = Story::new(Notify::Auto).then([Event::Queued, Event::Due, Event::Notified]);
    for pause in [5, 10, 20, 40] {
        story = story.later(mins(10)).then([Event::Due]);
        assert_eq!((story.state(), story.due()), ("waiting", (Errand::Wake, pause)));
        story = story.later(mins(pause)).then([Event::Due, Event::Notified]);
    }
    let end = story.at_deadline().then([Event::Due]);
    assert_eq!((end.state(), end.over().reason), ("expired", Some(Reason::Deadline)));
}

#[test]
fn a_busy_device_gets_the_job_when_its_turn_comes() {
    let mut story = Story::new(Notify::Auto);
    story.busy = true;
    let mut story = story.then([Event::Queued, Event::Due]);
    assert_eq!((story.state(), story.due()), ("waiting", (Errand::TimeOut, 24 * 60)));
    story.busy = false;
    assert!(story.then([Event::Due]).effects.contains(&Effect::Notify));
}

#[test]
fn a_device_without_an_address_is_waited_for_unless_it_must_be_notified() {
    let auto = Story::new(Notify::Auto).then([Event::Queued, Event::Due, Event::NotNotified(NotNotified::NoAddress)]);
    assert_eq!((auto.state(), auto.due()), ("waiting", (Errand::TimeOut, 24 * 60)));
    assert_eq!(auto.then([Event::SessionOpened]).state(), "in_session");
    let always =
        Story::new(Notify::Always).then([Event::Queued, Event::Due, Event::NotNotified(NotNotified::NoAddress)]);
    assert_eq!((always.state(), always.over().reason), ("failed", Some(Reason::Unreachable)));
    let never = Story::new(Notify::Never).then([Event::Queued, Event::Due]);
    assert!(!never.effects.contains(&Effect::Notify));
    assert_eq!(never.due(), (Errand::TimeOut, 24 * 60));
}

#[test]
fn a_failure_is_tried_again_after_its_pause_and_only_so_often() {
    let held = Story::in_session().then([failed(true)]);
    assert_eq!((held.state(), held.life.attempt(), held.due()), ("waiting", 2, (Errand::Wake, 5)));
    assert!(held.effects.contains(&Effect::WakeNext) && held.effects.contains(&Effect::RevokeGrants));
    assert!(!held.life.is_ready(held.now), "a session that the device opens now must not take it up");
    let early = held.then([Event::SessionOpened, Event::Due]);
    assert_eq!((early.state(), early.due()), ("waiting", (Errand::Wake, 5)));
    let again = early.later(mins(5)).then([Event::Due, Event::Notified, Event::SessionOpened, failed(true)]);
    assert_eq!((again.state(), again.over().reason), ("failed", Some(Reason::RetriesExhausted)));
    assert_eq!(again.over().result.retryable, Some(true));
}

#[test]
fn an_attempt_that_was_given_up_may_still_succeed_but_not_fail_again() {
    let held = || Story::in_session().then([failed(true)]);
    let failed_again = held().then([failed(true)]);
    assert_eq!((failed_again.state(), failed_again.life.attempt()), ("waiting", 2));
    assert_eq!(held().then([Event::Finished(Ending::Succeeded { code: Some(1200) })]).state(), "succeeded");
}

#[test]
fn a_no_of_the_user_is_final() {
    let declined = Story::in_session().then([Event::Finished(Ending::Declined { code: Some(1401) })]);
    assert_eq!((declined.state(), declined.life.attempt()), ("declined", 1));
}

#[test]
fn a_broken_session_costs_no_attempt() {
    let broken = Story::in_session().then([Event::Exchanged { exec: false }, Event::SessionEnded { ours: false }]);
    assert_eq!((broken.state(), broken.life.attempt(), broken.due()), ("waiting", 1, (Errand::Wake, 5)));
    assert!(broken.life.is_ready(broken.now), "the device may come back by itself");
    let stalled = Story::in_session().later(mins(30)).then([Event::Due]);
    assert_eq!(stalled.state(), "waiting");
}

#[test]
fn a_session_that_goes_on_is_not_given_up_and_seldom_written() {
    let story = Story::in_session().later(mins(10)).then([Event::Exchanged { exec: false }]);
    assert_eq!(story.effects, []);
    let story = story.later(mins(10)).then([Event::Exchanged { exec: false }]);
    assert_eq!(story.due(), (Errand::TimeOut, 30));
    assert_eq!(story.effects.len(), 1);
}

#[test]
fn a_session_that_breaks_after_an_exec_leaves_the_job_with_its_device() {
    let story = Story::in_session().then([Event::Exchanged { exec: true }, Event::SessionEnded { ours: false }]);
    assert_eq!((story.state(), story.due()), ("awaiting_report", (Errand::Wake, 60)));
}

#[test]
fn a_late_report_is_looked_for_on_the_device_before_giving_up() {
    let awaited = Story::in_session().then([Event::ReportAwaited]);
    assert_eq!((awaited.state(), awaited.due()), ("awaiting_report", (Errand::Wake, 60)));
    assert!(!awaited.life.report_late(awaited.now));
    let woken = awaited.later(mins(60)).then([Event::Due]);
    assert!(woken.effects.contains(&Effect::Notify) && woken.life.report_late(woken.now));
    let looking = woken.then([Event::Notified, Event::SessionOpened]);
    assert!(looking.state() == "in_session" && looking.life.report_late(looking.now));
    let working = looking.then([Event::ReportAwaited]);
    assert!(!working.life.report_late(working.now), "the device still works: its time starts again");
    let end = working.at_deadline().then([Event::Due]);
    assert_eq!((end.state(), end.over().reason), ("in_doubt", Some(Reason::Deadline)));
}

#[test]
fn a_session_in_between_does_not_put_the_report_off() {
    let awaited = Story::in_session().then([Event::ReportAwaited]).later(mins(40));
    assert_eq!(awaited.then([Event::SessionOpened, Event::ReportAwaited]).due(), (Errand::Wake, 20));
}

#[test]
fn the_last_look_comes_before_the_deadline() {
    let story = Story::new(Notify::Auto).later(mins(23 * 60 + 30));
    let awaited = story.then([Event::Queued, Event::Due, Event::Notified, Event::SessionOpened, Event::ReportAwaited]);
    assert_eq!(awaited.due(), (Errand::Wake, 15));
}

#[test]
fn a_cancelled_job_says_what_the_device_may_still_do() {
    let text = |story: Story| story.then([Event::Cancel]).over().result.text.clone();
    assert!(text(Story::new(Notify::Auto)).contains("nothing to do yet"));
    assert!(
        text(Story::new(Notify::Auto).then([Event::Queued, Event::Due, Event::Notified])).contains("open a session")
    );
    assert!(text(Story::in_session()).contains("nothing was started"));
    let asked = || Story::in_session().then([ASKED]);
    assert!(text(asked()).contains("asking its user, whose answer no longer counts; nothing was started"));
    assert!(
        text(asked().then([Event::Exchanged { exec: true }])).contains("does it after a yes"),
        "the Exec is with it"
    );
    let broken = Story::in_session().then([Event::SessionEnded { ours: false }]);
    assert_eq!(broken.state(), "waiting");
    assert!(text(broken).contains("what was written to the device may stay there"));
    assert!(text(Story::in_session().then([failed(true)])).contains("an earlier attempt failed"));
    assert!(text(Story::in_session().then([Event::ReportAwaited])).contains("may still finish"));
}

#[test]
fn what_comes_after_the_end_is_told_as_late() {
    let cancelled = Story::in_session().then([Event::ReportAwaited, Event::Cancel]);
    let late = cancelled.then([Event::Finished(Ending::Succeeded { code: Some(1200) })]);
    assert_eq!(late.state(), "cancelled");
    let result = JobResult { code: Some(1200), ..JobResult::default() };
    assert_eq!(late.effects, [Effect::LateResult { outcome: Outcome::Succeeded, result }]);
}

#[test]
fn whoever_is_in_a_hurry_skips_the_pause() {
    let held = Story::in_session().then([failed(true), Event::Hurry]);
    assert_eq!((held.due(), held.life.is_ready(held.now)), ((Errand::Wake, 0), true));
    let looked_at = Story::in_session().then([Event::ReportAwaited, Event::Hurry]);
    assert!(looked_at.life.report_late(looked_at.now) && looked_at.due() == (Errand::Wake, 0));
}

#[test]
fn a_question_to_the_user_is_not_waited_for_without_end() {
    let asked = Story::in_session().then([ASKED]);
    assert_eq!((asked.state(), asked.due()), ("awaiting_user", (Errand::TimeOut, 15)));
    assert_eq!(asked.later(mins(15)).then([Event::Due]).state(), "waiting");
    assert_eq!(Story::in_session().then([ASKED, Event::UserAnswered]).state(), "in_session");
}

#[test]
fn a_device_has_the_time_that_its_question_gives_and_its_answer_the_time_to_come() {
    let asked = |within| Story::in_session().then([Event::UserAsked { within }]);
    assert_eq!(asked(mins(1)).due(), (Errand::TimeOut, 15), "never less than the usual patience");
    assert_eq!(asked(mins(15)).due(), (Errand::TimeOut, 16));
    let long = asked(mins(120));
    assert_eq!(long.due(), (Errand::TimeOut, 121));
    let late = long.later(mins(120)).then([Event::Due, Event::Exchanged { exec: false }]);
    assert_eq!(late.state(), "awaiting_user");
}

#[test]
fn every_outcome_reason_and_class_is_documented_as_the_program_means_it() {
    let outcomes: Vec<_> =
        Outcome::ALL.iter().map(|o| format!("| `{o}` | {} | {} |\n", o.meaning(), o.remedy())).collect();
    let reasons: Vec<_> =
        Reason::ALL.iter().map(|r| format!("| `{r}` | {} | {} |\n", r.meaning(), r.remedy())).collect();
    let classes: Vec<_> =
        FailureClass::ALL.iter().map(|c| format!("| `{}` | {} |\n", c.as_str(), c.meaning())).collect();
    for rows in [outcomes, reasons, classes].map(|rows| rows.concat()) {
        assert!(
            include_str!("../../../docs/errors.md").contains(&rows),
            "docs/errors.md must have exactly these rows:\n{rows}"
        );
    }
}

#[test]
fn the_words_of_the_procedure_become_those_of_the_job() {
    use crate::{job::procedure, scomo::outcome::ResultCode};
    let failure = procedure::Failure {
        code: Some(ResultCode::new(1501)),
        device_code: None,
        class: procedure::FailureClass::Server,
        retryable: true,
        text: "no answer".to_owned(),
    };
    let (outcome, _, result) = Ending::from(procedure::Ending::Failed(failure)).into_parts();
    let expected = JobResult {
        code: Some(1501),
        class: Some(FailureClass::Server),
        retryable: Some(true),
        text: "no answer".to_owned(),
        ..JobResult::default()
    };
    assert_eq!((outcome, result), (Outcome::Failed, expected));
    let declined = Ending::from(procedure::Ending::Declined { code: Some(ResultCode::DECLINED) });
    assert_eq!(declined, Ending::Declined { code: Some(1401) });
}

/// What a job does about a code that its device reports: where it stands then, why, and after how many minutes it goes on.
fn reaction(code: u16) -> (&'static str, Option<Reason>, Option<u64>) {
    use crate::{
        job::procedure,
        scomo::outcome::{ReportItem, ResultCode},
    };
    let item = ReportItem { code: ResultCode::new(code), identifier: None, target: None };
    let ending = procedure::Ending::reported(&[item]).unwrap();
    let story = Story::in_session().then([Event::ReportAwaited, Event::Finished(ending.into())]);
    match story.life.state() {
        State::Over(over) => {
            assert_eq!(over.result.code, Some(code), "the raw code is kept");
            (story.state(), over.reason, None)
        }
        State::Accepted
        | State::Waiting { .. }
        | State::Notified
        | State::InSession
        | State::AwaitingReport
        | State::AwaitingUser => (story.state(), None, Some(story.due().1)),
    }
}

#[test]
fn t_rc_each_code_and_each_gap_leads_to_the_reaction_of_the_sheet() {
    let succeeds = ("succeeded", None, None);
    let again = ("waiting", None, Some(5));
    let holds = ("waiting", None, Some(60));
    let ends = ("failed", Some(Reason::NotRetryable), None);
    for (codes, expected) in [
        (1200..=1299, succeeds),
        (1300..=1400, again),
        (1401..=1401, ("declined", None, None)),
        (1402..=1403, again),
        (1404..=1404, holds),
        (1405..=1405, again),
        (1406..=1406, holds),
        (1407..=1407, ends),
        (1408..=1410, again),
        (1411..=1411, ends),
        (1412..=1412, again),
        (1413..=1413, ends),
        (1414..=1599, again),
    ] {
        for code in codes {
            assert_eq!(reaction(code), expected, "{code}");
        }
    }
}
