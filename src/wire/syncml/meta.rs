//! `Meta` and `Data` (DM 1.x sheet 1.2, 6.4).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Children of a `Meta` element; absent ones are `None`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Meta {
    /// `Format`, as written; compare with case ignored.
    pub format: Option<String>,
    /// `Type`.
    pub r#type: Option<String>,
    /// `Mark`.
    pub mark: Option<String>,
    /// `Size`, the text of a byte count.
    pub size: Option<String>,
    /// `NextNonce`, as written (base64).
    pub next_nonce: Option<String>,
    /// `Version`.
    pub version: Option<String>,
    /// `MaxMsgSize`, the text of a byte count.
    pub max_msg_size: Option<String>,
    /// `MaxObjSize`, the text of a byte count.
    pub max_obj_size: Option<String>,
    /// `EMI`.
    pub emi: Option<String>,
}

impl Meta {
    /// Whether nothing is set, so that the element is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A Meta with Format alone.
    #[must_use]
    pub fn format(format: &str) -> Self {
        Self { format: Some(format.to_owned()), ..Self::default() }
    }

    /// A Meta with Format and Type.
    #[must_use]
    pub fn typed(format: &str, r#type: &str) -> Self {
        Self { format: Some(format.to_owned()), r#type: Some(r#type.to_owned()), ..Self::default() }
    }
}

impl fmt::Debug for Meta {
    /// Shows only what is set; the nonce is told to exist, not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Meta");
        let shown = [
            ("format", &self.format),
            ("type", &self.r#type),
            ("mark", &self.mark),
            ("size", &self.size),
            ("version", &self.version),
            ("max_msg_size", &self.max_msg_size),
            ("max_obj_size", &self.max_obj_size),
            ("emi", &self.emi),
        ];
        for (name, value) in shown {
            if let Some(value) = value {
                out.field(name, value);
            }
        }
        if self.next_nonce.is_some() {
            out.field("next_nonce", &"…");
        }
        out.finish()
    }
}

/// The content of `Data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// Character content, entities and CDATA resolved; element content is kept as its markup (DM 1.x sheet 16 no. 11). White
    /// space is kept: it may belong to a leaf's value.
    Text(String),
    /// Bytes, as WBXML carries them in an opaque; the XML writer sends them as base64.
    Bytes(Vec<u8>),
}

impl Data {
    /// The text; nothing for bytes.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(_) => None,
        }
    }
}
