//! Round after round, and what came of them.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use scomo::{
    infra::{
        store::Keys,
        system::{SystemClock, SystemMint},
    },
    model::clock::{Clock as _, Mint as _},
    sim::{self, Admin, Fleet, Profile},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    door::Door,
    inject::Stage,
    judge::{Verdict, judge},
    outside::Outside,
    parts::Parts,
    plan::{self, Request, Round},
    proof,
    replica::{Common, REPLICAS, Replica},
    tables,
    watch::Watch,
};

/// How long jobs may take to end once no fault is injected any more: their deadline is before that.
const SETTLE: Duration = Duration::from_secs(100);

/// What is asked for on the command line.
struct Options {
    rounds: u64,
    first: u64,
    seed: u64,
    groups: u64,
    minutes: Option<u64>,
}

/// What came of all rounds so far.
#[derive(Default)]
struct Totals {
    rounds: u64,
    requests: usize,
    ends: BTreeMap<String, usize>,
    violations: usize,
}

pub(crate) fn main() -> ExitCode {
    let Some(options) = Options::read() else {
        eprintln!("usage: tests/faults/run --rounds N --seed S [--groups N] [--minutes M] [--first N] [--release]");
        return ExitCode::from(2);
    };
    let Some(parts) = Parts::find() else {
        eprintln!("faults: no database and no broker; start tests/faults/run, which starts them");
        return ExitCode::from(2);
    };
    proof::judge_is_strict();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let held = runtime.block_on(run(&options, parts));
    runtime.shutdown_background();
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Options {
    fn read() -> Option<Self> {
        let mut options = Self { rounds: 0, first: 1, seed: 0, groups: 10, minutes: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let number = words.next()?.parse().ok()?;
            match word.as_str() {
                "--rounds" => options.rounds = number,
                "--first" => options.first = number,
                "--groups" => options.groups = number,
                "--seed" => options.seed = number,
                "--minutes" => options.minutes = Some(number),
                _ => return None,
            }
        }
        (options.rounds > 0).then_some(options)
    }
}

async fn run(options: &Options, parts: Parts) -> bool {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = PathBuf::from(std::env::var_os("SCOMO_FAULTS_LOGS").unwrap());
    let name = SystemMint::new().token(5).replace(['-', '_'], "x");
    let door = Door::make(options.seed).await;
    let outside = Outside::begin(&parts.broker).await;
    let key = Keys::fresh();
    let mut replicas = Vec::new();
    for number in 0..REPLICAS {
        let common = Common { parts: &parts, folder: &folder, door: door.address, key: key.expose() };
        replicas.push(Replica::lay_out(number, &common).await);
    }
    join_all(replicas.iter().map(Replica::start)).await;
    door.open(replicas.iter().map(|replica| replica.device).collect());
    skipped(&parts, &replicas);
    let stage = Stage { parts, replicas, door, injected: Mutex::default() };
    let mut totals = Totals::default();
    let began = SystemClock.now();
    for number in options.first..options.first + options.rounds {
        let minutes = options.minutes.map(|minutes| Duration::from_secs(minutes * 60));
        if minutes.is_some_and(|most| SystemClock.now().since(began) > most) {
            break;
        }
        let round = Round::of(options.seed, number, &name, options.groups, stage.parts.has_disk());
        let from = SystemClock.now();
        let verdict = play(&stage, &outside, &round, options.seed).await;
        totals.add(options.seed, &round, &verdict, SystemClock.now().since(from));
    }
    totals.tell(&stage, &outside, options.seed);
    totals.violations == 0
}

fn skipped(parts: &Parts, replicas: &[Replica]) {
    if !parts.has_disk() {
        println!("no full disks: a file system of its own needs root");
    }
    if replicas.iter().any(|replica| !replica.has_clock()) {
        println!("no steps of clocks: libfaketime is not installed");
    }
}

/// Plays a round and judges it.
async fn play(stage: &Stage, outside: &Outside, round: &Round, seed: u64) -> Verdict {
    stage.door.forget();
    let watch = Arc::new(Watch::default());
    let fleet = devices(stage, round, Arc::clone(&watch), seed).await;
    let injecting = join_all(round.lanes.iter().map(|lane| stage.run(lane)));
    let asking = join_all(round.requests.iter().map(|request| ask(stage, outside, request)));
    tokio::join!(injecting, asking);
    let is_complete = || {
        let heard = outside.heard.lock().unwrap();
        round.requests.iter().all(|request| heard.is_complete(&request.id))
    };
    let began = SystemClock.now();
    while !is_complete() && SystemClock.now().since(began) < SETTLE {
        sleep(Duration::from_millis(100)).await;
    }
    // Reports that come late may still change what is told, and devices may still be busy with what was cancelled.
    let _ = timeout(Duration::from_secs(20), fleet.idle()).await;
    let left = tables::leftovers(&stage.parts.database).await;
    let mut verdict = judged(stage, outside, round, &watch).await;
    verdict.violations.append(&mut outside.heard.lock().unwrap().contradictions);
    verdict.violations.extend(left);
    for replica in stage.replicas.iter().filter(|replica| replica.has_ended()) {
        verdict.violations.push(format!("the replica at {} is not there any more", replica.admin));
    }
    fleet.shutdown().await;
    verdict
}

/// Judges a round, once the last of its events, which the broker has, may have come.
async fn judged(stage: &Stage, outside: &Outside, round: &Round, watch: &Watch) -> Verdict {
    let look = || judge(round, &outside.heard.lock().unwrap(), watch, &stage.door.log());
    for _ in 0..20 {
        let verdict = look();
        if verdict.violations.is_empty() {
            return verdict;
        }
        sleep(Duration::from_millis(250)).await;
    }
    look()
}

async fn devices(stage: &Stage, round: &Round, watch: Arc<Watch>, seed: u64) -> Fleet {
    let profiles = Profile::parse(&round.profiles).unwrap_or_else(|error| panic!("{error}\n{}", round.profiles));
    let mut settings = sim::Settings::new(format!("http://{}/dm", stage.door.address), profiles);
    settings.server_id = Some("scomo".to_owned());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..16].copy_from_slice(&round.number.to_be_bytes());
    let mut mint = sim::Seeded::new(bytes);
    let fleet = Fleet::start(settings, Arc::new(SystemClock), &mut mint, watch).await.unwrap();
    let url = format!("http://{}", stage.replicas[0].admin).parse().unwrap();
    fleet.register(&Admin { url, token: None }).await.unwrap();
    fleet
}

/// Hands a request in until it is taken, and cancels it if it is to be.
async fn ask(stage: &Stage, outside: &Outside, request: &Request) {
    sleep(request.at).await;
    for _ in 0..=usize::from(request.twice) {
        if request.by_http {
            post(stage, "requests", &request.body).await;
        } else {
            outside.publish("request", &request.body).await;
        }
    }
    let Some(after) = request.cancelled else { return };
    sleep(after).await;
    if request.by_http {
        post(stage, &format!("requests/faults/{}/cancel", request.id), &json!({})).await;
    } else if accepted(outside, &request.id).await {
        let control =
            json!({ "control": "cancel", "request_id": request.id, "source": "faults", "control_id": request.id });
        outside.publish("control", &control).await;
    }
}

/// Waits until a request is told to be accepted: a control for one that is not known is refused.
async fn accepted(outside: &Outside, request: &str) -> bool {
    let is = || {
        let heard = outside.heard.lock().unwrap();
        heard.of(request).any(|told| told.event["type"] == "scomo.request.accepted")
    };
    for _ in 0..300 {
        if is() {
            return true;
        }
        sleep(Duration::from_millis(200)).await;
    }
    false
}

/// Posts to one replica after the other until one takes it.
async fn post(stage: &Stage, path: &str, body: &Value) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(8)).build().unwrap();
    for replica in stage.replicas.iter().cycle() {
        let answer = client.post(format!("http://{}/api/v1/{path}", replica.admin)).json(body).send().await;
        match answer.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => return,
            Ok(status) if status.is_client_error() => panic!("{path} was refused with {status}: {body}"),
            Ok(_) | Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}

impl Totals {
    fn add(&mut self, seed: u64, round: &Round, verdict: &Verdict, took: Duration) {
        self.rounds += 1;
        self.requests += round.requests.len();
        for (end, count) in &verdict.ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
        self.violations += verdict.violations.len();
        for violation in &verdict.violations {
            println!("VIOLATION seed {seed} round {}: {violation}", round.number);
        }
        let faults: usize = round.lanes.iter().map(Vec::len).sum();
        let (requests, number, violations) = (round.requests.len(), round.number, verdict.violations.len());
        println!(
            "round {number}, {} s: {requests} requests, {faults} faults, {:?}, {violations} violations",
            took.as_secs(),
            verdict.ends
        );
    }

    fn tell(&self, stage: &Stage, outside: &Outside, seed: u64) {
        let injected = stage.injected.lock().unwrap();
        let heard = outside.heard.lock().unwrap();
        let (told, again) = (heard.events.len(), heard.events.iter().map(|told| told.times - 1).sum::<usize>());
        let door = stage.door.done();
        println!(
            "seed {seed}: {} rounds, {} faults {:?}; device messages: {} passed, {} lost, {} answers lost, {} doubled; \
             {} requests, {} jobs {:?}; {told} events, {again} told again; {} violations",
            self.rounds,
            injected.len(),
            plan::count(&injected),
            door.passed,
            door.lost_requests,
            door.lost_answers,
            door.doubled,
            self.requests,
            self.ends.values().sum::<usize>(),
            self.ends,
            self.violations,
        );
    }
}
