//! Events: pages and streams that take up where they stopped, and miss nothing while others write.

use std::{collections::BTreeSet, time::Duration};

use futures_util::StreamExt as _;
use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::service::{Service, but, device, request};

/// A stream of events, read until it has brought a number of them: their ids and what they tell.
async fn stream(service: &Service, query: &str, last: Option<&str>, wanted: usize) -> Vec<(i64, Value)> {
    let mut call = service.call(Method::GET, &format!("/events{query}")).header(ACCEPT, "text/event-stream");
    if let Some(last) = last {
        call = call.header("Last-Event-ID", last);
    }
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut pieces, mut held, mut events) = (answer.bytes_stream(), String::new(), Vec::new());
    while events.len() < wanted {
        let piece = timeout(Duration::from_secs(20), pieces.next()).await;
        let piece = piece.unwrap_or_else(|_| panic!("{} of {wanted} events came", events.len()));
        held += std::str::from_utf8(&piece.unwrap().unwrap()).unwrap();
        while let Some(end) = held.find("\n\n") {
            let block: String = held.drain(..end + 2).collect();
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned());
            if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                events.push((id.parse().unwrap(), serde_json::from_str(&data).unwrap()));
            }
        }
    }
    events
}

/// Every event, in pages of `limit`.
async fn pages(service: &Service, limit: u32) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = service.get(&format!("/events?after={after}&limit={limit}")).await.body;
        let found = page["events"].as_array().unwrap();
        if found.is_empty() {
            assert_eq!(page["next"].as_str(), Some(after.as_str()), "the end stays where it is");
            return events;
        }
        events.extend(found.iter().cloned());
        page["next"].as_str().unwrap().clone_into(&mut after);
    }
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_event_is_a_cloud_event_and_a_jobs_sequence_rises() {
    let service = Service::start().await;
    service.post("/devices", &device("known")).await;
    service.post("/requests", &but(request("r", &["known", "unknown"]), &json!({ "notify": "never" }))).await;
    let job = service.get("/jobs?state=waiting").await.body["jobs"][0]["job_id"].as_str().unwrap().to_owned();
    service.post(&format!("/jobs/{job}/cancel"), &json!({})).await;
    service.until("/requests/it/r", |request| request["state"] == "completed").await;
    let told = service.until("/events?after=0", |told| told["events"].as_array().is_some_and(|e| e.len() == 4)).await;
    let events = told["events"].as_array().unwrap();
    let kinds: BTreeSet<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = ["scomo.job.cancelled", "scomo.job.failed", "scomo.request.accepted", "scomo.request.completed"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected, "silent until something happens");
    for event in events {
        for member in ["id", "source", "type", "subject", "time", "tenant", "dataschema", "datacontenttype"] {
            assert!(event[member].is_string(), "{member}: {event}");
        }
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["data"]["request_id"], "r");
        assert_eq!(event["sequence"].is_u64(), event["type"].as_str().unwrap().starts_with("scomo.job."), "{event}");
    }
    let cancelled = events.iter().find(|event| event["type"] == "scomo.job.cancelled").unwrap();
    assert_eq!(cancelled["subject"], json!(job));
    assert_eq!(cancelled["data"]["state"], "cancelled");
    service.stop().await;
}

#[tokio::test]
async fn a_page_leads_to_the_next_and_a_stream_takes_up_where_it_stopped() {
    let service = Service::start().await;
    for number in 0..8 {
        service.post("/requests", &request(&format!("r-{number}"), &["unknown"])).await;
    }
    // Accepted, failed, completed: three each.
    let all = stream(&service, "?after=0", None, 24).await;
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "ids rise");
    let told: Vec<Value> = all.iter().map(|(_, event)| event.clone()).collect();
    for limit in [1, 7, 24, 1000] {
        assert_eq!(pages(&service, limit).await, told, "{limit}");
    }
    let middle = all[9].0.to_string();
    assert_eq!(stream(&service, "", Some(&middle), 14).await, all[10..]);
    assert_eq!(
        stream(&service, "?after=0", Some(&middle), 14).await,
        all[10..],
        "the header wins: a client reconnects"
    );
    assert_eq!(stream(&service, &format!("?after={middle}"), None, 14).await, all[10..]);

    let end = service.get("/events?after=end").await.body;
    assert_eq!(end, json!({ "events": [], "next": all[23].0.to_string() }));
    let of_one = service.get("/events?after=0&request=r-3&source=it").await.body;
    assert_eq!(of_one["events"].as_array().unwrap().len(), 3);
    assert!(of_one["events"].as_array().unwrap().iter().all(|event| event["data"]["request_id"] == "r-3"));
    for wrong in ["after=x", "after=-1", "after=1.5"] {
        assert_eq!(service.get(&format!("/events?{wrong}")).await.problem().2, ["/after unknown_value"], "{wrong}");
    }
    assert_eq!(service.get("/events?limit=0").await.problem().2, ["/limit out_of_range"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_misses_an_event_while_many_write() {
    const WRITERS: usize = 8;
    const EACH: usize = 10;
    const TOLD: usize = WRITERS * EACH * 4;
    let service = Service::start().await;
    let write = async |writer: usize| {
        for number in 0..EACH {
            let asked = request(&format!("{writer}/{number}"), &["unknown-1", "unknown-2"]);
            assert_eq!(service.post("/requests", &asked).await.status, 202);
        }
    };
    let writers = futures_util::future::join_all((0..WRITERS).map(write));
    // One reads on, one is cut off again and again.
    let through = stream(&service, "?after=0", None, TOLD);
    let in_bits = async {
        let mut seen: Vec<(i64, Value)> = Vec::new();
        while seen.len() < TOLD {
            let last = seen.last().map_or(0, |(id, _)| *id).to_string();
            let more = stream(&service, "", Some(&last), (TOLD - seen.len()).min(13)).await;
            seen.extend(more);
        }
        seen
    };
    let (_, through, in_bits) = tokio::join!(writers, through, in_bits);
    assert_eq!(through.len(), TOLD);
    let events: Vec<Value> = through.iter().map(|(_, event)| event.clone()).collect();
    let once: BTreeSet<&str> = ids(&events).into_iter().collect();
    assert_eq!(once.len(), TOLD, "each once");
    assert_eq!(in_bits.len(), TOLD, "a reader that is cut off sees the same");
    assert_eq!(in_bits, through);
    assert_eq!(pages(&service, 50).await, events);
    service.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_service_stops() {
    let service = Service::start().await;
    let call = service.call(Method::GET, "/events").header(ACCEPT, "text/event-stream");
    let mut pieces = call.send().await.unwrap().bytes_stream();
    let stopped = timeout(Duration::from_secs(5), service.stop()).await;
    let rest = timeout(Duration::from_secs(5), async { while pieces.next().await.is_some() {} }).await;
    assert!(stopped.is_ok() && rest.is_ok(), "a stream does not hold it up");
}
