//! The SCOMO object of a profile (SCOMO sheet 1).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::sim::{
    operation::{Area, Operation},
    tree,
};

/// The SCOMO object.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own, and none depends on another")]
pub struct Scomo {
    /// URI of its root.
    pub root: String,
    /// Its Type property.
    pub r#type: String,
    /// Who makes the nodes of a new entry.
    pub children: Children,
    /// Entries of `Download` that are there from the start; if any, no others can be added.
    pub fixed: Vec<String>,
    /// The operations it offers.
    pub operations: Vec<Operation>,
    /// Operations whose result is the Status of the Exec itself.
    pub sync: Vec<Operation>,
    /// Whether their success is told by a plain 200 instead of the result code.
    pub sync_plain: bool,
    /// Other spellings of node names, e.g. `Download = "download"`.
    pub names: BTreeMap<String, String>,
    /// Other spellings of operation nodes, e.g. `Deactivate = "Deactive"`.
    pub operation_names: BTreeMap<Operation, String>,
    /// Format of an operation node: `null`, or `node` on some devices.
    pub operation_format: String,
    /// What becomes of an entry of `Download` after success.
    pub after_download: Download,
    /// Whether a package stays among the delivered after it was installed.
    pub keep_package: bool,
    /// Whether `?list=Struct` and `?list=StructData` work; else 406.
    pub struct_data: bool,
    /// Type of the report.
    pub alert_type: String,
    /// Whether there is such an object at all.
    pub present: bool,
    /// Format of State and Status: `int`, or `chr` on some devices.
    pub state_format: String,
    /// Leaves of entries that the device does not have, by their name in the specification.
    pub without: Vec<String>,
    /// Leaves of the device's own below the root, by path: value.
    pub extra: BTreeMap<String, String>,
    /// Leaves of the device's own in each entry of a list, by list and name: value.
    pub entry_extra: BTreeMap<Area, BTreeMap<String, String>>,
    /// The target environment that packages must be made for, if they name one; else result 1413.
    pub env_type: Option<String>,
    /// Packages that are there from the start.
    pub package: Vec<Package>,
    /// Components that are there from the start.
    pub component: Vec<Component>,
    /// What is in a package, by PkgID; else the PkgID itself tells, split at its last `-` into component and version.
    pub installer: BTreeMap<String, Installer>,
}

impl Default for Scomo {
    fn default() -> Self {
        Self {
            root: "./SCOMO".to_owned(),
            r#type: "urn:oma:mo:oma-scomo:1.0".to_owned(),
            children: Children::Server,
            fixed: Vec::new(),
            operations: Operation::ALL.to_vec(),
            sync: Vec::new(),
            sync_plain: false,
            names: BTreeMap::new(),
            operation_names: BTreeMap::new(),
            operation_format: "null".to_owned(),
            after_download: Download::Keep,
            keep_package: true,
            struct_data: true,
            alert_type: "urn:oma:at:scomo:1.0:OperationComplete".to_owned(),
            present: true,
            state_format: "int".to_owned(),
            without: Vec::new(),
            extra: BTreeMap::new(),
            entry_extra: BTreeMap::new(),
            env_type: None,
            package: Vec::new(),
            component: Vec::new(),
            installer: BTreeMap::new(),
        }
    }
}

/// Who makes the nodes below a new entry (SCOMO sheet 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Children {
    /// The server adds them; the device makes Status and State alone.
    Server,
    /// The device makes them with the entry; the server finds them there and replaces.
    Device,
}

/// What becomes of `Download/<X>` after success (SCOMO sheet 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Download {
    /// It stays.
    Keep,
    /// It is gone.
    Move,
}

/// A delivered package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// `PkgID`; the node's name is made of it.
    pub id: String,
    /// Whether it is installed already.
    #[serde(default)]
    pub installed: bool,
    /// The text that it consists of.
    #[serde(default)]
    pub content: String,
}

/// A deployed component.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// `ID`; the node's name is made of it.
    pub id: String,
    /// `Version`
    #[serde(default)]
    pub version: String,
    /// Whether it is active.
    #[serde(default = "yes")]
    pub active: bool,
    /// `PkgIDRef`
    #[serde(default = "unknown")]
    pub pkg: String,
}

/// What a package installs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installer {
    /// Its components.
    pub components: Vec<ComponentName>,
}

/// A component of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentName {
    /// `ID`
    pub id: String,
    /// `Version`
    #[serde(default)]
    pub version: String,
    /// It does not get installed, and its item of the report has this result code; the others' have that of the operation.
    #[serde(default)]
    pub fails: Option<u16>,
}

impl Scomo {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.sync.iter().any(|o| o.fetches()) {
            return Err(("scomo.sync", "an operation that downloads cannot answer at once".to_owned()));
        }
        if tree::path(&self.root).is_none_or(|path| path.is_empty()) {
            return Err(("scomo.root", "must be a URI below the root, e.g. `./SCOMO`".to_owned()));
        }
        let own = self.entry_extra.values().flat_map(BTreeMap::keys);
        let odd = own.chain(&self.without).any(|name| name.is_empty() || name.contains('/'));
        if odd {
            return Err(("scomo.entry_extra", "leaves of entries are single names".to_owned()));
        }
        if self.extra.keys().any(|path| tree::path(path).is_none_or(|path| path.is_empty())) {
            return Err(("scomo.extra", "must be paths below the root of the object".to_owned()));
        }
        Ok(())
    }
}

const fn yes() -> bool {
    true
}

fn unknown() -> String {
    "-1".to_owned()
}
