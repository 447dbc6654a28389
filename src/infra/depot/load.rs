//! Loading the catalogue: each manifest is parsed, each payload measured against it, and a bad package harms no other.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{GetOptions, ObjectMeta, ObjectStore, path::Path};
use sha2::{Digest as _, Sha256};

use super::{Error, Object};
use crate::model::{
    catalog::{Manifest, PackageRef},
    digest::Digest,
};

/// The file that makes a folder a package.
const MANIFEST: &str = "manifest.toml";
/// A manifest larger than this is no manifest.
const MANIFEST_BYTES: u64 = 64 << 10;

/// What loading found.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Sound packages, by id and version.
    pub packages: Vec<Found>,
    /// Packages that are not served, and why.
    pub refused: Vec<Refused>,
}

/// A sound package.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its manifest.
    pub manifest: Manifest,
    /// Path of the manifest in the depot.
    pub file: String,
}

/// A package that is not served.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Path of its manifest in the depot.
    pub file: String,
    /// What is wrong, one sentence each: file, line and column, key, reason, as far as it has them.
    pub reasons: Vec<String>,
}

pub(super) async fn load(store: &dyn ObjectStore) -> Result<(Loaded, BTreeMap<Digest, Object>), Error> {
    let listing = store.list(None).try_collect::<Vec<ObjectMeta>>().await;
    let mut files = listing.map_err(|source| Error::Read { path: "/".to_owned(), source })?;
    files.sort_by(|a, b| a.location.cmp(&b.location));
    let sizes: BTreeMap<_, _> = files.iter().map(|meta| (meta.location.clone(), meta)).collect();
    let (mut loaded, mut objects, mut seen) = (Loaded::default(), BTreeMap::new(), BTreeSet::new());
    for meta in files.iter().filter(|meta| meta.location.filename() == Some(MANIFEST)) {
        let file = meta.location.to_string();
        match package(store, meta, &sizes, &mut seen).await {
            Ok((manifest, object)) => {
                objects.insert(manifest.sha256, object);
                loaded.packages.push(Found { manifest, file });
            }
            Err(reasons) => loaded.refused.push(Refused { file, reasons }),
        }
    }
    Ok((loaded, objects))
}

async fn package(
    store: &dyn ObjectStore,
    meta: &ObjectMeta,
    sizes: &BTreeMap<Path, &ObjectMeta>,
    seen: &mut BTreeSet<PackageRef>,
) -> Result<(Manifest, Object), Vec<String>> {
    let (manifest, text) = manifest(store, meta).await?;
    let file = meta.location.as_ref();
    let wrong = |key: &str, reason: String| Err(vec![Manifest::fault(&text, file, key, reason).to_string()]);
    let mut folder: Vec<_> = meta.location.parts().collect();
    folder.pop();
    let (id, version) = (manifest.id.as_str(), manifest.version.as_str());
    let mut names = folder.iter().rev().map(AsRef::as_ref);
    for (key, own) in [("version", version), ("id", id)] {
        if names.next() != Some(own) {
            return wrong(key, format!("the folder must be named `{id}/{version}` after `id` and `version`"));
        }
    }
    if !seen.insert(manifest.package()) {
        return wrong("id", format!("`{id}` {version} stands in the depot twice"));
    }
    let path: Path = folder.into_iter().chain([manifest.payload.as_str().into()]).collect();
    let Some(found) = sizes.get(&path) else {
        return wrong("payload", format!("`{path}` is not there"));
    };
    if found.size != manifest.size {
        return wrong("size", format!("the manifest says {}, `{path}` has {} bytes", manifest.size, found.size));
    }
    let object = Object { path: path.clone(), size: found.size, e_tag: found.e_tag.clone() };
    match digest(store, &object).await {
        Ok(digest) if digest == manifest.sha256 => Ok((manifest, object)),
        Ok(digest) => wrong("sha256", format!("the manifest says {}, `{path}` has {digest}", manifest.sha256)),
        Err(e) => wrong("payload", format!("`{path}` cannot be read: {e}")),
    }
}

/// The manifest and its text.
async fn manifest(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<(Manifest, String), Vec<String>> {
    let file = &meta.location;
    if meta.size > MANIFEST_BYTES {
        return Err(vec![format!("{file}: a manifest has at most {MANIFEST_BYTES} bytes, this one has {}", meta.size)]);
    }
    let unreadable = |e: object_store::Error| vec![format!("{file}: cannot be read: {e}")];
    let result = store.get_opts(file, GetOptions::default()).await.map_err(unreadable)?;
    let bytes = result.bytes().await.map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| vec![format!("{file}: is not UTF-8: {e}")])?;
    let manifest = Manifest::parse(text, file.as_ref());
    let manifest = manifest.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok((manifest, text.to_owned()))
}

async fn digest(store: &dyn ObjectStore, object: &Object) -> Result<Digest, String> {
    let mut bytes = super::read::stream(store, object, 0..object.size).await.map_err(|e| e.to_string())?;
    let mut hash = Sha256::new();
    while let Some(piece) = bytes.try_next().await.map_err(|e| e.to_string())? {
        hash.update(Bytes::as_ref(&piece));
    }
    Ok(Digest::from_bytes(hash.finalize().into()))
}
