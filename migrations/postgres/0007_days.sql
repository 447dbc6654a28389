-- The embedded bus in partitions, by the day of `at`: old events go with their table. What falls on no day that is there is in
-- event_default. An event has its `at` from the outbox, so the same id always belongs to the same day, and is unique there.
-- Columns and statements stay: a binary of the release before goes on reading and writing.
LOCK TABLE event IN ACCESS EXCLUSIVE MODE;
CREATE SEQUENCE event_place AS BIGINT;
SELECT setval('event_place', last_value, is_called) FROM event_position_seq;
ALTER TABLE event RENAME TO event_before;
ALTER TABLE event_before DROP CONSTRAINT event_pkey;
ALTER TABLE event_before ALTER COLUMN position DROP IDENTITY;
DROP INDEX event_id;
ALTER INDEX event_at RENAME TO event_before_at;

CREATE TABLE event (
    position BIGINT NOT NULL DEFAULT nextval('event_place'),
    id UUID NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (position, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE event_place OWNED BY event.position;
CREATE UNIQUE INDEX event_id ON event (id, at);
CREATE INDEX event_at ON event (at);
CREATE TABLE event_default PARTITION OF event DEFAULT;

-- What was told so far is one partition, up to the end of the day.
DO $$
DECLARE
    edge BIGINT;
BEGIN
    IF EXISTS (SELECT 1 FROM event_before) THEN
        SELECT (GREATEST(MAX(at), (EXTRACT(EPOCH FROM now()) * 1000000)::bigint) / 86400000000 + 1) * 86400000000
            INTO edge FROM event_before;
        EXECUTE format('ALTER TABLE event ATTACH PARTITION event_before FOR VALUES FROM (MINVALUE) TO (%s)', edge);
    ELSE
        DROP TABLE event_before;
    END IF;
END
$$;
