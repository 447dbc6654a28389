//! Download descriptors (DLOTA).
