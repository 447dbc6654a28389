//! T-DLO: descriptors and status reports of Download OTA. More of these rows is in `tests/it/download.rs`.

use reqwest::header;
use scomo::wire::{
    descriptor::{Descriptor, MIME},
    syncml::limits::Limits,
};
use serde_json::json;

use super::{D1, class, said, watched, watched_by, written};
use crate::{
    flows::{HELLO, HELLO_SCRIPT, HELLO_SHA256, SETTINGS, SETTINGS_SHA256},
    support::{api::download, watch::until, world::World},
};
use scomo::model::digest::Digest;

/// Long enough to fetch something while the device has not begun.
const SLOW: &str = "[device.delays]\noperation = \"1500ms\"";

/// What a URL gives: content type and bytes.
async fn get(url: &str) -> (String, Vec<u8>) {
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    let mime = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    assert_eq!(answer.content_length(), answer.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().ok());
    (mime, answer.bytes().await.unwrap().to_vec())
}

/// The URL that the device is given for a package, while its job waits for the device.
async fn offered(world: &World, package: &str) -> String {
    world.api.submit("r", &[D1], download(package, "install", "alternate")).await;
    until("PkgURL", async || written(&said(world), "PkgURL")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dlo_1_a_descriptor_tells_type_size_and_uri_of_the_object() {
    let world = watched(SLOW).await;
    let (mime, text) = get(&offered(&world, HELLO).await).await;
    assert_eq!(mime, MIME);
    let descriptor = Descriptor::read(&text, &Limits::default()).unwrap();
    assert_eq!((descriptor.types.as_slice(), descriptor.size), (["application/x-sh".to_owned()].as_slice(), 255));
    let (mime, bytes) = get(&descriptor.object_uri).await;
    assert_eq!((mime.as_str(), bytes.len()), ("application/x-sh", 255));
    assert_eq!(Digest::of(&bytes).to_string(), HELLO_SHA256);
    assert_eq!(world.api.ended("r").await.outcome(), ("succeeded", Some(1200)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dlo_2_a_descriptor_tells_all_that_the_package_says_of_itself() {
    let world = watched(SLOW).await;
    let (_, text) = get(&offered(&world, SETTINGS).await).await;
    let descriptor = Descriptor::read(&text, &Limits::default()).unwrap();
    assert_eq!((descriptor.name.as_str(), descriptor.vendor.as_str()), ("Terminal settings", "Example"));
    assert!(descriptor.description.starts_with("Network, display and logging"), "{descriptor:?}");
    assert_eq!(descriptor.install_param.as_deref(), Some("prefix=/etc/terminal"));
    let notify = descriptor.install_notify_uri.unwrap();
    assert!(notify.ends_with("/notify"), "{notify}");
    assert_eq!(Digest::of(&get(&descriptor.object_uri).await.1).to_string(), SETTINGS_SHA256);
    assert_eq!(world.api.ended("r").await.outcome(), ("succeeded", Some(1200)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dlo_3_a_status_report_is_taken_however_it_is_written() {
    let ways = [
        "body = \"plain\"",
        "body = \"lower\"",
        "body = \"lfcr\"",
        "body = \"bare\"",
        "body = \"padded\"",
        "content_type = \"application/x-www-form-urlencoded\"",
        "code = 953\nagain = 900",
    ];
    let devices: Vec<String> = ways.iter().map(|way| format!("[device.notify]\n{way}")).collect();
    let world = watched_by("", &devices.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let ended = world.run("r", download(HELLO, "install", "alternate")).await;
    for (number, way) in (1..).zip(ways) {
        let id = format!("dev-{number}");
        assert_eq!(ended.jobs[&id]["state"], "succeeded", "{way}: {:#}", ended.jobs[&id]);
        let posts = world.tree(&id).posts;
        assert!(!posts.is_empty() && posts.iter().all(|post| post.taken), "{way}: {posts:?}");
        assert_eq!(ended.jobs[&id]["result"]["notify"]["status"], 900, "{way}: {:#}", ended.jobs[&id]);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dlo_4_a_status_report_alone_ends_no_job() {
    let world = watched("[device.delays]\nreport = \"1500ms\"").await;
    world.api.submit("r", &[D1], download(HELLO, "install", "alternate")).await;
    world.watch.until(D1, |event| matches!(event, scomo::sim::Event::Posted { code: 900, taken: true })).await;
    assert_eq!(world.api.job("r").await["state"], "awaiting_report");
    let ended = world.api.ended("r").await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(ended.job()["result"]["notify"], json!({ "status": 900, "plausible": true }));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dlo_5_a_report_alone_ends_the_job() {
    let world = watched("[device.notify]\nsend = \"never\"").await;
    let ended = world.run("r", download(HELLO, "install", "alternate")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((world.tree(D1).posts, ended.job()["result"].get("notify")), (vec![], None));
    assert!(world.component(D1, HELLO_SCRIPT).is_some());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dlo_7_the_rest_of_a_package_is_the_same_package() {
    let world = watched_by(class!("alternate = \"package\""), &[SLOW]).await;
    let url = offered(&world, HELLO).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let whole = client.get(&url).send().await.unwrap();
    let tag = whole.headers()[header::ETAG].clone();
    let rest = client.get(&url).header(header::RANGE, "bytes=100-").header(header::IF_RANGE, tag.clone());
    let rest = rest.send().await.unwrap();
    assert_eq!((rest.status().as_u16(), &rest.headers()[header::ETAG]), (206, &tag));
    assert_eq!(rest.headers()[header::CONTENT_RANGE], "bytes 100-254/255");
    let bytes = [&whole.bytes().await.unwrap()[..100], &rest.bytes().await.unwrap()].concat();
    assert_eq!(Digest::of(&bytes).to_string(), HELLO_SHA256);
    assert_eq!(world.api.ended("r").await.outcome(), ("succeeded", Some(1200)));
    world.end().await;
}
