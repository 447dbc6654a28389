//! What a device's row keeps of what the device told, and the facts that follow from it.

mod lacks;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use lacks::Lacks;

use super::store::{
    self,
    device::{DeviceRow, InventoryRow},
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
    /// What it said that it cannot do.
    pub lacks: Lacks,
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

    /// The facts that rules and selection read at `now`.
    #[must_use]
    pub fn facts(&self, row: &DeviceRow, inventory: Option<&Inventory>, now: Timestamp) -> Facts {
        let fresh = self.detail_at.is_some_and(|at| now.since(at) < Self::FRESH);
        Facts {
            id: row.device_id.clone(),
            info: self.info.clone(),
            detail: self.detail.clone().filter(|_| fresh),
            installed: inventory.map(Inventory::installed),
            user_agent: self.user_agent.clone(),
            tags: row.tags.clone(),
            abilities: self.abilities,
        }
    }
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
