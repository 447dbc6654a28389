//! Couriers carry notifications to devices. There is one so far: the webhook, which hands Package 0 to whatever can reach the
//! device (`contract.md`, "Device record").

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::model::{
    clock::{Timestamp, span},
    secret::Secret,
};

/// How couriers behave.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long one attempt may take.
    #[serde(with = "span")]
    pub timeout: Duration,
}

/// Why a notification was not accepted; all of these are tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client cannot be built.
    #[error("the HTTP client of the webhook courier cannot be built")]
    Client(#[source] reqwest::Error),
    /// Nobody answered.
    #[error("the webhook {url} did not answer")]
    Unreachable {
        /// Where it was sent; without user and query.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer was not 2xx.
    #[error("the webhook {url} answered {status}")]
    Refused {
        /// Where it was sent; without user and query.
        url: String,
        /// The HTTP status.
        status: u16,
    },
}

/// A notification on its way.
#[derive(Debug, Clone)]
pub struct Notification<'a> {
    /// Names this attempt: a repeat of it is the same message.
    pub idempotency_key: &'a str,
    /// The device as it names itself.
    pub device: &'a str,
    /// The session that the device is asked to open.
    pub session_id: u16,
    /// MIME type of `data`.
    pub content_type: &'a str,
    /// The message, for example a Package 0.
    pub data: &'a [u8],
    /// After this it is of no use.
    pub expires: Timestamp,
}

/// Carries notifications by HTTP POST.
#[derive(Debug, Clone)]
pub struct Webhook {
    client: reqwest::Client,
    key: Option<Secret>,
}

#[derive(Serialize)]
struct Body<'a> {
    schema: &'static str,
    device: &'a str,
    session_id: u16,
    content_type: &'a str,
    data: String,
    expires: Timestamp,
}

impl Webhook {
    /// A courier that signs with `key`, if there is one.
    ///
    /// # Errors
    /// [`Error::Client`] if the system gives it no certificates to trust.
    pub fn new(settings: &Settings, key: Option<Secret>) -> Result<Self, Error> {
        // Without a provider the client panics; whoever installed one before keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("scomo/", env!("CARGO_PKG_VERSION")));
        Ok(Self { client: client.build().map_err(Error::Client)?, key })
    }

    /// Hands one notification over; done when the webhook says 2xx.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Refused`]: try again later.
    pub async fn send(&self, url: &url::Url, notification: &Notification<'_>) -> Result<(), Error> {
        let body = Body {
            schema: "scomo.notification/1",
            device: notification.device,
            session_id: notification.session_id,
            content_type: notification.content_type,
            data: STANDARD.encode(notification.data),
            expires: notification.expires,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut request = self
            .client
            .post(url.clone())
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", notification.idempotency_key);
        if let Some(key) = &self.key {
            request = request.header("X-Scomo-Signature", signature(key, &body));
        }
        let sent = request.body(body).send().await;
        let response = sent.map_err(|e| Error::Unreachable { url: bare(url), source: e.without_url() })?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(Error::Refused { url: bare(url), status: status.as_u16() }) }
    }
}

/// `sha256=<HMAC of the body>` in lower-case hexadecimal.
fn signature(key: &Secret, body: &[u8]) -> String {
    // HMAC takes a key of any length, so the error cannot occur; an empty signature would be refused by the receiver.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else { return String::new() };
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    digest.iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// The URL without what may be secret in it.
fn bare(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    let _ = (url.set_username(""), url.set_password(None));
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256_of_the_body() {
        let key = Secret::new("Jefe".to_owned());
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(&key, b"what do ya want for nothing?"), expected);
    }

    #[test]
    fn an_error_shows_no_password() {
        let url = url::Url::parse("https://user:pw@push.example.net/a?token=t").unwrap();
        assert_eq!(bare(&url), "https://push.example.net/a");
    }
}
