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
    /// What is wrong, one sentence each, with key, line and column where it has them.
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
    let manifest = manifest(store, meta).await?;
    let wrong = |reason: String| Err(vec![reason]);
    let mut folder: Vec<_> = meta.location.parts().collect();
    folder.pop();
    let own = [manifest.id.as_str(), manifest.version.as_str()];
    if folder.len() < 2 || folder.iter().rev().zip(own.iter().rev()).any(|(part, name)| part.as_ref() != *name) {
        return wrong(format!("the folder must be named `{}/{}` after `id` and `version`", own[0], own[1]));
    }
    if !seen.insert(manifest.package()) {
        return wrong(format!("`{}` {} stands in the depot twice", own[0], own[1]));
    }
    let path: Path = folder.into_iter().chain([manifest.payload.as_str().into()]).collect();
    let Some(found) = sizes.get(&path) else {
        return wrong(format!("payload: `{path}` is not there"));
    };
    if found.size != manifest.size {
        return wrong(format!("size: the manifest says {}, `{path}` has {} bytes", manifest.size, found.size));
    }
    let object = Object { path: path.clone(), size: found.size, e_tag: found.e_tag.clone() };
    match digest(store, &object).await {
        Ok(digest) if digest == manifest.sha256 => Ok((manifest, object)),
        Ok(digest) => wrong(format!("sha256: the manifest says {}, `{path}` has {digest}", manifest.sha256)),
        Err(e) => wrong(format!("payload: `{path}` cannot be read: {e}")),
    }
}

async fn manifest(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<Manifest, Vec<String>> {
    if meta.size > MANIFEST_BYTES {
        return Err(vec![format!("a manifest has at most {MANIFEST_BYTES} bytes, this one has {}", meta.size)]);
    }
    let unreadable = |e: object_store::Error| vec![format!("cannot be read: {e}")];
    let result = store.get_opts(&meta.location, GetOptions::default()).await.map_err(unreadable)?;
    let bytes = result.bytes().await.map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| vec![format!("is not UTF-8: {e}")])?;
    Manifest::parse(text, meta.location.as_ref()).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

async fn digest(store: &dyn ObjectStore, object: &Object) -> Result<Digest, String> {
    let mut bytes = super::read::stream(store, object, 0..object.size).await.map_err(|e| e.to_string())?;
    let mut hash = Sha256::new();
    while let Some(piece) = bytes.try_next().await.map_err(|e| e.to_string())? {
        hash.update(Bytes::as_ref(&piece));
    }
    Ok(Digest::from_bytes(hash.finalize().into()))
}
