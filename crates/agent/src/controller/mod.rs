//! Being written.

mod apply;
mod download;
mod witness;

/// Runs it.
pub fn run() {}
