//! What the device's user is asked before the job in hand does anything.

use super::desk::Desk;
use crate::{
    job::{
        life::Policy,
        procedure::{Action, IfNoUi, PackageOperation, Question as Ask},
        record::Order,
    },
    model::texts::Texts,
    scomo::procedure::errand::ComponentOperation,
};

/// The question in the user's language.
pub(super) struct Question {
    text: String,
    if_no_ui: IfNoUi,
}

impl Question {
    /// As the procedure puts it.
    pub(super) fn ask(&self, policy: &Policy) -> Ask<'_> {
        let seconds = u32::try_from(policy.user.as_secs()).unwrap_or(u32::MAX);
        Ask { text: &self.text, seconds: seconds.max(1), if_no_ui: self.if_no_ui }
    }
}

impl Desk<'_> {
    /// The question of the job in hand, if it has one: the request's text, else that of the package's manifest, else plain English.
    pub(super) fn question(&self) -> Option<Question> {
        let record = self.work.record()?;
        let confirm = record.confirm.as_ref()?;
        let language = self.known.info.lang.as_deref();
        let manifest = record.package().and_then(|package| self.flow.catalogue.get(&package));
        let of_manifest = || Texts::new(manifest.as_ref()?.user_text.clone()).ok();
        let texts = confirm.text.clone().or_else(of_manifest);
        let text = texts.map_or_else(
            || {
                let name = manifest.as_ref().map(|m| format!("{} {}", m.name, m.version));
                plain(&record.order, name)
            },
            |texts| texts.pick(language).to_owned(),
        );
        Some(Question { text, if_no_ui: confirm.if_no_ui })
    }
}

fn plain(order: &Order, name: Option<String>) -> String {
    let (doing, what) = match order {
        Order::Download { action: Action::Deliver, package, .. } => {
            ("Download", package.as_ref().map(|p| p.id.to_string()))
        }
        Order::Download { action: Action::Install | Action::InstallInactive, package, .. } => {
            ("Install", package.as_ref().map(|p| p.id.to_string()))
        }
        Order::PackageOperation { operation, package, .. } => (
            match operation {
                PackageOperation::Install | PackageOperation::InstallInactive => "Install",
                PackageOperation::Remove => "Remove",
            },
            Some(package.id.to_string()),
        ),
        Order::ComponentOperation { operation, component } => (
            match operation {
                ComponentOperation::Activate => "Activate",
                ComponentOperation::Deactivate => "Deactivate",
                ComponentOperation::Remove => "Remove",
            },
            Some(component.to_string()),
        ),
        // It has no question: requests that only collect and lists of commands take none.
        Order::Inventory | Order::Command => ("Look at", None),
    };
    format!("{doing} {}?", name.or(what).unwrap_or_else(|| "software".to_owned()))
}
