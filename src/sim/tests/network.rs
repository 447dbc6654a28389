mod odd;

use std::{
    net::SocketAddr,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::*;
use crate::{
    model::{
        clock::{Clock, Timestamp},
        digest::Digest,
        secret::Secret,
    },
    sim::{Admin, Event, Fleet, Observer, Operation, RegisterError, Seeded, Settings},
    wire::descriptor::{self, Descriptor},
};

const D: &str = "./SCOMO/Download/p1";
const DEVICE: &str = "IMEI:490154203237518";

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
}

#[derive(Default)]
struct Watch(Mutex<Vec<Event>>, tokio::sync::Notify);

impl Observer for Watch {
    fn told(&self, _device: &str, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
        self.1.notify_waiters();
    }
}

/// The same, as the fleet takes it.
fn watch_of(watch: &Arc<Watch>) -> Arc<dyn Observer> {
    Arc::<Watch>::clone(watch)
}

impl Watch {
    /// Waits until so many such things have happened.
    async fn until(&self, wanted: impl Fn(&Event) -> bool + Sync + Send, times: usize) {
        let seen = async {
            loop {
                let news = self.1.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if self.saw(&wanted) >= times {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), seen).await.unwrap();
    }

    fn saw(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| wanted(event)).count()
    }
}

/// A DM server with a script: what it says to the n-th message of a session, and everything it was sent.
#[derive(Default)]
struct Script {
    says: Vec<String>,
    /// Whether it is said in the first session alone.
    once: bool,
    heard: Mutex<Vec<Bytes>>,
    headers: Mutex<Vec<HeaderMap>>,
    address: OnceLock<SocketAddr>,
    ranges: Mutex<Vec<String>>,
    posted: Mutex<Vec<String>>,
    payload: Vec<u8>,
    mime: &'static str,
    gets: AtomicU32,
    records: Mutex<Vec<(String, serde_json::Value)>>,
}

impl Script {
    fn alerts(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let messages: Vec<Message> = heard.iter().map(|body| xml::read(body, &Limits::default()).unwrap()).collect();
        let text = |a: &Alert| a.items[0].data.as_ref().unwrap().text().unwrap().to_owned();
        let line = |a: &Alert| format!("{} {}", a.correlator.clone().unwrap(), text(a));
        messages.iter().flat_map(reports).map(line).collect()
    }
}

async fn dm(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    script.headers.lock().unwrap().push(headers);
    let message = xml::read(&body, &Limits::default()).unwrap();
    script.heard.lock().unwrap().push(body);
    let (id, session) = (message.header.msg_id.clone(), &message.header.session_id);
    let number: usize = id.parse().unwrap();
    let status = |(at, c): (usize, &Command)| {
        let cmd_ref = c.cmd_id();
        format!(
            "<Status><CmdID>{}</CmdID><MsgRef>{id}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>",
            at + 2
        )
    };
    let alerts = message.body.commands.iter().enumerate().filter(|(_, c)| c.name() == "Alert");
    let statuses = alerts.map(status).collect::<Vec<_>>().concat();
    let first = xml::read(&script.heard.lock().unwrap()[0], &Limits::default()).unwrap().header.session_id;
    let is_report = !reports(&message).is_empty() || script.once && first != *session;
    let says = script.says.get(number - 1).filter(|_| !is_report).cloned().unwrap_or_default();
    let says = says.replace("PLACE", &format!("http://{}", script.address.get().unwrap()));
    let answer = format!(
        "<SyncML><SyncHdr><SessionID>{session}</SessionID><MsgID>{id}</MsgID><Target><LocURI>{DEVICE}</LocURI></Target>\
         <Source><LocURI>http://x/dm</LocURI></Source></SyncHdr><SyncBody><Status><CmdID>1</CmdID><MsgRef>{id}</MsgRef>\
         <CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>{statuses}{says}<Final/></SyncBody></SyncML>"
    );
    ([(header::CONTENT_TYPE, xml::MIME)], answer).into_response()
}

/// The package; ranges are honoured.
async fn payload(State(script): State<Arc<Script>>, headers: HeaderMap) -> Response {
    script.gets.fetch_add(1, Ordering::SeqCst);
    let range = headers.get(header::RANGE).map(|r| r.to_str().unwrap().to_owned());
    script.ranges.lock().unwrap().extend(range.clone());
    let etag = (header::ETAG, "\"v1\"".to_owned());
    let mime = (header::CONTENT_TYPE, script.mime.to_owned());
    match range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()) {
        Some(from) => {
            assert_eq!(headers.get(header::IF_RANGE).unwrap(), "\"v1\"");
            let size = script.payload.len();
            let range = (header::CONTENT_RANGE, format!("bytes {from}-{}/{size}", size - 1));
            (StatusCode::PARTIAL_CONTENT, [etag, mime, range], script.payload[from..].to_vec()).into_response()
        }
        None => ([etag, mime], script.payload.clone()).into_response(),
    }
}

async fn describe(State(script): State<Arc<Script>>, Path(size): Path<u64>) -> Response {
    let descriptor = Descriptor {
        types: vec!["application/x-pkg".to_owned()],
        size,
        object_uri: "/payload".to_owned(),
        install_notify_uri: Some(format!("http://{}/report", script.address.get().unwrap())),
        ..Descriptor::default()
    };
    ([(header::CONTENT_TYPE, descriptor::MIME)], descriptor.write()).into_response()
}

async fn report(State(script): State<Arc<Script>>, body: String) {
    script.posted.lock().unwrap().push(body);
}

/// The admin API: the first POST of a device is taken, a second is a conflict; the token must be right.
async fn devices(State(script): State<Arc<Script>>, request: axum::http::Request<axum::body::Body>) -> Response {
    let (parts, body) = request.into_parts();
    if parts.headers.get(header::AUTHORIZATION).is_none_or(|t| t != "Bearer token") {
        return (StatusCode::UNAUTHORIZED, Json(serde_json::json!({ "code": "unauthorized" }))).into_response();
    }
    let body = axum::body::to_bytes(body, 10_000).await.unwrap();
    let mut records = script.records.lock().unwrap();
    let known = records.iter().any(|(line, _)| line.starts_with("POST"));
    records.push((format!("{} {}", parts.method, parts.uri), serde_json::from_slice(&body).unwrap()));
    if parts.method == "POST" && known { StatusCode::CONFLICT } else { StatusCode::OK }.into_response()
}

async fn serve(script: Arc<Script>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    script.address.set(address).unwrap();
    let router = Router::new()
        .route("/dm", post(dm))
        .route("/payload", get(payload))
        .route("/dd/{size}", get(describe))
        .route("/report", post(report))
        .route("/gone", get(async || StatusCode::GONE))
        .route("/api/v1/devices", any(devices))
        .route("/api/v1/devices/{id}", any(devices))
        .with_state(script);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A server with this script, a fleet of the sheet's device, and what is watched of it.
async fn stage(profile: &str, script: Script) -> (Arc<Script>, Fleet, Arc<Watch>) {
    let script = Arc::new(script);
    let address = serve(Arc::clone(&script)).await;
    let base = format!(
        "[[device]]\nid = '{DEVICE}'\nnetwork.backoff = '1ms'\nauth.server_auth = 'none'\nauth.server_secret = 'srv-pw'\n{profile}"
    );
    let mut settings = Settings::new(format!("http://{address}/dm"), Profile::parse(&base).unwrap());
    settings.webhook_key = Some(Secret::new("Jefe".to_owned()));
    let watch = Arc::new(Watch::default());
    let fleet = Fleet::start(settings, Arc::new(Stopped), &mut Seeded::new([5; 32]), watch_of(&watch)).await.unwrap();
    (script, fleet, watch)
}

/// A script that makes the device run a download operation on this path of the same server.
fn download(operation: &str, payload: &[u8], path: &str) -> Script {
    let says = [
        put("Add", 2, D, "node", ""),
        put("Add", 3, &format!("{D}/PkgID"), "chr", "net.example.player-1.7"),
        put("Add", 4, &format!("{D}/PkgURL"), "chr", &format!("PLACE{path}")),
        put("Add", 5, &format!("{D}/Operations"), "node", ""),
        put("Add", 6, &format!("{D}/Operations/{operation}"), "null", ""),
        exec(7, &format!("{D}/Operations/{operation}")),
    ];
    Script { says: vec![says.concat()], payload: payload.to_vec(), mime: "application/x-pkg", ..Script::default() }
}

/// Lets the device play the script until nothing is left to do.
async fn run(profile: &str, script: Script) -> (Arc<Script>, Fleet, Arc<Watch>) {
    let (script, fleet, watch) = stage(profile, script).await;
    fleet.device(DEVICE).unwrap().start_session();
    fleet.idle().await;
    (script, fleet, watch)
}

#[tokio::test]
async fn a_described_package_is_fetched_checked_installed_and_reported_twice() {
    let bytes = vec![7; 100_000];
    let (script, fleet, watch) = run("", download("DownloadInstall", &bytes, "/dd/100000")).await;
    let snapshot = fleet.device(DEVICE).unwrap().snapshot();
    assert_eq!(snapshot.delivered[0].sha256, Some(Digest::of(&bytes)));
    assert!(snapshot.component("net.example.player").unwrap().active);
    assert_eq!(*script.posted.lock().unwrap(), ["900 Success\r\n"]);
    assert_eq!(script.alerts(), ["job-1 <ResultCode>1200</ResultCode><Identifier>net.example.player</Identifier>"]);
    assert_eq!(watch.saw(|e| matches!(e, Event::SessionClosed { end: End::Done, .. })), 2);
    assert_eq!(
        watch.saw(|e| matches!(e, Event::Executed { operation: Operation::DownloadInstall, code: 1200, .. })),
        1
    );
    assert_eq!(watch.saw(|e| matches!(e, Event::TransferFinished { held, .. } if held.size == 100_000)), 1);
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_package_without_a_descriptor_is_the_package() {
    let (script, fleet, _) = run("", download("Download", b"hello", "/payload")).await;
    let package = fleet.device(DEVICE).unwrap().snapshot().delivered[0].clone();
    assert_eq!((package.sha256, package.state), (Some(Digest::of(b"hello")), Some(10)));
    assert!(script.alerts()[0].contains("1200") && script.posted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_broken_transfer_is_resumed_where_it_broke() {
    let bytes: Vec<u8> = (0_u32..2_000_000).flat_map(u32::to_be_bytes).collect();
    let size = bytes.len();
    let (script, fleet, _) =
        run("faults.break_transfer = 65536", download("Download", &bytes, &format!("/dd/{size}"))).await;
    assert_eq!(fleet.device(DEVICE).unwrap().snapshot().delivered[0].sha256, Some(Digest::of(&bytes)));
    assert_eq!(script.gets.load(Ordering::SeqCst), 2);
    assert!(script.ranges.lock().unwrap()[0].starts_with("bytes="));
}

#[tokio::test]
async fn what_is_not_as_described_or_not_there_is_not_kept() {
    for (url, profile, code, report) in [
        ("/dd/6", "", "1402", Some("905")),
        ("/gone", "", "1402", None),
        ("/dd/5", "limits.storage = 4", "1404", Some("901")),
        ("/payload", "limits.storage = 4", "1404", None),
        ("/dd/5", "result = [{ operation = 'DownloadInstall', code = 1405 }]", "1405", Some("952")),
    ] {
        let (script, fleet, _) = run(profile, download("DownloadInstall", b"hello", url)).await;
        assert!(script.alerts()[0].contains(code), "{url}: {:?}", script.alerts());
        assert!(fleet.device(DEVICE).unwrap().snapshot().components.is_empty());
        let posted = script.posted.lock().unwrap().clone();
        assert_eq!(posted.first().map(|p| p.split(' ').next().unwrap()), report, "{url}");
    }
}

#[tokio::test]
async fn a_lost_message_is_repeated_byte_for_byte() {
    let script = Script { says: vec![command("Get", 2, "./DevInfo/Man")], ..Script::default() };
    let (script, fleet, watch) = stage("faults.lose_response = [1]\nfaults.lose_request = [2]", script).await;
    fleet.device(DEVICE).unwrap().start_session();
    fleet.idle().await;
    let heard = script.heard.lock().unwrap();
    assert_eq!((heard.len(), heard[0] == heard[1]), (3, true));
    assert_eq!(watch.saw(|e| matches!(e, Event::SessionClosed { messages: 2, end: End::Done, .. })), 1);
}

#[tokio::test]
async fn a_server_that_is_gone_ends_the_session_and_not_the_fleet() {
    let profile =
        Profile::parse(&format!("[[device]]\nid = '{DEVICE}'\nnetwork = {{ tries = 2, backoff = '1ms' }}")).unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings::new(format!("http://{gone}/dm"), profile);
    let watch = Arc::new(Watch::default());
    let fleet = Fleet::start(settings, Arc::new(Stopped), &mut Seeded::new([5; 32]), watch_of(&watch)).await.unwrap();
    fleet.device(DEVICE).unwrap().start_session();
    fleet.idle().await;
    assert_eq!(watch.saw(|e| matches!(e, Event::SessionClosed { end: End::Lost { .. }, .. })), 1);
}

#[tokio::test]
async fn a_genuine_notification_opens_its_session_once() {
    let (script, fleet, watch) = stage("", Script::default()).await;
    let admin = Admin {
        url: format!("http://{}", script.address.get().unwrap()).parse().unwrap(),
        token: Some(Secret::new("token".into())),
    };
    fleet.register(&admin).await.unwrap();
    let record = script.records.lock().unwrap()[0].1.clone();
    let webhook = record["addresses"]["webhook"].as_str().unwrap().to_owned();
    let nonce = BASE64.decode(record["server_nonce"].as_str().unwrap()).unwrap();
    let client = reqwest::Client::new();
    let send = async |package0: Vec<u8>, key: &str, sign: bool| {
        let body = serde_json::json!({
            "schema": "scomo.notification/1", "device": DEVICE, "session_id": "A7", "expires": "2030-01-01T00:00:00Z",
            "content_type": "application/vnd.syncml.notification", "data": BASE64.encode(package0),
        });
        let body = body.to_string();
        let signature = if sign { signature(&body) } else { "sha256=00".to_owned() };
        let post = client.post(&webhook).header("Idempotency-Key", key).header("X-Scomo-Signature", signature);
        post.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(notification(0xA7, &nonce), "1", false).await, 401);
    assert_eq!(send(notification(0xA7, b"wrong"), "1", true).await, 202);
    assert_eq!(send(notification(0xA7, &nonce), "2", true).await, 202);
    fleet.idle().await;
    assert_eq!(send(notification(0xA7, &nonce), "2", true).await, 202);
    fleet.idle().await;
    let heard = script.heard.lock().unwrap();
    let first = xml::read(&heard[0], &Limits::default()).unwrap();
    assert_eq!((heard.len(), first.header.session_id.as_str()), (1, "A7"));
    assert!(matches!(&first.body.commands[0], Command::Alert(a) if a.data == "1200"));
    assert_eq!(watch.saw(|e| matches!(e, Event::NotificationIgnored { .. })), 1);
}

#[tokio::test]
async fn devices_register_and_register_again() {
    let (script, fleet, _) = stage("tags = ['lab']", Script::default()).await;
    let address = script.address.get().unwrap();
    let mut admin = Admin { url: format!("http://{address}/").parse().unwrap(), token: None };
    assert!(matches!(fleet.register(&admin).await, Err(RegisterError::Refused { status: 401, .. })));
    admin.token = Some(Secret::new("token".to_owned()));
    fleet.register(&admin).await.unwrap();
    fleet.register(&admin).await.unwrap();
    let records = script.records.lock().unwrap();
    let lines: Vec<&str> = records.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["POST /api/v1/devices", "POST /api/v1/devices", "PATCH /api/v1/devices/IMEI:490154203237518"]);
    let record = &records[0].1;
    assert_eq!((record["id"].as_str(), record["scheme"].as_str()), (Some(DEVICE), Some("md5")));
    assert_eq!((record["tags"][0].as_str(), record["server_secret"].as_str()), (Some("lab"), Some("srv-pw")));
    assert!(records[2].1.get("id").is_none());
}

#[tokio::test]
async fn a_fleet_of_hundreds_needs_no_task_for_those_that_rest() {
    let script = Arc::new(Script { says: vec![command("Get", 2, "./DevInfo/DevId")], ..Script::default() });
    let address = serve(Arc::clone(&script)).await;
    let profiles = Profile::parse("[[device]]\nid = 'sim-{n:04}'\ncount = 300\nauth.server_auth = 'none'").unwrap();
    let settings = Settings::new(format!("http://{address}/dm"), profiles);
    let fleet = Fleet::start(settings, Arc::new(Stopped), &mut Seeded::new([5; 32]), Arc::new(crate::sim::Silent))
        .await
        .unwrap();
    fleet.devices().for_each(|device| device.start_session());
    fleet.idle().await;
    assert_eq!((fleet.ids().count(), script.heard.lock().unwrap().len()), (300, 600));
    fleet.shutdown().await;
}

#[tokio::test]
async fn two_devices_with_one_id_are_refused() {
    let profiles = Profile::parse("[[device]]\nid = 'a'\n[[device]]\nid = 'a'").unwrap();
    let settings = Settings::new("http://127.0.0.1:1/dm", profiles);
    let fleet =
        Fleet::start(settings, Arc::new(Stopped), &mut Seeded::new([5; 32]), Arc::new(crate::sim::Silent)).await;
    assert!(matches!(fleet, Err(crate::sim::Error::Twice { id }) if id == "a"));
}

fn signature(body: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"Jefe").unwrap();
    mac.update(body.as_bytes());
    let hex: Vec<String> = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={}", hex.concat())
}
