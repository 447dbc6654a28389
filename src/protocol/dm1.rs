//! The DM 1.x dialogue.
