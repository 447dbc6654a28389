-- Jobs of a fleet of {n} devices: a hundred of each request of the first half of them; of the jobs, half have ended. Ids tell the table and the number; times are
-- microseconds before {now}. What refers to rows of the other file is not checked while the tables are filled.
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO job (id, tenant, request_key, device_id, device_norm, device_key, state, active, priority, version, event_seq, attempt,
    body, result, created_at, updated_at, deadline_at, passes_until, finished_at)
SELECT fleet_id(3, i), 'default', fleet_id(2, i / 100), 'fleet-' || i, 'fleet-' || i, fleet_id(1, i),
    CASE i % 10 WHEN 0 THEN 'awaiting_report' WHEN 1 THEN 'failed' WHEN 2 THEN 'waiting' WHEN 3 THEN 'waiting' WHEN 4 THEN 'notified'
        ELSE 'succeeded' END,
    i % 10 = 0, i % 3, 4, 3, 1, '{"state":"made up to be as long as a short one","notes":[]}', NULL,
    {now} - 86400000000 + i, {now} - 3600000000 + i, {now} + 86400000000, NULL,
    CASE WHEN i % 10 IN (0, 2, 3, 4) THEN NULL ELSE {now} - 3600000000 + i END
FROM generate_series(0::bigint, {n} - 1) i;
