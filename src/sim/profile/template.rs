//! Texts that hold the number of a device.

use serde::Deserialize;

/// A text in which `{n}` is the device's number and `{n:013}` the same with leading zeros, 13 digits in all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number { width: usize },
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{{{found}}}` is not understood: only {{n}} and {{n:WIDTH}} with at most 20 digits stand in braces")]
pub struct TemplateError {
    /// What stands in braces.
    pub found: String,
}

impl Template {
    /// A text without a number in it.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// The text for one device.
    #[must_use]
    pub fn fill(&self, number: u32) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Number { width } => format!("{number:0width$}"),
            })
            .collect()
    }

    /// Whether the number occurs in it.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Number { .. }))
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after.split_once('}').ok_or_else(|| TemplateError { found: after.to_owned() })?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Number { width: width(inside)? });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }
}

fn width(inside: &str) -> Result<usize, TemplateError> {
    let width = match inside.strip_prefix('n') {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix(':').and_then(|digits| digits.parse().ok()).filter(|w| *w <= 20),
        None => None,
    };
    width.ok_or_else(|| TemplateError { found: inside.to_owned() })
}
