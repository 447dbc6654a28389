//! A broker that is not as the settings say: one clear sentence each, and the devices do not feel it.

use std::{net::TcpListener, sync::Arc, thread};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use scomo::infra::broker::{Broker, Settings, amqp::Error};
use serde_json::json;
use url::Url;

use crate::support::{
    broker::{Bus, Node, url},
    database::Database,
    service::{Service, request, settings},
};

/// What a connection to such a bus says, with its causes.
async fn said(more: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let bus: Settings = settings(dir.path(), dir.path(), more).bus;
    let store = Database::sqlite().open().await;
    let refused = match Broker::open(&bus, store) {
        Ok(broker) => broker.amqp().unwrap().connect("test").await.err(),
        Err(refused) => Some(refused),
    };
    scomo::infra::telemetry::chain(&refused.unwrap())
}

/// The URL of the tests with another user, host, port or path.
fn but(direct: &str, change: impl Fn(&mut Url)) -> String {
    let mut url = Url::parse(direct).unwrap();
    change(&mut url);
    url.to_string()
}

fn says(said: &str, words: &[&str]) {
    assert!(!said.contains('\n') && words.iter().all(|word| said.contains(word)), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_where_nothing_answers_is_named() {
    let said = said("[bus]\nurl = \"amqp://scomo:hunter2@127.0.0.1:1\"").await;
    says(&said, &["127.0.0.1:1", "bus.url", "cannot be reached"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_names_and_permissions_are_told_apart() {
    let Some(direct) = url("wrong_names_and_permissions_are_told_apart") else { return };
    let bus = Bus::at(&direct).await;
    let wrong = but(&direct, |url| url.set_password(Some("hunter2")).unwrap());
    says(&said(&bus.settings_at(&wrong, "")).await, &["\"scomo\"", "user or password of bus.url"]);
    let nowhere = but(&direct, |url| url.set_path("nowhere"));
    says(&said(&bus.settings_at(&nowhere, "")).await, &["virtual host", "\"nowhere\"", "\"scomo\""]);
    let limited = but(&direct, |url| {
        url.set_username("limited").unwrap();
        url.set_password(Some("limited")).unwrap();
    });
    says(&said(&bus.settings_at(&limited, "")).await, &["\"limited\"", "declare", &bus.name, "grant the permission"]);
    let left = bus.settings("declare = false");
    says(&said(&left).await, &[&bus.name, "is not there", "bus.declare"]);
    bus.make_queue(&bus.queue(), "classic").await;
    says(&said(&bus.settings("")).await, &[&bus.queue(), "other arguments", "x-queue-type"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topology_of_the_operator_is_used_as_it_is() {
    let Some(direct) = url("a_topology_of_the_operator_is_used_as_it_is") else { return };
    let bus = Bus::at(&direct).await;
    bus.prepare().await;
    let limited = but(&direct, |url| {
        url.set_username("limited").unwrap();
        url.set_password(Some("limited")).unwrap();
    });
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings_at(&limited, "declare = false")).await;
    bus.ask(&request("r", &["unknown"])).await;
    events.until_complete("r").await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_its_broker_serves_and_says_so() {
    let service = Service::with("[bus]\nurl = \"amqp://127.0.0.1:1\"").await;
    assert_eq!(service.post("/requests", &request("r", &["unknown"])).await.status, 202);
    let ready = reqwest::get(format!("http://{}/readyz", service.app.ops)).await.unwrap();
    assert_eq!(ready.status(), 200);
    let body: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(body["dependencies"]["bus"], json!("down"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_broker_is_believed_and_believes_by_certificates() {
    if url("an_encrypted_broker_is_believed_and_believes_by_certificates").is_none() {
        return;
    }
    let node = Node::start();
    let files = ["ca.pem", "client.pem", "client.key"].map(|name| node.certificate(name));
    let [Some(ca), Some(cert), Some(key)] = files else {
        return eprintln!("skipped, openssl is not installed: certificates");
    };
    let bus = Bus::at(&node.url).await.kept();
    let trusting = format!("ca_file = {ca:?}");
    let known = format!("{trusting}\nclient_cert = {cert:?}\nclient_key = {key:?}");
    let mut events = bus.listen("#").await;
    let service = Service::with(&bus.settings_at(&node.encrypted(), &known)).await;
    service.post("/requests", &request("r", &["unknown"])).await;
    events.until_complete("r").await;
    service.stop().await;
    for (settings, word) in [("", "bus.ca_file"), (trusting.as_str(), "bus.client_cert")] {
        says(&said(&bus.settings_at(&node.encrypted(), settings)).await, &["localhost:", word]);
    }
}

/// A place that shows a certificate and speaks TLS, if no AMQP.
fn showing(certificate: &str, key: &str) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = |name: &str| format!("{}/tests/data/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let chain = CertificateDer::pem_file_iter(file(certificate)).unwrap().map(|found| found.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_file(file(key)).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut talk = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        while talk.complete_io(&mut stream).is_ok_and(|(read, written)| read + written > 0) {}
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_has_expired_is_named_with_its_end() {
    let (ca, port) =
        (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/authority.pem"), showing("expired.pem", "expired.key"));
    let said = said(&format!("[bus]\nurl = \"amqps://scomo:hunter2@localhost:{port}\"\nca_file = {ca:?}")).await;
    says(
        &said,
        &["certificate of the broker", &format!("localhost:{port}"), "expired at 2020-01-01T00:00:00Z", "renew"],
    );
}

#[tokio::test]
async fn files_that_are_not_there_are_named_with_their_setting() {
    for (line, key) in [
        ("ca_file = \"/nowhere/ca.pem\"", "bus.ca_file"),
        ("client_cert = \"/nowhere/c.pem\"\nclient_key = \"/nowhere/k.pem\"", "bus.client_cert"),
        ("client_key = \"/nowhere/k.pem\"", "bus.client_cert"),
    ] {
        let said = said(&format!("[bus]\nurl = \"amqps://127.0.0.1\"\n{line}")).await;
        says(&said, &[key]);
    }
    assert!(matches!(Error::HalfIdentity.to_string().as_str(), text if text.contains("both or none")));
}
