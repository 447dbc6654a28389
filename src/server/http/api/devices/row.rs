//! A device between the contract's record and the store's row.

use std::collections::BTreeMap;

use crate::{
    contract::device::{Addresses, DeviceInput, DevicePatch, DeviceRecord, DeviceView, Scheme},
    infra::{
        account,
        known::Known,
        store::{self, Json, device::DeviceRow},
    },
    model::{
        clock::Timestamp,
        device::Installed,
        id::{DeviceKey, Tenant},
    },
    protocol::dm1::{Account, Nonces},
};

/// The key in `addresses` of where notifications are posted.
const WEBHOOK: &str = "webhook";

/// The row of a device that is registered now.
pub(super) fn new(
    key: DeviceKey,
    tenant: Tenant,
    input: DeviceInput,
    now: Timestamp,
) -> Result<DeviceRow, store::Error> {
    let DeviceInput { record, secrets } = input;
    let account = Account {
        scheme: record.scheme,
        user: record.user.clone(),
        secret: secrets.secret,
        server_user: None,
        server_secret: secrets.server_secret,
        nonces: Nonces { client: secrets.nonce, previous: None, server: secrets.server_nonce, resync: false },
        seen_before: false,
    };
    let mut row = DeviceRow {
        key,
        tenant,
        device_id: record.id.clone(),
        user_name: None,
        scheme: String::new(),
        class: None,
        tags: Vec::new(),
        addresses: BTreeMap::new(),
        secrets: account::sealed(&account)?,
        facts: Json::default(),
        roots: Json::default(),
        version: 0,
        created_at: now,
        updated_at: now,
    };
    fill(&mut row, &record);
    Ok(row)
}

/// The open part of a row as a record.
pub(super) fn record(row: &DeviceRow) -> Result<DeviceRecord, store::Error> {
    let webhook = row.addresses.get(WEBHOOK).map(|url| url.parse()).transpose();
    Ok(DeviceRecord {
        id: row.device_id.clone(),
        user: row.user_name.clone().unwrap_or_else(|| row.device_id.to_string()),
        scheme: if row.scheme == scheme(Scheme::Basic) { Scheme::Basic } else { Scheme::Md5 },
        addresses: Addresses { webhook: webhook.map_err(store::Error::bad_row("device", "addresses", row.key))? },
        class: row.class.clone(),
        tags: row.tags.clone(),
    })
}

/// Puts the open part of a record into a row.
pub(super) fn fill(row: &mut DeviceRow, record: &DeviceRecord) {
    row.user_name = Some(record.user.clone());
    scheme(record.scheme).clone_into(&mut row.scheme);
    row.addresses = record.addresses.webhook.iter().map(|url| (WEBHOOK.to_owned(), url.to_string())).collect();
    row.class.clone_from(&record.class);
    row.tags.clone_from(&record.tags);
}

/// Makes the secret part of a change.
pub(super) fn renew(account: &mut Account, patch: &DevicePatch) {
    account.scheme = patch.scheme.unwrap_or(account.scheme);
    if let Some(user) = &patch.user {
        account.user.clone_from(user);
    }
    if let Some(secret) = &patch.secret {
        account.secret = secret.clone();
    }
    if patch.server_secret.is_some() {
        account.server_secret.clone_from(&patch.server_secret);
    }
    if patch.nonce.is_some() {
        account.nonces.client.clone_from(&patch.nonce);
        account.nonces.previous = None;
    }
    if patch.server_nonce.is_some() {
        account.nonces.server.clone_from(&patch.server_nonce);
    }
}

/// What the API gives back.
pub(super) fn view(row: &DeviceRow, installed: Option<Vec<Installed>>) -> Result<DeviceView, store::Error> {
    let known = Known::of(row)?;
    Ok(DeviceView {
        record: record(row)?,
        tenant: row.tenant.clone(),
        created: row.created_at,
        last_seen: None,
        dev_info: known.info,
        dev_detail: known.detail,
        installed,
        no_scomo_at: known.rootless.map(|rootless| rootless.at),
    })
}

const fn scheme(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Basic => "basic",
        Scheme::Md5 => "md5",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn registered() -> DeviceRow {
        let input = DeviceInput::read(&json!({ "id": "IMEI:1", "user": "dev", "secret": "pw-dev", "scheme": "basic",
            "nonce": "AQID", "addresses": { "webhook": "http://127.0.0.1:9000/wake" }, "tags": ["lab"] }));
        let key = DeviceKey::new(Uuid::from_u128(1));
        new(key, Tenant::default(), input.unwrap(), Timestamp::from_micros(1)).unwrap()
    }

    #[test]
    fn a_record_survives_its_row_and_its_secrets_stay_inside() {
        let view = serde_json::to_value(view(&registered(), None).unwrap()).unwrap();
        assert_eq!((&view["id"], &view["user"], &view["scheme"]), (&json!("IMEI:1"), &json!("dev"), &json!("basic")));
        assert_eq!(view["addresses"]["webhook"], "http://127.0.0.1:9000/wake");
        assert!(!view.to_string().contains("pw-dev"), "{view}");
        assert_eq!(account::of(&registered()).unwrap().secret.expose(), "pw-dev");
    }

    #[test]
    fn a_new_nonce_ends_the_one_before() {
        let mut account = account::of(&registered()).unwrap();
        account.nonces.previous.clone_from(&account.nonces.client);
        renew(&mut account, &DevicePatch::read(&json!({ "nonce": "BAUG", "scheme": "md5" })).unwrap());
        assert_eq!(account.nonces.client.as_ref().unwrap().expose(), [4, 5, 6]);
        assert!(account.nonces.previous.is_none());
        assert_eq!(account.scheme, Scheme::Md5);
    }
}
