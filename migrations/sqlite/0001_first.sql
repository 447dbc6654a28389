-- The first schema. The same columns as in migrations/postgres, where BLOB is UUID or BYTEA, INTEGER is BIGINT or BOOLEAN.
-- Ids are UUID version 7 and never an order; times are microseconds since 1970 in UTC; JSON is text that the database does
-- not look into; columns named in src/infra/store/seal.rs hold ciphertext.

-- One row: which binaries may use this schema.
CREATE TABLE schema_info (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    oldest_binary TEXT NOT NULL
) STRICT;
INSERT INTO schema_info (one, oldest_binary) VALUES (1, '0.1.0');

CREATE TABLE device (
    key BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    device_id TEXT NOT NULL,
    device_norm TEXT NOT NULL,
    user_name TEXT,
    scheme TEXT NOT NULL,
    class TEXT,
    tags TEXT NOT NULL,
    addresses TEXT NOT NULL,
    secrets BLOB NOT NULL,
    facts TEXT NOT NULL,
    roots TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX device_name ON device (tenant, device_norm);
CREATE INDEX device_user ON device (tenant, user_name);
CREATE INDEX device_page ON device (tenant, created_at, key);

CREATE TABLE inventory (
    device_key BLOB NOT NULL PRIMARY KEY REFERENCES device (key) ON DELETE CASCADE,
    body TEXT NOT NULL,
    digest BLOB NOT NULL,
    read_at INTEGER NOT NULL
) STRICT;

-- What was asked; by its unique identity also the inbox. Open while completed_at is null.
CREATE TABLE request (
    key BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    request_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    body TEXT NOT NULL,
    priority INTEGER NOT NULL,
    jobs_total INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    counts TEXT,
    completed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX request_identity ON request (tenant, source, request_id);
CREATE INDEX request_page ON request (tenant, created_at, key);

CREATE TABLE job (
    id BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    request_key BLOB NOT NULL REFERENCES request (key),
    device_id TEXT NOT NULL,
    device_norm TEXT NOT NULL,
    device_key BLOB REFERENCES device (key) ON DELETE SET NULL,
    state TEXT NOT NULL,
    active INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    version INTEGER NOT NULL,
    event_seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    body TEXT NOT NULL,
    result TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deadline_at INTEGER,
    passes_until INTEGER,
    finished_at INTEGER
) STRICT;
CREATE UNIQUE INDEX job_active ON job (tenant, device_norm) WHERE active;
CREATE INDEX job_next ON job (tenant, device_norm, priority DESC, created_at, id) WHERE finished_at IS NULL;
CREATE INDEX job_ended ON job (tenant, device_norm, finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX job_request ON job (request_key, state);
CREATE INDEX job_device ON job (device_key);
CREATE INDEX job_page ON job (tenant, created_at, id);

-- What is to be done when. Narrow on purpose: workers look here and nowhere else.
CREATE TABLE due (
    errand TEXT NOT NULL,
    subject BLOB NOT NULL,
    at INTEGER NOT NULL,
    lease_token BLOB,
    lease_until INTEGER,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (errand, subject)
) STRICT;
CREATE INDEX due_at ON due (errand, at);

CREATE TABLE session (
    key BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    device_key BLOB NOT NULL REFERENCES device (key) ON DELETE CASCADE,
    dm_session_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    authenticated INTEGER NOT NULL,
    open INTEGER NOT NULL,
    msg_id INTEGER NOT NULL,
    digest BLOB,
    state BLOB NOT NULL,
    job_id BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX session_of_device ON session (device_key, dm_session_id, created_at);
CREATE INDEX session_open ON session (device_key) WHERE open;
CREATE INDEX session_used ON session (updated_at);

CREATE TABLE download_grant (
    id BLOB NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL,
    tenant TEXT NOT NULL,
    job_id BLOB NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    file_name TEXT NOT NULL,
    package_id TEXT NOT NULL,
    package_version TEXT NOT NULL,
    payload BLOB NOT NULL,
    size INTEGER NOT NULL,
    mime TEXT NOT NULL,
    mechanism TEXT NOT NULL,
    descriptor TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    fetched INTEGER NOT NULL,
    notify_status TEXT
) STRICT;
CREATE UNIQUE INDEX download_grant_token ON download_grant (token_hash);
CREATE INDEX download_grant_job ON download_grant (job_id);
CREATE INDEX download_grant_expiry ON download_grant (expires_at);

CREATE TABLE package (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest TEXT NOT NULL,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    payload TEXT NOT NULL,
    loaded_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id, version)
) STRICT;

-- What is still to be told. Within one subject the place rises with seq, since the subject's own row orders the writers.
CREATE TABLE outbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    shard INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_id ON outbox (id);
CREATE INDEX outbox_shard ON outbox (shard, place);

-- The embedded bus: positions become visible in their order, because one relay at a time gives them.
CREATE TABLE event (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_id ON event (id);
CREATE INDEX event_at ON event (at);
