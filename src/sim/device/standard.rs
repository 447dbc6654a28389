//! The nodes that every device has.

use crate::sim::{
    profile::Profile,
    tree::{Node, Tree},
};

/// DevInfo, DevDetail and a place for anything else (DM 1.x sheet 7).
pub(super) fn tree(profile: &Profile, id: &str) -> Tree {
    let mut tree = Tree::new();
    tree.put("DevInfo", Node::interior("urn:oma:mo:oma-dm-devinfo:1.0"));
    let info = &profile.devinfo;
    let leaves = [("DevId", id), ("Man", &info.man), ("Mod", &info.r#mod), ("DmV", &info.dmv), ("Lang", &info.lang)];
    for (name, text) in &leaves {
        tree.put(&format!("DevInfo/{name}"), Node::chr(*text));
    }
    for (name, text) in &info.ext {
        tree.put(&format!("DevInfo/Ext/{name}"), Node::chr(text.as_str()));
    }
    let detail = &profile.devdetail;
    tree.put("DevDetail", Node::interior("urn:oma:mo:oma-dm-devdetail:1.0"));
    let leaves = [
        ("DevTyp", &detail.devtyp),
        ("OEM", &detail.oem),
        ("FwV", &detail.fwv),
        ("SwV", &detail.swv),
        ("HwV", &detail.hwv),
    ];
    for (name, text) in &leaves {
        tree.put(&format!("DevDetail/{name}"), Node::chr(text.as_str()));
    }
    tree.put("DevDetail/LrgObj", Node::leaf("bool", detail.lrgobj.to_string()));
    let limits = [("MaxDepth", detail.max_depth), ("MaxTotLen", detail.max_tot_len), ("MaxSegLen", detail.max_seg_len)];
    for (name, limit) in &limits {
        tree.put(&format!("DevDetail/URI/{name}"), Node::chr(limit.to_string()));
    }
    tree.put("Vendor", Node::interior(""));
    tree
}
