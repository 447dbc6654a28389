//! Devices and their inventories.

pub(in crate::infra::store) const INSERT: &str = "-- device.insert
INSERT INTO device (key, tenant, device_id, device_norm, user_name, scheme, class, tags, addresses, secrets, facts,
    roots, version, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (tenant, device_norm) DO NOTHING";

pub(in crate::infra::store) const PUT: &str = "-- device.put
UPDATE device SET version = version + 1, user_name = $3, scheme = $4, class = $5, tags = $6, addresses = $7,
    secrets = $8, facts = $9, roots = $10, updated_at = $11
WHERE key = $1 AND version = $2";

/// With its sessions, which no reference binds to it.
pub(in crate::infra::store) const DELETE: &str = "-- device.delete
WITH gone AS (DELETE FROM device WHERE key = $1 AND version = $2 RETURNING key),
swept AS (DELETE FROM session s USING gone WHERE s.device_key = gone.key)
SELECT key FROM gone";

pub(in crate::infra::store) const BY_NAME: &str = "-- device.by_name
SELECT key, tenant, device_id, user_name, scheme, class, tags, addresses, secrets, facts, roots, version,
    created_at, updated_at
FROM device WHERE tenant = $1 AND device_norm = $2";

pub(in crate::infra::store) const LOAD: &str = "-- device.load
SELECT key, tenant, device_id, user_name, scheme, class, tags, addresses, secrets, facts, roots, version,
    created_at, updated_at
FROM device WHERE key = $1";

pub(in crate::infra::store) const LIST: &str = "-- device.list
SELECT key, tenant, device_id, user_name, scheme, class, tags, addresses, secrets, facts, roots, version,
    created_at, updated_at
FROM device WHERE tenant = $1 AND (created_at, key) > ($2, $3)
ORDER BY created_at, key LIMIT $4";

pub(in crate::infra::store) const INVENTORY: &str = "-- device.inventory
SELECT device_key, body, digest, read_at
FROM inventory WHERE device_key = $1";

pub(in crate::infra::store) const INVENTORY_PUT: &str = "-- device.inventory_put
INSERT INTO inventory (device_key, body, digest, read_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (device_key) DO UPDATE SET body = excluded.body, digest = excluded.digest, read_at = excluded.read_at";

pub(in crate::infra::store) const INVENTORY_KEEP: &str = "-- device.inventory_keep
INSERT INTO inventory_history (device_key, told_at, read_at, digest, body)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (device_key, told_at) DO UPDATE SET read_at = excluded.read_at, digest = excluded.digest,
    body = excluded.body";

pub(in crate::infra::store) const INVENTORY_BOUND: &str = "-- device.inventory_bound
DELETE FROM inventory_history WHERE device_key = $1 AND told_at NOT IN (
    SELECT told_at FROM inventory_history WHERE device_key = $1 ORDER BY told_at DESC LIMIT $2
)";

pub(in crate::infra::store) const INVENTORY_HISTORY: &str = "-- device.inventory_history
SELECT device_key, told_at, read_at, digest, body
FROM inventory_history WHERE device_key = $1 ORDER BY told_at DESC";

pub(in crate::infra::store) const KNOWN: &str = "-- device.known
SELECT d.device_norm, d.key, EXISTS (
    SELECT 1 FROM job j WHERE j.tenant = d.tenant AND j.device_norm = d.device_norm AND j.active
) AS busy
FROM device d
WHERE d.tenant = $1 AND d.device_norm IN (SELECT jsonb_array_elements_text($2::jsonb))";

pub(in crate::infra::store) const FACTS: &str = "-- device.facts
SELECT d.key, d.device_id, d.tags, d.facts, d.created_at, i.body AS inventory
FROM device d LEFT JOIN inventory i ON $6 AND i.device_key = d.key
WHERE d.tenant = $1 AND (d.created_at, d.key) > ($2, $3) AND d.created_at <= $4
ORDER BY d.created_at, d.key LIMIT $5";
