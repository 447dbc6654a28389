//! `device` and `inventory`: who may speak, and what was last known of them.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::model::{
    clock::Timestamp,
    digest::Digest,
    id::{DeviceId, DeviceKey, Tenant},
};

use super::{Conflict, Core, Error, Json, Page, SealedJson, Store, conn::Conn, fanout::Mark, seal::Place, unit::Lost};

/// A registered device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// The row.
    pub key: DeviceKey,
    /// Whose device.
    pub tenant: Tenant,
    /// Its name, byte for byte; unique per tenant in its normalised form.
    pub device_id: DeviceId,
    /// The user name it authenticates with; the device id where none is kept.
    pub user_name: Option<String>,
    /// How it authenticates, as `contract::device` writes it.
    pub scheme: String,
    /// A device class that overrides the match by rule.
    pub class: Option<String>,
    /// Free words that rules may ask for.
    pub tags: Vec<String>,
    /// Where notifications go, by kind of address.
    pub addresses: BTreeMap<String, String>,
    /// Secrets and nonces; rests encrypted.
    pub secrets: SealedJson,
    /// What is known of it: DevInfo, DevDetail, abilities, User-Agent.
    pub facts: Json,
    /// The management objects found on it.
    pub roots: Json,
    /// Rises with each change; a put must carry the version that was read.
    pub version: i64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

/// The inventory of a device as it was last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryRow {
    /// Whose.
    pub device: DeviceKey,
    /// What was read.
    pub body: Json,
    /// Digest of the body: whether anything changed.
    pub digest: Digest,
    /// When.
    pub read_at: Timestamp,
}

/// An inventory that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldInventory {
    /// When it was told.
    pub told_at: Timestamp,
    /// As it was then.
    pub row: InventoryRow,
}

row! {
    /// A row of `device`.
    DeviceRaw {
        key: Uuid,
        tenant: String,
        device_id: String,
        user_name: Option<String>,
        scheme: String,
        class: Option<String>,
        tags: String,
        addresses: String,
        secrets: Vec<u8>,
        facts: String,
        roots: String,
        version: i64,
        created_at: i64,
        updated_at: i64,
    }
}

row! {
    /// A row of `inventory`.
    InventoryRaw {
        device_key: Uuid,
        body: String,
        digest: Vec<u8>,
        read_at: i64,
    }
}

row! {
    /// A row of `inventory_history`.
    ToldRaw {
        device_key: Uuid,
        told_at: i64,
        read_at: i64,
        digest: Vec<u8>,
        body: String,
    }
}

row! {
    /// A device that is known, and whether a job holds it.
    KnownRaw {
        device_norm: String,
        key: Uuid,
        busy: bool,
    }
}

/// A device that has a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRow {
    /// Its name, normalised.
    pub device_norm: String,
    /// Its row.
    pub key: DeviceKey,
    /// Whether a job is active on it.
    pub busy: bool,
}

row! {
    /// What is known of a device.
    FactsRaw {
        key: Uuid,
        device_id: String,
        tags: String,
        facts: String,
        created_at: i64,
        inventory: Option<String>,
    }
}

/// What rules read of a device; without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactsRow {
    /// The device.
    pub key: DeviceKey,
    /// Its name.
    pub device_id: DeviceId,
    /// Its tags.
    pub tags: Vec<String>,
    /// DevInfo, DevDetail, abilities, User-Agent.
    pub facts: Json,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Its inventory, if it was asked for and ever read.
    pub inventory: Option<Json>,
}

impl Store {
    /// What is known of at most `limit` devices of a tenant that were registered behind a mark and not after `until`, oldest
    /// first; their inventories only if they are asked for.
    pub async fn device_facts(
        &self,
        tenant: &Tenant,
        after: Mark,
        until: Timestamp,
        limit: u32,
        inventories: bool,
    ) -> Result<Vec<FactsRow>, Error> {
        let (tenant, until, limit) = (tenant.as_str(), until.micros(), i64::from(limit));
        let Mark { place, key } = after;
        let rows = read!(fetch_all, self.core, device::FACTS, FactsRaw, tenant, place, key, until, limit, inventories)?;
        rows.into_iter().map(FactsRaw::row).collect()
    }

    /// Which of these devices (normalised names) have a record.
    pub async fn known_devices(&self, tenant: &Tenant, norms: &[String]) -> Result<Vec<KnownRow>, Error> {
        let norms = serde_json::to_string(norms).map_err(|source| Error::Json { what: "device names", source })?;
        let rows = read!(fetch_all, self.core, device::KNOWN, KnownRaw, tenant.as_str(), norms)?;
        let known =
            |raw: KnownRaw| KnownRow { device_norm: raw.device_norm, key: DeviceKey::new(raw.key), busy: raw.busy };
        Ok(rows.into_iter().map(known).collect())
    }

    /// The device of that name, in its normalised form ([`DeviceId::normalised`]).
    pub async fn device(&self, tenant: &Tenant, device_norm: &str) -> Result<Option<DeviceRow>, Error> {
        let raw = read!(fetch_optional, self.core, device::BY_NAME, DeviceRaw, tenant.as_str(), device_norm)?;
        raw.map(|raw| self.core.device_row(raw)).transpose()
    }

    /// The device of that key.
    pub async fn device_by_key(&self, key: DeviceKey) -> Result<Option<DeviceRow>, Error> {
        let raw = read!(fetch_optional, self.core, device::LOAD, DeviceRaw, key.uuid())?;
        raw.map(|raw| self.core.device_row(raw)).transpose()
    }

    /// The devices of a tenant, oldest first.
    pub async fn devices(&self, tenant: &Tenant, page: Page) -> Result<Vec<DeviceRow>, Error> {
        let (at, key) = page.rising();
        let rows = read!(fetch_all, self.core, device::LIST, DeviceRaw, tenant.as_str(), at, key, page.rows())?;
        rows.into_iter().map(|raw| self.core.device_row(raw)).collect()
    }

    /// The inventory of a device, if it was ever read.
    pub async fn inventory(&self, device: DeviceKey) -> Result<Option<InventoryRow>, Error> {
        let raw = read!(fetch_optional, self.core, device::INVENTORY, InventoryRaw, device.uuid())?;
        raw.map(InventoryRaw::row).transpose()
    }

    /// What was told of a device's inventory, newest first.
    pub async fn inventory_history(&self, device: DeviceKey) -> Result<Vec<ToldInventory>, Error> {
        let rows = read!(fetch_all, self.core, device::INVENTORY_HISTORY, ToldRaw, device.uuid())?;
        rows.into_iter().map(ToldRaw::told).collect()
    }
}

impl Core {
    pub(super) fn device_row(&self, raw: DeviceRaw) -> Result<DeviceRow, Error> {
        const TABLE: &str = "device";
        let key = raw.key;
        let json = |column, text: &str| serde_json::from_str(text).map_err(Error::bad_row(TABLE, column, key));
        let tags = serde_json::from_str(&raw.tags).map_err(Error::bad_row(TABLE, "tags", key))?;
        let addresses: BTreeMap<String, String> = json("addresses", &raw.addresses)?;
        Ok(DeviceRow {
            key: DeviceKey::new(key),
            tenant: Tenant::parse(&raw.tenant).map_err(Error::bad_row(TABLE, "tenant", key))?,
            device_id: DeviceId::parse(&raw.device_id).map_err(Error::bad_row(TABLE, "device_id", key))?,
            user_name: raw.user_name,
            scheme: raw.scheme,
            class: raw.class,
            tags,
            addresses,
            secrets: self.keys.open_json(&SECRETS.of(key), &raw.secrets)?,
            facts: Json::stored(raw.facts),
            roots: Json::stored(raw.roots),
            version: raw.version,
            created_at: Timestamp::from_micros(raw.created_at),
            updated_at: Timestamp::from_micros(raw.updated_at),
        })
    }

    pub(super) async fn device_insert(&self, conn: &mut Conn<'_>, row: &DeviceRow) -> Result<(), Lost> {
        let (sealed, (tags, addresses)) = (self.sealed_secrets(row)?, row.lists()?);
        let found = execute!(
            conn,
            device::INSERT,
            row.key.uuid(),
            row.tenant.as_str(),
            row.device_id.as_str(),
            row.device_id.normalised(),
            row.user_name.as_deref(),
            row.scheme.as_str(),
            row.class.as_deref(),
            tags,
            addresses,
            sealed,
            row.facts.as_str(),
            row.roots.as_str(),
            row.version,
            row.created_at.micros(),
            row.updated_at.micros(),
        )?;
        if found == 1 { Ok(()) } else { Err(Conflict::DeviceExists.into()) }
    }

    /// The secrets as their column keeps them.
    pub(super) fn sealed_secrets(&self, row: &DeviceRow) -> Result<Vec<u8>, Error> {
        self.keys.seal_json(&SECRETS.of(row.key.uuid()), &row.secrets)
    }

    pub(super) async fn device_put(&self, conn: &mut Conn<'_>, row: &DeviceRow) -> Result<(), Lost> {
        let (sealed, (tags, addresses)) = (self.sealed_secrets(row)?, row.lists()?);
        let found = execute!(
            conn,
            device::PUT,
            row.key.uuid(),
            row.version,
            row.user_name.as_deref(),
            row.scheme.as_str(),
            row.class.as_deref(),
            tags,
            addresses,
            sealed,
            row.facts.as_str(),
            row.roots.as_str(),
            row.updated_at.micros(),
        )?;
        Lost::unless_one("device", row.key.uuid(), found)
    }

    pub(super) async fn inventory_put(&self, conn: &mut Conn<'_>, row: &InventoryRow) -> Result<(), Lost> {
        let digest = row.digest.as_bytes().to_vec();
        let (key, body, at) = (row.device.uuid(), row.body.as_str(), row.read_at.micros());
        let found = execute!(conn, device::INVENTORY_PUT, key, body, digest, at)?;
        super::conn::one_row("device.inventory_put", found).map_err(Lost::from)
    }
}

/// Adds to the history of a device's inventory, and forgets what is older than its newest `keep`.
pub(super) async fn inventory_keep(conn: &mut Conn<'_>, told: &ToldInventory, keep: u32) -> Result<(), Lost> {
    let ToldInventory { told_at, row } = told;
    let (key, digest) = (row.device.uuid(), row.digest.as_bytes().to_vec());
    let (told_at, read_at) = (told_at.micros(), row.read_at.micros());
    let found = execute!(conn, device::INVENTORY_KEEP, key, told_at, read_at, digest, row.body.as_str())?;
    super::conn::one_row("device.inventory_keep", found)?;
    execute!(conn, device::INVENTORY_BOUND, key, i64::from(keep))?;
    Ok(())
}

impl DeviceRow {
    /// Tags and addresses as their columns keep them.
    pub(super) fn lists(&self) -> Result<(String, String), Error> {
        let json = |source| Error::Json { what: "device", source };
        Ok((serde_json::to_string(&self.tags).map_err(json)?, serde_json::to_string(&self.addresses).map_err(json)?))
    }
}

pub(super) async fn delete(conn: &mut Conn<'_>, key: DeviceKey, version: i64) -> Result<(), Lost> {
    let found = execute!(conn, device::DELETE, key.uuid(), version)?;
    Lost::unless_one("device", key.uuid(), found)
}

impl FactsRaw {
    fn row(self) -> Result<FactsRow, Error> {
        const TABLE: &str = "device";
        let key = self.key;
        Ok(FactsRow {
            key: DeviceKey::new(key),
            device_id: DeviceId::parse(&self.device_id).map_err(Error::bad_row(TABLE, "device_id", key))?,
            tags: serde_json::from_str(&self.tags).map_err(Error::bad_row(TABLE, "tags", key))?,
            facts: Json::stored(self.facts),
            created_at: Timestamp::from_micros(self.created_at),
            inventory: self.inventory.map(Json::stored),
        })
    }
}

/// Where a device's secrets rest.
const SECRETS: Place = Place { table: "device", column: "secrets" };

impl InventoryRaw {
    pub(super) fn row(self) -> Result<InventoryRow, Error> {
        let key = self.device_key;
        Ok(InventoryRow {
            device: DeviceKey::new(key),
            body: Json::stored(self.body),
            digest: super::json::digest(&self.digest).map_err(Error::bad_row("inventory", "digest", key))?,
            read_at: Timestamp::from_micros(self.read_at),
        })
    }
}

impl ToldRaw {
    fn told(self) -> Result<ToldInventory, Error> {
        let Self { device_key, told_at, read_at, digest, body } = self;
        let told_at = Timestamp::from_micros(told_at);
        let row = InventoryRaw { device_key, body, digest, read_at }.row()?;
        Ok(ToldInventory { told_at, row })
    }
}
