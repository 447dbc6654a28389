-- What was told of a device's inventory, each time that it differed from the time before; the newest few are kept.
CREATE TABLE inventory_history (
    device_key UUID NOT NULL REFERENCES device (key) ON DELETE CASCADE,
    told_at BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (device_key, told_at)
);
