//! What the demo plays, read from `script.toml`: flows of the SCOMO architecture (section 5.4) by clause, kinds of requests, and
//! endings. The rows of a track are played one after the other on one device, the tracks at the same time.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{model::clock::span, sim::Ask as Alert};

/// Everything that is played.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// The tracks.
    #[serde(rename = "track")]
    pub(super) tracks: Vec<Track>,
}

/// Rows for one device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Track {
    /// The device, one of `devices.toml`.
    pub(super) device: String,
    /// Its rows, in order.
    #[serde(rename = "row")]
    pub(super) rows: Vec<Row>,
}

/// One flow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Clause of the architecture, `kind:<kind of request>` or `ending:<state>`.
    pub(super) clause: String,
    /// What happens, for people.
    pub(super) title: String,
    /// What the device runs for it; `Data` where writing the bytes is all, `Get` where it is only read, `Command` for a list.
    pub(super) primitive: String,
    /// Why there is work.
    pub(super) ask: Ask,
    /// How long after it was asked for the request's deadline is.
    #[serde(default, with = "span::maybe")]
    pub(super) deadline: Option<Duration>,
    /// The state of its job in which the request is cancelled.
    pub(super) cancel: Option<String>,
    /// How it must end: the last part of the event's type.
    #[serde(default = "succeeded")]
    pub(super) outcome: String,
    /// The SCOMO result code, where the device reports one.
    pub(super) code: Option<u16>,
    /// The way that the event must name.
    pub(super) delivery: Option<String>,
    /// The outcome of each command of a list.
    #[serde(default)]
    pub(super) items: Vec<String>,
    /// Whether the primitive runs on the device; nothing else may in any case.
    #[serde(default = "yes")]
    pub(super) runs: bool,
    /// The question that the device's user was asked.
    pub(super) question: Option<String>,
    /// Whether the inventory that was told must be the device's own.
    #[serde(default)]
    pub(super) inventory: bool,
    /// The package whose bytes the device holds, or received last where it keeps none: `<id>@<version>`.
    pub(super) holds: Option<String>,
    /// What the device's own tree must say.
    #[serde(default)]
    pub(super) then: Then,
    /// The same on a device of the same kind that is asked for nothing.
    pub(super) blind: Option<Blind>,
}

/// Why there is work.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ask {
    /// This request is submitted; what is the same in all of them is added.
    Request(Map<String, Value>),
    /// The device sends this alert in a session that it opens, and nobody else asks for anything.
    Device(Alert),
}

/// What the device's own tree must say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Then {
    /// Of components, by id: `absent`, or the version and `active` or `inactive`.
    pub(super) components: BTreeMap<String, String>,
    /// Of delivered packages, by PkgID: `absent`, `delivered` or `installed`.
    pub(super) packages: BTreeMap<String, String>,
    /// Of other leaves, by URI: what stands there.
    pub(super) leaves: BTreeMap<String, String>,
}

/// The same request with `"collect": []` on another device of the same kind: what DevInfo alone leads to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Blind {
    /// The device.
    pub(super) device: String,
    /// How it must end there.
    #[serde(default = "succeeded")]
    pub(super) outcome: String,
    /// The package chosen there, where the event names one: `<id>@<version>`.
    pub(super) package: Option<String>,
    /// What that device's own tree must say.
    #[serde(default)]
    pub(super) then: Then,
}

impl Script {
    /// Reads a script.
    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

fn succeeded() -> String {
    "succeeded".to_owned()
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        cli::demo::{DEVICES, SCRIPT},
        sim::{Operation, Profile},
    };

    /// All rows that come along.
    fn rows() -> Vec<Row> {
        Script::parse(SCRIPT).unwrap().tracks.into_iter().flat_map(|track| track.rows).collect()
    }

    #[test]
    fn every_device_has_one_part() {
        let devices: BTreeSet<String> = Profile::parse(DEVICES)
            .unwrap()
            .into_iter()
            .flat_map(|p| p.numbers().map(move |n| p.id.fill(n)).collect::<Vec<_>>())
            .collect();
        let script = Script::parse(SCRIPT).unwrap();
        let blind =
            script.tracks.iter().flat_map(|t| t.rows.iter().filter_map(|row| Some(&row.blind.as_ref()?.device)));
        let played: Vec<&String> = script.tracks.iter().map(|track| &track.device).chain(blind).collect();
        assert_eq!(played.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>(), devices);
        assert_eq!(played.len(), devices.len(), "no two tracks meet on a device");
    }

    #[test]
    fn every_primitive_is_played_on_its_own() {
        let rows = rows();
        let of = |clause: &str| -> BTreeSet<String> {
            rows.iter().filter(|row| row.clause == clause).map(|row| row.primitive.clone()).collect()
        };
        let played = &of("5.4.2.1") | &of("5.4.3.1");
        for operation in Operation::ALL {
            assert!(played.contains(operation.node()), "{operation:?}");
        }
        let removed = |what: &str| {
            rows.iter().filter(|row| row.clause == "5.4.3.1" && row.primitive == "Remove").any(|row| match &row.ask {
                Ask::Request(request) => request.contains_key(what),
                Ask::Device(_) => false,
            })
        };
        assert!(removed("package") && removed("component"));
    }

    #[test]
    fn what_devices_ask_for_is_asked_for_by_them() {
        for row in rows() {
            let is_alternative = row.clause.starts_with("5.4.") && row.clause.ends_with(".2");
            assert_eq!(is_alternative, matches!(row.ask, Ask::Device(_)), "{row:?}");
            let is_informed = row.clause.starts_with("5.4.") && row.clause.ends_with(".3");
            assert_eq!(is_informed, row.blind.is_some(), "{row:?}");
        }
    }
}
