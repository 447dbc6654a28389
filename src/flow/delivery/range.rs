//! Single byte ranges of RFC 9110 section 14, as a download that was cut off uses them.

use std::ops::Range;

/// What a request asks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no Range, one that is not understood, or one for another version of the file.
    Whole,
    /// These bytes, half open.
    Part(Range<u64>),
    /// Bytes that it does not have: HTTP 416.
    Unsatisfiable,
}

/// Reads `Range`, unless `If-Range` says that the client holds a part of another file. Several ranges are answered with the
/// whole file, as the RFC allows.
#[must_use]
pub fn wanted(range: Option<&str>, if_range: Option<&str>, e_tag: &str, size: u64) -> Wanted {
    let (unit, spec) = range.and_then(|text| text.trim().split_once('=')).unwrap_or_default();
    if !unit.eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    if if_range.is_some_and(|tag| tag.trim() != e_tag) {
        return Wanted::Whole;
    }
    let Some((first, last)) = spec.split_once('-').map(|(first, last)| (first.trim(), last.trim())) else {
        return Wanted::Whole;
    };
    let part = |start: u64, end: u64| {
        if start < end.min(size) { Wanted::Part(start..end.min(size)) } else { Wanted::Unsatisfiable }
    };
    // Digits alone: `parse` would take a plus sign too.
    let number = |text: &str| if text.starts_with('+') { None } else { text.parse::<u64>().ok() };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => part(first, last.saturating_add(1)),
        (Some(first), None) if last.is_empty() => part(first, size),
        (None, Some(tail)) if first.is_empty() => part(size.saturating_sub(tail), if tail == 0 { 0 } else { size }),
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_download_goes_on_where_it_stopped() {
        let part = |text| wanted(Some(text), None, "\"a\"", 100);
        assert_eq!(part("bytes=40-"), Wanted::Part(40..100));
        assert_eq!(part("bytes=0-9"), Wanted::Part(0..10));
        assert_eq!(part("bytes=90-200"), Wanted::Part(90..100));
        assert_eq!(part("bytes=-30"), Wanted::Part(70..100));
        assert_eq!(part("bytes=-300"), Wanted::Part(0..100));
    }

    #[test]
    fn what_is_beyond_the_file_is_unsatisfiable_and_what_is_odd_is_ignored() {
        let ask = |text| wanted(Some(text), None, "\"a\"", 100);
        assert_eq!((ask("bytes=100-"), ask("bytes=-0")), (Wanted::Unsatisfiable, Wanted::Unsatisfiable));
        for odd in ["bytes=9-3", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=-", "bytes=+1-2"] {
            assert_eq!(ask(odd), Wanted::Whole, "{odd}");
        }
    }

    #[test]
    fn a_part_of_another_version_is_not_continued() {
        assert_eq!(wanted(Some("bytes=40-"), Some("\"b\""), "\"a\"", 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=40-"), Some("\"a\""), "\"a\"", 100), Wanted::Part(40..100));
    }
}
