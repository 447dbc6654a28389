//! Get: values, children, properties and structures (DM 1.x sheet 6.2, 6.3).

use super::Run;
use crate::{
    sim::{
        device::Device,
        dialect,
        dialogue::answers,
        profile::Verb,
        tree::{self, Content, Node, Refusal},
    },
    wire::syncml::{Command, Data, Item, Location, Meta},
};

impl Run<'_> {
    pub(super) fn get(&mut self, command: &Command, items: &[Item]) -> u16 {
        let read = items.iter().map(|item| (item.target_uri(), self.read(item.target_uri())));
        let read: Vec<(&str, Result<Vec<Item>, Refusal>)> = read.collect();
        let codes: Vec<(&str, u16)> =
            read.iter().map(|(uri, r)| (*uri, r.as_ref().map_or_else(|e| *e, |_| 200))).collect();
        let code = self.statuses(command, &codes);
        let most = self.device.profile.limits.chunk_results.unwrap_or(usize::MAX);
        let found = read.into_iter().filter_map(|(_, r)| r.ok()).flatten();
        let (long, short): (Vec<Item>, Vec<Item>) = found.partition(|item| text(item).len() > most);
        if !short.is_empty() {
            self.out.push(answers::results(self.msg_ref, command, short));
        }
        for item in &long {
            self.pieces(command, item, most);
        }
        code
    }

    /// Sends a value in pieces (DM 1.x sheet 4 no. 9).
    fn pieces(&mut self, command: &Command, item: &Item, most: usize) {
        let mut rest = text(item);
        let mut size = Some(rest.len().to_string());
        while !rest.is_empty() {
            let (piece, after) = cut(rest, most);
            rest = after;
            let meta = Meta { size: size.take(), ..item.meta.clone() };
            let more_data = !rest.is_empty();
            let piece = Item { meta, data: Some(Data::Text(piece.to_owned())), more_data, ..item.clone() };
            let mut out = answers::results(self.msg_ref, command, vec![piece]);
            out.ends_message = more_data;
            self.out.push(out);
        }
    }

    fn read(&mut self, uri: &str) -> Result<Vec<Item>, Refusal> {
        let (bare, query) = uri.trim().split_once('?').map_or((uri.trim(), None), |(bare, query)| (bare, Some(query)));
        let path = tree::path(bare).ok_or(404_u16)?;
        self.device.node(&path).ok_or(404_u16)?;
        self.device.admits(Verb::Get, &path)?;
        let node = self.device.node(&path).ok_or(404_u16)?;
        let items = match query.and_then(|q| q.split_once('=')) {
            None if query.is_some() => return Err(406),
            None => vec![value(self.device, uri, &path, node).ok_or(405_u16)?],
            Some(("prop", "Type")) if !self.device.profile.type_property => return Err(406),
            Some(("prop", name)) => vec![property(uri, &path, node, name)?],
            Some(("list", what)) if self.device.profile.scomo.struct_data => self.structure(&path, what)?,
            Some(_) => return Err(406),
        };
        let most = self.server_max_obj.unwrap_or(usize::MAX);
        let fits = |item: &Item| item.data.as_ref().and_then(Data::text).map_or(0, str::len) <= most;
        if items.iter().all(fits) { Ok(items) } else { Err(413) }
    }

    fn structure(&self, path: &str, what: &str) -> Result<Vec<Item>, Refusal> {
        let with_data = match what {
            "Struct" => false,
            "StructData" => true,
            _ => return Err(406),
        };
        let nodes = self.device.tree.walk(path).into_iter().filter(|(path, _)| self.device.shows(path));
        let item = |(path, node): (String, &Node)| {
            let mut item = value(self.device, &tree::uri(&path), &path, node)?;
            if !with_data || node.children().is_some() {
                item.data = None;
            }
            Some(item)
        };
        Ok(nodes.filter_map(item).collect())
    }
}

fn text(item: &Item) -> &str {
    item.data.as_ref().and_then(Data::text).unwrap_or_default()
}

/// The first bytes of a text that fit, not within a character, and the rest.
fn cut(text: &str, most: usize) -> (&str, &str) {
    let mut at = most.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// A node as Results carry it; nothing for bytes that the device keeps.
fn value(device: &Device, uri: &str, path: &str, node: &Node) -> Option<Item> {
    let (format, data) = match &node.content {
        Content::Interior(children) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let names = children.keys().filter(|name| device.node(&below(name)).is_some());
            let names = names.map(|name| dialect::listed(name, &device.profile.dialect));
            ("node", names.collect::<Vec<_>>().join("/"))
        }
        Content::Text(text) if node.format == "bin" => ("b64", text.clone()),
        Content::Text(text) => (node.format.as_str(), text.clone()),
        Content::Held(_) => return None,
    };
    let meta = match format {
        "node" if node.r#type.is_empty() || !device.profile.type_property => Meta::format("node"),
        format => Meta::typed(format, &node.r#type),
    };
    Some(Item { source: Some(Location::new(uri)), meta, data: Some(Data::Text(data)), ..Item::default() })
}

fn property(uri: &str, path: &str, node: &Node, name: &str) -> Result<Item, Refusal> {
    let text = match (name, &node.content) {
        ("Format", _) => node.format.clone(),
        ("Type", _) => node.r#type.clone(),
        ("Name", _) => path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(".").to_owned(),
        ("Size", Content::Text(text)) => text.len().to_string(),
        ("Size", Content::Held(held)) => held.map_or(0, |h| h.size).to_string(),
        _ => return Err(406),
    };
    let (source, data) = (Some(Location::new(uri)), Some(Data::Text(text)));
    Ok(Item { source, meta: Meta::format("chr"), data, ..Item::default() })
}
