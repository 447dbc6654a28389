//! A deploy while devices and requests go on: the server of an older release and this one on the same database, whose schema the new
//! one brings up to date under the old one's feet; then back again.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::header,
    response::Response,
};
use scomo::{
    infra::system::{SystemClock, SystemMint},
    sim::{Admin, Fleet, Observer, Profile, Settings as FleetSettings},
};
use serde_json::{Value, json};
use url::Url;

use crate::{
    cli::{Beside, program},
    support::{
        api::{Api, download, judge, on_component},
        database::{Database, skipped},
        watch::Watch,
    },
};

/// The server of the older release; `tests/run` builds it from the history and sets this.
const OLD: &str = "SCOMO_TEST_OLD_BINARY";
const DEVICES: usize = 6;
const PROFILE: &str = "[[device]]\nid = 'dev-{n}'\ncount = 6\nnetwork = { backoff = '10ms', tries = 8 }\n\
    scomo.component = [{ id = 'org.example.player', version = '2.1.0' }]\n\
    [device.scomo.installer.'org.example.hello@1.1.0']\ncomponents = [{ id = 'org.example.hello.script', version = '1.1.0' }]\n";

/// What stands before the servers and gives each message to the next of them.
struct Hop {
    address: SocketAddr,
    servers: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
    client: reqwest::Client,
    /// Who answered at which address.
    answered: Mutex<BTreeMap<String, BTreeSet<SocketAddr>>>,
}

impl Hop {
    async fn open() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hop = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            servers: Mutex::default(),
            turn: AtomicUsize::new(0),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            answered: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&hop));
        tokio::spawn(async move { axum::serve(listener, router).await });
        hop
    }

    fn next(&self) -> SocketAddr {
        let servers = self.servers.lock().unwrap();
        servers[self.turn.fetch_add(1, Ordering::Relaxed) % servers.len()]
    }
}

async fn pass(State(hop): State<Arc<Hop>>, request: Request) -> Response {
    let failed = || Response::builder().status(503).body(Body::empty()).unwrap();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let server = hop.next();
    let outgoing = hop.client.request(parts.method, format!("http://{server}{path}")).headers(headers).body(body);
    let Ok(answer) = outgoing.send().await else { return failed() };
    hop.answered.lock().unwrap().entry(path.to_owned()).or_default().insert(server);
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != header::TRANSFER_ENCODING) {
        response = response.header(name, value);
    }
    answer.bytes().await.map_or_else(|_| failed(), |bytes| response.body(Body::from(bytes)).unwrap())
}

/// The servers, and what stands before them.
struct Deploy {
    db: Database,
    device: Arc<Hop>,
    admin: Arc<Hop>,
}

/// A server, and where it is reached.
struct Running {
    process: Beside,
    device: SocketAddr,
    admin: SocketAddr,
}

impl Deploy {
    /// Starts a server beside those that run, and lets it serve.
    fn start(&self, binary: &str) -> Running {
        let mut command = Command::new(binary);
        for (name, _) in program(&[]).get_envs() {
            command.env_remove(name);
        }
        command.arg("serve").current_dir(env!("CARGO_MANIFEST_DIR"));
        let mut set = |name: &str, value: &str| {
            command.env(format!("SCOMO__{name}"), value);
        };
        set("DATABASE__URL", &self.db.settings.url);
        set("SECRETS__KEYS", &format!("[{:?}]", self.db.keys[0].expose()));
        set("DEPOT__URL", "packages");
        set("DEVICE__PUBLIC_URL", &format!("http://{}", self.device.address));
        for (what, span) in [("ANSWER", "5s"), ("AGAIN", "50ms"), ("SESSION", "5s"), ("REPORT", "5s")] {
            set(&format!("JOB__PATIENCE__{what}"), span);
        }
        for door in ["DEVICE", "ADMIN", "OPS"] {
            set(&format!("{door}__LISTEN"), "127.0.0.1:0");
        }
        let process = Beside::start(command);
        let ready: Value = serde_json::from_str(&process.said("\"Ready\"")).unwrap();
        let door = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        let server = Running { device: door("device"), admin: door("admin"), process };
        self.device.servers.lock().unwrap().push(server.device);
        self.admin.servers.lock().unwrap().push(server.admin);
        server
    }

    /// Sends nothing more to a server, and stops it in order.
    fn stop(&self, server: Running) {
        self.device.servers.lock().unwrap().retain(|other| *other != server.device);
        self.admin.servers.lock().unwrap().retain(|other| *other != server.admin);
        assert_eq!(server.process.terminate().0, Some(0));
    }
}

/// Waits for longer than usual: a device that comes while a table is changed is told to try again in half a minute.
async fn patiently<F: Future<Output = Option<()>>>(what: &str, mut look: impl FnMut() -> F) {
    let found = tokio::time::timeout(Duration::from_mins(3), async {
        while look().await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(found.await.is_ok(), "waited for {what} in vain");
}

/// Hands requests in, one after the other, until it is told to stop; counts those that have ended.
async fn work(api: Api, ended: Arc<AtomicUsize>, stop: Arc<AtomicUsize>) -> Vec<String> {
    let ids: Vec<String> = (1..=DEVICES).map(|n| format!("dev-{n}")).collect();
    let devices: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut requests = Vec::new();
    while stop.load(Ordering::Relaxed) == 0 {
        let round = requests.len();
        let ask = match round % 3 {
            0 => download("org.example.hello", "deliver", if round.is_multiple_of(2) { "direct" } else { "alternate" }),
            1 => on_component("deactivate", "org.example.player"),
            _ => on_component("activate", "org.example.player"),
        };
        let id = format!("round-{round}");
        api.submit(&id, &devices, ask).await;
        patiently(&format!("{id} to be complete"), async || {
            (api.get(&format!("requests/it/{id}")).await["state"] == "completed").then_some(())
        })
        .await;
        ended.fetch_add(1, Ordering::Relaxed);
        requests.push(id);
    }
    requests
}

/// Holds every event against the others: none was told twice, and each request came to its one good end.
async fn judge_all(api: &Api, requests: &[String]) {
    let (mut after, mut all) = ("0".to_owned(), BTreeSet::new());
    loop {
        let page = api.get(&format!("events?limit=1000&after={after}")).await;
        for event in page["events"].as_array().unwrap() {
            assert!(all.insert(event["id"].as_str().unwrap().to_owned()), "told twice: {event:#}");
        }
        let next = page["next"].as_str().unwrap().to_owned();
        if next == after {
            break;
        }
        after = next;
    }
    for request in requests {
        let ended = judge(&api.events(request).await);
        let good = |outcome: &str| ["succeeded", "already_done"].contains(&outcome);
        assert!(ended.counts.keys().all(|outcome| good(outcome)), "{request}: {ended:#?}");
        assert_eq!(ended.jobs.len(), DEVICES, "{request}: {ended:#?}");
        let whole = api.get(&format!("requests/it/{request}")).await;
        assert_eq!((&whole["state"], &whole["jobs"]), (&json!("completed"), &json!(DEVICES)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_server_and_this_one_serve_the_same_devices_forward_and_back() {
    let name = "an_older_server_and_this_one_serve_the_same_devices_forward_and_back";
    let (Some(db), Ok(old_binary)) = (Database::postgres().await, std::env::var(OLD)) else {
        return skipped(&format!("{name} ({OLD} is needed, too)"));
    };
    let _ = rustls::crypto::ring::default_provider().install_default(); // another test may have been first
    let new_binary = env!("CARGO_BIN_EXE_scomo");
    let deploy = Deploy { db, device: Hop::open().await, admin: Hop::open().await };
    let old = tokio::task::block_in_place(|| deploy.start(&old_binary));

    let watch = Arc::new(Watch::default());
    let observer: Arc<dyn Observer> = Arc::<Watch>::clone(&watch);
    let mut settings =
        FleetSettings::new(format!("http://{}/dm", deploy.device.address), Profile::parse(PROFILE).unwrap());
    settings.server_id = Some("scomo".to_owned());
    let fleet = Fleet::start(settings, Arc::new(SystemClock), &mut SystemMint::new(), observer).await.unwrap();
    let url = Url::parse(&format!("http://{}", deploy.admin.address)).unwrap();
    fleet.register(&Admin { url, token: None }).await.unwrap();

    let (ended, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let api = Api::at(deploy.admin.address);
    let working = tokio::spawn(work(api.clone(), Arc::clone(&ended), Arc::clone(&stop)));
    let rounds = async |more: usize| {
        let wanted = ended.load(Ordering::Relaxed) + more;
        patiently("more requests to end", async || {
            (ended.load(Ordering::Relaxed) >= wanted || working.is_finished()).then_some(())
        })
        .await;
        assert!(!working.is_finished(), "a request failed");
    };
    rounds(2).await;
    let new = tokio::task::block_in_place(|| deploy.start(new_binary));
    rounds(6).await;
    tokio::task::block_in_place(|| deploy.stop(old));
    rounds(3).await;
    // And back: the older release serves the schema that the new one has left.
    let old = tokio::task::block_in_place(|| deploy.start(&old_binary));
    rounds(3).await;
    tokio::task::block_in_place(|| deploy.stop(new));
    rounds(3).await;
    stop.store(1, Ordering::Relaxed);
    let requests = working.await.unwrap();
    fleet.idle().await;

    assert!(requests.len() >= 17, "{requests:?}");
    judge_all(&api, &requests).await;
    let hopped = deploy
        .device
        .answered
        .lock()
        .unwrap()
        .iter()
        .filter(|(path, servers)| path.len() > 3 && servers.len() > 1)
        .count();
    assert!(hopped > 0, "no session was answered by both");
    for table in ["due", "outbox"] {
        patiently("nothing to be left over", async || {
            let left = deploy.db.rows::<(i64,)>(&format!("SELECT count(*) FROM {table}")).await;
            (left == [(0,)]).then_some(())
        })
        .await;
    }
    fleet.shutdown().await;
    tokio::task::block_in_place(|| deploy.stop(old));
}
