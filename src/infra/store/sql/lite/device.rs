//! Devices and their inventories.

pub(in crate::infra::store) use crate::infra::store::sql::pg::device::{
    BY_NAME, FACTS, INSERT, INVENTORY, INVENTORY_BOUND, INVENTORY_HISTORY, INVENTORY_KEEP, INVENTORY_PUT, LIST, LOAD,
    PUT,
};

pub(in crate::infra::store) const DELETE: &str = "-- device.delete
DELETE FROM device WHERE key = $1 AND version = $2";

pub(in crate::infra::store) const KNOWN: &str = "-- device.known
SELECT d.device_norm, d.key, EXISTS (
    SELECT 1 FROM job j WHERE j.tenant = d.tenant AND j.device_norm = d.device_norm AND j.active
) AS busy
FROM device d
WHERE d.tenant = $1 AND d.device_norm IN (SELECT value FROM json_each($2))";
