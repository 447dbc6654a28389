//! Versions, compared leniently.
