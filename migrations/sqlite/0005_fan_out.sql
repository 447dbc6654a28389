-- A request has one job for a device, however often its making is tried.
CREATE UNIQUE INDEX job_once ON job (request_key, device_norm);

-- Names of devices that requests may be for, uploaded before. Rows of `open` lists are on their way in, of `dropped` ones on their
-- way out; nobody sees either.
CREATE TABLE target_list (
    key BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    devices INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX target_list_name ON target_list (tenant, name) WHERE state = 'ready';
CREATE INDEX target_list_page ON target_list (tenant, created_at, key);
CREATE INDEX target_list_used ON target_list (state, used_at);

CREATE TABLE target_list_device (
    list_key BLOB NOT NULL,
    place INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    device_norm TEXT NOT NULL,
    PRIMARY KEY (list_key, place)
) STRICT;
CREATE UNIQUE INDEX target_list_device_once ON target_list_device (list_key, device_norm);

-- A request for many devices falls into jobs little by little: how far that is. Open while ended_at is null.
CREATE TABLE fan_out (
    request_key BLOB NOT NULL PRIMARY KEY REFERENCES request (key) ON DELETE CASCADE,
    tenant TEXT NOT NULL,
    list_key BLOB,
    body TEXT NOT NULL,
    targets INTEGER,
    made INTEGER NOT NULL,
    undecided INTEGER NOT NULL,
    after_place INTEGER NOT NULL,
    after_key BLOB NOT NULL,
    until_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    not_started INTEGER,
    ended_at INTEGER
) STRICT;
CREATE INDEX fan_out_list ON fan_out (list_key) WHERE ended_at IS NULL;
