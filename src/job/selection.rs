//! Which package a device gets, and why not the others.
