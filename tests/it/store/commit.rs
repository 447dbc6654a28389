//! Units: all or nothing, and nobody is harmed by another's failure.

use scomo::{
    infra::store::{CommitError, Conflict, Unit, Write, job::JobRow, request::Completion},
    model::{digest::Digest, id::DeviceId},
};
use serde_json::json;

use super::rows::{device, event, inventory, job, json, package, put, request, rivals, session, unit};
use crate::support::database::{Database, on_each_database};

on_each_database! {
    async fn who_read_an_older_version_loses(db: Database) {
        let store = db.open().await;
        let row = device("IMEI:490154203237518");
        let talk = session(&row, "1");
        put(&store, [Write::DeviceInsert(row.clone()), Write::SessionInsert(talk.clone())]).await;
        put(&store, [Write::SessionPut(talk.clone())]).await;
        let lost = store.commit(unit([Write::DevicePut(row.clone()), Write::SessionPut(talk.clone())])).await.unwrap_err();
        assert_eq!(lost.conflict(), Some(&Conflict::Stale { table: "session", row: talk.key.uuid() }));
        let device = store.device_by_key(row.key).await.unwrap().unwrap();
        assert_eq!(device, row, "the device was put in the same unit, and so not at all");
        assert_eq!(store.session(talk.key).await.unwrap().unwrap().version, 1);
    }

    async fn a_put_keeps_what_it_was_given_and_counts(db: Database) {
        let store = db.open().await;
        let mut row = device("IMEI:490154203237518");
        put(&store, [Write::DeviceInsert(row.clone()), Write::InventoryPut(inventory(&row))]).await;
        row.user_name = None;
        row.class = None;
        row.tags.clear();
        row.facts = json(&json!({ "info": { "man": "Other" } }));
        put(&store, [Write::DevicePut(row.clone()), Write::InventoryPut(inventory(&row))]).await;
        row.version = 1;
        assert_eq!(store.device(&row.tenant, "IMEI:490154203237518").await.unwrap(), Some(row.clone()));
        assert_eq!(store.inventory(row.key).await.unwrap(), Some(inventory(&row)));
    }

    async fn a_device_is_forgotten_with_what_was_its_own_and_its_jobs_stay(db: Database) {
        let store = db.open().await;
        let (row, asked) = (device("IMEI:490154203237518"), request("r1"));
        let (talk, work) = (session(&row, "1"), JobRow { device: Some(row.key), ..job(&asked, "IMEI:490154203237518") });
        let first = [Write::DeviceInsert(row.clone()), Write::InventoryPut(inventory(&row))];
        put(&store, first).await;
        let second = [Write::SessionInsert(talk.clone()), Write::RequestInsert(asked), Write::JobInsert(work.clone())];
        put(&store, second).await;
        let stale = unit([Write::DeviceDelete { key: row.key, version: row.version + 1 }]);
        let lost = store.commit(stale).await.unwrap_err();
        assert_eq!(lost.conflict(), Some(&Conflict::Stale { table: "device", row: row.key.uuid() }));
        put(&store, [Write::DeviceDelete { key: row.key, version: row.version }]).await;
        assert_eq!(store.device_by_key(row.key).await.unwrap(), None);
        assert_eq!(store.inventory(row.key).await.unwrap(), None);
        assert_eq!(store.session(talk.key).await.unwrap(), None);
        assert_eq!(store.job(work.id).await.unwrap().unwrap().device, None);
    }

    async fn one_failing_unit_harms_no_other(db: Database) {
        let store = db.open().await;
        let taken = device("taken");
        put(&store, [Write::DeviceInsert(taken)]).await;
        let homeless = inventory(&device("nobody"));
        let units = (0..9).map(|n| match n {
            3 => unit([Write::PackagePut(package("lost", "1")), Write::DeviceInsert(device("taken"))]),
            5 => unit([Write::PackagePut(package("lost", "2")), Write::InventoryPut(homeless.clone())]),
            n => unit([Write::DeviceInsert(device(&format!("device {n}")))]),
        });
        let results = store.commit_many(units.collect()).await;
        for (n, result) in results.iter().enumerate() {
            match (n, result) {
                (3, Err(error)) => assert_eq!(error.conflict(), Some(&Conflict::DeviceExists)),
                (5, Err(CommitError::Failed { unit: "test", .. })) => {}
                (_, Ok(committed)) => assert_eq!(committed.batch, 9),
                (n, other) => panic!("unit {n}: {other:?}"),
            }
        }
        let tenant = device("x").tenant;
        assert_eq!(store.devices(&tenant, scomo::infra::store::Page::first(100)).await.unwrap().len(), 8);
        assert!(store.packages(&tenant).await.unwrap().is_empty(), "failed units left nothing");
    }

    async fn commits_of_many_are_coalesced_and_each_is_answered(db: Database) {
        let store = db.open().await;
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    let name = format!("device {}", n / 2); // every name twice: one of the two must lose
                    let unit = Unit::new("race", &name).with(Write::DeviceInsert(device(&name)));
                    store.commit(unit).await
                })
            })
            .collect();
        let (mut won, mut lost, mut together) = (0, 0, 0);
        for task in tasks {
            match task.await.unwrap() {
                Ok(committed) => {
                    won += 1;
                    together = together.max(committed.batch);
                }
                Err(error) => {
                    assert_eq!(error.conflict(), Some(&Conflict::DeviceExists));
                    lost += 1;
                }
            }
        }
        assert_eq!((won, lost), (100, 100));
        assert!(together > 1, "200 units at once shared no commit");
    }

    async fn units_of_one_device_are_written_in_their_order(db: Database) {
        let store = db.open().await;
        let row = device("busy");
        put(&store, [Write::DeviceInsert(row.clone())]).await;
        let commits = (0..50).map(|version| {
            let row = scomo::infra::store::device::DeviceRow { version, ..row.clone() };
            store.commit(Unit::new("in order", "busy").with(Write::DevicePut(row)))
        });
        for result in futures_util::future::join_all(commits).await {
            result.unwrap();
        }
        assert_eq!(store.device_by_key(row.key).await.unwrap().unwrap().version, 50);
    }

    async fn one_job_is_active_per_device(db: Database) {
        let store = db.open().await;
        let (asked, [mut first, mut second]) = rivals("IMEI:490154203237518");
        second.device_id = DeviceId::parse("imei:490154203237518").unwrap();
        first.active = true;
        put(&store, asked.map(Write::RequestInsert)).await;
        put(&store, [Write::JobInsert(first.clone()), Write::JobInsert(second.clone())]).await;
        second.active = true;
        let busy = store.commit(unit([Write::JobPut(second.clone())])).await.unwrap_err();
        assert_eq!(busy.conflict(), Some(&Conflict::DeviceBusy));
        first.active = false;
        put(&store, [Write::JobPut(first.clone()), Write::JobPut(second.clone())]).await;
        assert!(store.job(second.id).await.unwrap().unwrap().active);
        let stale = store.commit(unit([Write::JobPut(first.clone())])).await.unwrap_err();
        assert_eq!(stale.conflict(), Some(&Conflict::Stale { table: "job", row: first.id.uuid() }));
    }

    async fn a_request_is_stored_once(db: Database) {
        let store = db.open().await;
        let asked = request("r");
        put(&store, [Write::RequestInsert(asked.clone()), Write::JobInsert(job(&asked, "d"))]).await;
        let mut again = request("r");
        again.digest = Digest::of(b"something else");
        let exists = store.commit(unit([Write::RequestInsert(again.clone()), Write::JobInsert(job(&again, "d"))])).await;
        let stored = Conflict::RequestExists { key: asked.key, digest: asked.digest };
        assert_eq!(exists.unwrap_err().conflict(), Some(&stored));
        let found = store.request_by_id(&asked.tenant, &asked.source, &asked.request_id).await.unwrap();
        assert_eq!(found, Some(asked.clone()));
        assert_eq!(store.request(again.key).await.unwrap(), None);
    }

    async fn a_request_ends_once(db: Database) {
        let store = db.open().await;
        let asked = request("r");
        let end = Completion { counts: json(&json!({ "succeeded": 1 })), at: asked.created_at };
        let complete = || unit([Write::RequestComplete { key: asked.key, end: end.clone() }]);
        put(&store, [Write::RequestInsert(asked.clone())]).await;
        store.commit(complete()).await.unwrap();
        let stale = Conflict::Stale { table: "request", row: asked.key.uuid() };
        assert_eq!(store.commit(complete()).await.unwrap_err().conflict(), Some(&stale));
        assert_eq!(store.request(asked.key).await.unwrap().unwrap().completed, Some(end));
    }

    async fn an_error_at_commit_leaves_open_what_was_written(db: Database) {
        let store = db.open().await;
        let table = "CREATE TABLE late (id BIGINT PRIMARY KEY, of BIGINT REFERENCES late DEFERRABLE INITIALLY DEFERRED)";
        db.raw(table).await;
        if db.settings.is_postgres() {
            let body = "BEGIN INSERT INTO late VALUES (1, 2); RETURN NULL; END";
            db.raw(&format!("CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS '{body}'")).await;
            db.raw("CREATE TRIGGER late AFTER INSERT ON package FOR EACH ROW EXECUTE FUNCTION late()").await;
        } else {
            db.raw("CREATE TRIGGER late AFTER INSERT ON package BEGIN INSERT INTO late VALUES (1, 2); END").await;
        }
        let unknown = store.commit(unit([Write::PackagePut(package("p", "1"))])).await;
        assert!(matches!(unknown, Err(CommitError::Unknown { unit: "test", .. })), "{unknown:?}");
        put(&store, [Write::DeviceInsert(device("d"))]).await;
        assert!(store.packages(&device("d").tenant).await.unwrap().is_empty());
    }

    async fn a_closing_store_writes_what_it_took_and_takes_no_more(db: Database) {
        let store = db.open().await;
        let waiting: Vec<_> = (0..100)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { store.commit(unit([Write::EventInsert(event("s", n))])).await })
            })
            .collect();
        tokio::task::yield_now().await;
        store.close().await;
        let mut taken = 0;
        for commit in waiting {
            match commit.await.unwrap() {
                Ok(_) => taken += 1,
                Err(error) => assert!(matches!(error, CommitError::Closed), "{error:?}"),
            }
        }
        assert!(matches!(store.commit(unit([])).await, Err(CommitError::Closed)));
        assert!(matches!(store.commit_many(vec![unit([])]).await.as_slice(), [Err(CommitError::Closed)]));
        drop(store);
        assert_eq!(db.open().await.outbox_size().await.unwrap(), taken);
    }

    async fn a_restart_forgets_nothing(db: Database) {
        let (row, asked) = (device("d"), request("r"));
        let (talk, work) = (session(&row, "1"), job(&asked, "d"));
        let store = db.open().await;
        store.ping().await.unwrap();
        put(&store, [Write::DeviceInsert(row.clone()), Write::SessionInsert(talk.clone())]).await;
        put(&store, [Write::RequestInsert(asked.clone()), Write::JobInsert(work.clone())]).await;
        store.close().await;
        drop(store);
        let store = db.open().await;
        assert_eq!(store.device_by_key(row.key).await.unwrap(), Some(row));
        assert_eq!(store.session(talk.key).await.unwrap(), Some(talk));
        assert_eq!(store.request(asked.key).await.unwrap(), Some(asked));
        assert_eq!(store.job(work.id).await.unwrap(), Some(work));
    }
}
