//! A device's account between its two homes: the dialogue's [`Account`] and the sealed column of the device's row.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::store::{self, SealedJson, device::DeviceRow};
use crate::{
    model::secret::{Secret, SecretBytes},
    protocol::dm1::{Account, Nonces, Scheme},
};

/// What rests encrypted. Nonces are base64.
#[derive(Serialize, Deserialize)]
struct Resting {
    secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_nonce: Option<String>,
    #[serde(default)]
    resync: bool,
    #[serde(default)]
    seen_before: bool,
}

/// The account of a device.
///
/// # Errors
/// [`store::Error::BadRow`] if the sealed column holds something else.
pub fn of(row: &DeviceRow) -> Result<Account, store::Error> {
    let bad = |why: String| store::Error::bad_row("device", "secrets", row.key)(why);
    let resting: Resting = row.secrets.read().map_err(|e| bad(format!("{:?} error", e.classify())))?;
    let nonce = |text: Option<String>| -> Result<Option<SecretBytes>, store::Error> {
        let bytes =
            text.map(|t| STANDARD.decode(t)).transpose().map_err(|_| bad("a nonce is not base64".to_owned()))?;
        Ok(bytes.map(SecretBytes::new))
    };
    Ok(Account {
        scheme: if row.scheme == "basic" { Scheme::Basic } else { Scheme::Md5 },
        user: row.user_name.clone().unwrap_or_else(|| row.device_id.to_string()),
        secret: Secret::new(resting.secret),
        server_user: resting.server_user,
        server_secret: resting.server_secret.map(Secret::new),
        nonces: Nonces {
            client: nonce(resting.client_nonce)?,
            previous: nonce(resting.previous_nonce)?,
            server: nonce(resting.server_nonce)?,
            resync: resting.resync,
        },
        seen_before: resting.seen_before,
    })
}

/// What the sealed column shall hold.
///
/// # Errors
/// [`store::Error::Json`], which cannot happen for texts.
pub fn sealed(account: &Account) -> Result<SealedJson, store::Error> {
    let nonce = |bytes: &Option<SecretBytes>| bytes.as_ref().map(|b| STANDARD.encode(b.expose()));
    let resting = Resting {
        secret: account.secret.expose().to_owned(),
        server_user: account.server_user.clone(),
        server_secret: account.server_secret.as_ref().map(|s| s.expose().to_owned()),
        client_nonce: nonce(&account.nonces.client),
        previous_nonce: nonce(&account.nonces.previous),
        server_nonce: nonce(&account.nonces.server),
        resync: account.nonces.resync,
        seen_before: account.seen_before,
    };
    SealedJson::of("device secrets", &resting)
}
