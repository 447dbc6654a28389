//! Target lists.

pub(in crate::infra::store) const OPEN: &str = "-- target.open
INSERT INTO target_list (key, tenant, name, state, devices, duplicates, created_at, used_at)
VALUES ($1, $2, $3, 'open', 0, 0, $4, $4)";

pub(in crate::infra::store) const TOUCH: &str = "-- target.touch
UPDATE target_list SET used_at = $2 WHERE key = $1 AND state = 'open'";

pub(in crate::infra::store) const ADD: &str = "-- target.add
INSERT INTO target_list_device (list_key, place, device_id, device_norm)
SELECT $1, $2 + n.place, n.device ->> 0, n.device ->> 1
FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS n (device, place)
ON CONFLICT (list_key, device_norm) DO NOTHING";

pub(in crate::infra::store) const READY: &str = "-- target.ready
UPDATE target_list SET state = 'ready', devices = $2, duplicates = $3, used_at = $4 WHERE key = $1 AND state = 'open'";

pub(in crate::infra::store) const USE: &str = "-- target.use
UPDATE target_list SET used_at = $2 WHERE key = $1 AND state = 'ready'";

pub(in crate::infra::store) const BY_NAME: &str = "-- target.by_name
SELECT key, name, devices, duplicates, created_at, used_at
FROM target_list WHERE tenant = $1 AND name = $2 AND state = 'ready'";

pub(in crate::infra::store) const LOAD: &str = "-- target.load
SELECT key, name, devices, duplicates, created_at, used_at
FROM target_list WHERE key = $1 AND tenant = $2 AND state = 'ready'";

pub(in crate::infra::store) const LIST: &str = "-- target.list
SELECT key, name, devices, duplicates, created_at, used_at
FROM target_list WHERE tenant = $1 AND (created_at, key) < ($2, $3) AND state = 'ready'
ORDER BY created_at DESC, key DESC LIMIT $4";

pub(in crate::infra::store) const DEVICES: &str = "-- target.devices
SELECT t.place, t.device_id, d.key AS device_key
FROM target_list_device t LEFT JOIN device d ON d.tenant = $1 AND d.device_norm = t.device_norm
WHERE t.list_key = $2 AND t.place > $3
ORDER BY t.place LIMIT $4";

pub(in crate::infra::store) const DROP: &str = "-- target.drop
UPDATE target_list SET state = 'dropped', used_at = $2 WHERE key = $1 AND state <> 'dropped'";

pub(in crate::infra::store) const EXPIRE: &str = "-- target.expire
UPDATE target_list SET state = 'dropped' WHERE state = $1 AND used_at < $2";

pub(in crate::infra::store) const DROPPED: &str = "-- target.dropped
SELECT t.key FROM target_list t
WHERE t.state = 'dropped' AND NOT EXISTS (SELECT 1 FROM fan_out f WHERE f.list_key = t.key AND f.ended_at IS NULL)
ORDER BY t.used_at LIMIT 1";

/// Between two bounds, the lower of which changes nothing: with one alone the planner would expect a third of the table.
pub(in crate::infra::store) const PRUNE: &str = "-- target.prune
DELETE FROM target_list_device
WHERE list_key = $1 AND place >= (SELECT MIN(place) FROM target_list_device WHERE list_key = $1) AND place <= (
    SELECT MAX(p.place) FROM (SELECT place FROM target_list_device WHERE list_key = $1 ORDER BY place LIMIT $2) p
)";

pub(in crate::infra::store) const FORGET: &str = "-- target.forget
DELETE FROM target_list WHERE key = $1 AND state = 'dropped'";
