//! The procedures, told as sessions with a device that obeys its tree.

mod build;
mod collect;
mod consent;
mod device;
mod download;
mod held;
mod lost;
mod operate;
mod reports;
mod roots;
mod steps;

use self::device::Device;
use super::{
    Scomo,
    errand::{Action, Chosen, Collect, Errand, Mechanism, Package, Way},
    turn::{Closed, Context, Effect, Ending, Fact, Fit, Input, Need, Question, Quirks, Selected},
};
use std::collections::BTreeSet;

use crate::{
    model::{
        catalog::{Component, PackageRef},
        clock::Mint,
        digest::Digest,
        id::{ComponentId, Correlator, PackageId},
        rule::FactSource,
        tree::{Instance, Intent, Outcome, Payload},
        version::Version,
    },
    scomo::inventory::Inventory,
};

/// Counts, so that no two tokens are alike.
struct Counter(u8);

impl Mint for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        bytes.fill(self.0);
    }
}

/// When a session is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// The question never reaches the device.
    Before(usize),
    /// The device does what was asked, its answer gets lost.
    After(usize),
}

/// A device, a job's procedure, and what the driver keeps of both.
struct World {
    device: Device,
    procedure: Scomo,
    mint: Counter,
    roots: Vec<Instance>,
    inventory: Option<Inventory>,
    collect: Collect,
    fresh: BTreeSet<FactSource>,
    rootless: bool,
    way: Way,
    /// What is said of the packages that the device holds, the last first; then its first one.
    fit: Vec<Fit>,
    /// The way that selection names when the first turned out to be closed.
    other_way: Option<Way>,
    /// What selection was told to have been read, each time it was asked.
    read: Vec<BTreeSet<FactSource>>,
    selected: Option<Selected>,
    /// Selection stays undecided even when DevDetail has been read.
    never_content: bool,
    /// What selection says once a way is closed, until DevDetail has been read.
    unsure: Option<Selected>,
    lacks: Vec<crate::scomo::operation::Operation>,
    report_late: bool,
    question: Option<Question<'static>>,
    ui: Option<bool>,
    loss: Option<Loss>,
    asked: usize,
    /// After how many asks of a session it is held back.
    held_from: Option<usize>,
    /// How often it said that it is.
    held: usize,
    notes: Vec<String>,
    awaited: Option<Correlator>,
    ending: Option<Ending>,
}

impl World {
    fn new(device: Device, errand: Errand) -> Self {
        Self {
            device,
            procedure: Scomo::new(errand),
            mint: Counter(0),
            roots: vec![],
            inventory: None,
            collect: Collect::default(),
            fresh: BTreeSet::new(),
            rootless: false,
            way: Way::Direct,
            fit: vec![],
            other_way: None,
            read: vec![],
            selected: None,
            never_content: false,
            unsure: None,
            lacks: vec![],
            report_late: false,
            question: None,
            ui: None,
            loss: None,
            asked: 0,
            held_from: None,
            held: 0,
            notes: vec![],
            awaited: None,
            ending: None,
        }
    }

    /// One whole session: reports first, then the work, then its end.
    fn session(&mut self, reports: impl IntoIterator<Item = Input>) -> Option<Ending> {
        self.asked = 0;
        for report in reports {
            self.feed(report);
        }
        self.feed(Input::Started);
        self.feed(Input::SessionEnded);
        self.ending.clone()
    }

    /// Feeds an input and carries out what comes of it until the procedure wants nothing more or the session is lost.
    fn feed(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            for effect in self.advance(input) {
                assert!(self.ending.is_none(), "nothing comes after the end");
                assert!(next.is_none(), "an ask or a need is the last of its turn");
                next = self.carry_out(effect);
            }
        }
    }

    fn advance(&mut self, input: Input) -> Vec<Effect> {
        let quirks = Quirks::default();
        let cx = Context {
            roots: &self.roots,
            rootless: self.rootless,
            inventory: self.inventory.as_ref(),
            collect: &self.collect,
            fresh: &self.fresh,
            quirks: &quirks,
            lacks: &self.lacks,
            report_late: self.report_late,
            question: self.question,
            ui: self.ui,
            lang: None,
            held: self.held_from.is_some_and(|asks| self.asked >= asks),
        };
        let (procedure, effects) = self.procedure.clone().handle(input, &cx, &mut self.mint);
        let stored = serde_json::to_string(&procedure).unwrap();
        self.procedure = serde_json::from_str(&stored).unwrap();
        assert_eq!(self.procedure, procedure, "the stored value is the value");
        effects
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Ask(ask) => {
                self.asked += 1;
                if self.loss == Some(Loss::Before(self.asked)) {
                    return Some(Input::SessionEnded);
                }
                let outcome = self.device.answer(&ask.intent);
                if self.loss == Some(Loss::After(self.asked)) {
                    return Some(Input::Outcome { ask: ask.id, outcome: Outcome::Unknown });
                }
                Some(Input::Outcome { ask: ask.id, outcome })
            }
            Effect::Need(Need::Selection { read, closed }) => {
                self.read.push(read);
                Some(Input::Selected(self.selected.clone().unwrap_or_else(|| self.choose(&closed))))
            }
            Effect::Need(Need::Fit { held, read }) => {
                self.read.push(read);
                let first = || Fit::This { pkg_id: held[0].clone() };
                Some(Input::Fit(self.fit.pop().unwrap_or_else(first)))
            }
            Effect::Need(Need::Grant { .. }) => Some(Input::Granted { url: "https://dl.example/dd/g1".to_owned() }),
            Effect::Learned(fact) => {
                self.learn(fact);
                None
            }
            Effect::Note(text) | Effect::Heard(text) => {
                self.notes.push(text);
                None
            }
            Effect::AwaitReport { exec } => {
                assert_eq!(self.procedure.awaiting(), Some(&exec));
                self.awaited = Some(exec);
                None
            }
            Effect::Held => {
                self.held += 1;
                None
            }
            Effect::Finished(ending) => {
                assert!(self.procedure.is_over());
                self.ending = Some(ending);
                None
            }
        }
    }

    fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Roots(roots) => self.roots = roots,
            Fact::Detail(_) => {
                self.selected = self.selected.take().filter(|_| self.never_content);
                self.unsure = None;
            }
            Fact::Ui(able) => self.ui = Some(able),
            Fact::Lacks(operation) => self.lacks.push(operation),
            Fact::Inventory { inventory, whole: _ } => self.inventory = Some(inventory),
        }
    }

    fn choose(&self, closed: &[Closed]) -> Selected {
        if let Some(unsure) = self.unsure.clone().filter(|_| !closed.is_empty()) {
            return unsure;
        }
        match (closed, self.other_way) {
            ([], _) => Selected::Chosen(Box::new(Chosen { package: package(), way: self.way })),
            ([_, ..], Some(way)) => Selected::Chosen(Box::new(Chosen { package: package(), way })),
            ([_, ..], None) => Selected::Nothing { reasons: vec!["there is no other way".to_owned()] },
        }
    }

    fn execs(&self) -> usize {
        self.device.log.iter().filter(|intent| matches!(intent, Intent::Exec { .. } | Intent::Guarded { .. })).count()
    }
}

fn package() -> Package {
    Package {
        of: PackageRef {
            id: PackageId::parse("org.example.player").unwrap(),
            version: Version::parse("2.1.0").unwrap(),
        },
        name: "Player".to_owned(),
        description: None,
        install_params: Some("silent=1".to_owned()),
        env_type: None,
        reboot: Some("after".to_owned()),
        payload: Payload { digest: Digest::of(b"player"), size: 6, mime: "application/vnd.example.pkg".to_owned() },
        file: "player.pkg".to_owned(),
        components: vec![Component {
            id: ComponentId::parse("org.example.player.app").unwrap(),
            version: Version::parse("2.1.0").unwrap(),
        }],
    }
}

const PKG_ID: &str = "org.example.player@2.1.0";

const fn download(action: Action) -> Errand {
    Errand::Download { action }
}

const ALTERNATE: Way = Way::Alternate(Mechanism::Descriptor);
