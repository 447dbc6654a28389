//! Lists in pages that stay right while rows come and go.

use uuid::Uuid;

use crate::model::clock::Timestamp;

/// The last row of a page; the next page begins behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the row was created.
    pub at: Timestamp,
    /// Its key, which decides between rows of one moment.
    pub key: Uuid,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Behind which row; the beginning without.
    pub after: Option<Cursor>,
    /// At most so many rows; [`Page::MOST`] at most.
    pub limit: u32,
}

impl Page {
    /// The longest page.
    pub const MOST: u32 = 1000;

    /// The first `limit` rows.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The `limit` rows behind `cursor`.
    #[must_use]
    pub const fn after(cursor: Cursor, limit: u32) -> Self {
        Self { after: Some(cursor), limit }
    }

    /// Behind what, in a list that rises.
    pub(super) fn rising(self) -> (i64, Uuid) {
        self.after.map_or((i64::MIN, Uuid::nil()), |cursor| (cursor.at.micros(), cursor.key))
    }

    /// Behind what, in a list that falls.
    pub(super) fn falling(self) -> (i64, Uuid) {
        self.after.map_or((i64::MAX, Uuid::max()), |cursor| (cursor.at.micros(), cursor.key))
    }

    pub(super) fn rows(self) -> i64 {
        i64::from(self.limit.min(Self::MOST))
    }
}
