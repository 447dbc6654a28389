use super::*;

const WHOLE: &str = r#"format = 1
id = "org.example.player"
version = "2.1.0"
name = "Player"
description = "Plays."
pkg_type = "application/gzip"
not_before = 2026-01-31T08:00:00Z
payload = "player.tar.gz"
size = 262_144
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
when = "dev.man == 'Acme' && version(detail.fwv) >= version('3.0')"
on_request = true
delivery = "alternate"
[[components]]
id = "org.example.player.app"
version = "2.1.0"
[user_text]
en = "Install Player 2.1?"
fr = "Installer Player 2.1 ?"
"#;

fn errors(text: &str) -> Vec<(String, usize, usize, String)> {
    let errors = Manifest::parse(text, "manifest.toml").unwrap_err();
    errors.into_iter().map(|e| (e.key, e.line, e.column, e.reason)).collect()
}

/// The whole manifest with one line in another's place.
fn with(line: &str, instead: &str) -> String {
    assert!(WHOLE.contains(line));
    WHOLE.replace(line, instead)
}

#[test]
fn a_manifest_is_read_whole() {
    let manifest = Manifest::parse(WHOLE, "manifest.toml").unwrap();
    assert_eq!(manifest.package().to_string(), "org.example.player 2.1.0");
    assert_eq!(manifest.pkg_id(), "org.example.player@2.1.0");
    assert_eq!((manifest.size, manifest.delivery, manifest.on_request), (262_144, Delivery::Alternate, true));
    assert_eq!(manifest.not_before.unwrap().to_string(), "2026-01-31T08:00:00Z");
    assert_eq!(manifest.text_for("fr-CA"), Some("Installer Player 2.1 ?"));
    assert_eq!(manifest.text_for("ja"), Some("Install Player 2.1?"));
    assert_eq!(manifest.mime(), "application/gzip");
}

#[test]
fn a_manifest_survives_its_json() {
    let manifest = Manifest::parse(WHOLE, "manifest.toml").unwrap();
    let json = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
}

#[test]
fn every_error_is_told_with_its_place() {
    let text = with("name = \"Player\"", "naem = \"Player\"")
        .replace("size = 262_144", "size = 0")
        .replace("\"2.1.0\"\nname", "\"2/1\"\nname");
    let found = errors(&text.replace("version = \"2.1.0\"\nnaem", "version = \"2/1\"\nnaem"));
    let places: Vec<_> = found.iter().map(|(key, line, column, _)| (key.as_str(), *line, *column)).collect();
    assert_eq!(places, [("name", 1, 1), ("version", 3, 11), ("naem", 4, 1), ("size", 9, 8)]);
    let error = &Manifest::parse("format = 2", "p/manifest.toml").unwrap_err()[0];
    assert_eq!(error.to_string(), "p/manifest.toml:1:1: `id`: is missing");
}

#[test]
fn a_wrong_rule_is_pointed_at() {
    let found = errors(&with("version('3.0')\"", "version('3.0') &\""));
    assert_eq!((found[0].0.as_str(), found[0].1, found[0].2), ("when", 11, 68), "{found:?}");
    let found = errors(&with("detail.fwv", "detail.fmv"));
    assert!(found[0].3.contains("\"detail.fmv\" is no fact"), "{found:?}");
}

#[test]
fn keys_of_later_versions_are_refused_by_name() {
    for key in ["requires", "conflicts", "supersedes", "blocks", "withdrawn"] {
        let found = errors(&format!("{key} = true\n{WHOLE}"));
        assert_eq!((found[0].0.as_str(), found[0].1), (key, 1));
        assert!(found[0].3.contains("not supported yet"));
    }
}

#[test]
fn a_payload_stays_in_its_folder() {
    for name in ["../other/payload", "/etc/passwd", "a/b", "a\\\\b", "..", ".hidden", "manifest.toml", "", "a b"] {
        let found = errors(&with("\"player.tar.gz\"", &format!("\"{name}\"")));
        assert_eq!(found[0].0, "payload", "{name}");
    }
}

#[test]
fn wrong_values_are_refused() {
    for (line, instead, key) in [
        ("format = 1", "format = \"1\"", "format"),
        ("version = \"2.1.0\"\nname", "version = \"\"\nname", "version"),
        ("size = 262_144", "size = -1", "size"),
        ("sha256 = \"ba", "sha256 = \"zz", "sha256"),
        ("not_before = 2026-01-31T08:00:00Z", "not_before = 2026-01-31T08:00:00", "not_before"),
        ("on_request = true", "on_request = \"yes\"", "on_request"),
        ("delivery = \"alternate\"", "delivery = \"pigeon\"", "delivery"),
        ("id = \"org.example.player.app\"", "id = 7", "components[0].id"),
        ("id = \"org.example.player.app\"", "id = \"a\"\nname = \"b\"", "components[0].name"),
        ("fr = ", "\"f r\" = ", "user_text.f r"),
        ("en = \"Install Player 2.1?\"", "en = \"\\u0007\"", "user_text.en"),
        (
            "[[components]]",
            "[[components]]\nid = \"x\"\nversion = \"1\"\n[[components]]\nid = \"x\"\nversion = \"2\"\n[[components]]",
            "components",
        ),
    ] {
        assert!(
            errors(&with(line, instead)).iter().any(|error| error.0 == key),
            "{instead}: {:?}",
            errors(&with(line, instead))
        );
    }
}

#[test]
fn hostile_text_is_an_error() {
    assert_eq!(errors("id = ").len(), 1);
    assert!(errors(&"#".repeat(70_000))[0].3.contains("65536"));
    assert!(!errors(&format!("a = {}", "[".repeat(60_000))).is_empty());
    assert!(!errors(&format!("{} = 1", vec!["a"; 30_000].join("."))).is_empty());
    let twice = errors("id = \"a\"\nid = \"b\"\n");
    assert_eq!((twice.len(), twice[0].1), (1, 2));
}

#[test]
fn manifests_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Manifest>();
}
