//! The matrix of the SCOMO sheet (9.2): every row is a test whose name begins with the row's id. A test of several rows names
//! them one after the other: `t_dl_4_t_dl_5_…`.

use std::{fs, path::Path};

/// Groups of rows and how many each has; `T-DLO-6`, descriptors of version 2, is not served yet.
const NUMBERED: [(&str, &[u32]); 11] = [
    ("disc", &[1, 2, 3, 4, 5]),
    ("inv", &[1, 2, 3]),
    ("dl", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("dir", &[1, 2, 3, 4, 5]),
    ("op", &[1, 2, 3, 4, 5]),
    ("rpt", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ("ui", &[1, 2, 3, 4]),
    ("ci", &[1, 2]),
    ("dlo", &[1, 2, 3, 4, 5, 7]),
    ("tmo", &[1]),
    ("rc", CODES),
];

/// The result codes that have a row of their own in 4.1; the gaps between them are `t_rc_gaps_…`.
const CODES: &[u32] =
    &[1200, 1400, 1401, 1402, 1403, 1404, 1405, 1406, 1407, 1408, 1409, 1410, 1411, 1412, 1413, 1500, 1501];

/// The beginnings of names that stand for all rows.
fn rows() -> Vec<String> {
    let numbered = |(group, numbers): (&str, &[u32])| -> Vec<String> {
        numbers.iter().map(|number| format!("t_{group}_{number}_")).collect()
    };
    let mut rows: Vec<String> = NUMBERED.into_iter().flat_map(numbered).collect();
    rows.push("t_rc_gaps_".to_owned());
    rows
}

/// The names of all tests below a folder that begin like a row.
fn names(folder: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            names(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let name = |after: &str| after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.extend(text.split("fn ").skip(1).map(name).filter(|name: &String| name.starts_with("t_")));
        }
    }
}

/// Whether a test's name says that it is of this row: it begins with it, or with other rows and then with it.
fn is_of(name: &str, row: &str) -> bool {
    let mut rest = name;
    while let Some(id) = id(rest) {
        if id == row {
            return true;
        }
        rest = &rest[id.len()..];
    }
    false
}

/// The row's id that a text begins with, to its last underscore.
fn id(text: &str) -> Option<&str> {
    let mut parts = text.split('_');
    let (t, group, number) = (parts.next()?, parts.next()?, parts.next()?);
    let is_row = t == "t" && !group.is_empty() && (number == "gaps" || number.parse::<u32>().is_ok());
    is_row.then(|| text.get(..t.len() + group.len() + number.len() + 3))?
}

/// The names of all tests of rows.
fn tests() -> Vec<String> {
    let mut tests = Vec::new();
    for folder in ["tests/it", "src"] {
        names(Path::new(folder), &mut tests);
    }
    tests
}

#[test]
fn every_row_of_the_matrix_has_a_test() {
    let tests = tests();
    let without: Vec<String> = rows().into_iter().filter(|row| !tests.iter().any(|name| is_of(name, row))).collect();
    assert!(without.is_empty(), "rows without a test: {without:?}");
}

#[test]
fn no_test_is_of_a_row_that_does_not_exist() {
    let rows = rows();
    let is_odd = |name: &String| id(name).is_some_and(|id| !rows.iter().any(|row| row == id));
    let odd: Vec<String> = tests().into_iter().filter(is_odd).collect();
    assert!(odd.is_empty(), "tests of no row: {odd:?}");
}

#[test]
fn a_test_is_of_the_rows_that_its_name_begins_with() {
    assert!(is_of("t_dl_4_t_dl_5_entries", "t_dl_4_") && is_of("t_dl_4_t_dl_5_entries", "t_dl_5_"));
    assert!(!is_of("t_dl_41_entries", "t_dl_4_") && !is_of("entries_t_dl_4_", "t_dl_4_"));
    assert!(!is_of("t_dl_4_entries_t_dl_5_", "t_dl_5_") && is_of("t_rc_gaps_count", "t_rc_gaps_"));
    assert_eq!(rows().len(), 53 + CODES.len());
}
