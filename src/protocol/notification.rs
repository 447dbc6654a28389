//! Package 0 of DM 1.x: the notification that makes a device open a session (DM 1.x sheet 8.1).
//!
//! A digest, then the trigger: a header of 40 bits, the session's number, the server's identifier, and what a vendor may add. The
//! digest proves the server to the device by the password and nonce that the server proves itself with in a session.

use super::dm1::proof;
use crate::model::secret::Secret;

/// The content type of a notification.
pub const MIME: &str = "application/vnd.syncml.notification";

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Version times ten: [`Trigger::VERSION`] for DM 1.2; 10 was DM 1.1. Ten bits.
    pub version: u16,
    /// How the device may involve its user.
    pub ui_mode: UiMode,
    /// Whether the server, and not a user, wants the session.
    pub by_server: bool,
    /// The number that the session shall have; not 0.
    pub session_id: u16,
    /// The server identifier of the device's account for this server; 1 to 255 bytes.
    pub server_id: String,
    /// What a vendor adds; nothing as a rule.
    pub vendor: Vec<u8>,
}

/// How the device may involve its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UiMode {
    /// Left to the device.
    #[default]
    Unspecified,
    /// Not at all.
    Background,
    /// Tell the user.
    Informative,
    /// Ask the user.
    Interactive,
}

/// A notification as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The digest over all that follows it.
    pub digest: [u8; 16],
    /// What it says.
    pub trigger: Trigger,
}

/// Why bytes are no notification, or a trigger cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end before the notification does.
    #[error("a notification of {found} bytes ends too early; {wanted} are needed")]
    Short {
        /// What there is.
        found: usize,
        /// What there should be at least.
        wanted: usize,
    },
    /// The server identifier is empty, longer than 255 bytes or not UTF-8.
    #[error("the server identifier must be 1 to 255 bytes of UTF-8")]
    ServerId,
    /// The session's number is 0.
    #[error("the session's number must not be 0")]
    Session,
    /// The version needs more than ten bits.
    #[error("the version {0} needs more than ten bits")]
    Version(u16),
}

impl Trigger {
    /// The version that DM 1.2 asks for.
    pub const VERSION: u16 = 11;

    /// A notification of the server's own accord.
    #[must_use]
    pub fn new(server_id: impl Into<String>, session_id: u16, ui_mode: UiMode) -> Self {
        let (server_id, vendor) = (server_id.into(), Vec::new());
        Self { version: Self::VERSION, ui_mode, by_server: true, session_id, server_id, vendor }
    }

    /// The bytes to send: `secret` is the server's password towards this device, `nonce` the one that the device gave last, or a
    /// resync nonce ([`ResyncNonce`](super::dm1::ResyncNonce)).
    ///
    /// # Errors
    /// If the trigger cannot be written: [`Error::ServerId`], [`Error::Session`], [`Error::Version`].
    pub fn sign(&self, secret: &Secret, nonce: &[u8]) -> Result<Vec<u8>, Error> {
        let trigger = self.bytes()?;
        let mut out = proof::of_trigger(&self.server_id, secret, nonce, &trigger).to_vec();
        out.extend(trigger);
        Ok(out)
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        if self.version >= 1 << 10 {
            return Err(Error::Version(self.version));
        }
        if self.session_id == 0 {
            return Err(Error::Session);
        }
        let length = u8::try_from(self.server_id.len()).ok().filter(|l| *l > 0).ok_or(Error::ServerId)?;
        let ui_mode: u64 = match self.ui_mode {
            UiMode::Unspecified => 0,
            UiMode::Background => 1,
            UiMode::Informative => 2,
            UiMode::Interactive => 3,
        };
        let word = u64::from(self.version) << 30 | ui_mode << 28 | u64::from(self.by_server) << 27;
        let mut out: Vec<u8> = word.to_be_bytes().into_iter().skip(3).collect();
        out.extend(self.session_id.to_be_bytes());
        out.push(length);
        out.extend(self.server_id.bytes());
        out.extend(&self.vendor);
        Ok(out)
    }
}

/// Reads a notification, for people to look at. Its digest is not held against anything.
///
/// # Errors
/// If the bytes end too early, or the server identifier is no text.
pub fn read(bytes: &[u8]) -> Result<Notification, Error> {
    let short = |wanted| Error::Short { found: bytes.len(), wanted };
    let (digest, rest) = bytes.split_first_chunk::<16>().ok_or_else(|| short(24))?;
    let (word, rest) = rest.split_first_chunk::<5>().ok_or_else(|| short(24))?;
    let (session, rest) = rest.split_first_chunk::<2>().ok_or_else(|| short(24))?;
    let (length, rest) = rest.split_first().ok_or_else(|| short(24))?;
    let length = usize::from(*length);
    let (server_id, vendor) = rest.split_at_checked(length).ok_or_else(|| short(length.saturating_add(24)))?;
    let word = word.iter().fold(0_u64, |whole, byte| whole << 8 | u64::from(*byte));
    let trigger = Trigger {
        version: u16::try_from(word >> 30).unwrap_or(u16::MAX),
        ui_mode: match word >> 28 & 3 {
            0 => UiMode::Unspecified,
            1 => UiMode::Background,
            2 => UiMode::Informative,
            _ => UiMode::Interactive,
        },
        by_server: word >> 27 & 1 == 1,
        session_id: u16::from_be_bytes(*session),
        server_id: std::str::from_utf8(server_id).map_err(|_| Error::ServerId)?.to_owned(),
        vendor: vendor.to_vec(),
    };
    Ok(Notification { digest: *digest, trigger })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::dm1::ResyncNonce;

    const TRIGGER: &str = "02d800000000a70e646d2e6578616d706c652e6e6574";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, b| format!("{text}{b:02x}"))
    }

    fn secret() -> Secret {
        Secret::new("srv-pw".to_owned())
    }

    fn signed(nonce: &[u8]) -> Vec<u8> {
        Trigger::new("dm.example.net", 0xA7, UiMode::Background).sign(&secret(), nonce).unwrap()
    }

    #[test]
    fn the_vector_of_the_sheet_holds() {
        let nonce: Vec<u8> = (0..8).collect();
        assert_eq!(hex(&signed(&nonce)), format!("65af619c23efb224040f5e6bb9af31a2{TRIGGER}"));
    }

    #[test]
    fn the_resync_digests_of_the_sheet_hold() {
        let digest = |nonce: ResyncNonce| hex(&signed(nonce.bytes())[..16]);
        assert_eq!(digest(ResyncNonce::Zero), "5d00b52542e87c513e2ec301ee88016d");
        assert_eq!(digest(ResyncNonce::Literal), "5b9a1cb8aed81ef792598c0038418fc0");
    }

    #[test]
    fn the_header_of_the_specification_s_figure_is_written() {
        let trigger = Trigger { by_server: false, ..Trigger::new("com.mgmtsrv.manage", 0x1234, UiMode::Background) };
        let bytes = trigger.sign(&secret(), b"n").unwrap();
        assert_eq!(hex(&bytes[16..24]), "02d0000000123412");
    }

    #[test]
    fn what_was_signed_is_read_back() {
        let vendor = Trigger { vendor: vec![1, 2], ..Trigger::new("dm.example.net", 0xA7, UiMode::Interactive) };
        for trigger in [vendor, Trigger::new("dm.example.net", 0xA7, UiMode::Background)] {
            let bytes = trigger.sign(&secret(), b"n").unwrap();
            let read = read(&bytes).unwrap();
            assert_eq!((read.trigger, &read.digest[..]), (trigger, &bytes[..16]));
        }
    }

    #[test]
    fn what_is_no_notification_says_why() {
        let whole = signed(b"n");
        assert_eq!(read(&whole[..30]), Err(Error::Short { found: 30, wanted: 38 }));
        assert_eq!(read(&[]), Err(Error::Short { found: 0, wanted: 24 }));
        let make = |id: String, session| Trigger::new(id, session, UiMode::Background).sign(&secret(), b"");
        assert_eq!(make("x".repeat(256), 1), Err(Error::ServerId));
        assert_eq!(make("x".to_owned(), 0), Err(Error::Session));
    }
}
