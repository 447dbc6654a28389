//! Rows to write.

use std::collections::BTreeMap;

use scomo::{
    infra::{
        store::{
            Json, SealedJson, Store, Unit, Write,
            device::{DeviceRow, InventoryRow},
            event::EventRow,
            grant::GrantRow,
            job::JobRow,
            package::PackageRow,
            request::RequestRow,
            session::SessionRow,
        },
        system::SystemMint,
    },
    model::{
        clock::{Mint, Timestamp},
        digest::Digest,
        id::{
            DeviceId, DeviceKey, DmSessionId, EventId, GrantId, JobId, PackageId, RequestId, RequestKey, RequestSource,
            SessionKey, Tenant,
        },
    },
};
use serde_json::json;
use uuid::Uuid;

pub(crate) fn uuid() -> Uuid {
    SystemMint::new().uuid(at(0))
}

/// `seconds` after a fixed moment.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_795_176_000_000_000 + seconds * 1_000_000)
}

pub(crate) fn json(value: &serde_json::Value) -> Json {
    Json::of("test", value).unwrap()
}

pub(crate) fn secret(value: &serde_json::Value) -> SealedJson {
    SealedJson::of("test", value).unwrap()
}

pub(crate) fn device(name: &str) -> DeviceRow {
    DeviceRow {
        key: DeviceKey::new(uuid()),
        tenant: Tenant::default(),
        device_id: DeviceId::parse(name).unwrap(),
        user_name: Some(format!("user of {name}")),
        scheme: "md5".to_owned(),
        class: Some("acme".to_owned()),
        tags: vec!["blue".to_owned(), "lab".to_owned()],
        addresses: BTreeMap::from([("webhook".to_owned(), "http://127.0.0.1/".to_owned())]),
        secrets: secret(&json!({ "secret": "correct horse" })),
        facts: json(&json!({ "info": { "man": "Acme" } })),
        roots: json(&json!([])),
        version: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub(crate) fn inventory(device: &DeviceRow) -> InventoryRow {
    let body = json(&json!({ "deployed": ["a"] }));
    InventoryRow { device: device.key, digest: Digest::of(body.as_str().as_bytes()), body, read_at: at(1) }
}

pub(crate) fn session(device: &DeviceRow, name: &str) -> SessionRow {
    SessionRow {
        key: SessionKey::new(uuid()),
        tenant: Tenant::default(),
        device: device.key,
        dm_session_id: DmSessionId::parse(name).unwrap(),
        version: 0,
        authenticated: false,
        open: true,
        msg_id: 1,
        digest: Some(Digest::of(b"message 1")),
        state: secret(&json!({ "nonce": "precious nonce" })),
        job: None,
        created_at: at(1),
        updated_at: at(1),
    }
}

pub(crate) fn request(id: &str) -> RequestRow {
    RequestRow {
        key: RequestKey::new(uuid()),
        tenant: Tenant::default(),
        source: RequestSource::parse("oss/campaigns").unwrap(),
        request_id: RequestId::parse(id).unwrap(),
        digest: Digest::of(id.as_bytes()),
        body: json(&json!({ "kind": "download" })),
        priority: 5,
        jobs_total: Some(1),
        created_at: at(0),
        completed: None,
    }
}

pub(crate) fn job(request: &RequestRow, device: &str) -> JobRow {
    JobRow {
        id: JobId::new(uuid()),
        tenant: Tenant::default(),
        request: request.key,
        device_id: DeviceId::parse(device).unwrap(),
        device: None,
        state: "waiting".to_owned(),
        active: false,
        priority: 5,
        version: 0,
        event_seq: 0,
        attempt: 0,
        body: json(&json!({ "life": "waiting" })),
        result: None,
        created_at: at(0),
        updated_at: at(0),
        deadline_at: Some(at(3600)),
        passes_until: None,
        finished_at: None,
    }
}

/// Jobs of one device, each of a request of its own, and those requests.
pub(crate) fn rivals<const N: usize>(device: &str) -> ([RequestRow; N], [JobRow; N]) {
    let requests = std::array::from_fn(|n| request(&format!("request {n} for {device}")));
    let jobs = std::array::from_fn(|n: usize| job(&requests[n], device));
    (requests, jobs)
}

pub(crate) fn grant(job: &JobRow, token: &str) -> GrantRow {
    GrantRow {
        id: GrantId::new(uuid()),
        token_hash: Digest::of(token.as_bytes()),
        tenant: Tenant::default(),
        job: job.id,
        file_name: "player.tar.gz".to_owned(),
        package: PackageId::parse("org.example.player").unwrap(),
        version: "2.1.0".to_owned(),
        payload: Digest::of(b"payload"),
        size: 262_144,
        mime: "application/gzip".to_owned(),
        mechanism: "descriptor".to_owned(),
        descriptor: Some("<media/>".to_owned()),
        created_at: at(0),
        expires_at: at(60),
        revoked: false,
        fetched: 0,
        notify_status: None,
    }
}

pub(crate) fn package(id: &str, version: &str) -> PackageRow {
    PackageRow {
        tenant: Tenant::default(),
        id: PackageId::parse(id).unwrap(),
        version: version.to_owned(),
        manifest: json(&json!({ "format": 1 })),
        digest: Digest::of(b"payload"),
        size: 7,
        payload: "sha256/ab".to_owned(),
        loaded_at: at(0),
    }
}

pub(crate) fn event(subject: &str, seq: i64) -> EventRow {
    EventRow {
        id: EventId::new(uuid()),
        tenant: Tenant::default(),
        subject: subject.to_owned(),
        seq,
        kind: "scomo.job.notified".to_owned(),
        body: json(&json!({ "seq": seq })),
        at: at(seq),
    }
}

/// A unit of these writes.
pub(crate) fn unit(writes: impl IntoIterator<Item = Write>) -> Unit {
    writes.into_iter().fold(Unit::new("test", "device"), Unit::with)
}

/// Commits writes that must succeed.
pub(crate) async fn put(store: &Store, writes: impl IntoIterator<Item = Write>) {
    store.commit(unit(writes)).await.unwrap();
}
