//! Alternate download over real HTTP: files by grant with ranges, descriptors, install-notify (SCOMO sheet 7).

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use reqwest::{Method, header};
use scomo::{
    flow::delivery::Delivery,
    infra::{
        depot::{Depot, Settings},
        store::{Store, Unit, Write, grant::GrantRow},
        telemetry::Metrics,
    },
    model::{clock::Timestamp, digest::Digest},
    server::http::download,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    store::rows,
    support::{
        database::Database,
        service::{Answer, client, read},
    },
};

const FILE: &str = "player.tar.gz";
const DESCRIPTOR: &str = "<media xmlns=\"http://www.openmobilealliance.org/xmlns/dd\"/>";

/// The download door alone, on a socket, with a clock that the test moves.
struct Door {
    address: SocketAddr,
    store: Store,
    database: Database,
    bytes: Vec<u8>,
    payload: PathBuf,
    http: reqwest::Client,
    serving: JoinHandle<()>,
    _packages: TempDir,
}

impl Door {
    /// With a package of half a mebibyte and the grants `good`, `short` (one minute), `plain` (without a descriptor) and `revoked`.
    async fn open() -> Self {
        let packages = tempfile::tempdir().unwrap();
        let folder = packages.path().join("org.example.player/2.1.0");
        fs::create_dir_all(&folder).unwrap();
        let bytes: Vec<u8> = (0..524_288_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let payload = folder.join(FILE);
        fs::write(&payload, &bytes).unwrap();
        let digest = Digest::of(&bytes);
        let manifest = format!(
            "format = 1\nid = \"org.example.player\"\nversion = \"2.1.0\"\nname = \"Player\"\npayload = \"{FILE}\"\n\
             size = {}\nsha256 = \"{digest}\"\n[[components]]\nid = \"player\"\nversion = \"2.1.0\"\n",
            bytes.len()
        );
        fs::write(folder.join("manifest.toml"), manifest).unwrap();
        let depot = Depot::open(&Settings { url: packages.path().display().to_string() }).unwrap();
        assert_eq!(depot.load().await.unwrap().packages.len(), 1);

        let database = Database::sqlite();
        let store = database.open().await;
        let request = rows::request("r");
        let job = rows::job(&request, "IMEI:1");
        let mut unit =
            Unit::new("test", "test").with(Write::RequestInsert(request)).with(Write::JobInsert(job.clone()));
        let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        for token in ["good", "short", "plain", "revoked"] {
            let minutes = if token == "short" { 1 } else { 60 };
            unit.push(Write::GrantInsert(GrantRow {
                payload: digest,
                size: u64::try_from(bytes.len()).unwrap(),
                descriptor: (token != "plain").then(|| DESCRIPTOR.to_owned()),
                expires_at: now.after(Duration::from_mins(minutes)),
                revoked: token == "revoked",
                ..rows::grant(&job, token)
            }));
        }
        store.commit(unit).await.unwrap();

        let clock = Arc::clone(&database.clock);
        let routes = download::routes(Delivery::new(store.clone(), depot, clock, Metrics::default()));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(socket, routes).await.unwrap() });
        Self { address, store, database, bytes, payload, http: client(), serving, _packages: packages }
    }

    fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    async fn fetch(&self, headers: &[(header::HeaderName, &str)]) -> (u16, header::HeaderMap, Vec<u8>) {
        let call = self.call(Method::GET, &format!("/dl/good/{FILE}"));
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, *value));
        let answer = call.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, answer.bytes().await.unwrap().to_vec())
    }

    fn tag(&self) -> String {
        format!("\"{}\"", Digest::of(&self.bytes))
    }

    async fn grant(&self, token: &str) -> GrantRow {
        self.store.grant_by_token(&Digest::of(token.as_bytes())).await.unwrap().unwrap()
    }

    async fn close(self) {
        self.serving.abort();
        self.store.close().await;
    }
}

fn text<'h>(headers: &'h header::HeaderMap, name: &header::HeaderName) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_whole_file_comes_with_length_type_and_strong_tag() {
    let door = Door::open().await;
    let (status, headers, bytes) = door.fetch(&[]).await;
    assert_eq!((status, bytes == door.bytes), (200, true));
    for (name, expected) in [
        (header::CONTENT_LENGTH, "524288"),
        (header::CONTENT_TYPE, "application/gzip"),
        (header::ACCEPT_RANGES, "bytes"),
        (header::ETAG, door.tag().as_str()),
        (header::CONTENT_ENCODING, ""),
    ] {
        assert_eq!(text(&headers, &name), expected, "{name}");
    }
    let head = door.call(Method::HEAD, &format!("/dl/good/{FILE}")).send().await.unwrap();
    assert_eq!(head.status(), 200);
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::ACCEPT_RANGES, header::ETAG] {
        assert_eq!(text(head.headers(), &name), text(&headers, &name), "HEAD tells the same {name}");
    }
    assert!(head.bytes().await.unwrap().is_empty());
    door.close().await;
}

#[tokio::test]
async fn a_range_is_served_to_the_byte() {
    let door = Door::open().await;
    let size = door.bytes.len();
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-", 1000, size),
        ("bytes=262143-262145", 262_143, 262_146),
        ("bytes=524287-524287", size - 1, size),
        ("bytes=524287-99999999", size - 1, size),
        ("bytes=-1", size - 1, size),
        ("bytes=-300000", size - 300_000, size),
        ("bytes=-99999999", 0, size),
        ("BYTES=5-9", 5, 10),
    ] {
        let (status, headers, bytes) = door.fetch(&[(header::RANGE, range)]).await;
        assert_eq!(status, 206, "{range}");
        assert_eq!(text(&headers, &header::CONTENT_RANGE), format!("bytes {first}-{}/{size}", end - 1), "{range}");
        assert_eq!(text(&headers, &header::CONTENT_LENGTH), (end - first).to_string(), "{range}");
        assert_eq!(text(&headers, &header::ETAG), door.tag(), "{range}");
        assert!(bytes == door.bytes[first..end], "{range}");
    }
    door.close().await;
}

#[tokio::test]
async fn a_range_that_cannot_be_served_is_416_and_one_that_is_odd_counts_as_none() {
    let door = Door::open().await;
    for range in ["bytes=524288-", "bytes=524288-524290", "bytes=99999999-", "bytes=-0"] {
        let (status, headers, bytes) = door.fetch(&[(header::RANGE, range)]).await;
        assert_eq!((status, bytes.len()), (416, 0), "{range}");
        assert_eq!(text(&headers, &header::CONTENT_RANGE), "bytes */524288", "{range}");
    }
    for range in
        ["bytes=0-1,5-6", "bytes=9-3", "bytes=a-b", "lines=1-2", "bytes=", "bytes=-", "bytes=1-2-3", "bytes=+1-2"]
    {
        let (status, headers, bytes) = door.fetch(&[(header::RANGE, range)]).await;
        assert_eq!((status, bytes.len()), (200, door.bytes.len()), "{range}");
        assert_eq!(text(&headers, &header::CONTENT_RANGE), "", "{range}");
    }
    door.close().await;
}

#[tokio::test]
async fn a_part_of_another_file_is_not_continued() {
    let door = Door::open().await;
    let weak = format!("W/{}", door.tag());
    for (condition, expected) in [
        (door.tag().as_str(), 206),
        ("\"another\"", 200),
        (weak.as_str(), 200),
        ("Fri, 20 Nov 2026 12:00:00 GMT", 200),
        ("", 200),
    ] {
        let (status, _, bytes) = door.fetch(&[(header::RANGE, "bytes=100-"), (header::IF_RANGE, condition)]).await;
        assert_eq!(status, expected, "{condition}");
        assert_eq!(bytes.len(), if expected == 206 { door.bytes.len() - 100 } else { door.bytes.len() });
    }
    door.close().await;
}

#[tokio::test]
async fn a_range_counts_for_get_alone() {
    let door = Door::open().await;
    let head =
        door.call(Method::HEAD, &format!("/dl/good/{FILE}")).header(header::RANGE, "bytes=5-9").send().await.unwrap();
    assert_eq!((head.status().as_u16(), text(head.headers(), &header::CONTENT_LENGTH)), (200, "524288"));
    door.close().await;
}

#[tokio::test]
async fn a_grant_opens_one_file_until_it_is_over() {
    let door = Door::open().await;
    let status = async |path: String| {
        let answer = read(door.call(Method::GET, &path)).await;
        assert!(
            answer.status == 200 || answer.header("etag").is_empty() && answer.text.len() < 200,
            "{path}: {}",
            answer.text
        );
        answer.status
    };
    for (path, expected) in [
        (format!("/dl/unknown/{FILE}"), 404),
        (format!("/dl/GOOD/{FILE}"), 404),
        ("/dl/good/other.tar.gz".to_owned(), 404),
        ("/dl/good/manifest.toml".to_owned(), 404),
        ("/dl/good/..%2f2.1.0%2fplayer.tar.gz".to_owned(), 404),
        (format!("/dl//{FILE}"), 404),
        ("/dl/good".to_owned(), 404),
        ("/dd/unknown".to_owned(), 404),
        (format!("/dl/revoked/{FILE}"), 410),
        ("/dd/revoked".to_owned(), 410),
        (format!("/dl/short/{FILE}"), 200),
        ("/dd/short".to_owned(), 200),
    ] {
        assert_eq!(status(path.clone()).await, expected, "{path}");
    }
    door.database.clock.forward(Duration::from_mins(1));
    assert_eq!(status(format!("/dl/short/{FILE}")).await, 410);
    assert_eq!(status("/dd/short".to_owned()).await, 410);
    assert_eq!(status(format!("/dl/good/{FILE}")).await, 200);
    assert_eq!(read(door.call(Method::POST, &format!("/dl/good/{FILE}"))).await.status, 405);
    door.close().await;
}

#[tokio::test]
async fn a_descriptor_is_served_as_such() {
    let door = Door::open().await;
    let answer = read(door.call(Method::GET, "/dd/good")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, DESCRIPTOR));
    assert_eq!(answer.header("content-type"), "application/vnd.oma.dd+xml");
    assert_eq!(read(door.call(Method::GET, "/dd/plain")).await.status, 404, "this grant has none");
    door.close().await;
}

#[tokio::test]
async fn t_dlo_3_an_install_notify_is_noted_in_whatever_shape_devices_send_it() {
    let door = Door::open().await;
    let post = async |token: &str, body: &str| {
        let answer: Answer = read(door.call(Method::POST, &format!("/dl/{token}/notify")).body(body.to_owned())).await;
        (answer.status, answer.text)
    };
    for (body, noted) in [
        ("900 Success", "900 Success"),
        ("900 Success\r\n", "900 Success"),
        ("901 insufficient memory \n\r", "901 Insufficient memory"),
        ("902 User  Canceled", "902 User Cancelled"),
        ("  \r\n 905", "905 Attribute mismatch"),
        ("954   Loader Error", "954 Loader Error"),
        ("911 something of its own", "911 Unknown failure"),
        ("", "unreadable"),
        ("Success", "unreadable"),
        ("200 OK", "unreadable"),
        ("9000", "unreadable"),
    ] {
        assert_eq!(post("good", body).await, (200, String::new()), "{body:?}");
        let all = door.grant("good").await.notify_status.unwrap();
        assert_eq!(all.rsplit("; ").next(), Some(noted), "{body:?}");
    }
    assert_eq!(post("good", "900 Success").await, post("good", "900 Success").await, "it may come again");
    assert_eq!(post("revoked", "952 Device Aborted").await.0, 200, "also after the end");
    assert_eq!(post("unknown", "900 Success").await.0, 404);
    assert_eq!(post("good", &"9".repeat(4097)).await.0, 413);
    assert_eq!(read(door.call(Method::GET, "/dl/good/notify")).await.status, 405);
    door.close().await;
}

#[tokio::test]
async fn t_dlo_4_an_install_notify_alone_moves_no_job() {
    let door = Door::open().await;
    let jobs = async || -> Vec<(String, i64)> { door.database.rows("SELECT state, version FROM job").await };
    let before = jobs().await;
    let post = async |body: &str| read(door.call(Method::POST, "/dl/good/notify").body(body.to_owned())).await.status;
    for (body, noted) in [
        ("900 Success", vec![900]),
        ("900 Success", vec![900]),
        ("902", vec![900, 902]),
        ("902 User Cancelled\r\n", vec![900, 902]),
        ("rubbish", vec![900, 902]),
        ("900", vec![900, 902, 900]),
    ] {
        assert_eq!(post(body).await, 200, "{body:?}");
        assert_eq!(door.grant("good").await.notified(), noted, "{body:?}");
    }
    assert_eq!(jobs().await, before);
    for n in 0..40 {
        post(&(901 + n % 2).to_string()).await;
    }
    let noted = door.grant("good").await.notify_status.unwrap();
    assert!(noted.len() < 300 && noted.ends_with("902 User Cancelled"), "{noted}");
    door.close().await;
}

#[tokio::test]
async fn how_far_a_download_came_is_noted() {
    let door = Door::open().await;
    door.fetch(&[(header::RANGE, "bytes=100-199")]).await;
    for _ in 0..200 {
        if door.grant("good").await.fetched == 200 {
            return door.close().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("noted: {}", door.grant("good").await.fetched);
}

/// The digest was told to the device and is in the tag: other bytes under it would be installed as what they are not.
#[tokio::test]
async fn a_payload_that_was_changed_on_disk_is_not_served() {
    let door = Door::open().await;
    let mut other = door.bytes.clone();
    other[0] ^= 1;
    fs::write(&door.payload, &other).unwrap();
    let (status, headers, bytes) = door.fetch(&[]).await;
    assert_eq!((status, text(&headers, &header::RETRY_AFTER).is_empty(), bytes.len()), (503, false, 0));
    let (status, ..) = door.fetch(&[(header::RANGE, "bytes=1000-")]).await;
    assert_eq!(status, 503, "nor the part that is the same");
    fs::remove_file(&door.payload).unwrap();
    assert_eq!(door.fetch(&[]).await.0, 503);
    door.close().await;
}
