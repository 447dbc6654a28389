//! Credentials and nonces of both directions (DM 1.x sheet 3), as a device keeps them.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use md5::{Digest as _, Md5};
use serde::Deserialize;

use crate::{
    model::{clock::Mint, secret::same},
    wire::syncml::{Chal, Cred, Header, Meta},
};

/// How the device and its server prove themselves; the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `syncml:auth-basic`
    Basic,
    /// `syncml:auth-md5`
    Md5,
}

impl Scheme {
    /// The name in `Meta/Type`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Basic => "syncml:auth-basic",
            Self::Md5 => "syncml:auth-md5",
        }
    }

    /// The scheme that a `Type` names, letter case ignored (DM 1.x sheet 3.1).
    pub(super) fn named(meta: &Meta) -> Option<Self> {
        let name = meta.r#type.as_deref()?.trim();
        [Self::Basic, Self::Md5].into_iter().find(|s| s.name().eq_ignore_ascii_case(name))
    }
}

/// `A` of the formulas: B64(H(name ":" secret)).
fn account(name: &str, secret: &str) -> String {
    BASE64.encode(Md5::digest(format!("{name}:{secret}")))
}

/// The `Cred` that proves `name` (DM 1.x sheet 3.2); the nonce counts for MD5 only.
pub(super) fn cred(scheme: Scheme, name: &str, secret: &str, nonce: &[u8]) -> Cred {
    let data = match scheme {
        Scheme::Basic => BASE64.encode(format!("{name}:{secret}")),
        Scheme::Md5 => {
            let digest =
                Md5::new().chain_update(account(name, secret)).chain_update(":").chain_update(nonce).finalize();
            BASE64.encode(digest)
        }
    };
    Cred { meta: Meta::typed("b64", scheme.name()), data }
}

/// The digest that leads a notification (DM 1.x sheet 3.2, `pkg0`).
pub(super) fn notification(server_id: &str, secret: &str, nonce: &[u8], trigger: &[u8]) -> [u8; 16] {
    let mut hash = Md5::new().chain_update(account(server_id, secret)).chain_update(":").chain_update(nonce);
    hash.update(":");
    hash.update(BASE64.encode(Md5::digest(trigger)));
    hash.finalize().into()
}

/// A challenge; MD5 carries the nonce that the next digest must use.
pub(super) fn challenge(scheme: Scheme, nonce: &[u8]) -> Chal {
    let mut meta = Meta::typed("b64", scheme.name());
    if scheme == Scheme::Md5 {
        meta.next_nonce = Some(BASE64.encode(nonce));
    }
    Chal { meta }
}

/// The nonce of a challenge, decoded; nothing if it has none or it is no base64.
pub(super) fn next_nonce(chal: &Chal) -> Option<Vec<u8>> {
    decode(chal.meta.next_nonce.as_deref()?)
}

/// Base64 with line breaks and missing padding tolerated (DM 1.x sheet 12.2 no. 13).
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut clean: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    while !clean.len().is_multiple_of(4) {
        clean.push('=');
    }
    BASE64.decode(clean).ok()
}

/// What a server's header proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The credentials are right.
    Good,
    /// There are none.
    Missing,
    /// They are wrong, stale or of another scheme.
    Wrong,
}

/// The nonces that outlive a session.
#[derive(Clone, Default)]
pub(super) struct Nonces {
    /// What the server gave the device for its next digest; none before the first contact.
    pub(super) client: Option<Vec<u8>>,
    /// What the device gave the server, newest first. The one before stays good until the server is seen with the new one: the
    /// message that carried it may have been lost.
    server: Vec<Vec<u8>>,
}

impl Nonces {
    /// Starts with what the server was told at registration.
    pub(super) fn registered(mint: &mut dyn Mint) -> Self {
        Self { client: Some(mint.nonce()), server: vec![mint.nonce()] }
    }

    /// The newest nonce of the server.
    pub(super) fn newest_server(&self) -> Option<&[u8]> {
        self.server.first().map(Vec::as_slice)
    }

    /// Every nonce that the server may use outside a session; an empty one before the first contact.
    pub(super) fn server_candidates(&self) -> Vec<&[u8]> {
        if self.server.is_empty() { vec![&[]] } else { self.server.iter().map(Vec::as_slice).collect() }
    }

    /// Makes the nonce of the server's next session; `used` is the one it has just proved itself with.
    pub(super) fn renew_server(&mut self, used: Vec<u8>, mint: &mut dyn Mint) -> Vec<u8> {
        let fresh = mint.nonce();
        self.server = vec![fresh.clone(), used];
        fresh
    }
}

/// Judges a server's header against each of the nonces; gives the one that fits.
pub(super) fn judge(
    header: &Header,
    scheme: Scheme,
    server_id: Option<&str>,
    secret: &str,
    nonces: &[&[u8]],
) -> (Proof, Vec<u8>) {
    let Some(given) = &header.cred else { return (Proof::Missing, Vec::new()) };
    if Scheme::named(&given.meta) != Some(scheme) {
        return (Proof::Wrong, Vec::new());
    }
    let name = header.source.name.as_deref().or(server_id).unwrap_or(&header.source.uri);
    if server_id.is_some_and(|expected| expected != name) {
        return (Proof::Wrong, Vec::new());
    }
    let fits = |nonce: &&&[u8]| same(cred(scheme, name, secret, nonce).data.as_bytes(), given.data.trim().as_bytes());
    match nonces.iter().find(fits) {
        Some(nonce) => (Proof::Good, nonce.to_vec()),
        None => (Proof::Wrong, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_meet_the_vectors_of_the_sheet() {
        let nonce: Vec<u8> = (0..8).collect();
        assert_eq!(cred(Scheme::Md5, "Bruce2", "OhBehave", b"Nonce").data, "Zz6EivR3yeaaENcRN6lpAQ==");
        assert_eq!(cred(Scheme::Md5, "dev-0001", "pw-dev", &nonce).data, "eVkkSikhMWAUnrRSZ2dnRg==");
        assert_eq!(cred(Scheme::Md5, "dev-0001", "pw-dev", &[]).data, "+eaZV0IfqoYYtXDgB1Z66w==");
        assert_eq!(cred(Scheme::Basic, "dev-0001", "pw-dev", &[]).data, "ZGV2LTAwMDE6cHctZGV2");
    }

    #[test]
    fn the_nonce_before_is_good_until_the_new_one_is_seen() {
        let mut mint = super::super::chance::Seeded::new([3; 32]);
        let mut nonces = Nonces::registered(&mut mint);
        let first = nonces.newest_server().unwrap().to_vec();
        let second = nonces.renew_server(first.clone(), &mut mint);
        assert_eq!(nonces.server_candidates(), [second.as_slice(), first.as_slice()]);
        let third = nonces.renew_server(second.clone(), &mut mint);
        assert_eq!(nonces.server_candidates(), [third.as_slice(), second.as_slice()]);
    }
}
