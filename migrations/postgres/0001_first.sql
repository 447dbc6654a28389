-- The first schema. The same columns as in migrations/sqlite, where UUID and BYTEA are BLOB, BIGINT and BOOLEAN are INTEGER.
-- Ids are UUID version 7 and never an order; times are microseconds since 1970 in UTC; JSON is text that the database does
-- not look into; columns named in src/infra/store/seal.rs hold ciphertext.

-- One row: which binaries may use this schema.
CREATE TABLE schema_info (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    oldest_binary TEXT NOT NULL
);
INSERT INTO schema_info (one, oldest_binary) VALUES (1, '0.1.0');

CREATE TABLE device (
    key UUID NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    device_id TEXT NOT NULL,
    device_norm TEXT NOT NULL,
    user_name TEXT,
    scheme TEXT NOT NULL,
    class TEXT,
    tags TEXT NOT NULL,
    addresses TEXT NOT NULL,
    secrets BYTEA NOT NULL,
    facts TEXT NOT NULL,
    roots TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX device_name ON device (tenant, device_norm);
CREATE INDEX device_user ON device (tenant, user_name);
CREATE INDEX device_page ON device (tenant, created_at, key);

CREATE TABLE inventory (
    device_key UUID NOT NULL PRIMARY KEY REFERENCES device (key) ON DELETE CASCADE,
    body TEXT NOT NULL,
    digest BYTEA NOT NULL,
    read_at BIGINT NOT NULL
);

-- What was asked; by its unique identity also the inbox. Open while completed_at is null.
CREATE TABLE request (
    key UUID NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    request_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    body TEXT NOT NULL,
    priority BIGINT NOT NULL,
    jobs_total BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    counts TEXT,
    completed_at BIGINT
);
CREATE UNIQUE INDEX request_identity ON request (tenant, source, request_id);
CREATE INDEX request_page ON request (tenant, created_at, key);

CREATE TABLE job (
    id UUID NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    request_key UUID NOT NULL REFERENCES request (key),
    device_id TEXT NOT NULL,
    device_norm TEXT NOT NULL,
    device_key UUID REFERENCES device (key) ON DELETE SET NULL,
    state TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    priority BIGINT NOT NULL,
    version BIGINT NOT NULL,
    event_seq BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    body TEXT NOT NULL,
    result TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deadline_at BIGINT,
    passes_until BIGINT,
    finished_at BIGINT
);
CREATE UNIQUE INDEX job_active ON job (tenant, device_norm) WHERE active;
CREATE INDEX job_next ON job (tenant, device_norm, priority DESC, created_at, id) WHERE finished_at IS NULL;
CREATE INDEX job_ended ON job (tenant, device_norm, finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX job_request ON job (request_key, state);
CREATE INDEX job_device ON job (device_key);
CREATE INDEX job_page ON job (tenant, created_at, id);

-- What is to be done when. Narrow on purpose: workers look here and nowhere else.
CREATE TABLE due (
    errand TEXT NOT NULL,
    subject UUID NOT NULL,
    at BIGINT NOT NULL,
    lease_token UUID,
    lease_until BIGINT,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (errand, subject)
);
CREATE INDEX due_at ON due (errand, at);

CREATE TABLE session (
    key UUID NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    device_key UUID NOT NULL REFERENCES device (key) ON DELETE CASCADE,
    dm_session_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    authenticated BOOLEAN NOT NULL,
    open BOOLEAN NOT NULL,
    msg_id BIGINT NOT NULL,
    digest BYTEA,
    state BYTEA NOT NULL,
    job_id UUID,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX session_of_device ON session (device_key, dm_session_id, created_at);
CREATE INDEX session_open ON session (device_key) WHERE open;
CREATE INDEX session_used ON session (updated_at);

CREATE TABLE download_grant (
    id UUID NOT NULL PRIMARY KEY,
    token_hash BYTEA NOT NULL,
    tenant TEXT NOT NULL,
    job_id UUID NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    file_name TEXT NOT NULL,
    package_id TEXT NOT NULL,
    package_version TEXT NOT NULL,
    payload BYTEA NOT NULL,
    size BIGINT NOT NULL,
    mime TEXT NOT NULL,
    mechanism TEXT NOT NULL,
    descriptor TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked BOOLEAN NOT NULL,
    fetched BIGINT NOT NULL,
    notify_status TEXT
);
CREATE UNIQUE INDEX download_grant_token ON download_grant (token_hash);
CREATE INDEX download_grant_job ON download_grant (job_id);
CREATE INDEX download_grant_expiry ON download_grant (expires_at);

CREATE TABLE package (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest TEXT NOT NULL,
    digest BYTEA NOT NULL,
    size BIGINT NOT NULL,
    payload TEXT NOT NULL,
    loaded_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id, version)
);

-- What is still to be told. Within one subject the place rises with seq, since the subject's own row orders the writers.
CREATE TABLE outbox (
    place BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    shard BIGINT NOT NULL
);
CREATE UNIQUE INDEX outbox_id ON outbox (id);
CREATE INDEX outbox_shard ON outbox (shard, place);

-- The embedded bus: positions become visible in their order, because one relay at a time gives them.
CREATE TABLE event (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE UNIQUE INDEX event_id ON event (id);
CREATE INDEX event_at ON event (at);
