//! The listener for notifications: the other end of the webhook courier, for all devices.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use super::fleet::Inner;
use crate::model::{
    digest::Digest,
    secret::{Secret, same},
};

/// The most bytes of a notification's JSON.
const MOST_BYTES: usize = 1 << 16;

/// What the webhook courier posts; members that are not named here do not concern a device.
#[derive(Deserialize)]
struct Notification {
    schema: String,
    device: String,
    content_type: String,
    data: String,
}

/// `POST /notify/{device}`
pub(super) fn router(fleet: Arc<Inner>) -> Router {
    Router::new().route("/notify/{device}", post(notify)).layer(DefaultBodyLimit::max(MOST_BYTES)).with_state(fleet)
}

/// Takes a notification to its device. A wrong digest is no error here: the device stays silent about it.
async fn notify(
    State(fleet): State<Arc<Inner>>,
    Path(device): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, (StatusCode, &'static str)> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = &fleet.webhook_key
        && !is_signed(key, &body, header("x-scomo-signature").unwrap_or_default())
    {
        return Err((StatusCode::UNAUTHORIZED, "X-Scomo-Signature does not fit the body"));
    }
    let notification: Notification =
        serde_json::from_slice(&body).map_err(|_| (StatusCode::BAD_REQUEST, "not a scomo.notification/1"))?;
    if notification.schema != "scomo.notification/1" {
        return Err((StatusCode::BAD_REQUEST, "not a scomo.notification/1"));
    }
    if notification.content_type != "application/vnd.syncml.notification" {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "only DM 1.x notifications are understood"));
    }
    let data = BASE64.decode(&notification.data).map_err(|_| (StatusCode::BAD_REQUEST, "data is not base64"))?;
    let slot = fleet.slot(&device).filter(|_| notification.device == device);
    let slot = slot.ok_or((StatusCode::NOT_FOUND, "no such device"))?;
    fleet.notified(&slot, header("idempotency-key"), &data);
    Ok(StatusCode::ACCEPTED)
}

/// Whether the signature is `sha256=` and the HMAC of the body in hexadecimal.
fn is_signed(key: &Secret, body: &[u8], signature: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else { return false };
    mac.update(body);
    let given = signature.strip_prefix("sha256=").and_then(|digits| digits.parse::<Digest>().ok());
    given.is_some_and(|given| same(&mac.finalize().into_bytes(), given.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_covers_the_body() {
        // RFC 4231, test case 2.
        let (key, body) = (Secret::new("Jefe".to_owned()), b"what do ya want for nothing?");
        let good = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(is_signed(&key, body, good) && is_signed(&key, body, &good.to_uppercase().replace("SHA256", "sha256")));
        assert!(!is_signed(&key, b"what?", good) && !is_signed(&key, body, "") && !is_signed(&key, body, &good[7..]));
    }
}
