//! The database and the broker, which the harness stops and starts with the scripts that started them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use url::Url;

use super::cable::Far;

/// PostgreSQL and RabbitMQ, as `tests/faults/run` has started them.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// The URL of the database as nobody disturbs it.
    pub(crate) database: String,
    /// The URL of the broker as nobody disturbs it.
    pub(crate) broker: String,
    postgres: PathBuf,
    rabbitmq: PathBuf,
    /// A small file system of its own that holds the database, if there is one.
    disk: Option<PathBuf>,
}

impl Parts {
    /// Finds them in the environment.
    pub(crate) fn find() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("SCOMO_FAULTS_{name}")).ok();
        Some(Self {
            database: variable("DATABASE")?,
            broker: variable("BROKER")?,
            postgres: variable("POSTGRES")?.into(),
            rabbitmq: variable("RABBITMQ")?.into(),
            disk: variable("DISK").map(PathBuf::from),
        })
    }

    /// Whether the database can be made to run out of disk.
    pub(crate) const fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    pub(crate) fn far_database(&self) -> Far {
        Far::Socket(self.postgres.join("socket/.s.PGSQL.5432"))
    }

    pub(crate) fn far_broker(&self) -> Far {
        let port = Url::parse(&self.broker).unwrap().port().unwrap();
        Far::Port(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Stops the database at once: `immediate`, or by killing it.
    pub(crate) async fn stop_database(&self, kill: bool) {
        let how = if kill { "kill" } else { "immediate" };
        self.call("postgres", &format!("postgres_halt {} {how}", quoted(&self.postgres))).await;
    }

    pub(crate) async fn start_database(&self) {
        self.call("postgres", &format!("postgres_again {}", quoted(&self.postgres))).await;
    }

    /// Stops the broker in order, or kills it.
    pub(crate) async fn stop_broker(&self, kill: bool) {
        let how = if kill { "rabbitmq_kill" } else { "rabbitmq_halt" };
        self.call("rabbitmq", &format!("{how} {}", quoted(&self.rabbitmq))).await;
    }

    pub(crate) async fn start_broker(&self) {
        self.call("rabbitmq", &format!("rabbitmq_again {}", quoted(&self.rabbitmq))).await;
    }

    /// Leaves no room on the database's disk.
    pub(crate) async fn fill_disk(&self) {
        let Some(disk) = &self.disk else { return };
        // Until nothing fits any more, however much the database writes meanwhile.
        let fill = "! dd if=/dev/zero of=\"$1/filler\" bs=1M && ! dd if=/dev/zero of=\"$1/filler\" bs=4k oflag=append conv=notrunc";
        let mut command = Command::new("bash");
        command.args(["-c", fill, "fill"]).arg(disk);
        run(command).await;
    }

    /// Gives it back; a server that has given up is started again.
    pub(crate) async fn empty_disk(&self) {
        let Some(disk) = &self.disk else { return };
        let _ = tokio::fs::remove_file(disk.join("filler")).await;
        self.start_database().await;
    }

    async fn call(&self, library: &str, call: &str) {
        let library = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lib").to_owned() + &format!("/{library}.sh");
        let mut command = Command::new("bash");
        command.args(["-c", &format!(". {} && {call}", quoted(Path::new(&library)))]);
        run(command).await;
    }
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// Runs a command that must succeed; its output goes nowhere, since what it starts keeps it open.
async fn run(mut command: Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || (command.status().unwrap(), command)).await;
    let (status, command) = ran.unwrap();
    assert!(status.success(), "{command:?}: {status}");
}
