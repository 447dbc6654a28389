//! Result codes and status values.
