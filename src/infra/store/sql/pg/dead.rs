//! Dead letters.

pub(in crate::infra::store) const INSERT: &str = "-- dead.insert
INSERT INTO dead_letter (id, tenant, at, kind, problem, body, size, content_type, headers, message_id, source,
    digest, copied)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant, digest) DO NOTHING";

pub(in crate::infra::store) const LOAD: &str = "-- dead.load
SELECT id, tenant, at, kind, problem, body, size, content_type, headers, message_id, source, digest, copied
FROM dead_letter WHERE tenant = $1 AND id = $2";

pub(in crate::infra::store) const LIST: &str = "-- dead.list
SELECT id, tenant, at, kind, problem, body, size, content_type, headers, message_id, source, digest, copied
FROM dead_letter WHERE tenant = $1 AND (at, id) < ($2, $3)
ORDER BY at DESC, id DESC LIMIT $4";

pub(in crate::infra::store) const UNCOPIED: &str = "-- dead.uncopied
SELECT id, tenant, at, kind, problem, body, size, content_type, headers, message_id, source, digest, copied
FROM dead_letter WHERE NOT copied ORDER BY at LIMIT $1";

pub(in crate::infra::store) const COPIED: &str = "-- dead.copied
UPDATE dead_letter SET copied = TRUE WHERE id = $1";

pub(in crate::infra::store) const DELETE: &str = "-- dead.delete
DELETE FROM dead_letter WHERE tenant = $1 AND id = $2";

pub(in crate::infra::store) const PRUNE: &str = "-- dead.prune
DELETE FROM dead_letter WHERE id = ANY (ARRAY(SELECT id FROM dead_letter WHERE at < $1 ORDER BY at LIMIT $2))";
