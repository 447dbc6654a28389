-- Everything but the jobs of a fleet of {n} devices, as jobs.sql.
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO device (key, tenant, device_id, device_norm, user_name, scheme, class, tags, addresses, secrets, facts, roots, version,
    created_at, updated_at)
SELECT fleet_id(1, i), 'default', 'fleet-' || i, 'fleet-' || i, 'fleet-user-' || i, 'md5', NULL, '[]', '{}', '\x00', '{"info":null}', '[]', 7,
    {now} - 86400000000 + i, {now} - 3600000000 + i
FROM generate_series(0::bigint, {n} - 1) i;
INSERT INTO inventory (device_key, body, digest, read_at)
SELECT fleet_id(1, i), '{"deployed":[]}', '\x00', {now} - 3600000000 FROM generate_series(0::bigint, {n} - 1) i;
INSERT INTO inventory_history (device_key, told_at, read_at, digest, body)
SELECT fleet_id(1, i / 4), {now} - 3600000000 + i % 4, {now}, '\x00', '{"deployed":[]}' FROM generate_series(0::bigint, {n} / 4 - 1) i;
INSERT INTO session (key, tenant, device_key, dm_session_id, version, authenticated, open, msg_id, digest, state, job_id, created_at,
    updated_at)
SELECT fleet_id(4, i), 'default', fleet_id(1, i), '1', 2, TRUE, i % 10 = 0, 2, '\x00', '\x00', NULL, {now} - 7200000000 + i,
    {now} - 7200000000 + i * 10
FROM generate_series(0::bigint, {n} / 4 - 1) i;
INSERT INTO request (key, tenant, source, request_id, digest, body, priority, jobs_total, created_at, counts, completed_at, cleared_at)
SELECT fleet_id(2, i), 'default', 'fleet', 'r-' || i, '\x00', '{}', 0, 100, {now} - 86400000000 + i,
    CASE WHEN i % 2 = 0 THEN '{}' END, CASE WHEN i % 2 = 0 THEN {now} - 3600000000 + i END,
    CASE WHEN i % 2 = 0 AND i >= {n} / 100 THEN {now} - 1800000000 + i END
FROM generate_series(0::bigint, {n} / 50 - 1) i;
INSERT INTO due (errand, subject, at, attempts)
SELECT 'job', fleet_id(3, i), {now} - 1800000000 + i * 7200, 0 FROM generate_series(0::bigint, {n} - 1) i WHERE i % 10 IN (0, 2, 3, 4);
INSERT INTO outbox (id, tenant, subject, seq, kind, body, at, shard)
SELECT fleet_id(5, i), 'default', fleet_id(3, i)::text, 1, 'scomo.job.succeeded', '{"a":"body"}', {now} - 1000000, i % 64
FROM generate_series(0::bigint, {n} / 10 - 1) i;
DO $$ BEGIN
    FOR day IN 0..32 LOOP
        BEGIN
        EXECUTE format('CREATE TABLE event_day_%s PARTITION OF event FOR VALUES FROM (%s) TO (%s)', day,
            ({now} / 86400000000 - 30 + day) * 86400000000, ({now} / 86400000000 - 29 + day) * 86400000000);
        EXCEPTION WHEN invalid_object_definition THEN NULL; -- the service has made that day
        END;
    END LOOP;
END $$;
INSERT INTO event (id, tenant, subject, seq, kind, body, at)
SELECT fleet_id(6, i), 'default', fleet_id(3, i)::text, 1, 'scomo.job.succeeded', '{"a":"body"}', {now} - 2592000000000 + i * 4000000
FROM generate_series(0::bigint, {n} / 2 - 1) i;
INSERT INTO download_grant (id, token_hash, tenant, job_id, file_name, package_id, package_version, payload, size, mime, mechanism,
    descriptor, created_at, expires_at, revoked, fetched, notify_status)
SELECT fleet_id(7, i), decode(md5('token ' || i), 'hex'), 'default', fleet_id(3, i), 'file', 'org.example.fleet', '1', '\x00', 1, 'text/plain', 'package',
    NULL, {now} - 86400000000, {now} - 86400000000 + i * 1000, FALSE, 0, NULL
FROM generate_series(0::bigint, {n} / 4 - 1) i;
INSERT INTO dead_letter (id, tenant, at, kind, problem, body, size, content_type, headers, message_id, source, digest, copied)
SELECT fleet_id(8, i), 'default', {now} - 86400000000 + i, 'request', '{}', '\x00', 1, NULL, '[]', NULL, 'fleet',
    decode(md5('letter ' || i), 'hex'), i % 1000 <> 0
FROM generate_series(0::bigint, {n} / 10 - 1) i;
INSERT INTO pause (id, tenant, scope, value, request_key, reason, by_whom, at)
SELECT fleet_id(9, i), 'default', 'request', fleet_id(2, i)::text, fleet_id(2, i), NULL, 'fleet', {now} - 86400000000 + i
FROM generate_series(1::bigint, {n} / 100 - 1, 2) i;
INSERT INTO job_hold (job_id, pause_id)
SELECT fleet_id(3, i), fleet_id(9, i / 100) FROM generate_series(0::bigint, {n} - 1) i WHERE i % 10 = 2 AND i / 100 % 2 = 1;
INSERT INTO bad_signature (tenant, package_id, package_version, device_norm, at)
SELECT 'default', 'org.example.fleet-' || i % 1000, (i % 3)::text, 'fleet-' || i, {now} - 86400000000 + i FROM generate_series(0::bigint, {n} / 10 - 1) i;
INSERT INTO target_list (key, tenant, name, state, devices, duplicates, created_at, used_at)
SELECT fleet_id(10, i), 'default', 'list ' || i, CASE i % 100 WHEN 0 THEN 'open' WHEN 1 THEN 'dropped' ELSE 'ready' END, 100, 0,
    {now} - 86400000000 + i, {now} - 3600000000 + i
FROM generate_series(0::bigint, {n} / 200 - 1) i;
INSERT INTO target_list_device (list_key, place, device_id, device_norm)
SELECT fleet_id(10, i / 100), i % 100, 'fleet-' || i, 'fleet-' || i FROM generate_series(0::bigint, {n} / 4 - 1) i;
INSERT INTO fan_out (request_key, tenant, list_key, body, targets, made, undecided, after_place, after_key, until_at, version, not_started,
    ended_at)
SELECT fleet_id(2, i), 'default', CASE WHEN i % 2 = 0 THEN fleet_id(10, i / 4) END, '{}', 100, 100, 0, 100, fleet_id(1, i), {now}, 2, NULL,
    CASE WHEN i % 50 <> 0 THEN {now} - 3600000000 END
FROM generate_series(0::bigint, {n} / 50 - 1) i;
