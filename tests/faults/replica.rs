//! Three processes of the real program, with a clock of its own for each, and cables to database and broker.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use tokio::time::{sleep, timeout};
use url::Url;

use super::{cable::Cable, parts::Parts};

/// How many there are.
pub(crate) const REPLICAS: usize = 3;
/// How long a replica may take to start or to end, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the library lies that lies about the time, on Debian and its like.
const FAKETIME: &str = "faketime/libfaketime.so.1";

/// A replica, which may or may not run.
pub(crate) struct Replica {
    pub(crate) device: SocketAddr,
    pub(crate) admin: SocketAddr,
    ops: SocketAddr,
    pub(crate) database: Cable,
    pub(crate) broker: Cable,
    name: String,
    folder: PathBuf,
    clock: Option<(PathBuf, PathBuf)>,
    child: Mutex<Option<Child>>,
}

/// What all replicas share.
pub(crate) struct Common<'a> {
    pub(crate) parts: &'a Parts,
    /// Where files are put.
    pub(crate) folder: &'a Path,
    /// Where devices reach them all.
    pub(crate) door: SocketAddr,
    pub(crate) key: &'a str,
}

impl Replica {
    /// Lays everything out for the replica of a number; it does not run yet.
    pub(crate) async fn lay_out(number: usize, common: &Common<'_>) -> Self {
        let name = format!("replica-{}", number + 1);
        let (folder, parts) = (common.folder.to_owned(), common.parts);
        let [device, admin, ops] = ports();
        let database = Cable::to(parts.far_database()).await;
        let broker = Cable::to(parts.far_broker()).await;
        let clock = library().map(|library| (library, folder.join(format!("{name}.clock"))));
        let replica = Self { device, admin, ops, database, broker, name, folder, clock, child: Mutex::default() };
        replica.set_clock(0);
        fs::write(replica.file("toml"), replica.settings(common)).unwrap();
        replica
    }

    fn settings(&self, common: &Common<'_>) -> String {
        let mut database = Url::parse(&common.parts.database).unwrap();
        database.set_query(None);
        database.set_host(Some("127.0.0.1")).unwrap();
        database.set_port(Some(self.database.address.port())).unwrap();
        let mut broker = Url::parse(&common.parts.broker).unwrap();
        broker.set_port(Some(self.broker.address.port())).unwrap();
        let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/packages");
        format!(
            "[database]\nurl = \"{database}\"\nacquire_timeout = \"2s\"\n\
             [bus]\nurl = \"{broker}\"\nheartbeat = \"3s\"\n\
             [depot]\nurl = \"{packages}\"\n\
             [device]\nlisten = \"{}\"\npublic_url = \"http://{}\"\n\
             [admin]\nlisten = \"{}\"\n\
             [ops]\nlisten = \"{}\"\n\
             [job]\ndefault_deadline = \"75s\"\n\
             [job.patience]\nanswer = \"4s\"\nagain = \"400ms\"\nsession = \"4s\"\nuser = \"4s\"\nreport = \"6s\"\nlast_look = \"10s\"\n\
             [webhook]\ntimeout = \"2s\"\n\
             [secrets]\nkeys = [\"{}\"]\n\
             [limits]\nrequest_timeout = \"6s\"\ndrain_notice = \"300ms\"\ndrain_timeout = \"2s\"\nlease = \"4s\"\n\
             [log]\nlevel = \"info\"\nformat = \"json\"\n",
            self.device, common.door, self.admin, self.ops, common.key
        )
    }

    /// Starts it, and waits until it is ready or has ended again, since the database is away; then it is tried again.
    pub(crate) async fn start(&self) {
        for _ in 0..100 {
            let child = self.command().spawn().unwrap();
            *self.child.lock().unwrap() = Some(child);
            if self.becomes_ready().await {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
        panic!("{} does not start; see {}", self.name, self.file("log").display());
    }

    fn command(&self) -> Command {
        let log = File::options().create(true).append(true).open(self.file("log")).unwrap();
        let program = std::env::var("SCOMO_FAULTS_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_scomo").to_owned());
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(self.file("toml"));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        if let Some((library, clock)) = &self.clock {
            command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", clock);
            // Only what the clock on the wall says: the time since the start cannot be set on a real machine either.
            command
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("DONT_FAKE_MONOTONIC", "1")
                .env("FAKETIME_NO_CACHE", "1");
        }
        command
    }

    async fn becomes_ready(&self) -> bool {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap();
        let ready = async {
            loop {
                if self.has_ended() {
                    return false;
                }
                let answer = client.get(format!("http://{}/readyz", self.ops)).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return true;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, ready).await.unwrap_or(false)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.child.lock().unwrap().as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Sends it a signal, as `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.lock().unwrap().as_ref().map(Child::id);
        if let Some(id) = id {
            let status = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().unwrap();
            assert!(status.success(), "{} is not there to be sent {name}", self.name);
        }
    }

    /// Waits for its end, and gives its exit code; none if it was killed or did not run.
    pub(crate) async fn ended(&self) -> Option<i32> {
        let mut child = self.child.lock().unwrap().take()?;
        let end = async {
            loop {
                if let Some(status) = child.try_wait().unwrap() {
                    return status.code();
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, end).await.unwrap_or_else(|_| panic!("{} does not end", self.name))
    }

    /// Sets its machine's clock, so many seconds from the right time.
    pub(crate) fn set_clock(&self, seconds: i32) {
        if let Some((_, file)) = &self.clock {
            // As one step: a file that is half written would be another time.
            let next = file.with_extension("next");
            fs::write(&next, format!("{seconds:+}\n")).unwrap();
            fs::rename(&next, file).unwrap();
        }
    }

    pub(crate) fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Ok(Some(child)) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn library() -> Option<PathBuf> {
    let triplet = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    ["/usr/lib64", "/usr/lib", triplet.as_str()]
        .iter()
        .map(|folder| Path::new(folder).join(FAKETIME))
        .find(|l| l.exists())
}

/// Free ports, which stay the replica's own: a port that was used is free again at once, and nobody else is given it soon.
fn ports() -> [SocketAddr; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}
