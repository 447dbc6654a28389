//! Add, Replace, Copy and Delete, large objects included (DM 1.x sheets 1.7 and 4).

use super::Run;
use crate::{
    sim::{
        auth,
        dialogue::large::Large,
        observer::Event,
        profile,
        scomo::Verb,
        tree::{self, Content, Held, Node, Refusal},
    },
    wire::syncml::{Command, Data, Item, Meta},
};

impl Run<'_> {
    pub(super) fn write(&mut self, command: &Command, meta: &Meta, items: &[Item]) -> u16 {
        let verb = if matches!(command, Command::Add(_)) { Verb::Add } else { Verb::Replace };
        let mut codes = Vec::new();
        for item in items {
            let written = self.write_item(verb, command.name(), &merged(meta, &item.meta), item);
            codes.push((item.target_uri(), written.unwrap_or_else(|refusal| refusal)));
        }
        self.statuses(command, &codes)
    }

    pub(super) fn copy(&mut self, command: &Command, items: &[Item]) -> u16 {
        let copy = |run: &mut Self, item: &Item| {
            let from = tree::path(item.source_uri()).ok_or(404_u16)?;
            let to = tree::path(item.target_uri()).ok_or(404_u16)?;
            let node = run.device.node(&from).ok_or(404_u16)?.clone();
            run.device.admits(profile::Verb::Copy, &to)?;
            if node.children().is_some() {
                return Err(405);
            }
            let verb = if run.device.node(&to).is_some() { Verb::Replace } else { Verb::Add };
            run.place(verb, &to, node)
        };
        let code = |run: &mut Self, item| copy(run, item).map_or_else(|refusal| refusal, |()| 200);
        let codes: Vec<(&str, u16)> = items.iter().map(|item| (item.target_uri(), code(self, item))).collect();
        self.statuses(command, &codes)
    }

    pub(super) fn delete(&mut self, command: &Command, items: &[Item]) -> u16 {
        let delete = |run: &mut Self, item: &Item| {
            let path = tree::path(item.target_uri()).ok_or(404_u16)?;
            run.device.node(&path).ok_or(404_u16)?;
            run.device.admits(profile::Verb::Delete, &path)?;
            run.device.objects.permits(&run.device.tree, Verb::Delete, &path)?;
            run.device.tree.remove(&path);
            Ok(())
        };
        let code = |run: &mut Self, item| delete(run, item).map_or_else(|refusal: Refusal| refusal, |()| 200);
        let codes: Vec<(&str, u16)> = items.iter().map(|item| (item.target_uri(), code(self, item))).collect();
        self.statuses(command, &codes)
    }

    /// Writes one item: 200, or 213 for a chunk that is not the last.
    fn write_item(&mut self, verb: Verb, name: &str, meta: &Meta, item: &Item) -> Result<u16, Refusal> {
        let uri = item.target_uri();
        if uri.contains('?') {
            return Err(405);
        }
        let path = tree::path(uri).ok_or(404_u16)?;
        if self.large.is_none() {
            let command = if verb == Verb::Add { profile::Verb::Add } else { profile::Verb::Replace };
            self.device.admits(command, &path)?;
        }
        let text = item.data.as_ref().map(text).unwrap_or_default();
        let (meta, text) = match self.large.take() {
            Some(mut large) => {
                large.append(&text)?;
                if item.more_data {
                    return Ok(self.keep(large));
                }
                if self.device.mismatches() {
                    return Err(424);
                }
                (large.meta.clone(), large.finish(self.device.profile.limits.size_unit)?)
            }
            None if item.more_data => {
                self.admit(verb, &path)?;
                let large = Large::begin(name, uri, meta, &text, &self.room)?;
                self.device.events.push(Event::TransferStarted { what: uri.to_owned(), total: Some(large.size) });
                return Ok(self.keep(large));
            }
            None => (meta.clone(), text),
        };
        self.admit(verb, &path)?;
        let node = self.node(&path, &meta, text)?;
        let held = if let Content::Held(held) = node.content { held } else { None };
        self.place(verb, &path, node)?;
        let finished = held.map(|held| Event::TransferFinished { what: uri.to_owned(), held });
        self.device.events.extend(finished);
        Ok(200)
    }

    fn keep(&mut self, large: Large) -> u16 {
        let (what, received, total) = (large.uri.clone(), large.received(), Some(large.size));
        self.device.events.push(Event::TransferProgress { what, received, total });
        self.large = Some(large);
        213
    }

    /// Whether the write can be made at all.
    fn admit(&self, verb: Verb, path: &str) -> Result<(), Refusal> {
        let exists = self.device.node(path).is_some();
        let (parent, _) = path.rsplit_once('/').unwrap_or_default();
        match verb {
            Verb::Add if exists => return Err(418),
            Verb::Add if self.device.tree.get(parent).is_none() && !self.device.profile.dialect.implicit_parents => {
                return Err(404);
            }
            Verb::Replace if !exists => return Err(404),
            Verb::Add | Verb::Replace | Verb::Delete => {}
        }
        let limits = &self.device.profile.devdetail;
        let over = |most: usize, found: usize| most != 0 && found > most;
        let longest = path.split('/').map(str::len).max().unwrap_or(0);
        if over(limits.max_tot_len, path.len().saturating_add(2))
            || over(limits.max_seg_len, longest)
            || over(limits.max_depth, path.split('/').count())
        {
            return Err(414);
        }
        self.device.objects.permits(&self.device.tree, verb, path)
    }

    fn place(&mut self, verb: Verb, path: &str, node: Node) -> Result<(), Refusal> {
        self.admit(verb, path)?;
        if verb == Verb::Add {
            self.make_parents(path)?;
        }
        let device = &mut *self.device;
        match verb {
            Verb::Add => device.tree.add(path, node)?,
            Verb::Replace | Verb::Delete => device.tree.put(path, node),
        }
        device.objects.written(&mut device.tree, verb, path);
        Ok(())
    }

    /// Makes the parents that are missing, from the top; an Add is only let so far where the device makes them.
    fn make_parents(&mut self, path: &str) -> Result<(), Refusal> {
        for (at, _) in path.match_indices('/') {
            let parent = path.get(..at).unwrap_or_default();
            if self.device.tree.get(parent).is_none() {
                self.admit(Verb::Add, parent)?;
                let device = &mut *self.device;
                device.tree.add(parent, Node::interior(""))?;
                device.objects.written(&mut device.tree, Verb::Add, parent);
            }
        }
        Ok(())
    }

    /// The node that a value makes; what its Meta leaves out is as in the node that it replaces, else as the standard says.
    fn node(&self, path: &str, meta: &Meta, text: String) -> Result<Node, Refusal> {
        let old = self.device.tree.get(path);
        let given = meta.format.as_deref().map(|f| f.trim().to_ascii_lowercase());
        let format = given.or_else(|| old.map(|n| n.format.clone())).unwrap_or_else(|| "chr".to_owned());
        let r#type = meta.r#type.clone().or_else(|| old.map(|n| n.r#type.clone()));
        let is_interior = format == "node";
        if old.is_some_and(|old| is_interior || old.children().is_some()) {
            return Err(415);
        }
        if is_interior {
            return Ok(Node::interior(r#type.as_deref().unwrap_or_default()));
        }
        let r#type = r#type.unwrap_or_else(|| "text/plain".to_owned());
        let is_coded = ["b64", "bin"].contains(&format.as_str());
        let bytes = if is_coded { auth::decode(&text).ok_or(400_u16)? } else { text.as_bytes().to_vec() };
        let held = Held::of(&bytes);
        if self.device.objects.is_data(path) {
            self.room.check(held.size)?;
            return Ok(Node::held(&r#type, Some(held)));
        }
        self.room.small(held.size)?;
        let format = if is_coded { "bin".to_owned() } else { format };
        Ok(Node { format, r#type, content: Content::Text(text) })
    }
}

/// An item's Meta, completed by its command's.
fn merged(command: &Meta, item: &Meta) -> Meta {
    let pick = |one: &Option<String>, other: &Option<String>| one.as_ref().or(other.as_ref()).cloned();
    Meta {
        format: pick(&item.format, &command.format),
        r#type: pick(&item.r#type, &command.r#type),
        size: pick(&item.size, &command.size),
        ..Meta::default()
    }
}

fn text(data: &Data) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
    match data {
        Data::Text(text) => text.clone(),
        Data::Bytes(bytes) => BASE64.encode(bytes),
    }
}
