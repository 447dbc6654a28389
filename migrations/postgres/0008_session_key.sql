-- Each message of a device locked its row once more, and a session's insert took twice as long, for a reference that the code keeps by
-- itself: a device is removed with its sessions, and a session that comes in between goes with what is too old.
ALTER TABLE session DROP CONSTRAINT session_device_key_fkey;
