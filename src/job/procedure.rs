//! What a session drives.
