//! Operations: accepted, run, and the state that they leave (SCOMO sheet 2 to 4).

use std::time::Duration;

use super::{Object, Place, objects::Uses};
use crate::sim::{
    operation::{Area, Operation},
    profile::{Consent, Download, Silence},
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
    /// How much later than others its report comes.
    pub late: Duration,
    /// The number of its Exec in the device's log.
    pub(in crate::sim) ran: u64,
    /// What it leaves, if it is never reported.
    pub(in crate::sim) silent: Option<Silence>,
    /// The Exec's, if it had one.
    pub(in crate::sim) correlator: Option<String>,
    pub(super) object: usize,
    uri: String,
    entry: String,
    x: String,
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
    /// URI of the entry that it belongs to.
    pub(in crate::sim) entry: String,
    /// URI of the object's root.
    pub(in crate::sim) root: String,
    /// Type of the alert.
    pub(in crate::sim) alert_type: String,
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
    /// The name of the node that resulted, else of the entry.
    pub(in crate::sim) node: String,
    /// Its result code; nothing: that of the whole operation.
    pub(in crate::sim) code: Option<u16>,
}

/// The answer to an Exec.
#[derive(Debug)]
pub(in crate::sim) enum Verdict {
    /// Not done.
    Refused {
        /// A DM status.
        status: Refusal,
        /// The operation, and its PkgID or component ID, if it is one.
        about: Option<(Operation, String)>,
    },
    /// Done at once: a result code.
    Done {
        /// What ran.
        operation: Operation,
        /// PkgID or component ID.
        identifier: String,
        /// What came of it.
        code: u16,
        /// What the Exec is answered with.
        status: u16,
    },
    /// 202: the result is reported later.
    Later(Work),
}

/// A result that is decided beforehand.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// The result code; nothing: what else comes of it.
    code: Option<u16>,
    keep_data: bool,
    silent: Option<Silence>,
    late: Duration,
}

impl Work {
    /// The item that reports it under its own name.
    fn item(&self, target: Option<String>) -> ReportItem {
        ReportItem { target, identifier: self.identifier.clone(), node: self.x.clone(), code: None }
    }
}

impl Object {
    /// Judges an Exec, and runs what this device answers at once.
    pub(super) fn execute(&self, uses: &mut Uses, tree: &mut Tree, path: &str, correlator: Option<&str>) -> Verdict {
        let refused = |status, about| Verdict::Refused { status, about };
        if tree.get(path).is_none() {
            return refused(404, None);
        }
        let Place::Operation { area, x, operation } = self.layout.place(path) else { return refused(405, None) };
        let entry = self.layout.entry(area, &x);
        let name = if area == Area::Deployed { "ID" } else { "PkgID" };
        let identifier = tree.text(&self.leaf(&entry, name)).to_owned();
        if !self.offers(operation) {
            return refused(405, Some((operation, identifier)));
        }
        if self.is_busy(tree, area, &x) || !self.is_ready(tree, operation, &entry) {
            return refused(403, Some((operation, identifier)));
        }
        let forced = match self.fate(uses, tree, operation, &entry, &identifier) {
            Ok(forced) => forced,
            Err(status) => return refused(status, Some((operation, identifier))),
        };
        let code = forced.and_then(|f| f.code);
        let fetches = operation.fetches() && code.is_none_or(|code| fails_after_download(operation, code));
        let work = Work {
            operation,
            identifier,
            url: fetches.then(|| tree.text(&self.leaf(&entry, "PkgURL")).trim().to_owned()),
            late: forced.map_or(Duration::ZERO, |f| f.late),
            ran: 0,
            silent: forced.and_then(|f| f.silent),
            correlator: correlator.map(str::to_owned),
            object: self.at,
            uri: tree::uri(path),
            entry,
            x,
            forced,
        };
        if self.scomo().sync.contains(&operation) {
            let report = self.end(tree, &work, None);
            let code = report.code;
            let plain = self.scomo().sync_plain && (1200..1300).contains(&code);
            let status = if plain { 200 } else { code };
            return Verdict::Done { operation, identifier: work.identifier, code, status };
        }
        let (running, _) = operation.statuses();
        self.status(tree, &work.entry, running);
        Verdict::Later(work)
    }

    /// Notes that the download of an operation has ended well: Status 40, and 50 if it installs too (SCOMO sheet 3.5).
    pub(super) fn downloaded(&self, tree: &mut Tree, work: &Work) {
        self.status(tree, &work.entry, if work.operation == Operation::Download { 40 } else { 50 });
    }

    /// Ends an operation: the tree becomes what its result says; nothing is to be told of one that is stuck or without a trace.
    pub(super) fn complete(
        &self,
        tree: &mut Tree,
        work: &Work,
        fetched: Option<Result<Received, u16>>,
    ) -> Option<Report> {
        match work.silent {
            Some(Silence::Stuck) => None,
            Some(Silence::Nothing) => {
                self.forget(tree, work);
                None
            }
            Some(Silence::Done) | None => Some(self.end(tree, work, fetched)),
        }
    }

    /// Makes an operation forgotten: its entry is as it was before.
    pub(super) fn forget(&self, tree: &mut Tree, work: &Work) {
        if tree.get(&work.entry).is_some() {
            self.status(tree, &work.entry, 10);
        }
    }

    fn end(&self, tree: &mut Tree, work: &Work, fetched: Option<Result<Received, u16>>) -> Report {
        let (stored, lost) = match fetched {
            Some(Ok(received)) => (Some(received), None),
            Some(Err(code)) => (None, Some(code)),
            None => (None, None),
        };
        let code = lost.or(work.forced.and_then(|f| f.code)).unwrap_or(1200);
        let succeeded = (1200..1300).contains(&code);
        let keep_data = work.forced.is_none_or(|f| f.keep_data);
        let plain = || vec![work.item(None)];
        let mut items = match (work.operation.area(), succeeded) {
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
        let failed = items.iter().find_map(|item| item.code);
        for item in &mut items {
            item.code.get_or_insert(code);
        }
        Report {
            code: failed.unwrap_or(code),
            source: work.uri.clone(),
            entry: tree::uri(&work.entry),
            root: tree::uri(self.layout.root()),
            alert_type: self.scomo().alert_type.clone(),
            correlator: work.correlator.clone(),
            items,
        }
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

    /// The result that is decided beforehand: one on demand, else what the user says, else what the package says of itself.
    fn fate(
        &self,
        uses: &mut Uses,
        tree: &Tree,
        operation: Operation,
        entry: &str,
        identifier: &str,
    ) -> Result<Option<Fate>, Refusal> {
        let given = |uses: &Uses, at: &usize| uses.results.get(at).copied().unwrap_or(0);
        let wanted = self.profile.result.iter().enumerate().find(|(at, forced)| {
            forced.concerns(operation, identifier) && forced.times.is_none_or(|times| given(uses, at) < times)
        });
        let mut fate = None;
        if let Some((at, forced)) = wanted {
            let count = uses.results.entry(at).or_default();
            *count = count.saturating_add(1);
            if let Some(status) = forced.refuse {
                return Err(status);
            }
            let (code, keep_data) = (forced.code, forced.keep_data);
            fate = Some(Fate { code, keep_data, silent: forced.silent, late: forced.late });
        }
        if fate.is_some_and(|fate| fate.code.is_some()) {
            return Ok(fate);
        }
        let code = match uses.consent(&self.profile) {
            Consent::Decline => 1401,
            Consent::Accept if self.is_foreign(tree, entry) => 1413,
            Consent::Accept => return Ok(fate),
        };
        let ends = |fate: Fate| Fate { code: Some(code), ..fate };
        Ok(Some(fate.map_or(Fate { code: Some(code), keep_data: true, silent: None, late: Duration::ZERO }, ends)))
    }

    /// Whether the package is made for another environment than this device's (SCOMO sheet 4.1, code 1413).
    fn is_foreign(&self, tree: &Tree, entry: &str) -> bool {
        let wanted = tree.text(&self.leaf(entry, "EnvType")).trim();
        !wanted.is_empty() && self.scomo().env_type.as_deref().is_some_and(|own| own != wanted)
    }

    fn end_download(&self, tree: &mut Tree, work: &Work, stored: Option<Received>) -> Vec<ReportItem> {
        let installed = work.operation.deploys().is_some();
        let mut items = Vec::new();
        if let Some(received) = stored.filter(|_| !installed || self.scomo().keep_package) {
            self.deliver(tree, &work.x, &work.identifier, &received.mime, Some(received.held), installed);
            if !installed {
                let target = Some(tree::uri(&self.layout.entry(Area::Delivered, &work.x)));
                items.push(work.item(target));
            }
        }
        items.extend(self.install(tree, work));
        match self.scomo().after_download {
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
            return vec![work.item(None)];
        }
        let items = self.install(tree, work);
        if self.scomo().keep_package {
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
        vec![work.item(target)]
    }

    /// Deploys the components of the operation's package, if that is what it does.
    fn install(&self, tree: &mut Tree, work: &Work) -> Vec<ReportItem> {
        let Some(active) = work.operation.deploys() else { return Vec::new() };
        let deployed = self.contents(&work.identifier).into_iter().map(|component| {
            if component.fails.is_some() {
                let node = component.id.clone();
                return ReportItem { target: None, identifier: component.id, node, code: component.fails };
            }
            let entry = self.deploy(tree, &component, &work.identifier, active);
            let node = entry.rsplit('/').next().unwrap_or_default().to_owned();
            ReportItem { target: Some(tree::uri(&entry)), identifier: component.id, node, code: None }
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
            1401 | 1411 | 1413 => 10,
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
