//! Finding the roots of a management object by their Type property (SCOMO sheet 1.1).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Found, Say, good};
use crate::{
    model::tree::{Instance, ObjectKind, Outcome},
    protocol::dm1::text,
};

/// `Get .`, then `?prop=Type` of each child. Where the roots cannot be listed the hints are asked; where the Type cannot be read a
/// hint counts if its children are those of the object. A device that refuses to show either has not said that it has no such object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::protocol::dm1) struct Discover {
    kind: ObjectKind,
    hints: Vec<String>,
    found: Vec<String>,
    /// The status with which the device refused to show what may be the object.
    #[serde(default)]
    refused: Option<u16>,
}

impl Discover {
    const TYPE: &str = "?prop=Type";
    /// The most roots that are looked at.
    const MOST: usize = 256;

    pub(super) fn start(kind: ObjectKind, hints: Vec<String>) -> (Self, Vec<Say>) {
        (Self { kind, hints, found: Vec::new(), refused: None }, vec![Say::Get(".".to_owned())])
    }

    pub(super) fn heard(&mut self, say: &Say, code: u16, found: Vec<Found>, todo: &mut VecDeque<Say>) {
        let uri = say.uri();
        let first = found.into_iter().next().filter(|_| good(code));
        if uri == "." {
            let candidates = self.candidates(first.as_ref());
            if candidates.is_empty() {
                self.refuse(code);
            }
            todo.extend(candidates.into_iter().map(|c| Say::Get(format!("{c}{}", Self::TYPE))));
        } else if let Some(root) = uri.strip_suffix(Self::TYPE) {
            let told = first.and_then(|f| f.data).filter(|t| !t.trim().is_empty());
            match told {
                Some(told) if self.kind.is(&told) => self.found.push(root.to_owned()),
                None if code != 404 && self.is_hint(root) => todo.push_back(Say::Get(root.to_owned())),
                Some(_) | None => {}
            }
        } else if first.is_some_and(|f| self.looks_right(&f)) {
            self.found.push(uri.to_owned());
        } else {
            self.refuse(code);
        }
    }

    /// 404 says that there is nothing; any other refusal says nothing.
    const fn refuse(&mut self, code: u16) {
        if !good(code) && code != 404 {
            self.refused = Some(code);
        }
    }

    pub(super) fn conclude(&mut self) -> Outcome {
        if let (true, Some(code)) = (self.found.is_empty(), self.refused) {
            return Outcome::Refused { code };
        }
        let names = std::mem::take(&mut self.found);
        Outcome::Found(names.into_iter().map(|name| Instance { kind: self.kind, name }).collect())
    }

    /// The roots to look at: those listed and the hints that lie deeper, or all hints if nothing is listed.
    fn candidates(&self, listed: Option<&Found>) -> Vec<String> {
        let children = listed.map(Found::children).unwrap_or_default();
        let deep = |hint: &&String| children.is_empty() || text::plain_uri(hint).contains('/');
        let hints = self.hints.iter().filter(deep).map(|h| text::plain_uri(h).to_owned());
        let mut names: Vec<String> = children.clone();
        for hint in hints.filter(|h| !h.is_empty()) {
            if !names.contains(&hint) {
                names.push(hint);
            }
        }
        names.truncate(Self::MOST);
        names.into_iter().map(|n| format!("./{n}")).collect()
    }

    fn is_hint(&self, root: &str) -> bool {
        self.hints.iter().any(|h| text::same_uri(h, root))
    }

    fn looks_right(&self, root: &Found) -> bool {
        let signs: &[&str] = match self.kind {
            ObjectKind::DevInfo => &["DevId"],
            ObjectKind::DevDetail => &["FwV"],
            ObjectKind::Scomo => &["Inventory", "Download"],
            ObjectKind::Tree => return false,
        };
        root.children().iter().any(|c| signs.iter().any(|s| s.eq_ignore_ascii_case(c)))
    }
}
