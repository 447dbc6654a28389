//! `target_list`: names of devices that requests may be for. A list is filled while nobody sees it, and shown when it is whole;
//! one that was dropped is cleared away little by little, once no fan-out needs it.

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    id::{DeviceId, DeviceKey, ListKey, ListName, Tenant},
};

use super::{Conflict, Error, Page, Store, conn::Conn, error::is_unique};

/// A list that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// The row.
    pub key: ListKey,
    /// What its owner calls it; unique per tenant.
    pub name: ListName,
    /// How many devices it has.
    pub devices: u64,
    /// How many lines of the upload named a device again.
    pub duplicates: u64,
    /// When its upload began.
    pub created_at: Timestamp,
    /// When it was last used by a request, or became whole.
    pub used_at: Timestamp,
}

/// A device of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDevice {
    /// Its place; places rise, and may be left out.
    pub place: i64,
    /// As it was uploaded.
    pub device: DeviceId,
    /// Its row, if it is registered.
    pub key: Option<DeviceKey>,
}

row! {
    /// A row of `target_list`.
    ListRaw {
        key: Uuid,
        name: String,
        devices: i64,
        duplicates: i64,
        created_at: i64,
        used_at: i64,
    }
}

row! {
    /// A row of `target_list_device`, and the device's own.
    ListedRaw {
        place: i64,
        device_id: String,
        device_key: Option<Uuid>,
    }
}

impl Store {
    /// Begins a list.
    pub async fn open_list(&self, tenant: &Tenant, key: ListKey, name: &ListName, at: Timestamp) -> Result<(), Error> {
        let mut tx = self.core.inner.begin().await?;
        execute!(&mut tx.conn(), target::OPEN, key.uuid(), tenant.as_str(), name.as_str(), at.micros())?;
        tx.commit().await.map_err(Error::database("target.open"))
    }

    /// Adds devices to a list that is being filled, at the places behind `place`; says how many of them it did not have yet, or
    /// `None` if it was given up in the meantime.
    pub async fn add_to_list(
        &self,
        key: ListKey,
        place: i64,
        devices: &[DeviceId],
        at: Timestamp,
    ) -> Result<Option<u64>, Error> {
        let pairs: Vec<(&str, String)> = devices.iter().map(|device| (device.as_str(), device.normalised())).collect();
        let pairs = serde_json::to_string(&pairs).map_err(|source| Error::Json { what: "devices", source })?;
        let mut tx = self.core.inner.begin().await?;
        let mut conn = tx.conn();
        if execute!(&mut conn, target::TOUCH, key.uuid(), at.micros())? == 0 {
            return Ok(None);
        }
        let added = execute!(&mut conn, target::ADD, key.uuid(), place, pairs)?;
        tx.commit().await.map_err(Error::database("target.add"))?;
        Ok(Some(added))
    }

    /// Shows a list that is whole.
    ///
    /// # Errors
    /// [`Conflict::ListExists`] if the name is taken, [`Conflict::ListGone`] if it was given up in the meantime.
    pub async fn show_list(
        &self,
        key: ListKey,
        devices: u64,
        duplicates: u64,
        at: Timestamp,
    ) -> Result<Result<(), Conflict>, Error> {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let mut tx = self.core.inner.begin().await?;
        let (devices, duplicates) = (count(devices), count(duplicates));
        let shown = execute!(&mut tx.conn(), target::READY, key.uuid(), devices, duplicates, at.micros());
        match shown {
            Err(error) if is_unique(&error) => return Ok(Err(Conflict::ListExists)),
            Err(error) => return Err(error),
            Ok(0) => return Ok(Err(Conflict::ListGone(key))),
            Ok(_) => {}
        }
        tx.commit().await.map_err(Error::database("target.ready"))?;
        Ok(Ok(()))
    }

    /// The list of that name.
    pub async fn list_by_name(&self, tenant: &Tenant, name: &ListName) -> Result<Option<ListRow>, Error> {
        let raw = read!(fetch_optional, self.core, target::BY_NAME, ListRaw, tenant.as_str(), name.as_str())?;
        raw.map(ListRaw::row).transpose()
    }

    /// The list that a text means: by its name, or by its key.
    pub async fn find_list(&self, tenant: &Tenant, name: &ListName) -> Result<Option<ListRow>, Error> {
        match name.as_str().parse::<ListKey>() {
            Ok(key) => {
                let raw = read!(fetch_optional, self.core, target::LOAD, ListRaw, key.uuid(), tenant.as_str())?;
                raw.map(ListRaw::row).transpose()
            }
            Err(_) => self.list_by_name(tenant, name).await,
        }
    }

    /// The lists of a tenant, newest first.
    pub async fn target_lists(&self, tenant: &Tenant, page: Page) -> Result<Vec<ListRow>, Error> {
        let (at, key) = page.falling();
        let rows = read!(fetch_all, self.core, target::LIST, ListRaw, tenant.as_str(), at, key, page.rows())?;
        rows.into_iter().map(ListRaw::row).collect()
    }

    /// At most `limit` devices of a list behind a place, with their rows.
    pub async fn listed_devices(
        &self,
        tenant: &Tenant,
        list: ListKey,
        place: i64,
        limit: u32,
    ) -> Result<Vec<ListedDevice>, Error> {
        let (tenant, limit) = (tenant.as_str(), i64::from(limit));
        let rows = read!(fetch_all, self.core, target::DEVICES, ListedRaw, tenant, list.uuid(), place, limit)?;
        rows.into_iter().map(|raw| raw.row(list)).collect()
    }

    /// Takes a list out of sight, one that is being filled too; says whether it was there. Fan-outs that have begun go on with it.
    pub async fn drop_list(&self, key: ListKey, at: Timestamp) -> Result<bool, Error> {
        let mut tx = self.core.inner.begin().await?;
        let dropped = execute!(&mut tx.conn(), target::DROP, key.uuid(), at.micros())?;
        tx.commit().await.map_err(Error::database("target.drop"))?;
        Ok(dropped == 1)
    }

    /// Drops uploads on which nothing came since `idle`, and lists that no request used since `unused`; then clears away at most
    /// `limit` devices of a dropped list that no fan-out needs, and says how many.
    pub async fn prune_lists(&self, idle: Timestamp, unused: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut tx = self.core.inner.begin().await?;
        execute!(&mut tx.conn(), target::EXPIRE, "open", idle.micros())?;
        execute!(&mut tx.conn(), target::EXPIRE, "ready", unused.micros())?;
        let mut gone = 0;
        for _ in 0..LISTS {
            let rest = limit.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX));
            if rest == 0 || !clear_one(&mut tx.conn(), rest, &mut gone).await? {
                break;
            }
        }
        tx.commit().await.map_err(Error::database("target.prune"))?;
        Ok(gone)
    }
}

/// Short lists that are cleared away together at most.
const LISTS: u32 = 100;

/// Clears away devices of a dropped list, and the list itself behind the last of them; says whether there was such a list.
async fn clear_one(conn: &mut Conn<'_>, limit: u32, gone: &mut u64) -> Result<bool, Error> {
    let Some((key,)) = fetch!(fetch_optional, *conn, target::DROPPED, (Uuid,))? else { return Ok(false) };
    let cleared = execute!(conn, target::PRUNE, key, i64::from(limit))?;
    if cleared < u64::from(limit) {
        execute!(conn, target::FORGET, key)?;
    }
    *gone += cleared;
    Ok(true)
}

impl ListRaw {
    fn row(self) -> Result<ListRow, Error> {
        const TABLE: &str = "target_list";
        let key = self.key;
        let count = |column, count: i64| u64::try_from(count).map_err(Error::bad_row(TABLE, column, key));
        Ok(ListRow {
            key: ListKey::new(key),
            name: ListName::parse(&self.name).map_err(Error::bad_row(TABLE, "name", key))?,
            devices: count("devices", self.devices)?,
            duplicates: count("duplicates", self.duplicates)?,
            created_at: Timestamp::from_micros(self.created_at),
            used_at: Timestamp::from_micros(self.used_at),
        })
    }
}

impl ListedRaw {
    fn row(self, list: ListKey) -> Result<ListedDevice, Error> {
        let row = format!("{list}/{}", self.place);
        Ok(ListedDevice {
            place: self.place,
            device: DeviceId::parse(&self.device_id).map_err(Error::bad_row("target_list_device", "device_id", row))?,
            key: self.device_key.map(DeviceKey::new),
        })
    }
}
