//! Target lists.

pub(in crate::infra::store) use crate::infra::store::sql::pg::target::{
    BY_NAME, DEVICES, DROP, DROPPED, EXPIRE, FORGET, LIST, LOAD, OPEN, PRUNE, READY, TOUCH, USE,
};

pub(in crate::infra::store) const ADD: &str = "-- target.add
INSERT INTO target_list_device (list_key, place, device_id, device_norm)
SELECT $1, $2 + n.key + 1, n.value ->> 0, n.value ->> 1
FROM json_each($3) AS n WHERE TRUE
ON CONFLICT (list_key, device_norm) DO NOTHING";
