//! What a command prints: tables and lines for people, JSON for machines, always on standard output.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;

/// Where and how a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    json: bool,
}

/// A column of a table: its head, and the JSON Pointer of what stands in it.
pub(super) type Column = (&'static str, &'static str);

impl Output {
    /// For machines (`json`) or for people.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether machines read it.
    #[must_use]
    pub const fn json(self) -> bool {
        self.json
    }

    /// Whether someone watches: progress and colour make sense.
    #[must_use]
    pub fn watched(self) -> bool {
        !self.json && io::stdout().is_terminal() && io::stderr().is_terminal()
    }

    /// Prints `value` for machines.
    ///
    /// # Errors
    /// If the output is closed or full.
    pub fn value(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(anyhow::Error::from)?;
        self.line(&text)
    }

    /// Prints one line.
    ///
    /// # Errors
    /// If the output is closed or full.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// A value for machines, or the sentence that says the same to people.
    ///
    /// # Errors
    /// If the output is closed or full.
    pub fn told(self, value: &impl Serialize, sentence: &str) -> Result<(), Failure> {
        if self.json { self.value(value) } else { self.line(sentence) }
    }

    /// Prints a list as it came for machines, or as a table of `columns` with `empty` if there is nothing in it, and how to ask for
    /// the page behind it.
    ///
    /// # Errors
    /// If the output is closed or full.
    pub fn list(self, answer: &Value, list: &str, columns: &[Column], empty: &str) -> Result<(), Failure> {
        if self.json {
            return self.value(answer);
        }
        let rows = answer.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if rows.is_empty() {
            return self.line(empty);
        }
        self.line(&table(rows, columns))?;
        match answer.get("next").and_then(Value::as_str) {
            Some(next) => self.line(&format!("More: --after {next}")),
            None => Ok(()),
        }
    }

    /// Prints one thing as it came for machines, or as a name and a value a line; members that are absent are left out.
    ///
    /// # Errors
    /// If the output is closed or full.
    pub fn record(self, answer: &Value, members: &[Column]) -> Result<(), Failure> {
        if self.json {
            return self.value(answer);
        }
        let width = members.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, pointer) in members {
            let text = cell(answer, pointer);
            if !text.is_empty() {
                self.line(&format!("{name:width$}  {text}"))?;
            }
        }
        Ok(())
    }
}

/// A table for people, as wide as the terminal.
#[must_use]
pub(super) fn table(rows: &[Value], columns: &[Column]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    table.add_rows(rows.iter().map(|row| columns.iter().map(|(_, at)| cell(row, at)).collect::<Vec<_>>()));
    table.trim_fmt()
}

/// What stands at `pointer`, as a person reads it.
#[must_use]
pub(super) fn cell(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(item, "")).collect::<Vec<_>>().join(", "),
        Some(Value::Object(members)) => {
            let members = members.iter().map(|(name, value)| format!("{name} {}", cell(value, "")));
            members.collect::<Vec<_>>().join(", ")
        }
        Some(other @ (Value::Bool(_) | Value::Number(_))) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_shows_what_its_columns_point_at() {
        let rows = [json!({ "id": "a", "state": { "name": "succeeded" } }), json!({ "id": "b" })];
        let text = table(&rows, &[("JOB", "/id"), ("STATE", "/state/name")]);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert!(lines.iter().any(|l| l.starts_with("JOB") && l.ends_with("STATE")), "{text}");
        assert!(lines.iter().any(|l| l.starts_with('a') && l.ends_with("succeeded")), "{text}");
        assert!(lines.contains(&"b"), "{text}");
    }

    #[test]
    fn values_read_as_people_write_them() {
        let value = json!({ "tags": ["x", "y"], "counts": { "failed": 1, "succeeded": 2 }, "none": null });
        assert_eq!(cell(&value, "/tags"), "x, y");
        assert_eq!(cell(&value, "/counts"), "failed 1, succeeded 2");
        assert_eq!(cell(&value, "/none") + &cell(&value, "/absent"), "");
    }
}
