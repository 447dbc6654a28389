//! The rules of the house, read from `src/`: a folder uses only folders above it in `lib.rs`, the two pillars are strangers, so
//! are the steps of the flow, and the simulator shares nothing with the server but nouns and codecs.

use std::{fs, path::Path};

use syn::visit::{self, Visit};

/// How it is said, and what is wanted: neither uses the other.
const PILLARS: [&[&str]; 2] = [&["wire", "protocol"], &["scomo", "job"]];

/// The folders in the order in which `lib.rs` declares them.
fn order() -> Vec<String> {
    let lib = syn::parse_file(&fs::read_to_string("src/lib.rs").unwrap()).unwrap();
    let name = |item: &syn::Item| if let syn::Item::Mod(module) = item { Some(module.ident.to_string()) } else { None };
    lib.items.iter().filter_map(name).collect()
}

/// Every path of a file, with `crate`, `super` and `self` resolved against the file's own module path.
struct Uses<'a> {
    here: &'a [String],
    found: Vec<Vec<String>>,
}

impl Uses<'_> {
    fn take(&mut self, path: &[String]) {
        let supers = path.iter().take_while(|s| *s == "super").count();
        let (base, rest) = match path.first().map(String::as_str) {
            Some("crate") => (&[][..], &path[1..]),
            Some("self") => (self.here, &path[1..]),
            Some("super") => (&self.here[..self.here.len().saturating_sub(supers)], &path[supers..]),
            _ => return,
        };
        self.found.push(base.iter().chain(rest).cloned().collect());
    }

    fn tree(&mut self, tree: &syn::UseTree, so_far: &[String]) {
        let with = |ident: &syn::Ident| [so_far, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(p) => self.tree(&p.tree, &with(&p.ident)),
            syn::UseTree::Name(n) => self.take(&with(&n.ident)),
            syn::UseTree::Rename(r) => self.take(&with(&r.ident)),
            syn::UseTree::Glob(_) => self.take(so_far),
            syn::UseTree::Group(g) => g.items.iter().for_each(|t| self.tree(t, so_far)),
        }
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // An inline module shifts what `super` means; only tests have one.
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.take(&path.segments.iter().map(|s| s.ident.to_string()).collect::<Vec<_>>());
        visit::visit_path(self, path);
    }
}

/// Why the file at `here` may not use `there`; `None` if it may.
fn refusal(order: &[String], here: &[String], there: &[String]) -> Option<&'static str> {
    let (from, to) = (here.first()?.as_str(), there.first()?.as_str());
    if from == "flow" && to == "flow" && here.len() > 1 && there.len() > 1 && here[1] != there[1] {
        return Some("the steps of the flow are strangers");
    }
    let rank = |folder: &str| order.iter().position(|o| o == folder);
    if from == to || rank(to).is_none() {
        return None;
    }
    let pillar = |folder| PILLARS.iter().position(|p| p.contains(&folder));
    if rank(to) > rank(from) {
        return Some("stands below it");
    }
    if from == "sim" && !["model", "wire"].contains(&to) {
        return Some("the simulator shares nothing but model and wire");
    }
    matches!((pillar(from), pillar(to)), (Some(a), Some(b)) if a != b).then_some("belongs to the other pillar")
}

fn scan(order: &[String], dir: &Path, here: &[String], bad: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        let path = [here, &[entry.file_stem().unwrap().to_str().unwrap().to_owned()]].concat();
        if entry.is_dir() {
            assert!(order.contains(&path[0]), "`{}` has no place in lib.rs", path[0]);
            scan(order, &entry, &path, bad);
            continue;
        }
        if entry.extension().is_none_or(|e| e != "rs")
            || (here.is_empty() && ["lib", "main"].contains(&path[0].as_str()))
        {
            continue;
        }
        assert_ne!(path.last().unwrap(), "mod", "{}: write foo.rs beside foo/", entry.display());
        let mut uses = Uses { here: &path, found: vec![] };
        uses.visit_file(&syn::parse_file(&fs::read_to_string(&entry).unwrap()).unwrap());
        let refused = uses.found.iter().filter_map(|there| Some((there, refusal(order, &path, there)?)));
        bad.extend(refused.map(|(there, why)| format!("{}: {}: {why}", entry.display(), there.join("::"))));
    }
}

#[test]
fn every_folder_uses_only_what_it_may() {
    let mut bad = vec![];
    scan(&order(), Path::new("src"), &[], &mut bad);
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn the_rules_bite() {
    let order = order();
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    let refused = |here, there| refusal(&order, &path(here), &path(there)).is_some();
    assert!(refused("model::id", "flow::intake") && refused("scomo::object", "wire::syncml"));
    assert!(refused("protocol::dm1", "job::life") && refused("flow::wake", "flow::session"));
    assert!(refused("sim::device", "protocol::dm1"));
    assert!(!refused("flow::session", "job::life") && !refused("sim::device", "wire::syncml"));
}
