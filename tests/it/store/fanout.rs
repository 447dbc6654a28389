//! Requests that fall into jobs stretch by stretch: each device has one job, whoever makes it and however often.

use std::time::Duration;

use scomo::{
    infra::store::{
        Conflict, Store, Write,
        device::DeviceRow,
        due::{Again, Due},
        fanout::{FanOutRow, FreshJob, Mark, Stretch},
        job::{JobFilter, JobRow},
        page::Page,
        request::RequestRow,
    },
    model::id::{ListKey, Tenant},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    rows::{at, device, event, job, json, put, request, unit, uuid},
    targets,
};
use crate::support::database::{Database, on_each_database};

fn fan_out(of: &RequestRow, targets: Option<u64>) -> FanOutRow {
    FanOutRow {
        request: of.key,
        tenant: of.tenant.clone(),
        list: None,
        body: json(&json!({})),
        targets,
        made: 0,
        undecided: 0,
        after: Mark::BEGIN,
        until: at(0),
        version: 0,
        not_started: None,
        ended: None,
    }
}

fn fresh(of: &RequestRow, device: &str) -> FreshJob {
    let row = job(of, device);
    let due = Some(Due { errand: "job", subject: row.id.uuid(), at: at(0) });
    FreshJob { events: vec![event(&row.id.to_string(), 1)], row, due }
}

/// The devices from one number up to another, with the mark behind the last.
fn stretch(of: &RequestRow, version: i64, devices: std::ops::Range<i64>) -> Stretch {
    let after = Mark { place: devices.end, ..Mark::BEGIN };
    let jobs = devices.map(|n| fresh(of, &format!("device {n}"))).collect();
    Stretch { request: of.key, version, after, jobs, undecided: 0, ended: None }
}

/// A request that is being spread over so many devices.
async fn begun(store: &Store, targets: Option<u64>) -> RequestRow {
    let asked = RequestRow { jobs_total: targets.and_then(|n| u32::try_from(n).ok()), ..request("r") };
    put(store, [Write::RequestInsert(asked.clone()), Write::FanOutInsert(fan_out(&asked, targets))]).await;
    asked
}

async fn count(store: &Store, of: &RequestRow) -> (usize, usize, u64) {
    let filter = JobFilter { request: Some(of.key), ..JobFilter::default() };
    let jobs = store.jobs(&Tenant::default(), filter, Page::first(1000)).await.unwrap().len();
    let due = store.lease_due(&["job"], 10_000, Duration::ZERO).await.unwrap().len();
    (jobs, due, store.outbox_size().await.unwrap())
}

on_each_database! {
    async fn a_stretch_is_made_once_whoever_tries_it_again(db: Database) {
        let store = db.open().await;
        let asked = begun(&store, Some(5)).await;
        put(&store, [Write::FanOutStep(stretch(&asked, 0, 0..3))]).await;
        let stale = Conflict::Stale { table: "fan_out", row: asked.key.uuid() };
        let again = store.commit(unit([Write::FanOutStep(stretch(&asked, 0, 0..3))])).await.unwrap_err();
        assert_eq!(again.conflict(), Some(&stale));
        assert_eq!(count(&store, &asked).await, (3, 3, 3));
        put(&store, [Write::FanOutStep(Stretch { ended: Some(at(7)), ..stretch(&asked, 1, 3..5) })]).await;
        let row = store.fan_out(asked.key).await.unwrap().unwrap();
        assert_eq!((row.made, row.after.place, row.version, row.ended), (5, 5, 2, Some(at(7))));
        let beyond = store.commit(unit([Write::FanOutStep(stretch(&asked, 2, 5..6))])).await.unwrap_err();
        assert_eq!(beyond.conflict(), Some(&stale), "it has ended");
        assert_eq!(count(&store, &asked).await, (5, 5, 5));
    }

    async fn a_device_that_has_a_job_of_the_request_gets_no_other_and_nothing_of_it(db: Database) {
        let store = db.open().await;
        let asked = begun(&store, None).await;
        assert_eq!(store.request(asked.key).await.unwrap().unwrap().jobs_total, None, "nobody knows yet");
        put(&store, [Write::JobsInsert(vec![fresh(&asked, "device 1"), fresh(&asked, "device 1"), fresh(&asked, "x")])]).await;
        assert_eq!(count(&store, &asked).await, (2, 2, 2));
        let last = Stretch { undecided: 4, ended: Some(at(1)), ..stretch(&asked, 0, 0..3) };
        put(&store, [Write::FanOutStep(last)]).await;
        assert_eq!(count(&store, &asked).await, (4, 4, 4));
        let row = store.fan_out(asked.key).await.unwrap().unwrap();
        assert_eq!((row.made, row.undecided), (2, 4), "only what it made counts");
        assert_eq!(store.request(asked.key).await.unwrap().unwrap().jobs_total, Some(2));
    }

    async fn jobs_of_many_requests_share_a_commit(db: Database) {
        let store = db.open().await;
        let asked: Vec<_> = (0..3).map(|n| request(&format!("r{n}"))).collect();
        let take = |of: &RequestRow| {
            unit([Write::RequestInsert(of.clone()), Write::JobsInsert((0..50).map(|n| fresh(of, &format!("{n}"))).collect())])
        };
        for result in store.commit_many(asked.iter().map(take).collect()).await {
            assert_eq!(result.unwrap().batch, 3);
        }
        for of in &asked {
            assert_eq!(count(&store, of).await, (50, 150, 150));
        }
    }

    async fn a_fan_out_that_is_stopped_makes_nothing_more(db: Database) {
        let store = db.open().await;
        let asked = begun(&store, Some(10)).await;
        put(&store, [Write::FanOutStep(stretch(&asked, 0, 0..4))]).await;
        let stop = || Write::FanOutStop { request: asked.key, at: at(9) };
        put(&store, [stop()]).await;
        put(&store, [stop()]).await;
        let row = store.fan_out(asked.key).await.unwrap().unwrap();
        assert_eq!((row.made, row.not_started, row.ended), (4, Some(6), Some(at(9))));
        assert_eq!(store.request(asked.key).await.unwrap().unwrap().jobs_total, Some(4));
        assert!(store.commit(unit([Write::FanOutStep(stretch(&asked, 1, 4..6))])).await.is_err());
        assert!(store.commit(unit([Write::FanOutStep(stretch(&asked, 2, 4..6))])).await.is_err());
        assert_eq!(count(&store, &asked).await, (4, 4, 4));
    }

    async fn of_a_filter_that_is_stopped_the_devices_behind_are_counted(db: Database) {
        let store = db.open().await;
        for n in 0..6 {
            let row = device(&format!("device {n}"));
            put(&store, [Write::DeviceInsert(DeviceRow { created_at: at(n - 4), ..row })]).await;
        }
        let asked = begun(&store, None).await;
        let looked_at = Mark { place: at(-3).micros(), key: Uuid::max() };
        put(&store, [Write::FanOutStep(Stretch { after: looked_at, ..stretch(&asked, 0, 0..1) })]).await;
        put(&store, [Write::FanOutStop { request: asked.key, at: at(9) }]).await;
        let row = store.fan_out(asked.key).await.unwrap().unwrap();
        assert_eq!(row.not_started, Some(3), "two were looked at, one was registered after the request");
    }

    async fn two_who_make_the_same_stretch_at_once_make_it_once(db: Database) {
        let store = db.open().await;
        let asked = begun(&store, Some(200)).await;
        let tries: Vec<_> = (0..4)
            .map(|_| {
                let (store, stretch) = (store.clone(), stretch(&asked, 0, 0..200));
                tokio::spawn(async move { store.commit_many(vec![unit([Write::FanOutStep(stretch)])]).await.remove(0) })
            })
            .collect();
        let mut won = 0;
        for tried in tries {
            won += usize::from(tried.await.unwrap().is_ok());
        }
        assert_eq!((won, count(&store, &asked).await), (1, (200, 200, 200)));
    }

    async fn a_list_that_a_fan_out_needs_is_kept_until_it_has_ended(db: Database) {
        let store = db.open().await;
        let list = targets::ready(&store, "fleet", 0..30).await;
        let asked = request("r");
        let needs = FanOutRow { list: Some(list), ..fan_out(&asked, Some(30)) };
        put(&store, [Write::RequestInsert(asked.clone()), Write::FanOutInsert(needs.clone())]).await;
        assert!(store.drop_list(list, at(1)).await.unwrap());
        let devices = async || store.listed_devices(&Tenant::default(), list, 0, 100).await.unwrap().len();
        store.prune_lists(at(0), at(0), 1000).await.unwrap();
        assert_eq!(devices().await, 30);
        let (other, gone) = (request("other"), Conflict::ListGone(list));
        let late = unit([Write::RequestInsert(other.clone()), Write::FanOutInsert(FanOutRow { request: other.key, ..needs })]);
        assert_eq!(store.commit(late).await.unwrap_err().conflict(), Some(&gone), "new ones do not find it");
        assert_eq!(store.request(other.key).await.unwrap(), None);
        put(&store, [Write::FanOutStop { request: asked.key, at: at(2) }]).await;
        assert_eq!(store.prune_lists(at(0), at(0), 20).await.unwrap(), 20);
        assert_eq!((store.prune_lists(at(0), at(0), 20).await.unwrap(), devices().await), (10, 0));
        let unknown = unit([Write::RequestInsert(other.clone()), Write::FanOutInsert(FanOutRow {
            list: Some(ListKey::new(uuid())), request: other.key, ..fan_out(&other, Some(1))
        })]);
        assert!(matches!(store.commit(unknown).await.unwrap_err().conflict(), Some(Conflict::ListGone(_))));
    }

    async fn the_states_of_a_requests_jobs_are_seen_and_the_requests_of_jobs_found(db: Database) {
        let store = db.open().await;
        let (one, two) = (begun(&store, Some(2)).await, request("two"));
        put(&store, [Write::RequestInsert(two.clone())]).await;
        let jobs = [job(&one, "a"), job(&one, "b"), job(&two, "a")];
        put(&store, jobs.iter().map(|job| Write::JobInsert(job.clone()))).await;
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let mut found = store.requests_of(&ids).await.unwrap();
        found.sort();
        let mut wanted = [one.key, two.key];
        wanted.sort();
        assert_eq!(found, wanted);
        assert_eq!(store.requests_of(&ids[..2]).await.unwrap(), [one.key]);
        let over = JobRow { state: "failed".to_owned(), finished_at: Some(at(9)), ..job(&one, "c") };
        put(&store, [Write::JobInsert(over.clone())]).await;
        assert_eq!(store.job_states(one.key).await.unwrap(), ["failed", "waiting"]);
        assert_eq!(store.job_states(two.key).await.unwrap(), ["waiting"]);
        assert!(store.job_states(request("none").key).await.unwrap().is_empty());
        assert_eq!(store.jobs_in(one.key, "failed", 9).await.unwrap(), [over]);
        assert_eq!(store.jobs_in(one.key, "waiting", 1).await.unwrap().len(), 1);
        assert_eq!(store.jobs_in(one.key, "waiting", 9).await.unwrap().len(), 2);
    }

    async fn leases_of_many_are_ended_at_once_but_for_those_that_were_lost(db: Database) {
        let store = db.open().await;
        let subjects: Vec<_> = (0..5).map(|_| uuid()).collect();
        let plan = |subject| Write::DuePut { due: Due { errand: "ended", subject, at: at(0) }, again: Again::Replace };
        put(&store, subjects.iter().map(|subject| plan(*subject))).await;
        let leased = store.lease_due(&["ended"], 10, Duration::from_mins(1)).await.unwrap();
        put(&store, [plan(subjects[2])]).await; // news, which the lease has not seen
        store.done_all(&leased).await.unwrap();
        store.done_all(&[]).await.unwrap();
        let left = store.lease_due(&["ended"], 10, Duration::from_mins(1)).await.unwrap();
        assert_eq!(left.iter().map(|due| due.lease.subject).collect::<Vec<_>>(), [subjects[2]]);
    }
}
