//! Operations: accepted, run, and the state that they leave (SCOMO sheet 2 to 4).

use super::{Object, Place};
use crate::sim::{
    operation::{Area, Operation},
    profile::{Download, User},
    tree::{self, Held, Refusal, Tree},
};

/// An accepted operation that runs after the session.
#[derive(Debug, Clone)]
pub struct Work {
    /// Which operation.
    pub operation: Operation,
    /// PkgID, for the operations of a component its ID.
    pub identifier: String,
    /// What must be fetched first; nothing if the operation needs no download or is going to fail before it.
    pub url: Option<String>,
    uri: String,
    entry: String,
    x: String,
    correlator: Option<String>,
    forced: Option<Fate>,
}

/// A fetched package.
#[derive(Debug, Clone)]
pub struct Received {
    /// What is remembered of its bytes.
    pub held: Held,
    /// Its content type.
    pub mime: String,
}

/// What came of an operation, to be reported by a generic alert (SCOMO sheet 4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) struct Report {
    /// The result code.
    pub(in crate::sim) code: u16,
    /// URI of the operation node.
    pub(in crate::sim) source: String,
    /// The Exec's, if it had one.
    pub(in crate::sim) correlator: Option<String>,
    /// One for each component that resulted, at least one.
    pub(in crate::sim) items: Vec<ReportItem>,
}

/// One item of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) struct ReportItem {
    /// URI of what resulted.
    pub(in crate::sim) target: Option<String>,
    /// PkgID or component ID.
    pub(in crate::sim) identifier: String,
}

/// The answer to an Exec.
#[derive(Debug)]
pub(in crate::sim) enum Verdict {
    /// Not done: a DM status.
    Refused(Refusal),
    /// Done at once: a result code.
    Done {
        /// What ran.
        operation: Operation,
        /// PkgID or component ID.
        identifier: String,
        /// What came of it.
        code: u16,
    },
    /// 202: the result is reported later.
    Later(Work),
}

/// A result that is decided beforehand.
#[derive(Debug, Clone, Copy)]
struct Fate {
    code: u16,
    keep_data: bool,
}

impl Object {
    /// Judges an Exec, and runs what this device answers at once.
    pub(in crate::sim) fn execute(&mut self, tree: &mut Tree, path: &str, correlator: Option<&str>) -> Verdict {
        if tree.get(path).is_none() {
            return Verdict::Refused(404);
        }
        let Place::Operation { area, x, operation } = self.layout.place(path) else { return Verdict::Refused(405) };
        let entry = self.layout.entry(area, &x);
        if !self.offers(operation) {
            return Verdict::Refused(405);
        }
        if self.is_busy(tree, area, &x) || !self.is_ready(tree, operation, &entry) {
            return Verdict::Refused(403);
        }
        let name = if area == Area::Deployed { "ID" } else { "PkgID" };
        let identifier = tree.text(&self.leaf(&entry, name)).to_owned();
        let forced = match self.fate(operation, &identifier) {
            Ok(forced) => forced,
            Err(status) => return Verdict::Refused(status),
        };
        let fetches = operation.fetches() && forced.is_none_or(|f| fails_after_download(operation, f.code));
        let url = fetches.then(|| tree.text(&self.leaf(&entry, "PkgURL")).trim().to_owned());
        let correlator = correlator.map(str::to_owned);
        let work = Work { operation, identifier, url, uri: tree::uri(path), entry, x, correlator, forced };
        if self.profile.scomo.sync.contains(&operation) {
            let code = self.complete(tree, &work, None).code;
            return Verdict::Done { operation, identifier: work.identifier, code };
        }
        let (running, _) = operation.statuses();
        self.status(tree, &work.entry, running);
        Verdict::Later(work)
    }

    /// Notes that the download of an operation has ended well: Status 40, and 50 if it installs too (SCOMO sheet 3.5).
    pub(in crate::sim) fn downloaded(&self, tree: &mut Tree, work: &Work) {
        self.status(tree, &work.entry, if work.operation == Operation::Download { 40 } else { 50 });
    }

    /// Ends an operation: the tree becomes what its result says.
    pub(in crate::sim) fn complete(
        &self,
        tree: &mut Tree,
        work: &Work,
        fetched: Option<Result<Received, u16>>,
    ) -> Report {
        let (stored, lost) = match fetched {
            Some(Ok(received)) => (Some(received), None),
            Some(Err(code)) => (None, Some(code)),
            None => (None, None),
        };
        let code = lost.or(work.forced.map(|f| f.code)).unwrap_or(1200);
        let succeeded = (1200..1300).contains(&code);
        let keep_data = work.forced.is_none_or(|f| f.keep_data);
        let plain = || vec![ReportItem { target: None, identifier: work.identifier.clone() }];
        let items = match (work.operation.area(), succeeded) {
            (Area::Download, true) => self.end_download(tree, work, stored),
            (Area::Delivered, true) => self.end_delivered(tree, work),
            (Area::Deployed, true) => self.end_deployed(tree, work),
            (Area::Download, false) => {
                self.fail_download(tree, work, stored, keep_data);
                plain()
            }
            (Area::Delivered | Area::Deployed, false) => {
                self.fail(tree, work, code, keep_data);
                plain()
            }
        };
        Report { code, source: work.uri.clone(), correlator: work.correlator.clone(), items }
    }

    /// What must be set before (SCOMO sheet 2).
    fn is_ready(&self, tree: &Tree, operation: Operation, entry: &str) -> bool {
        let has = |leaf| !tree.text(&self.leaf(entry, leaf)).trim().is_empty();
        match operation.area() {
            Area::Download => has("PkgID") && has("PkgURL"),
            Area::Delivered if operation == Operation::RemovePackage => true,
            Area::Delivered => has("PkgID") && tree.held(&self.leaf(entry, "Data")).is_some(),
            Area::Deployed => has("PkgIDRef"),
        }
    }

    /// The result that the profile wants, if it wants one: a result on demand, else what the user says.
    fn fate(&mut self, operation: Operation, identifier: &str) -> Result<Option<Fate>, Refusal> {
        let wanted = self.profile.result.iter().enumerate().find(|(at, forced)| {
            forced.operation == operation
                && forced.package.as_deref().is_none_or(|package| package == identifier)
                && forced.times.is_none_or(|times| self.used.get(at).copied().unwrap_or(0) < times)
        });
        if let Some((at, forced)) = wanted {
            let used = self.used.entry(at).or_default();
            *used = used.saturating_add(1);
            let fate = |code| Fate { code, keep_data: forced.keep_data };
            return forced.refuse.map_or_else(|| Ok(forced.code.map(fate)), Err);
        }
        match self.profile.user {
            User::Decline => Ok(Some(Fate { code: 1401, keep_data: true })),
            User::Accept | User::None => Ok(None),
        }
    }

    fn end_download(&self, tree: &mut Tree, work: &Work, stored: Option<Received>) -> Vec<ReportItem> {
        let installed = work.operation.deploys().is_some();
        let mut items = Vec::new();
        if let Some(received) = stored.filter(|_| !installed || self.profile.scomo.keep_package) {
            self.deliver(tree, &work.x, &work.identifier, &received.mime, Some(received.held), installed);
            if !installed {
                let target = Some(tree::uri(&self.layout.entry(Area::Delivered, &work.x)));
                items.push(ReportItem { target, identifier: work.identifier.clone() });
            }
        }
        items.extend(self.install(tree, work));
        match self.profile.scomo.after_download {
            Download::Keep => self.status(tree, &work.entry, if installed { 10 } else { 40 }),
            Download::Move => {
                tree.remove(&work.entry);
            }
        }
        items
    }

    fn end_delivered(&self, tree: &mut Tree, work: &Work) -> Vec<ReportItem> {
        if work.operation == Operation::RemovePackage {
            tree.remove(&work.entry);
            return vec![ReportItem { target: None, identifier: work.identifier.clone() }];
        }
        let items = self.install(tree, work);
        if self.profile.scomo.keep_package {
            self.state(tree, &work.entry, 20);
            self.status(tree, &work.entry, 10);
        } else {
            tree.remove(&work.entry);
        }
        items
    }

    fn end_deployed(&self, tree: &mut Tree, work: &Work) -> Vec<ReportItem> {
        let target = match work.operation {
            Operation::RemoveComponent => {
                tree.remove(&work.entry);
                None
            }
            Operation::Activate | Operation::Deactivate => {
                self.state(tree, &work.entry, if work.operation == Operation::Activate { 20 } else { 10 });
                self.status(tree, &work.entry, 10);
                Some(tree::uri(&work.entry))
            }
            Operation::Download
            | Operation::DownloadInstall
            | Operation::DownloadInstallInactive
            | Operation::Install
            | Operation::InstallInactive
            | Operation::RemovePackage => None,
        };
        vec![ReportItem { target, identifier: work.identifier.clone() }]
    }

    /// Deploys the components of the operation's package, if that is what it does.
    fn install(&self, tree: &mut Tree, work: &Work) -> Vec<ReportItem> {
        let Some(active) = work.operation.deploys() else { return Vec::new() };
        let deployed = self.contents(&work.identifier).into_iter().map(|component| {
            let entry = self.deploy(tree, &component, &work.identifier, active);
            ReportItem { target: Some(tree::uri(&entry)), identifier: component.id }
        });
        deployed.collect()
    }

    /// Status 20 if nothing was stored, else 60 or 70 by whether the package is kept.
    fn fail_download(&self, tree: &mut Tree, work: &Work, stored: Option<Received>, keep_data: bool) {
        let status = match stored {
            None => 20,
            Some(received) if keep_data => {
                self.deliver(tree, &work.x, &work.identifier, &received.mime, Some(received.held), false);
                60
            }
            Some(_) => 70,
        };
        self.status(tree, &work.entry, status);
    }

    /// The failure's Status; 10 where nothing was begun, because the user said no or the device cannot do it.
    fn fail(&self, tree: &mut Tree, work: &Work, code: u16, keep_data: bool) {
        let (_, failed) = work.operation.statuses();
        let status = match code {
            1401 | 1411 => 10,
            _ if work.operation.deploys().is_some() && !keep_data => {
                tree.remove(&self.leaf(&work.entry, "Data"));
                60
            }
            _ => failed,
        };
        self.status(tree, &work.entry, status);
    }
}

/// Whether an operation that ends in this code has fetched its package before.
fn fails_after_download(operation: Operation, code: u16) -> bool {
    let by_installer = matches!(code, 1405..=1407 | 1412 | 1450..=1499);
    (1200..1300).contains(&code) || operation.deploys().is_some() && by_installer
}
