//! The SCOMO management object: the names of its nodes and the subtrees that are written into it (SCOMO sheet 1).

mod place;

pub use place::Place;

use super::{
    operation::Operation,
    procedure::errand::{Action, Package},
};
use crate::model::{
    digest::Digest,
    tree::{Branch, Leaf},
};

/// Root names seen on devices, worth a try where roots cannot be listed.
pub const WELL_KNOWN_ROOTS: [&str; 2] = ["./SCOMO", "./SCM"];
/// No `<X>` is longer: devices announce 31, some take less.
pub const MOST_NAME: usize = 16;

/// A name for the `<X>` node of a package: that of the entry with the same PkgID if there is one, else one of letters and digits
/// made of the PkgID, which is the same every time unless another package has taken it.
#[must_use]
pub fn entry_name(pkg_id: &str, existing: &[(String, Option<String>)]) -> String {
    let same = |other: &Option<String>| other.as_deref().is_some_and(|o| o.eq_ignore_ascii_case(pkg_id));
    if let Some((node, _)) = existing.iter().find(|(_, other)| same(other)) {
        return node.clone();
    }
    let free = |name: &String| existing.iter().all(|(node, _)| !node.eq_ignore_ascii_case(name));
    (0..u8::MAX).map(|turn| made_name(pkg_id, turn)).find(free).unwrap_or_else(|| made_name(pkg_id, u8::MAX))
}

/// `Download/<X>` for an alternate download, with the node of the operation to be executed. `reboot`: the device shows a node of
/// that name, which 1.1 brought (SCOMO sheet 1.3).
#[must_use]
pub fn download_entry(package: &Package, url: &str, action: Action, reboot: bool) -> Branch {
    let mut children = described(package, reboot);
    children.insert(1, ("PkgURL", Branch::chr(url)));
    children.push(("Operations", operations(&[Operation::fetching(action)])));
    Branch::interior(children)
}

/// `Inventory/Delivered/<X>` for direct delivery, all but `Data`; `reboot` as for [`download_entry`].
#[must_use]
pub fn delivered_entry(package: &Package, reboot: bool) -> Branch {
    let mut children = described(package, reboot);
    children
        .push(("Operations", operations(&[Operation::Install, Operation::InstallInactive, Operation::RemovePackage])));
    Branch::interior(children)
}

fn described(package: &Package, reboot: bool) -> Vec<(&'static str, Branch)> {
    let optional = [
        ("Description", package.description.as_ref()),
        ("InstallParams", package.install_params.as_ref()),
        ("EnvType", package.env_type.as_ref()),
        ("Reboot", package.reboot.as_ref().filter(|_| reboot)),
    ];
    let mut children = vec![
        ("PkgID", Branch::chr(package.pkg_id())),
        ("Name", Branch::chr(&package.name)),
        ("PkgType", Branch::chr(&package.payload.mime)),
    ];
    children.extend(optional.into_iter().filter_map(|(name, value)| Some((name, Branch::chr(value?)))));
    children
}

fn operations(which: &[Operation]) -> Branch {
    Branch::interior(which.iter().map(|operation| (operation.node_name(), Branch::Leaf(Leaf::null()))))
}

/// Up to seven letters and digits to recognise the package by, eight hexadecimal digits to tell it apart.
fn made_name(pkg_id: &str, turn: u8) -> String {
    let mut seed = pkg_id.to_ascii_lowercase().into_bytes();
    if turn > 0 {
        seed.extend([0, turn]);
    }
    let tail: String = Digest::of(&seed).to_string().chars().take(8).collect();
    let last = pkg_id.split('@').next().unwrap_or_default().rsplit('.').next().unwrap_or_default();
    let letters = last.chars().filter(char::is_ascii_alphanumeric).skip_while(char::is_ascii_digit);
    let word: String = letters.take(MOST_NAME - 9).collect();
    format!("{}{tail}", if word.is_empty() { "pkg" } else { &word }).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_the_same_short_name_every_time() {
        let name = entry_name("org.example.player@2.1.0", &[]);
        assert_eq!(name, entry_name("org.example.player@2.1.0", &[("other".into(), None)]));
        assert!(name.starts_with("player") && name.len() <= MOST_NAME, "{name}");
        assert_ne!(name, entry_name("org.example.player@2.1.1", &[]));
        for odd in ["", "@", "ünïcode.пакет@1", "a.b.0123456789abcdefghij@1"] {
            let name = entry_name(odd, &[]);
            assert!(name.len() <= MOST_NAME && name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        }
    }

    #[test]
    fn an_entry_of_the_same_package_is_reused_and_no_other_overwritten() {
        let fixed = [("RB_DP".to_owned(), Some("ORG.example-1".to_owned()))];
        assert_eq!(entry_name("org.example-1", &fixed), "RB_DP");
        let taken = [(entry_name("org.example-1", &[]), Some("another".to_owned()))];
        let second = entry_name("org.example-1", &taken);
        assert_ne!(second, taken[0].0);
        assert!(second.len() <= MOST_NAME);
    }
}
