//! The brake: what it holds, what it lets run, and what pulls it by itself.

use scomo::sim::Operation;
use serde_json::{Value, json};

use super::{HELLO, HELLO_SCRIPT, SETTINGS, device, plain};
use crate::support::{
    api::{download, on_component, with},
    database::{Database, on_each_database},
    watch::until,
    world::World,
};

const D1: &str = "dev-1";

async fn pause(world: &World, what: Value) -> Value {
    let reply = world.api.post("pauses", &what).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.body
}

async fn resume(world: &World, query: &str) {
    let reply = world.api.delete(&format!("pauses?{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// Waits until a job says that a pause holds it.
async fn until_held(world: &World, request: &str) -> String {
    until("the job to be held", async || {
        let job = world.api.job(request).await;
        let why = world.api.get(&format!("jobs/{}/why", job["job_id"].as_str().unwrap())).await;
        let why = why["why"].as_str().unwrap().to_owned();
        (job["state"] == "waiting" && why.contains("held back by a pause")).then_some(why)
    })
    .await
}

/// Waits until what was noted of the job has this in it.
async fn until_noted(world: &World, request: &str, text: &str) {
    until("a note", async || {
        let job = world.api.job(request).await;
        let job = world.api.get(&format!("jobs/{}", job["job_id"].as_str().unwrap())).await;
        job["history"].to_string().contains(text).then_some(())
    })
    .await;
}

on_each_database! {
    async fn nothing_is_begun_while_everything_is_paused_and_resume_goes_on(db: Database) {
        let world = World::with(db, &plain()).await;
        pause(&world, json!({ "scope": "all", "reason": "maintenance" })).await;
        world.api.submit("r", &[D1], download(HELLO, "install", "auto")).await;
        let why = until_held(&world, "r").await;
        assert!(why.contains("everything, ordered by local") && why.contains("(maintenance)"), "{why}");
        until_noted(&world, "r", "held back by a pause of everything").await;
        world.fleet.device(D1).unwrap().start_session();
        world.watch.until(D1, |event| matches!(event, scomo::sim::Event::SessionClosed { .. })).await;
        assert_eq!(world.api.job("r").await["state"], "waiting");
        assert_eq!((world.watch.sessions(D1), world.watch.executed(D1).len()), (1, 0), "it was not notified");
        resume(&world, "scope=all").await;
        assert_eq!(world.api.ended("r").await.outcome(), ("succeeded", Some(1200)));
        world.end().await;
    }

    async fn a_paused_version_is_held_once_it_is_chosen_and_its_url_is_not_given(db: Database) {
        let world = World::with(db, &plain()).await;
        pause(&world, json!({ "scope": "package", "value": format!("{HELLO}@1.1.0") })).await;
        world.api.submit("r", &[D1], download(HELLO, "install", "alternate")).await;
        let why = until_held(&world, "r").await;
        assert!(why.contains(&format!("package {HELLO}@1.1.0")), "{why}");
        until_noted(&world, "r", "is chosen").await;
        world.fleet.idle().await;
        let grants: Vec<(i64,)> = world.database.rows("SELECT COUNT(*) FROM download_grant").await;
        assert_eq!((grants, world.watch.executed(D1)), (vec![(0,)], vec![]));
        let other = world.run("other", download(SETTINGS, "install", "auto")).await;
        assert_eq!(other.outcome().0, "succeeded", "others of the device go on: {:#}", other.job());
        let held: Vec<(i64,)> = world.database.rows("SELECT COUNT(*) FROM job_hold").await;
        assert_eq!(held, [(1,)]);
        resume(&world, &format!("scope=package&value={HELLO}@1.1.0")).await;
        assert_eq!(world.api.ended("r").await.outcome(), ("succeeded", Some(1200)));
        let held: Vec<(i64,)> = world.database.rows("SELECT COUNT(*) FROM job_hold").await;
        assert_eq!(held, [(0,)], "nothing is left over");
        world.end().await;
    }

    async fn a_pause_that_comes_before_the_operation_stops_it_and_the_user_is_not_asked_again(db: Database) {
        let slow = device(1, &format!(
            "user = \"accept\"\n[device.delays]\nuser = \"700ms\"\n[[device.scomo.component]]\nid = \"{HELLO_SCRIPT}\"\nversion = \"1.0\""
        ));
        let world = World::with(db, &slow).await;
        let confirm = json!({ "confirm": { "text": { "en": "Remove it?" }, "if_no_ui": "stop" } });
        world.api.submit("r", &[D1], with(on_component("remove", HELLO_SCRIPT), confirm)).await;
        world.api.until_state("r", "awaiting_user").await;
        let reply = world.api.post("requests/it/r/pause", &json!({})).await;
        assert_eq!((reply.status, &reply.body["paused"]["by"]), (200, &json!("local")), "{}", reply.body);
        until_held(&world, "r").await;
        world.fleet.idle().await;
        assert_eq!(world.watch.executed(D1), [], "the yes came after the pause");
        let again = world.api.post("requests/it/r/pause", &json!({})).await;
        assert_eq!((again.status, &again.body["paused"]["since"]), (200, &reply.body["paused"]["since"]));
        assert_eq!(world.api.post("requests/it/r/resume", &json!({})).await.status, 200);
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        let asked = ended.told().into_iter().filter(|state| *state == "awaiting_user").count();
        assert_eq!((asked, world.watch.executed(D1)), (1, vec![(Operation::RemoveComponent, 1200)]));
        let told: Vec<Value> = world.api.events("r").await.into_iter().map(|event| event["type"].clone()).collect();
        assert!(told.contains(&json!("scomo.request.paused")) && told.contains(&json!("scomo.request.resumed")), "{told:?}");
        world.end().await;
    }

    async fn a_notified_job_that_is_paused_gives_way_when_its_device_comes(db: Database) {
        let world = World::with(db, &plain()).await;
        // The device does not believe the notification.
        let secret = world.api.patch("devices/dev-1", &json!({ "server_secret": "another" })).await;
        assert_eq!(secret.status, 200);
        world.api.submit("first", &[D1], download(HELLO, "install", "auto")).await;
        world.api.until_state("first", "notified").await;
        pause(&world, json!({ "scope": "request", "value": "first", "source": "it" })).await;
        world.register().await;
        world.api.submit("second", &[D1], with(download(SETTINGS, "install", "auto"), json!({ "notify": "never" }))).await;
        world.fleet.device(D1).unwrap().start_session();
        let ended = world.api.ended("second").await;
        assert_eq!(ended.outcome().0, "succeeded", "{:#}", ended.job());
        until_held(&world, "first").await;
        resume(&world, "scope=request&value=first&source=it").await;
        assert_eq!(world.api.ended("first").await.outcome(), ("succeeded", Some(1200)));
        world.end().await;
    }

    async fn what_runs_on_a_device_goes_on_and_is_told_while_it_is_paused(db: Database) {
        let world = World::with(db, &device(1, "[device.delays]\noperation = \"700ms\"")).await;
        world.api.submit("r", &[D1], download(HELLO, "install", "auto")).await;
        world.api.until_state("r", "awaiting_report").await;
        pause(&world, json!({ "scope": "all" })).await;
        let ended = world.api.ended("r").await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
        assert_eq!(world.watch.executed(D1), [(Operation::Install, 1200)]);
        world.end().await;
    }

    async fn enough_devices_that_do_not_trust_a_package_stop_it_everywhere(db: Database) {
        let bad = |n| device(n, "[[device.result]]\noperation = \"Install\"\ncode = 1407\ntimes = 1");
        let devices: String = (1..=4).map(bad).chain([device(5, "")]).collect();
        let world = World::with(db, &devices).await;
        for n in 1..=3 {
            let ended = world.run_on(&format!("r{n}"), &[&format!("dev-{n}")], download(HELLO, "install", "direct")).await;
            assert_eq!(ended.outcome(), ("failed", Some(1407)));
        }
        let listed = until("the package to be paused", async || {
            let pauses = world.api.get("pauses").await;
            pauses["pauses"].as_array().unwrap().first().cloned()
        })
        .await;
        assert_eq!(
            (&listed["scope"], &listed["value"], &listed["by"]),
            (&json!("package"), &json!(format!("{HELLO}@1.1.0")), &json!("scomo"))
        );
        world.api.submit("next", &["dev-5"], download(HELLO, "install", "direct")).await;
        let why = until_held(&world, "next").await;
        assert!(why.contains("3 devices do not trust it"), "{why}");
        let events = world.api.get("events?limit=1000&after=0").await;
        let told = events["events"].as_array().unwrap().iter().find(|event| event["type"] == "scomo.package.paused");
        assert_eq!(told.unwrap()["data"]["package"], json!({ "id": HELLO, "version": "1.1.0" }));
        resume(&world, &format!("scope=package&value={HELLO}@1.1.0")).await;
        assert_eq!(world.api.ended("next").await.outcome(), ("succeeded", Some(1200)));
        let one_more = world.run_on("r4", &["dev-4"], download(HELLO, "install", "direct")).await;
        assert_eq!(one_more.outcome(), ("failed", Some(1407)));
        let gone: Vec<(i64,)> = world.database.rows("SELECT COUNT(*) FROM bad_signature").await;
        assert_eq!(gone, [(1,)], "the count began anew");
        world.end().await;
    }

    async fn a_request_whose_failures_exceed_its_budget_is_paused(db: Database) {
        let bad = |n| device(n, "[[device.result]]\noperation = \"Install\"\ncode = 1411");
        let world = World::with(db, &[bad(1), bad(2)].concat()).await;
        let ask = json!({ "failure_budget": { "failed": 1 }, "if_unknown_device": "wait" });
        world.api.submit("r", &[D1, "dev-2", "late"], with(download(HELLO, "install", "direct"), ask)).await;
        let told = until("the request to be paused", async || {
            world.api.events("r").await.into_iter().find(|event| event["type"] == "scomo.request.paused")
        })
        .await;
        let data = &told["data"];
        assert_eq!((&data["by"], &data["outcomes"]["failed"]), (&json!("scomo"), &json!(2)), "{told:#}");
        assert!(data["reason"].as_str().unwrap().contains("failure budget"), "{told:#}");
        let shown = world.api.get("requests/it/r").await;
        assert_eq!(shown["paused"]["by"], "scomo", "{shown:#}");
        let record = json!({ "id": "late", "user": "late", "secret": "s", "scheme": "md5" });
        world.api.add_device(record).await;
        until("the third to be held", async || {
            let jobs = world.api.get("jobs?request=r&source=it").await;
            let jobs = jobs["jobs"].as_array().unwrap().clone();
            let late = jobs.into_iter().find(|job| job["device"] == "late").unwrap();
            let why = world.api.get(&format!("jobs/{}/why", late["job_id"].as_str().unwrap())).await;
            (late["state"] == "waiting" && why["why"].as_str().unwrap().contains("failure budget")).then_some(())
        })
        .await;
        world.api.cancel("r").await;
        world.api.ended("r").await;
        assert_eq!(world.api.get("pauses").await["pauses"], json!([]), "what has ended is not paused");
        world.end().await;
    }

    async fn devices_that_nobody_knows_use_up_the_budget_before_anything_is_begun(db: Database) {
        let world = World::with(db, &device(1, "")).await;
        let ask = json!({ "failure_budget": { "failed": 0 }, "notify": "never" });
        world.api.submit("r", &[D1, "nobody"], with(download(HELLO, "install", "direct"), ask)).await;
        let told = until("the request to be paused", async || {
            world.api.events("r").await.into_iter().find(|event| event["type"] == "scomo.request.paused")
        })
        .await;
        assert_eq!(told["data"]["outcomes"]["failed"], json!(1), "{told:#}");
        world.api.cancel("r").await;
        world.api.ended("r").await;
        world.end().await;
    }
}
