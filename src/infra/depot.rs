//! The depot: delivery packages in an object store, and the bytes of their payloads.
//!
//! A package is a folder `<package id>/<version>/` with `manifest.toml` and the payload that it names. Everything is checked
//! when it is loaded: the manifest, and size and SHA-256 of the payload. From then on a payload is known by its digest, and is
//! read only while it is still the object whose digest was computed.

mod load;
mod read;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, RwLock},
};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::{ObjectStore, local::LocalFileSystem, path::Path};
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;

pub use load::{Found, Loaded, Refused};

/// Where packages are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A directory, as a plain path or `file://` URL.
    pub url: String,
}

/// What can go wrong with the depot; each names the object and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names a store that this binary was not built for, or no store at all.
    #[error("depot.url = {url:?}: {why}")]
    Url {
        /// The setting.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The directory cannot be opened.
    #[error("depot.url = {url:?}: the directory cannot be opened; create it or correct the setting")]
    Open {
        /// The setting.
        url: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// No loaded package has this payload.
    #[error("no loaded package has the payload {0}; was it removed from the depot?")]
    Unknown(Digest),
    /// The object is not the one that was loaded.
    #[error(
        "`{path}` was changed after it was loaded; put the original back or restart to load it anew under a new version"
    )]
    Changed {
        /// The object.
        path: String,
    },
    /// A range beyond the payload was asked for.
    #[error("bytes {start}..{end} lie outside `{path}`, which has {size}")]
    Range {
        /// The object.
        path: String,
        /// First byte asked for.
        start: u64,
        /// Behind the last byte asked for.
        end: u64,
        /// Its size.
        size: u64,
    },
    /// The object store failed; this can heal.
    #[error("cannot read `{path}` from the depot")]
    Read {
        /// The object.
        path: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
}

/// A loaded payload.
#[derive(Debug, Clone)]
struct Object {
    path: Path,
    size: u64,
    /// Tells this object from one that was put in its place later.
    e_tag: Option<String>,
}

/// The opened depot; cheap to clone.
#[derive(Debug, Clone)]
pub struct Depot {
    store: Arc<dyn ObjectStore>,
    objects: Arc<RwLock<BTreeMap<Digest, Object>>>,
}

impl Depot {
    /// Opens the store that the settings name; loads nothing yet.
    ///
    /// # Errors
    /// [`Error::Url`] for a URL this binary cannot serve, [`Error::Open`] for a directory that is not there.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let url = &settings.url;
        let refuse = |why| Err(Error::Url { url: url.clone(), why });
        let path = match url.split_once("://") {
            None => url.as_str(),
            Some(("file", path)) => path,
            Some(("s3" | "gs" | "az", _)) => {
                return refuse(
                    "this binary was built without the feature `cloud`; use a directory or a build that has it",
                );
            }
            Some(_) => return refuse("use a directory, as a plain path or file:// URL"),
        };
        let store =
            LocalFileSystem::new_with_prefix(path).map_err(|source| Error::Open { url: url.clone(), source })?;
        Ok(Self { store: Arc::new(store), objects: Arc::default() })
    }

    /// Reads every package of the store and checks it; sound ones are served from now on, the others are told with their
    /// reasons.
    ///
    /// # Errors
    /// [`Error::Read`] if the store cannot be listed.
    pub async fn load(&self) -> Result<Loaded, Error> {
        let (loaded, objects) = load::load(self.store.as_ref()).await?;
        *self.objects.write().unwrap_or_else(std::sync::PoisonError::into_inner) = objects;
        Ok(loaded)
    }

    /// The size of a payload.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn size(&self, payload: &Digest) -> Result<u64, Error> {
        self.object(payload).map(|object| object.size)
    }

    /// The bytes `range` of a payload, in memory: for one chunk of a message.
    ///
    /// # Errors
    /// [`Error`] says whether it can heal: only [`Error::Read`] can.
    pub async fn range(&self, payload: &Digest, range: Range<u64>) -> Result<Bytes, Error> {
        read::range(self.store.as_ref(), &self.object(payload)?, range).await
    }

    /// The bytes `range` of a payload as a stream of large pieces: for a download.
    ///
    /// # Errors
    /// As [`Depot::range`]; an error in the middle ends the stream.
    pub async fn stream(
        &self,
        payload: &Digest,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, std::io::Error>>, Error> {
        read::stream(self.store.as_ref(), &self.object(payload)?, range).await
    }

    fn object(&self, payload: &Digest) -> Result<Object, Error> {
        let objects = self.objects.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        objects.get(payload).cloned().ok_or(Error::Unknown(*payload))
    }
}
