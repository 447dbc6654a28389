//! The formulas of DM 1.x sheet 3.2.

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};

use crate::model::secret::Secret;

/// `A = B64(H(user ":" password))`.
pub(in crate::protocol) fn identity(user: &str, secret: &Secret) -> String {
    encoded(Md5::new().chain_update(user).chain_update(b":").chain_update(secret.expose()))
}

/// `H(A ":" nonce)`: the digest of auth-md5, before base64.
pub(super) fn digest(user: &str, secret: &Secret, nonce: &[u8]) -> [u8; 16] {
    let a = identity(user, secret);
    Md5::new().chain_update(a).chain_update(b":").chain_update(nonce).finalize().into()
}

/// `H(A ":" nonce ":" B64(H(trigger)))`: the digest of a notification.
pub(in crate::protocol) fn of_trigger(user: &str, secret: &Secret, nonce: &[u8], trigger: &[u8]) -> [u8; 16] {
    let a = identity(user, secret);
    let body = encoded(Md5::new().chain_update(trigger));
    let hash = Md5::new().chain_update(a).chain_update(b":").chain_update(nonce);
    hash.chain_update(b":").chain_update(body).finalize().into()
}

/// `user ":" password`: the content of auth-basic, before base64.
pub(super) fn basic(user: &str, secret: &Secret) -> Vec<u8> {
    format!("{user}:{}", secret.expose()).into_bytes()
}

fn encoded(hash: Md5) -> String {
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md5(user: &str, password: &str, nonce: &[u8]) -> String {
        STANDARD.encode(digest(user, &Secret::new(password.to_owned()), nonce))
    }

    #[test]
    fn the_vectors_of_the_sheet_hold() {
        let bruce = Secret::new("OhBehave".to_owned());
        assert_eq!(identity("Bruce2", &bruce), "PtEdr8lBQ45IbT1bZIkrOQ==");
        assert_eq!(md5("Bruce2", "OhBehave", b"Nonce"), "Zz6EivR3yeaaENcRN6lpAQ==");
        assert_eq!(md5("dev-0001", "pw-dev", &[0, 1, 2, 3, 4, 5, 6, 7]), "eVkkSikhMWAUnrRSZ2dnRg==");
        assert_eq!(md5("dev-0001", "pw-dev", b""), "+eaZV0IfqoYYtXDgB1Z66w==");
        let server: Vec<u8> = (0x20..0x30).collect();
        assert_eq!(md5("dm.example.net", "srv-pw", &server), "4F4HL+PLf3GdvssqaqbbQQ==");
        let plain = basic("dev-0001", &Secret::new("pw-dev".to_owned()));
        assert_eq!(STANDARD.encode(plain), "ZGV2LTAwMDE6cHctZGV2");
    }
}
