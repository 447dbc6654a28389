-- When the jobs of a completed request were deleted; its identity is kept for long after that.
ALTER TABLE request ADD COLUMN cleared_at INTEGER;
CREATE INDEX request_ended ON request (completed_at) WHERE completed_at IS NOT NULL AND cleared_at IS NULL;
CREATE INDEX request_cleared ON request (cleared_at) WHERE cleared_at IS NOT NULL;

-- Lists of jobs find their page by an index whatever they are asked for. The one of a device serves what ended on it, too.
CREATE INDEX job_of_request ON job (request_key, created_at, id);
CREATE INDEX job_state ON job (tenant, state, created_at, id);
CREATE INDEX job_of_device ON job (tenant, device_norm, created_at, id);
