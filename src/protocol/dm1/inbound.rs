//! A large object that the device sends in pieces (DM 1.x sheet 4 no. 9).

use serde::{Deserialize, Serialize};

use super::text;
use crate::wire::syncml::{Data, Item, Meta};

/// The object under way; one at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inbound {
    key: String,
    uri: String,
    size: Option<u64>,
    meta: Meta,
    data: Data,
}

/// What an item is.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made and taken apart at once, never kept")]
pub(super) enum Piece {
    /// An item that is complete, put together if it came in pieces.
    Whole(Item),
    /// A piece; more is to come (213).
    More,
    /// The object is dropped, with this status.
    Dropped(u16),
}

impl Inbound {
    /// The most that is put together, whatever the server announces: it is kept in the session.
    const MOST: u64 = 1 << 20;

    /// What the unfinished object is called.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether an item that belongs to `key` goes on with this object.
    pub(super) fn is(&self, key: &str) -> bool {
        self.key == key
    }

    /// Takes an item into `slot`; `meta` is that of its command, `most` the largest object in bytes.
    pub(super) fn take(slot: &mut Option<Self>, key: &str, mut item: Item, meta: &Meta, most: u64) -> Piece {
        let Some(mut object) = slot.take() else {
            if item.more_data {
                return Self::keep(slot, Self::begin(key, item, meta), most);
            }
            return Piece::Whole(item);
        };
        if !object.join(item.data.take()) {
            return Piece::Dropped(424);
        }
        if item.more_data {
            return Self::keep(slot, object, most);
        }
        if !object.size_is_right() {
            return Piece::Dropped(424);
        }
        let meta = if item.meta.is_empty() { object.meta } else { item.meta };
        Piece::Whole(Item { meta, data: Some(object.data), ..item })
    }

    fn begin(key: &str, item: Item, meta: &Meta) -> Self {
        let size = item.meta.size.as_ref().or(meta.size.as_ref()).and_then(|s| s.trim().parse().ok());
        let uri = if item.source.is_some() { item.source_uri() } else { item.target_uri() };
        let data = item.data.clone().unwrap_or_else(|| Data::Text(String::new()));
        Self { key: key.to_owned(), uri: uri.to_owned(), size, meta: item.meta, data }
    }

    fn keep(slot: &mut Option<Self>, object: Self, most: u64) -> Piece {
        let most = most.min(Self::MOST);
        if object.length() > most || object.size.is_some_and(|s| s > most) {
            return Piece::Dropped(413);
        }
        *slot = Some(object);
        Piece::More
    }

    fn join(&mut self, more: Option<Data>) -> bool {
        match (&mut self.data, more) {
            (_, None) => true,
            (Data::Text(here), Some(Data::Text(more))) => {
                here.push_str(&more);
                true
            }
            (Data::Bytes(here), Some(Data::Bytes(more))) => {
                here.extend(more);
                true
            }
            (Data::Text(_), Some(Data::Bytes(_))) | (Data::Bytes(_), Some(Data::Text(_))) => false,
        }
    }

    fn length(&self) -> u64 {
        let length = match &self.data {
            Data::Text(text) => text.len(),
            Data::Bytes(bytes) => bytes.len(),
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    /// Size counts the data as it stands in the messages; some count what the base64 stands for.
    fn size_is_right(&self) -> bool {
        let decoded = || self.data.text().and_then(text::base64).and_then(|b| u64::try_from(b.len()).ok());
        self.size.is_none_or(|size| size == self.length() || Some(size) == decoded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str, size: Option<&str>, more_data: bool) -> Item {
        let meta = Meta { size: size.map(str::to_owned), ..Meta::default() };
        Item { meta, data: Some(Data::Text(text.to_owned())), more_data, ..Item::default() }
    }

    fn take(slot: &mut Option<Inbound>, item: Item) -> Piece {
        Inbound::take(slot, "k", item, &Meta::default(), 16)
    }

    #[test]
    fn pieces_make_an_object() {
        let mut slot = None;
        assert_eq!(take(&mut slot, piece("abc", Some("6"), true)), Piece::More);
        assert!(slot.as_ref().is_some_and(|o| o.is("k")));
        let Piece::Whole(item) = take(&mut slot, piece("def", None, false)) else { panic!("not whole") };
        assert_eq!((item.data, slot), (Some(Data::Text("abcdef".to_owned())), None));
    }

    #[test]
    fn a_wrong_size_and_an_object_without_end_are_dropped() {
        let mut slot = None;
        assert_eq!(take(&mut slot, piece("abc", Some("7"), true)), Piece::More);
        assert_eq!(take(&mut slot, piece("def", None, false)), Piece::Dropped(424));
        assert_eq!(take(&mut slot, piece("abcdefgh", None, true)), Piece::More);
        assert_eq!(take(&mut slot, piece("abcdefghi", None, true)), Piece::Dropped(413));
        assert_eq!(slot, None);
    }
}
