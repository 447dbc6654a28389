//! Holds a row's event, the device's own tree, and the bytes that the device holds against each other.

use serde_json::{Value, json};

use super::{
    script::{Ask, Row, Then},
    stage::Stage,
    told::text,
};
use crate::sim::{Deployed, Snapshot};

/// A row that was played on a device, and all that is known of it.
pub(super) struct Case<'a> {
    pub(super) stage: &'a Stage,
    pub(super) device: &'a str,
    pub(super) row: &'a Row,
    /// The data of the event that ended it.
    pub(super) event: &'a Value,
    /// The device before and after.
    pub(super) before: &'a Snapshot,
    pub(super) after: &'a Snapshot,
}

/// What does not agree, a sentence each.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<String>);

impl Faults {
    pub(super) fn expect(&mut self, what: &str, found: impl Into<String>, wanted: impl Into<String>) {
        let (found, wanted) = (found.into(), wanted.into());
        if found != wanted {
            self.0.push(format!("{what} is {found}, not {wanted}"));
        }
    }

    fn take<T>(&mut self, found: Result<T, String>) -> Option<T> {
        found.map_err(|fault| self.0.push(fault)).ok()
    }
}

impl Case<'_> {
    /// Everything in which event, tree and bytes do not agree with each other and with the row.
    pub(super) async fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        self.event(&mut faults);
        self.device(&mut faults);
        tree(&self.row.then, self.after, &mut faults);
        if let Some(held) = &self.row.holds {
            self.bytes(held, &mut faults).await;
        }
        if self.row.inventory {
            let told = faults.take(self.stage.told.inventory(self.device).await);
            if let Some(told) = told {
                inventory(&told, self.after, &mut faults);
            }
        }
        faults.0
    }

    /// What was reported.
    fn event(&self, faults: &mut Faults) {
        let told = |pointer: &str| self.event.pointer(pointer).unwrap_or(&Value::Null).to_string();
        faults.expect("the event's state", told("/state"), json!(self.row.outcome).to_string());
        faults.expect("the result code", told("/result/code"), json!(self.row.code).to_string());
        if let Some(delivery) = &self.row.delivery {
            faults.expect("the way of delivery", told("/delivery"), json!(delivery).to_string());
        }
        if let (Some(told), Some(held)) = (package(self.event), &self.row.holds) {
            faults.expect("the package that was told", told, held);
        }
        let items = self.event.pointer("/result/items").and_then(Value::as_array).into_iter().flatten();
        let items: Vec<&str> = items.filter_map(|item| text(item, "/outcome")).collect();
        faults.expect("what became of the commands", items.join(", "), self.row.items.join(", "));
    }

    /// What the device did, and why.
    fn device(&self, faults: &mut Faults) {
        let ran = self.after.operations.iter().skip(self.before.operations.len());
        let ran: Vec<&str> = ran.map(|ran| ran.operation.node()).collect();
        let is_operation = !["Data", "Get", "Command"].contains(&self.row.primitive.as_str());
        let wanted = if is_operation && self.row.runs { self.row.primitive.as_str() } else { "" };
        faults.expect("what the device ran", ran.join(", "), wanted);
        let asked = self.after.prompts.iter().skip(self.before.prompts.len()).map(|prompt| prompt.text.as_str());
        let question = self.row.question.as_deref().unwrap_or_default();
        faults.expect("what the user was asked", asked.collect::<Vec<_>>().join(", "), question);
        if let Ask::Device(_) = self.row.ask {
            let answer = self.after.asks.get(self.before.asks.len()).and_then(|asked| asked.status);
            faults.expect("the answer to the device's alert", json!(answer).to_string(), "200");
            let sent = self.stage.told.sent(self.device);
            faults.expect("the number of requests that others sent", sent.to_string(), "0");
        }
    }

    /// The bytes of a package that the device holds, or received last where it keeps none, against its manifest.
    async fn bytes(&self, held: &str, faults: &mut Faults) {
        let wanted = faults.take(digest(self.stage, held).await);
        let kept = self.after.package(held).and_then(|held| held.sha256);
        let found = kept.or_else(|| self.stage.watch.seen(self.device).received);
        let found = found.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
        if let Some(wanted) = wanted {
            faults.expect("the SHA-256 of what the device holds", found, wanted);
        }
    }
}

/// The package that an event names, as devices call it.
pub(super) fn package(event: &Value) -> Option<String> {
    Some(format!("{}@{}", text(event, "/package/id")?, text(event, "/package/version")?))
}

/// What the manifest of `<id>@<version>` says.
async fn digest(stage: &Stage, pkg_id: &str) -> Result<String, String> {
    let (id, version) = pkg_id.split_once('@').ok_or_else(|| format!("`{pkg_id}` names no version"))?;
    let manifest = stage.client.get(&["packages", id, version], &[]).await.map_err(|failure| failure.explain())?;
    text(&manifest, "/sha256").map(str::to_owned).ok_or_else(|| format!("nothing tells the SHA-256 of {pkg_id}"))
}

/// What the device's tree must say.
pub(super) fn tree(then: &Then, tree: &Snapshot, faults: &mut Faults) {
    for (id, wanted) in &then.components {
        let found =
            tree.component(id).map_or_else(|| "absent".to_owned(), |c| format!("{} {}", c.version, activity(c)));
        faults.expect(&format!("component {id}"), found, wanted);
    }
    for (id, wanted) in &then.packages {
        let found = match tree.package(id).map(|package| package.state) {
            None => "absent",
            Some(Some(10)) => "delivered",
            Some(Some(20)) => "installed",
            Some(_) => "in no known state",
        };
        faults.expect(&format!("package {id}"), found, wanted);
    }
    for (uri, wanted) in &then.leaves {
        let found = tree.lines.iter().find_map(|line| line.strip_prefix(uri)?.strip_prefix(" = "));
        faults.expect(uri, found.unwrap_or("absent"), wanted);
    }
}

/// The inventory that was told against the tree.
fn inventory(told: &Value, tree: &Snapshot, faults: &mut Faults) {
    let list = |name: &str, members: &[&str]| {
        let line = |entry: &Value| members.iter().map(|m| text(entry, m).unwrap_or("?")).collect::<Vec<_>>().join(" ");
        let mut lines: Vec<String> = told.get(name).and_then(Value::as_array).into_iter().flatten().map(line).collect();
        lines.sort();
        lines.join(", ")
    };
    let components = list("components", &["/id", "/version", "/state"]);
    let mut held: Vec<_> = tree.components.iter().map(|c| format!("{} {} {}", c.id, c.version, activity(c))).collect();
    held.sort();
    faults.expect("the components that were told", components, held.join(", "));
    let packages = list("packages", &["/id"]);
    let mut held: Vec<_> = tree.delivered.iter().map(|package| package.pkg_id.clone()).collect();
    held.sort();
    faults.expect("the packages that were told", packages, held.join(", "));
}

const fn activity(component: &Deployed) -> &'static str {
    if component.active { "active" } else { "inactive" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Delivered;

    /// A device with an active component of a package that is installed.
    fn snapshot() -> Snapshot {
        let (root, node, id) = ("./SCOMO".to_owned(), "n".to_owned(), "p.app".to_owned());
        let component = Deployed {
            root: root.clone(),
            node: node.clone(),
            id,
            version: "1.0".to_owned(),
            active: true,
            pkg_ref: "p@1.0".to_owned(),
            status: None,
        };
        let package = Delivered {
            root,
            node,
            pkg_id: "p@1.0".to_owned(),
            state: Some(20),
            status: None,
            sha256: None,
            size: None,
        };
        Snapshot {
            device: "d".to_owned(),
            behaviour: None,
            off: false,
            lines: vec!["./Box/".to_owned(), "./Box/Note = left".to_owned()],
            delivered: vec![package],
            components: vec![component],
            operations: Vec::new(),
            prompts: Vec::new(),
            asks: Vec::new(),
            posts: Vec::new(),
        }
    }

    fn faults(then: &str) -> Vec<String> {
        let mut faults = Faults::default();
        tree(&toml::from_str(then).unwrap(), &snapshot(), &mut faults);
        faults.0
    }

    #[test]
    fn a_tree_that_says_what_it_must_has_no_fault() {
        let then = "components = { \"p.app\" = \"1.0 active\", other = \"absent\" }\n\
                    packages = { \"p@1.0\" = \"installed\", \"p@2.0\" = \"absent\" }\n\
                    leaves = { \"./Box/Note\" = \"left\", \"./Box/N\" = \"absent\" }";
        assert_eq!(faults(then), [""; 0]);
    }

    #[test]
    fn each_difference_of_a_tree_is_told() {
        for (then, told) in [
            ("components = { \"p.app\" = \"1.0 inactive\" }", "component p.app is 1.0 active, not 1.0 inactive"),
            ("components = { \"p.app\" = \"absent\" }", "component p.app is 1.0 active, not absent"),
            ("components = { other = \"1.0 active\" }", "component other is absent, not 1.0 active"),
            ("packages = { \"p@1.0\" = \"delivered\" }", "package p@1.0 is installed, not delivered"),
            ("packages = { \"p@2.0\" = \"delivered\" }", "package p@2.0 is absent, not delivered"),
            ("leaves = { \"./Box/Note\" = \"right\" }", "./Box/Note is left, not right"),
        ] {
            assert_eq!(faults(then), [told]);
        }
    }

    #[test]
    fn an_inventory_must_be_the_devices_own() {
        let differ = |components: Value| {
            let mut faults = Faults::default();
            let told = json!({ "components": components, "packages": [{ "id": "p@1.0" }] });
            inventory(&told, &snapshot(), &mut faults);
            faults.0.len()
        };
        assert_eq!(differ(json!([{ "id": "p.app", "version": "1.0", "state": "active" }])), 0);
        assert_eq!(differ(json!([{ "id": "p.app", "version": "1.0", "state": "inactive" }])), 1);
        assert_eq!(differ(json!([])), 1);
    }
}
