//! Batches: many units in one commit leave what each would leave alone, whatever kinds of writes they hold.

use std::time::Duration;

use scomo::{
    infra::store::{
        Store, Unit, Write,
        device::DeviceRow,
        due::{Again, Due, Lease},
        job::JobRow,
        session::SessionRow,
    },
    model::id::Tenant,
};
use serde_json::json;
use uuid::Uuid;

use super::rows::{at, device, event, grant, inventory, json, put, rivals, session, unit};
use crate::support::database::{Database, on_each_database};

/// A device in the midst of its work: a session, a job that holds it, one that waits, and planned work.
struct Scene {
    device: DeviceRow,
    old: SessionRow,
    talk: SessionRow,
    active: JobRow,
    waiting: JobRow,
    lease: Lease,
}

impl Scene {
    async fn set(store: &Store, name: &str) -> Self {
        let device = device(name);
        let (old, talk) = (session(&device, "1"), session(&device, "2"));
        let (asked, [active, waiting]) = rivals(name);
        let of = |active, job| JobRow { device: Some(device.key), active, ..job };
        let (active, waiting) = (of(true, active), of(false, waiting));
        let due = Due { errand: "job", subject: active.id.uuid(), at: at(0) };
        put(store, [Write::DeviceInsert(device.clone()), Write::SessionInsert(old.clone())]).await;
        put(store, asked.map(Write::RequestInsert)).await;
        let jobs = [Write::JobInsert(active.clone()), Write::JobInsert(waiting.clone())];
        put(store, jobs.into_iter().chain([Write::DuePut { due, again: Again::Replace }])).await;
        let leased = store.lease_due(&["job"], 10, Duration::from_mins(1)).await.unwrap();
        let lease = leased.into_iter().find(|due| due.lease.subject == active.id.uuid()).unwrap().lease;
        Self { device, old, talk, active, waiting, lease }
    }

    /// All that a message may bring about at once: the job in hand ends and the next takes its place.
    fn unit(&self, n: i64) -> Unit {
        let over =
            JobRow { active: false, state: "succeeded".to_owned(), finished_at: Some(at(9)), ..self.active.clone() };
        let next = JobRow { active: true, state: "in_session".to_owned(), attempt: 2, ..self.waiting.clone() };
        let facts = json(&json!({ "info": { "man": format!("Maker {n}") } }));
        let planned =
            |errand, subject, seconds, again| Write::DuePut { due: Due { errand, subject, at: at(seconds) }, again };
        unit([
            Write::SessionInsert(self.talk.clone()),
            Write::SessionsClose { device: self.device.key, except: self.talk.key },
            Write::DevicePut(DeviceRow { facts, ..self.device.clone() }),
            Write::InventoryPut(inventory(&self.device)),
            Write::GrantInsert(grant(&next, &format!("token {n}"))),
            Write::DueDone(self.lease.clone()),
            Write::JobPut(over),
            Write::EventInsert(event(&format!("job {n}"), 1)),
            planned("request", Uuid::from_u128(7), 20 - n, Again::Earlier),
            Write::JobPut(next),
            Write::EventInsert(event(&format!("job {n}"), 2)),
            planned("job", self.waiting.id.uuid(), 30 + n, Again::Replace),
        ])
    }
}

on_each_database! {
    async fn a_batch_leaves_what_each_of_its_units_would_leave_alone(db: Database) {
        let store = db.open().await;
        let mut scenes = Vec::new();
        for n in 0..4 {
            scenes.push(Scene::set(&store, &format!("device {n}")).await);
        }
        let units = scenes.iter().zip(0..).map(|(scene, n)| scene.unit(n)).collect();
        for result in store.commit_many(units).await {
            assert_eq!(result.unwrap().batch, 4);
        }
        for (scene, n) in scenes.iter().zip(0..) {
            let stored = store.device_by_key(scene.device.key).await.unwrap().unwrap();
            assert_eq!((stored.version, &stored.secrets), (1, &scene.device.secrets), "{n}");
            assert!(stored.facts.as_str().contains(&format!("Maker {n}")));
            assert_eq!(store.session(scene.talk.key).await.unwrap(), Some(scene.talk.clone()));
            assert!(!store.session(scene.old.key).await.unwrap().unwrap().open, "its time is over");
            let (over, next) = (store.job(scene.active.id).await.unwrap().unwrap(), store.job(scene.waiting.id).await.unwrap().unwrap());
            assert_eq!((over.active, over.version, over.state.as_str()), (false, 1, "succeeded"));
            assert_eq!((next.active, next.version, next.attempt), (true, 1, 2), "it took the other's place");
            assert_eq!(store.grants_of(next.id).await.unwrap().len(), 1);
            assert_eq!(store.inventory(scene.device.key).await.unwrap(), Some(inventory(&scene.device)));
        }
        assert_eq!(store.publish_embedded(100).await.unwrap(), 8);
        let told = store.events_after(&Tenant::default(), 0, 100).await.unwrap();
        let told: Vec<_> = told.iter().map(|told| (told.event.subject.clone(), told.event.seq)).collect();
        let wanted: Vec<_> = (0..4).flat_map(|n| [(format!("job {n}"), 1), (format!("job {n}"), 2)]).collect();
        assert_eq!(told, wanted, "in the order of the units");
        db.clock.forward(Duration::from_hours(1));
        let due = store.lease_due(&["job", "request"], 100, Duration::from_mins(1)).await.unwrap();
        let due: Vec<_> = due.iter().map(|due| (due.lease.errand.as_str(), due.at)).collect();
        assert_eq!(due, [("request", at(17)), ("job", at(30)), ("job", at(31)), ("job", at(32)), ("job", at(33))]);
    }

    async fn a_unit_that_lost_its_race_leaves_the_others_of_a_full_batch_alone(db: Database) {
        let store = db.open().await;
        let (first, second) = (Scene::set(&store, "a").await, Scene::set(&store, "b").await);
        put(&store, [Write::DevicePut(second.device.clone())]).await; // somebody was quicker
        let results = store.commit_many(vec![first.unit(0), second.unit(1)]).await;
        assert!(results[0].is_ok(), "{results:?}");
        assert!(results[1].as_ref().unwrap_err().conflict().is_some());
        assert_eq!(store.job(first.waiting.id).await.unwrap().unwrap().version, 1);
        assert_eq!(store.job(second.waiting.id).await.unwrap().unwrap().version, 0);
        assert_eq!(store.session(second.talk.key).await.unwrap(), None);
    }

    async fn the_next_job_of_each_device_in_a_batch_is_woken(db: Database) {
        let store = db.open().await;
        let mut units = Vec::new();
        for n in 0..3 {
            let scene = Scene::set(&store, &format!("device {n}")).await;
            let idle = JobRow { active: false, finished_at: Some(at(9)), ..scene.active.clone() };
            let wake = Write::WakeNext {
                errand: "job",
                tenant: Tenant::default(),
                device_norm: scene.device.device_id.normalised(),
                at: at(40 + n),
            };
            units.push(unit([Write::DueDone(scene.lease.clone()), Write::JobPut(idle), wake]));
        }
        assert!(store.commit_many(units).await.iter().all(Result::is_ok));
        db.clock.forward(Duration::from_hours(1));
        let due = store.lease_due(&["job"], 100, Duration::from_mins(1)).await.unwrap();
        assert_eq!(due.iter().map(|due| due.at).collect::<Vec<_>>(), [at(40), at(41), at(42)]);
    }
}
