//! A device reduced to its SCOMO tree: it answers intents as a dialogue would bring them back.

use crate::{
    model::{
        device::DevDetail,
        id::Correlator,
        tree::{Answer, Branch, Instance, Intent, ObjectKind, Outcome},
    },
    scomo::{
        operation::Operation,
        outcome::{ReportItem, ResultCode},
        procedure::turn::Input,
    },
};

/// What the device does with an Exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Runs it and answers with this status.
    Sync(u16),
    /// Accepts it and reports this code later.
    Async(u16),
    /// Answers with a DM error.
    Refuse(u16),
}

pub(super) struct Device {
    /// The name of its root.
    pub(super) name: &'static str,
    pub(super) tree: Branch,
    /// A second SCOMO object beside the first.
    pub(super) second: Option<Box<Self>>,
    /// What the device answers to the bytes of a package instead of taking them.
    pub(super) bytes: Option<Outcome>,
    /// Leaves that the device writes itself: a write of them is refused with 405.
    pub(super) own: Vec<&'static str>,
    pub(super) detail: Option<DevDetail>,
    pub(super) manner: Manner,
    /// Everything asked of it, in order.
    pub(super) log: Vec<Intent>,
    /// How often an operation had its effect.
    pub(super) ran: usize,
    /// The operation under way.
    pub(super) running: Option<(Correlator, String)>,
    /// New entries below these names are refused with 405.
    pub(super) no_new: Vec<&'static str>,
    /// Operations that it answers with 1411, whatever its manner.
    pub(super) lacking: Vec<Operation>,
    /// Operation nodes that no entry has and that nobody can add.
    pub(super) without: Vec<&'static str>,
    /// Components shown with this version.
    pub(super) version: &'static str,
    /// What its user answers; without an answer it cannot ask.
    pub(super) user: Option<Answer>,
    /// What it does with a guarded operation.
    pub(super) guards: Guards,
}

/// What a device does with a question that guards an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guards {
    /// As it should.
    Well,
    /// It runs the operation although it cannot ask.
    NotAtAll,
    /// It does not know such a thing.
    Unknown,
}

impl Device {
    pub(super) fn new(manner: Manner) -> Self {
        let inventory = Branch::interior([("Delivered", empty()), ("Deployed", empty())]);
        let tree = Branch::interior([("Download", empty()), ("Inventory", inventory)]);
        let detail = Some(DevDetail { lrgobj: Some(true), ..DevDetail::default() });
        let (name, second, own, bytes) = ("./SCOMO", None, vec![], None);
        Self {
            name,
            tree,
            second,
            own,
            bytes,
            detail,
            manner,
            log: vec![],
            ran: 0,
            running: None,
            no_new: vec![],
            lacking: vec![],
            without: vec![],
            version: "2.1",
            user: None,
            guards: Guards::Well,
        }
    }

    pub(super) fn root() -> Instance {
        Instance { kind: ObjectKind::Scomo, name: "./SCOMO".to_owned() }
    }

    pub(super) fn answer(&mut self, intent: &Intent) -> Outcome {
        self.log.push(intent.clone());
        if let Some(second) = self.second.as_mut().filter(|second| asks_of(intent) == Some(second.name)) {
            return second.answer(intent);
        }
        match intent {
            Intent::Discover { .. } => {
                let names = [self.name].into_iter().chain(self.second.iter().map(|second| second.name));
                let instance = |name: &str| Instance { kind: ObjectKind::Scomo, name: name.to_owned() };
                Outcome::Found(names.map(instance).collect())
            }
            Intent::ReadSubtree { at } if at.of.kind == ObjectKind::DevDetail => match &self.detail {
                Some(detail) => Outcome::Read(Branch::interior([(
                    "LrgObj",
                    Branch::chr(format!("{:?}", detail.lrgobj == Some(true))),
                )])),
                None => Outcome::Refused { code: 405 },
            },
            Intent::ReadSubtree { at } if at.of.name != self.name => Outcome::Missing,
            Intent::ReadSubtree { at } => get(&self.tree, &at.path).cloned().map_or(Outcome::Missing, Outcome::Read),
            Intent::PutSubtree { at, .. } | Intent::Exec { at, .. } if at.of.name != self.name => {
                Outcome::Refused { code: 404 }
            }
            Intent::PutSubtree { at, content } => self.put(&at.path, content),
            Intent::PutBytes { .. } if self.bytes.is_some() => self.bytes.clone().unwrap_or(Outcome::Unknown),
            Intent::PutBytes { at, payload } => {
                let entry = parent(&at.path);
                set(&mut self.tree, &at.path, Branch::chr(payload.digest.to_string()));
                set(&mut self.tree, &format!("{entry}/State"), Branch::chr("10"));
                set(&mut self.tree, &format!("{entry}/Status"), Branch::chr("10"));
                Outcome::Written { skipped: vec![] }
            }
            Intent::Delete { at } => {
                let had = get(&self.tree, &at.path).is_some();
                remove(&mut self.tree, &at.path);
                if had { Outcome::Deleted } else { Outcome::Missing }
            }
            Intent::Exec { at, correlator } => self.exec(&at.path, correlator),
            Intent::Prompt(_) => match &self.user {
                None => Outcome::Unsupported { code: Some(406) },
                Some(answer) => Outcome::Answered(answer.clone()),
            },
            Intent::Guarded { then, .. } => match (&self.user, self.guards) {
                (_, Guards::Unknown) | (None, Guards::Well) => Outcome::Unsupported { code: Some(406) },
                (Some(Answer::Yes), _) | (None, Guards::NotAtAll) => {
                    let Intent::Exec { at, correlator } = then.as_ref() else { panic!("{then:?}") };
                    self.exec(&at.path, correlator)
                }
                (Some(other), _) => Outcome::Answered(other.clone()),
            },
            Intent::PutLeaf { .. } | Intent::MakeNode { .. } | Intent::Copy { .. } | Intent::Group { .. } => {
                panic!("nobody asks {intent:?}")
            }
        }
    }

    fn put(&mut self, path: &str, content: &Branch) -> Outcome {
        let top = path.split('/').next().unwrap();
        if self.no_new.contains(&top) && get(&self.tree, path).is_none() {
            return Outcome::Refused { code: 405 };
        }
        let mut skipped = vec![("Status".to_owned(), 405)];
        for (name, child) in content.children() {
            if self.own.iter().any(|own| own == name) {
                skipped.push((name.clone(), 405));
            } else {
                set(&mut self.tree, &format!("{path}/{name}"), child.clone());
            }
        }
        for name in &self.without {
            remove(&mut self.tree, &format!("{path}/Operations/{name}"));
        }
        set(&mut self.tree, &format!("{path}/Status"), Branch::chr("10"));
        Outcome::Written { skipped }
    }

    fn exec(&mut self, path: &str, correlator: &Correlator) -> Outcome {
        if get(&self.tree, path).is_none() {
            return Outcome::Refused { code: 404 };
        }
        assert!(self.running.is_none(), "one operation at a time");
        match self.manner_of(path) {
            Manner::Refuse(code) => Outcome::Refused { code },
            Manner::Sync(code) => {
                self.end(path, code);
                Outcome::Done { code }
            }
            Manner::Async(_) => {
                self.running = Some((correlator.clone(), path.to_owned()));
                let progressing = match top_of(path).1 {
                    "Download" => "30",
                    "Delivered" => "40",
                    _ => "50",
                };
                set(&mut self.tree, &format!("{}/Status", top_of(path).0), Branch::chr(progressing));
                Outcome::Pending
            }
        }
    }

    /// Ends the operation under way and tells the report.
    pub(super) fn report(&mut self) -> Option<Input> {
        let (correlator, path) = self.running.take()?;
        let Manner::Async(code) = self.manner_of(&path) else { return None };
        self.end(&path, code);
        let item = ReportItem { code: ResultCode::new(code), identifier: None, target: None };
        Some(Input::Report {
            correlator: Some(correlator),
            source: format!("{}/{path}", self.name),
            results: vec![item],
        })
    }

    fn manner_of(&self, path: &str) -> Manner {
        match self.manner {
            Manner::Sync(_) if self.lacking.contains(&operation_of(path)) => Manner::Sync(1411),
            Manner::Async(_) if self.lacking.contains(&operation_of(path)) => Manner::Async(1411),
            manner @ (Manner::Sync(_) | Manner::Async(_) | Manner::Refuse(_)) => manner,
        }
    }

    fn end(&mut self, path: &str, code: u16) {
        let entry = top_of(path).0.to_owned();
        let operation = operation_of(path);
        if !ResultCode::new(code).is_ok() {
            let failed = if operation == Operation::Activate { "40" } else { "20" };
            set(&mut self.tree, &format!("{entry}/Status"), Branch::chr(failed));
            return;
        }
        self.ran += 1;
        set(&mut self.tree, &format!("{entry}/Status"), Branch::chr("10"));
        self.take_effect(operation, &entry);
    }

    fn take_effect(&mut self, operation: Operation, entry: &str) {
        let pkg = get(&self.tree, &format!("{entry}/PkgID")).and_then(|b| b.text("")).unwrap_or_default().to_owned();
        match operation {
            Operation::Download => self.deliver("held", &pkg, "10"),
            Operation::DownloadInstall => self.deploy(&pkg, "20"),
            Operation::DownloadInstallInactive => self.deploy(&pkg, "10"),
            Operation::Install | Operation::InstallInactive => {
                self.deploy(&pkg, if operation == Operation::Install { "20" } else { "10" });
                set(&mut self.tree, &format!("{entry}/State"), Branch::chr("20"));
            }
            Operation::RemovePackage | Operation::RemoveComponent => remove(&mut self.tree, entry),
            Operation::Activate => set(&mut self.tree, &format!("{entry}/State"), Branch::chr("20")),
            Operation::Deactivate => set(&mut self.tree, &format!("{entry}/State"), Branch::chr("10")),
        }
    }

    pub(super) fn deliver(&mut self, node: &str, pkg_id: &str, state: &str) {
        let operations = ["Install", "InstallInactive", "Remove"].map(|o| (o, empty()));
        let entry = [
            ("PkgID", Branch::chr(pkg_id)),
            ("State", Branch::chr(state)),
            ("Status", Branch::chr("10")),
            ("Operations", Branch::interior(operations)),
        ];
        set(&mut self.tree, &format!("Inventory/Delivered/{node}"), Branch::interior(entry));
    }

    pub(super) fn deploy(&mut self, pkg_id: &str, state: &str) {
        let operations = ["Activate", "Deactive", "Remove"].map(|o| (o, empty()));
        let entry = [
            ("ID", Branch::chr("org.example.player.app")),
            ("PkgIDRef", Branch::chr(pkg_id)),
            ("Version", Branch::chr(self.version)),
            ("State", Branch::chr(state)),
            ("Status", Branch::chr("10")),
            ("Operations", Branch::interior(operations)),
        ];
        set(&mut self.tree, "Inventory/Deployed/c1", Branch::interior(entry));
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.tree.text(path)
    }

    pub(super) fn set(&mut self, path: &str, text: &str) {
        set(&mut self.tree, path, Branch::chr(text));
    }
}

/// Which root an intent is on.
fn asks_of(intent: &Intent) -> Option<&str> {
    match intent {
        Intent::ReadSubtree { at }
        | Intent::PutSubtree { at, .. }
        | Intent::PutLeaf { at, .. }
        | Intent::MakeNode { at }
        | Intent::PutBytes { at, .. }
        | Intent::Delete { at }
        | Intent::Exec { at, .. } => Some(&at.of.name),
        Intent::Discover { .. }
        | Intent::Copy { .. }
        | Intent::Prompt(_)
        | Intent::Guarded { .. }
        | Intent::Group { .. } => None,
    }
}

/// The entry of an operation node's path, and the kind of node it is.
fn top_of(path: &str) -> (&str, &str) {
    let entry = parent(parent(path));
    (entry, parent(entry).rsplit('/').next().unwrap())
}

fn operation_of(path: &str) -> Operation {
    let (kind, name) = (top_of(path).1, path.rsplit('/').next().unwrap());
    let target = |o: &&Operation| format!("{:?}", o.target()) == kind && o.is_named(name);
    *Operation::ALL.iter().find(target).unwrap()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

pub(super) fn empty() -> Branch {
    Branch::Interior(vec![])
}

/// Letter case counts, unlike in [`Branch::at`]: real devices are strict.
fn get<'a>(tree: &'a Branch, path: &str) -> Option<&'a Branch> {
    path.split('/')
        .filter(|s| !s.is_empty())
        .try_fold(tree, |here, name| here.children().iter().find(|(n, _)| n == name).map(|(_, child)| child))
}

fn set(tree: &mut Branch, path: &str, value: Branch) {
    let Some((name, below)) = path.split_once('/').or(Some((path, ""))).filter(|(n, _)| !n.is_empty()) else {
        *tree = value;
        return;
    };
    let Branch::Interior(children) = tree else { panic!("{path} is below a leaf") };
    if !children.iter().any(|(n, _)| n == name) {
        children.push((name.to_owned(), empty()));
    }
    set(&mut children.iter_mut().find(|(n, _)| n == name).unwrap().1, below, value);
}

fn remove(tree: &mut Branch, path: &str) {
    let (above, name) = path.rsplit_once('/').unwrap();
    let mut here = tree;
    for step in above.split('/') {
        let Branch::Interior(children) = here else { return };
        let Some((_, child)) = children.iter_mut().find(|(n, _)| n == step) else { return };
        here = child;
    }
    if let Branch::Interior(children) = here {
        children.retain(|(n, _)| n != name);
    }
}
