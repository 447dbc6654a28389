-- What was told of a device's inventory, each time that it differed from the time before; the newest few are kept.
CREATE TABLE inventory_history (
    device_key BLOB NOT NULL REFERENCES device (key) ON DELETE CASCADE,
    told_at INTEGER NOT NULL,
    read_at INTEGER NOT NULL,
    digest BLOB NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (device_key, told_at)
) STRICT;
