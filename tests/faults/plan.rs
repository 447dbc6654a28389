//! What a round is made of, decided by the seed alone: devices, requests, and faults with their times.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use scomo::sim::Operation;
use serde_json::{Value, json};

use super::{chance::Chance, replica::REPLICAS};

/// How long faults are injected in a round.
const WINDOW: Duration = Duration::from_secs(16);
/// Devices of one kind.
const GROUP: u64 = 3;
/// A round.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) number: u64,
    /// Profiles of the devices, as the simulator reads them.
    pub(crate) profiles: String,
    pub(crate) requests: Vec<Request>,
    /// Lanes of faults: those of a lane come one after the other.
    pub(crate) lanes: Vec<Vec<Planned>>,
}

/// A request, and what must be true of it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) body: Value,
    pub(crate) devices: Vec<String>,
    /// The operations of which a device runs one for it; none: it only writes or reads.
    pub(crate) runs: &'static [Operation],
    /// The device fails nothing of its own accord.
    pub(crate) honest: bool,
    /// By HTTP and not by the broker.
    pub(crate) by_http: bool,
    /// Handed in once more, unchanged.
    pub(crate) twice: bool,
    /// Cancelled so long after it was handed in.
    pub(crate) cancelled: Option<Duration>,
    /// When it is handed in, from the start of the round.
    pub(crate) at: Duration,
}

/// A fault, after a pause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    pub(crate) pause: Duration,
    pub(crate) fault: Fault,
    pub(crate) lasts: Duration,
}

/// What is done to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9` of a replica.
    Kill(usize),
    /// SIGSTOP and SIGCONT.
    Pause(usize),
    /// SIGTERM.
    Drain(usize),
    /// A replica's connections to a part.
    Cable(usize, Part, How),
    /// The machine's clock of a replica is set by so many seconds.
    Clock(usize, i32),
    /// The database ends without order; `true`: it is killed.
    Database(bool),
    /// The broker ends; `true`: it is killed.
    Broker(bool),
    /// The database's disk is full.
    Disk,
    /// Something happens to what devices send.
    Door(Door),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Database,
    Broker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Cut,
    Refuse,
    Swallow,
}

/// What happens to the messages of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// A third never comes.
    LoseRequests,
    /// A third of the answers never arrives.
    LoseAnswers,
    /// Each goes to two replicas at the same moment.
    Twice,
}

impl Fault {
    /// What it is counted as.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill(_) => "replica killed",
            Self::Pause(_) => "replica paused",
            Self::Drain(_) => "replica drained",
            Self::Cable(_, Part::Database, How::Cut) => "database connections cut",
            Self::Cable(_, Part::Database, How::Refuse) => "database connections refused",
            Self::Cable(_, Part::Database, How::Swallow) => "database connections silent",
            Self::Cable(_, Part::Broker, How::Cut) => "broker connections cut",
            Self::Cable(_, Part::Broker, How::Refuse) => "broker connections refused",
            Self::Cable(_, Part::Broker, How::Swallow) => "broker connections silent",
            Self::Clock(..) => "clock stepped",
            Self::Database(false) => "database stopped",
            Self::Database(true) => "database killed",
            Self::Broker(false) => "broker stopped",
            Self::Broker(true) => "broker killed",
            Self::Disk => "disk full",
            Self::Door(Door::LoseRequests) => "device requests lost",
            Self::Door(Door::LoseAnswers) => "device answers lost",
            Self::Door(Door::Twice) => "device messages doubled",
        }
    }
}

/// What devices are like, beside what they have; the tables come last.
const WAYS: &[(&str, &str)] = &[
    ("plain", ""),
    ("plain", ""),
    ("small", "limits = { max_msg_size = 4096 }"),
    ("slow", "delays = { operation = \"700ms\", report = \"600ms\" }"),
    ("late", "delays = { report = \"2500ms\" }"),
    ("fails", "result = [{ code = 1405 }]"),
    ("fails-once", "result = [{ code = 1406, times = 1 }]"),
    ("refuses-once", "result = [{ refuse = 503, times = 1 }]"),
    ("silent", "result = [{ silent = \"done\", times = 1 }]"),
    ("traceless", "result = [{ silent = \"nothing\", times = 1 }]"),
    ("reboots", "outage = [{ operation = \"OPERATION\", moment = \"start\", lasts = \"600ms\" }]"),
    ("unheard", "outage = [{ operation = \"OPERATION\", moment = \"exec\", lasts = \"400ms\", then = \"resume\" }]"),
    ("forgets", "outage = [{ operation = \"OPERATION\", moment = \"exec\", lasts = \"400ms\", then = \"lost\" }]"),
    ("at-once", "mix = { at_once = 1 }"),
    ("repeats", "report = { repeat = 1 }"),
    ("omits", "report = { correlator = \"omit\" }"),
    ("lossy", "faults = { loss = 0.1 }"),
];

/// Those that fail of their own accord, or leave it open.
const DISHONEST: &[&str] = &["fails", "fails-once", "refuses-once", "traceless"];

/// What is asked for: operations that a device runs for it, what it has before, and the request.
type Task = (&'static [Operation], &'static str, fn() -> Value);

const SCRIPT: &str = "org.example.hello.script";
const ACTIVE: &str = "[[device.scomo.component]]\nid = \"org.example.hello.script\"\nversion = \"1.1.0\"\npkg = \"org.example.hello@1.1.0\"\n[[device.scomo.package]]\nid = \"org.example.hello@1.1.0\"\ninstalled = true\ncontent = \"echo\"\n";
const INACTIVE: &str = "[[device.scomo.component]]\nid = \"org.example.hello.script\"\nversion = \"1.1.0\"\nactive = false\npkg = \"org.example.hello@1.1.0\"\n";
const DELIVERED: &str = "[[device.scomo.package]]\nid = \"org.example.hello@1.1.0\"\ncontent = \"echo\"\n";
const INSTALLERS: &str = r#"
[device.scomo.installer."org.example.hello@1.1.0"]
components = [{ id = "org.example.hello.script", version = "1.1.0" }]
[device.scomo.installer."org.example.settings@2.0.0"]
components = [{ id = "org.example.settings.network", version = "2.0.0" }, { id = "org.example.settings.display", version = "1.4.0" }, { id = "org.example.settings.logging", version = "1.1.0" }]
"#;

const TASKS: &[Task] = &[
    (&[Operation::Install], "", || download("org.example.settings", "install", "direct")),
    // A second attempt may find the package on the device, and installs it from there.
    (&[Operation::DownloadInstall, Operation::Install], "", || {
        download("org.example.settings", "install", "alternate")
    }),
    (&[Operation::InstallInactive], "", || download("org.example.hello", "install-inactive", "direct")),
    (&[Operation::Download], "", || download("org.example.settings", "deliver", "alternate")),
    (&[], "", || download("org.example.hello", "deliver", "direct")),
    (
        &[Operation::Install],
        DELIVERED,
        || json!({ "kind": "operation", "operation": "install", "package": { "id": "org.example.hello" } }),
    ),
    (
        &[Operation::RemovePackage],
        DELIVERED,
        || json!({ "kind": "operation", "operation": "remove", "package": { "id": "org.example.hello" } }),
    ),
    (
        &[Operation::Activate],
        INACTIVE,
        || json!({ "kind": "operation", "operation": "activate", "component": { "id": SCRIPT } }),
    ),
    (
        &[Operation::Deactivate],
        ACTIVE,
        || json!({ "kind": "operation", "operation": "deactivate", "component": { "id": SCRIPT } }),
    ),
    (
        &[Operation::RemoveComponent],
        ACTIVE,
        || json!({ "kind": "operation", "operation": "remove", "component": { "id": SCRIPT } }),
    ),
];

/// What is asked for beside it, of the same devices.
const BESIDE: &[fn() -> Value] = &[
    || json!({ "kind": "inventory" }),
    || {
        json!({ "kind": "command", "commands": [
            { "do": "get", "uri": "./DevDetail/FwV" },
            { "do": "add", "uri": "./Box" },
            { "do": "add", "uri": "./Box/Note", "format": "chr", "value": "first" },
            { "do": "get", "uri": "./Box/Note" },
        ] })
    },
];

fn download(package: &str, action: &str, delivery: &str) -> Value {
    json!({ "kind": "download", "package": { "id": package }, "action": action, "delivery": delivery })
}

impl Round {
    /// The round of a number, with so many kinds of devices. `name` keeps apart what several runs leave in one database.
    pub(crate) fn of(seed: u64, number: u64, name: &str, groups: u64, has_disk: bool) -> Self {
        let mut chance = Chance::of(seed, number);
        let mut round = Self { number, profiles: String::new(), requests: Vec::new(), lanes: Vec::new() };
        for group in 0..groups {
            round.group(&format!("{name}-{number}-{group}"), &mut chance);
        }
        round.lanes = lanes(&mut chance, has_disk);
        round
    }

    fn group(&mut self, name: &str, chance: &mut Chance) {
        let (way, keys) = *chance.pick(WAYS);
        let (runs, has, ask) = *chance.pick(TASKS);
        let operation = runs.first().map_or("Install", |operation| name_of(*operation));
        let keys = keys.replace("OPERATION", operation);
        let count = chance.between(1, GROUP);
        let id = format!("{name}-{way}");
        writeln!(
            self.profiles,
            "[[device]]\nid = \"{id}-{{n}}\"\ncount = {count}\nnetwork = {{ backoff = \"150ms\", tries = 5, report_tries = 40 }}\n{keys}\n\
             [device.auth]\nuser = \"{id}-{{n}}\"\n{has}{INSTALLERS}"
        )
        .unwrap();
        let devices: Vec<String> = (1..=count).map(|n| format!("{id}-{n}")).collect();
        let honest = !DISHONEST.contains(&way);
        self.request((&id, "main"), devices.clone(), runs, ask(), honest, chance);
        if chance.percent(40) {
            let beside = chance.pick(BESIDE);
            self.request((&id, "beside"), devices, &[], beside(), honest, chance);
        }
    }

    fn request(
        &mut self,
        (group, what): (&str, &str),
        devices: Vec<String>,
        runs: &'static [Operation],
        mut body: Value,
        honest: bool,
        chance: &mut Chance,
    ) {
        let id = format!("{group}-{what}");
        let whole = body.as_object_mut().unwrap();
        whole.insert("schema".to_owned(), json!("scomo.request/1"));
        whole.insert("request_id".to_owned(), json!(id));
        whole.insert("source".to_owned(), json!("faults"));
        whole.insert("targets".to_owned(), json!({ "devices": devices }));
        let limit = chance.below(3);
        whole.insert("retry".to_owned(), json!({ "limit": limit, "backoff": "1s" }));
        self.requests.push(Request {
            id,
            body,
            devices,
            runs,
            honest,
            by_http: chance.percent(25),
            twice: chance.percent(25),
            cancelled: chance.percent(8).then(|| chance.millis(0, 4000)),
            at: chance.millis(0, 6000),
        });
    }
}

const fn name_of(operation: Operation) -> &'static str {
    match operation {
        Operation::RemovePackage => "RemovePackage",
        Operation::RemoveComponent => "RemoveComponent",
        other => other.node(),
    }
}

fn lanes(chance: &mut Chance, has_disk: bool) -> Vec<Vec<Planned>> {
    let mut lanes: Vec<_> =
        (0..REPLICAS).map(|replica| lane(chance, 300, 1500, |chance| of_replica(replica, chance))).collect();
    lanes.push(lane(chance, 3000, 6000, |chance| of_database(chance, has_disk)));
    lanes.push(lane(chance, 300, 1500, |chance| {
        let door = *chance.pick(&[Door::LoseRequests, Door::LoseAnswers, Door::Twice]);
        (Fault::Door(door), chance.millis(500, 2000))
    }));
    if chance.percent(40) {
        let (pause, lasts) = (chance.millis(1000, 6000), chance.millis(100, 2000));
        lanes.push(vec![Planned { pause, fault: Fault::Broker(chance.percent(50)), lasts }]);
    }
    lanes
}

fn lane(
    chance: &mut Chance,
    least: u64,
    most: u64,
    mut fault: impl FnMut(&mut Chance) -> (Fault, Duration),
) -> Vec<Planned> {
    let (mut lane, mut at) = (Vec::new(), Duration::ZERO);
    loop {
        let pause = chance.millis(least, most);
        let (fault, lasts) = fault(chance);
        at += pause + lasts;
        if at > WINDOW {
            return lane;
        }
        lane.push(Planned { pause, fault, lasts });
    }
}

fn of_replica(replica: usize, chance: &mut Chance) -> (Fault, Duration) {
    let part = *chance.pick(&[Part::Database, Part::Broker]);
    match chance.below(10) {
        0 | 1 => (Fault::Kill(replica), chance.millis(0, 1500)),
        // Some outlast the leases of what it has taken.
        2 | 3 => (Fault::Pause(replica), chance.millis(300, 7000)),
        4 => (Fault::Drain(replica), chance.millis(0, 500)),
        5 => (Fault::Cable(replica, part, How::Cut), Duration::ZERO),
        6 => (Fault::Cable(replica, part, How::Refuse), chance.millis(200, 2500)),
        7 => (Fault::Cable(replica, part, How::Swallow), chance.millis(500, 6000)),
        _ => {
            let step = *chance.pick(&[-600, -30, 30, 600]);
            (Fault::Clock(replica, step), chance.millis(500, 3000))
        }
    }
}

fn of_database(chance: &mut Chance, has_disk: bool) -> (Fault, Duration) {
    match chance.below(if has_disk { 3 } else { 2 }) {
        0 => (Fault::Database(false), chance.millis(0, 1500)),
        1 => (Fault::Database(true), chance.millis(0, 1500)),
        _ => (Fault::Disk, chance.millis(500, 2000)),
    }
}

/// How often each kind of fault happens in some rounds.
pub(crate) fn count(faults: &[Fault]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for fault in faults {
        *counts.entry(fault.name()).or_default() += 1;
    }
    counts
}
