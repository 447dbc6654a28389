//! Packages.

pub(in crate::infra::store) const LOAD: &str = "-- package.load
SELECT tenant, id, version, manifest, digest, size, payload, loaded_at
FROM package WHERE tenant = $1 AND id = $2 AND version = $3";

pub(in crate::infra::store) const LIST: &str = "-- package.list
SELECT tenant, id, version, manifest, digest, size, payload, loaded_at
FROM package WHERE tenant = $1 ORDER BY id, version";

pub(in crate::infra::store) const PUT: &str = "-- package.put
INSERT INTO package (tenant, id, version, manifest, digest, size, payload, loaded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, id, version) DO UPDATE SET manifest = excluded.manifest, digest = excluded.digest, size =
    excluded.size,
    payload = excluded.payload, loaded_at = excluded.loaded_at";
