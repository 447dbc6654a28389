//! A service of a test's own: the whole app on free ports and a database file, and a client that speaks to its sockets.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{
    Method, RequestBuilder,
    header::{CONTENT_TYPE, HeaderMap},
};
use scomo::server::{
    app::App,
    config::{LoadError, Settings},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};
use tempfile::TempDir;
use url::Url;

/// Everything on free ports; a test's own settings come behind it.
const QUIET: &str = "[log]\nlevel = \"error\"\n";

/// A running service; what it made is removed with it.
pub(crate) struct Service {
    pub(crate) app: App,
    dir: TempDir,
    http: reqwest::Client,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Null if it is not JSON.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With settings of its own, as in `scomo.toml`, and the packages that ship with the project.
    pub(crate) async fn with(more: &str) -> Self {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("packages");
        Self::serving(&packages, more).await
    }

    /// With a catalogue of its own.
    pub(crate) async fn serving(packages: &Path, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let app = App::start(settings(dir.path(), packages, more)).await.unwrap();
        Self { app, dir, http: client() }
    }

    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.app.admin)
    }

    /// A call of the API; `path` as it goes out, below `/api/v1`.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v1{path}", self.admin()))
    }

    /// The URL of a path given as segments, whatever they hold.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = Url::parse(&self.admin()).unwrap();
        url.path_segments_mut().unwrap().extend(["api", "v1"]).extend(segments);
        url
    }

    /// Reads with query parameters, whatever they hold.
    pub(crate) async fn ask(&self, what: &str, query: &[(&str, &str)]) -> Answer {
        let mut url = self.url(&[what]);
        url.query_pairs_mut().extend_pairs(query);
        read(self.http.get(url)).await
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.call(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        read(self.call(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        read(self.call(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        read(self.call(Method::DELETE, path)).await
    }

    /// Asks again until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let answer = self.get(path).await;
            if wanted(&answer.body) {
                return answer.body;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{path} never became what was wanted: {}", self.get(path).await.text);
    }

    /// Runs one statement behind the service's back.
    pub(crate) async fn raw(&self, statement: &str) {
        let file = format!("sqlite://{}", self.dir.path().join("scomo.db").display());
        let mut connection = SqliteConnection::connect(&file).await.unwrap();
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }
}

/// The settings of a service in a folder of its own.
pub(crate) fn settings(folder: &Path, packages: &Path, more: &str) -> Settings {
    load(folder, packages, more).unwrap()
}

pub(crate) fn load(folder: &Path, packages: &Path, more: &str) -> Result<Settings, LoadError> {
    let (file, environment) = sources(folder, packages, more);
    Settings::load(Some(&file), &environment)
}

fn sources(folder: &Path, packages: &Path, more: &str) -> (PathBuf, BTreeMap<String, String>) {
    let file = folder.join("scomo.toml");
    fs::write(&file, format!("{QUIET}{more}")).unwrap();
    let mut environment = BTreeMap::new();
    let mut set = |name: &str, value: String| environment.insert(format!("SCOMO__{name}"), value);
    set("DATABASE__URL", format!("sqlite://{}", folder.join("scomo.db").display()));
    set("DEPOT__URL", packages.display().to_string());
    for door in ["DEVICE", "ADMIN", "OPS"] {
        if !more.contains(&format!("[{}]\nlisten", door.to_lowercase())) {
            set(&format!("{door}__LISTEN"), "127.0.0.1:0".to_owned());
        }
    }
    (file, environment)
}

/// A client that asks no proxy and follows nothing.
pub(crate) fn client() -> reqwest::Client {
    // Another test may have chosen the provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build().unwrap()
}

/// Sends and reads the whole answer.
pub(crate) async fn read(call: RequestBuilder) -> Answer {
    let answer = call.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What a refusal says: its code and each fault as `pointer code`; checks its shape on the way.
    pub(crate) fn problem(&self) -> (u16, &str, Vec<String>) {
        assert_eq!(self.header(CONTENT_TYPE.as_str()), "application/problem+json", "{self:?}");
        let text = |at: &str| self.body[at].as_str().unwrap_or_else(|| panic!("{at}: {self:?}"));
        assert_eq!(self.body["status"], self.status);
        assert_eq!(text("type"), format!("urn:scomo:problem:{}", text("code")));
        assert!(!text("title").is_empty() && !text("detail").is_empty());
        let faults = self.body["errors"].as_array().into_iter().flatten();
        let faults = faults.map(|fault| {
            assert!(!fault["detail"].as_str().unwrap().is_empty());
            format!("{} {}", fault["pointer"].as_str().unwrap(), fault["code"].as_str().unwrap())
        });
        (self.status, text("code"), faults.collect())
    }
}

/// A request for the catalogue's best on some devices.
pub(crate) fn request(id: &str, devices: &[&str]) -> Value {
    json!({ "schema": "scomo.request/1", "request_id": id, "source": "it", "kind": "download", "action": "install",
        "targets": { "devices": devices }, "package": { "id": "org.example.hello" } })
}

/// The record of a device that cannot be reached.
pub(crate) fn device(id: &str) -> Value {
    json!({ "id": id, "user": format!("user-{id}").replace(':', "-"), "secret": "pw-of-the-device",
        "server_secret": "pw-of-the-server" })
}

/// Members put in place of, or beside, those of `value`; null removes.
pub(crate) fn but(mut value: Value, members: &Value) -> Value {
    let object = value.as_object_mut().unwrap();
    for (name, member) in members.as_object().unwrap() {
        if member.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), member.clone());
        }
    }
    value
}
