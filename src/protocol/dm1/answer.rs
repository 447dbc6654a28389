//! The message that answers, and the recipe of one that carries a part of a payload.

use std::ops::Range;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    model::digest::Digest,
    wire::syncml::{Command, Data, Message},
};

/// An answer. With a [`Slot`] it is a frame that wants bytes ([`Answer::fill`]); kept together they are the recipe from which a
/// repeat is rebuilt byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The message, complete but for the slot.
    pub message: Message,
    /// Which bytes are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// Whether the session is over with this answer: it asks nothing of the device.
    pub ends: bool,
}

/// A hole in a message: the Data of the only command that has bytes of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Whose bytes.
    pub payload: Digest,
    /// Which bytes, half open.
    pub range: Range<u64>,
    /// The position of the command in the body.
    pub command: usize,
}

/// The bytes given do not fill the slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the slot takes {wanted} bytes, {found} were given")]
pub struct WrongBytes {
    /// The length of the slot's range.
    pub wanted: u64,
    /// The length given.
    pub found: usize,
}

impl Answer {
    /// The finished message: `bytes` are those of the slot's range, and become base64. Without a slot there is nothing to give.
    ///
    /// # Errors
    /// If there are more or fewer bytes than the slot takes.
    pub fn fill(mut self, bytes: &[u8]) -> Result<Message, WrongBytes> {
        let wanted = self.slot.as_ref().map_or(0, |s| s.range.end.saturating_sub(s.range.start));
        if u64::try_from(bytes.len()) != Ok(wanted) {
            return Err(WrongBytes { wanted, found: bytes.len() });
        }
        let command = self.slot.and_then(|s| self.message.body.commands.get_mut(s.command));
        if let Some(Command::Add(write) | Command::Replace(write)) = command
            && let Some(item) = write.items.first_mut()
        {
            item.data = Some(Data::Text(STANDARD.encode(bytes)));
        }
        Ok(self.message)
    }
}
