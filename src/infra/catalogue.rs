//! The catalogue: the manifests of the sound packages, parsed once, kept in the store for all to see and in memory for selection.

use std::sync::{Arc, PoisonError, RwLock};

use super::{
    depot::{self, Depot, Loaded},
    store::{self, CommitError, Json, Store, Unit, Write, package::PackageRow},
};
use crate::model::{
    catalog::{Manifest, PackageRef},
    clock::Timestamp,
    id::Tenant,
};

/// The packages that may be selected; cheap to clone, all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(Arc<RwLock<Arc<Vec<Manifest>>>>);

/// Why the catalogue could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The depot cannot be listed.
    #[error("the packages cannot be loaded from the depot")]
    Depot(#[from] depot::Error),
    /// A manifest cannot be kept.
    #[error("the packages cannot be kept in the database")]
    Store(#[from] store::Error),
    /// The database did not take them.
    #[error("the packages cannot be written to the database")]
    Commit(#[from] CommitError),
}

impl Catalogue {
    /// Loads every package of the depot, keeps the sound ones, and tells about the others.
    ///
    /// # Errors
    /// [`Error`] if depot or database are out of reach; an unsound package is no error.
    pub async fn load(&self, depot: &Depot, store: &Store, tenant: &Tenant, now: Timestamp) -> Result<Loaded, Error> {
        let loaded = depot.load().await?;
        let mut unit = Unit::new("catalogue.load", tenant.as_str());
        for found in &loaded.packages {
            let manifest = &found.manifest;
            unit.push(Write::PackagePut(PackageRow {
                tenant: tenant.clone(),
                id: manifest.id.clone(),
                version: manifest.version.as_str().to_owned(),
                manifest: Json::of("manifest", manifest)?,
                digest: manifest.sha256,
                size: manifest.size,
                payload: found.file.replace("manifest.toml", &manifest.payload),
                loaded_at: now,
            }));
        }
        store.commit(unit).await?;
        let manifests = loaded.packages.iter().map(|found| found.manifest.clone()).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manifests);
        Ok(loaded)
    }

    /// All packages.
    #[must_use]
    pub fn all(&self) -> Arc<Vec<Manifest>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One version of a package.
    #[must_use]
    pub fn get(&self, package: &PackageRef) -> Option<Manifest> {
        self.all().iter().find(|m| m.id == package.id && m.version == package.version).cloned()
    }
}
