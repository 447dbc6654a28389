//! The management tree of a device (DM 1.x sheet 6): nodes with a format and a type, without access control lists.

use std::collections::BTreeMap;

use crate::model::digest::Digest;

/// A DM status code that says why a node was not touched (DM 1.x sheet 5).
pub(super) type Refusal = u16;

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Children by name.
    Interior(BTreeMap<String, Node>),
    /// A leaf's value as it goes over XML: for format `bin` its base64.
    Text(String),
    /// Bytes that the device keeps and does not give out; nothing while none have come.
    Held(Option<Held>),
}

/// What is remembered of kept bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// SHA-256 of the bytes.
    pub sha256: Digest,
    /// How many they are.
    pub size: u64,
}

impl Held {
    /// What is remembered of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Digest::of(bytes), size: u64::try_from(bytes.len()).unwrap_or(u64::MAX) }
    }
}

/// A node: its properties and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Property Format, lower case.
    pub(super) format: String,
    /// Property Type: a MIME type, for the root of a management object its identifier.
    pub(super) r#type: String,
    /// Children or value.
    pub(super) content: Content,
}

impl Node {
    /// An interior node without children.
    pub(super) fn interior(r#type: &str) -> Self {
        Self { format: "node".to_owned(), r#type: r#type.to_owned(), content: Content::Interior(BTreeMap::new()) }
    }

    /// A leaf of that format, type `text/plain`.
    pub(super) fn leaf(format: &str, text: impl Into<String>) -> Self {
        Self { format: format.to_owned(), r#type: "text/plain".to_owned(), content: Content::Text(text.into()) }
    }

    /// A text leaf.
    pub(super) fn chr(text: impl Into<String>) -> Self {
        Self::leaf("chr", text)
    }

    /// A leaf whose bytes stay on the device.
    pub(super) fn held(r#type: &str, held: Option<Held>) -> Self {
        Self { format: "bin".to_owned(), r#type: r#type.to_owned(), content: Content::Held(held) }
    }

    /// The children by name; nothing for a leaf.
    pub(super) const fn children(&self) -> Option<&BTreeMap<String, Self>> {
        match &self.content {
            Content::Interior(children) => Some(children),
            Content::Text(_) | Content::Held(_) => None,
        }
    }
}

/// The tree; paths are names joined by `/`, empty for the root.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    root: Node,
}

impl Tree {
    /// A tree of nothing but its root.
    pub(super) fn new() -> Self {
        Self { root: Node::interior("") }
    }

    /// The node at `path`.
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        names(path).try_fold(&self.root, |node, name| node.children()?.get(name))
    }

    /// The text of the leaf at `path`; empty if there is none.
    pub(super) fn text(&self, path: &str) -> &str {
        match self.get(path).map(|n| &n.content) {
            Some(Content::Text(text)) => text,
            Some(Content::Interior(_) | Content::Held(_)) | None => "",
        }
    }

    /// The bytes kept at `path`.
    pub(super) fn held(&self, path: &str) -> Option<Held> {
        match self.get(path)?.content {
            Content::Held(held) => held,
            Content::Interior(_) | Content::Text(_) => None,
        }
    }

    /// The names of the children at `path`.
    pub(super) fn children(&self, path: &str) -> Vec<String> {
        self.get(path).and_then(Node::children).map(|c| c.keys().cloned().collect()).unwrap_or_default()
    }

    /// Adds a node where none is.
    ///
    /// # Errors
    /// 418 if it exists, 404 if its parent does not, 405 if its parent is a leaf.
    pub(super) fn add(&mut self, path: &str, node: Node) -> Result<(), Refusal> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() {
            return Err(418);
        }
        let parent = self.get_mut(parent).ok_or(404_u16)?;
        let Content::Interior(children) = &mut parent.content else { return Err(405) };
        if children.contains_key(name) {
            return Err(418);
        }
        children.insert(name.to_owned(), node);
        Ok(())
    }

    /// Puts a node as the device itself does: what was there goes, and missing parents are made.
    pub(super) fn put(&mut self, path: &str, node: Node) {
        let mut here = &mut self.root;
        for name in names(path) {
            if here.children().is_none() {
                here.content = Content::Interior(BTreeMap::new());
            }
            let Content::Interior(children) = &mut here.content else { return };
            here = children.entry(name.to_owned()).or_insert_with(|| Node::interior(""));
        }
        *here = node;
    }

    /// Writes the value of a leaf as the device itself does; the leaf is made if it is missing.
    pub(super) fn set(&mut self, path: &str, format: &str, text: impl Into<String>) {
        match self.get_mut(path) {
            Some(node) => node.content = Content::Text(text.into()),
            None => self.put(path, Node::leaf(format, text)),
        }
    }

    /// Takes a node and all below it away.
    pub(super) fn remove(&mut self, path: &str) -> Option<Node> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        match &mut self.get_mut(parent)?.content {
            Content::Interior(children) => children.remove(name),
            Content::Text(_) | Content::Held(_) => None,
        }
    }

    /// Every node below `path` and itself, parents first.
    pub(super) fn walk(&self, path: &str) -> Vec<(String, &Node)> {
        let mut found = Vec::new();
        if let Some(node) = self.get(path) {
            collect(path, node, &mut found);
        }
        found
    }

    /// The whole tree, a line a node, for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(path, node): (String, &Node)| match &node.content {
            Content::Interior(_) if node.r#type.is_empty() => format!("{}/", uri(&path)),
            Content::Interior(_) => format!("{}/ ({})", uri(&path), node.r#type),
            Content::Text(_) if node.format == "null" => format!("{} !", uri(&path)),
            Content::Text(text) => format!("{} = {text}", uri(&path)),
            Content::Held(None) => format!("{} = (no bytes)", uri(&path)),
            Content::Held(Some(held)) => format!("{} = {} bytes, sha256 {}", uri(&path), held.size, held.sha256),
        };
        self.walk("").into_iter().map(line).collect()
    }

    fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        names(path).try_fold(&mut self.root, |node, name| match &mut node.content {
            Content::Interior(children) => children.get_mut(name),
            Content::Text(_) | Content::Held(_) => None,
        })
    }
}

/// The path that a URI means (DM 1.x sheet 6.1): `./A/B` and `A/B` are equal, `.` is the root; nothing if it is no node's URI.
pub(super) fn path(uri: &str) -> Option<String> {
    let uri = uri.trim();
    let rest = if uri == "." { "" } else { uri.strip_prefix("./").unwrap_or(uri) };
    let odd = |name: &str| name.is_empty() || name == "." || name == "..";
    (rest.is_empty() && uri == "." || !rest.is_empty() && !rest.split('/').any(odd)).then(|| rest.to_owned())
}

/// The URI of a path.
pub(super) fn uri(path: &str) -> String {
    if path.is_empty() { ".".to_owned() } else { format!("./{path}") }
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

fn collect<'t>(path: &str, node: &'t Node, found: &mut Vec<(String, &'t Node)>) {
    found.push((path.to_owned(), node));
    for (name, child) in node.children().into_iter().flatten() {
        let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        collect(&below, child, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_as_the_standard_says() {
        assert_eq!(path("./A/B").as_deref(), Some("A/B"));
        assert_eq!((path(" A/B\n").as_deref(), path(".").as_deref()), (Some("A/B"), Some("")));
        assert!(["", "/A", "./A/", "./A/../B", "./"].iter().all(|uri| path(uri).is_none()));
    }

    #[test]
    fn a_server_must_build_from_the_top() {
        let mut tree = Tree::new();
        assert_eq!(tree.add("A/B", Node::chr("x")), Err(404));
        assert_eq!(tree.add("A", Node::interior("")), Ok(()));
        assert_eq!(tree.add("A/B", Node::chr("x")), Ok(()));
        assert_eq!((tree.add("A/B", Node::chr("y")), tree.add("A/B/C", Node::chr("y"))), (Err(418), Err(405)));
        assert_eq!((tree.text("A/B"), tree.text("A")), ("x", ""));
        assert_eq!(tree.lines(), ["./", "./A/", "./A/B = x"]);
    }

    #[test]
    fn what_is_removed_takes_its_children_along() {
        let mut tree = Tree::new();
        tree.put("A/B/C", Node::chr("x"));
        assert!(tree.remove("A/B").is_some() && tree.get("A/B/C").is_none() && tree.remove("A/B").is_none());
    }
}
