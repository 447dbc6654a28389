//! The real clock, randomness and keys.
