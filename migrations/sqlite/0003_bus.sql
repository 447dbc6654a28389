-- An event that the broker returned or refused waits until held_until, and with it every event of its subject.
ALTER TABLE outbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN held_until INTEGER;
CREATE INDEX outbox_held ON outbox (shard, subject) WHERE held_until IS NOT NULL;

-- Who publishes the events of a shard, until when. Shard 64 stands for the copies of dead letters.
CREATE TABLE relay_lease (
    shard INTEGER NOT NULL PRIMARY KEY,
    token BLOB,
    until INTEGER NOT NULL
) STRICT;
INSERT INTO relay_lease (shard, until)
WITH RECURSIVE shards (shard) AS (SELECT 0 UNION ALL SELECT shard + 1 FROM shards WHERE shard < 64)
SELECT shard, 0 FROM shards;

-- What came from the bus and was refused. The digest is of what makes two deliveries the same message.
CREATE TABLE dead_letter (
    id BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    problem TEXT NOT NULL,
    body BLOB NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT,
    headers TEXT NOT NULL,
    message_id TEXT,
    source TEXT NOT NULL,
    digest BLOB NOT NULL,
    copied INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX dead_letter_digest ON dead_letter (tenant, digest);
CREATE INDEX dead_letter_page ON dead_letter (tenant, at, id);
CREATE INDEX dead_letter_at ON dead_letter (at);
CREATE INDEX dead_letter_copy ON dead_letter (at) WHERE NOT copied;
