//! Being written.

mod apply;
mod download;
mod witness;

/// Runs it.
pub(crate) fn run() -> crate::Ending {
    crate::Ending::Failed
}
