//! Bounds on what is read from a device, checked while reading.

use serde::{Deserialize, Serialize};

/// What a message may cost before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of the whole message.
    pub message_bytes: usize,
    /// Nesting of elements, element content of `Data` included.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
    /// Commands in all, those inside `Sequence` and `Atomic` included.
    pub commands: usize,
    /// Attributes of one element.
    pub attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: 1 << 20, depth: 32, elements: 50_000, commands: 2000, attributes: 16 }
    }
}
