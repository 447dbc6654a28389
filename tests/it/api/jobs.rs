//! Jobs: listed page by page, filtered, shown in full, cancelled.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::service::{Service, but, device, request};

async fn three_requests(service: &Service) {
    service.post("/devices", &device("IMEI:490154203237518")).await;
    for (id, devices) in [
        ("r-1", vec!["IMEI:490154203237518", "a", "b"]),
        ("r-2", vec!["IMEI:490154203237518"]),
        ("r-3", vec!["c", "d", "e", "f"]),
    ] {
        assert_eq!(service.post("/requests", &request(id, &devices)).await.status, 202);
    }
}

fn jobs(list: &Value) -> &Vec<Value> {
    list["jobs"].as_array().unwrap_or_else(|| panic!("{list}"))
}

#[tokio::test]
async fn pages_show_every_job_once() {
    let service = Service::start().await;
    three_requests(&service).await;
    for limit in [1, 3, 8, 1000] {
        let (mut seen, mut pages, mut path) = (BTreeSet::new(), 0, format!("/jobs?limit={limit}"));
        loop {
            let page = service.get(&path).await.body;
            assert!(jobs(&page).len() <= limit);
            for job in jobs(&page) {
                assert!(seen.insert(job["job_id"].as_str().unwrap().to_owned()), "twice: {job}");
            }
            pages += 1;
            match page["next"].as_str() {
                Some(next) => path = format!("/jobs?limit={limit}&after={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 8, "{limit}");
        assert!(pages <= 8 / limit + 1);
    }
    service.stop().await;
}

#[tokio::test]
async fn filters_narrow_the_list_down() {
    let service = Service::start().await;
    three_requests(&service).await;
    for (query, expected) in [
        ("request=r-1&source=it", 3),
        ("device=490154203237518", 2),
        ("device=imei:490154203237518&state=waiting", 2),
        ("state=failed", 6),
        ("state=succeeded", 0),
        ("request=r-3&source=it&state=failed&device=c", 1),
    ] {
        assert_eq!(jobs(&service.get(&format!("/jobs?{query}")).await.body).len(), expected, "{query}");
    }
    service.stop().await;
}

#[tokio::test]
async fn what_is_no_filter_is_refused_by_name() {
    let service = Service::start().await;
    for (query, expected) in [
        ("limit=0", "/limit out_of_range"),
        ("limit=1001", "/limit out_of_range"),
        ("after=nonsense", "/after unknown_value"),
        ("after=1.2", "/after unknown_value"),
        ("state=asleep", "/state unknown_value"),
        ("device=", "/device invalid_name"),
        ("request=r", "/source missing_field"),
        ("source=it", "/request missing_field"),
    ] {
        let answer = service.get(&format!("/jobs?{query}")).await;
        assert_eq!(answer.problem(), (422, "invalid_input", vec![expected.to_owned()]), "{query}");
    }
    for query in ["limit=many", "colour=red", "limit=1&limit=2"] {
        assert_eq!(service.get(&format!("/jobs?{query}")).await.problem().1, "invalid_input", "{query}");
    }
    assert_eq!(service.get("/jobs?request=r&source=it").await.problem().0, 404, "a request that is not there");
    service.stop().await;
}

#[tokio::test]
async fn a_job_tells_what_it_does_and_how_it_got_there() {
    let service = Service::start().await;
    three_requests(&service).await;
    let list = service.get("/jobs?request=r-1&source=it&state=failed&limit=1").await.body;
    let id = jobs(&list)[0]["job_id"].as_str().unwrap().to_owned();
    let job = service.get(&format!("/jobs/{id}")).await.body;
    for member in ["request_id", "job_id", "device", "state", "attempt", "result", "reason", "at", "source", "deadline"]
    {
        assert!(!job[member].is_null(), "{member}: {job}");
    }
    assert_eq!(
        (&job["state"], &job["reason"], &job["source"]),
        (&json!("failed"), &json!("unknown_device"), &json!("it"))
    );
    assert!(job["history"].is_array() && job["result"]["text"].is_string(), "{job}");
    assert!(job["order"].to_string().contains("org.example.hello"), "{job}");
    for absent in ["00000000-0000-7000-8000-000000000000", "nothing", "%2F", "a%20b"] {
        assert_eq!(service.get(&format!("/jobs/{absent}")).await.problem(), (404, "not_found", vec![]), "{absent}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_job_says_why_it_stands_where_it_stands() {
    let service = Service::start().await;
    three_requests(&service).await;
    let id = |list: &Value| jobs(list)[0]["job_id"].as_str().unwrap().to_owned();
    let waiting = id(&service.get("/jobs?state=waiting&limit=1").await.body);
    let why = service.get(&format!("/jobs/{waiting}/why")).await.body;
    assert_eq!((&why["job_id"], &why["state"], &why["can"]), (&json!(waiting), &json!("waiting"), &json!(["cancel"])));
    assert!(why["why"].as_str().unwrap().ends_with("no session of it is known."), "{why}");
    assert!(why["next"]["text"].is_string() && why["deadline"].is_string(), "{why}");
    assert!(why.get("device_said").is_none(), "{why}");
    let over = id(&service.get("/jobs?state=failed&limit=1").await.body);
    let why = service.get(&format!("/jobs/{over}/why")).await.body;
    assert!(why["why"].as_str().unwrap().contains("No device of this id is registered."), "{why}");
    assert_eq!((&why["can"], why.get("next")), (&json!([]), None));
    assert_eq!(service.get("/jobs/nothing/why").await.problem(), (404, "not_found", vec![]));
    service.stop().await;
}

#[tokio::test]
async fn a_job_is_cancelled_once_and_an_end_stays() {
    let service = Service::start().await;
    three_requests(&service).await;
    let id = |list: &Value| jobs(list)[0]["job_id"].as_str().unwrap().to_owned();
    let live = id(&service.get("/jobs?state=waiting&limit=1").await.body);
    let first = service.post(&format!("/jobs/{live}/cancel"), &json!({})).await;
    assert_eq!(
        (first.status, &first.body["state"], &first.body["reason"]),
        (200, &json!("cancelled"), &json!("cancel_requested"))
    );
    assert!(first.body["history"].to_string().contains("local asked to cancel it"), "{}", first.text);
    let again = service.post(&format!("/jobs/{live}/cancel"), &json!({})).await;
    assert_eq!((again.status, &again.body), (200, &first.body), "a repeat changes nothing");

    let over = id(&service.get("/jobs?state=failed&limit=1").await.body);
    assert_eq!(
        service.post(&format!("/jobs/{over}/cancel"), &json!({})).await.problem(),
        (409, "already_over", vec![])
    );
    assert_eq!(service.get(&format!("/jobs/{over}")).await.body["state"], "failed");
    service.stop().await;
}

#[tokio::test]
async fn a_job_that_waits_for_its_device_goes_on_when_that_is_registered() {
    let service = Service::start().await;
    let asked =
        but(request("r", &["imei:490154203237518"]), &json!({ "if_unknown_device": "wait", "notify": "never" }));
    service.post("/requests", &asked).await;
    assert_eq!(service.get("/requests/it/r").await.body["counts"], json!({ "accepted": 1 }));
    assert_eq!(service.post("/devices", &device("IMEI:490154203237518")).await.status, 201);
    service.until("/requests/it/r", |request| request["counts"] == json!({ "waiting": 1 })).await;
    service.stop().await;
}
