//! SyncML messages as XML (DM 1.x sheet 1, tolerances of 12.2 and 16).
//!
//! The reader takes children in any order and in any namespace, ignores what it does not know, and trims every protocol field; a
//! protocol field that is empty is the same as one that is absent. Two things are kept exactly: the content of an item's `Data`,
//! which may be a leaf's value (line ends are not normalised, element content stays as markup), and an empty `NextNonce`, which is
//! a nonce of no bytes. What it refuses: anything that is not well-formed, a document type, entities of one's own, a root that is
//! not SyncML, and whatever goes beyond [`Limits`]. The writer keeps the order of the DTD.

mod reader;
pub(in crate::wire) mod scan;
mod writer;

pub(in crate::wire) use writer::escape;

#[cfg(test)]
mod tests;

use std::fmt;

use super::command::Message;
use super::limits::Limits;

/// The content type of a message in XML (DM 1.x sheet 1.1).
pub const MIME: &str = "application/vnd.syncml.dm+xml";

/// Reads one message.
///
/// # Errors
/// If the bytes are no well-formed SyncML document or go beyond the limits.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Message, Error> {
    reader::message(bytes, limits)
}

/// Writes one message: UTF-8, in the order of the DTD, without white space between elements.
///
/// The root's namespace is that of `SyncML` 1.1 for a message whose `VerDTD` is `1.1`, else that of 1.2.
#[must_use]
pub fn write(message: &Message) -> Vec<u8> {
    writer::message(message).into_bytes()
}

/// Why bytes are not a message. Offsets count bytes of the document; for UTF-16, bytes of the same text in UTF-8.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// More bytes than allowed; nothing was read.
    #[error("document has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes given.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The bytes are no text: UTF-8, or UTF-16 with a byte order mark, is understood.
    #[error("document is not {encoding} at byte {offset}")]
    Encoding {
        /// What the document was read as.
        encoding: &'static str,
        /// Where it is not.
        offset: usize,
    },
    /// Not well-formed XML.
    #[error("document is not well-formed XML {at}")]
    Malformed {
        /// Where.
        at: Place,
        /// What the XML parser says.
        #[source]
        source: quick_xml::Error,
    },
    /// The document ends too early.
    #[error("document ends before its root element is closed, {at}")]
    Unfinished {
        /// Where.
        at: Place,
    },
    /// Text or a second element outside the root element.
    #[error("document has content outside its root element {at}")]
    Stray {
        /// Where.
        at: Place,
    },
    /// An element without a usable name.
    #[error("element name is not an XML name {at}")]
    Name {
        /// Where.
        at: Place,
    },
    /// A document type declaration, which this reader never accepts.
    #[error("document type declaration is not allowed {at}")]
    Doctype {
        /// Where.
        at: Place,
    },
    /// A reference other than the five predefined entities and character references.
    #[error("entity `{name}` is not allowed {at}")]
    Entity {
        /// The entity's name.
        name: String,
        /// Where.
        at: Place,
    },
    /// A bound of [`Limits`] was met.
    #[error("document has more than {max} {what} {at}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many are allowed.
        max: usize,
        /// Where.
        at: Place,
    },
    /// The root element has another name.
    #[error("root element is `{found}`, expected `{expected}`")]
    Root {
        /// Its name.
        found: String,
        /// The name wanted.
        expected: &'static str,
    },
    /// The root element is of another namespace.
    #[error("root element is in namespace `{found}`, expected `SYNCML:SYNCML1.2`")]
    Namespace {
        /// Its namespace.
        found: String,
    },
    /// There is no header, so nobody can be answered.
    #[error("message has no SyncHdr")]
    NoHeader,
}

/// Where in a document: a byte and the elements around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it.
    pub offset: usize,
    /// The open elements, outermost first, as a path; empty outside the root.
    pub inside: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.offset)?;
        if self.inside.is_empty() { Ok(()) } else { write!(f, " inside {}", self.inside) }
    }
}
