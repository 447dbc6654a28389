use std::{fs, path::PathBuf, time::Duration};

use tempfile::TempDir;

use super::*;

/// The defaults with every example switched on.
fn everything() -> String {
    let shown = DEFAULTS.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key,
        Some(_) | None => line,
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// A URL's own parts may be absent.
fn without_urls(shown: &str) -> String {
    let mut pieces = shown.split("Url {");
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |all, piece| all + piece.split_once('}').unwrap().1)
}

fn written(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scomo.toml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn from_file(text: &str) -> Result<Settings, LoadError> {
    let (_dir, path) = written(text);
    Settings::load(Some(&path), &BTreeMap::new())
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Settings, LoadError> {
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Settings::load(None, &variables)
}

#[test]
fn the_defaults_are_whole() {
    let settings = Settings::load(None, &BTreeMap::new()).unwrap();
    assert_eq!(settings.device.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.admin.auth, AuthMode::ThisMachine);
    assert_eq!(settings.job.default_deadline, Duration::from_hours(720));
}

#[test]
fn every_key_is_documented() {
    let (_dir, keys) = written("# ours\n2026:TWFrZSB5b3VyIG93bjogb3BlbnNzbCByYW5kIDMyISE=\n\n");
    let text = everything().replace("/etc/scomo/keys", keys.to_str().unwrap());
    let mut settings = from_file(&text).unwrap();
    assert_eq!(settings.secrets.keys.len(), 2, "one from the list, one from the file");
    let classes = std::mem::take(&mut settings.device_classes);
    let shown = without_urls(&format!("{settings:?}")).replace(&format!("{:?}", settings.device_classes), "");
    assert!(classes.get("acme").is_some());
    assert!(!shown.contains("None") && !shown.contains("[]"), "a key has no example in deploy/scomo.toml: {shown}");
}

#[test]
fn every_key_of_a_device_class_is_documented_with_its_default() {
    let text = everything().replace("keys_file", "# keys_file");
    let classes = from_file(&text).unwrap().device_classes;
    let (example, usual) = (classes.get("acme").unwrap(), classes.get(Classes::USUAL).unwrap());
    assert!(example.rule.is_some());
    assert_eq!((&example.dm, &example.scomo), (&usual.dm, &usual.scomo));
    let (dm, scomo) = (serde_json::to_value(&usual.dm).unwrap(), serde_json::to_value(&usual.scomo).unwrap());
    for key in dm.as_object().unwrap().keys().chain(scomo.as_object().unwrap().keys()) {
        assert!(DEFAULTS.contains(&format!("\n#{key} = ")), "{key} has no example in deploy/scomo.toml");
    }
}

#[test]
fn a_file_wins_over_the_defaults_and_a_variable_over_both() {
    let (_dir, path) = written("[job]\ndefault_deadline = \"7d\"\npatience.answer = \"1m\"\n");
    let variables = BTreeMap::from([("SCOMO__JOB__PATIENCE__ANSWER".to_owned(), "90s".to_owned())]);
    let settings = Settings::load(Some(&path), &variables).unwrap();
    assert_eq!(settings.job.default_deadline, Duration::from_hours(168));
    assert_eq!(settings.job.patience.answer, Duration::from_secs(90));
    assert_eq!(settings.job.patience.report, Duration::from_hours(1));
}

#[test]
fn variables_hold_what_their_key_holds() {
    let settings = from_environment(&[
        ("SCOMO__DEVICE__CONNECTIONS", "7"),
        ("SCOMO__DEVICE__PATHS", "[\"/v1\", \"/oma\"]"),
        ("SCOMO__DEVICE__TITLE_CASE_HEADERS", "true"),
        ("SCOMO__DEVICE__SERVER_ID", "4711"),
        ("SCOMO_SERVER", "http://not.a.setting"),
    ])
    .unwrap();
    assert_eq!((settings.device.connections, settings.device.title_case_headers), (7, true));
    assert_eq!((settings.device.server_id.as_str(), settings.device.paths.len()), ("4711", 2));
}

#[test]
fn an_unknown_key_is_named_with_its_source() {
    let in_file = from_file("[device]\nlisten = \"127.0.0.1:1\"\nlissten = 1\n").unwrap_err().to_string();
    assert!(in_file.contains("lissten") && in_file.contains("device") && in_file.contains("scomo.toml"), "{in_file}");
    let in_environment = from_environment(&[("SCOMO__DEVICE__LISSTEN", "x")]).unwrap_err().to_string();
    assert!(in_environment.contains("SCOMO__DEVICE__LISSTEN"), "{in_environment}");
}

#[test]
fn a_wrong_value_is_named_with_its_key() {
    for (name, text, expected) in [
        ("SCOMO__JOB__DEFAULT_DEADLINE", "soon", "SCOMO__JOB__DEFAULT_DEADLINE"),
        ("SCOMO__DEVICE__CONNECTIONS", "many", "SCOMO__DEVICE__CONNECTIONS"),
        ("SCOMO__DEVICE__LISTEN", "localhost", "SCOMO__DEVICE__LISTEN"),
        ("SCOMO__BUS__URL", "kafka://broker", "amqps://"),
        ("SCOMO__ADMIN__TOKENS", "[{ name = 'x', hash = 'md5:0', roles = ['read'] }]", "sha256sum"),
    ] {
        let refused = from_environment(&[(name, text)]).unwrap_err().to_string();
        assert!(refused.contains(expected), "{name}={text}: {refused}");
    }
}

#[test]
fn a_secret_comes_from_a_file_and_is_not_shown() {
    let (_dir, path) = written("hunter2\n");
    let settings = from_environment(&[("SCOMO__WEBHOOK__SIGNING_KEY_FILE", path.to_str().unwrap())]).unwrap();
    assert_eq!(settings.webhook.signing_key.as_ref().unwrap().expose(), "hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let missing = from_environment(&[("SCOMO__DATABASE__URL_FILE", "/nowhere")]).unwrap_err().to_string();
    assert!(missing.contains("SCOMO__DATABASE__URL_FILE") && missing.contains("/nowhere"), "{missing}");
}

#[test]
fn a_missing_file_is_no_empty_file() {
    let refused = Settings::load(Some(Path::new("/nowhere/scomo.toml")), &BTreeMap::new()).unwrap_err();
    assert!(matches!(refused, LoadError::File { .. }), "{refused}");
}

#[test]
fn an_open_door_is_refused() {
    let refused = from_environment(&[("SCOMO__ADMIN__LISTEN", "0.0.0.0:8081")]).unwrap_err().to_string();
    assert!(refused.contains("admin.auth") && refused.contains("tokens"), "{refused}");
    let refused = from_environment(&[("SCOMO__DEVICE__LISTEN", "0.0.0.0:8080")]).unwrap_err().to_string();
    assert!(refused.contains("device.plain_http"), "{refused}");
    let meant = [("SCOMO__DEVICE__LISTEN", "0.0.0.0:8080"), ("SCOMO__DEVICE__PLAIN_HTTP", "true")];
    assert!(from_environment(&meant).is_ok());
}

#[test]
fn what_does_not_fit_together_is_told_at_once() {
    let refused = from_environment(&[
        ("SCOMO__ADMIN__AUTH", "tokens"),
        ("SCOMO__JOB__DEFAULT_DEADLINE", "0s"),
        ("SCOMO__RETENTION__EVENTS", "0s"),
        ("SCOMO__RETENTION__REQUESTS", "89d"),
        ("SCOMO__RETENTION__INVENTORIES", "0"),
        ("SCOMO__DEVICE__PATHS", "[\"dm\"]"),
        ("SCOMO__BUS__DEAD_QUEUE", "scomo.requests"),
    ]);
    let LoadError::Unfit(Complaints(found)) = refused.unwrap_err() else { panic!("another error") };
    let keys: Vec<&str> = found.iter().map(|complaint| complaint.key).collect();
    assert_eq!(
        keys,
        [
            "admin.tokens",
            "device.paths",
            "job.default_deadline",
            "retention.events",
            "retention.requests",
            "retention.inventories",
            "bus.dead_queue"
        ]
    );
}
