//! Pages of lists: `?after=CURSOR&limit=N`, and `next` in the answer while there is more.

use serde::Deserialize;

use crate::{
    contract::problem::Code,
    infra::store::{Cursor, Page},
    model::clock::Timestamp,
    server::http::problem::Refusal,
};

/// Rows of a page if the caller does not say.
const USUAL: u32 = 100;

/// The query of a list that knows pages alone.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "PageQuery")]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    after: Option<String>,
    limit: Option<u32>,
}

impl Wish {
    pub(super) fn page(&self) -> Result<Page, Refusal> {
        page(self.after.as_deref(), self.limit)
    }
}

/// The page that query parameters ask for.
pub(super) fn page(after: Option<&str>, limit: Option<u32>) -> Result<Page, Refusal> {
    let after = after.map(|text| cursor(text).ok_or_else(|| not_ours(text))).transpose()?;
    Ok(Page { after, limit: bounded(limit)? })
}

/// How many rows query parameters ask for.
pub(super) fn bounded(limit: Option<u32>) -> Result<u32, Refusal> {
    match limit.unwrap_or(USUAL) {
        limit @ 1..=Page::MOST => Ok(limit),
        _ => Err(Refusal::parameter("limit", Code::OutOfRange, format!("must be between 1 and {}", Page::MOST))),
    }
}

/// The cursor of the next page, if this one is full.
pub(super) fn next<T>(page: Page, rows: &[T], cursor_of: impl FnOnce(&T) -> Cursor) -> Option<String> {
    let full = u32::try_from(rows.len()).is_ok_and(|rows| rows >= page.limit);
    let Cursor { at, key } = cursor_of(rows.last().filter(|_| full)?);
    Some(format!("{}.{}", at.micros(), key.simple()))
}

/// What is given as a cursor is none.
pub(super) fn not_ours(text: &str) -> Refusal {
    Refusal::parameter("after", Code::UnknownValue, format!("{text:?} is no cursor; take `next` of the page before"))
}

fn cursor(text: &str) -> Option<Cursor> {
    let (at, key) = text.split_once('.')?;
    Some(Cursor { at: Timestamp::from_micros(at.parse().ok()?), key: key.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_cursor_leads_to_where_it_came_from() {
        let rows = [Cursor { at: Timestamp::from_micros(7), key: Uuid::from_u128(9) }];
        let text = next(Page::first(1), &rows, |row| *row).unwrap();
        assert_eq!(page(Some(&text), Some(5)).unwrap(), Page::after(rows[0], 5));
        assert_eq!(next(Page::first(2), &rows, |row| *row), None, "a page that is not full is the last");
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (after, limit) in [(None, Some(0)), (None, Some(1001)), (Some("x"), None), (Some("7.x"), None)] {
            assert!(page(after, limit).is_err(), "{after:?} {limit:?}");
        }
    }
}
