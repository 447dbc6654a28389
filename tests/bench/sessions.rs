//! Device sessions per second, beside a bare baseline of the same run.

fn main() {}
