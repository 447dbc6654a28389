//! Large objects that come in pieces (DM 1.x sheet 4).

use super::commands::Room;
use crate::{
    sim::{profile::SizeUnit, tree::Refusal},
    wire::syncml::Meta,
};

/// An object of which more is to come.
#[derive(Debug)]
pub(super) struct Large {
    /// `Add` or `Replace`.
    pub(super) verb: String,
    /// The leaf.
    pub(super) uri: String,
    /// What the first chunk said of it.
    pub(super) meta: Meta,
    /// The size that was promised, in the unit of the device.
    pub(super) size: u64,
    text: String,
}

impl Large {
    /// Takes the first chunk.
    ///
    /// # Errors
    /// 406 if the device takes no large objects, 411 without a Size, 413 or 420 if there is no room for it.
    pub(super) fn begin(verb: &str, uri: &str, meta: &Meta, text: &str, room: &Room) -> Result<Self, Refusal> {
        if !room.lrgobj {
            return Err(406);
        }
        let size = meta.size.as_deref().and_then(|size| size.trim().parse().ok()).ok_or(411_u16)?;
        room.check(size)?;
        let [verb, uri, text] = [verb, uri, text].map(str::to_owned);
        Ok(Self { verb, uri, meta: meta.clone(), size, text })
    }

    /// Takes a further chunk.
    ///
    /// # Errors
    /// 424 if more has come than was promised.
    pub(super) fn append(&mut self, text: &str) -> Result<(), Refusal> {
        self.text.push_str(text);
        // Base64 text is a third longer than its bytes, and may be broken into lines.
        let most = self.size.saturating_mul(3).saturating_add(1024);
        if self.received() > most { Err(424) } else { Ok(()) }
    }

    /// What has come so far, as it stood in the messages.
    pub(super) fn received(&self) -> u64 {
        count(&self.text)
    }

    /// The whole, if it is as long as promised.
    ///
    /// # Errors
    /// 424 if it is not; nothing of it is kept.
    pub(super) fn finish(self, unit: SizeUnit) -> Result<String, Refusal> {
        let is_coded = self.meta.format.as_deref().is_some_and(|f| ["b64", "bin"].contains(&f.trim()));
        let size = match unit {
            SizeUnit::Decoded if is_coded => {
                crate::sim::auth::decode(&self.text).map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            SizeUnit::Decoded | SizeUnit::Encoded => count(&self.text),
        };
        if size == self.size { Ok(self.text) } else { Err(424) }
    }
}

fn count(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
