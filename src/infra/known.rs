//! What a device's row keeps of what the device told, and the facts that follow from it.

mod lacks;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use lacks::Lacks;

use super::store::{
    self,
    device::{DeviceRow, FactsRow, InventoryRow},
};
use crate::{
    model::{
        clock::Timestamp,
        device::{Abilities, DevDetail, DevInfo, Facts},
        tree::Instance,
    },
    scomo::inventory::Inventory,
};

/// The `facts` column of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// From its last Pkg 1.
    pub info: DevInfo,
    /// As it was last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<DevDetail>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail_at: Option<Timestamp>,
    /// The `User-Agent` header of its last session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// What it announced in its last session.
    pub abilities: Abilities,
    /// Whether it can ask its user, as it has shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui: Option<bool>,
    /// What it said that it cannot do.
    pub lacks: Lacks,
    /// It was looked at and has no SCOMO management object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rootless: Option<Rootless>,
}

/// A device without a SCOMO management object, and what it was when that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rootless {
    /// When.
    pub at: Timestamp,
    /// `DevInfo/DmV`, the version of its client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmv: Option<String>,
    /// `DevDetail/FwV`, as far as it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fwv: Option<String>,
}

impl Known {
    /// How long a DevDetail that was read counts as true: a new firmware changes it.
    pub const FRESH: Duration = Duration::from_hours(24);

    /// Reads the column.
    ///
    /// # Errors
    /// [`store::Error::BadRow`].
    pub fn of(row: &DeviceRow) -> Result<Self, store::Error> {
        row.facts.read().map_err(store::Error::bad_row("device", "facts", row.key))
    }

    /// Whether its DevDetail was read no longer than `age` ago.
    #[must_use]
    pub fn knows_detail(&self, age: Duration, now: Timestamp) -> bool {
        self.detail.is_some() && self.detail_at.is_some_and(|at| now.since(at) <= age)
    }

    /// Remembers whether it has a SCOMO management object.
    pub fn has_roots(&mut self, any: bool, now: Timestamp) {
        let (dmv, fwv) = (self.info.dmv.clone(), self.fwv());
        self.rootless = (!any).then_some(Rootless { at: now, dmv, fwv });
    }

    /// Whether it need not be looked for a SCOMO management object: it had none within the last day, and neither its client nor its
    /// firmware are known to be others since.
    #[must_use]
    pub fn is_rootless(&self, now: Timestamp) -> bool {
        let same = |told: &Rootless| {
            told.dmv == self.info.dmv && (told.fwv.is_none() || self.fwv().is_none() || told.fwv == self.fwv())
        };
        self.rootless.as_ref().is_some_and(|told| now.since(told.at) < Self::FRESH && same(told))
    }

    fn fwv(&self) -> Option<String> {
        self.detail.as_ref().and_then(|detail| detail.fwv.clone())
    }

    /// The facts that rules and selection read at `now`.
    #[must_use]
    pub fn facts(&self, row: &DeviceRow, inventory: Option<&Inventory>, now: Timestamp) -> Facts {
        let fresh = self.knows_detail(Self::FRESH, now);
        Facts {
            id: row.device_id.clone(),
            info: self.info.clone(),
            detail: self.detail.clone().filter(|_| fresh),
            installed: inventory.filter(|inventory| inventory.is_shown()).map(Inventory::installed),
            user_agent: self.user_agent.clone(),
            tags: row.tags.clone(),
            abilities: self.abilities,
        }
    }
}

/// The facts of a device as they were last told, however long ago that was: whether a filter targets it. Before anything is done
/// on the device, what is too old is read again.
///
/// # Errors
/// [`store::Error::BadRow`].
pub fn stored_facts(row: FactsRow) -> Result<Facts, store::Error> {
    let known: Known = row.facts.read().map_err(store::Error::bad_row("device", "facts", row.key))?;
    let read = |body: &store::Json| body.read().map_err(store::Error::bad_row("inventory", "body", row.key));
    let inventory: Option<Inventory> = row.inventory.as_ref().map(read).transpose()?;
    Ok(Facts {
        id: row.device_id,
        info: known.info,
        detail: known.detail,
        installed: inventory.filter(Inventory::is_shown).as_ref().map(Inventory::installed),
        user_agent: known.user_agent,
        tags: row.tags,
        abilities: known.abilities,
    })
}

/// The management object instances known of a device.
///
/// # Errors
/// [`store::Error::BadRow`].
pub fn roots(row: &DeviceRow) -> Result<Vec<Instance>, store::Error> {
    match row.roots.as_str() {
        "{}" => Ok(Vec::new()),
        _ => row.roots.read().map_err(store::Error::bad_row("device", "roots", row.key)),
    }
}

/// The inventory that was last read.
///
/// # Errors
/// [`store::Error::BadRow`].
pub fn inventory(row: &InventoryRow) -> Result<Inventory, store::Error> {
    row.body.read().map_err(store::Error::bad_row("inventory", "body", row.device))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn known(dmv: &str, fwv: Option<&str>) -> Known {
        let info = DevInfo { dmv: Some(dmv.to_owned()), ..DevInfo::default() };
        let detail = fwv.map(|fwv| DevDetail { fwv: Some(fwv.to_owned()), ..DevDetail::default() });
        Known { info, detail, detail_at: Some(NOW), ..Known::default() }
    }

    #[test]
    fn a_device_without_a_scomo_object_is_looked_at_again_after_a_day_or_with_a_new_firmware() {
        let mut device = known("1", Some("7"));
        assert!(!device.is_rootless(NOW), "nobody has looked yet");
        device.has_roots(false, NOW);
        assert!(device.is_rootless(NOW.after(Duration::from_hours(23))));
        assert!(!device.is_rootless(NOW.after(Duration::from_hours(24))));
        let told = device.rootless.clone();
        for (dmv, fwv, stays) in
            [("1", Some("7"), true), ("1", None, true), ("2", Some("7"), false), ("1", Some("8"), false)]
        {
            let device = Known { rootless: told.clone(), ..known(dmv, fwv) };
            assert_eq!(device.is_rootless(NOW), stays, "{dmv} {fwv:?}");
        }
        device.has_roots(true, NOW);
        assert!(!device.is_rootless(NOW));
    }

    #[test]
    fn what_is_as_old_as_it_may_be_still_counts() {
        let device = known("1", Some("7"));
        let later = NOW.after(Duration::from_secs(5));
        assert!(device.knows_detail(Duration::from_secs(5), later) && device.knows_detail(Duration::ZERO, NOW));
        assert!(!device.knows_detail(Duration::from_secs(4), later));
        assert!(!Known::default().knows_detail(Duration::from_hours(1), NOW));
    }
}
