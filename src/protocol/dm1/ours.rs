//! Does the server prove who it is (DM 1.x sheet 3.5).
//!
//! Credentials are sent before anybody asks, where the account has some; a device that still refuses gives a nonce for the next
//! try. Nonces that an authenticated device gives are for the account to keep.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Account, Context, Scheme, proof, text::Nonce};
use crate::{
    model::secret::SecretBytes,
    wire::syncml::{Chal, Cred, Meta},
};

/// The server's standing with the device in this session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Ours {
    accepted: bool,
    /// How often credentials were sent and refused.
    refused: u8,
    /// Whether the last message carried credentials.
    shown: bool,
    /// What the device challenged with, if it did.
    scheme: Option<Scheme>,
    nonce: Option<Nonce>,
}

/// What a Status for our `SyncHdr` means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// The message was taken.
    Fine,
    /// The device wants (other) credentials; what it did not run is to be sent again.
    Again,
    /// It will not be convinced.
    Hopeless,
}

impl Ours {
    /// How often wrong credentials are corrected.
    const TRIES: u8 = 2;

    /// The device proved itself with a resync nonce and expects the same of the server.
    pub(super) fn resync(&mut self, nonce: &[u8]) {
        self.nonce = Some(Nonce(SecretBytes::new(nonce.to_vec())));
    }

    /// The user name and credentials for the next message, if it needs some.
    pub(super) fn cred(&self, cx: &Context<'_>) -> Option<(String, Cred)> {
        let account = cx.account.filter(|_| !self.accepted)?;
        let secret = account.server_secret.as_ref()?;
        let user = account.server_user.as_deref().unwrap_or(&cx.server.id);
        let scheme = self.scheme.unwrap_or(account.scheme);
        let data = match scheme {
            Scheme::Basic => STANDARD.encode(proof::basic(user, secret)),
            Scheme::Md5 => {
                let nonce = self.nonce.as_ref().map(|n| &n.0).or(account.nonces.server.as_ref());
                STANDARD.encode(proof::digest(user, secret, nonce.map_or(&[], |n| n.expose())))
            }
        };
        Some((user.to_owned(), Cred { meta: Meta::typed("b64", scheme.wire()), data }))
    }

    /// Notes whether the message that goes out carries credentials.
    pub(super) fn showed(&mut self, cred: bool) {
        self.shown = cred;
    }

    /// Takes the Status for our `SyncHdr`: `account` of the device that sent it, `commands` whether that message had some. Gives the
    /// nonce to keep for the next session.
    pub(super) fn heard(
        &mut self,
        code: u16,
        chal: Option<&Chal>,
        account: Option<&Account>,
        commands: bool,
    ) -> (Hearing, Option<SecretBytes>) {
        let nonce = chal.and_then(|c| c.meta.next_nonce.as_deref()).and_then(Nonce::read);
        if nonce.is_some() {
            self.nonce.clone_from(&nonce);
        }
        let next = nonce.map(|n| n.0);
        if code != 401 && code != 407 {
            self.accepted |= self.shown && (code == 212 || (code == 200 && next.is_none()));
            return (Hearing::Fine, next);
        }
        self.accepted = false;
        self.refused = self.refused.saturating_add(u8::from(self.shown));
        let named = chal.and_then(|c| c.meta.r#type.as_deref());
        let foreign = named.is_some_and(|t| Scheme::read(t).is_none());
        self.scheme = named.and_then(Scheme::read).or(self.scheme);
        let able = account.is_some_and(|a| a.server_secret.is_some()) && !foreign && self.refused <= Self::TRIES;
        let hearing = if able || !commands { Hearing::Again } else { Hearing::Hopeless };
        (hearing, next)
    }
}
