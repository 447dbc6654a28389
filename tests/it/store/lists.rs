//! Lists for people, grants and packages.

use scomo::{
    infra::store::{
        Cursor, Page, Write,
        device::{DeviceRow, InventoryRow, ToldInventory},
        grant::GrantRow,
        job::{JobCount, JobFilter, JobRow},
        request::RequestRow,
        session::SessionRow,
    },
    model::{digest::Digest, id::Tenant},
};

use serde_json::json;

use super::rows::{at, device, grant, inventory, job, json, package, put, request, rivals, session, unit};
use crate::support::database::{Database, on_each_database};

on_each_database! {
    async fn pages_hold_every_row_once(db: Database) {
        let store = db.open().await;
        let tenant = Tenant::default();
        let devices: Vec<_> = (0..7)
            .map(|n| DeviceRow { created_at: at(n / 3), ..device(&format!("d{n}")) })
            .collect();
        put(&store, devices.iter().map(|row| Write::DeviceInsert(row.clone()))).await;
        let (mut page, mut seen) = (Page::first(3), Vec::new());
        loop {
            let rows = store.devices(&tenant, page).await.unwrap();
            let Some(last) = rows.last() else { break };
            page = Page::after(Cursor { at: last.created_at, key: last.key.uuid() }, 3);
            seen.extend(rows);
        }
        seen.sort_by(|a, b| a.device_id.cmp(&b.device_id));
        assert_eq!(seen, devices);
    }

    async fn ended_jobs_come_latest_first(db: Database) {
        let (store, (asked, jobs)) = (db.open().await, rivals::<4>("IMEI:490154203237518"));
        put(&store, asked.map(Write::RequestInsert)).await;
        let ended: Vec<_> =
            jobs[..3].iter().zip(1..).map(|(job, n)| JobRow { finished_at: Some(at(-n)), ..job.clone() }).collect();
        put(&store, ended.iter().chain([&jobs[3]]).map(|row| Write::JobInsert(row.clone()))).await;
        let norm = ended[0].device_id.normalised();
        assert_eq!(store.ended_jobs(&Tenant::default(), &norm, 2).await.unwrap(), ended[..2]);
    }

    async fn requests_come_newest_first(db: Database) {
        let store = db.open().await;
        let requests: Vec<_> = (0..4).map(|n| RequestRow { created_at: at(-n), ..request(&format!("r{n}")) }).collect();
        put(&store, requests.iter().map(|row| Write::RequestInsert(row.clone()))).await;
        let first = store.requests(&Tenant::default(), Page::first(3)).await.unwrap();
        assert_eq!(first, requests[..3]);
        let cursor = Cursor { at: first[2].created_at, key: first[2].key.uuid() };
        assert_eq!(store.requests(&Tenant::default(), Page::after(cursor, 3)).await.unwrap(), requests[3..]);
    }

    async fn jobs_are_filtered_and_counted(db: Database) {
        let store = db.open().await;
        let tenant = Tenant::default();
        let (one, two) = (request("1"), request("2"));
        let (mut a, mut b, c) = (job(&one, "IMEI:490154203237518"), job(&one, "b"), job(&two, "b"));
        a.created_at = at(1);
        b.state = "succeeded".into();
        b.finished_at = Some(at(2));
        put(&store, [Write::RequestInsert(one.clone()), Write::RequestInsert(two.clone())]).await;
        put(&store, [&a, &b, &c].map(|job| Write::JobInsert(job.clone()))).await;
        let ids = async |filter| {
            let jobs = store.jobs(&tenant, filter, Page::first(10)).await.unwrap();
            jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
        };
        let all = JobFilter::default();
        assert_eq!(ids(all).await.len(), 3);
        assert_eq!(ids(all).await[0], a.id, "the newest is first");
        assert_eq!(ids(JobFilter { request: Some(two.key), ..all }).await, [c.id]);
        assert_eq!(ids(JobFilter { device_norm: Some("IMEI:490154203237518"), ..all }).await, [a.id]);
        assert_eq!(ids(JobFilter { state: Some("succeeded"), device_norm: Some("b"), ..all }).await, [b.id]);
        let count = |state: &str, finished| JobCount { state: state.to_owned(), finished, count: 1 };
        assert_eq!(store.job_counts(one.key).await.unwrap(), [count("succeeded", true), count("waiting", false)]);
    }

    async fn a_grant_is_found_by_its_token_noted_and_revoked(db: Database) {
        let store = db.open().await;
        let asked = request("r");
        let work = job(&asked, "d");
        let mut given = grant(&work, "token");
        put(&store, [Write::RequestInsert(asked), Write::JobInsert(work.clone()), Write::GrantInsert(given.clone())]).await;
        assert_eq!(store.grant_by_token(&Digest::of(b"guess")).await.unwrap(), None);
        assert_eq!(store.grant_by_token(&given.token_hash).await.unwrap(), Some(given.clone()));
        let note = |fetched, status: Option<&str>| Write::GrantNote { id: given.id, fetched, status: status.map(str::to_owned) };
        put(&store, [note(900, None), note(100, Some("900 Success")), note(0, None), note(0, Some("900 Success"))]).await;
        put(&store, [note(0, Some("952 Device Aborted"))]).await;
        put(&store, [Write::GrantsRevoke { job: work.id }]).await;
        let noted = Some("900 Success; 952 Device Aborted".to_owned());
        (given.fetched, given.notify_status, given.revoked) = (900, noted, true);
        assert_eq!(given.notified(), [900, 952]);
        assert_eq!(store.grants_of(work.id).await.unwrap(), [given.clone()]);
        let unknown = GrantRow { id: grant(&work, "x").id, ..given.clone() };
        let missed = Write::GrantNote { id: unknown.id, fetched: 1, status: None };
        assert!(store.commit(unit([missed])).await.unwrap_err().conflict().is_some());
        assert_eq!(store.prune_grants(given.expires_at, 10).await.unwrap(), 0);
        assert_eq!(store.prune_grants(at(61), 10).await.unwrap(), 1);
    }

    async fn a_devices_last_session_is_that_in_which_it_proved_itself(db: Database) {
        let store = db.open().await;
        let row = device("d");
        put(&store, [Write::DeviceInsert(row.clone())]).await;
        assert_eq!(store.last_session(row.key).await.unwrap(), None);
        let talk = |name: &str, authenticated, seconds| {
            let updated_at = at(seconds);
            Write::SessionInsert(SessionRow { authenticated, updated_at, ..session(&row, name) })
        };
        put(&store, [talk("1", true, 5), talk("2", true, 3), talk("3", false, 9)]).await;
        assert_eq!(store.last_session(row.key).await.unwrap(), Some(at(5)));
    }

    async fn a_package_is_replaced_by_its_next_load(db: Database) {
        let store = db.open().await;
        let (old, other) = (package("p", "1.0"), package("p", "2.0"));
        put(&store, [Write::PackagePut(other.clone()), Write::PackagePut(old.clone())]).await;
        let mut new = old.clone();
        (new.size, new.loaded_at) = (8, at(5));
        put(&store, [Write::PackagePut(new.clone())]).await;
        let tenant = Tenant::default();
        assert_eq!(store.packages(&tenant).await.unwrap(), [new.clone(), other]);
        assert_eq!(store.package(&tenant, &new.id, "1.0").await.unwrap(), Some(new.clone()));
        assert_eq!(store.package(&tenant, &new.id, "3.0").await.unwrap(), None);
    }

    async fn the_newest_inventories_that_were_told_are_kept(db: Database) {
        let store = db.open().await;
        let (row, other) = (device("a"), device("b"));
        put(&store, [Write::DeviceInsert(row.clone()), Write::DeviceInsert(other.clone())]).await;
        let told = |of: &DeviceRow, seconds: i64| {
            let read = InventoryRow { body: json(&json!({ "n": seconds })), read_at: at(seconds - 1), ..inventory(of) };
            ToldInventory { told_at: at(seconds), row: read }
        };
        let keep = |of: &DeviceRow, seconds: i64| Write::InventoryKeep { told: told(of, seconds), keep: 3 };
        put(&store, [1, 2, 3, 4, 5].map(|seconds| keep(&row, seconds))).await;
        put(&store, [keep(&other, 1)]).await;
        assert_eq!(store.inventory_history(row.key).await.unwrap(), [5, 4, 3].map(|seconds| told(&row, seconds)));
        let again = InventoryRow { body: json(&json!({ "again": true })), ..told(&row, 5).row };
        let again = ToldInventory { row: again, ..told(&row, 5) };
        put(&store, [Write::InventoryKeep { told: again.clone(), keep: 3 }]).await;
        assert_eq!(store.inventory_history(row.key).await.unwrap()[0], again, "the last at one moment counts");
        put(&store, [Write::DeviceDelete { key: row.key, version: 0 }]).await;
        assert!(store.inventory_history(row.key).await.unwrap().is_empty(), "it goes with its device");
        assert_eq!(store.inventory_history(other.key).await.unwrap().len(), 1);
    }
}
