//! Bad packages: each is refused with file, key, place and reason, and harms no other.

use std::{fs, path::Path};

use scomo::{
    infra::depot::{Depot, Loaded, Settings},
    model::digest::Digest,
};
use tempfile::TempDir;

use crate::support::service::Service;

pub(crate) const PAYLOAD: &[u8] = b"the payload";

/// A manifest line by line; line 1 is `format`.
pub(crate) fn manifest(id: &str, version: &str) -> String {
    format!(
        "format = 1\nid = \"{id}\"\nversion = \"{version}\"\nname = \"A package\"\npayload = \"payload.bin\"\nsize = {}\n\
         sha256 = \"{}\"\n\n[[components]]\nid = \"{id}.part\"\nversion = \"{version}\"\n",
        PAYLOAD.len(),
        Digest::of(PAYLOAD)
    )
}

/// Writes a package into the folder of this name.
pub(crate) fn put(catalogue: &Path, folder: &str, manifest: &str) {
    let folder = catalogue.join(folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("manifest.toml"), manifest).unwrap();
    fs::write(folder.join("payload.bin"), PAYLOAD).unwrap();
}

/// A change to a good manifest, and what must be said of it, behind the file's name.
const BAD: &[(&str, &str, &str, &str)] = &[
    ("digest", "sha256 = \"", "sha256 = \"00", ":7:10: `sha256`: "),
    (
        "version",
        "version = \"1.0\"",
        "version = \"1/0\"",
        ":3:11: `version`: a package's version names a folder: '/' is none of its letters",
    ),
    ("rule", "name =", "when = \"dev.man == \"\nname =", ":4:20: `when`: "),
    ("fact", "name =", "when = \"dev.colour == 'red'\"\nname =", ":4:8: `when`: "),
    ("type", "size = 11", "size = \"11\"", ":6:8: `size`: must be the payload's number of bytes"),
    ("none", "size = 11\n", "", ": `size`: "),
    ("zero", "size = 11", "size = 0", ":6:8: `size`: "),
    ("path", "payload.bin", "../payload.bin", ":5:11: `payload`: must be the bare name"),
    ("unknown", "name =", "colour = \"red\"\nname =", ":4:1: `colour`: is no key here"),
    ("later", "name =", "requires = []\nname =", ":4:1: `requires`: is not supported yet"),
    ("format", "format = 1", "format = 2", ":1:10: `format`: this version reads"),
    ("toml", "name = \"A package\"", "name = \"A package", ":4:"),
    (
        "component",
        "[[components]]\nid =",
        "[[components]]\nidd = 1\nid =",
        ":10:1: `components[0].idd`: is no key here",
    ),
    ("delivery", "name =", "delivery = \"pigeon\"\nname =", ":4:12: `delivery`: "),
];

fn catalogue() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "p.good/1.0", &manifest("p.good", "1.0"));
    put(dir.path(), "p.good/2.0", &manifest("p.good", "2.0"));
    for (name, from, to, _) in BAD {
        let id = format!("p.{name}");
        let good = manifest(&id, "1.0");
        let bad = good.replacen(from, to, 1);
        assert_ne!(good, bad, "{name}");
        put(dir.path(), &format!("{id}/1.0"), &bad);
    }
    dir
}

async fn load(dir: &TempDir) -> Loaded {
    Depot::open(&Settings { url: dir.path().display().to_string() }).unwrap().load().await.unwrap()
}

fn refusal<'l>(loaded: &'l Loaded, file: &str) -> &'l [String] {
    let found = loaded.refused.iter().find(|refused| refused.file == file);
    &found.unwrap_or_else(|| panic!("{file} is not refused: {:?}", loaded.refused)).reasons
}

#[tokio::test]
async fn a_bad_manifest_is_refused_with_file_key_line_column_and_reason() {
    let dir = catalogue();
    let loaded = load(&dir).await;
    for (name, _, _, expected) in BAD {
        let file = format!("p.{name}/1.0/manifest.toml");
        let reasons = refusal(&loaded, &file);
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].starts_with(&file) && reasons[0].contains(expected), "{name}: {reasons:?}");
    }
    assert_eq!(loaded.refused.len(), BAD.len());
    let good: Vec<String> = loaded.packages.iter().map(|found| found.manifest.package().to_string()).collect();
    assert_eq!(good, ["p.good 1.0", "p.good 2.0"], "the others still load");
}

/// Faults between manifest and folder have no place in the manifest but that of the key.
#[tokio::test]
async fn a_payload_or_a_folder_that_is_not_what_the_manifest_says_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, id, version) in [
        ("p.digest/1.0", "p.digest", "1.0"),
        ("p.missing/1.0", "p.missing", "1.0"),
        ("p.size/1.0", "p.size", "1.0"),
        ("p.folder/1.0", "p.another", "1.0"),
        ("p.version/1.0", "p.version", "1.1"),
        ("p.good/1.0", "p.good", "1.0"),
        ("copy/p.good/1.0", "p.good", "1.0"),
        ("flat", "flat", "1.0"),
    ] {
        put(dir.path(), folder, &manifest(id, version));
    }
    let file = |name: &str| dir.path().join(name).join("payload.bin");
    fs::write(file("p.digest/1.0"), b"another one").unwrap();
    fs::remove_file(file("p.missing/1.0")).unwrap();
    fs::write(file("p.size/1.0"), b"a longer payload").unwrap();
    let loaded = load(&dir).await;
    for (folder, expected) in [
        ("p.digest/1.0", "`sha256`: "),
        ("p.missing/1.0", "`payload`: "),
        ("p.size/1.0", "`size`: "),
        ("p.folder/1.0", "`id`: the folder must be named `p.another/1.0`"),
        ("p.version/1.0", "`version`: the folder must be named `p.version/1.1`"),
        ("flat", "the folder must be named `flat/1.0`"),
    ] {
        let name = format!("{folder}/manifest.toml");
        let reasons = refusal(&loaded, &name);
        assert!(reasons.len() == 1 && reasons[0].contains(expected), "{folder}: {reasons:?}");
        assert!(reasons[0].starts_with(&name), "{reasons:?}");
    }
    let places = [
        ("p.digest/1.0", ":7:10: "),
        ("p.missing/1.0", ":5:11: "),
        ("p.size/1.0", ":6:8: "),
        ("p.folder/1.0", ":2:6: "),
    ];
    for (folder, place) in places {
        assert!(
            refusal(&loaded, &format!("{folder}/manifest.toml"))[0].contains(place),
            "{folder} {place}: {:?}",
            loaded.refused
        );
    }
    assert_eq!(loaded.packages.len(), 1, "one of the two that are the same");
    assert!(loaded.refused.iter().any(|refused| refused.reasons[0].contains("twice")), "{:?}", loaded.refused);
}

#[tokio::test]
async fn a_file_that_is_no_manifest_at_all_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "p.good/1.0", &manifest("p.good", "1.0"));
    put(dir.path(), "p.empty/1.0", "");
    put(dir.path(), "p.long/1.0", &format!("{}# {}", manifest("p.long", "1.0"), "x".repeat(70_000)));
    put(dir.path(), "p.binary/1.0", "");
    fs::write(dir.path().join("p.binary/1.0/manifest.toml"), [0xFF, 0xFE, 0]).unwrap();
    let loaded = load(&dir).await;
    assert_eq!((loaded.packages.len(), loaded.refused.len()), (1, 3));
    let empty = refusal(&loaded, "p.empty/1.0/manifest.toml").join("\n");
    for key in ["format", "id", "version", "name", "payload", "size", "sha256"] {
        assert!(empty.contains(&format!("`{key}`")), "every key that is missing is told: {empty}");
    }
    assert!(refusal(&loaded, "p.long/1.0/manifest.toml")[0].contains("65536 bytes"));
    assert!(refusal(&loaded, "p.binary/1.0/manifest.toml")[0].contains("UTF-8"));
}

#[tokio::test]
async fn a_service_starts_with_what_is_good_of_its_catalogue() {
    let dir = catalogue();
    let service = Service::serving(dir.path(), "").await;
    let packages = service.get("/packages").await.body;
    let ids: Vec<&str> = packages["packages"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["p.good", "p.good"]);
    assert_eq!(service.get("/packages/p.rule").await.problem().0, 404);
    service.stop().await;
}
