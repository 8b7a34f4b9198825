//! Being written.

/// Runs it.
pub fn run() {}
