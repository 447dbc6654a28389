//! Step 1.
