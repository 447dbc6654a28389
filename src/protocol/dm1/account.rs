//! What the service knows of a device to authenticate it, and what a message changes of that.

use serde::{Deserialize, Serialize};

use crate::model::secret::{Secret, SecretBytes};

/// An authentication scheme whose credentials travel in `Cred` (DM 1.x sheet 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `syncml:auth-basic`: user and password as they are.
    Basic,
    /// `syncml:auth-md5`: a digest over user, password and a nonce.
    #[default]
    Md5,
}

impl Scheme {
    /// The name on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Basic => "syncml:auth-basic",
            Self::Md5 => "syncml:auth-md5",
        }
    }

    /// Reads the name, letter case ignored.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        [Self::Basic, Self::Md5].into_iter().find(|s| s.wire().eq_ignore_ascii_case(text.trim()))
    }
}

/// A device's account (DM 1.x sheet 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The scheme of both directions; a client that challenges with the other one is answered in that.
    pub scheme: Scheme,
    /// The device's user name.
    pub user: String,
    /// The device's password.
    pub secret: Secret,
    /// This server's user name towards this device; absent means the server identifier.
    pub server_user: Option<String>,
    /// This server's password towards this device; absent means that the server cannot prove itself.
    pub server_secret: Option<Secret>,
    /// The nonces of both directions.
    pub nonces: Nonces,
    /// Whether the device was ever authenticated.
    pub seen_before: bool,
}

/// The nonces of an account (DM 1.x sheet 3.6).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nonces {
    /// The newest nonce that the device was given for its next session.
    pub client: Option<SecretBytes>,
    /// The one before, good until the device is seen with the newest: the answer that carried that may have been lost.
    pub previous: Option<SecretBytes>,
    /// The nonce that the device gave for this server's next proof; also that of the next notification.
    pub server: Option<SecretBytes>,
    /// Whether a notification made with a resync nonce is outstanding.
    pub resync: bool,
}

/// What one message changes of the account. Applied in the same commit as the machine; empty if nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountChange {
    /// The device proved itself and gets a new nonce.
    pub client: Option<NewNonce>,
    /// The nonce that the authenticated device gave for the server's next proof.
    pub server: Option<SecretBytes>,
    /// The device was authenticated: from now on it is [`Account::seen_before`] and an outstanding resync is spent.
    pub authenticated: bool,
}

/// A new client nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNonce {
    /// For the next session.
    pub current: SecretBytes,
    /// What the device used this time, kept until it is seen with `current`; never a resync nonce.
    pub previous: Option<SecretBytes>,
}

impl AccountChange {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Makes the change.
    pub fn apply(self, account: &mut Account) {
        if let Some(new) = self.client {
            account.nonces.client = Some(new.current);
            account.nonces.previous = new.previous;
        }
        if let Some(server) = self.server {
            account.nonces.server = Some(server);
        }
        if self.authenticated {
            account.seen_before = true;
            account.nonces.resync = false;
        }
    }
}
