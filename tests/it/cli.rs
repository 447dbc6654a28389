//! The command line, as the program that is shipped: what it prints, how it ends, what it says when it cannot.

mod clients;
mod demo;
mod local;
mod migrate;
mod serve;

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use scomo::{infra::system::SystemClock, model::clock::Clock as _};
use serde_json::Value;

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// The program with these arguments, without settings of whoever runs the tests.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scomo"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SCOMO_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Ran {
    Ran::of(program(arguments).output().unwrap())
}

/// Runs with something on standard input.
fn pipe(arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = program(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that has read enough closes its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    Ran::of(child.wait_with_output().unwrap())
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What was printed for machines: one line.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// What was printed for people, where that is JSON.
    pub(crate) fn text(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// It ended so, and said all of this.
    pub(crate) fn ended(&self, code: i32, said: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        let text = format!("{}{}", self.out, self.err);
        for words in said {
            assert!(text.contains(words), "{words:?} is missing: {self:?}");
        }
        assert!(!text.contains("panicked"), "{self:?}");
        self
    }
}

/// A program that runs beside the test; what it prints is read as it comes.
pub(crate) struct Beside {
    child: Child,
    /// Standard output and standard error.
    printed: [Arc<Mutex<Vec<String>>>; 2],
    news: mpsc::Receiver<()>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Beside {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (told, news) = mpsc::channel();
        let printed = [Arc::default(), Arc::default()];
        let readers = vec![
            follow(child.stdout.take().unwrap(), &printed[0], told.clone()),
            follow(child.stderr.take().unwrap(), &printed[1], told),
        ];
        Self { child, printed, news, readers }
    }

    /// The first line that holds these words, once it is there.
    pub(crate) fn said(&self, words: &str) -> String {
        let began = SystemClock.now();
        loop {
            let found = self
                .printed
                .iter()
                .find_map(|lines| lines.lock().unwrap().iter().find(|line| line.contains(words)).cloned());
            if let Some(line) = found {
                return line;
            }
            let waited = SystemClock.now().since(began);
            assert!(waited < Duration::from_secs(20), "{words:?} was never said: {:#?}", self.printed);
            // It may have ended: then there is no more news.
            if self.news.recv_timeout(Duration::from_millis(200)) == Err(mpsc::RecvTimeoutError::Disconnected) {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Sends it a signal.
    fn signal(&self, name: &str) {
        let asked = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status().unwrap();
        assert!(asked.success());
    }

    /// Asks it to end as a supervisor does, and waits; the code, the lines of standard output, and how long it took.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Vec<String>, Duration) {
        let began = SystemClock.now();
        self.signal("TERM");
        let code = self.child.wait().unwrap().code();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        let out = std::mem::take(&mut *self.printed[0].lock().unwrap());
        (code, out, SystemClock.now().since(began))
    }
}

fn follow(
    pipe: impl Read + Send + 'static,
    lines: &Arc<Mutex<Vec<String>>>,
    told: mpsc::Sender<()>,
) -> thread::JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
            let _ = told.send(());
        }
    })
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `scomo serve` on free ports, with its state in `folder`.
fn serve(folder: &Path, packages: &str) -> Command {
    let mut command = program(&["serve"]);
    command.env("SCOMO__DATABASE__URL", format!("sqlite://{}", folder.join("scomo.db").display()));
    command.env("SCOMO__DEPOT__URL", packages);
    command.env("SCOMO__LIMITS__DRAIN_NOTICE", "0s");
    for door in ["DEVICE", "ADMIN", "OPS"] {
        command.env(format!("SCOMO__{door}__LISTEN"), "127.0.0.1:0");
    }
    command
}
