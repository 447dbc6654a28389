//! Simulated devices, a product of their own.
