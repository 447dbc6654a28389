//! What a job does on a device.
