//! Problems: one shape for every refusal.
