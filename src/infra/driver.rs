//! Lease, run, release.
