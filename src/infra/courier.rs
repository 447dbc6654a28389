//! Notifications on their way.
