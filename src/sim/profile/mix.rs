//! Mixes: devices of one kind of which each behaves in one of several ways, chosen from the seed.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Error, Profile};
use crate::sim::chance::Seeded;

/// The behaviour that changes nothing.
const PLAIN: &str = "plain";

/// Keys that a behaviour cannot change: they say which devices there are.
const FIXED: [&str; 4] = ["id", "count", "first", "mix"];

/// The ways in which the devices of a profile behave, with their weights.
#[derive(Debug, Clone, Default)]
pub struct Mix {
    ways: Vec<(u32, Arc<Profile>)>,
}

impl Mix {
    /// The way in which this device behaves; nothing if there is no choice.
    #[must_use]
    pub fn pick(&self, seed: &[u8; 32], id: &str) -> Option<&Arc<Profile>> {
        let total = self.ways.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut left = Seeded::branch(seed, &format!("mix {id}")).below(total)?;
        self.ways.iter().find(|(weight, _)| take(&mut left, u64::from(*weight))).map(|(_, profile)| profile)
    }
}

/// Whether the number falls into the next `weight` places; if not, they are taken off it.
const fn take(left: &mut u64, weight: u64) -> bool {
    let falls = *left < weight;
    *left = left.saturating_sub(weight);
    falls
}

/// Works the mixes of a profile file out: the file's own behaviours, else those that come along.
pub(super) fn work_out(text: &str, profiles: &mut [Profile]) -> Result<(), Error> {
    if profiles.iter().all(|profile| profile.mix.is_empty()) {
        return Ok(());
    }
    let file: Behaviours = toml::from_str(text)?;
    let shipped: Behaviours = toml::from_str(include_str!("../behaviours.toml"))?;
    for (at, (profile, table)) in profiles.iter_mut().zip(&file.device).enumerate() {
        let device = at.saturating_add(1);
        for (name, weight) in profile.mix.clone() {
            let own = file.behaviour.get(&name).or_else(|| shipped.behaviour.get(&name));
            let changed = match own {
                Some(behaviour) => changed(table, &name, behaviour, device)?,
                None if name == PLAIN => changed(table, &name, &Table::new(), device)?,
                None => return Err(unknown(device, &name)),
            };
            profile.ways.ways.push((weight, Arc::new(changed)));
        }
    }
    Ok(())
}

/// The raw tables of a file.
#[derive(Deserialize)]
struct Behaviours {
    #[serde(default)]
    device: Vec<Table>,
    #[serde(default)]
    behaviour: BTreeMap<String, Table>,
}

/// A device's profile as a behaviour changes it.
fn changed(device: &Table, name: &str, behaviour: &Table, number: usize) -> Result<Profile, Error> {
    if let Some(key) = FIXED.iter().find(|key| behaviour.contains_key(**key)) {
        let problem = format!("behaviour `{name}` cannot change `{key}`: it says which devices there are");
        return Err(Error::Value { device: number, key: "mix", problem });
    }
    let mut table = device.clone();
    table.remove("mix");
    merge(&mut table, behaviour);
    let broken = |source| Error::Behaviour { name: name.to_owned(), device: number, source };
    let mut profile: Profile = Value::Table(table).try_into().map_err(broken)?;
    profile.behaviour = Some(name.to_owned());
    let wrong = |(_, problem): (&str, String)| {
        let problem = format!("behaviour `{name}`: {problem}");
        Error::Value { device: number, key: "mix", problem }
    };
    profile.check().map_err(wrong)?;
    Ok(profile)
}

/// Lays one table over another: tables meet key by key, everything else replaces.
fn merge(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            _ => drop(base.insert(key.clone(), value.clone())),
        }
    }
}

fn unknown(device: usize, name: &str) -> Error {
    let problem = format!("there is no behaviour `{name}`; write a [behaviour.{name}] that says what it changes");
    Error::Value { device, key: "mix", problem }
}
