//! Device classes.
