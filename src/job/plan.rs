//! The ordered steps of a job.
