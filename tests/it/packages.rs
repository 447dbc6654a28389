//! The catalogue that ships with the project: every package is read, checked and, where it can be, run.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use scomo::{
    model::{
        catalog::{Delivery, Manifest},
        device::{Abilities, DevDetail, DevInfo, Facts},
        digest::Digest,
        id::DeviceId,
        rule::Verdict,
    },
    sim::Profile,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packages")
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn name(of: &Path) -> &str {
    of.file_name().unwrap().to_str().unwrap()
}

/// Every package with its folder.
fn catalogue() -> Vec<(PathBuf, Manifest)> {
    let folders = folders(&root()).into_iter().flat_map(|package| folders(&package));
    folders
        .map(|folder| {
            let file = folder.join("manifest.toml");
            let manifest = Manifest::parse(&fs::read_to_string(&file).unwrap(), file.to_str().unwrap());
            (folder, manifest.unwrap_or_else(|errors| panic!("{errors:#?}")))
        })
        .collect()
}

fn payload(id: &str, version: &str) -> PathBuf {
    let all = catalogue();
    let found = all.iter().find(|(_, m)| m.id.as_str() == id && m.version.as_str() == version);
    let (folder, manifest) = found.unwrap_or_else(|| panic!("{id} {version} ships with the project"));
    folder.join(&manifest.payload)
}

#[test]
fn every_package_is_what_its_manifest_says() {
    let all = catalogue();
    assert!(all.len() >= 6);
    for (folder, manifest) in &all {
        assert_eq!(name(folder), manifest.version.as_str());
        assert_eq!(name(folder.parent().unwrap()), manifest.id.as_str());
        let bytes = fs::read(folder.join(&manifest.payload)).unwrap();
        assert_eq!(u64::try_from(bytes.len()), Ok(manifest.size), "{folder:?}");
        assert_eq!(Digest::of(&bytes), manifest.sha256, "{folder:?}");
        assert_eq!(folders(folder).len(), 2, "{folder:?} holds manifest and payload alone");
    }
}

#[test]
fn simulated_phones_install_what_the_manifests_say() {
    let phone = Profile::shipped().unwrap().into_iter().next().unwrap();
    for (_, manifest) in catalogue().into_iter().filter(|(_, m)| m.id.as_str() != "org.example.gateway.rules") {
        let pkg_id = format!("{}@{}", manifest.id, manifest.version);
        let installs: Vec<(&str, &str)> = phone.scomo.installer[&pkg_id]
            .components
            .iter()
            .map(|component| (component.id.as_str(), component.version.as_str()))
            .collect();
        let says: Vec<_> = manifest.components.iter().map(|c| (c.id.as_str(), c.version.as_str())).collect();
        assert_eq!(installs, says, "{pkg_id}");
    }
}

#[test]
fn the_catalogue_has_something_of_every_kind() {
    let all: Vec<_> = catalogue().into_iter().map(|(_, manifest)| manifest).collect();
    assert!(
        all.iter().any(|m| all.iter().any(|other| other.id == m.id && other.version > m.version)),
        "two versions of one"
    );
    assert!(all.iter().any(|m| m.size >= 256 * 1024), "a large one");
    assert!(all.iter().any(|m| m.on_request) && all.iter().any(|m| !m.on_request));
    assert!(all.iter().any(|m| m.delivery != Delivery::Auto));
    assert!(all.iter().any(|m| m.components.len() > 1));
}

#[test]
fn hello_says_hello() {
    let run = |version: &str, arguments: &[&str]| {
        let output = Command::new("sh").arg(payload("org.example.hello", version)).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run("1.0.0", &[]), "Hello, world!\n");
    assert_eq!(run("1.0.0", &["Ada"]), "Hello, Ada!\n");
    assert_eq!(run("1.1.0", &["Ada", "Grace"]), "Hello, Ada!\nHello, Grace!\n");
    assert_eq!(run("1.1.0", &["--version"]), "hello 1.1.0\n");
}

#[test]
fn the_module_is_web_assembly_that_exports_add_and_gcd() {
    let bytes = fs::read(payload("org.example.adder", "1.0.0")).unwrap();
    let mut module = Wasm(&bytes);
    assert_eq!(module.take(8), b"\0asm\x01\0\0\0", "magic and version 1");
    let mut sections = Vec::new();
    while !module.0.is_empty() {
        let id = module.byte();
        let length = module.number();
        sections.push((id, Wasm(module.take(length))));
    }
    let ids: Vec<_> = sections.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 3, 7, 10], "types, functions, exports, code: each once, in order");
    let [(_, types), (_, functions), (_, exports), (_, code)] = &mut sections[..] else { panic!("four sections") };

    assert_eq!(types.number(), 1);
    assert_eq!(types.take(6), [0x60, 2, 0x7F, 0x7F, 1, 0x7F], "(i32, i32) -> i32");
    assert_eq!((functions.number(), functions.number(), functions.number()), (2, 0, 0), "two functions of that type");
    assert_eq!(exports.number(), 2);
    for (wanted, index) in [("add", 0), ("gcd", 1)] {
        let length = exports.number();
        assert_eq!(exports.take(length), wanted.as_bytes());
        assert_eq!((exports.byte(), exports.number()), (0, index), "{wanted} is a function");
    }
    assert_eq!(code.number(), 2);
    for _ in 0..2 {
        let length = code.number();
        assert_eq!(code.take(length).last(), Some(&0x0B), "a body ends with `end`");
    }
    assert!([types, functions, exports, code].iter().all(|section| section.0.is_empty()), "nothing is left over");
}

/// Walks through a WebAssembly module; panics where it ends too early.
struct Wasm<'a>(&'a [u8]);

impl<'a> Wasm<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    /// An unsigned LEB128 number.
    fn number(&mut self) -> usize {
        let byte = usize::from(self.byte());
        if byte < 128 { byte } else { (byte & 127) | (self.number() << 7) }
    }
}

#[test]
fn the_settings_are_toml_files_in_a_tar_archive() {
    let bytes = fs::read(payload("org.example.settings", "2.0.0")).unwrap();
    let text = |field: &[u8]| String::from_utf8(field.iter().copied().take_while(|b| *b != 0).collect()).unwrap();
    let mut blocks = bytes.chunks(512);
    let mut files = Vec::new();
    while let Some(header) = blocks.next().filter(|block| block[0] != 0) {
        assert_eq!(&header[257..262], b"ustar");
        let sum: usize = header.iter().map(|b| usize::from(*b)).sum();
        let own: usize = header[148..156].iter().map(|b| usize::from(*b)).sum();
        assert_eq!(usize::from_str_radix(text(&header[148..154]).trim(), 8), Ok(sum - own + 8 * 32), "checksum");
        let size = usize::from_str_radix(text(&header[124..135]).trim(), 8).unwrap();
        let content: Vec<u8> = blocks.by_ref().take(size.div_ceil(512)).flatten().copied().take(size).collect();
        let table: toml::Table = String::from_utf8(content).unwrap().parse().unwrap();
        assert!(!table.is_empty());
        files.push(text(&header[..100]));
    }
    assert_eq!(files, ["settings/display.toml", "settings/logging.toml", "settings/network.toml"]);
}

#[test]
fn the_sine_table_holds_a_full_turn() {
    let bytes = fs::read(payload("org.example.sine", "1.0.0")).unwrap();
    let values: Vec<i32> = bytes.chunks_exact(4).map(|four| i32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!((values.len(), bytes.len()), (65_536, 262_144));
    for (step, value) in values.iter().enumerate() {
        let angle = std::f64::consts::TAU * f64::from(u32::try_from(step).unwrap()) / 65_536.0;
        let found = f64::from(*value) / f64::from(1 << 30);
        assert!((found - angle.sin()).abs() < 2e-9, "step {step}: {found}");
    }
}

#[test]
fn the_palettes_name_each_colour_once() {
    for (version, colours) in [("1.0.0", 8), ("2.0.0", 16)] {
        let text = fs::read_to_string(payload("org.example.palette", version)).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap()).collect();
        assert!(
            lines.iter().all(|(rgb, name)| u32::from_str_radix(rgb, 16).is_ok() && rgb.len() == 6 && !name.is_empty())
        );
        let unlike = |part: fn(&(&str, &str)) -> String| lines.iter().map(part).collect::<BTreeSet<_>>().len();
        assert_eq!((unlike(|line| line.0.to_owned()), unlike(|line| line.1.to_owned())), (colours, colours));
        let is_basic = |rgb: &&str| rgb.as_bytes().chunks(2).all(|part| part == b"00" || part == b"ff");
        assert_eq!(
            lines.iter().map(|line| line.0).filter(is_basic).count(),
            8,
            "one bit for each of red, green and blue"
        );
    }
}

#[test]
fn the_phrases_greet_in_languages_in_order() {
    for (version, languages) in [("1.0.0", 1), ("2.0.0", 7)] {
        let text = fs::read_to_string(payload("org.example.hello.phrases", version)).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split_once('\t').unwrap()).collect();
        assert_eq!(lines.len(), languages);
        assert!(lines.is_sorted_by(|one, other| one.0 < other.0));
        assert!(lines.iter().all(|(tag, phrase)| tag.len() == 2 && phrase.matches("%s").count() == 1));
    }
}

#[test]
fn rules_of_the_catalogue_tell_devices_apart() {
    let device = |man: &str, model: &str, detail: Option<DevDetail>| Facts {
        id: DeviceId::parse("IMEI:490154203237518").unwrap(),
        info: DevInfo { man: Some(man.into()), model: Some(model.into()), ..DevInfo::default() },
        detail,
        installed: None,
        user_agent: None,
        tags: Vec::new(),
        abilities: Abilities::default(),
    };
    let all = catalogue();
    let verdict = |id: &str, facts: &Facts| {
        let rule = all.iter().find(|(_, m)| m.id.as_str() == id).and_then(|(_, m)| m.when.as_ref());
        rule.unwrap_or_else(|| panic!("{id} has a rule")).eval(facts)
    };
    let phone = device("Acme", "P1", Some(DevDetail { fwv: Some("2.0".into()), ..DevDetail::default() }));
    let gateway =
        device("Contoso", "GW-200", Some(DevDetail { devtyp: Some("gateway".into()), ..DevDetail::default() }));
    assert_eq!(verdict("org.example.gateway.rules", &gateway), Verdict::Yes);
    assert_eq!(verdict("org.example.gateway.rules", &phone), Verdict::No);
    assert_eq!(
        (verdict("org.example.adder", &phone), verdict("org.example.adder", &gateway)),
        (Verdict::Yes, Verdict::No)
    );
    assert_eq!(verdict("org.example.sine", &phone), Verdict::Yes);
    assert!(matches!(verdict("org.example.sine", &gateway), Verdict::Undecided { .. }));
    assert!(matches!(verdict("org.example.sine", &device("Acme", "P1", None)), Verdict::Undecided { .. }));
}
