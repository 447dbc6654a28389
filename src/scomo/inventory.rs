//! What is on a device.
