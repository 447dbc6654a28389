//! Package 0 as a device reads it (DM 1.x sheet 8.1).

use super::auth;
use crate::model::secret::same;

/// The bytes before the server's name: digest, flags, session, length.
const HEAD: usize = 24;

/// A notification, taken apart but not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trigger<'b> {
    /// The session that the server wants.
    pub(super) session: u16,
    /// Who sends it.
    pub(super) server_id: &'b str,
    digest: &'b [u8],
    covered: &'b [u8],
}

impl<'b> Trigger<'b> {
    /// Takes a notification apart; nothing if it is too short, names session 0 or another version than 1.0 to 1.2.
    pub(super) fn read(bytes: &'b [u8]) -> Option<Self> {
        let (digest, covered) = bytes.split_at_checked(16)?;
        let head: &[u8; 8] = covered.first_chunk()?;
        let [b0, b1, _, _, _, s0, s1, length] = *head;
        let version = u16::from_be_bytes([b0, b1]) >> 6;
        let session = u16::from_be_bytes([s0, s1]);
        let name = bytes.get(HEAD..HEAD.checked_add(usize::from(length))?)?;
        let server_id = std::str::from_utf8(name).ok()?;
        ((10..=12).contains(&version) && session != 0).then_some(Self { session, server_id, digest, covered })
    }

    /// Whether the sender knew the secret and one of the nonces.
    pub(super) fn is_genuine(&self, secret: &str, nonces: &[&[u8]]) -> bool {
        nonces.iter().any(|n| same(&auth::notification(self.server_id, secret, n, self.covered), self.digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    /// The vector of DM 1.x sheet 8.4.
    fn vector() -> Vec<u8> {
        bytes("65af619c23efb224040f5e6bb9af31a202d800000000a70e646d2e6578616d706c652e6e6574")
    }

    #[test]
    fn the_vector_of_the_sheet_is_believed() {
        let vector = vector();
        let trigger = Trigger::read(&vector).unwrap();
        let nonce: Vec<u8> = (0..8).collect();
        assert_eq!((trigger.session, trigger.server_id), (0xA7, "dm.example.net"));
        assert!(trigger.is_genuine("srv-pw", &[b"stale", &nonce]));
        assert!(!trigger.is_genuine("srv-pw", &[b"stale"]) && !trigger.is_genuine("other", &[&nonce]));
    }

    #[test]
    fn the_resync_vectors_of_the_sheet_are_believed() {
        use crate::sim::profile::Resync;
        let trigger = "02d800000000a70e646d2e6578616d706c652e6e6574";
        for (digest, resync) in
            [("5d00b52542e87c513e2ec301ee88016d", Resync::Zero), ("5b9a1cb8aed81ef792598c0038418fc0", Resync::Literal)]
        {
            let whole = bytes(&format!("{digest}{trigger}"));
            assert!(Trigger::read(&whole).unwrap().is_genuine("srv-pw", &[resync.nonce().unwrap()]));
        }
        assert_eq!(Resync::None.nonce(), None);
    }

    #[test]
    fn a_changed_or_short_notification_is_not() {
        let nonce: Vec<u8> = (0..8).collect();
        let mut changed = vector();
        changed[22] = 0xA8;
        assert!(!Trigger::read(&changed).unwrap().is_genuine("srv-pw", &[&nonce]));
        let vector = vector();
        assert!((0..vector.len()).all(|length| Trigger::read(&vector[..length]).is_none()));
    }
}
