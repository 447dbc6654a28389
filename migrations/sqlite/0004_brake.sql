-- What is held back. A pause of one request knows its row; the value is empty, `id` or `id@version`, a class, or the request's key.
CREATE TABLE pause (
    id BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    scope TEXT NOT NULL,
    value TEXT NOT NULL,
    request_key BLOB REFERENCES request (key) ON DELETE CASCADE,
    reason TEXT,
    by_whom TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX pause_scope ON pause (tenant, scope, value);
CREATE INDEX pause_request ON pause (request_key) WHERE request_key IS NOT NULL;
CREATE INDEX pause_page ON pause (tenant, at, id);

-- The jobs that a pause was found to hold: those are looked at when it is lifted, and no others.
CREATE TABLE job_hold (
    job_id BLOB NOT NULL PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    pause_id BLOB NOT NULL
) STRICT;
CREATE INDEX job_hold_pause ON job_hold (pause_id, job_id);

-- Which devices did not trust a package (1407), since it was last allowed to go on.
CREATE TABLE bad_signature (
    tenant TEXT NOT NULL,
    package_id TEXT NOT NULL,
    package_version TEXT NOT NULL,
    device_norm TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, package_id, package_version, device_norm)
) STRICT;
CREATE INDEX bad_signature_at ON bad_signature (at);

-- Failures before this moment count no longer for the request's failure budget: someone has let it go on.
ALTER TABLE request ADD COLUMN budget_from INTEGER;
