//! `package`: the catalogue as it was last loaded.

use crate::model::{
    clock::Timestamp,
    digest::Digest,
    id::{PackageId, Tenant},
};

use super::{Error, Json, Store, conn::Conn, unit::Lost};

/// A delivery package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRow {
    /// Whose.
    pub tenant: Tenant,
    /// Its name.
    pub id: PackageId,
    /// Its version; name and version are unique per tenant.
    pub version: String,
    /// The manifest.
    pub manifest: Json,
    /// SHA-256 of the payload.
    pub digest: Digest,
    /// Size of the payload in bytes.
    pub size: u64,
    /// Where the depot keeps the payload.
    pub payload: String,
    /// When it was loaded.
    pub loaded_at: Timestamp,
}

row! {
    /// A row of `package`.
    PackageRaw {
        tenant: String,
        id: String,
        version: String,
        manifest: String,
        digest: Vec<u8>,
        size: i64,
        payload: String,
        loaded_at: i64,
    }
}

impl Store {
    /// One version of a package.
    pub async fn package(&self, tenant: &Tenant, id: &PackageId, version: &str) -> Result<Option<PackageRow>, Error> {
        let raw = read!(fetch_optional, self.core, package::LOAD, PackageRaw, tenant.as_str(), id.as_str(), version)?;
        raw.map(PackageRaw::row).transpose()
    }

    /// Every package of a tenant, by id and version text.
    pub async fn packages(&self, tenant: &Tenant) -> Result<Vec<PackageRow>, Error> {
        let rows = read!(fetch_all, self.core, package::LIST, PackageRaw, tenant.as_str())?;
        rows.into_iter().map(PackageRaw::row).collect()
    }
}

impl PackageRaw {
    fn row(self) -> Result<PackageRow, Error> {
        const TABLE: &str = "package";
        let name = format!("{} {}", self.id, self.version);
        Ok(PackageRow {
            tenant: Tenant::parse(&self.tenant).map_err(Error::bad_row(TABLE, "tenant", &name))?,
            id: PackageId::parse(&self.id).map_err(Error::bad_row(TABLE, "id", &name))?,
            version: self.version,
            manifest: Json::stored(self.manifest),
            digest: super::json::digest(&self.digest).map_err(Error::bad_row(TABLE, "digest", &name))?,
            size: u64::try_from(self.size).map_err(Error::bad_row(TABLE, "size", &name))?,
            payload: self.payload,
            loaded_at: Timestamp::from_micros(self.loaded_at),
        })
    }
}

pub(super) async fn put(conn: &mut Conn<'_>, row: &PackageRow) -> Result<(), Lost> {
    let found = execute!(
        conn,
        package::PUT,
        row.tenant.as_str(),
        row.id.as_str(),
        row.version.as_str(),
        row.manifest.as_str(),
        row.digest.as_bytes().to_vec(),
        super::json::bytes(row.size),
        row.payload.as_str(),
        row.loaded_at.micros(),
    )?;
    super::conn::one_row("package.put", found).map_err(Lost::from)
}
