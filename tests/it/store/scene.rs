//! What a device message finds.

use scomo::{
    infra::store::{
        Write,
        device::DeviceRow,
        scene::{Caller, Scene},
        session::SessionRow,
    },
    model::id::{DmSessionId, Tenant},
};

use super::rows::{at, device, inventory, job, put, request, rivals, session};
use crate::support::database::{Database, on_each_database};

const NAME: &str = "IMEI:490154203237518";

/// Who asks, in the session called `1`, without a token.
fn caller<'a>(tenant: &'a Tenant, name: &'a DmSessionId) -> Caller<'a> {
    Caller { tenant, device_norm: NAME, user_name: None, sid: None, dm_session_id: name }
}

fn session_at(seconds: i64, of: &SessionRow) -> SessionRow {
    SessionRow { created_at: at(seconds), ..of.clone() }
}

on_each_database! {
    async fn an_unknown_device_finds_nothing(db: Database) {
        let store = db.open().await;
        put(&store, [Write::DeviceInsert(device("other"))]).await;
        let (tenant, one) = (Tenant::default(), DmSessionId::parse("1").unwrap());
        assert_eq!(store.scene(caller(&tenant, &one)).await.unwrap(), None);
        let hostile = Caller { device_norm: "a\0b", user_name: Some("\0"), ..caller(&tenant, &one) };
        assert_eq!(store.scene(hostile).await.unwrap(), None);
        let elsewhere = Tenant::parse("elsewhere").unwrap();
        let foreign = Caller { device_norm: "other", ..caller(&elsewhere, &one) };
        assert_eq!(store.scene(foreign).await.unwrap(), None);
    }

    async fn a_new_device_finds_itself_alone(db: Database) {
        let store = db.open().await;
        let row = device(NAME);
        put(&store, [Write::DeviceInsert(row.clone())]).await;
        let (tenant, one) = (Tenant::default(), DmSessionId::parse("1").unwrap());
        let scene = store.scene(caller(&tenant, &one)).await.unwrap();
        assert_eq!(scene, Some(Scene { device: row, session: None, job: None, inventory: None, pauses: vec![] }));
    }

    async fn a_user_name_finds_its_device_unless_several_share_it(db: Database) {
        let store = db.open().await;
        let shared = |name: &str, user: &str| DeviceRow { user_name: Some(user.to_owned()), ..device(name) };
        let (alone, one, two) = (shared("a", "alone"), shared("b", "fleet"), shared("c", "fleet"));
        put(&store, [&alone, &one, &two].map(|row| Write::DeviceInsert(row.clone()))).await;
        let (tenant, name) = (Tenant::default(), DmSessionId::parse("1").unwrap());
        for (norm, user, found) in [
            ("x", "alone", Some(&alone)),
            ("x", "fleet", None),
            ("c", "fleet", Some(&two)),
            ("b", "alone", Some(&one)),
        ] {
            let who = Caller { device_norm: norm, user_name: Some(user), ..caller(&tenant, &name) };
            let scene = store.scene(who).await.unwrap();
            assert_eq!(scene.as_ref().map(|scene| &scene.device), found, "{norm} {user}");
        }
    }

    async fn everything_comes_with_one_question(db: Database) {
        let store = db.open().await;
        let (row, asked) = (device(NAME), request("r"));
        let (talk, work) = (session(&row, "1"), job(&asked, NAME));
        put(&store, [
            Write::DeviceInsert(row.clone()),
            Write::InventoryPut(inventory(&row)),
            Write::SessionInsert(talk.clone()),
            Write::RequestInsert(asked),
            Write::JobInsert(work.clone()),
        ]).await;
        let (tenant, one) = (Tenant::default(), DmSessionId::parse("1").unwrap());
        let scene = store.scene(caller(&tenant, &one)).await.unwrap();
        let inventory = Some(inventory(&row));
        assert_eq!(scene, Some(Scene { device: row, session: Some(talk), job: Some(work), inventory, pauses: vec![] }));
    }

    async fn a_device_is_found_by_its_user_name_where_its_name_is_not_known(db: Database) {
        let store = db.open().await;
        let (named, other) = (device(NAME), device("other"));
        put(&store, [Write::DeviceInsert(named.clone()), Write::DeviceInsert(other.clone())]).await;
        let (tenant, one) = (Tenant::default(), DmSessionId::parse("1").unwrap());
        let of_other = Caller { user_name: other.user_name.as_deref(), ..caller(&tenant, &one) };
        assert_eq!(store.scene(of_other).await.unwrap().unwrap().device, named, "the name goes before the user name");
        let unknown = Caller { device_norm: "unknown", ..of_other };
        assert_eq!(store.scene(unknown).await.unwrap().unwrap().device, other);
    }

    async fn the_token_names_the_session_else_the_newest_of_that_name(db: Database) {
        let store = db.open().await;
        let (row, other) = (device(NAME), device("other"));
        let (first, second) = (session_at(1, &session(&row, "1")), session_at(2, &session(&row, "1")));
        let (foreign, two) = (session_at(3, &session(&other, "1")), session_at(4, &session(&row, "2")));
        put(&store, [Write::DeviceInsert(row.clone()), Write::DeviceInsert(other)]).await;
        put(&store, [&first, &second, &foreign, &two].map(|s| Write::SessionInsert(s.clone()))).await;
        let (tenant, one) = (Tenant::default(), DmSessionId::parse("1").unwrap());
        for (sid, expected) in
            [(None, Some(second.key)), (Some(first.key), Some(first.key)), (Some(two.key), Some(two.key)), (Some(foreign.key), None)]
        {
            let scene = store.scene(Caller { sid, ..caller(&tenant, &one) }).await.unwrap().unwrap();
            assert_eq!(scene.session.map(|s| s.key), expected, "{sid:?}");
        }
    }

    async fn the_active_job_comes_first_then_priority_then_age(db: Database) {
        let store = db.open().await;
        let (asked, mut jobs) = rivals::<4>(NAME);
        jobs[0].active = true;
        jobs[0].priority = 1;
        jobs[1].priority = 9;
        jobs[1].created_at = at(5);
        jobs[2].priority = 9;
        jobs[2].created_at = at(7);
        put(&store, [Write::DeviceInsert(device(NAME))]).await;
        put(&store, asked.map(Write::RequestInsert)).await;
        put(&store, jobs.iter().rev().map(|job| Write::JobInsert(job.clone()))).await;
        let (tenant, one) = (Tenant::default(), DmSessionId::parse("1").unwrap());
        for mut job in jobs {
            let found = store.scene(caller(&tenant, &one)).await.unwrap().unwrap().job;
            assert_eq!(found.as_ref(), Some(&job));
            job.active = false;
            job.state = "succeeded".into();
            job.finished_at = Some(at(9));
            put(&store, [Write::JobPut(job)]).await;
        }
        assert_eq!(store.scene(caller(&tenant, &one)).await.unwrap().unwrap().job, None);
    }

    async fn a_new_session_closes_the_others_of_its_device(db: Database) {
        let store = db.open().await;
        let (row, other) = (device(NAME), device("other"));
        let (old, new, foreign) = (session(&row, "1"), session(&row, "2"), session(&other, "1"));
        put(&store, [Write::DeviceInsert(row.clone()), Write::DeviceInsert(other)]).await;
        put(&store, [&old, &foreign].map(|s| Write::SessionInsert(s.clone()))).await;
        let close = Write::SessionsClose { device: row.key, except: new.key };
        put(&store, [Write::SessionInsert(new.clone()), close]).await;
        let closed = store.session(old.key).await.unwrap().unwrap();
        assert!(!closed.open && closed.version == 1, "a message on its way in the old session loses");
        for key in [new.key, foreign.key] {
            assert!(store.session(key).await.unwrap().unwrap().open);
        }
    }

    async fn old_sessions_are_pruned_in_portions(db: Database) {
        let store = db.open().await;
        let row = device(NAME);
        let old = (0..3).map(|n| SessionRow { updated_at: at(n), ..session(&row, "1") }).collect::<Vec<_>>();
        let new = SessionRow { updated_at: at(10), ..session(&row, "1") };
        put(&store, [Write::DeviceInsert(row), Write::SessionInsert(new.clone())]).await;
        put(&store, old.iter().map(|s| Write::SessionInsert(s.clone()))).await;
        assert_eq!(store.prune_sessions(at(10), 2).await.unwrap(), 2);
        assert!(store.session(old[2].key).await.unwrap().is_some(), "the oldest go first");
        assert_eq!(store.prune_sessions(at(10), 2).await.unwrap(), 1);
        assert!(store.session(new.key).await.unwrap().is_some());
    }
}
