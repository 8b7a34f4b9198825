//! `cargo xtask`: set-up, tests and benchmarks of the repository.
fn main() {}
