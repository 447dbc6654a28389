//! When a job is tried again.
