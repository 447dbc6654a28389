//! The statements. Each begins with its name, `-- table.statement`, so that a log of the database leads back here, and has the
//! same name, parameters and columns in both dialects.

pub(super) mod lite;
pub(super) mod pg;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    #[test]
    fn every_statement_begins_with_its_name() {
        let mut found = 0;
        for dialect in ["pg", "lite"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/infra/store/sql").join(dialect);
            for file in fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                let table = path.file_stem().unwrap().to_str().unwrap();
                for line in fs::read_to_string(&path).unwrap().lines().filter(|line| line.contains(" const ")) {
                    let (_, rest) = line.split_once(" const ").unwrap();
                    let (name, text) = rest.split_once(": &str = \"").unwrap();
                    assert_eq!(text, format!("-- {table}.{}", name.to_lowercase()));
                    found += 1;
                }
            }
        }
        assert!(found > 40, "{found}");
    }
}
