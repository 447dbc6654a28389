//! Pauses, what they hold, and what the brake counts.

use scomo::{
    infra::store::{
        Conflict, Cursor, Page, Write,
        job::JobRow,
        pause::{PauseRow, Rejection},
        request::Completion,
        scene::Caller,
    },
    job::brake::{Packages, Pause, Scope},
    model::{
        catalog::PackageRef,
        id::{DmSessionId, PauseId, Tenant},
        version::Version,
    },
};
use serde_json::json;

use super::rows::{at, device, job, json, put, request, unit, uuid};
use crate::support::database::{Database, on_each_database};

const NAME: &str = "IMEI:490154203237518";

fn pause(scope: Scope, seconds: i64) -> PauseRow {
    let (id, reason, by) = (PauseId::new(uuid()), Some("why \"so\"?".to_owned()), "ops".to_owned());
    PauseRow { tenant: Tenant::default(), pause: Pause { id, scope, reason, by, at: at(seconds) } }
}

fn package(version: &str) -> PackageRef {
    PackageRef { id: "org.example.player".parse().unwrap(), version: Version::parse(version).unwrap() }
}

fn packages(version: Option<&str>) -> Packages {
    let version = version.map(|version| Version::parse(version).unwrap());
    Packages { id: "org.example.player".parse().unwrap(), version }
}

fn rejection(device: &str, version: &str, seconds: i64) -> Write {
    let (tenant, package, device_norm) = (Tenant::default(), package(version), device.to_owned());
    Write::Reject(Rejection { tenant, package, device_norm, at: at(seconds) })
}

on_each_database! {
    async fn a_pause_is_found_by_what_it_may_stop_and_stands_once(db: Database) {
        let store = db.open().await;
        let (tenant, asked, other) = (Tenant::default(), request("r"), request("other"));
        let rows = [
            pause(Scope::All, 1),
            pause(Scope::Package(packages(Some("2.1"))), 2),
            pause(Scope::Class("acme".to_owned()), 3),
            pause(Scope::Request(asked.key), 4),
            pause(Scope::Request(other.key), 5),
        ];
        put(&store, [Write::RequestInsert(asked.clone()), Write::RequestInsert(other.clone())]).await;
        put(&store, rows.clone().map(Write::PauseInsert)).await;
        for row in &rows {
            assert_eq!(store.pause_of(&tenant, &row.pause.scope).await.unwrap().as_ref(), Some(&row.pause));
        }
        let mut found = store.pauses_on(&tenant, asked.key).await.unwrap();
        found.sort_by_key(|pause| pause.at);
        let expected: Vec<_> = rows[..4].iter().map(|row| row.pause.clone()).collect();
        assert_eq!(found, expected, "not that of another request");
        let elsewhere = Tenant::parse("elsewhere").unwrap();
        assert_eq!(store.pauses_on(&elsewhere, other.key).await.unwrap(), [rows[4].pause.clone()]);
        let again = store.commit(unit([Write::PauseInsert(pause(Scope::All, 9))])).await.unwrap_err();
        assert_eq!(again.conflict(), Some(&Conflict::PausedAlready));
        let first = store.pauses(&tenant, Page::first(3)).await.unwrap();
        assert_eq!(first.iter().map(|pause| pause.at).collect::<Vec<_>>(), [at(5), at(4), at(3)]);
        let cursor = Cursor { at: first[2].at, key: first[2].id.uuid() };
        assert_eq!(store.pauses(&tenant, Page::after(cursor, 3)).await.unwrap().len(), 2);
        put(&store, [Write::PauseDelete(rows[0].pause.id)]).await;
        let twice = store.commit(unit([Write::PauseDelete(rows[0].pause.id)])).await.unwrap_err();
        assert!(matches!(twice.conflict(), Some(Conflict::Stale { table: "pause", .. })), "{twice:?}");
        put(&store, [Write::PauseEnd { request: other.key }, Write::PauseEnd { request: other.key }]).await;
        assert_eq!(store.pauses(&tenant, Page::first(9)).await.unwrap().len(), 3);
    }

    async fn a_device_message_finds_the_pauses_that_may_apply_to_its_jobs(db: Database) {
        let store = db.open().await;
        let (row, asked, other) = (device(NAME), request("r"), request("other"));
        let rows = [pause(Scope::All, 1), pause(Scope::Request(asked.key), 2), pause(Scope::Request(other.key), 3)];
        put(&store, [Write::DeviceInsert(row.clone()), Write::DeviceInsert(device("free"))]).await;
        put(&store, [Write::RequestInsert(asked.clone()), Write::RequestInsert(other.clone())]).await;
        put(&store, [Write::JobInsert(job(&asked, NAME)), Write::JobInsert(job(&other, "free"))]).await;
        let ended = JobRow { finished_at: Some(at(1)), state: "failed".to_owned(), ..job(&other, NAME) };
        put(&store, [Write::JobInsert(ended)]).await;
        put(&store, rows.clone().map(Write::PauseInsert)).await;
        let (tenant, one) = (Tenant::default(), DmSessionId::parse("1").unwrap());
        let caller = |device_norm| Caller {
            tenant: &tenant, device_norm, user_name: None, sid: None, dm_session_id: &one,
        };
        // Two at once: on PostgreSQL they share a question.
        let (mine, theirs, alone) =
            tokio::join!(store.scene(caller(NAME)), store.scene(caller("free")), store.scene(caller(NAME)));
        let sorted = |scene: Result<Option<scomo::infra::store::scene::Scene>, _>| {
            let mut pauses = scene.unwrap().unwrap().pauses;
            pauses.sort_by_key(|pause| pause.at);
            pauses
        };
        let of = |places: [usize; 2]| places.map(|place| rows[place].pause.clone()).to_vec();
        assert_eq!(sorted(mine), of([0, 1]));
        assert_eq!(sorted(theirs), of([0, 2]));
        assert_eq!(sorted(alone), of([0, 1]), "that of an ended job does not matter");
    }

    async fn a_job_is_held_by_one_pause_that_is_there(db: Database) {
        let store = db.open().await;
        let asked = request("r");
        let jobs: Vec<JobRow> = (0..5).map(|n| job(&asked, &format!("d{n}"))).collect();
        put(&store, [Write::RequestInsert(asked)]).await;
        put(&store, jobs.iter().map(|row| Write::JobInsert(row.clone()))).await;
        let (one, two) = (pause(Scope::All, 1), pause(Scope::Class("acme".to_owned()), 2));
        put(&store, [&one, &two].map(|row| Write::PauseInsert(row.clone()))).await;
        let hold = |n: usize, by: &PauseRow| Write::Hold { job: jobs[n].id, pause: by.pause.id };
        put(&store, (0..5).map(|n| hold(n, &one))).await;
        put(&store, [hold(4, &two), hold(4, &two), Write::Free { job: jobs[3].id }, Write::Free { job: jobs[3].id }]).await;
        let mut ids: Vec<_> = jobs[..3].iter().map(|row| row.id).collect();
        ids.sort_by_key(|id| id.uuid());
        assert_eq!(store.held_by(one.pause.id, 9).await.unwrap(), ids);
        assert_eq!(store.held_by(one.pause.id, 2).await.unwrap(), ids[..2]);
        assert_eq!(store.held_by(two.pause.id, 9).await.unwrap(), [jobs[4].id]);
        put(&store, [Write::FreeUpTo { pause: one.pause.id, job: ids[1] }]).await;
        assert_eq!(store.held_by(one.pause.id, 9).await.unwrap(), ids[2..]);
        put(&store, [Write::PauseDelete(two.pause.id)]).await;
        let late = store.commit(unit([hold(0, &two)])).await.unwrap_err();
        assert_eq!(late.conflict(), Some(&Conflict::Stale { table: "pause", row: two.pause.id.uuid() }));
        assert_eq!(store.held_by(two.pause.id, 9).await.unwrap(), [jobs[4].id], "left for whoever lets them go on");
    }

    async fn a_job_that_is_held_while_the_pause_is_lifted_is_found_or_knows(db: Database) {
        let store = db.open().await;
        let asked = request("r");
        let work = job(&asked, NAME);
        put(&store, [Write::RequestInsert(asked), Write::JobInsert(work.clone())]).await;
        for round in 0..20 {
            let row = pause(Scope::Class(format!("c{round}")), round);
            put(&store, [Write::PauseInsert(row.clone())]).await;
            let hold = scomo::infra::store::Unit::new("test", "a").with(Write::Hold { job: work.id, pause: row.pause.id });
            let lift = scomo::infra::store::Unit::new("test", "b").with(Write::PauseDelete(row.pause.id));
            let (noted, lifted) = tokio::join!(store.commit(hold), store.commit(lift));
            lifted.unwrap();
            let found = store.held_by(row.pause.id, 9).await.unwrap();
            assert_eq!(found.len(), usize::from(noted.is_ok()), "{round}: {noted:?}");
        }
    }

    async fn failures_are_counted_from_where_a_request_was_let_go_on_and_no_further_than_asked(db: Database) {
        let store = db.open().await;
        let (asked, other) = (request("r"), request("other"));
        put(&store, [Write::RequestInsert(asked.clone()), Write::RequestInsert(other.clone())]).await;
        let ended = |n: i64, state: &str| {
            let (device, state) = (format!("d{n}"), state.to_owned());
            Write::JobInsert(JobRow { state, finished_at: Some(at(n)), ..job(&asked, &device) })
        };
        put(&store, [ended(1, "failed"), ended(2, "in_doubt"), ended(3, "failed"), ended(4, "succeeded")]).await;
        put(&store, [Write::JobInsert(job(&asked, "live"))]).await;
        assert_eq!(store.failures(asked.key, 9).await.unwrap(), 3);
        assert_eq!(store.failures(asked.key, 2).await.unwrap(), 2);
        assert_eq!(store.failures(other.key, 9).await.unwrap(), 0);
        put(&store, [Write::BudgetFrom { request: asked.key, at: at(2) }]).await;
        assert_eq!(store.failures(asked.key, 9).await.unwrap(), 1);
        let end = Completion { counts: json(&json!({})), at: at(9) };
        put(&store, [Write::RequestComplete { key: asked.key, end }]).await;
        let late = store.commit(unit([Write::PauseInsert(pause(Scope::Request(asked.key), 10))])).await.unwrap_err();
        assert_eq!(late.conflict(), Some(&Conflict::PausedAlready), "what has ended is not paused");
    }

    async fn devices_that_do_not_trust_a_package_are_counted_once_each(db: Database) {
        let store = db.open().await;
        let tenant = Tenant::default();
        let count = async |version: &str, most| store.rejections(&tenant, &package(version), most).await.unwrap();
        put(&store, [rejection("a", "2.1", 1), rejection("a", "2.1", 5), rejection("b", "2.1", 2)]).await;
        put(&store, [rejection("a", "2.2", 3)]).await;
        assert_eq!((count("2.1", 9).await, count("2.1", 1).await, count("2.2", 9).await), (2, 1, 1));
        store.prune_rejections(at(3)).await.unwrap();
        assert_eq!((count("2.1", 9).await, count("2.2", 9).await), (1, 1), "the last word counts");
        put(&store, [Write::Forgive { tenant: tenant.clone(), packages: packages(Some("2.1")) }]).await;
        assert_eq!((count("2.1", 9).await, count("2.2", 9).await), (0, 1));
        put(&store, [Write::Forgive { tenant: tenant.clone(), packages: packages(None) }]).await;
        assert_eq!(count("2.2", 9).await, 0);
    }
}
