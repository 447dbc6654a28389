//! What is known of a device's inventory: as it was stored, as the session learns it, and what is told of that.

use std::collections::BTreeSet;

use super::desk::Desk;
use crate::{
    contract::event::{Data, DeviceInventory, Event, InventoryView},
    infra::{
        jobs, known,
        known::Known,
        store::{
            self, Json, Write,
            device::{DeviceRow, InventoryRow, ToldInventory},
        },
    },
    job::record::Order,
    model::{
        clock::{Mint, Timestamp},
        digest::Digest,
        id::EventId,
        rule::FactSource,
    },
    scomo::inventory::Inventory,
};

/// A device's inventory.
pub(super) struct Stock {
    /// As it was stored, which is as it was last told.
    stored: Option<(Inventory, InventoryRow)>,
    /// As it was learnt since, and when all of it was read.
    learnt: Option<(Inventory, Timestamp)>,
    /// It is told even if it is as it was.
    tell: bool,
}

impl Stock {
    /// From what was loaded.
    pub(super) fn of(row: Option<InventoryRow>) -> Result<Self, store::Error> {
        let stored = row.map(|row| Ok((known::inventory(&row)?, row))).transpose()?;
        Ok(Self { stored, learnt: None, tell: false })
    }

    /// What is known.
    pub(super) fn inventory(&self) -> Option<&Inventory> {
        let learnt = self.learnt.as_ref().map(|(inventory, _)| inventory);
        learnt.or_else(|| self.stored.as_ref().map(|(inventory, _)| inventory))
    }

    /// When all of it was last read.
    pub(super) fn read_at(&self) -> Option<Timestamp> {
        let learnt = self.learnt.as_ref().map(|(_, at)| *at);
        learnt.or_else(|| self.stored.as_ref().map(|(_, row)| row.read_at))
    }

    /// Takes in what was read; if that was not the whole, the whole is as old as before.
    pub(super) fn learn(&mut self, inventory: Inventory, whole: bool, now: Timestamp) {
        let at = self.read_at().filter(|_| !whole).unwrap_or(now);
        self.learnt = Some((inventory, at));
    }

    /// Has it told in any case.
    pub(super) const fn tell(&mut self) {
        self.tell = true;
    }

    /// The writes that store what was learnt, and tell it where it is news; `keep` of its history.
    pub(super) fn writes(
        self,
        device: &DeviceRow,
        keep: u32,
        now: Timestamp,
        mint: &mut dyn Mint,
    ) -> Result<Vec<Write>, store::Error> {
        let Self { stored, learnt, tell } = self;
        let before = stored.as_ref().map(|(inventory, _)| inventory.clone()).unwrap_or_default();
        let (inventory, row) = match (learnt, stored) {
            (Some((inventory, read_at)), _) => {
                let body = Json::of("inventory", &inventory)?;
                let digest = Digest::of(body.as_str().as_bytes());
                (inventory, InventoryRow { device: device.key, body, digest, read_at })
            }
            (None, Some(known)) if tell => known,
            (None, _) => return Ok(Vec::new()),
        };
        let news = before != inventory;
        let mut writes = vec![Write::InventoryPut(row.clone())];
        if news || tell {
            let view = InventoryView::of(&inventory, row.digest, row.read_at);
            let told = DeviceInventory::new(device.device_id.clone(), view, inventory.changes_since(&before));
            let (id, tenant) = (EventId::new(mint.uuid(now)), device.tenant.clone());
            let data = Data::DeviceInventory(Box::new(told));
            let event = Event { id, tenant, time: now, sequence: None, data };
            writes.push(Write::EventInsert(jobs::event_row(&event, now.micros())?));
        }
        if news {
            writes.push(Write::InventoryKeep { told: ToldInventory { told_at: now, row }, keep });
        }
        Ok(writes)
    }
}

impl Desk<'_> {
    /// The sources of which what is known is young enough for the job in hand.
    pub(super) fn fresh(&self) -> BTreeSet<FactSource> {
        let Some(record) = self.work.record() else { return BTreeSet::new() };
        let age = record.collect.max_age;
        let detail_age = match record.order {
            // Who asks for nothing but that wants it as it is now.
            Order::Inventory => age,
            Order::Download { .. }
            | Order::PackageOperation { .. }
            | Order::ComponentOperation { .. }
            | Order::Command => Some(age.unwrap_or(Known::FRESH)),
        };
        let detail = detail_age.is_some_and(|age| self.known.knows_detail(age, self.now));
        let read_at = self.work.stock.read_at();
        let inventory = age.zip(read_at).is_some_and(|(age, at)| self.now.since(at) <= age);
        let sources = [(FactSource::DevDetail, detail), (FactSource::Inventory, inventory)];
        sources.into_iter().filter(|(_, fresh)| *fresh).map(|(source, _)| source).collect()
    }
}
