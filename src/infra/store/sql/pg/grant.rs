//! Download grants.

pub(in crate::infra::store) const BY_TOKEN: &str = "-- grant.by_token
SELECT id, token_hash, tenant, job_id, file_name, package_id, package_version, payload, size, mime, mechanism,
    descriptor, created_at, expires_at, revoked, fetched, notify_status
FROM download_grant WHERE token_hash = $1";

pub(in crate::infra::store) const OF_JOB: &str = "-- grant.of_job
SELECT id, token_hash, tenant, job_id, file_name, package_id, package_version, payload, size, mime, mechanism,
    descriptor, created_at, expires_at, revoked, fetched, notify_status
FROM download_grant WHERE job_id = $1 ORDER BY created_at, id";

pub(in crate::infra::store) const INSERT: &str = "-- grant.insert
INSERT INTO download_grant (id, token_hash, tenant, job_id, file_name, package_id, package_version, payload, size,
    mime, mechanism, descriptor, created_at, expires_at, revoked, fetched, notify_status)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

pub(in crate::infra::store) const REVOKE: &str = "-- grant.revoke
UPDATE download_grant SET revoked = TRUE WHERE job_id = $1 AND NOT revoked";

pub(in crate::infra::store) const NOTE: &str = "-- grant.note
UPDATE download_grant SET fetched = CASE WHEN fetched < $2 THEN $2 ELSE fetched END,
    notify_status = CASE
        WHEN $3 IS NULL THEN notify_status
        WHEN notify_status IS NULL OR LENGTH(notify_status) > 200 THEN $3
        WHEN notify_status = $3 OR notify_status LIKE '%; ' || $3 THEN notify_status
        ELSE notify_status || '; ' || $3
    END
WHERE id = $1";

pub(in crate::infra::store) const PRUNE: &str = "-- grant.prune
DELETE FROM download_grant WHERE id = ANY (ARRAY(SELECT id FROM download_grant WHERE expires_at < $1 ORDER BY expires_at
    LIMIT $2))";
