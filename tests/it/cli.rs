//! The command line, as the program that is shipped: what it prints, how it ends, what it says when it cannot.

mod clients;
mod local;
mod serve;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How a command ended, and what it printed.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// The program with these arguments, without settings of whoever runs the tests.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scomo"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SCOMO_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Ran {
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
    fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// It ended so, and said all of this.
    fn ended(&self, code: i32, said: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        let text = format!("{}{}", self.out, self.err);
        for words in said {
            assert!(text.contains(words), "{words:?} is missing: {self:?}");
        }
        assert!(!text.contains("panicked"), "{self:?}");
        self
    }
}

/// A program that runs beside the test; its standard error is read as it comes.
struct Beside {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    news: mpsc::Receiver<()>,
}

impl Beside {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (told, news) = mpsc::channel();
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
                let _ = told.send(());
            }
        });
        Self { child, log, news }
    }

    /// The first line that holds these words, once it is there.
    fn said(&self, words: &str) -> String {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(line) = self.log.lock().unwrap().iter().find(|line| line.contains(words)) {
                return line.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{words:?} was never said: {:#?}", self.log.lock().unwrap());
            // Whether it said more, has ended or is silent: look again.
            if self.news.recv_timeout(left.min(Duration::from_millis(200))).is_err() {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Asks it to end as a supervisor does, and waits; the code, standard output, and how long it took.
    fn terminate(mut self) -> (Option<i32>, String, Duration) {
        let began = Instant::now();
        let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status().unwrap();
        assert!(asked.success());
        let mut out = String::new();
        std::io::Read::read_to_string(self.child.stdout.as_mut().unwrap(), &mut out).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, out, began.elapsed())
    }
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
    for door in ["DEVICE", "ADMIN", "OPS"] {
        command.env(format!("SCOMO__{door}__LISTEN"), "127.0.0.1:0");
    }
    command
}
