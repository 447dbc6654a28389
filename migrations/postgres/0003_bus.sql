-- An event that the broker returned or refused waits until held_until, and with it every event of its subject.
ALTER TABLE outbox ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN held_until BIGINT;
CREATE INDEX outbox_held ON outbox (shard, subject) WHERE held_until IS NOT NULL;

-- Who publishes the events of a shard, until when. Shard 64 stands for the copies of dead letters.
CREATE TABLE relay_lease (
    shard BIGINT NOT NULL PRIMARY KEY,
    token UUID,
    until BIGINT NOT NULL
);
INSERT INTO relay_lease (shard, until) SELECT shard, 0 FROM generate_series(0, 64) AS shard;

-- What came from the bus and was refused. The digest is of what makes two deliveries the same message.
CREATE TABLE dead_letter (
    id UUID NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    problem TEXT NOT NULL,
    body BYTEA NOT NULL,
    size BIGINT NOT NULL,
    content_type TEXT,
    headers TEXT NOT NULL,
    message_id TEXT,
    source TEXT NOT NULL,
    digest BYTEA NOT NULL,
    copied BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX dead_letter_digest ON dead_letter (tenant, digest);
CREATE INDEX dead_letter_page ON dead_letter (tenant, at, id);
CREATE INDEX dead_letter_at ON dead_letter (at);
CREATE INDEX dead_letter_copy ON dead_letter (at) WHERE NOT copied;
