//! The catalogue as clients see it, and what selection would choose and why not the others.

use std::{fs, path::Path};

use scomo::model::digest::Digest;
use serde_json::{Value, json};

use crate::support::service::{Service, device};

#[tokio::test]
async fn the_catalogue_is_listed_highest_version_first_and_shown_in_full() {
    let service = Service::start().await;
    let all = service.get("/packages").await.body;
    let names: Vec<String> = all["packages"].as_array().unwrap().iter().map(reference).collect();
    assert_eq!(
        names,
        [
            "org.example.adder 1.0.0",
            "org.example.gateway.rules 0.9.0",
            "org.example.hello 1.1.0",
            "org.example.hello 1.0.0",
            "org.example.hello.phrases 2.0.0",
            "org.example.hello.phrases 1.0.0",
            "org.example.palette 2.0.0",
            "org.example.palette 1.0.0",
            "org.example.settings 2.0.0",
            "org.example.sine 1.0.0",
        ]
    );
    let versions = service.get("/packages/org.example.hello").await.body;
    assert_eq!(versions["packages"].as_array().unwrap().len(), 2);
    let one = service.get("/packages/org.example.hello/1.1.0").await.body;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packages/org.example.hello/1.1.0/manifest.toml");
    let written: Value =
        serde_json::to_value(fs::read_to_string(file).unwrap().parse::<toml::Table>().unwrap()).unwrap();
    for member in ["id", "version", "name", "payload", "size", "sha256", "components"] {
        assert_eq!(one[member], written[member], "{member}");
    }
    for absent in
        ["/packages/nothing", "/packages/org.example.hello/9", "/packages/a%2Fb/1", "/packages/org.example.hello/1.0"]
    {
        assert_eq!(service.get(absent).await.problem(), (404, "not_found", vec![]), "{absent}");
    }
    service.stop().await;
}

fn reference(package: &Value) -> String {
    format!("{} {}", package["id"].as_str().unwrap(), package["version"].as_str().unwrap())
}

/// A catalogue with a package for each reason to refuse one.
fn catalogue() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (id, version, more) in [
        ("p.plain", "1.0", ""),
        ("p.plain", "2.0-rc1", ""),
        ("p.future", "1.0", "not_before = 2099-01-01T00:00:00Z"),
        ("p.other", "1.0", "when = \"dev.id == 'somebody-else'\""),
        ("p.facts", "1.0", "when = \"version(detail.fwv) >= version('3.0')\""),
        ("p.broken", "1.0", "when = \"version(dev.id) < version(dev.id + 1)\""),
        ("p.mine", "1.0", "when = \"dev.id == 'mine'\""),
    ] {
        let folder = dir.path().join(id).join(version);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("payload"), "payload").unwrap();
        let manifest = format!(
            "format = 1\nid = \"{id}\"\nversion = \"{version}\"\nname = \"{id}\"\npayload = \"payload\"\nsize = 7\n\
             sha256 = \"{}\"\n{more}\n[[components]]\nid = \"{id}.c\"\nversion = \"{version}\"\n",
            Digest::of(b"payload")
        );
        fs::write(folder.join("manifest.toml"), manifest).unwrap();
    }
    dir
}

/// `id version code` of each refusal.
fn refused(answer: &Value) -> Vec<String> {
    let refused = answer["refused"].as_array().unwrap().iter().map(|refusal| {
        assert!(!refusal["reason"].as_str().unwrap().is_empty());
        format!(
            "{} {} {}",
            refusal["package"].as_str().unwrap(),
            refusal["version"].as_str().unwrap(),
            refusal["cause"]["code"].as_str().unwrap_or_else(|| panic!("{refusal}"))
        )
    });
    let mut refused: Vec<String> = refused.collect();
    refused.sort();
    refused
}

#[tokio::test]
async fn selection_tells_what_it_would_choose_and_each_refusal_with_its_reason() {
    let packages = catalogue();
    let service = Service::serving(packages.path(), "").await;
    for id in ["mine", "yours"] {
        assert_eq!(service.post("/devices", &device(id)).await.status, 201);
    }
    let select = async |question: Value| {
        let answer = service.post("/select", &question).await;
        assert_eq!(answer.status, 200, "{question}: {}", answer.text);
        answer.body
    };

    let best = select(json!({ "device": "mine" })).await;
    assert_eq!(
        (&best["outcome"], &best["package"]),
        (&json!("chosen"), &json!({ "id": "p.mine", "version": "1.0" })),
        "{best}"
    );

    let none = select(json!({ "device": "yours" })).await;
    let seen = refused(&none);
    for expected in [
        "p.future 1.0 not_before",
        "p.mine 1.0 does_not_apply",
        "p.other 1.0 does_not_apply",
        "p.plain 1.0 untargeted",
        "p.facts 1.0 unknown_facts",
    ] {
        assert!(seen.iter().any(|refusal| refusal == expected), "{expected}: {none}");
    }

    let named = |id: &str, version: Value| json!({ "device": "yours", "package": { "id": id, "version": version } });
    let plain = select(json!({ "device": "yours", "package": { "id": "p.plain" } })).await;
    assert_eq!(plain["outcome"], "chosen", "{plain}");
    let rule = select(named("p.plain", json!(">=1.0"))).await;
    assert_eq!(
        (&rule["package"]["version"], refused(&rule)),
        (&json!("1.0"), vec!["p.plain 2.0-rc1 pre_release".to_owned()])
    );
    let newer = select(named("p.plain", json!(">=3"))).await;
    assert_eq!(newer["outcome"], "nothing");
    assert!(refused(&newer).contains(&"p.plain 1.0 version".to_owned()), "{newer}");
    let facts = select(named("p.facts", json!("1.0"))).await;
    assert!(facts.to_string().contains("detail.fwv"), "which fact is missing is told: {facts}");
    let nothing = select(json!({ "device": "yours", "package": { "id": "p.unknown" } })).await;
    assert_eq!((&nothing["outcome"], refused(&nothing).len()), (&json!("nothing"), 0));

    assert_eq!(service.post("/select", &json!({ "device": "nobody" })).await.problem().0, 404);
    assert_eq!(
        service.post("/select", &json!({ "action": "fly", "package": {} })).await.problem().2,
        ["/device missing_field", "/package/id missing_field", "/action unknown_value"]
    );
    service.stop().await;
}
