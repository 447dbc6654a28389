//! Work to do later: leased by one at a time, and never lost.

use std::{collections::BTreeSet, time::Duration};

use scomo::{
    infra::store::{
        Conflict, Store, Write,
        due::{Again, Due, Held},
        job::JobRow,
    },
    model::{
        clock::{Clock, Timestamp},
        id::Tenant,
    },
};
use uuid::Uuid;

use super::rows::{at, device, package, put, rivals, unit, uuid};
use crate::support::database::{Database, on_each_database};

const HOLD: Duration = Duration::from_secs(30);
const NOTHING: [Uuid; 0] = [];

fn plan(errand: &'static str, subject: Uuid, at: Timestamp) -> Write {
    Write::DuePut { due: Due { errand, subject, at }, again: Again::Replace }
}

fn earlier(errand: &'static str, subject: Uuid, at: Timestamp) -> Write {
    Write::DuePut { due: Due { errand, subject, at }, again: Again::Earlier }
}

/// Subjects of what is due of `wake`, in order; leased until `HOLD` is over.
async fn due(store: &Store) -> Vec<Uuid> {
    store.lease_due(&["wake"], 100, HOLD).await.unwrap().into_iter().map(|leased| leased.lease.subject).collect()
}

on_each_database! {
    async fn what_is_due_is_leased_once_and_in_order(db: Database) {
        let store = db.open().await;
        let now = db.clock.now();
        let (late, later, future, other) = (uuid(), uuid(), uuid(), uuid());
        put(&store, [
            plan("wake", later, now),
            plan("wake", late, Timestamp::from_micros(now.micros() - 1)),
            plan("wake", future, now.after(HOLD)),
            plan("deadline", other, now),
        ]).await;
        assert_eq!(due(&store).await, [late, later]);
        assert_eq!(due(&store).await, NOTHING, "what is leased is nobody else's");
        let both = store.lease_due(&["wake", "deadline"], 100, HOLD).await.unwrap();
        assert_eq!(both.iter().map(|leased| leased.lease.subject).collect::<Vec<_>>(), [other]);
        db.clock.forward(HOLD);
        assert_eq!(due(&store).await, [late, later, future], "what nobody finished is due again");
    }

    async fn a_lost_lease_is_told_and_changes_nothing(db: Database) {
        let store = db.open().await;
        let subject = uuid();
        put(&store, [plan("wake", subject, db.clock.now())]).await;
        let slow = store.lease_due(&["wake"], 1, HOLD).await.unwrap().remove(0);
        assert_eq!((slow.attempts, slow.until), (1, db.clock.now().after(HOLD)));
        db.clock.forward(HOLD);
        let quick = store.lease_due(&["wake"], 1, HOLD).await.unwrap().remove(0);
        assert_eq!(quick.attempts, 2);
        assert_eq!(store.done(&slow.lease).await.unwrap(), Held::Lost);
        assert_eq!(store.retry_at(&slow.lease, at(0)).await.unwrap(), Held::Lost);
        let work = unit([Write::PackagePut(package("p", "1")), Write::DueDone(slow.lease)]);
        let lost = Conflict::LeaseLost { errand: "wake".to_owned(), subject };
        assert_eq!(store.commit(work).await.unwrap_err().conflict(), Some(&lost));
        assert!(store.packages(&Tenant::default()).await.unwrap().is_empty(), "work without a lease is not written");
        put(&store, [Write::PackagePut(package("p", "1")), Write::DueDone(quick.lease)]).await;
        db.clock.forward(HOLD);
        assert_eq!(due(&store).await, NOTHING, "what is done is gone");
    }

    async fn a_lease_is_given_back_for_now_or_later(db: Database) {
        let store = db.open().await;
        let (now, subject) = (db.clock.now(), uuid());
        put(&store, [plan("wake", subject, now)]).await;
        let leased = store.lease_due(&["wake"], 1, HOLD).await.unwrap().remove(0);
        assert_eq!(store.release(&leased).await.unwrap(), Held::Yes);
        let leased = store.lease_due(&["wake"], 1, HOLD).await.unwrap().remove(0);
        assert_eq!(store.retry_at(&leased.lease, now.after(HOLD * 2)).await.unwrap(), Held::Yes);
        db.clock.forward(HOLD);
        assert_eq!(due(&store).await, NOTHING);
        db.clock.forward(HOLD);
        let leased = store.lease_due(&["wake"], 1, HOLD).await.unwrap().remove(0);
        assert_eq!(leased.attempts, 3);
        assert_eq!(store.done(&leased.lease).await.unwrap(), Held::Yes);
    }

    async fn news_for_work_under_way_take_its_lease_away(db: Database) {
        let store = db.open().await;
        let (now, subject) = (db.clock.now(), uuid());
        for put_again in [plan, earlier] {
            put(&store, [plan("wake", subject, now)]).await;
            let blind = store.lease_due(&["wake"], 1, HOLD).await.unwrap().remove(0);
            put(&store, [put_again("wake", subject, now)]).await;
            assert_eq!(store.done(&blind.lease).await.unwrap(), Held::Lost, "it has not seen the news");
            let leased = store.lease_due(&["wake"], 1, HOLD).await.unwrap().remove(0);
            put(&store, [Write::DueDone(leased.lease), plan("wake", subject, now.after(HOLD))]).await;
            assert_eq!(due(&store).await, NOTHING, "work may plan itself again");
            put(&store, [Write::DueClear { errand: "wake", subject }]).await;
        }
    }

    async fn the_earlier_time_counts_where_that_is_asked(db: Database) {
        let store = db.open().await;
        let (now, one, two) = (db.clock.now(), uuid(), uuid());
        put(&store, [plan("wake", one, now.after(HOLD)), plan("wake", two, now)]).await;
        put(&store, [earlier("wake", one, now), earlier("wake", two, now.after(HOLD))]).await;
        let found: BTreeSet<_> = due(&store).await.into_iter().collect();
        assert_eq!(found, BTreeSet::from([one, two]));
        put(&store, [plan("wake", one, now.after(HOLD)), Write::DueClear { errand: "wake", subject: two }]).await;
        assert_eq!(due(&store).await, NOTHING);
    }

    async fn many_workers_share_the_work_and_do_none_twice(db: Database) {
        let store = db.open().await;
        let subjects: BTreeSet<_> = (0..200).map(|_| uuid()).collect();
        put(&store, subjects.iter().map(|subject| plan("wake", *subject, db.clock.now()))).await;
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut mine = Vec::new();
                    loop {
                        let leased = store.lease_due(&["wake"], 7, HOLD).await.unwrap();
                        if leased.is_empty() {
                            return mine;
                        }
                        for leased in leased {
                            mine.push(leased.lease.subject);
                            put(&store, [Write::DueDone(leased.lease)]).await;
                        }
                    }
                })
            })
            .collect();
        let mut done = Vec::new();
        for worker in workers {
            done.extend(worker.await.unwrap());
        }
        assert_eq!(done.len(), subjects.len(), "nothing twice");
        assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), subjects);
    }

    async fn writers_that_plan_the_same_errands_do_not_stop_each_other(db: Database) {
        let store = db.open().await;
        let shared: Vec<_> = (0..16).map(|_| uuid()).collect();
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let (store, mut shared, at) = (store.clone(), shared.clone(), db.clock.now());
                shared.rotate_left(n % 16);
                if n % 2 == 0 {
                    shared.reverse();
                }
                tokio::spawn(async move {
                    store.commit_many(vec![unit(shared.into_iter().map(|subject| earlier("complete", subject, at)))]).await
                })
            })
            .collect();
        for task in tasks {
            assert!(matches!(task.await.unwrap().as_slice(), [Ok(_)]));
        }
        assert_eq!(store.lease_due(&["complete"], 100, HOLD).await.unwrap().len(), 16);
    }

    async fn a_job_that_lets_others_pass_is_not_woken(db: Database) {
        let store = db.open().await;
        let (asked, [resting, rested, waiting]) = rivals("490154203237518");
        let row = device("IMEI:490154203237518");
        let wake = Write::WakeNext {
            errand: "wake",
            tenant: Tenant::default(),
            device_norm: row.device_id.normalised(),
            at: db.clock.now(),
        };
        let soon = db.clock.now().after(HOLD);
        let resting = JobRow { priority: 9, passes_until: Some(soon), ..resting };
        let rested = JobRow { priority: 7, passes_until: Some(db.clock.now()), ..rested };
        put(&store, asked.map(Write::RequestInsert)).await;
        put(&store, [&resting, &rested, &waiting].map(|job| Write::JobInsert(job.clone()))).await;
        put(&store, [wake]).await;
        assert_eq!(due(&store).await, [rested.id.uuid()]);
        let norm = row.device_id.normalised();
        let all = store.waiting_jobs(&Tenant::default(), &norm, 2).await.unwrap();
        assert_eq!(all, [resting, rested]);
    }

    async fn the_next_job_of_a_free_device_is_woken(db: Database) {
        let store = db.open().await;
        let (asked, [mut young, mut old, mut urgent]) = rivals("490154203237518");
        let row = device("IMEI:490154203237518");
        let wake = || Write::WakeNext {
            errand: "wake",
            tenant: Tenant::default(),
            device_norm: row.device_id.normalised(),
            at: db.clock.now(),
        };
        young.created_at = at(2);
        old.created_at = at(1);
        urgent.created_at = at(3);
        urgent.priority = 9;
        urgent.active = true;
        put(&store, asked.map(Write::RequestInsert)).await;
        put(&store, [wake()]).await;
        put(&store, [&young, &old, &urgent].map(|job| Write::JobInsert(job.clone()))).await;
        put(&store, [wake()]).await;
        assert_eq!(due(&store).await, NOTHING, "the device is busy");
        urgent.active = false;
        put(&store, [Write::JobPut(urgent.clone()), wake()]).await;
        assert_eq!(due(&store).await, [urgent.id.uuid()]);
        urgent.version = 1;
        urgent.finished_at = Some(at(9));
        put(&store, [Write::JobPut(urgent), wake()]).await;
        assert_eq!(due(&store).await, [old.id.uuid()]);
    }
}
